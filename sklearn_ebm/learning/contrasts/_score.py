"""Score matching: the gradient of the energy should equal the gradient of -log p of the data.

Neither loss depends on the partition function, since the gradient with respect to x removes it.
"""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.learning.contrasts._contrast import Contrast, weights_of
from sklearn_ebm.protocols import offers


@stored
class ScoreMatching(Contrast):
    """1/2 ||grad E(x)||^2 - laplacian E(x) (Hyvarinen 2005, eq. 4): data lie in curved valleys.

    For a finite number of samples, the loss has no minimum: a filter can be orthogonal to as many
    samples as features, and the curvature at these samples grows with the square of its length. The
    length is therefore limited.

    Parameters
    ----------
    covariance : array of shape (n_features, n_features)
        Covariance of the data.
    limit : float
        Largest standard deviation of the response of a filter.
    """

    requires = ("derivatives",)
    takes_binary = False

    def __init__(self, covariance, limit):
        self.covariance = covariance
        self.limit = limit

    def project(self, energy):
        """Shorten filters whose responses vary too much."""
        if offers(energy, "limit_responses"):
            energy.limit_responses(self.covariance, self.limit)

    def compare(self, energy, shared, batch, backend, stream=None, shard=None):
        """Return the losses and their gradients; see `Contrast.compare`."""
        xp, weight = array_namespace(batch.X), weights_of(batch)
        derivatives = energy.derivatives(batch.X)
        slope = derivatives.gradient()
        losses = xp.sum(slope * slope, axis=1) / 2 - derivatives.laplacian()
        gradients = derivatives.parameter_gradients(weight[:, None] * slope, -weight)
        return losses, gradients, shard


@stored
class DenoisingScoreMatching(Contrast):
    """1/2 ||grad E(y) - (y - x) / s^2||^2 with y = x + s n and n normal (Vincent 2011, eq. 9).

    The gradient at a corrupted sample points away from the clean one. Noise of both signs is used
    for each sample, which removes most of the variance for small s.

    Parameters
    ----------
    noise_level : float
        Standard deviation s of the noise.
    """

    requires = ("derivatives",)
    takes_binary = False
    is_deterministic = False
    n_draws = 1

    def __init__(self, noise_level):
        self.noise_level = noise_level

    def compare(self, energy, shared, batch, backend, stream=None, shard=None):
        """Return the losses and their gradients; see `Contrast.compare`."""
        X, level = batch.X, self.noise_level
        xp, (n, n_features) = array_namespace(X), X.shape
        noise, ones = xp.zeros_like(X), xp.ones(n_features, dtype=X.dtype)
        backend.add_normal(noise, ones, self._key(stream, 0, batch))
        both = xp.concat([X + level * noise, X - level * noise])
        derivatives = energy.derivatives(both)
        error = derivatives.gradient()
        error[:n, :] -= noise / level
        error[n:, :] += noise / level
        losses = xp.sum(error * error, axis=1) / 2
        weight = xp.concat([weights_of(batch)] * 2) / 2
        gradients = derivatives.parameter_gradients(weight[:, None] * error)
        return (losses[:n] + losses[n:]) / 2, gradients, shard
