"""Array namespaces, memory for arrays, and conversion to the host."""

import math
import sys

import numpy as np
from scipy import sparse


def is_cupy(array):
    """Return whether the array is on a CUDA device, without loading CuPy."""
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(array, cupy.ndarray)


def array_namespace(*arrays):
    """Return the module of the arrays' functions: NumPy, CuPy or an array API library."""
    for array in arrays:
        if type(array) is np.ndarray:
            continue
        if is_cupy(array):
            return sys.modules["cupy"]
        if not isinstance(array, np.ndarray) and hasattr(array, "__array_namespace__"):
            return array.__array_namespace__()
    return np


LINE = 64  # bytes of a cache line; a vector that crosses a line requires two loads


def new_array(shape, like, dtype=None):
    """Return an uninitialised array on the device of `like`, in its dtype or another one.

    On the host it is aligned to cache lines, so that no vector of a row crosses a line if rows are
    whole lines. NumPy's own memory is not aligned.
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
    """Return an uninitialised matrix whose rows are an odd number of cache lines apart.

    If the distance of rows is a power of two, they share few sets of a cache and evict each other.
    Summing rows of a matrix with 1,024 columns then took three times as long. Rows are never
    contiguous, since Numba would compile a kernel once more for contiguous matrices.
    """
    n_rows, n_columns = shape
    if array_namespace(like) is not np:
        return new_array(shape, like, dtype)
    line = LINE // np.dtype(like.dtype if dtype is None else dtype).itemsize
    width = (n_columns // line + 1 | 1) * line
    return new_array((n_rows, width), like, dtype)[:, :n_columns]


def squared_norms(rows):
    """Return ||x||^2 of each row, dense or sparse; on the host without an array of squares."""
    if sparse.issparse(rows):
        return rows.power(2).sum(axis=1)
    xp = array_namespace(rows)
    return np.vecdot(rows, rows) if xp is np else xp.sum(rows * rows, axis=1)


BLOCK = 2**16  # bytes of a temporary array that remains in the cache


def _blocks(rows):
    """Yield slices of consecutive rows; one for all of them unless they are on the host."""
    n_rows, step = rows.shape[0], max(1, rows.shape[0])
    if array_namespace(rows) is np:
        step = max(1, BLOCK // max(1, rows.nbytes // step))
    return (slice(first, first + step) for first in range(0, n_rows, step))


def absolute_sums(rows):
    """Return sum_j |x_j| of each row; on the host without an array of absolute values."""
    xp = array_namespace(rows)
    sums = [xp.sum(xp.abs(rows[block, ...]), axis=1) for block in _blocks(rows)]
    return sums[0] if len(sums) == 1 else xp.concat([rows[:0, 0], *sums])


def add_multiple(total, factor, values):
    """Compute total += factor * values for a number; on the host without an array of products."""
    for block in _blocks(total):
        total[block, ...] += factor * values[block, ...]


def multiply_into(left, right, result):
    """Compute result = left @ right, in place if the library supports it; `left` may be sparse."""
    if sparse.issparse(left) and right.ndim == 3:  # one product for each step of a network
        for k in range(right.shape[0]):
            result[k] = left @ right[k]
        return result
    if sparse.issparse(left):
        result[...] = left @ right
        return result
    xp = array_namespace(result)
    if xp is np or is_cupy(result):
        return xp.matmul(left, right, out=result)
    result[...] = left @ right
    return result


def divide_or_zero(value, divisor):
    """Return value / divisor if the divisor is positive, and zero otherwise."""
    xp = array_namespace(value)
    on = divisor > 0
    return xp.where(on, value / xp.where(on, divisor, xp.ones_like(divisor)), xp.zeros_like(value))


def diagonal(matrix):
    """Return the diagonal of a matrix; CuPy does not follow the array API standard here."""
    xp = array_namespace(matrix)
    return (xp if is_cupy(matrix) else xp.linalg).diagonal(matrix)


def cumulated(rows):
    """Return the cumulative sums of each row; NumPy follows the array API standard since 2.1."""
    xp = array_namespace(rows)
    function = xp.cumsum if xp is np or is_cupy(rows) else xp.cumulative_sum
    return function(rows, axis=1)


def put_rows(array, index, rows):
    """Assign array[index] = rows, which the array API standard does not support."""
    if isinstance(array, np.ndarray) or is_cupy(array):
        array[index] = rows
        return
    for position in range(index.shape[0]):
        array[int(index[position]), ...] = rows[position, ...]


def stored_entries(array):
    """Return all entries of an array, or the stored entries of a sparse array."""
    return array.data if sparse.issparse(array) else array


def take_rows(array, index):
    """Return some rows of an array or of a sparse array, or entries of a vector."""
    if sparse.issparse(array):
        return array[index]
    return array_namespace(array).take(array, index, axis=0)


def in_type(array, dtype):
    """Return an array or a sparse array in a dtype."""
    if sparse.issparse(array):
        return array.astype(dtype, copy=False)
    return array_namespace(array).asarray(array, dtype=dtype)


def to_host(array):
    """Return an array as a NumPy array, without a copy if it already is one."""
    return array.get() if is_cupy(array) else np.asarray(array)


def to_csr(rows):
    """Return an array with few non-zero entries as a CSR array on the host."""
    rows = np.ascontiguousarray(to_host(rows))
    positions = np.flatnonzero(rows != 0)  # several times faster than `csr_array(rows)`
    n_rows, n_columns = rows.shape
    dtype = sparse.get_index_dtype(maxval=max(positions.size, n_columns))
    ends = np.searchsorted(positions, n_columns * np.arange(n_rows + 1)).astype(dtype)
    columns = np.remainder(positions, max(n_columns, 1)).astype(dtype)
    return sparse.csr_array((rows.reshape(-1)[positions], columns, ends), shape=rows.shape)


def copied(array):
    """Return a copy of an array, on the same device."""
    return array_namespace(array).asarray(array, copy=True)


def read_only(value):
    """Return a read-only view of a NumPy array; other values are returned unchanged."""
    if not isinstance(value, np.ndarray) or is_cupy(value):
        return value
    if type(value) is np.ndarray and not value.flags.writeable:
        return value
    view = value.view(np.ndarray)  # also for a memory map
    view.flags.writeable = False
    return view
