"""Pools of components: their members and the weights of the squares."""

import functools
import math

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, new_array, read_only
from sklearn_ebm.backends import numpy as reference

GAUSSIAN_REACH = 2.0  # standard deviations from the centre of a pool to its edge
LARGEST_CACHE = 16  # shapes of maps whose pools are kept


@stored
class Pools:
    """Weights w_gj >= 0 of the pooled features sqrt(sum_j w_gj z_j^2).

    Parameters
    ----------
    weights : ndarray of shape (n_pools, n_components), or None
        Weights. They are zero for components outside of a pool. None is for windows on a large map:
        the weights are computed if they are needed, and sums over windows do without them.
    windows : tuple of two ndarrays, or None, default=None
        For windows on a map: weights of its rows and columns, whose Kronecker product is `weights`.
    """

    def __init__(self, weights, windows=None):
        self.windows = windows
        self.is_separable = weights is None
        self._remembered = {}
        if weights is not None:
            self.weights = weights

    def __getstate__(self):
        """Store only the weights: casts are computed again when they are needed."""
        return {"weights": None if self.is_separable else self.weights, "windows": self.windows}

    def __setstate__(self, state):
        self.__init__(**state)

    @functools.cached_property
    def weights(self):
        """Weights w_gj, shape (n_pools, n_components)."""
        return np.kron(*self.windows)

    @property
    def _lines(self):
        """Matrices whose Kronecker product is `weights`."""
        return self.windows if self.is_separable else (self.weights,)

    @property
    def n_pools(self):
        """Number of pools."""
        return math.prod(line.shape[0] for line in self._lines)

    @property
    def n_components(self):
        """Number of components."""
        return math.prod(line.shape[1] for line in self._lines)

    @functools.cached_property
    def is_disjoint(self):
        """Whether pools share no component, and all components of a pool have the same weight."""
        return all(map(_is_disjoint, self._lines))

    def like(self, array, name="weights"):
        """Return an attribute with the dtype and the device of an array, cached."""
        xp = array_namespace(array)
        key = name, xp.__name__, str(array.dtype)
        return self.remember(key, lambda: xp.asarray(getattr(self, name), dtype=array.dtype))

    def windows_like(self, array):
        """Return both factors of the windows with the dtype and the device of an array, cached."""
        xp = array_namespace(array)
        key = "windows", xp.__name__, str(array.dtype)
        return self.remember(
            key, lambda: tuple(xp.asarray(line, dtype=array.dtype) for line in self.windows)
        )

    def remember(self, key, make):
        """Return make(), cached under `key`."""
        if key not in self._remembered:
            self._remembered[key] = make()
        return self._remembered[key]

    @functools.cached_property
    def membership(self):
        """1 if a component belongs to a pool, else 0."""
        return (self.weights > 0).astype(self.weights.dtype)

    @functools.cached_property
    def factors(self):
        """v_g of disjoint pools. Their norms are v_g ||z_g||."""
        return np.sqrt(self.weights.max(axis=1))

    @functools.cached_property
    def members(self):
        """Components of all pools, concatenated."""
        return np.concatenate([np.flatnonzero(row) for row in self.weights])

    @functools.cached_property
    def member_weights(self):
        """Weights of `members` in their pools."""
        return np.concatenate([row[row > 0] for row in self.weights])

    @functools.cached_property
    def starts(self):
        """Start of each pool in `members`, and the end of the last pool."""
        return np.concatenate([[0], np.cumsum((self.weights > 0).sum(axis=1))])

    def scaled(self, factors):
        """Return pools whose norms are multiplied by the given factors."""
        return Pools(self.weights * factors[:, None] ** 2)

    def normalized(self):
        """Divide the norms by a power of two, so that weights are centred near one.

        Sums of the penalty are then in the range of single precision, for any unit of the weights.

        Returns
        -------
        pools : Pools
        factor : float
            Ratio of the norms of the original pools and of `pools`.
        """
        smallest, largest = (
            math.prod(float(pick(line[line > 0])) for line in self._lines)
            for pick in (np.min, np.max)
        )
        _, exponents = np.frexp([smallest, largest])
        exponent = round(int(exponents.sum()) / 4)  # exponents of squares
        if exponent == 0:
            return self, 1.0
        weights = None if self.is_separable else np.ldexp(self.weights, -2 * exponent)
        if self.windows is None:
            return Pools(weights), 2.0**exponent
        rows, columns = self.windows
        return Pools(weights, (np.ldexp(rows, -2 * exponent), columns)), 2.0**exponent

    def norms(self, code, backend=reference, result=None):
        """Return the pooled features, shape (n_samples, n_pools), in `result` if given."""
        result = new_array((code.shape[0], self.n_pools), code) if result is None else result
        backend.pool_norms(code, self, result)
        return result

    def spread(self, values, backend=reference):
        """Return sum_g values_g w_gj of each row, shape (n_samples, n_components)."""
        result = new_array((values.shape[0], self.n_components), values)
        backend.pool_spread(values, self, result)
        return result


def _is_disjoint(weights):
    """Return whether each column has one positive entry, and all those of a row are equal."""
    is_member = weights > 0
    even = np.all((weights == weights.max(axis=1, keepdims=True)) | ~is_member)
    return bool(even and np.all(is_member.sum(axis=0) == 1))


def pools_of_groups(groups, n_components, weights=None):
    """Return pools of given components, with norms v_g ||z_g||.

    Parameters
    ----------
    groups : list of integer arrays
        Components of each pool.
    n_components : int
        Number of components.
    weights : array of shape (n_pools,) or None, default=None
        Positive factor v_g of each pool's norm. None uses one.

    Returns
    -------
    pools : Pools
    """
    matrix = np.zeros((len(groups), n_components))
    for row, members in enumerate(groups):
        matrix[row, members] = 1
    pools = Pools(matrix)
    return pools if weights is None else pools.scaled(weights)


def pools_of_map(map_shape, pool_shape, stride=(1, 1), shape="gaussian", torus=True):
    """Return pools that are windows on a two-dimensional map of components, numbered row by row.

    The weights are scaled such that a constant map has the same penalty as under the L1 norm, for
    any number of pools.

    Parameters
    ----------
    map_shape, pool_shape : tuple of two ints
        Rows and columns of the map, and of a window.
    stride : tuple of two ints, default=(1, 1)
        Rows and columns between consecutive windows.
    shape : {"gaussian", "uniform"}, default="gaussian"
        Shape of the weights in a window: decreasing over two standard deviations from the centre to
        the edges, or constant.
    torus : bool, default=True
        Whether windows wrap around the edges; otherwise they are cut there.

    Returns
    -------
    pools : Pools
    """
    windows = []
    for sizes in zip(map_shape, pool_shape, stride, strict=True):
        line = _windows(*sizes, shape, torus)
        line /= line.sum(axis=1, keepdims=True)
        windows.append(line * (line.shape[1] / line.shape[0]) ** 2)
    return Pools(np.kron(*windows), tuple(windows))


@functools.lru_cache(maxsize=LARGEST_CACHE)
def pools_around(map_shape, sigma):
    """Return one pool around each component of a map, with Gaussian weights.

    Pools are cut at the edges of the map. Their weights sum to one, so that a constant map has the
    same penalty as under the L1 norm.

    Parameters
    ----------
    map_shape : tuple of two ints
        Rows and columns of the map.
    sigma : float
        Standard deviation of the weights, in rows and columns. They are zero beyond two of them.

    Returns
    -------
    pools : Pools
        They are shared by all calls with the same arguments.
    """
    windows = []
    for size in map_shape:
        distance = np.abs(np.arange(size)[:, None] - np.arange(size)[None, :])
        line = np.exp(-((distance / sigma) ** 2) / 2)
        line[distance > max(1, round(GAUSSIAN_REACH * sigma))] = 0
        windows.append(read_only(line / line.sum(axis=1, keepdims=True)))
    return Pools(None, tuple(windows))


def _windows(size, width, stride, shape, torus):
    """Return windows on a line, as weights of shape (n_windows, size)."""
    offsets = np.arange(width)
    weights = np.ones(width)
    if shape == "gaussian":
        distance = (offsets - (width - 1) / 2) / (width / 2)
        weights = np.exp(-((GAUSSIAN_REACH * distance) ** 2) / 2)
    begins = np.arange(0, size, stride)
    if not torus:  # windows exceed both edges equally, and cover all components
        begins = begins - (width - stride) // 2
    matrix = np.zeros((len(begins), size))
    for row, begin in enumerate(begins):
        places = begin + offsets
        inside = np.full(width, True) if torus else (places >= 0) & (places < size)
        matrix[row, places[inside] % size] = weights[inside]
    return matrix
