"""Random arguments of the kernels of convolutional codes: images, filters and maps."""

import numpy as np

from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.backends._certificate import relative_gap
from sklearn_ebm.backends._places import Places
from sklearn_ebm.backends._problems import ConvolutionalLasso
from sklearn_ebm.backends._rules import PositiveSoftThreshold, SoftThreshold
from sklearn_ebm.backends.numpy import correlate
from sklearn_ebm.backends.numpy._local_descent import hessian_product

N_IMAGES = 2  # at most: the larger ones have some 2600 pixels
SMALL = ((9, 12, 1), (5, 4, 3))  # height, width and channels of images, and kernels
LARGE = ((70, 37, 3), (21, 3, 5))  # several tiles, more filters than entries of a vector
SIGNALS = ((1, 150, 1), (37, 1, 8))
FEATURES = ((20, 20, 6), (9, 5, 4))  # like a second stage
TINY = ((6, 7, 2), (3, 3, 2))


def _normal(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


def draw_images(rng, dtype, n_images, shape):
    """Return a batch of images with the given height, width and number of channels."""
    return _normal(rng, dtype, n_images, *shape)


def draw_kernels(rng, dtype, size, n_channels):
    """Return filters of unit norm; `size` is their number, height and width."""
    kernels = rng.standard_normal((*size, n_channels))
    norms = np.sqrt(np.sum(kernels**2, axis=(1, 2, 3), keepdims=True))
    return (kernels / norms).astype(dtype)


def draw_maps(rng, dtype, images, kernels, border, density=1.0):
    """Return maps for these images and filters, with a given share of non-zeros."""
    shape = border.map_shape(images.shape[1:], kernels.shape[1:])
    maps = _normal(rng, dtype, len(images), *shape, len(kernels))
    return maps * (rng.random(maps.shape) < density)


def _drawn(rng, dtype, n_rows, shapes, border):
    image_shape, size = shapes
    images = draw_images(rng, dtype, min(n_rows, N_IMAGES), image_shape)
    kernels = draw_kernels(rng, dtype, size, image_shape[2])
    return images, kernels, BORDERS[border](kernels.shape[1:])


def draw_correlation(rng, dtype, n_rows, shapes, border):
    images, kernels, border = _drawn(rng, dtype, n_rows, shapes, border)
    maps = np.full_like(draw_maps(rng, dtype, images, kernels, border), np.nan)
    return {"images": images, "kernels": kernels, "border": border, "maps": maps}


def draw_synthesis(rng, dtype, n_rows, shapes, border, density):
    images, kernels, border = _drawn(rng, dtype, n_rows, shapes, border)
    maps = draw_maps(rng, dtype, images, kernels, border, density)
    images = np.full_like(images, np.nan)
    return {"maps": maps, "kernels": kernels, "border": border, "images": images}


def draw_correlation_of_kernels(rng, dtype, n_rows, shapes, border, density):
    images, kernels, border = _drawn(rng, dtype, n_rows, shapes, border)
    maps = draw_maps(rng, dtype, images, kernels, border, density)
    return {"maps": maps, "images": images, "border": border, "kernels": kernels}


def draw_code_moment(rng, dtype, n_rows, shapes, border, density):
    images, kernels, border = _drawn(rng, dtype, n_rows, shapes, border)
    left, right = (draw_maps(rng, dtype, images, kernels, border, density) for _ in range(2))
    n_components, height, width, _ = kernels.shape
    moment = _normal(rng, dtype, n_components, n_components, 2 * height - 1, 2 * width - 1)
    return {"left": left, "right": right, "circular": border.circular, "moment": moment}


def draw_sweep(rng, dtype, n_rows, shapes, shifts=None):
    """Some filters have moments of zero and must not change."""
    images, kernels, _ = _drawn(rng, dtype, 1, shapes, "full")
    kernels = draw_kernels(rng, dtype, (n_rows, *kernels.shape[1:3]), images.shape[3])
    n_components, height, width, _ = kernels.shape
    shifts = (2 * height - 1, 2 * width - 1) if shifts is None else shifts
    moment = _normal(rng, dtype, n_components, n_components, *shifts)
    moment[3::4] = moment[:, 3::4] = 0
    cross_moment = 30 * _normal(rng, dtype, *kernels.shape)
    return {"kernels": kernels, "code_moment": moment, "cross_moment": cross_moment}


def draw_rank_one_sweep(rng, dtype, n_rows, shapes, shifts=None):
    """Most of each slope has rank one: singular vectors of equal values are not determined."""
    drawn = draw_sweep(rng, dtype, n_rows, shapes, shifts)
    shape = drawn["kernels"].shape
    waveform, pattern = rng.standard_normal(shape[:3]), rng.standard_normal((n_rows, shape[3]))
    waveform /= np.sqrt(np.sum(waveform**2, axis=(1, 2), keepdims=True))
    pattern /= np.sqrt(np.sum(pattern**2, axis=1, keepdims=True))
    drawn["kernels"] = (waveform[..., None] * pattern[:, None, None]).astype(dtype)
    drawn["cross_moment"] += 1000 * drawn["kernels"]
    return drawn


def new_lasso(rng, images, kernels, border, rule, masked=False, ridge=0.0):
    """Return the problem of images, of which a fifth of the pixels is unobserved if `masked`."""
    dtype, mask, prediction = images.dtype, None, None
    if masked:
        mask = (rng.random(images.shape) < 0.8).astype(dtype)
        images = images * mask
    if ridge:
        prediction = draw_maps(rng, dtype, images, kernels, border, 0.2)
    half_norm = np.sum(images**2, axis=(1, 2, 3)) / 2
    if ridge:
        half_norm += ridge * np.sum(prediction**2, axis=(1, 2, 3)) / 2
    half_norm = half_norm.astype(dtype)
    return ConvolutionalLasso(kernels, images, mask, prediction, ridge, border, half_norm, rule)


def draw_lasso(rng, dtype, n_rows, border, rule, masked, ridge):
    """Return few and small images, since the reference computes all of them before each step.

    Without a ridge, codes are not unique and descent is slow, so that the final gap is larger.
    """
    image_shape, size = TINY
    images = 5 * draw_images(rng, dtype, n_rows, image_shape)
    kernels = draw_kernels(rng, dtype, size, image_shape[2])
    border = BORDERS[border](kernels.shape[1:])
    lasso = new_lasso(rng, images, kernels, border, rule, masked, ridge)
    code = np.abs(draw_maps(rng, dtype, images, kernels, border, 0.1))
    tol = max(1e-7, 100 * float(np.finfo(dtype).eps)) if ridge else 1e-4
    return {"lasso": lasso, "code": code, "tol": tol, "max_iter": 1000}


def certificate(lasso, code):
    """Return the relative gap of each image, and a lower bound of the curvature of the energy."""
    observed = lasso.images if lasso.mask is None else lasso.images * lasso.mask
    correlation = correlate(observed, lasso.kernels, lasso.border, np.empty(code.shape))
    if lasso.prediction is not None:
        correlation += lasso.ridge * lasso.prediction
    slope = correlation - hessian_product(lasso, code)
    shape = len(code), np.prod(code.shape[1:])
    correlation, code, slope = (maps.reshape(shape) for maps in (correlation, code, slope))
    gap = relative_gap(lasso.rule, correlation, lasso.half_norm, code, slope)
    return gap, lasso.ridge


def _settings():
    """Yield every border with small and with large images, and signals."""
    for border in BORDERS:
        yield f"{border}, small", {"shapes": SMALL, "border": border}
        yield f"{border}, large", {"shapes": LARGE, "border": border}
    yield "signals", {"shapes": SIGNALS, "border": "same"}


def _cases():
    for name, options in _settings():
        yield f"correlate, {name}", ("correlate", draw_correlation, ("maps",), options)
        for density in (0.1, 1.0):
            more, full_name = {**options, "density": density}, f"{name}, {density} on"
            parts = ("synthesize", draw_synthesis, ("images",), more)
            yield f"synthesize, {full_name}", parts
            parts = ("correlate_kernels", draw_correlation_of_kernels, ("kernels",), more)
            yield f"correlate_kernels, {full_name}", parts


def _moment_cases():
    for shapes, border, density in (
        (SMALL, "full", 1.0),
        (LARGE, "valid", 0.02),
        (SMALL, "circular", 0.3),
        (SIGNALS, "circular", 0.1),
        (SIGNALS, "same", 0.1),
    ):
        options = {"shapes": shapes, "border": border, "density": density}
        name = f"add_code_moment, {border}, {shapes[1]}"
        yield name, ("add_code_moment", draw_code_moment, ("moment",), options)
    for shapes in (SMALL, LARGE, SIGNALS, FEATURES):
        parts = ("update_kernels", draw_sweep, ("kernels",), {"shapes": shapes}, 1)
        yield f"update_kernels, {shapes[1]}", parts
        rank_one = "update_rank_one_kernels", draw_rank_one_sweep, ("kernels",)
        yield f"update_rank_one_kernels, {shapes[1]}", (*rank_one, {"shapes": shapes}, 1)
        for shifts in ((1, 1), (1, 3)):  # of maps with one position, or with one row
            options = {"shapes": shapes, "shifts": shifts}
            parts = ("update_kernels", draw_sweep, ("kernels",), options, 1)
            yield f"update_kernels, {shapes[1]}, {shifts}", parts
            yield f"update_rank_one_kernels, {shapes[1]}, {shifts}", (*rank_one, options, 1)


def _descent_case(border, rule, masked=False, ridge=0.0):
    options = {"border": border, "rule": rule, "masked": masked, "ridge": ridge}
    return "local_descent", draw_lasso, ("code",), options


def draw_local(rng, dtype, n_rows, shapes, tile_shape, places):
    """Return images, filters of a tile of units, and maps."""
    image_shape, size = shapes
    images = draw_images(rng, dtype, n_rows, image_shape)
    kernels = _normal(rng, dtype, *tile_shape, *size, image_shape[2])
    maps = _normal(rng, dtype, n_rows, *places.map_shape(image_shape, size))
    return images, kernels, maps


def draw_local_correlation(rng, dtype, n_rows, places, **how):
    images, kernels, maps = draw_local(rng, dtype, n_rows, places=places, **how)
    maps = np.full_like(maps, np.nan)
    return {"images": images, "kernels": kernels, "places": places, "maps": maps}


def draw_local_synthesis(rng, dtype, n_rows, places, **how):
    images, kernels, maps = draw_local(rng, dtype, n_rows, places=places, **how)
    images = np.full_like(images, np.nan)
    return {"maps": maps, "kernels": kernels, "places": places, "images": images}


def draw_local_correlation_of_kernels(rng, dtype, n_rows, places, **how):
    images, kernels, maps = draw_local(rng, dtype, n_rows, places=places, **how)
    return {"maps": maps, "images": images, "places": places, "kernels": kernels}


LOCAL = {  # shapes of images and filters, of the tile, and places
    "one unit per pixel": (((9, 12, 1), (4, 3)), (4, 5), Places(1, (3, 1))),
    "four units per pixel": (((8, 7, 2), (3, 4)), (6, 4), Places(2, (2, 0))),
    "nine units per pixel": (((6, 6, 1), (4, 3)), (3, 6), Places(3, (0, 3))),
    "no shared filters": (((9, 8, 3), (5, 4)), (5, 5), Places()),
    "signals": (((1, 40, 1), (1, 7)), (1, 5), Places(1, (0, 2))),
}


def _local_cases():
    for name, (shapes, tile_shape, places) in LOCAL.items():
        options = {"shapes": shapes, "tile_shape": tile_shape, "places": places}
        parts = "local_correlate", draw_local_correlation, ("maps",), options
        yield f"local_correlate, {name}", parts
        parts = "local_synthesize", draw_local_synthesis, ("images",), options
        yield f"local_synthesize, {name}", parts
        kernel = "local_correlate_kernels"
        parts = kernel, draw_local_correlation_of_kernels, ("kernels",), options
        yield f"{kernel}, {name}", parts


# as in maps.py
CASES = {**dict(_cases()), **dict(_moment_cases()), **dict(_local_cases())}
MINIMIZERS = {
    "local_descent, full": _descent_case("full", SoftThreshold(4.0)),
    "local_descent, same, masked, ridge": _descent_case("same", SoftThreshold(2.0), True, 0.5),
    "local_descent, valid, masked, ridge": _descent_case("valid", SoftThreshold(2.0), True, 0.5),
    "local_descent, circular": _descent_case("circular", SoftThreshold(4.0)),
    "local_descent, positive, full, ridge": _descent_case(
        "full", PositiveSoftThreshold(2.0), ridge=0.5
    ),
    "local_descent, positive, circular, masked": _descent_case(
        "circular", PositiveSoftThreshold(4.0), True
    ),
}
