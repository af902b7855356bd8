"""Array namespaces, the choice of a backend, and the kernels of all backends.

A backend is a module with the functions of `sklearn_ebm.backends.numpy`, the readable reference.
Functions that a backend does not fuse are imported from the reference, which is written for the
array namespace.
"""

from sklearn_ebm.backends._namespace import (
    absolute_sums,
    add_multiple,
    array_namespace,
    copied,
    cumulated,
    diagonal,
    divide_or_zero,
    in_type,
    is_cupy,
    multiply_into,
    new_array,
    new_matrix,
    put_rows,
    read_only,
    squared_norms,
    stored_entries,
    take_rows,
    to_csr,
    to_host,
)
from sklearn_ebm.backends._resolve import BACKENDS, resolve_backend
from sklearn_ebm.backends._states import LARGEST_ENUMERATION, binary_states

__all__ = [
    "BACKENDS",
    "LARGEST_ENUMERATION",
    "absolute_sums",
    "add_multiple",
    "array_namespace",
    "binary_states",
    "copied",
    "cumulated",
    "diagonal",
    "divide_or_zero",
    "in_type",
    "is_cupy",
    "multiply_into",
    "new_array",
    "new_matrix",
    "put_rows",
    "read_only",
    "resolve_backend",
    "squared_norms",
    "stored_entries",
    "take_rows",
    "to_csr",
    "to_host",
]
