"""Array namespaces, the choice of a backend, and the kernels that each backend offers.

A backend is a module with the functions of `sklearn_ebm.backends.numpy`, which is the readable
reference. What it does not fuse it takes from the reference, which is written on the array
namespace.
"""

from sklearn_ebm.backends._namespace import (
    array_namespace,
    copied,
    diagonal,
    divide_or_zero,
    is_cupy,
    multiply_into,
    new_array,
    new_matrix,
    put_rows,
    read_only,
    squared_norms,
    to_host,
)
from sklearn_ebm.backends._resolve import BACKENDS, resolve_backend

__all__ = [
    "BACKENDS",
    "array_namespace",
    "copied",
    "diagonal",
    "divide_or_zero",
    "is_cupy",
    "multiply_into",
    "new_array",
    "new_matrix",
    "put_rows",
    "read_only",
    "resolve_backend",
    "squared_norms",
    "to_host",
]
