"""Penalties as plain data: what a fused kernel of any backend needs of a proximal operator."""

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
