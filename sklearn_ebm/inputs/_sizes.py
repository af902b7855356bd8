"""Scale of the data, by which steps of biases, thresholds and gains are multiplied in learning."""

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.inputs._checks import largest_value

PIECE_ROWS = 1024  # number of rows that are copied at once
FAR = 10.0  # limit of the size of a row, as a multiple of the median size


def data_size(X, sample_weight, rows, otherwise):
    """Return the root mean square of the entries of X, with a limited influence of each row.

    Rows of zeros are ignored. The influence of outliers is limited, so that a few of them do not
    affect the steps of learning.

    Parameters
    ----------
    X : array of shape (n_samples, ...) or csr_array of shape (n_samples, n_features)
        Samples.
    sample_weight : array of shape (n_samples,) or None
        Weight of each row.
    rows : slice
        Rows on which the scale is measured.
    otherwise : float
        Value returned if all entries are zero.

    Returns
    -------
    float
        Root mean square, but at least the smallest value whose square is in the range of the type
        of X.
    """
    sizes = _in_pieces(_row_sizes, X[rows, ...])
    weights = np.ones(len(sizes)) if sample_weight is None else to_host(sample_weight)[rows]
    counts = (sizes > 0) & (weights > 0)
    if counts.any():
        otherwise = _root_mean_square(sizes[counts], weights[counts].astype(np.float64))
    return max(otherwise, 1 / largest_value(X.dtype))


def observed_share(X, mask, sample_weight, rows):
    """Return the fraction of observed entries in the rows that `data_size` measures.

    Parameters
    ----------
    X : array of shape (n_samples, ...)
        Samples, with zeros for entries that are not observed.
    mask : array of the shape of X or None
        1 for observed entries, otherwise 0. None if all entries are observed.
    sample_weight : array of shape (n_samples,) or None
        Weight of each row.
    rows : slice
        Rows on which the fraction is measured.

    Returns
    -------
    float
        Fraction of observed entries. One if all entries of X are zero.
    """
    if mask is None:
        return 1.0
    counts = _in_pieces(_any_non_zero, X[rows, ...]).astype(np.float64)
    if sample_weight is not None:
        counts *= to_host(sample_weight)[rows]
    if not counts.any():
        return 1.0
    return float(counts @ _in_pieces(_row_means, mask[rows, ...]) / counts.sum())


def _in_pieces(measure, X):
    """Return one number for each row of X, on the host."""
    pieces = range(0, X.shape[0], PIECE_ROWS)
    return np.concatenate([measure(X[i : i + PIECE_ROWS, ...]) for i in pieces])


def _any_non_zero(X):
    xp = array_namespace(X)
    return to_host(xp.any(xp.reshape(X, (X.shape[0], -1)) != 0, axis=1))


def _row_means(X):
    xp = array_namespace(X)
    return to_host(xp.mean(xp.reshape(X, (X.shape[0], -1)), axis=1, dtype=xp.float64))


def _root_mean_square(sizes, weights):
    """Return the root mean square of sizes that are limited to a multiple of the median."""
    median = _median(sizes, weights)
    limited = np.minimum(sizes / median, FAR)
    return float(median * np.sqrt(weights @ limited**2 / weights.sum()))


def _row_sizes(X):
    """Return the root mean square of each row, in float64 on the host, without overflow."""
    if sparse.issparse(X):
        return _sparse_row_sizes(X)
    xp = array_namespace(X)
    X = xp.reshape(X, (X.shape[0], -1))
    largest = xp.max(xp.abs(X), axis=1)
    scaled = X / xp.where(largest > 0, largest, xp.ones_like(largest))[:, None]
    return to_host(largest * xp.sqrt(xp.mean(scaled * scaled, axis=1))).astype(np.float64)


def _sparse_row_sizes(X):
    rows, values = X.tocoo().row, X.data.astype(np.float64)
    largest = np.zeros(X.shape[0])
    np.maximum.at(largest, rows, abs(values))
    scaled = values / np.where(largest > 0, largest, 1)[rows]
    squares = np.bincount(rows, scaled * scaled, minlength=X.shape[0])
    return largest * np.sqrt(squares / X.shape[1])


def _median(sizes, weights):
    """Return the smallest size that at least half the weight does not exceed."""
    order = np.argsort(sizes)
    cumulated = np.cumsum(weights[order])
    return sizes[order][np.searchsorted(cumulated, cumulated[-1] / 2)]
