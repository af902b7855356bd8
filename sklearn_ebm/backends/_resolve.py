"""Choice of a module of kernels by the parameter `backend` and the data."""

import functools
import importlib
import importlib.util

import numpy as np

from sklearn_ebm._extras import install_hint
from sklearn_ebm.backends._namespace import array_namespace, is_cupy

BACKENDS = ("numpy", "numba", "cupy")
CUPY_HINT = (
    "backend='cupy' requires CuPy, which is not installed. The CUDA version of the driver, which "
    f"nvidia-smi prints, selects the extra. {install_hint('cuda12', 'cuda13')}"
)


def resolve_backend(name, X):
    """Return the module of kernels for a name; "auto" follows the data.

    Parameters
    ----------
    name : {"auto", "numpy", "numba", "cupy"}
        Value of the parameter `backend`.
    X : array
        The data. For "auto", the backend is "cupy" for CuPy arrays, "numba" for NumPy arrays, and
        "numpy" for arrays of other libraries.

    Returns
    -------
    backend : module
        One of `sklearn_ebm.backends.numpy`, `.numba` and `.cupy`.

    Raises
    ------
    ImportError
        If "cupy" is requested and CuPy is not installed.
    """
    if name == "auto":
        name = "cupy" if is_cupy(X) else "numba" if array_namespace(X) is np else "numpy"
    if name == "cupy" and importlib.util.find_spec("cupy") is None:
        raise ImportError(CUPY_HINT)
    return _module(name)


@functools.cache
def _module(name):
    """Return the module of a backend, cached since each call of a model requires it."""
    return importlib.import_module(f"sklearn_ebm.backends.{name}")
