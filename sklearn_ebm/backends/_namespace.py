"""Which array library an array belongs to, and the one way back to the host."""

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
