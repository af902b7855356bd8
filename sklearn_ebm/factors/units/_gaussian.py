"""Real-valued visible units: sum (u_i - b_i)^2 / (2 s_i^2), with learned variances.

The signal is u_i / s_i^2 (Cho, Ilin & Raiko 2011, eq. 3), so that, given the hidden units,
u_i = b_i + (W h)_i + s_i n with normal n.

The parameters describe standardized data, u = (v - origin) / unit, where origin and unit are the
mean and the standard deviation of each feature. In v, the energy has the same form
with the parameters

    b' = origin + unit b,   W' = unit W,   s'^2 = unit^2 s^2,   c' = c - (origin / (unit s^2)) W.

Learning with u depends neither on the offset nor on the scale of a feature. It also avoids the
cancellation in c' when the origin is many deviations away from zero.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.units._coordinates import Standardized, Unchanged
from sklearn_ebm.factors.units._units import Units

UNCHANGED = Unchanged()
LEAST_LEFT = 1e-3  # share of a feature's variance that hidden units cannot explain
FIRST_SHARE = 0.8  # share of the variance that hidden units initially do not explain
FIRST_NORM = 4.0  # largest norm of the initial filters, in standard deviations
FIRST_ACTIVITY = 0.05
LEARNING_RATE = 0.1


@stored
@dataclass(eq=False)
class GaussianUnits(Units):
    """E_v(v) = sum (u_i - b_i)^2 / (2 s_i^2) with u = (v - origin) / unit.

    Given a field r = W h, u_i ~ N(b_i + r_i, s_i^2).

    Parameters
    ----------
    bias : array of shape (n_units,)
        b, the means of u if the field is zero.
    log_variance : array of shape (n_units,)
        log s^2.
    largest : float or None, default=None
        Upper bound of log s^2 during learning. None means no bound.
    coordinates : Unchanged or Standardized, default=UNCHANGED
        Define u; by default, u = v.
    """

    is_discrete = is_binary = False
    degree = 2  # degree of the energy in the states, and thus in the weights
    first_activity = FIRST_ACTIVITY
    learning_rate = LEARNING_RATE

    log_variance: Any
    largest: float | None = None
    coordinates: Any = UNCHANGED

    @classmethod
    def from_moments(cls, mean, deviation, categories=None):
        """Return the units that have these moments without hidden units."""
        zeros = array_namespace(mean).zeros_like
        coordinates = Standardized.from_moments(mean, deviation)
        return cls(zeros(mean), zeros(mean), 0.0, coordinates)

    def first_layer(self, samples, activity, random_state):
        """Return initial units, weights and hidden biases.

        With small filters, gradients are small as well, since whitened data have no second-order
        structure. Therefore each hidden unit starts with a sample as its filter and is rarely on,
        like a component of a mixture (Wang, Melchior & Wiskott 2012, section 5). Filters are not
        longer than typical samples, whose squared length is the number of features: no sample would
        switch on such a unit.
        """
        xp = array_namespace(samples)
        noise = xp.asarray(random_state.standard_normal(samples.shape), dtype=samples.dtype)
        directions = (self.coordinates.states_of(samples) - self.bias) / self.scale
        varies = xp.any(directions != 0, axis=0)
        if bool(xp.any(varies)):
            noise = noise * xp.astype(varies, noise.dtype)
        directions = xp.where(_lengths(directions) > 0, directions, noise)
        norm = min(FIRST_NORM, max(1, int(xp.count_nonzero(varies))) ** 0.5)
        weights = (norm * self.scale * directions / _lengths(directions)).T
        log_variance = self.log_variance + math.log(FIRST_SHARE)
        units = replace(self, log_variance=log_variance)
        offset = math.log(activity / (1 - activity)) - norm**2 / (2 * FIRST_SHARE)
        return units, weights, offset - (self.bias * units.precision) @ weights

    def astype(self, dtype):
        """Return a copy of the units in a dtype."""
        xp = array_namespace(self.bias)
        return replace(
            self,
            bias=xp.astype(self.bias, dtype),
            log_variance=xp.astype(self.log_variance, dtype),
            coordinates=self.coordinates.astype(dtype),
        )

    def inner(self):
        """Return units of u instead of v that share the parameters."""
        return replace(self, coordinates=UNCHANGED)

    def in_data_units(self, weights, hidden_bias):
        """Return W', c', b' and s'^2, the parameters of the energy of v, by name."""
        gain, origin = self.affine_signal()
        unit = self.coordinates.unit + 0 * self.bias
        return {
            "weights": unit[:, None] * weights,
            "hidden_bias": hidden_bias - origin @ (gain[:, None] * weights),
            "visible_bias": origin + unit * self.bias,
            "visible_variance": unit**2 / self.precision,
        }

    def from_data_units(self, weights, hidden_bias, bias, variance):
        """Return units with the same coordinates, W and c, from W', c', b' and s'^2."""
        xp = array_namespace(bias)
        unit, origin = self.coordinates.unit + 0 * bias, self.coordinates.origin + 0 * bias
        units = replace(self, bias=(bias - origin) / unit, log_variance=xp.log(variance / unit**2))
        weights = weights / unit[:, None]
        gain = units.precision / unit
        return units, weights, hidden_bias + origin @ (gain[:, None] * weights)

    @property
    def parameters(self):
        """Learned arrays by name."""
        return {"bias": self.bias, "log_variance": self.log_variance}

    @property
    def precision(self):
        """1 / s^2."""
        return array_namespace(self.bias).exp(-self.log_variance)

    @property
    def scale(self):
        """Standard deviations s of u if the field is zero."""
        return array_namespace(self.bias).exp(self.log_variance / 2)

    def value(self, visible, observed=None):
        """Return E_v of each row, as the sum over all units or the observed units."""
        error = self.coordinates.inward(visible) - self.bias
        if observed is not None:
            error = error * observed
        return (error * error) @ self.precision / 2

    def signal(self, visible):
        """Return u / s^2 for each row, the factor of the weights."""
        return self.coordinates.inward(visible) * self.precision

    def mean(self, field):
        """Return the means given a field, in place."""
        field += self.bias
        return self.coordinates.outward(field)

    def sample(self, field, key, scale=1.0):
        """Return samples given a field, in place."""
        field *= scale
        field += self.bias
        backend = self.backend_for(field)
        return self.coordinates.outward(backend.add_normal(field, self.scale, key))

    def log_partition(self, field):
        """Return log of the integral over v of exp(r.u / s^2 - E_v(v)) for each row of fields."""
        xp = array_namespace(field)
        own = xp.sum(self.log_variance + math.log(2 * math.pi)) / 2
        own = own + self.coordinates.log_volume
        return own + ((field + 2 * self.bias) * field) @ self.precision / 2

    def input_gradient(self, visible, field):
        """Return the gradient of E_v(v) - signal(v).r with respect to v, for each row."""
        error = self.coordinates.inward(visible) - (field + self.bias)
        return error * (self.precision / self.coordinates.unit)

    def parameter_gradients(self, visible, field, weight):
        """Return the gradients of sum_n weight_n (E_v(v_n) - signal(v_n).r_n), by name."""
        state = self.coordinates.inward(visible)
        error = state - self.bias
        by_variance = state * field - error * error / 2
        return {
            "bias": -(weight @ error) * self.precision,
            "log_variance": (weight @ by_variance) * self.precision,
        }

    def slopes(self, visible, hidden, weights):
        """Return -dE/dtheta of each row, with the direction of b multiplied by s^2.

        With z = log s^2, the derivative is (u - b)^2 / (2 s^2) - u (W h) / s^2.
        """
        state = self.coordinates.inward(visible)
        error = state - self.bias
        by_variance = error * error / 2 - state * (hidden @ weights.T)
        return {"bias": state, "log_variance": by_variance * self.precision}

    def project(self):
        """Clip the variances to their bounds, in place."""
        if self.largest is not None:
            xp = array_namespace(self.bias)
            least = self.largest + math.log(LEAST_LEFT)
            self.log_variance[...] = xp.clip(self.log_variance, least, self.largest)

    def mixed(self, other, share):
        """Return units of (1 - share) E_other + share E_self, and the scale of their field.

        Both units must have the same coordinates.
        """
        xp = array_namespace(self.bias)
        own, others = share * self.precision, (1 - share) * other.precision
        precision = own + others
        bias = (own * self.bias + others * other.bias) / precision
        return replace(self, bias=bias, log_variance=-xp.log(precision)), own / precision


def _lengths(directions):
    xp = array_namespace(directions)
    return xp.sqrt(xp.sum(directions * directions, axis=1, keepdims=True))
