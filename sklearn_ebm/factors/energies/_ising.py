"""E(x) = -1/2 x J x' - b x for binary x, the energy of an Ising model or Boltzmann machine.

J is symmetric with a diagonal of zeros. If the entry i of x flips, with d_i = 1 - 2 x_i,

    E(x^i) - E(x) = -d_i (x J + b)_i.
"""

import functools

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import LARGEST_ENUMERATION, array_namespace
from sklearn_ebm.factors.energies._enumeration import (
    enumerated_gradients,
    enumerated_log_partition,
)
from sklearn_ebm.factors.energies._input_energy import InputEnergy
from sklearn_ebm.factors.units import BernoulliUnits


@stored
class IsingEnergy(InputEnergy):
    """Pairwise couplings of binary features.

    Only the symmetric part of J without its diagonal acts, and gradients have this form.

    Parameters
    ----------
    parameters : dict of str to array
        "couplings" of shape (n_features, n_features), J, and "bias" of shape (n_features,), b.
    """

    is_binary = True

    @classmethod
    def first(cls, n_features, n_components, mean, rng, *, exact=False, scale=1.0):
        """Return independent features with the means of the data; see `MODEL_ENERGIES`.

        The number of components and the scale are ignored.
        """
        if exact and n_features > LARGEST_ENUMERATION:
            raise ValueError(
                f"loss='maximum_likelihood' requires at most {LARGEST_ENUMERATION} features for "
                f"energy_function='ising', got {n_features}. Use another loss."
            )
        bias = BernoulliUnits.from_moments(np.asarray(mean, np.float64), None).bias
        return cls({"couplings": np.zeros((n_features, n_features)), "bias": bias})

    @property
    def _coupling(self):
        return _coupling(self.parameters["couplings"])

    def field(self, x):
        """Return x J + b, the log-odds of each feature given all others."""
        return x @ self._coupling + self.parameters["bias"]

    def value(self, x, z=None):
        """Return E(x) of each sample; z is None."""
        xp = array_namespace(x)
        return -xp.sum(x * (x @ self._coupling / 2 + self.parameters["bias"]), axis=1)

    def input_gradient(self, x, z=None):
        """Return the gradient of E with respect to x, as if x were real; z is None."""
        return -self.field(x)

    def parameter_gradients(self, x, z, weight):
        """Return the gradients of sum_n weight_n E(x_n), by the names of `parameters`."""
        products = (x * weight[:, None]).T @ x
        return {"couplings": -_coupling(products) / 2, "bias": -(weight @ x)}

    def responses(self, x):
        """Return the probability that each feature is one, given all others."""
        bias = array_namespace(x).zeros_like(self.parameters["bias"])
        return self.backend_for(x).bernoulli_mean(self.field(x), bias)

    def project(self):
        """Make the couplings symmetric, with a diagonal of zeros."""
        self.parameters["couplings"][...] = self._coupling

    @property
    def flips(self):
        """Function that compares samples with their neighbours."""
        return functools.partial(IsingFlips, self)

    def gibbs_sweep(self, x, keys):
        """Sample each feature given all others, in place."""
        bias = self.parameters["bias"]
        return self.backend_for(x).ising_sweep(x, self._coupling, bias, keys[0])

    @property
    def log_partition(self):
        """Function that returns log Z; None for more than 20 features."""
        n_features = self.parameters["bias"].shape[0]
        return self._log_partition if n_features <= LARGEST_ENUMERATION else None

    @property
    def log_partition_gradients(self):
        """Function that returns the gradients of log Z; None if `log_partition` is None."""
        return None if self.log_partition is None else self._log_partition_gradients

    def _log_partition(self):
        bias = self.parameters["bias"]
        return enumerated_log_partition(bias.shape[0], self.value, bias)

    def _log_partition_gradients(self):
        bias = self.parameters["bias"]

        def gradients(states, weight):
            return self.parameter_gradients(states, None, weight)

        return enumerated_gradients(bias.shape[0], self.value, gradients, bias)


class IsingFlips:
    """E(x^i) - E(x) for all entries i.

    Parameters
    ----------
    energy : IsingEnergy
        The energy.
    x : array of shape (n_samples, n_features)
        Samples of zeros and ones.
    """

    def __init__(self, energy, x):
        self.x = x
        self._signs = 2 * x - 1
        self._field = energy.field(x)

    def changes(self):
        """Return E(x^i) - E(x) of each sample for each entry i, of the shape of x."""
        return self._signs * self._field

    def parameter_gradients(self, weight):
        """Return the gradients of sum_ni weight_ni (E(x_n^i) - E(x_n)), by name."""
        signed = weight * self._signs
        return {
            "couplings": _coupling(self.x.T @ signed),
            "bias": array_namespace(signed).sum(signed, axis=0),
        }


def _coupling(matrix):
    """Return the symmetric part of a matrix, with a diagonal of zeros."""
    xp = array_namespace(matrix)
    is_other = 1 - xp.eye(matrix.shape[0], dtype=matrix.dtype)
    return (matrix + matrix.T) / 2 * is_other
