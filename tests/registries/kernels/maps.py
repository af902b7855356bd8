"""Arguments of the kernels of images and their maps."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._gaussian import gaussian_window


def _maps(rng, dtype, n_rows, shape):
    return rng.standard_normal((n_rows, *shape)).astype(dtype)


def draw_contrast(rng, dtype, n_rows, shape, size):
    """The first image is constant except for its last columns, so that some windows are flat."""
    maps = _maps(rng, dtype, n_rows, shape)
    maps[:1, :, : shape[1] // 2] = 0.1
    window = gaussian_window(size, maps)
    centred, deviation = np.full_like(maps, np.nan), np.full_like(maps[..., 0], np.nan)
    return {"maps": maps, "window": window, "centred": centred, "deviation": deviation}


def _drawn_contrast(rng, dtype, n_rows, shape, size):
    arguments = draw_contrast(rng, dtype, n_rows, shape, size)
    maps, window, *_ = arguments.values()
    reference.local_contrast(**arguments)
    return maps, window, arguments["centred"], arguments["deviation"]


def draw_scaling(rng, dtype, n_rows, shape, size):
    maps, _, centred, deviation = _drawn_contrast(rng, dtype, n_rows, shape, size)
    return {"centred": centred, "deviation": deviation, "result": np.full_like(maps, np.nan)}


def draw_contrast_slopes(rng, dtype, n_rows, shape, size, scaled):
    """The second image is constant."""
    maps, window, centred, deviation = _drawn_contrast(rng, dtype, n_rows, shape, size)
    centred[1:2], deviation[1:2] = 0, 0
    return {
        "centred": centred,
        "deviation": deviation,
        "window": window,
        "scaled": scaled,
        "dy": _maps(rng, dtype, n_rows, shape),
        "dx": np.full_like(maps, np.nan),
    }


def draw_smoothing(rng, dtype, n_rows, shape, size, transposed):
    maps = _maps(rng, dtype, n_rows, (*shape, 1))
    window = gaussian_window(size, maps)
    return {"values": maps[..., 0], "window": window, "transposed": transposed}


def _contrast_case(**options):
    return "local_contrast", draw_contrast, ("centred", "deviation"), options


def _scaling_case(**options):
    return "scale_contrast", draw_scaling, ("result",), options


def _slopes_case(**options):
    return "local_contrast_backward", draw_contrast_slopes, ("dx",), options


def _smoothing_case(transposed):
    options = {"shape": (5, 19), "size": 9, "transposed": transposed}
    return "smooth_maps", draw_smoothing, (), options


CASES = {  # kernel, function that draws arguments, replaced arguments, and options
    "local contrast, grey": _contrast_case(shape=(5, 19, 1), size=5),
    "local contrast, colour": _contrast_case(shape=(12, 7, 3), size=9),  # larger than images
    "local contrast, maps": _contrast_case(shape=(3, 33, 20), size=3),
    "scale contrast, colour": _scaling_case(shape=(12, 7, 3), size=5),
    "contrast, backward, grey": _slopes_case(shape=(5, 19, 1), size=5, scaled=True),
    "contrast, backward, maps": _slopes_case(shape=(12, 7, 20), size=9, scaled=True),
    "contrast, backward, not scaled": _slopes_case(shape=(4, 9, 3), size=3, scaled=False),
    "smooth": _smoothing_case(transposed=False),
    "smooth, transposed": _smoothing_case(transposed=True),
}
