"""Mean and standard deviation of features, computed in pieces of rows."""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.backends._namespace import divide_or_zero
from sklearn_ebm.inputs._rows import dense_rows

PIECE_ROWS = 512  # number of rows that are dense at once
ROUNDINGS = 4  # deviations below so many machine epsilons of the largest value are zero


class Selection(NamedTuple):
    """Rows of the data whose moments are computed.

    Attributes
    ----------
    X : array or csr_array of shape (n_samples, n_features)
        Data.
    rows : int array
        Rows in use.
    dtype : dtype
        Dtype of the pieces.
    weights : ndarray of shape (n_samples,) or None, default=None
        Weights of all samples, on the host. None means equal weights.
    observed : array of shape (n_samples, n_features) or None, default=None
        1 for observed values, which alone count, otherwise 0. None if all are observed.
    """

    X: Any
    rows: Any
    dtype: Any
    weights: Any = None
    observed: Any = None

    def pieces(self):
        """Yield the rows as dense pieces, with the weights of their values, or None."""
        for first in range(0, len(self.rows), PIECE_ROWS):
            rows = self.rows[first : first + PIECE_ROWS]
            part = dense_rows(self.X, rows, self.dtype)
            xp, weight = array_namespace(part), None
            if self.weights is not None:
                weight = xp.asarray(self.weights[rows, None])
            if self.observed is not None:
                observed = dense_rows(self.observed, rows, np.float64)
                weight = observed if weight is None else weight * observed
            yield part, weight

    def mean(self, function):
        """Return the mean of function(part), with as many columns as the data, for each column."""
        total, count = 0.0, 0.0
        for part, weight in self.pieces():
            values, xp = function(part), array_namespace(part)
            if self.observed is not None:
                count = count + xp.sum(weight, axis=0, dtype=xp.float64)
            values = values if weight is None else values * weight
            total = total + xp.sum(values, axis=0, dtype=xp.float64)
        if self.observed is not None:
            return divide_or_zero(total, count)
        return total / (len(self.rows) if self.weights is None else self.weights[self.rows].sum())

    def bounds(self):
        """Return the minimum and the maximum of each feature; zeros if it was never observed."""
        least = most = None
        for part, weight in self.pieces():
            xp, low, high = array_namespace(part), part, part
            if self.observed is not None:
                low = xp.where(weight > 0, part, xp.full_like(part, xp.inf))
                high = xp.where(weight > 0, part, xp.full_like(part, -xp.inf))
            low, high = xp.min(low, axis=0), xp.max(high, axis=0)
            least = low if least is None else xp.minimum(least, low)
            most = high if most is None else xp.maximum(most, high)
        seen = least <= most
        return tuple(
            xp.astype(xp.where(seen, bound, xp.zeros_like(bound)), xp.float64)
            for bound in (least, most)
        )


def moments(selection, with_deviation):
    """Return mean and standard deviation (or None) of each feature, in the dtype of a selection.

    Sums are computed in double precision. The deviation is zero for features that are constant up
    to rounding errors. Features that were never observed have the mean zero.
    """
    dtype = selection.dtype
    mean = selection.mean(lambda part: part)
    xp = array_namespace(mean)
    deviation = None
    if with_deviation:
        mean, deviation = _corrected_moments(selection, mean)
        _require_squares(deviation, dtype)
        deviation = xp.asarray(deviation, dtype=dtype)
    return xp.asarray(mean, dtype=dtype), deviation


def covariance(selection, mean):
    """Return the covariance matrix of the features, in double precision on the host.

    Parameters
    ----------
    selection : Selection
        Data without missing values.
    mean : array of shape (n_features,)
        Mean of each feature.

    Returns
    -------
    ndarray of shape (n_features, n_features)
    """
    total, weight_sum = 0.0, 0.0
    for part, weight in selection.pieces():
        xp = array_namespace(part)
        deviation = xp.astype(part, xp.float64) - xp.astype(mean, xp.float64)
        weighted = deviation if weight is None else deviation * weight
        total = total + weighted.T @ deviation
        weight_sum += part.shape[0] if weight is None else float(xp.sum(weight))
    return to_host(total) / weight_sum


def _corrected_moments(selection, mean):
    """Return the mean, corrected for the rounding error of its sum, and the deviation."""
    xp = array_namespace(mean)
    least, most = selection.bounds()
    mean = xp.where(least == most, least, mean)
    unit = xp.maximum(most - mean, mean - least)
    unit = xp.where(unit > 0, unit, xp.ones_like(unit))  # so that squares do not underflow
    shift = selection.mean(lambda part: (part - mean) / unit)
    square = selection.mean(lambda part: ((part - mean) / unit) ** 2)
    variance = xp.maximum(square - shift**2, xp.zeros_like(square))
    deviation = unit * xp.sqrt(variance)
    rounding = ROUNDINGS * float(xp.finfo(selection.dtype).eps)
    rounding = rounding * xp.maximum(xp.abs(least), xp.abs(most))
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
