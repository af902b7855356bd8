"""Visible units with real values: sum (v_i - b_i)^2 / (2 s_i^2), the variances learned.

The weights carry v_i / s_i^2 (Cho, Ilin & Raiko 2011, eq. 3), so that given the hidden units
v_i = b_i + (W h)_i + s_i n with normal n.
"""

import math

from sklearn_ebm.backends import array_namespace

SMALLEST_VARIANCE = 1e-3  # of the mean variance: a feature that never changes must not weigh more
LEAST_LEFT = 1e-3  # share of a feature's variance that hidden units cannot explain
FIRST_SHARE = 0.8  # of the variance that they do not explain at first
FIRST_NORM = 4.0  # of the first filters, in standard deviations
FIRST_ACTIVITY = 0.05
LEARNING_RATE = 0.1


class GaussianUnits:
    """E_v(v) = sum (v_i - b_i)^2 / (2 s_i^2); given a field r = W h, v_i ~ N(b_i + r_i, s_i^2).

    Parameters
    ----------
    bias : array of shape (n_units,)
        b, the means without a field.
    log_variance : array of shape (n_units,)
        log s^2.
    largest : array of shape (n_units,) or None, default=None
        What log s^2 may be at most in learning; None leaves it free.
    """

    is_binary = False
    first_activity = FIRST_ACTIVITY
    learning_rate = LEARNING_RATE

    def __init__(self, bias, log_variance, largest=None):
        self.bias = bias
        self.log_variance = log_variance
        self.largest = largest

    @classmethod
    def from_moments(cls, mean, variance):
        """The units that have these moments on their own."""
        xp = array_namespace(mean)
        typical = float(xp.mean(variance)) or 1.0
        floor = xp.full_like(variance, SMALLEST_VARIANCE * typical)
        log_variance = xp.log(xp.maximum(variance, floor))
        return cls(mean, log_variance, log_variance)

    def first_layer(self, samples, activity, random_state):
        """Weights and hidden biases to begin with, and the units that go with them.

        Where filters are small the gradient is too: whitened data have no second moments to learn
        from. So each hidden unit begins with a sample as its filter, seldom on, as a component of a
        mixture does (Wang, Melchior & Wiskott 2012, section 5).
        """
        xp = array_namespace(samples)
        noise = xp.asarray(random_state.standard_normal(samples.shape), dtype=samples.dtype)
        directions = (samples - self.bias) / self.scale
        length = xp.sqrt(xp.sum(directions * directions, axis=1, keepdims=True))
        directions = xp.where(length > 0, directions, noise)
        length = xp.sqrt(xp.sum(directions * directions, axis=1, keepdims=True))
        weights = (FIRST_NORM * self.scale * directions / length).T
        units = GaussianUnits(self.bias, self.log_variance + math.log(FIRST_SHARE), self.largest)
        offset = math.log(activity / (1 - activity)) - FIRST_NORM**2 / (2 * FIRST_SHARE)
        return units, weights, offset - units.signal(self.bias) @ weights

    def astype(self, dtype):
        """A copy of the units, in a type."""
        xp = array_namespace(self.bias)
        largest = None if self.largest is None else xp.astype(self.largest, dtype)
        return GaussianUnits(
            xp.astype(self.bias, dtype), xp.astype(self.log_variance, dtype), largest
        )

    @property
    def parameters(self):
        """What is learned, by name."""
        return {"bias": self.bias, "log_variance": self.log_variance}

    @property
    def _precision(self):
        return array_namespace(self.bias).exp(-self.log_variance)

    @property
    def scale(self):
        """Standard deviations without a field, s."""
        return array_namespace(self.bias).exp(self.log_variance / 2)

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
        return backend.add_normal(field, self.scale, key)

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
        if self.largest is not None:
            xp = array_namespace(self.bias)
            least = self.largest + math.log(LEAST_LEFT)
            self.log_variance[...] = xp.clip(self.log_variance, least, self.largest)

    def mixed(self, other, share):
        """Units of the energy (1 - share) E_other + share E_self, and the scale of their field."""
        xp = array_namespace(self.bias)
        own, others = share * self._precision, (1 - share) * other._precision
        precision = own + others
        bias = (own * self.bias + others * other.bias) / precision
        return GaussianUnits(bias, -xp.log(precision)), own / precision
