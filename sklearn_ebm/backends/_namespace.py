"""Which array library an array belongs to, and the one way back to the host."""

import math
import sys

import numpy as np


def is_cupy(array):
    """Whether the array lives on a CUDA device; does not load CuPy."""
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(array, cupy.ndarray)


def array_namespace(*arrays):
    """The module that the arrays' functions come from: NumPy, CuPy or another array-API library."""
    for array in arrays:
        if is_cupy(array):
            return sys.modules["cupy"]
        if not isinstance(array, np.ndarray) and hasattr(array, "__array_namespace__"):
            return array.__array_namespace__()
    return np


LINE = 64  # bytes of a cache line: a vector that crosses one takes two loads


def new_array(shape, like, dtype=None):
    """Room for an array on the device of `like`, of its type or another; not cleared.

    On the host it begins with a cache line, so that no vector of a row crosses one where rows are
    whole lines. NumPy's own memory begins anywhere.
    """
    xp = array_namespace(like)
    dtype = like.dtype if dtype is None else dtype
    if xp is not np:
        return xp.empty(shape, dtype=dtype)
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def new_matrix(shape, like, dtype=None):
    """Room for a matrix whose rows begin an odd number of cache lines apart; not cleared.

    Rows a power of two apart share few sets of a cache and drive each other out: to add up some
    rows of a matrix with 1,024 columns took three times as long.
    """
    n_rows, n_columns = shape
    if array_namespace(like) is not np:
        return new_array(shape, like, dtype)
    line = LINE // np.dtype(like.dtype if dtype is None else dtype).itemsize
    width = (-(-n_columns // line) | 1) * line
    return new_array((n_rows, width), like, dtype)[:, :n_columns]


def squared_norms(rows):
    """||x||^2 of each row; on the host without an array of squares."""
    xp = array_namespace(rows)
    return np.vecdot(rows, rows) if xp is np else xp.sum(rows * rows, axis=1)


def multiply_into(left, right, result):
    """result = left @ right, without another array where the library can do without."""
    xp = array_namespace(result)
    if xp is np or is_cupy(result):
        return xp.matmul(left, right, out=result)
    result[...] = left @ right
    return result


def divide_or_zero(value, divisor):
    """value / divisor where the divisor is above zero, and zero elsewhere."""
    xp = array_namespace(value)
    on = divisor > 0
    return xp.where(on, value / xp.where(on, divisor, xp.ones_like(divisor)), xp.zeros_like(value))


def diagonal(matrix):
    """The diagonal of a matrix, which CuPy has under another name than the array API standard."""
    xp = array_namespace(matrix)
    return (xp if is_cupy(matrix) else xp.linalg).diagonal(matrix)


def put_rows(array, index, rows):
    """array[index] = rows, which NumPy and CuPy have and the array API standard has not."""
    if isinstance(array, np.ndarray) or is_cupy(array):
        array[index] = rows
        return
    for position in range(index.shape[0]):
        array[int(index[position]), ...] = rows[position, ...]


def to_host(array):
    """A NumPy array of the same values; no copy where it is one already."""
    return array.get() if is_cupy(array) else np.asarray(array)


def copied(array):
    """A copy of an array, where it is."""
    return array_namespace(array).asarray(array, copy=True)


def read_only(value):
    """A view of a NumPy array that cannot be written; anything else as it is."""
    if not isinstance(value, np.ndarray) or is_cupy(value):
        return value
    if type(value) is np.ndarray and not value.flags.writeable:
        return value
    view = value.view(np.ndarray)  # of a memory map as well
    view.flags.writeable = False
    return view
