"""Lateral inhibition as plain data, and the first-order conditions of codes that minimise it.

With q = c - z H and the thresholds t = |z| S, a code z is stationary if q_j = sign(z_j) t_j for all
z_j other than zero, and |q_j| <= t_j (q_j <= t_j if codes are not negative) for the others.
"""

from typing import Any, NamedTuple

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import positive_or_one, row_maximum


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
