"""Arguments of the kernels of images and their maps."""

import numpy as np

from sklearn_ebm.backends._gaussian import gaussian_window


def _maps(rng, dtype, n_rows, shape):
    return rng.standard_normal((n_rows, *shape)).astype(dtype)


def draw_contrast(rng, dtype, n_rows, shape, size):
    """The first image is constant but for its last columns: some windows see rounding only."""
    maps = _maps(rng, dtype, n_rows, shape)
    maps[:1, :, : shape[1] // 2] = 0.1
    window = gaussian_window(size, maps)
    centred, deviation = np.full_like(maps, np.nan), np.full_like(maps[..., 0], np.nan)
    return {"maps": maps, "window": window, "centred": centred, "deviation": deviation}


def draw_smoothing(rng, dtype, n_rows, shape, size, transposed):
    maps = _maps(rng, dtype, n_rows, (*shape, 1))
    window = gaussian_window(size, maps)
    return {"values": maps[..., 0], "window": window, "transposed": transposed}


def _contrast_case(**options):
    return "local_contrast", draw_contrast, ("centred", "deviation"), options


def _smoothing_case(transposed):
    options = {"shape": (5, 19), "size": 9, "transposed": transposed}
    return "smooth_maps", draw_smoothing, (), options


CASES = {  # kernel, how its arguments are drawn, which of them it replaces, and options
    "local contrast, grey": _contrast_case(shape=(5, 19, 1), size=5),
    "local contrast, colour": _contrast_case(shape=(12, 7, 3), size=9),  # wider than images
    "local contrast, maps": _contrast_case(shape=(3, 33, 20), size=3),
    "smooth": _smoothing_case(transposed=False),
    "smooth, transposed": _smoothing_case(transposed=True),
}
