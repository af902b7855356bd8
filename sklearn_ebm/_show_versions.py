"""Versions and settings for reports of bugs."""

import importlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from sklearn_ebm import __version__

REQUIRED = ("numpy", "scipy", "scikit-learn", "numba", "llvmlite", "joblib", "threadpoolctl")
OPTIONAL = (
    "matplotlib",
    "pandas",
    "skops",
    "torch",
    "onnxruntime",
    "skl2onnx",
    "dask",
    "distributed",
)
CUPY = ("cupy", "cupy-cuda12x", "cupy-cuda13x")  # distributions that contain the same package


def show_versions() -> None:
    """Print versions of packages, the processor and settings, for a bug report.

    Nothing is printed about data, models or environment variables except the cache directory.

    See Also
    --------
    sklearn.show_versions : Versions of the dependencies of scikit-learn.

    Examples
    --------
    >>> from sklearn_ebm import show_versions
    >>> show_versions()  # doctest: +SKIP
    """
    sections = {
        "System": _system(),
        "Python dependencies": _packages(),
        "Compiled kernels": _kernels(),
    }
    for title, entries in sections.items():
        print(f"\n{title}:")
        for name, value in entries.items():
            print(f"{name:>16}: {value}")
    print("\nThread pools:")
    for pool in _thread_pools():
        print("    " + ", ".join(f"{name}: {pool[name]}" for name in sorted(pool)))


def _system():
    return {
        "python": sys.version.replace("\n", " "),
        "executable": sys.executable,
        "machine": platform.platform(),
    }


def _packages():
    versions = {name: _version(name) for name in (*REQUIRED, *OPTIONAL)}
    cupy = [f"{_version(name)} ({name})" for name in CUPY if _version(name)]
    return {"sklearn_ebm": __version__, **versions, "cupy": ", ".join(cupy) or None}


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _kernels():
    from sklearn_ebm.backends.numba._environment import cache_folder, cpu_name

    return {"processor": cpu_name(), "cache": cache_folder()}


def _thread_pools():
    """Return information about the thread pools of the loaded libraries."""
    from threadpoolctl import threadpool_info

    for name in ("numpy", "scipy.linalg", "sklearn"):
        importlib.import_module(name)
    return threadpool_info()
