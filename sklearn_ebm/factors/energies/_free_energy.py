"""F(x) = -log sum_h exp(-E(x, h)), a bilinear energy as an energy of x alone."""

import functools

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import LARGEST_ENUMERATION
from sklearn_ebm.factors.energies._bilinear import BilinearEnergy
from sklearn_ebm.factors.energies._enumeration import (
    enumerated_gradients,
    enumerated_log_partition,
)
from sklearn_ebm.factors.units import BernoulliUnits
from sklearn_ebm.factors.units._discrete import FIRST_ACTIVITY, FIRST_DEVIATION
from sklearn_ebm.factors.units._units import sharing


@stored
class FreeEnergy:
    """A restricted Boltzmann machine whose hidden units are summed out.

    Parameters
    ----------
    energy : BilinearEnergy
        E. Both energies have the same parameters.
    """

    scales: dict = {}

    def __init__(self, energy):
        self.energy = energy

    @classmethod
    def first(cls, n_features, n_components, mean, rng, *, exact=False, scale=1.0):
        """Return features with the means of the data and small weights; see `MODEL_ENERGIES`.

        The scale is ignored.
        """
        n_components = n_features if n_components is None else n_components
        if exact and min(n_features, n_components) > LARGEST_ENUMERATION:
            raise ValueError(
                f"loss='maximum_likelihood' requires at most {LARGEST_ENUMERATION} features or "
                f"components for energy_function='rbm', got n_features={n_features} and "
                f"n_components={n_components}. Use another loss."
            )
        mean = np.asarray(mean, np.float64)
        weights = FIRST_DEVIATION * rng.standard_normal((n_features, n_components))
        hidden_bias = np.log(FIRST_ACTIVITY / (1 - FIRST_ACTIVITY)) - mean @ weights
        return cls(BilinearEnergy(BernoulliUnits.from_moments(mean, None), weights, hidden_bias))

    @property
    def parameters(self):
        """Trained arrays by name."""
        return self.energy.parameters

    @property
    def dtype(self):
        """Dtype of the parameters."""
        return self.energy.weights.dtype

    @property
    def is_binary(self):
        """Whether samples consist of zeros and ones."""
        return self.energy.visible.is_binary

    def on(self, backend):
        """Return the energy with the kernels of a backend, and with the same parameters."""
        return FreeEnergy(self.energy.on(backend))

    def backend_for(self, array):
        """Return the backend of the energy, or the backend of an array if the energy has none."""
        return self.energy.backend_for(array)

    def with_parameters(self, parameters):
        """Return the energy with other parameters of the same names."""
        own = {name: parameters[name] for name in ("weights", "hidden_bias")}
        others = {k.removeprefix("visible_"): v for k, v in parameters.items() if k not in own}
        visible = sharing(self.energy.visible, **others)
        return FreeEnergy(sharing(self.energy, visible=visible, **own))

    def copy(self):
        """Return the energy with copies of the parameters."""
        return FreeEnergy(self.energy.copy())

    def astype(self, dtype):
        """Return the energy with parameters in a dtype; the same object if they have it."""
        energy = self.energy.astype(dtype)
        return self if energy is self.energy else FreeEnergy(energy)

    def fits(self, limit):
        """Return whether the magnitudes of all parameters are below a limit."""
        return self.energy.fits(limit)

    def project(self):
        """Project the parameters onto their allowed range."""
        self.energy.visible.project()

    def value(self, x, z=None):
        """Return F(x) of each sample; z is None."""
        return self.energy.free_energy(x)

    def input_gradient(self, x, z=None):
        """Return the gradient of F with respect to x; z is None."""
        return self.energy.input_gradient(x)

    def parameter_gradients(self, x, z, weight):
        """Return the gradients of sum_n weight_n F(x_n), by the names of `parameters`."""
        return self.energy.parameter_gradients(x, None, weight)

    def responses(self, x):
        """Return the probability that each hidden unit is on."""
        return self.energy.conditionals.hidden_mean(x)

    @property
    def flips(self):
        """Function that compares binary samples with their neighbours; None for other units."""
        return self.energy.flips

    def gibbs_sweep(self, x, keys):
        """Sample the hidden units, then the features given the hidden units, in place."""
        conditionals = self.energy.conditionals
        hidden = conditionals.sample_hidden(x, keys[0])
        return conditionals.sample_visible(hidden, keys[1], x)

    @property
    def log_partition(self):
        """Function that returns log Z; None unless a layer has at most 20 binary units."""
        is_known = self.is_binary and min(self.energy.weights.shape) <= LARGEST_ENUMERATION
        return functools.partial(_log_partition, self.energy) if is_known else None

    @property
    def log_partition_gradients(self):
        """Function that returns the gradients of log Z; None if `log_partition` is None."""
        if self.log_partition is None:
            return None
        return functools.partial(_log_partition_gradients, self.energy)


def _log_partition(energy):
    """Return log Z as the sum over the states of the smaller layer."""
    n_visible, n_hidden = energy.weights.shape
    summed = energy.free_energy if n_visible <= n_hidden else energy.free_energy_of_hidden
    return enumerated_log_partition(min(n_visible, n_hidden), summed, energy.weights)


def _log_partition_gradients(energy):
    """Return the gradients of log Z by name.

    E is linear in either layer, so that its derivatives at the mean of the larger layer are means.
    """
    n_visible, n_hidden = energy.weights.shape
    conditionals = energy.conditionals

    def of_visible(states, weight):
        return energy.parameter_gradients(states, None, weight)

    def of_hidden(states, weight):
        return energy.parameter_gradients(conditionals.visible_mean(states), states, weight)

    if n_visible <= n_hidden:
        arguments = n_visible, energy.free_energy, of_visible
    else:
        arguments = n_hidden, energy.free_energy_of_hidden, of_hidden
    return enumerated_gradients(*arguments, energy.weights)
