"""Lateral inhibition as plain data, and the first-order conditions of codes that minimise it.

With q = c - z H and the thresholds t = |z| S, a code z is stationary if q_j = sign(z_j) t_j for all
z_j other than zero, and |q_j| <= t_j (q_j <= t_j if codes are not negative) for the others.
"""

from typing import Any, NamedTuple

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import positive_or_one, row_maximum

SWEEP_ROUNDINGS = 64  # possible error of q and t after many sweeps, relative to max_j |c_j|


class InhibitionRule(NamedTuple):
    """The penalty 1/2 |z| S |z|', with S = `strength` that includes alpha.

    Attributes
    ----------
    strength : array of shape (n_components, n_components)
        S: symmetric, non-negative, zero on the diagonal.
    positive : bool
        Whether codes are constrained to be non-negative.
    """

    strength: Any
    positive: bool

    def row(self, n):
        """Return the rule of one sample."""
        return self

    def prox(self, value, threshold):
        """Return argmin_z 1/2 (z - v)^2 + t |z| of each entry, with a threshold t for each."""
        xp = array_namespace(value)
        if self.positive:
            return xp.maximum(value - threshold, xp.zeros_like(value))
        return value - xp.clip(value, -threshold, threshold)

    def violation(self, code, residual_correlation, threshold):
        """Return the distance of each entry from the first-order conditions."""
        xp, q = array_namespace(code), residual_correlation
        at_zero = q - threshold if self.positive else xp.abs(q) - threshold
        away = xp.abs(q - xp.sign(code) * threshold)
        return xp.where(code == 0, xp.maximum(at_zero, xp.zeros_like(at_zero)), away)


def stationarity(lasso, code, residual_correlation=None, threshold=None):
    """Return the largest violation of the first-order conditions over max_j |c_j|, for each row."""
    if residual_correlation is None:
        residual_correlation = lasso.correlation - code @ lasso.gram
    if threshold is None:
        threshold = array_namespace(code).abs(code) @ lasso.rule.strength
    largest = row_maximum(lasso.rule.violation(code, residual_correlation, threshold))
    return largest / positive_or_one(row_maximum(array_namespace(code).abs(lasso.correlation)))


def extrapolated(lasso, code, before):
    """Return codes moved on along their change from `before`, to the least energy on this ray.

    Rows whose signs have changed are returned as they are, and no sign changes: the energy is then
    quadratic. The step ends where the first entry becomes zero, if the energy decreases until
    there. Sweeps zigzag along directions in which the energy is flat, and these steps shorten them.
    Slope and curvature are rounded up, so that the energy does not increase.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and an `InhibitionRule`.
    code, before : array of shape (n_samples, n_components)
        Codes after and before some sweeps.

    Returns
    -------
    array of shape (n_samples, n_components)
    """
    xp, strength = array_namespace(code), lasso.rule.strength
    change, sign = code - before, xp.sign(code)
    q, threshold = lasso.correlation - code @ lasso.gram, xp.abs(code) @ strength
    noise = (
        SWEEP_ROUNDINGS * float(xp.finfo(code.dtype).eps) * row_maximum(xp.abs(lasso.correlation))
    )
    noise = noise * xp.sum(xp.abs(change), axis=1)
    slope = xp.sum(change * (sign * threshold - q), axis=1) + noise
    bent = change @ lasso.gram + sign * ((sign * change) @ strength)
    curvature = xp.sum(change * bent, axis=1) + noise
    shrinkage = row_maximum(-change * sign / positive_or_one(xp.abs(code)))
    shrinkage = xp.maximum(shrinkage, xp.zeros_like(shrinkage))
    ends_at_zero = -slope * shrinkage >= curvature
    moves = (slope < 0) & ~(ends_at_zero & (shrinkage <= 0))
    moves = moves & xp.all(sign == xp.sign(before), axis=1)
    divisor = xp.where(ends_at_zero, positive_or_one(shrinkage), positive_or_one(curvature))
    step = xp.where(ends_at_zero, xp.ones_like(slope), -slope) / divisor
    moved = code + xp.where(moves, step, xp.zeros_like(step))[:, None] * change
    return xp.where(moved * code > 0, moved, xp.zeros_like(moved))
