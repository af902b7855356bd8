"""The largest eigenvalue of an operator that is never formed, by a block of power iterations."""

import numpy as np

from sklearn_ebm.backends import array_namespace

N_VECTORS = 16  # as many as one product processes at a time
TOLERANCE = 5e-3  # relative change between two iterations at which they end
SAFETY = 1.1  # iterations approach the largest eigenvalue from below, as do maps of finite size
MAX_ITER = 50


def random_vectors(size, like):
    """Return orthonormal vectors, one per row, that are the same in each call."""
    xp = array_namespace(like)
    vectors = np.random.RandomState(0).standard_normal((min(N_VECTORS, size), size))
    return _orthonormal(xp.asarray(vectors, dtype=like.dtype))


def largest_of_operator(product, vectors, max_iter=MAX_ITER):
    """Return an upper estimate of the largest eigenvalue of a symmetric operator, at least zero.

    The largest Ritz value of the subspace that the vectors span increases in each iteration.

    Parameters
    ----------
    product : callable
        Maps rows to their products with the operator, which is positive semidefinite.
    vectors : array of shape (n_vectors, size)
        Orthonormal rows with which the iteration starts.
    max_iter : int, default=50
        Maximum number of products.

    Returns
    -------
    value : float
        One for an operator of zeros, so that step sizes can be divided by it.
    vectors : array of shape (n_vectors, size)
        Rows with which an iteration for a similar operator may start.
    """
    xp, before = array_namespace(vectors), 0.0
    for _ in range(max_iter):
        moved = product(vectors)
        ritz = moved @ vectors.T
        value = float(xp.linalg.eigvalsh((ritz + ritz.T) / 2)[-1])
        if not value > 0:
            return 1.0, vectors
        vectors = _orthonormal(moved)
        if value - before <= TOLERANCE * value:
            break
        before = value
    return SAFETY * value, vectors


def _orthonormal(rows):
    return array_namespace(rows).linalg.qr(rows.T)[0].T
