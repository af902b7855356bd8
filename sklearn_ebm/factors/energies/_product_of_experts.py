"""E(x) = q/2 ||x - m||^2 + f(x W + b), with f a sum of experts.

f is sum_j a_j psi(s_j), or sum_g a_g phi(sum_j p_gj s_j^2) with pools (Welling, Hinton & Osindero
2002; Osindero, Welling & Hinton 2006 for topographic maps). The first term and b may be missing.
Positive strengths a and q are stored as logarithms, so that no step can leave their range.
"""

import functools
import math

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.energies._expert_functions import EXPERTS
from sklearn_ebm.factors.energies._input_energy import InputEnergy, in_double
from sklearn_ebm.factors.energies._responses import PooledResponses, SingleResponses


@stored
class ProductOfExperts(InputEnergy):
    """A sum of expert functions of linear responses, and optionally a quadratic term.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" of shape (n_features, n_components), W. Optionally "bias" of shape
        (n_components,), b; "strengths" or "log_strengths" of shape (n_experts,), a; "log_precision"
        of shape (1,) and "center" of shape (n_features,), q and m. Strengths that are missing are
        one.
    expert : str
        Name in `EXPERTS`.
    pools : Pools or None, default=None
        Weights p. With None, each component is an expert of its own.
    scale : float, default=1.0
        Typical size of the entries of x, which defines the units of the parameters.
    """

    def __init__(self, parameters, expert, pools=None, scale=1.0):
        super().__init__(parameters, expert=expert, pools=pools, scale=scale)

    @property
    def scales(self):
        """Units of the parameters."""
        scale = self.settings["scale"]
        return {"weights": 1 / scale, "center": scale}

    @property
    def expert(self):
        """The expert function."""
        return EXPERTS[self.settings["expert"]]

    @property
    def pools(self):
        """Weights p of the pools, or None."""
        return self.settings["pools"]

    @property
    def strength(self):
        """Factors a of the experts; None if all are one."""
        if "log_strengths" in self.parameters:
            logarithms = self.parameters["log_strengths"]
            return array_namespace(logarithms).exp(logarithms)
        return self.parameters.get("strengths")

    @property
    def precision(self):
        """Factor q of the quadratic term, shape (1,); None without the term."""
        logarithm = self.parameters.get("log_precision")
        return None if logarithm is None else array_namespace(logarithm).exp(logarithm)

    @property
    def n_free_directions(self):
        """Number of directions of x in which E is constant, so that exp(-E) has no integral."""
        n_features, n_components = self.parameters["weights"].shape
        return max(0, n_features - n_components) if self.precision is None else 0

    def signal(self, x):
        """Return the linear responses s = x W + b."""
        response = x @ self.parameters["weights"]
        if "bias" in self.parameters:
            response += self.parameters["bias"]
        return response

    def responses(self, x):
        """Return the responses s, or sqrt(sum_j p_gj s_j^2) of each pool."""
        signal = self.signal(x)
        if self.pools is None:
            return signal
        return self.pools.norms(signal, self.backend_for(x))

    def evaluated(self, x):
        """Return f at some samples, with its derivatives by the responses."""
        arguments = self.expert, self.strength, self.parameters["weights"], self.signal(x)
        if self.pools is None:
            return SingleResponses(*arguments)
        return PooledResponses(*arguments, self.pools, self.backend_for(x))

    def value(self, x, z=None):
        """Return E(x) of each sample; z is None."""
        return self.at(x).value()

    def at(self, x):
        """Return the energy at some samples, with gradients that share its computations."""
        return ExpertValues(self, x)

    def input_gradient(self, x, z=None):
        """Return the gradient of E with respect to x; z is None."""
        return self.derivatives(x).gradient()

    def parameter_gradients(self, x, z, weight):
        """Return the gradients of sum_n weight_n E(x_n), by the names of `parameters`."""
        return self.at(x).parameter_gradients(weight)

    def limit_responses(self, covariance, limit):
        """Shorten filters whose responses have a standard deviation above a limit, in place."""
        xp, weights = array_namespace(covariance), self.parameters["weights"]
        variance = xp.sum(weights * (covariance @ weights), axis=0)
        deviation = xp.sqrt(xp.maximum(variance, 0 * variance))
        factor = limit / xp.maximum(deviation, xp.full_like(deviation, limit))
        weights *= factor
        if "bias" in self.parameters:  # the place where the response is zero remains
            self.parameters["bias"][...] *= factor

    def derivatives(self, x):
        """Return the derivatives with respect to x at some samples."""
        return ExpertDerivatives(self, x)

    @property
    def log_partition(self):
        """Function that returns log Z; None unless the experts are independent with strength one.

        They are independent if there are as many components as features, no quadratic term, and no
        component in two pools. Then Z is the product of their integrals, divided by |det W|.
        """
        return self._log_partition if math.isfinite(self._log_volume()) else None

    @property
    def log_partition_gradients(self):
        """Function that returns the gradients of log Z; None if `log_partition` is None."""
        if self.log_partition is None:
            return None
        return functools.partial(_log_partition_gradients, self)

    def _log_volume(self):
        """Return the sum of the logarithms of the experts' integrals over their responses."""
        n_features, n_components = self.parameters["weights"].shape
        if n_features != n_components or not {"weights", "bias"} >= self.parameters.keys():
            return math.inf
        if self.pools is None:
            return n_components * self.expert.log_volume(1)
        if not self.pools.is_disjoint:
            return math.inf
        sizes = np.diff(self.pools.starts)
        total = sum(self.expert.log_volume(int(size)) for size in sizes)
        return total - float(sizes @ np.log(self.pools.factors))

    def _log_partition(self):
        log_determinant = np.linalg.slogdet(in_double(self.parameters["weights"]))[1]
        return float(self._log_volume() - log_determinant)


def _log_partition_gradients(energy):
    """Return the gradients of log Z, by name; NaN if W is singular."""
    xp, weights = array_namespace(energy.parameters["weights"]), energy.parameters["weights"]
    try:
        inverse = np.linalg.inv(in_double(weights)).T
    except np.linalg.LinAlgError:
        inverse = np.full(weights.shape, np.nan)
    gradients = {name: 0 * value for name, value in energy.parameters.items()}
    return gradients | {"weights": xp.asarray(-inverse, dtype=energy.dtype)}


def _half_squares(rows):
    return array_namespace(rows).sum(rows * rows, axis=1) / 2


def _by_strength(energy, gradient):
    """Return a gradient by a as a gradient by the parameter that holds a."""
    if "log_strengths" in energy.parameters:
        return {"log_strengths": gradient * energy.strength}
    return {"strengths": gradient}


class ExpertValues:
    """A product of experts at some samples, and its gradients by the parameters.

    Parameters
    ----------
    energy : ProductOfExperts
        The energy.
    x : array of shape (n_samples, n_features)
        Samples.
    """

    def __init__(self, energy, x):
        self.energy = energy
        self.x = x
        self._terms = energy.evaluated(x)

    def value(self):
        """Return E(x) of each sample."""
        value = self._terms.value()
        if self.energy.precision is not None:
            value += self.energy.precision * _half_squares(self._deviation)
        return value

    def parameter_gradients(self, weight):
        """Return the gradients of sum_n weight_n E(x_n), by the names of the parameters."""
        xp, energy, weights = array_namespace(self.x), self.energy, weight[:, None]
        slope = self._terms.slope() * weights
        gradients = {"weights": self.x.T @ slope}
        if "bias" in energy.parameters:
            gradients["bias"] = xp.sum(slope, axis=0)
        if energy.strength is not None:
            gradients |= _by_strength(energy, self._terms.by_strength(weight))
        if energy.precision is not None:
            deviation = self._deviation
            gradients["center"] = -energy.precision * xp.sum(weights * deviation, axis=0)
            gradients["log_precision"] = energy.precision * (weight @ _half_squares(deviation))
        return gradients

    @property
    def _deviation(self):
        return self.x - self.energy.parameters["center"]


class ExpertDerivatives:
    """Derivatives of a product of experts with respect to x.

    Parameters
    ----------
    energy : ProductOfExperts
        The energy.
    x : array of shape (n_samples, n_features)
        Samples.
    """

    def __init__(self, energy, x):
        self.energy = energy
        self.x = x
        self._weights = energy.parameters["weights"]
        self._terms = energy.evaluated(x)
        self._slope = self._terms.slope()

    def gradient(self):
        """Return the gradient of E by x, shape (n_samples, n_features)."""
        energy, gradient = self.energy, self._slope @ self._weights.T
        if energy.precision is not None:
            gradient += energy.precision * (self.x - energy.parameters["center"])
        return gradient

    def laplacian(self):
        """Return the sum of the second derivatives of E by the entries of x, for each sample."""
        laplacian = self._terms.laplacian()
        if self.energy.precision is not None:
            laplacian += self.x.shape[1] * self.energy.precision
        return laplacian

    def parameter_gradients(self, direction, weight=None):
        """Return gradients of sum_n <direction_n, grad E(x_n)> + weight_n laplacian E(x_n)."""
        energy, xp = self.energy, array_namespace(direction)
        signal = direction @ self._weights
        by_response, by_weights, by_strength = self._terms.differentiate(signal, weight)
        gradients = {"weights": self.x.T @ by_response}
        gradients["weights"] += direction.T @ self._slope
        if by_weights is not None:
            gradients["weights"] += by_weights
        if "bias" in energy.parameters:
            gradients["bias"] = xp.sum(by_response, axis=0)
        if energy.strength is not None:
            gradients |= _by_strength(energy, by_strength)
        if energy.precision is not None:
            gradients |= self._by_quadratic_term(direction, weight)
        return gradients

    def _by_quadratic_term(self, direction, weight):
        xp, precision = array_namespace(direction), self.energy.precision
        total = xp.sum(direction * (self.x - self.energy.parameters["center"]))
        if weight is not None:
            total += self.x.shape[1] * xp.sum(weight)
        return {
            "center": -precision * xp.sum(direction, axis=0),
            "log_precision": precision * total,
        }
