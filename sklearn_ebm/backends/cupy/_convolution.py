"""Products of images, filters and maps, each as one matrix product for several images.

The windows under filters are copied to rows, which costs memory and time; the product then runs
at the speed of the device's BLAS. There are no atomic additions.
"""

from math import prod

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import array_namespace, multiply_into
from sklearn_ebm.backends.cupy._launch import as_input, fusible
from sklearn_ebm.backends.numpy._convolution import taps

WINDOW_NUMBERS = 2**27  # in the windows of images that are processed at once: 512 MB in float32


def _runs(maps, kernels):
    """Yield slices of images whose windows have at most `WINDOW_NUMBERS` entries."""
    each = prod(maps.shape[1:3]) * prod(kernels.shape[1:])
    step = max(1, WINDOW_NUMBERS // max(1, each))
    for first in range(0, maps.shape[0], step):
        yield slice(first, min(first + step, maps.shape[0]))


def _windows(images, kernels, border, map_shape):
    """Return the pixels under the filters at each position of the maps, as rows."""
    _, rows, columns, n_channels = kernels.shape
    canvas = border.extend(images, (rows, columns))
    xp, (image, down, across, channel) = array_namespace(canvas), canvas.strides
    shape = images.shape[0], *map_shape, rows, columns, n_channels
    strides = image, down, across, down, across, channel
    seen = xp.lib.stride_tricks.as_strided(canvas, shape, strides)
    return xp.reshape(seen, (prod(shape[:3]), prod(shape[3:])))


def _as_rows(array):
    return array.reshape(-1, array.shape[-1])


def correlate(images, kernels, border, maps):
    """Compute one product; see `sklearn_ebm.backends.numpy.correlate`."""
    if not fusible(maps):
        return reference.correlate(images, kernels, border, maps)
    images = as_input(images, maps)
    flat_kernels = as_input(kernels, maps).reshape(kernels.shape[0], -1)
    for run in _runs(maps, kernels):
        windows = _windows(images[run], kernels, border, maps.shape[1:3])
        multiply_into(windows, flat_kernels.T, _as_rows(maps[run]))
    return maps


def synthesize(maps, kernels, border, images):
    """Compute a product and a sum over taps; see `sklearn_ebm.backends.numpy.synthesize`."""
    if not fusible(images):
        return reference.synthesize(maps, kernels, border, images)
    maps = as_input(maps, images)
    flat_kernels = as_input(kernels, images).reshape(kernels.shape[0], -1)
    xp, (_, rows, columns, n_channels) = array_namespace(images), kernels.shape
    _, height, width, _ = maps.shape
    for run in _runs(maps, kernels):
        placed = _as_rows(maps[run]) @ flat_kernels
        placed = placed.reshape(-1, height, width, rows, columns, n_channels)
        shape = placed.shape[0], height + rows - 1, width + columns - 1, n_channels
        canvas = xp.zeros(shape, dtype=images.dtype)
        for place, (i, j) in taps((height, width), kernels):
            canvas[place] += placed[:, :, :, i, j, :]
        images[run] = border.fold(canvas, images.shape[1:])
    return images


def correlate_kernels(maps, images, border, kernels):
    """Compute one product; see `sklearn_ebm.backends.numpy.correlate_kernels`."""
    if not fusible(kernels):
        return reference.correlate_kernels(maps, images, border, kernels)
    maps, images = (as_input(array, kernels) for array in (maps, images))
    flat_kernels = kernels.reshape(kernels.shape[0], -1)
    for run in _runs(maps, kernels):
        windows = _windows(images[run], kernels, border, maps.shape[1:3])
        flat_kernels += _as_rows(maps[run]).T @ windows
    return kernels
