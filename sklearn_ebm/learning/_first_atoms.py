"""Initial atoms of a dictionary: distinct samples, scaled to norm one."""

from itertools import pairwise

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace, to_host

DRAWS = 4  # draws for each atom, so that enough of them are distinct


def unit_rows(dictionary):
    """Return rows scaled to norm one; zero rows stay zero. Squares do not overflow or underflow."""
    xp = array_namespace(dictionary)
    largest = xp.max(xp.abs(dictionary), axis=1, keepdims=True)
    scaled = dictionary / xp.where(largest > 0, largest, xp.ones_like(largest))
    norm = xp.sqrt(xp.sum(scaled * scaled, axis=1, keepdims=True))
    return scaled / xp.where(norm > 0, norm, xp.ones_like(norm))


def positive_rows(dictionary):
    """Return the positive parts of rows, or magnitudes of rows without any, scaled to norm one."""
    xp = array_namespace(dictionary)
    positive = xp.maximum(dictionary, xp.zeros_like(dictionary))
    is_zero = ~xp.any(positive > 0, axis=1)[:, None]
    return unit_rows(xp.where(is_zero, xp.abs(dictionary), positive))


def first_dictionary(X, n_components, random_state, sample_weight=None):
    """Return distinct unit-norm samples, and random directions if there are too few.

    Samples are drawn by cumulated weight along a random direction. The result depends neither on
    their order nor on whether a sample is repeated or has a larger weight instead.
    """
    xp = array_namespace(X)
    dictionary = xp.asarray(random_state.standard_normal((n_components, X.shape[1])), dtype=X.dtype)
    dictionary = unit_rows(dictionary)
    draws = random_state.uniform(size=DRAWS * n_components)
    order = np.argsort(to_host(X @ dictionary[0, :]))
    weights = np.ones(len(order)) if sample_weight is None else to_host(sample_weight)[order]
    cumulated = np.cumsum(weights, dtype=np.float64)
    rows = order[np.searchsorted(cumulated, draws * cumulated[-1], side="right")]
    if sparse.issparse(X):
        samples = _distinct_sparse_rows(X[rows], n_components)
    else:
        samples = _distinct_rows(to_host(xp.take(X, xp.asarray(rows), axis=0)), n_components)
    dictionary[: samples.shape[0], :] = xp.asarray(unit_rows(samples))
    return dictionary


def _distinct_rows(samples, most):
    """Return at most `most` distinct rows other than zero, in their order."""
    _, first = np.unique(samples, axis=0, return_index=True)
    samples = samples[np.sort(first)]
    return samples[np.any(samples, axis=1)][:most]


def _distinct_sparse_rows(samples, most):
    """Return the same rows as `_distinct_rows`, given a CSR array in canonical format."""
    first = {}
    for number, (begin, end) in enumerate(pairwise(samples.indptr)):
        index, values = samples.indices[begin:end], samples.data[begin:end]
        if begin < end:
            first.setdefault((index.tobytes(), values.tobytes()), number)
    return samples[[*first.values()][:most]].toarray()
