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


def to_host(array):
    """A NumPy array of the same values; no copy where it is one already."""
    return array.get() if is_cupy(array) else np.asarray(array)
