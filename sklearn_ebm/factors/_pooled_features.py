"""Pooled features of codes as a module."""

from sklearn_ebm.backends import array_namespace, divide_or_zero, resolve_backend
from sklearn_ebm.factors.penalties._pools import pools_around
from sklearn_ebm.protocols import ModuleMixin


class PooledFeatures(ModuleMixin):
    """v_g = sqrt(sum_j w_gj z_j^2), optionally preceded by the codes z.

    dz_j = z_j sum_g w_gj dv_g / v_g, and zero if v_g is zero.

    Parameters
    ----------
    pools : Pools
        The weights w.
    with_code : bool
        Whether the features are preceded by the codes.
    backend : module or None, default=None
        Module of kernels. None uses the backend of the data.
    """

    def __init__(self, pools, with_code, backend=None):
        self.pools = pools
        self.with_code = with_code
        self._backend = backend

    def __getstate__(self):
        """Store everything except the backend, since a module cannot be pickled."""
        return {**vars(self), "_backend": None}

    def on(self, backend):
        """Return the features with the kernels of a backend."""
        return type(self)(self.pools, self.with_code, backend)

    def forward(self, x, tape=None, stream=None):
        """Return the features of codes."""
        norms = self.pools.norms(x, self._backend_for(x))
        if tape is not None:
            tape.kept = x, norms
        return array_namespace(x).concat([x, norms], axis=1) if self.with_code else norms

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradient with respect to the codes (or None), and no others."""
        if not input_gradient:
            return None, {}
        code, norms = tape.kept
        share = divide_or_zero(dy[:, -norms.shape[1] :], norms)
        dx = code * self.pools.spread(share, self._backend_for(dy))
        return dx + dy[:, : code.shape[1]] if self.with_code else dx, {}

    def _backend_for(self, x):
        return resolve_backend("auto", x) if self._backend is None else self._backend


class PooledMaps(ModuleMixin):
    """Pooled features of maps: one Gaussian pool around each place, for maps of any size.

    Parameters
    ----------
    sigma : float
        Standard deviation of the weights of a pool, in rows and columns of the map.
    map_shape : tuple of two ints
        Rows and columns of maps that are flat rows.
    backend : module or None, default=None
        Module of kernels. None uses the backend of the data.
    """

    def __init__(self, sigma, map_shape, backend=None):
        self.sigma = sigma
        self.map_shape = tuple(map_shape)
        self._backend = backend

    def __getstate__(self):
        """Store everything except the backend, since a module cannot be pickled."""
        return {**vars(self), "_backend": None}

    def on(self, backend):
        """Return the features with the kernels of a backend."""
        return type(self)(self.sigma, self.map_shape, backend)

    def forward(self, x, tape=None, stream=None):
        """Return the features of maps (n_samples, rows, columns, 1) or of flat rows."""
        features = self._features(x.shape).forward(_flat(x), tape)
        return array_namespace(x).reshape(features, x.shape)

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradient with respect to the maps (or None), and no others."""
        dx, none = self._features(dy.shape).backward(tape, _flat(dy), input_gradient)
        return None if dx is None else array_namespace(dy).reshape(dx, dy.shape), none

    def _features(self, shape):
        """Return the features of maps of a given shape."""
        map_shape = shape[1:3] if len(shape) == 4 else self.map_shape
        pools = pools_around(tuple(map_shape), float(self.sigma))
        return PooledFeatures(pools, with_code=False, backend=self._backend)


def _flat(maps):
    return array_namespace(maps).reshape(maps, (maps.shape[0], -1))
