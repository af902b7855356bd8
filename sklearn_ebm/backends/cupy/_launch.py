"""Loading and launching of kernels, and checks and conversion of their arguments."""

import functools

import numpy as np

from sklearn_ebm.backends._namespace import array_namespace, is_cupy
from sklearn_ebm.backends.cupy._sources import C_TYPES, FAMILIES, OPTIONS, RULES, instance_name

WARP = 32
MAX_THREADS = 256  # enough to hide memory latency; several such blocks run on a multiprocessor
MAX_SHARED_BYTES = 48 * 1024  # available to a block on every device without opting in to more
NULL = np.uintp(0)  # null pointer, for optional arrays


@functools.cache
def load(family):  # pragma: needs a GPU
    """Return the compiled module of a family; CuPy caches a binary for each device on disk."""
    import cupy

    source = FAMILIES[family]
    return cupy.RawModule(
        code=source.code, options=OPTIONS, name_expressions=source.instances, backend="nvrtc"
    )


def launch(family, kernel, shape, arguments, rule=None, shared_bytes=0):
    """Run one kernel on the current stream.

    Parameters
    ----------
    family, kernel : str
        Name of the family in `FAMILIES`, and of one of its kernels.
    shape : tuple of two ints
        Number of blocks, and of threads in each.
    arguments : tuple
        Arrays, NumPy scalars of the kernel's types, and a rule from `as_struct`. The dtype of the
        first argument, an array, selects the instance of the kernel.
    rule : str or None, default=None
        Name of the rule.
    shared_bytes : int, default=0
        Bytes of shared memory of a block.
    """
    n_blocks, n_threads = shape
    if n_blocks == 0:  # CuPy would start one block
        return
    name = instance_name(kernel, arguments[0].dtype, rule)
    function = load(family).get_function(name)
    function((n_blocks,), (n_threads,), arguments, shared_mem=shared_bytes)


def n_threads(n_columns):
    """Return the number of threads of a block that shares a row, in whole warps."""
    return min(MAX_THREADS, -(-n_columns // WARP) * WARP)


def fusible(*in_place):
    """Return whether a kernel can write to the arrays: contiguous, of one supported dtype."""
    dtype = in_place[0].dtype
    return str(dtype) in C_TYPES and all(
        array.dtype == dtype and array.flags.c_contiguous for array in in_place
    )


def as_input(array, like):
    """Return the array in the dtype of `like` and contiguous, without a copy if it already is."""
    return array_namespace(like).ascontiguousarray(array, dtype=like.dtype)


def has_functor(rule):
    """Return whether there is a functor for the rule."""
    return type(rule).__name__ in RULES


def as_struct(rule, dtype):
    """Return the rule's numbers as the functor of the same name, to be passed by value.

    It has pointers to the arrays of the rule, which must exist until the kernel has ended.
    """
    threshold, *arrays = rule
    kinds = [dtype, *(np.uintp for _ in arrays)]
    fields = np.dtype([*zip(rule._fields, kinds, strict=True)], align=True)
    return np.array([(threshold, *map(_address, arrays))], dtype=fields)


def _address(array):
    return array.data.ptr if is_cupy(array) else array.ctypes.data


def typed_rule(rule, like):
    """Return a rule with arrays as `as_input` returns them."""
    threshold, *arrays = rule
    return type(rule)(threshold, *(as_input(array, like) for array in arrays))
