"""Vectors of 32-bit words, and the exponential and logarithm computed from bits and series."""

import math

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from sklearn_ebm.backends.numba._simd import LANES, Vector

WORD = ir.IntType(32)
WIDE = ir.VectorType(ir.IntType(64), LANES // 2)


def _constant(kind, value):
    """Return an LLVM vector constant with the same value in all lanes."""
    return ir.Constant(kind, [value] * kind.count)


@intrinsic
def words_from(typing_context, first):
    """Return the words first, first + 1, ... in the lanes."""

    def generate(context, builder, signature, arguments):
        kind = ir.VectorType(WORD, LANES)
        lane = ir.Constant(WORD, 0)
        empty = ir.Constant(kind, ir.Undefined)
        one = builder.insert_element(empty, arguments[0], lane)
        same = builder.shuffle_vector(one, empty, _constant(kind, 0))
        return builder.add(same, ir.Constant(kind, list(range(LANES))))

    return Vector(types.uint32)(types.uint32), generate


@intrinsic
def exclusive_or(typing_context, left, right):
    """Return the exclusive or of two vectors of words."""

    def generate(context, builder, signature, arguments):
        return builder.xor(*arguments)

    return left(left, right), generate


@intrinsic
def wide_product(typing_context, words, factor):
    """Return upper and lower words of the products with a 64-bit number that is below 2**32.

    Even and odd lanes are multiplied separately, as the processor does.
    """

    def generate(context, builder, signature, arguments):
        kind = ir.VectorType(WORD, LANES)
        half, low = _constant(WIDE, 32), _constant(WIDE, 0xFFFFFFFF)
        high = _constant(WIDE, 0xFFFFFFFF << 32)
        pairs = builder.bitcast(arguments[0], WIDE)
        empty = ir.Constant(WIDE, ir.Undefined)
        one = builder.insert_element(empty, arguments[1], ir.Constant(WORD, 0))
        lanes = ir.Constant(ir.VectorType(WORD, LANES // 2), [0] * (LANES // 2))
        factors = builder.shuffle_vector(one, empty, lanes)
        even = builder.mul(builder.and_(pairs, low), factors)
        odd = builder.mul(builder.lshr(pairs, half), factors)
        upper = builder.or_(builder.lshr(even, half), builder.and_(odd, high))
        lower = builder.or_(builder.and_(even, low), builder.shl(odd, half))
        return context.make_tuple(
            builder,
            signature.return_type,
            [builder.bitcast(upper, kind), builder.bitcast(lower, kind)],
        )

    return types.UniTuple(words, 2)(words, types.uint64), generate


@intrinsic
def unit_interval(typing_context, words, like):
    """Return numbers (2 n + 1) / 2**24 between zero and one, with n the upper 23 bits of words."""

    def generate(context, builder, signature, arguments):
        number = context.get_value_type(like.dtype)
        kind = ir.VectorType(number, LANES)
        bits = builder.lshr(arguments[0], _constant(ir.VectorType(WORD, LANES), 9))
        steps = builder.uitofp(bits, kind)
        scaled = builder.fmul(steps, _constant(kind, 2.0**-23))
        return builder.fadd(scaled, _constant(kind, 2.0**-24))

    return like(words, like), generate


DEGREE = {32: 7, 64: 13}  # of the Taylor series; the rest is below rounding for |r| <= log(2) / 2
LARGEST = {32: 87.0, 64: 708.0}  # exp of it and of its negative are normal numbers
LOG_2 = {  # in two parts: the upper part has few bits, so that its multiples are exact
    32: (0.693359375, -2.12194440054690583e-4),
    64: (0.693145751953125, 1.42860682030941723e-6),
}
EXPONENT = {32: (23, 127), 64: (52, 1023)}  # position of the exponent bits, and the bias


@intrinsic
def exponential(typing_context, vector):
    """Return exp(x) of each lane; x is clipped to the range of `LARGEST`.

    x = n log(2) + r, exp(x) = 2**n exp(r).
    """

    def generate(context, builder, signature, arguments):
        width = vector.dtype.bitwidth
        kind = context.get_value_type(vector)
        x = _clipped(builder, arguments[0], kind, LARGEST[width])
        n, r = _reduced(context, builder, x, kind, width)
        power = _constant(kind, 1 / math.factorial(DEGREE[width]))
        for k in range(DEGREE[width] - 1, -1, -1):
            power = builder.fmul(power, r, flags=("contract",))
            power = builder.fadd(power, _constant(kind, 1 / math.factorial(k)), flags=("contract",))
        return builder.fmul(power, _power_of_two(builder, n, kind, width))

    return vector(vector), generate


TERMS = {32: 8, 64: 18}  # of the series; the remainder is below rounding for w <= 1/3


@intrinsic
def log_of_one_plus(typing_context, vector):
    """Return log(1 + d) of each lane, for d between zero and one.

    w = d / (2 + d), log(1 + d) = 2 artanh(w) = 2 (w + w**3 / 3 + w**5 / 5 + ...).
    """

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(vector)
        d, contract = arguments[0], ("contract",)
        w = builder.fdiv(d, builder.fadd(d, _constant(kind, 2.0)), flags=("arcp",))
        square = builder.fmul(w, w)
        last = TERMS[vector.dtype.bitwidth] - 1
        series = _constant(kind, 2 / (2 * last + 1))
        for k in range(last - 1, -1, -1):
            series = builder.fmul(series, square, flags=contract)
            series = builder.fadd(series, _constant(kind, 2 / (2 * k + 1)), flags=contract)
        return builder.fmul(series, w)

    return vector(vector), generate


def _clipped(builder, x, kind, largest):
    upper, lower = _constant(kind, largest), _constant(kind, -largest)
    x = builder.select(builder.fcmp_ordered("<", x, upper), x, upper)
    return builder.select(builder.fcmp_ordered(">", x, lower), x, lower)


def _reduced(context, builder, x, kind, width):
    """Return n, the nearest integer to x / log(2), and r."""
    name = f"llvm.rint.v{LANES}f{width}"
    rint = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
    n = builder.call(rint, [builder.fmul(x, _constant(kind, 1 / math.log(2)))])
    for part in LOG_2[width]:
        x = builder.fsub(x, builder.fmul(n, _constant(kind, part), flags=("contract",)),
                         flags=("contract",))  # fmt: skip
    return n, x


def _power_of_two(builder, n, kind, width):
    place, zero = EXPONENT[width]
    whole = ir.VectorType(ir.IntType(width), LANES)
    exponent = builder.add(builder.fptosi(n, whole), _constant(whole, zero))
    return builder.bitcast(builder.shl(exponent, _constant(whole, place)), kind)
