"""Penalties as plain data: what a fused kernel of any backend needs of a proximal operator.

Each rule has `prox`, and what a certificate asks for: `gradient`, and `dual_norm`, which is at most
one for the correlations that the penalty alone keeps at zero.
"""

from typing import NamedTuple

from sklearn_ebm.backends._namespace import array_namespace


class SoftThreshold(NamedTuple):
    """sign(v) max(|v| - threshold, 0), the proximal operator of threshold * |v|."""

    threshold: float

    def prox(self, value, step_size=1):
        """Shrink towards zero; no literal, so that float32 stays float32."""
        threshold = self.threshold * step_size
        return value - array_namespace(value).clip(value, -threshold, threshold)

    def dual_magnitude(self, correlation):
        """What the optimality condition bounds by the threshold at every atom."""
        return array_namespace(correlation).abs(correlation)

    def dual_norm(self, correlation, code=None, eta=None):
        """The largest dual magnitude of each row, in thresholds."""
        return row_maximum(self.dual_magnitude(correlation)) / self.threshold

    def gradient(self, code):
        """Slope with respect to each entry, and at zero the subgradient zero."""
        return self.threshold * array_namespace(code).sign(code)


class PositiveSoftThreshold(NamedTuple):
    """max(v - threshold, 0), the proximal operator of threshold * v on v >= 0."""

    threshold: float

    def prox(self, value, step_size=1):
        """Shrink towards zero and keep the positive part."""
        xp = array_namespace(value)
        return xp.maximum(value - self.threshold * step_size, xp.zeros_like(value))

    def dual_magnitude(self, correlation):
        """Negative correlations ask for nothing where codes are positive."""
        return correlation

    dual_norm = SoftThreshold.dual_norm
    gradient = SoftThreshold.gradient


def positive_or_one(values):
    """Divisors that are safe where what they divide is zero as well."""
    xp = array_namespace(values)
    return xp.where(values > 0, values, xp.ones_like(values))


def row_maximum(values):
    """The largest of each row."""
    return array_namespace(values).max(values, axis=1)
