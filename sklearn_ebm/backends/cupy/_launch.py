"""From a family of kernels and arrays to a launch; what may go to a kernel, and in which form."""

import functools

import numpy as np

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.cupy._sources import C_TYPES, FAMILIES, OPTIONS, RULES, instance_name

WARP = 32
MAX_THREADS = 256  # enough to hide the latency of memory, and several such blocks share a processor
MAX_SHARED_BYTES = 48 * 1024  # what every device gives to a block without asking for more
NULL = np.uintp(0)  # in place of an array that is not wanted


@functools.cache
def load(family):  # pragma: needs a GPU
    """The family's compiled module; CuPy keeps its binary on disk, and one for each device."""
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
        Which of `FAMILIES`, and which of its kernels.
    shape : tuple of two ints
        Blocks, and threads in each.
    arguments : tuple
        Arrays, NumPy scalars of the kernel's types, and a rule from `as_struct`. The first is an
        array of the type that the kernel computes in.
    rule : str or None, default=None
        Name of the rule.
    shared_bytes : int, default=0
        Shared memory of a block.
    """
    n_blocks, n_threads = shape
    if n_blocks == 0:  # CuPy would start one block all the same
        return
    name = instance_name(kernel, arguments[0].dtype, rule)
    function = load(family).get_function(name)
    function((n_blocks,), (n_threads,), arguments, shared_mem=shared_bytes)


def n_threads(n_columns):
    """Threads of a block that shares a row: whole warps, as many as there is work for."""
    return min(MAX_THREADS, -(-n_columns // WARP) * WARP)


def fusible(*in_place):
    """Whether a kernel can write to the arrays: contiguous and of one type that is compiled."""
    dtype = in_place[0].dtype
    return str(dtype) in C_TYPES and all(
        array.dtype == dtype and array.flags.c_contiguous for array in in_place
    )


def as_input(array, like):
    """The array in the type of `like` and contiguous; a copy only where it is not so already."""
    return array_namespace(like).ascontiguousarray(array, dtype=like.dtype)


def has_functor(rule):
    """Whether the rule can enter a kernel."""
    return type(rule).__name__ in RULES


def as_struct(rule, dtype):
    """The rule's numbers as the functor of the same name, to be passed by value."""
    return np.array([tuple(rule)], dtype=[(field, dtype) for field in rule._fields])
