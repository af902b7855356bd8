"""Penalties as plain data: their proximal operators in the form that fused kernels require.

Each rule has `prox`, and for certificates `gradient` and `dual_norm`. The latter is at most one for
correlations with which the optimal code is zero.
"""

from typing import NamedTuple

from sklearn_ebm.backends._namespace import array_namespace


class SoftThreshold(NamedTuple):
    """sign(v) max(|v| - threshold, 0), the proximal operator of threshold * |v|."""

    threshold: float

    def prox(self, value, step_size=1):
        """Shrink entries towards zero, without literals that would promote float32."""
        threshold = self.threshold * step_size
        return value - array_namespace(value).clip(value, -threshold, threshold)

    def dual_magnitude(self, correlation):
        """Return the magnitude that optimality limits to the threshold for every atom."""
        return array_namespace(correlation).abs(correlation)

    def dual_norm(self, correlation, code=None, eta=None):
        """Return the largest dual magnitude of each row, divided by the threshold."""
        return row_maximum(self.dual_magnitude(correlation)) / self.threshold

    def gradient(self, code):
        """Return the gradient, with the subgradient zero at z = 0."""
        return self.threshold * array_namespace(code).sign(code)


class PositiveSoftThreshold(NamedTuple):
    """max(v - threshold, 0), the proximal operator of threshold * v on v >= 0."""

    threshold: float

    def prox(self, value, step_size=1):
        """Shrink entries towards zero, and set negative ones to zero."""
        xp = array_namespace(value)
        return xp.maximum(value - self.threshold * step_size, xp.zeros_like(value))

    def dual_magnitude(self, correlation):
        """Return the correlation: negative ones satisfy optimality if codes are non-negative."""
        return correlation

    dual_norm = SoftThreshold.dual_norm
    gradient = SoftThreshold.gradient


def positive_or_one(values):
    """Return divisors without zeros, for quotients whose numerator is then zero as well."""
    xp = array_namespace(values)
    return xp.where(values > 0, values, xp.ones_like(values))


def row_maximum(values):
    """Return the maximum of each row."""
    return array_namespace(values).max(values, axis=1)
