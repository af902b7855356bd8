"""Products of images, kernels and maps, each number of the result by one thread or block."""

from math import prod

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.cupy import _launch

FIELDS = "height width map_height map_width top left circular n_components rows columns n_channels"
FRAME = np.dtype([(name, np.uint32) for name in FIELDS.split()])


def _frame(images, maps, kernels, border):
    """The structure of the same name, to be passed by value."""
    sizes = *images.shape[1:3], *maps.shape[1:3], *border.before, border.circular, *kernels.shape
    return np.array([sizes], dtype=FRAME)


def _fill(kernel, result, *rest):
    """A thread for each number of the result."""
    threads = _launch.MAX_THREADS
    shape = -(-result.size // threads), threads
    arguments = *rest, np.uint64(result.size), np.uint32(threads)
    _launch.launch("convolution", kernel, shape, arguments)
    return result


def correlate(images, kernels, border, maps):
    """Fused; see `sklearn_ebm.backends.numpy.correlate`."""
    if not _launch.fusible(maps):
        return reference.correlate(images, kernels, border, maps)
    taps = _launch.as_input(array_namespace(maps).moveaxis(kernels, 0, 3), maps)
    frame = _frame(images, maps, kernels, border)
    return _fill("correlate_maps", maps, _launch.as_input(images, maps), taps, maps, frame)


def synthesize(maps, kernels, border, images):
    """Fused; see `sklearn_ebm.backends.numpy.synthesize`."""
    if not _launch.fusible(images):
        return reference.synthesize(maps, kernels, border, images)
    inputs = (_launch.as_input(array, images) for array in (maps, kernels))
    frame = _frame(images, maps, kernels, border)
    return _fill("synthesize_images", images, *inputs, images, frame)


def correlate_kernels(maps, images, border, kernels):
    """A block for each number; see `sklearn_ebm.backends.numpy.correlate_kernels`."""
    if not _launch.fusible(kernels):
        return reference.correlate_kernels(maps, images, border, kernels)
    inputs = (_launch.as_input(array, kernels) for array in (maps, images))
    n_positions = prod(maps.shape[:3])
    threads = _launch.n_threads(max(1, n_positions))
    _launch.launch(
        "convolution",
        "correlate_taps",
        (kernels.size, threads),
        (*inputs, kernels, _frame(images, maps, kernels, border), np.uint64(n_positions)),
        shared_bytes=threads * kernels.dtype.itemsize,
    )
    return kernels
