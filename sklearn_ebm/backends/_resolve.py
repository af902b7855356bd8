"""From the `backend=` parameter and the data to a module of kernels."""

import importlib
import importlib.util

from sklearn_ebm.backends._namespace import is_cupy

BACKENDS = ("numpy", "numba", "cupy")
CUPY_HINT = (
    "backend='cupy' needs CuPy, which is not installed. Install it for your CUDA version: "
    "`pip install sklearn-ebm[cuda12]` or `pip install sklearn-ebm[cuda13]`."
)


def resolve_backend(name, X):
    """Module of kernels for `name`; "auto" follows the data.

    Parameters
    ----------
    name : {"auto", "numpy", "numba", "cupy"}
        The wish of the user.
    X : array
        The data; a CuPy array asks for the kernels of its device.

    Returns
    -------
    backend : module
        One of `sklearn_ebm.backends.numpy`, `.numba` and `.cupy`.

    Raises
    ------
    ImportError
        If "cupy" is asked for and CuPy is not installed.
    """
    if name == "auto":
        name = "cupy" if is_cupy(X) else "numba"
    if name == "cupy" and importlib.util.find_spec("cupy") is None:
        raise ImportError(CUPY_HINT)
    return importlib.import_module(f"sklearn_ebm.backends.{name}")
