"""E(v, h) = E_v(v) - signal(v) W h' - c.h, the energy of a restricted Boltzmann machine.

Hidden units are 0 or 1. Given one layer, the units of the other layer are independent, so that
either layer can be summed out:

    F(v) = -log sum_h exp(-E(v, h)) = E_v(v) - sum_j log(1 + exp(c_j + (signal(v) W)_j)).

E is linear in h, so every derivative of F(v) equals the derivative of E(v, h) at E[h | v].
"""

import functools
from dataclasses import dataclass, replace
from typing import Any

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, multiply_into, new_matrix
from sklearn_ebm.factors.energies._annealed_path import AnnealedPath
from sklearn_ebm.factors.energies._conditionals import Conditionals
from sklearn_ebm.factors.energies._flips import BilinearFlips
from sklearn_ebm.factors.units._units import sharing


@stored
@dataclass(eq=False)
class BilinearEnergy:
    """Weights between visible units of some kind and hidden units that are on or off.

    Attributes
    ----------
    visible : BernoulliUnits, CategoricalUnits or GaussianUnits
        Defines E_v and the conditional means, and holds the backend.
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
        """Learned arrays by name."""
        own = {f"visible_{name}": value for name, value in self.visible.parameters.items()}
        return {"weights": self.weights, "hidden_bias": self.hidden_bias, **own}

    def on(self, backend):
        """Return the energy with the kernels of a backend, and with the same parameters."""
        visible = self.visible.on(backend)
        return self if visible is self.visible else sharing(self, visible=visible)

    def backend_for(self, array):
        """Return the backend of the energy, or the backend of an array if the energy has none."""
        return self.visible.backend_for(array)

    def shifted(self, visible_change, hidden_change):
        """Return the energy with changes added to the biases of both layers."""
        visible = self.visible.shifted(visible_change)
        return replace(self, visible=visible, hidden_bias=self.hidden_bias + hidden_change)

    def inner(self):
        """Return the energy of standardized visible units; it shares the parameters."""
        return replace(self, visible=self.visible.inner())

    def fits(self, limit):
        """Return whether all parameters are below a limit, and units above its inverse."""
        xp = array_namespace(self.weights)
        parameters = self.parameters.values()
        return self.visible.coordinates.fits(limit) and all(
            float(xp.max(xp.abs(values))) < limit for values in parameters
        )

    def astype(self, dtype):
        """Return the energy in a dtype; the same object if it already has it."""
        return self if self.weights.dtype == dtype else self._copied(dtype)

    def copy(self):
        """Return the energy with copies of the parameters."""
        return self._copied(self.weights.dtype)

    def _copied(self, dtype):
        xp = array_namespace(self.weights)
        weights = new_matrix(self.weights.shape, self.weights, dtype)
        weights[...] = xp.astype(self.weights, dtype)
        hidden_bias = xp.astype(self.hidden_bias, dtype)
        return BilinearEnergy(self.visible.astype(dtype), weights, hidden_bias)

    def hidden_field(self, visible, result=None):
        """Return signal(v) W of each row."""
        if result is None:
            result = new_matrix((visible.shape[0], self.weights.shape[1]), visible)
        signal = self.visible.signal(visible)
        return self.backend_for(visible).project(signal, self.weights, result)

    def visible_field(self, hidden, result=None):
        """Return W h of each row."""
        if result is None:
            result = new_matrix((hidden.shape[0], self.weights.shape[0]), hidden)
        return multiply_into(hidden, self.weights.T, result)

    @property
    def conditionals(self):
        """Samples and means of each layer given the other."""
        return Conditionals(self)

    @property
    def flips(self):
        """Function that compares binary samples with their neighbours; None for other units."""
        return functools.partial(BilinearFlips, self) if self.visible.is_binary else None

    def value(self, x, z):
        """Return E(v, h) of each pair of rows."""
        xp = array_namespace(x)
        field = self.hidden_field(x) + self.hidden_bias
        return self.visible.value(x) - xp.sum(field * z, axis=1)

    def free_energy(self, x, observed=None):
        """Return F(v) of each row, with the hidden units summed out.

        Units that are not observed have no term of their own in the energy. They act on the hidden
        units by their values in x, as if these were constants.
        """
        sums = self.backend_for(x).softplus_sums(self.hidden_field(x), self.hidden_bias)
        return self.visible.value(x, observed) - sums

    def free_energy_of_hidden(self, hidden):
        """Return -log sum_v exp(-E(v, h)) of each row, with the visible units summed out."""
        field = self.visible_field(hidden)
        return -(hidden @ self.hidden_bias) - self.visible.log_partition(field)

    def input_gradient(self, x, z=None):
        """Return the gradient of E(v, h) with respect to v, or of F(v) if z is None."""
        hidden = self.conditionals.hidden_mean(x) if z is None else z
        return self.visible.input_gradient(x, self.visible_field(hidden))

    def parameter_gradients(self, x, z, weight):
        """Return the gradients of sum_n weight_n E(v_n, h_n), or of F(v) if z is None."""
        hidden = self.conditionals.hidden_mean(x) if z is None else z
        own = self.visible.parameter_gradients(x, self.visible_field(hidden), weight)
        return {
            "weights": -(self.visible.signal(x) * weight[:, None]).T @ hidden,
            "hidden_bias": -(weight @ hidden),
            **{f"visible_{name}": gradient for name, gradient in own.items()},
        }

    def slopes(self, visible, hidden):
        """Return the learning directions of each row, for all parameters that are vectors.

        They are -dE/dtheta. However, the directions for the bias of real-valued units are
        multiplied by s^2, without the part that cancels between the phases. The direction for the
        weights is the product of visible and hidden units, which `backend.ascend` computes.
        """
        own = self.visible.slopes(visible, hidden, self.weights)
        return {"hidden_bias": hidden, **{f"visible_{name}": rows for name, rows in own.items()}}

    def path(self, base):
        """Return the path from visible units without hidden units to this energy."""
        return AnnealedPath(self, base)
