"""Noise-contrastive estimation: tell the data from noise whose density is known.

With nu samples of noise per sample of the data, the log-odds that x is data are

    G(x) = -E(x) + c - log p_n(x) - log nu,

if exp(-E + c) is the density of the data: c is trained, and approaches -log Z (Gutmann & Hyvarinen
2010).
"""

import math

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors._flip_losses import logistic
from sklearn_ebm.factors._score_losses import log_logistic
from sklearn_ebm.learning.contrasts._contrast import Contrast, at, weights_of

RIDGE = 0.01  # share of each variance that is added, so that noise also lies off a flat surface
TINY = 1e-6  # likewise of the mean variance, for constant features
CLIP = 0.01  # smallest rate of binary noise, and one minus the largest


class Noise:
    """Base class of noise with a known density."""

    def normalizer_of(self, energy, x):
        """Return the c with which the noise is on average as dense at samples as the model.

        From zero, c would take many steps: -log Z is far from it if the unit of x is, or if x has
        many features.
        """
        with np.errstate(all="ignore"):  # learning detects values that are not finite
            c = array_namespace(x).mean(self.log_density(x) + energy.value(x, None))
        return array_namespace(x).asarray([float(c)], dtype=x.dtype)


@stored
class GaussianNoise(Noise):
    """Normal noise with the mean and about the covariance of the data.

    Parameters
    ----------
    mean : array of shape (n_features,)
        Mean.
    factor : array of shape (n_features, n_features)
        Lower Cholesky factor of the covariance.
    inverse : array of shape (n_features, n_features)
        Inverse of the factor.
    """

    def __init__(self, mean, factor, inverse):
        self.mean = mean
        self.factor = factor
        self.inverse = inverse

    @classmethod
    def of(cls, mean, covariance):
        """Return the noise with the moments of data, in double precision on the host."""
        scale = float(np.trace(covariance)) / len(mean)
        ridge = RIDGE * np.diagonal(covariance) + TINY * (scale if scale > 0 else 1.0)
        factor = np.linalg.cholesky(covariance + np.diag(ridge))
        return cls(mean, factor, np.linalg.inv(factor))

    def like(self, array):
        """Return the noise in the dtype and on the device of an array."""
        xp = array_namespace(array)
        arrays = (self.mean, self.factor, self.inverse)
        return GaussianNoise(*(xp.asarray(each, dtype=array.dtype) for each in arrays))

    def draw(self, shape, key, backend):
        """Return samples of the noise as rows."""
        n_rows, n_columns = shape
        xp, n_features = array_namespace(self.mean), self.mean.shape[0]
        normal = xp.zeros((n_rows, n_columns), dtype=self.mean.dtype)
        backend.add_normal(normal, xp.ones(n_columns, dtype=self.mean.dtype), key)
        return xp.reshape(normal, (-1, n_features)) @ self.factor.T + self.mean

    def log_density(self, x):
        """Return log p_n of each row."""
        xp = array_namespace(x)
        white = (x - self.mean) @ self.inverse.T
        log_volume = -float(xp.sum(xp.log(xp.linalg.diagonal(self.inverse))))
        constant = log_volume + x.shape[1] / 2 * math.log(2 * math.pi)
        return -xp.sum(white * white, axis=1) / 2 - constant


@stored
class BinaryNoise(Noise):
    """Independent zeros and ones, with the rates of the data.

    Parameters
    ----------
    rate : array of shape (n_features,)
        Probabilities of one.
    """

    def __init__(self, rate):
        self.rate = rate

    @classmethod
    def of(cls, mean, covariance=None):
        """Return the noise with the rates of data, in double precision on the host."""
        return cls(np.clip(mean, CLIP, 1 - CLIP))

    def like(self, array):
        """Return the noise in the dtype and on the device of an array."""
        return BinaryNoise(array_namespace(array).asarray(self.rate, dtype=array.dtype))

    def draw(self, shape, key, backend):
        """Return samples of the noise as rows."""
        xp, n_features = array_namespace(self.rate), self.rate.shape[0]
        uniform = backend.uniform(xp.empty(shape, dtype=self.rate.dtype), key)
        uniform = xp.reshape(uniform, (-1, n_features))
        return xp.asarray(uniform < self.rate, dtype=self.rate.dtype)

    def log_density(self, x):
        """Return log p_n of each row."""
        xp = array_namespace(x)
        return x @ xp.log(self.rate) + (1 - x) @ xp.log1p(-self.rate)


@stored
class NoiseContrastive(Contrast):
    """-log sigm(G(x)) - sum over nu samples y of the noise of log(1 - sigm(G(y))).

    Parameters
    ----------
    noise : GaussianNoise or BinaryNoise
        Its density is known.
    ratio : int
        Number nu of noise samples per sample.
    log_normalizer : array of shape (1,)
        c, trained in place.
    """

    is_deterministic = False
    takes_densities = True
    n_draws = 1

    def __init__(self, noise, ratio, log_normalizer):
        self.noise = noise
        self.ratio = ratio
        self.log_normalizer = log_normalizer

    @property
    def parameters(self):
        """The constant c."""
        return {"log_normalizer": self.log_normalizer}

    def compare(self, energy, shared, batch, backend, stream=None, shard=None):
        """Return the losses and their gradients; see `Contrast.compare`."""
        X, ratio = batch.X, self.ratio
        xp, (n, n_features) = array_namespace(X), X.shape
        key = self._key(stream, 0, batch)
        both = xp.concat([X, self.noise.draw((n, ratio * n_features), key, backend)])
        values = at(energy, both)
        log_odds = self.log_normalizer[0] - values.value()
        log_odds -= self.noise.log_density(both) + math.log(ratio)
        sign = xp.ones(both.shape[0], dtype=X.dtype)
        sign[:n] = -1
        losses = -log_logistic(-sign * log_odds)
        slope = sign * logistic(sign * log_odds)
        of_noise = xp.reshape(losses[n:], (n, ratio))
        weight = weights_of(batch)
        slope[:n] *= weight
        of_rows = xp.reshape(slope[n:], (n, ratio)) * weight[:, None]
        slope[n:] = xp.reshape(of_rows, (-1,))
        gradients = values.parameter_gradients(-slope)
        gradients["log_normalizer"] = xp.reshape(xp.sum(slope), (1,))
        return losses[:n] + xp.sum(of_noise, axis=1), gradients, shard
