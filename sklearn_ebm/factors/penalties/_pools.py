"""Which components each pool has, and how much their squares weigh in it."""

import functools

import numpy as np

from sklearn_ebm.backends import array_namespace, new_array
from sklearn_ebm.backends import numpy as reference

GAUSSIAN_REACH = 2.0  # standard deviations from the middle of a pool to its edge


class Pools:
    """Weights w_gj >= 0 of the pooled features sqrt(sum_j w_gj z_j^2).

    Parameters
    ----------
    weights : ndarray of shape (n_pools, n_components)
        Zero where a pool does not have a component.
    windows : tuple of two ndarrays, or None, default=None
        Where pools are windows on a map, weights of its rows and columns whose Kronecker product
        `weights` is.
    """

    def __init__(self, weights, windows=None):
        self.weights = weights
        self.windows = windows
        self._remembered = {}

    def __getstate__(self):
        """Store the weights alone: casts are made again where they are needed."""
        return {"weights": self.weights, "windows": self.windows}

    def __setstate__(self, state):
        self.__init__(**state)

    @property
    def n_pools(self):
        """Number of pools."""
        return self.weights.shape[0]

    @property
    def n_components(self):
        """Number of components."""
        return self.weights.shape[1]

    @functools.cached_property
    def is_disjoint(self):
        """Whether no two pools share a component, and each has one weight for all of its own."""
        is_member = self.weights > 0
        largest = self.weights.max(axis=1, keepdims=True)
        even = np.all((self.weights == largest) | ~is_member)
        return bool(even and np.all(is_member.sum(axis=0) == 1))

    def like(self, array, name="weights"):
        """An attribute in the type and on the device of an array; remembered."""
        xp = array_namespace(array)
        key = name, xp.__name__, str(array.dtype)
        return self.remember(key, lambda: xp.asarray(getattr(self, name), dtype=array.dtype))

    def remember(self, key, make):
        """What make() gave when it was first asked for."""
        if key not in self._remembered:
            self._remembered[key] = make()
        return self._remembered[key]

    @functools.cached_property
    def membership(self):
        """One where a pool has a component, else zero."""
        return (self.weights > 0).astype(self.weights.dtype)

    @functools.cached_property
    def factors(self):
        """v_g of disjoint pools, whose norms are v_g ||z_g||."""
        return np.sqrt(self.weights.max(axis=1))

    @functools.cached_property
    def members(self):
        """Components of disjoint pools, one pool after another."""
        return np.concatenate([np.flatnonzero(row) for row in self.weights])

    @functools.cached_property
    def starts(self):
        """Where each pool begins in `members`, and where the last one ends."""
        return np.concatenate([[0], np.cumsum((self.weights > 0).sum(axis=1))])

    def scaled(self, factors):
        """Pools whose norms have these factors, one each."""
        return Pools(self.weights * factors[:, None] ** 2)

    def normalized(self):
        """Split a power of two from the norms, so that weights have their middle near one.

        Sums of the penalty then stay in the range of single precision, whatever unit the weights
        have.

        Returns
        -------
        pools : Pools
        factor : float
            The norms of the original pools are `factor` times those of `pools`.
        """
        _, exponents = np.frexp(self.weights[self.weights > 0])
        exponent = round((int(exponents.min()) + int(exponents.max())) / 4)  # weights are squares
        if exponent == 0:
            return self, 1.0
        weights = np.ldexp(self.weights, -2 * exponent)
        if self.windows is None:
            return Pools(weights), 2.0**exponent
        rows, columns = self.windows
        return Pools(weights, (np.ldexp(rows, -2 * exponent), columns)), 2.0**exponent

    def norms(self, code, backend=reference, result=None):
        """The pooled features, shape (n_samples, n_pools), in `result` where that is given."""
        result = new_array((code.shape[0], self.n_pools), code) if result is None else result
        backend.pool_norms(code, self, result)
        return result

    def spread(self, values, backend=reference):
        """sum_g values_g w_gj of each row, shape (n_samples, n_components)."""
        result = new_array((values.shape[0], self.n_components), values)
        backend.pool_spread(values, self, result)
        return result


def pools_of_groups(groups, n_components, weights=None):
    """Pools of lists of components, with one weight v_g each: v_g ||z_g||.

    Parameters
    ----------
    groups : list of integer arrays
        Components of each pool.
    n_components : int
        Components in all.
    weights : array of shape (n_pools,) or None, default=None
        Positive factors of each pool's norm; None takes one.

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
    """Pools that are windows on a two-dimensional map of components, which lie row by row.

    The weights are such that a map on which all components are equally on costs what its L1 norm
    does, however many pools there are.

    Parameters
    ----------
    map_shape, pool_shape : tuple of two ints
        Rows and columns of the map, and of a window.
    stride : tuple of two ints, default=(1, 1)
        Rows and columns from one window to the next.
    shape : {"gaussian", "uniform"}, default="gaussian"
        How weights fall from the middle of a window: to its edges by two standard deviations, or
        not at all.
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


def _windows(size, width, stride, shape, torus):
    """Windows on a line: weights of shape (n_windows, size)."""
    offsets = np.arange(width)
    weights = np.ones(width)
    if shape == "gaussian":
        distance = (offsets - (width - 1) / 2) / (width / 2)
        weights = np.exp(-((GAUSSIAN_REACH * distance) ** 2) / 2)
    begins = np.arange(0, size, stride)
    if not torus:  # they reach over both edges alike, and no component is left out
        begins = begins - (width - stride) // 2
    matrix = np.zeros((len(begins), size))
    for row, begin in enumerate(begins):
        places = begin + offsets
        inside = np.full(width, True) if torus else (places >= 0) & (places < size)
        matrix[row, places[inside] % size] = weights[inside]
    return matrix
