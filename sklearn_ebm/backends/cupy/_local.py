"""Products of images, maps and filters that differ between places, one launch each."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy._launch import as_input, fusible, launch, n_threads

SIZES = (
    "height", "width", "channels", "rows", "columns", "tile_rows", "tile_columns", "tall", "wide",
    "fineness", "first_row", "first_column",
)  # fmt: skip


def _sizes(images, maps, kernels, places):
    """Return the struct `Sizes` of the kernels, to be passed by value."""
    _, height, width, n_channels = images.shape
    tile_rows, tile_columns, tall, wide, _ = kernels.shape
    first_row, first_column = places.phase
    numbers = (
        height, width, n_channels, *maps.shape[1:], tile_rows, tile_columns, tall, wide,
        places.fineness, first_row % tile_rows, first_column % tile_columns,
    )  # fmt: skip
    return np.array([numbers], dtype=[(name, np.uint32) for name in SIZES])


def local_correlate(images, kernels, places, maps):
    """Compute one map row per block; see `sklearn_ebm.backends.numpy.local_correlate`."""
    if not fusible(maps):
        return reference.local_correlate(images, kernels, places, maps)
    inputs = as_input(images, maps), as_input(kernels, maps)
    shape = maps.shape[0] * maps.shape[1], n_threads(maps.shape[2])
    sizes = _sizes(images, maps, kernels, places)
    launch("local", "correlate_local", shape, (*inputs, maps, sizes))
    return maps


def local_synthesize(maps, kernels, places, images):
    """Compute one image row per block; see `sklearn_ebm.backends.numpy.local_synthesize`."""
    if not fusible(images):
        return reference.local_synthesize(maps, kernels, places, images)
    inputs = as_input(maps, images), as_input(kernels, images)
    n_samples, height, width, n_channels = images.shape
    shape = n_samples * height, n_threads(width * n_channels)
    sizes = _sizes(images, maps, kernels, places)
    launch("local", "synthesize_local", shape, (*inputs, images, sizes))
    return images


def local_correlate_kernels(maps, images, places, kernels):
    """Compute one filter per block; see `sklearn_ebm.backends.numpy.local_correlate_kernels`."""
    if not fusible(kernels):
        return reference.local_correlate_kernels(maps, images, places, kernels)
    inputs = as_input(maps, kernels), as_input(images, kernels)
    n_taps = kernels[0, 0, ...].size
    shape = kernels.shape[0] * kernels.shape[1], n_threads(n_taps)
    sizes, n_images = _sizes(images, maps, kernels, places), np.uint32(maps.shape[0])
    launch("local", "correlate_local_filters", shape, (*inputs, kernels, sizes, n_images))
    return kernels
