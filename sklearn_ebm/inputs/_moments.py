"""Mean and standard deviation of features, computed in pieces of rows."""

import math

import numpy as np

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._rows import dense_rows

PIECE_ROWS = 512  # number of rows that are dense at once
ROUNDINGS = 4  # deviations below so many machine epsilons of the largest value are zero


def moments(X, rows, dtype, with_deviation, weights=None):
    """Return mean and standard deviation (or None) of each feature over given rows, in a dtype.

    Sums are computed in double precision. The deviation is zero for features that are constant up
    to rounding errors. `weights` contains the weights of all samples, on the host. None means equal
    weights.
    """
    mean = _mean_rows(X, rows, dtype, lambda part: part, weights)
    xp = array_namespace(mean)
    deviation = None
    if with_deviation:
        mean, deviation = _corrected_moments(X, rows, dtype, mean, weights)
        _require_squares(deviation, dtype)
        deviation = xp.asarray(deviation, dtype=dtype)
    return xp.asarray(mean, dtype=dtype), deviation


def _corrected_moments(X, rows, dtype, mean, weights):
    """Return the mean, corrected for the rounding error of its sum, and the deviation."""
    xp = array_namespace(mean)
    least, most = _bounds(X, rows, dtype)
    mean = xp.where(least == most, least, mean)
    unit = xp.maximum(most - mean, mean - least)
    unit = xp.where(unit > 0, unit, xp.ones_like(unit))  # so that squares do not underflow

    def powers(part):
        difference = (part - mean) / unit
        return xp.concat([difference, difference**2], axis=1)

    both = _mean_rows(X, rows, dtype, powers, weights)
    shift, square = both[: mean.shape[0]], both[mean.shape[0] :]
    variance = xp.maximum(square - shift**2, xp.zeros_like(square))
    deviation = unit * xp.sqrt(variance)
    rounding = ROUNDINGS * float(xp.finfo(dtype).eps) * xp.maximum(xp.abs(least), xp.abs(most))
    deviation = xp.where(deviation > rounding, deviation, xp.zeros_like(deviation))
    return mean + unit * shift, deviation


def _require_squares(deviation, dtype):
    """Raise a ValueError if the variance of a feature underflows."""
    xp = array_namespace(deviation)
    smallest = math.sqrt(float(xp.finfo(dtype).smallest_normal))
    least = float(xp.min(xp.where(deviation > 0, deviation, xp.full_like(deviation, xp.inf))))
    if least < smallest:
        raise ValueError(
            f"Input X contains a feature whose variance is too small for {np.dtype(dtype)!r}: the "
            f"square of a standard deviation of {least:.1e} underflows. Rescale X, for instance "
            "with StandardScaler."
        )


def _pieces(X, rows, dtype):
    """Yield given rows as dense pieces."""
    for first in range(0, len(rows), PIECE_ROWS):
        yield dense_rows(X, rows[first : first + PIECE_ROWS], dtype)


def _mean_rows(X, rows, dtype, function, weights):
    total, first = 0.0, 0
    for piece in _pieces(X, rows, dtype):
        part = function(piece)
        xp = array_namespace(part)
        if weights is not None:
            part = part * xp.asarray(weights[rows[first : first + PIECE_ROWS], None])
        first += PIECE_ROWS
        total = total + xp.sum(part, axis=0, dtype=xp.float64)
    return total / (len(rows) if weights is None else weights[rows].sum())


def _bounds(X, rows, dtype):
    """Return the minimum and the maximum of each feature."""
    least = most = None
    for part in _pieces(X, rows, dtype):
        xp = array_namespace(part)
        low, high = xp.min(part, axis=0), xp.max(part, axis=0)
        least = low if least is None else xp.minimum(least, low)
        most = high if most is None else xp.maximum(most, high)
    return xp.astype(least, xp.float64), xp.astype(most, xp.float64)
