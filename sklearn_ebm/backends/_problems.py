"""Bundles of arrays for kernels."""

from typing import Any, NamedTuple


class Lasso(NamedTuple):
    """min_z 1/2 z H z' - c z' + penalty(z), with H = gram and one row c of `correlation` each."""

    gram: Any
    correlation: Any
    half_norm: Any  # 1/2 ||x||^2, the energy of the zero code and the unit of gaps
    rule: Any

    def row(self, n):
        """Return the problem of one sample."""
        return self._replace(
            correlation=self.correlation[n : n + 1],
            half_norm=self.half_norm[n : n + 1],
            rule=self.rule.row(n),
        )


class ConvolutionalLasso(NamedTuple):
    """min_z 1/2 ||x - sum_k d_k * z_k||^2 + ridge/2 ||z - prediction||^2 + penalty(z) of images.

    Maps z have the shape (n_samples, map_height, map_width, n_components).
    """

    kernels: Any  # (n_components, kernel_height, kernel_width, n_channels)
    images: Any  # (n_samples, height, width, n_channels), zero for masked pixels
    mask: Any  # in the shape of the images, 1 for observed pixels; None if all are observed
    prediction: Any  # in the shape of the maps; None if the ridge is zero
    ridge: float
    border: Any
    half_norm: Any  # (n_samples,), the energy of the zero code and the unit of gaps
    rule: Any


class SupportRule(NamedTuple):
    """When a greedy pursuit ends, and which atom it adds next.

    Attributes
    ----------
    n_nonzero_coefs : int
        Largest number of atoms in a support.
    tol : float
        Squared norm of the residual at which a sample has ended; zero uses all atoms allowed.
    optimized : bool
        Whether to add the atom that leaves the smallest residual.
    """

    n_nonzero_coefs: int
    tol: float
    optimized: bool
