"""E(v, h) = E_v(v) - signal(v) W h' - c.h, h of 0 and 1: the energy of a restricted machine.

Given one layer the units of the other are independent, and either layer can be summed out:

    F(v) = -log sum_h exp(-E(v, h)) = E_v(v) - sum_j log(1 + exp(c_j + (signal(v) W)_j)).
"""

from dataclasses import dataclass, replace
from typing import Any

from sklearn_ebm.backends import array_namespace, multiply_into, new_matrix
from sklearn_ebm.factors.encoders import LogisticEncoder, Scale
from sklearn_ebm.factors.encoders._encoder import root_mean_square


@dataclass
class BilinearEnergy:
    """Weights between visible units of some kind and hidden units that are on or off.

    Attributes
    ----------
    visible : BernoulliUnits or GaussianUnits
        Gives E_v and what follows from it.
    weights : array of shape (n_visible, n_hidden)
        W.
    hidden_bias : array of shape (n_hidden,)
        c.
    """

    visible: Any
    weights: Any
    hidden_bias: Any

    @property
    def parameters(self):
        """What is learned, by name."""
        own = {f"visible_{name}": value for name, value in self.visible.parameters.items()}
        return {"weights": self.weights, "hidden_bias": self.hidden_bias, **own}

    def with_weights(self, weights):
        """The same energy with other weights."""
        return replace(self, weights=weights)

    def shifted(self, visible_change, hidden_change):
        """Return the energy with changes added to the biases of both layers."""
        visible = self.visible.shifted(visible_change)
        return replace(self, visible=visible, hidden_bias=self.hidden_bias + hidden_change)

    def inner(self):
        """Return the energy of the visible units' standardized states; it shares the parameters."""
        return replace(self, visible=self.visible.inner())

    def in_data_units(self):
        """Return W, c, b and, for real units, s^2 in the units of the data, by name."""
        return self.visible.in_data_units(self.weights, self.hidden_bias)

    def largest_log_odds(self):
        """Most that one visible unit gives to a hidden one when it moves by its own scale."""
        xp = array_namespace(self.weights)
        return float(xp.max(xp.abs(self.weights) / self.visible.scale[:, None]))

    def fits(self, limit):
        """Return whether all parameters are below a limit, and units above its inverse."""
        xp = array_namespace(self.weights)
        parameters = self.parameters.values()
        return self.visible.coordinates.fits(limit) and all(
            float(xp.max(xp.abs(values))) < limit for values in parameters
        )

    def astype(self, dtype):
        """The energy in another type; itself where it is the same."""
        return self if self.weights.dtype == dtype else self._copied(dtype)

    def copy(self):
        """The energy with parameters of its own."""
        return self._copied(self.weights.dtype)

    def _copied(self, dtype):
        xp = array_namespace(self.weights)
        weights = new_matrix(self.weights.shape, self.weights, dtype)
        weights[...] = xp.astype(self.weights, dtype)
        hidden_bias = xp.astype(self.hidden_bias, dtype)
        return BilinearEnergy(self.visible.astype(dtype), weights, hidden_bias)

    def encoder(self):
        """The probabilities of the hidden units as an encoder, with parameters of its own."""
        gain, origin = self.visible.affine_signal()
        weights = self.weights * gain[:, None]
        bias = self.hidden_bias - origin @ weights
        scale = Scale(data=1 / root_mean_square(gain))
        return LogisticEncoder({"weights": weights, "bias": bias}, scale=scale).copy()

    def with_encoder(self, encoder):
        """The same visible units below hidden ones that have the probabilities of an encoder."""
        energy = self.copy()
        gain, origin = self.visible.affine_signal()
        weights, bias = (encoder.parameters[name] for name in ("weights", "bias"))
        energy.weights[...] = weights / gain[:, None]
        energy.hidden_bias[...] = bias + origin @ weights
        return energy

    def hidden_field(self, visible, backend, result=None):
        """signal(v) W of each row."""
        if result is None:
            result = new_matrix((visible.shape[0], self.weights.shape[1]), visible)
        return backend.project(self.visible.signal(visible), self.weights, result)

    def visible_field(self, hidden, result=None):
        """W h of each row."""
        if result is None:
            result = new_matrix((hidden.shape[0], self.weights.shape[0]), hidden)
        return multiply_into(hidden, self.weights.T, result)

    def hidden_mean(self, visible, backend, result=None):
        """Probability of each hidden unit to be on, given the visible ones."""
        field = self.hidden_field(visible, backend, result)
        return backend.bernoulli_mean(field, self.hidden_bias)

    def visible_mean(self, hidden, backend):
        """Mean of each visible unit given the hidden ones."""
        return self.visible.mean(self.visible_field(hidden), backend)

    def sample_hidden(self, visible, key, backend, result=None, mean=None):
        """Draw the hidden units given the visible ones; `mean` gets their probabilities."""
        field = self.hidden_field(visible, backend, result)
        return backend.bernoulli_sample(field, self.hidden_bias, 1.0, key, mean)

    def sample_visible(self, hidden, key, backend, result=None):
        """Draw the visible units given the hidden ones."""
        return self.visible.sample(self.visible_field(hidden, result), key, backend)

    def gibbs_step(self, hidden, visible, keys, backend, mean=None):
        """Draw the visible units given the hidden ones, and then these anew, both in place."""
        if self.visible.is_binary:
            biases = self.visible.bias, self.hidden_bias
            backend.gibbs_step(hidden, visible, self.weights, biases, keys, mean)
            return
        self.sample_visible(hidden, keys[0], backend, visible)
        self.sample_hidden(visible, keys[1], backend, hidden, mean)

    def value(self, visible, hidden, backend):
        """E(v, h) of each pair of rows."""
        xp = array_namespace(visible)
        field = self.hidden_field(visible, backend) + self.hidden_bias
        return self.visible.value(visible) - xp.sum(field * hidden, axis=1)

    def free_energy(self, visible, backend):
        """F(v) of each row: the hidden units summed out."""
        field = self.hidden_field(visible, backend)
        return self.visible.value(visible) - backend.softplus_sums(field, self.hidden_bias)

    def free_energy_of_hidden(self, hidden, backend):
        """-log sum_v exp(-E(v, h)) of each row: the visible units summed out."""
        field = self.visible_field(hidden)
        return -(hidden @ self.hidden_bias) - self.visible.log_partition(field, backend)

    def slopes(self, visible, hidden):
        """-dE/dtheta of each row for every parameter that is a vector, by name.

        The weights' own is the product of visible and hidden units, which `backend.ascend` takes.
        """
        own = self.visible.slopes(visible, hidden, self.weights)
        return {"hidden_bias": hidden, **{f"visible_{name}": rows for name, rows in own.items()}}
