"""Bundles of arrays that enter a kernel together."""

from typing import Any, NamedTuple


class Lasso(NamedTuple):
    """min_z 1/2 z H z' - c z' + penalty(z), H = gram, for all rows c of `correlation` at once."""

    gram: Any
    correlation: Any
    half_norm: Any  # 1/2 ||x||^2, the energy of the zero code and the gap's unit
    rule: Any

    def row(self, n):
        """The problem of one sample."""
        return self._replace(
            correlation=self.correlation[n : n + 1], half_norm=self.half_norm[n : n + 1]
        )


class ConvolutionalLasso(NamedTuple):
    """min_z 1/2 ||x - sum_k d_k * z_k||^2 + ridge/2 ||z - prediction||^2 + penalty(z) of images.

    Maps z have the shape (n_samples, map_height, map_width, n_components).
    """

    kernels: Any  # (n_components, kernel_height, kernel_width, n_channels)
    images: Any  # (n_samples, height, width, n_channels), zero where masked
    mask: Any  # of the images' shape, one where a pixel is observed; None where all are
    prediction: Any  # of the maps' shape; None where the ridge is zero
    ridge: float
    border: Any
    half_norm: Any  # (n_samples,), the energy of the zero code and the gap's unit
    rule: Any
