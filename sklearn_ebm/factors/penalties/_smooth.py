"""Smooth norms sqrt(v^2 + epsilon), for learning by gradients through the codes.

They have no proximal operator: their codes are not exactly zero.
"""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace


@stored
class SmoothL1:
    """alpha sum_j w_j sqrt(z_j^2 + epsilon).

    Parameters
    ----------
    alpha : float
        Weight of the penalty.
    epsilon : float
        Added to the squares.
    weights : ndarray of shape (n_components,) or None, default=None
        w. None uses one.
    """

    def __init__(self, alpha, epsilon, weights=None):
        self.alpha = alpha
        self.epsilon = epsilon
        self.weights = weights

    def _strength(self, code):
        if self.weights is None:
            return self.alpha
        return self.alpha * array_namespace(code).asarray(self.weights, dtype=code.dtype)

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        xp = array_namespace(code)
        return xp.sum(self._strength(code) * xp.sqrt(code * code + self.epsilon), axis=1)

    def gradient(self, code):
        """Return the gradient of each row."""
        xp = array_namespace(code)
        return self._strength(code) * code / xp.sqrt(code * code + self.epsilon)


@stored
class SmoothGroupNorm:
    """alpha sum_g sqrt(sum_j w_gj z_j^2 + epsilon).

    Parameters
    ----------
    alpha : float
        Weight of the penalty.
    epsilon : float
        Added to the squares.
    pools : Pools
        Weights w_gj.
    """

    def __init__(self, alpha, epsilon, pools):
        self.alpha = alpha
        self.epsilon = epsilon
        self.pools = pools

    def _norms(self, code):
        norms = self.pools.norms(code)
        return array_namespace(code).sqrt(norms * norms + self.epsilon)

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        return self.alpha * array_namespace(code).sum(self._norms(code), axis=1)

    def gradient(self, code):
        """Return the gradient of each row."""
        return self.alpha * code * self.pools.spread(1 / self._norms(code))
