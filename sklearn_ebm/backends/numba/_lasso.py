"""Host side of the per-sample solvers: buffers, and rows over threads."""

import numpy as np

from sklearn_ebm.backends.numba._active_set import active_set_rows
from sklearn_ebm.backends.numba._coordinate_descent import coordinate_descent_rows
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._support import padded

MAX_SUPPORT = 1024  # the inverse of a larger support would cost more than coordinate descent
SMALLEST_PIECE = 32  # rows; fewer are done before a second thread has woken up


def _with_typed_rule(lasso):
    """A rule whose numbers are of the data's type, so that the kernel compiles once for each."""
    threshold = lasso.gram.dtype.type(lasso.rule.threshold)
    return lasso._replace(rule=type(lasso.rule)(threshold))


def active_set(lasso, code, tol, max_iter, warm=True):
    """Fused active set; see `sklearn_ebm.backends.numpy.active_set`."""
    lasso = _with_typed_rule(lasso)
    n_samples, n_atoms = code.shape
    gap, n_iter = np.zeros(n_samples), np.zeros(n_samples, np.int64)
    capacity = min(n_atoms, MAX_SUPPORT)
    width = padded(capacity + 1)

    def work(first, last):
        support = np.empty(capacity, np.uintp)
        vectors = np.zeros((3, width), np.float32)
        inverse = np.empty((width, width), np.float32)
        active_set_rows(
            lasso, code, gap, n_iter, warm, tol, max_iter, support, vectors, inverse, first, last
        )

    split_rows(work, n_samples, SMALLEST_PIECE)
    return gap, int(n_iter.max(initial=0))


def coordinate_descent(lasso, code, tol, max_iter):
    """Fused coordinate descent; see `sklearn_ebm.backends.numpy.coordinate_descent`."""
    lasso = _with_typed_rule(lasso)
    gap, n_iter = np.zeros(code.shape[0]), np.zeros(code.shape[0], np.int64)

    def work(first, last):
        coordinate_descent_rows(lasso, code, gap, n_iter, tol, max_iter, first, last)

    split_rows(work, code.shape[0], SMALLEST_PIECE)
    return gap, int(n_iter.max(initial=0))
