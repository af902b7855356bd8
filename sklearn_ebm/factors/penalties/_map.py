"""The penalty on Gaussian pools around all units of a map, for maps of any shape."""

import functools

from sklearn_ebm._storage import stored
from sklearn_ebm.factors.penalties._group import group_norm
from sklearn_ebm.factors.penalties._pools import LARGEST_CACHE, pools_around


class MapPenalty:
    """Penalty on the norms of Gaussian pools around the units of a map, one pool for each unit.

    Parameters
    ----------
    sigma : float
        Standard deviation of the weights of a pool, in rows and columns of the map.
    """

    separable = False

    def __init__(self, sigma):
        self.sigma = sigma

    def resolve(self, n_components, alpha, positive=False):
        """Return the factor for an alpha, which depends on the shape of the map."""
        return MapNorm(alpha, self.sigma, positive)


@stored
class MapNorm:
    """alpha sum_g sqrt(sum_u w_gu z_u^2); `on_map` returns the penalty for maps of a shape.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    sigma : float
        Standard deviation of the weights of a pool.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    """

    name = "MapPenalty"
    separable = False

    def __init__(self, alpha, sigma, positive=False):
        self.alpha = alpha
        self.sigma = sigma
        self.positive = positive

    def on_map(self, map_shape):
        """Return the penalty for maps with this number of rows and columns."""
        pools, factor = _normalized(tuple(map_shape), float(self.sigma))
        return group_norm(self.alpha * factor, pools, self.positive)

    def pools(self, map_shape):
        """Return the pools of maps with this number of rows and columns."""
        return pools_around(tuple(map_shape), float(self.sigma))


@functools.lru_cache(maxsize=LARGEST_CACHE)
def _normalized(map_shape, sigma):
    """Return `Pools.normalized` of the pools of a map; values derived from them remain cached."""
    return pools_around(map_shape, sigma).normalized()
