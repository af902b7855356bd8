"""Penalties as plain data: their proximal operators in the form that fused kernels require.

Each rule has `prox`, and for certificates `gradient` and `dual_norm`. The latter is at most one for
correlations with which the optimal code is zero. Kernels that process one sample or one atom at a
time use the rule of `row(n)` or of `at(atom)`.
"""

from typing import Any, NamedTuple

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

    def row(self, n):
        """Return the rule of one sample."""
        return self

    def at(self, atom):
        """Return the rule of one atom or of some atoms."""
        return self


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
    row = SoftThreshold.row
    at = SoftThreshold.at


class WeightedSoftThreshold(NamedTuple):
    """Soft thresholds threshold * w_j, with weights w that may differ from sample to sample."""

    threshold: float
    weights: Any  # (n_samples, n_components), or (n_components,) for one sample

    @property
    def each(self):
        """The rule with a threshold for each entry."""
        return SoftThreshold(self.threshold * self.weights)

    def prox(self, value, step_size=1):
        """Shrink entries towards zero."""
        return with_type_of(value, self).each.prox(value, step_size)

    def dual_magnitude(self, correlation):
        """Return the magnitude over w_j, which optimality limits to the threshold."""
        own = with_type_of(correlation, self)
        return own.each.dual_magnitude(correlation) / own.weights

    dual_norm = SoftThreshold.dual_norm

    def gradient(self, code):
        """Return the gradient, with the subgradient zero at z = 0."""
        return with_type_of(code, self).each.gradient(code)

    def row(self, n):
        """Return the rule of one sample."""
        return self._replace(weights=self.weights[n, :])

    def at(self, atom):
        """Return the rule of one atom or of some atoms."""
        each = self.each
        return each._replace(threshold=each.threshold[..., atom])


class WeightedPositiveSoftThreshold(NamedTuple):
    """The same for codes that are not negative: max(v - threshold * w_j, 0)."""

    threshold: float
    weights: Any

    @property
    def each(self):
        """The rule with a threshold for each entry."""
        return PositiveSoftThreshold(self.threshold * self.weights)

    prox = WeightedSoftThreshold.prox
    dual_magnitude = WeightedSoftThreshold.dual_magnitude
    dual_norm = SoftThreshold.dual_norm
    gradient = WeightedSoftThreshold.gradient
    row = WeightedSoftThreshold.row
    at = WeightedSoftThreshold.at


def with_type_of(values, rule):
    """Return a rule whose arrays have the dtype and the device of `values`."""
    xp = array_namespace(values)
    threshold, *weights = rule
    return type(rule)(threshold, *(xp.asarray(each, dtype=values.dtype) for each in weights))


def positive_or_one(values):
    """Return divisors without zeros, for quotients whose numerator is then zero as well."""
    xp = array_namespace(values)
    return xp.where(values > 0, values, xp.ones_like(values))


def row_maximum(values):
    """Return the maximum of each row."""
    return array_namespace(values).max(values, axis=1)
