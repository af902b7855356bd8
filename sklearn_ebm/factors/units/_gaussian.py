"""Visible units with real values: sum (v_i - b_i)^2 / (2 s_i^2), the variances learned.

The weights carry v_i / s_i^2 (Cho, Ilin & Raiko 2011, eq. 3), so that given the hidden units
v_i = b_i + (W h)_i + s_i n with normal n.
"""

import math

from sklearn_ebm.backends import array_namespace

SMALLEST_VARIANCE = 1e-3  # of the mean variance: a feature that never changes must not weigh more


class GaussianUnits:
    """E_v(v) = sum (v_i - b_i)^2 / (2 s_i^2); given a field r = W h, v_i ~ N(b_i + r_i, s_i^2).

    Parameters
    ----------
    bias : array of shape (n_units,)
        b, the means without a field.
    log_variance : array of shape (n_units,)
        log s^2.
    """

    is_binary = False

    def __init__(self, bias, log_variance):
        self.bias = bias
        self.log_variance = log_variance

    @classmethod
    def from_moments(cls, mean, variance):
        """The units that have these moments on their own."""
        xp = array_namespace(mean)
        typical = float(xp.mean(variance)) or 1.0
        floor = xp.full_like(variance, SMALLEST_VARIANCE * typical)
        return cls(mean, xp.log(xp.maximum(variance, floor)))

    def astype(self, dtype):
        """A copy of the units, in a type."""
        xp = array_namespace(self.bias)
        return GaussianUnits(xp.astype(self.bias, dtype), xp.astype(self.log_variance, dtype))

    @property
    def parameters(self):
        """What is learned, by name."""
        return {"bias": self.bias, "log_variance": self.log_variance}

    @property
    def _precision(self):
        return array_namespace(self.bias).exp(-self.log_variance)

    def value(self, visible):
        """E_v of each row."""
        error = visible - self.bias
        return (error * error) @ self._precision / 2

    def signal(self, visible):
        """What the weights carry to the hidden units."""
        return visible * self._precision

    def mean(self, field, backend):
        """Means given a field, in its place."""
        field += self.bias
        return field

    def sample(self, field, key, backend, scale=1.0):
        """Draws given a field, in its place."""
        field *= scale
        field += self.bias
        deviation = array_namespace(self.bias).exp(self.log_variance / 2)
        return backend.add_normal(field, deviation, key)

    def log_partition(self, field, backend):
        """log of the integral of exp(r.v / s^2 - E_v(v)) for each row of fields."""
        xp = array_namespace(field)
        own = xp.sum(self.log_variance + math.log(2 * math.pi)) / 2
        return own + ((field + 2 * self.bias) * field) @ self._precision / 2

    def slopes(self, visible, hidden, weights):
        """-dE/dtheta of each row; that of b is times s^2, which leaves its direction uphill.

        With z = log s^2 it is (v - b)^2 / (2 s^2) - v (W h) / s^2.
        """
        error = visible - self.bias
        by_variance = error * error / 2 - visible * (hidden @ weights.T)
        return {"bias": visible, "log_variance": by_variance * self._precision}

    def project(self):
        """Keep the variances within their bounds, in place."""

    def mixed(self, other, share):
        """Units of the energy (1 - share) E_other + share E_self, and the scale of their field."""
        xp = array_namespace(self.bias)
        own, others = share * self._precision, (1 - share) * other._precision
        precision = own + others
        bias = (own * self.bias + others * other.bias) / precision
        return GaussianUnits(bias, -xp.log(precision)), own / precision
