"""Visible units with finitely many states, and the energy -b.v."""

import math
from dataclasses import dataclass, replace

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.units._coordinates import Unchanged
from sklearn_ebm.factors.units._units import Units

FIRST_DEVIATION = 0.01  # standard deviation of weights (Hinton 2010, A practical guide, section 8)
FIRST_ACTIVITY = 0.2  # low activity gives better features, but very low activity slows learning
LEARNING_RATE = 0.2
SMALLEST_SHARE = 1e-3  # least mean of a state: log-odds of -7, from which learning can recover


@dataclass(eq=False)
class DiscreteUnits(Units):
    """E_v(v) = -b.v, and a signal v. A subclass defines the means and samples given a field."""

    is_discrete = True
    degree = 1  # degree of the energy in the states
    coordinates = Unchanged()
    first_activity = FIRST_ACTIVITY
    learning_rate = LEARNING_RATE

    def first_layer(self, samples, activity, random_state):
        """Return initial units, weights and hidden biases.

        The weights are small random numbers. The biases are such that hidden units have the given
        activity on mean data.
        """
        xp = array_namespace(samples)
        weights = FIRST_DEVIATION * random_state.standard_normal(samples.shape[::-1])
        weights = xp.asarray(weights, dtype=samples.dtype)
        return self, weights, math.log(activity / (1 - activity)) - self._first_mean() @ weights

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
