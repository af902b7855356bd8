"""Binary visible units, with the energy -b.v for v_i in {0, 1}."""

import math
from dataclasses import dataclass, replace

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.units._coordinates import Unchanged
from sklearn_ebm.factors.units._units import Units

FIRST_DEVIATION = 0.01  # standard deviation of weights (Hinton 2010, A practical guide, section 8)
FIRST_ACTIVITY = 0.2  # low activity gives better features, but very low activity slows learning
LEARNING_RATE = 0.2
SMALLEST_SHARE = 1e-3  # least mean of a pixel: log-odds of -7, from which learning can recover


@stored
@dataclass(eq=False)
class BernoulliUnits(Units):
    """E_v(v) = -b.v; given a field r = W h, v_i is on with probability 1 / (1 + exp(-b_i - r_i)).

    Parameters
    ----------
    bias : array of shape (n_units,)
        b, the log-odds of each unit if the field is zero.
    """

    is_binary = True
    degree = 1  # degree of the energy in the states
    coordinates = Unchanged()
    first_activity = FIRST_ACTIVITY
    learning_rate = LEARNING_RATE

    @classmethod
    def from_moments(cls, mean, deviation):
        """Return the units that have these means without hidden units."""
        xp = array_namespace(mean)
        share = xp.clip(mean, SMALLEST_SHARE, 1 - SMALLEST_SHARE)
        return cls(xp.log(share / (1 - share)))

    def first_layer(self, samples, activity, random_state):
        """Return initial units, weights and hidden biases.

        The weights are small random numbers. The biases are such that hidden units have the given
        activity on mean data.
        """
        xp = array_namespace(samples)
        weights = FIRST_DEVIATION * random_state.standard_normal(samples.shape[::-1])
        weights = xp.asarray(weights, dtype=samples.dtype)
        mean = 1 / (1 + xp.exp(-self.bias))
        return self, weights, math.log(activity / (1 - activity)) - mean @ weights

    def astype(self, dtype):
        """Return a copy of the units in a dtype."""
        return replace(self, bias=array_namespace(self.bias).astype(self.bias, dtype))

    def inner(self):
        """Return the units themselves, which are not standardized."""
        return self

    def in_data_units(self, weights, hidden_bias):
        """Return W, c and b by name."""
        return {"weights": weights, "hidden_bias": hidden_bias, "visible_bias": self.bias}

    def from_data_units(self, weights, hidden_bias, bias):
        """Return units, W and c from W, c and b."""
        return replace(self, bias=bias), weights, hidden_bias

    @property
    def parameters(self):
        """Learned arrays by name."""
        return {"bias": self.bias}

    @property
    def scale(self):
        """Scale of the states: the difference of on and off."""
        return array_namespace(self.bias).ones_like(self.bias)

    @property
    def precision(self):
        """Factor of v in the signal, which is v itself."""
        return self.scale

    def value(self, visible, observed=None):
        """Return E_v of each row, as the sum over all units or the observed units."""
        return -((visible if observed is None else visible * observed) @ self.bias)

    def signal(self, visible):
        """Return the signal to the hidden units."""
        return visible

    def mean(self, field):
        """Return the means given a field, in place."""
        return self.backend_for(field).bernoulli_mean(field, self.bias)

    def sample(self, field, key, scale=1.0):
        """Return samples given a field, in place."""
        return self.backend_for(field).bernoulli_sample(field, self.bias, scale, key)

    def log_partition(self, field):
        """Return log sum_v exp(r.v - E_v(v)) for each row of fields."""
        return self.backend_for(field).softplus_sums(field, self.bias)

    def input_gradient(self, visible, field):
        """Return the gradient of E_v(v) - signal(v).r with respect to v, for each row."""
        return -(field + self.bias)

    def parameter_gradients(self, visible, field, weight):
        """Return the gradients of sum_n weight_n (E_v(v_n) - signal(v_n).r_n), by name."""
        return {"bias": -(weight @ visible)}

    def slopes(self, visible, hidden, weights):
        """Return v, which is -dE/db of each row."""
        return {"bias": visible}

    def project(self):
        """Do nothing, since any log-odds are allowed."""

    def mixed(self, other, share):
        """Return units of (1 - share) E_other + share E_self, and the scale of their field."""
        return replace(self, bias=(1 - share) * other.bias + share * self.bias), share
