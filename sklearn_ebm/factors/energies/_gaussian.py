"""E(x) = 1/2 x Q x' - b x', the energy of a Gaussian with the inverse covariance Q."""

import math

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, diagonal
from sklearn_ebm.factors.energies._input_energy import InputEnergy, in_double


@stored
class GaussianEnergy(InputEnergy):
    """A Gaussian with the inverse covariance Q and the mean b Q^-1.

    Only the symmetric part of Q acts, and gradients are symmetric. Q is not constrained to be
    positive definite, since the losses of a Gaussian are lowest at such a Q. log Z is infinite for
    other Q.

    Parameters
    ----------
    parameters : dict of str to array
        "precision" of shape (n_features, n_features), Q, and "bias" of shape (n_features,), b.
    scale : float, default=1.0
        Typical size of the entries of x, which defines the units of the parameters.
    """

    def __init__(self, parameters, scale=1.0):
        super().__init__(parameters, scale=scale)

    @classmethod
    def first(cls, n_features, n_components, mean, rng, *, exact=False, scale=1.0):
        """Return independent features of equal variance; see `MODEL_ENERGIES`.

        The number of components is ignored.
        """
        precision = np.eye(n_features) / scale**2
        return cls({"precision": precision, "bias": mean @ precision}, scale)

    @property
    def scales(self):
        """Units of the parameters."""
        scale = self.settings["scale"]
        return {"precision": 1 / scale**2, "bias": 1 / scale}

    @property
    def _symmetric(self):
        precision = self.parameters["precision"]
        return (precision + precision.T) / 2

    def value(self, x, z=None):
        """Return E(x) of each sample; z is None."""
        xp = array_namespace(x)
        return xp.sum(x * (x @ self._symmetric / 2 - self.parameters["bias"]), axis=1)

    def input_gradient(self, x, z=None):
        """Return the gradient of E with respect to x; z is None."""
        return self.derivatives(x).gradient()

    def parameter_gradients(self, x, z, weight):
        """Return the gradients of sum_n weight_n E(x_n), by the names of `parameters`."""
        return {"precision": (x * weight[:, None]).T @ x / 2, "bias": -(weight @ x)}

    def derivatives(self, x):
        """Return the derivatives with respect to x at some samples."""
        return GaussianDerivatives(self, x)

    def responses(self, x):
        """Return x Q - b, the gradient of E.

        Its entry i is (x_i - m_i) / v_i, with the mean m_i and the variance v_i of x_i given all
        other features.
        """
        return x @ self._symmetric - self.parameters["bias"]

    def project(self):
        """Make the precision symmetric."""
        self.parameters["precision"][...] = self._symmetric

    def log_partition(self):
        """Return log Z, infinite if Q is not positive definite."""
        known = self._factorized()
        if known is None:
            return math.inf
        half_log_determinant, bias, mean = known
        constant = len(bias) / 2 * math.log(2 * math.pi)
        return float(constant - half_log_determinant + bias @ mean / 2)

    def log_partition_gradients(self):
        """Return the gradients of log Z, by name; NaN if Q is not positive definite."""
        known, xp = self._factorized(), array_namespace(self.parameters["bias"])
        if known is None:
            return {name: xp.nan * value for name, value in self.parameters.items()}
        mean = known[2]
        covariance = np.linalg.inv(in_double(self._symmetric))
        second_moment = (covariance + covariance.T) / 2 + mean[:, None] * mean
        gradients = {"precision": -second_moment / 2, "bias": mean}
        return {name: xp.asarray(value, dtype=self.dtype) for name, value in gradients.items()}

    def _factorized(self):
        """Return 1/2 log det Q, b and the mean in double precision; None if Q is not positive."""
        precision, bias = in_double(self._symmetric), in_double(self.parameters["bias"])
        if not (np.isfinite(precision).all() and np.isfinite(bias).all()):
            return None
        try:
            factor = np.linalg.cholesky(precision)
        except np.linalg.LinAlgError:
            return None
        return np.log(np.diagonal(factor)).sum(), bias, np.linalg.solve(precision, bias)


class GaussianDerivatives:
    """Derivatives of the energy of a Gaussian with respect to x.

    Parameters
    ----------
    energy : GaussianEnergy
        The energy.
    x : array of shape (n_samples, n_features)
        Samples.
    """

    def __init__(self, energy, x):
        self.energy = energy
        self.x = x

    def gradient(self):
        """Return the gradient x Q - b of each sample."""
        return self.energy.responses(self.x)

    def laplacian(self):
        """Return the trace of Q for each sample."""
        xp, precision = array_namespace(self.x), self.energy.parameters["precision"]
        trace = float(xp.sum(diagonal(precision)))
        return xp.full(self.x.shape[0], trace, dtype=self.x.dtype)

    def parameter_gradients(self, direction, weight=None):
        """Return gradients of sum_n <direction_n, grad E(x_n)> + weight_n laplacian E(x_n)."""
        xp = array_namespace(direction)
        products = direction.T @ self.x
        by_precision = (products + products.T) / 2
        if weight is not None:
            size = self.x.shape[1]
            by_precision += xp.sum(weight) * xp.eye(size, dtype=direction.dtype)
        return {"precision": by_precision, "bias": -xp.sum(direction, axis=0)}
