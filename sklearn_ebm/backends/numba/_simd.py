"""Vectors of LANES numbers as values inside kernels, for short rows or partial sums.

By default, LLVM guards each loop against overlapping arrays and does not vectorise loops of few
iterations, which dominate for a support of a dozen atoms. A `Vector` is loaded and stored
explicitly; LLVM splits it into the registers of the processor.
"""

from llvmlite import ir
from numba.core import cgutils, errors, types
from numba.extending import intrinsic, models, register_model

from sklearn_ebm.backends._random import LANES

FAST = ("nnan", "ninf", "nsz", "contract", "reassoc")  # same as FAST_MATH of the kernels


class Vector(types.Type):
    """The type of LANES numbers of one dtype."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        number = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(number, LANES))


def _require_rows(array):
    """Refuse layouts whose rows may not be contiguous; for "A", the caller must ensure it."""
    if array.layout == "F":
        raise errors.NumbaTypeError(f"Vector requires an array with contiguous rows, got {array}")


def _pointer(context, builder, array_type, array, index):
    """Return the address of the element at `index` of an array, as a pointer to a vector."""
    array = context.make_array(array_type)(context, builder, array)
    indices = cgutils.unpack_tuple(builder, index) if array_type.ndim > 1 else [index]
    place = cgutils.get_item_pointer(
        context, builder, array_type, array, indices, wraparound=False, boundscheck=False
    )
    number = context.get_value_type(array_type.dtype)
    return builder.bitcast(place, ir.VectorType(number, LANES).as_pointer())


@intrinsic
def load(typing_context, array, index):
    """Load LANES numbers of an array with contiguous rows, from `index`: k, or (row, k)."""
    _require_rows(array)

    def generate(context, builder, signature, arguments):
        place = _pointer(context, builder, array, arguments[0], arguments[1])
        return builder.load(place, align=array.dtype.bitwidth // 8)

    return Vector(array.dtype)(array, index), generate


@intrinsic
def store(typing_context, array, index, vector):
    """Write LANES numbers from `index`."""
    _require_rows(array)

    def generate(context, builder, signature, arguments):
        place = _pointer(context, builder, array, arguments[0], arguments[1])
        builder.store(arguments[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, index, vector), generate


def _first_lanes(builder, count):
    """Return a mask of the lanes below `count`."""
    kind = ir.VectorType(ir.IntType(64), LANES)
    empty, lane = ir.Constant(kind, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    first = builder.insert_element(empty, count, lane)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    counts = builder.shuffle_vector(first, empty, zeros)
    return builder.icmp_unsigned("<", ir.Constant(kind, list(range(LANES))), counts)


def _masked(builder, name, vector, result, arguments):
    """Call LLVM's masked load or store of a vector."""
    suffix = f"v{LANES}{'f' if isinstance(vector.dtype, types.Float) else 'i'}"
    full_name = f"llvm.masked.{name}.{suffix}{vector.dtype.bitwidth}.p0"
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, signature, full_name)
    return builder.call(function, arguments)


@intrinsic
def load_first(typing_context, array, index, count):
    """Load the first `count` lanes and fill with zeros; other memory is not read."""
    _require_rows(array)
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        place = _pointer(context, builder, array, arguments[0], arguments[1])
        kind = context.get_value_type(vector)
        align = ir.Constant(ir.IntType(32), array.dtype.bitwidth // 8)
        mask = _first_lanes(builder, arguments[2])
        given = [place, align, mask, ir.Constant(kind, None)]
        return _masked(builder, "load", vector, kind, given)

    return vector(array, index, types.int64), generate


@intrinsic
def store_first(typing_context, array, index, vector, count):
    """Write the first `count` lanes from `index`."""
    _require_rows(array)

    def generate(context, builder, signature, arguments):
        place = _pointer(context, builder, array, arguments[0], arguments[1])
        align = ir.Constant(ir.IntType(32), array.dtype.bitwidth // 8)
        mask = _first_lanes(builder, arguments[3])
        given = [arguments[2], place, align, mask]
        _masked(builder, "store", vector, ir.VoidType(), given)
        return context.get_dummy_value()

    return types.void(array, index, vector, types.int64), generate


@intrinsic
def splat(typing_context, number):
    """Return a vector with the same number in all lanes."""

    def generate(context, builder, signature, arguments):
        return _splat(context, builder, number, arguments[0])

    return Vector(number)(number), generate


def _splat(context, builder, number_type, number):
    empty = ir.Constant(ir.VectorType(context.get_value_type(number_type), LANES), ir.Undefined)
    first = builder.insert_element(empty, number, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, empty, lanes)


@intrinsic
def add_scaled(typing_context, total, scale, vector):
    """Return total + scale * vector; `scale` has the vector's dtype or a narrower one."""

    def generate(context, builder, signature, arguments):
        total_value, scale_value, vector_value = arguments
        scale_value = context.cast(builder, scale_value, scale, total.dtype)
        if vector != total:
            wide = context.get_value_type(total)
            vector_value = builder.fpext(vector_value, wide)
        scales = _splat(context, builder, total.dtype, scale_value)
        product = builder.fmul(scales, vector_value, flags=FAST)
        return builder.fadd(total_value, product, flags=FAST)

    return total(total, scale, vector), generate


@intrinsic
def add(typing_context, left, right):
    """Return left + right."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments, flags=FAST)

    return left(left, right), generate


@intrinsic
def subtract(typing_context, left, right):
    """Return left - right."""

    def generate(context, builder, signature, arguments):
        return builder.fsub(*arguments, flags=FAST)

    return left(left, right), generate


@intrinsic
def multiply(typing_context, left, right):
    """Return left * right, lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fmul(*arguments, flags=FAST)

    return left(left, right), generate


@intrinsic
def divide(typing_context, left, right):
    """Return left / right, lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fdiv(*arguments, flags=FAST)

    return left(left, right), generate


def _of_each_lane(function_name, vector):
    """Return code that applies an LLVM intrinsic to all lanes."""

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(vector)
        name = f"llvm.{function_name}.v{LANES}f{vector.dtype.bitwidth}"
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind]), name
        )
        return builder.call(function, arguments)

    return vector(vector), generate


@intrinsic
def magnitude(typing_context, vector):
    """Return the absolute value of each lane."""
    return _of_each_lane("fabs", vector)


@intrinsic
def square_root(typing_context, vector):
    """Return the square root of each lane."""
    return _of_each_lane("sqrt", vector)


@intrinsic
def larger(typing_context, left, right):
    """Return the maximum of each lane."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return left(left, right), generate


@intrinsic
def smaller(typing_context, left, right):
    """Return the minimum of each lane."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return left(left, right), generate


@intrinsic
def lanes_that_are_on(typing_context, vector):
    """Return one bit per lane, set if the number is not zero; lane 0 is the lowest bit."""

    def generate(context, builder, signature, arguments):
        zero = ir.Constant(context.get_value_type(vector), None)
        is_on = builder.fcmp_unordered("!=", arguments[0], zero)
        bits = builder.bitcast(is_on, ir.IntType(LANES))
        return builder.zext(bits, ir.IntType(64))

    return types.uint64(vector), generate


@intrinsic
def lowest_bit(typing_context, bits):
    """Return the index of the lowest set bit; at least one must be set."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@intrinsic
def n_bits(typing_context, bits):
    """Return the number of set bits."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def total(typing_context, vector):
    """Return the sum over the lanes."""

    def generate(context, builder, signature, arguments):
        return _reduce(context, builder, vector, arguments[0], builder.fadd)

    return vector.dtype(vector), generate


@intrinsic
def totals(typing_context, vectors):
    """Return the sums over the lanes of LANES vectors, as one vector."""

    def generate(context, builder, signature, arguments):
        vectors_left, width = cgutils.unpack_tuple(builder, arguments[0], LANES), 1
        while len(vectors_left) > 1:
            pairs = zip(vectors_left[0::2], vectors_left[1::2], strict=True)
            vectors_left = [_add_neighbours(builder, *pair, width) for pair in pairs]
            width *= 2
        return vectors_left[0]

    return vectors.dtype(vectors), generate


def _add_neighbours(builder, left, right, width):
    """Add neighbouring blocks of lanes: sums of `left` in even blocks, of `right` in odd ones."""
    lanes = [
        LANES * (lane // width % 2) + lane // (2 * width) * 2 * width + lane % width
        for lane in range(LANES)
    ]
    kind = ir.VectorType(ir.IntType(32), LANES)
    first, second = (
        builder.shuffle_vector(left, right, ir.Constant(kind, [lane + shift for lane in lanes]))
        for shift in (0, width)
    )
    return builder.fadd(first, second, flags=FAST)


@intrinsic
def largest_lane(typing_context, vector):
    """Return the maximum over the lanes."""

    def generate(context, builder, signature, arguments):
        def larger_of(left, right, flags):
            return builder.select(builder.fcmp_ordered(">", left, right), left, right)

        return _reduce(context, builder, vector, arguments[0], larger_of)

    return vector.dtype(vector), generate


def _reduce(context, builder, vector_type, vector, combine):
    """Combine the upper half of the lanes with the lower half, repeatedly."""
    width = LANES
    while width > 1:
        width //= 2
        order = [width + lane if lane < width else 0 for lane in range(LANES)]
        indices = ir.Constant(ir.VectorType(ir.IntType(32), LANES), order)
        vector = combine(vector, builder.shuffle_vector(vector, vector, indices), flags=FAST)
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


@intrinsic
def where_larger(typing_context, left, right, here, there):
    """Return `here` in lanes with left > right, and `there` in the others."""

    def generate(context, builder, signature, arguments):
        left_value, right_value, here_value, there_value = arguments
        is_larger = builder.fcmp_ordered(">", left_value, right_value)
        return builder.select(is_larger, here_value, there_value)

    return here(left, right, here, there), generate
