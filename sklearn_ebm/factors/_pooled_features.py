"""Pooled features of codes as a module."""

from sklearn_ebm.backends import array_namespace, divide_or_zero, resolve_backend
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
