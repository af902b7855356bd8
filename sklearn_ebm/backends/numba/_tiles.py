"""Tiles of maps: each thread copies the pixels that a tile depends on, and works on the copy.

What an edge does to a kernel is decided where pixels are copied, and nowhere else. Channels lie
beside each other in a row of pixels, so that a kernel of several channels is a wider one.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._rules import inner
from sklearn_ebm.backends.numba._support import padded

TILE = 32  # positions in each direction: pixels, codes and products stay in a core's cache
BLOCK = 8  # positions whose products are computed together
LINE = 64 // 4  # numbers that begin a cache line


class Filters(NamedTuple):
    """Kernels twice, in the orders in which they are read."""

    taps: Any  # (kernel_height, kernel_width * n_channels, padded n_components)
    rows: Any  # (n_components, kernel_height, padded kernel_width * n_channels)
    shape: tuple  # n_components, kernel_height, kernel_width, n_channels


def pack(kernels):
    """Kernels of shape (n_components, height, width, n_channels) as `Filters`."""
    n_components, height, width, n_channels = kernels.shape
    reach = width * n_channels
    flat = kernels.reshape(n_components, height, reach)
    taps = np.zeros((height, reach, padded(n_components)), kernels.dtype)
    taps[..., :n_components] = np.moveaxis(flat, 0, 2)
    rows = np.zeros((n_components, height, padded(reach)), kernels.dtype)
    rows[..., :reach] = flat
    return Filters(taps, rows, kernels.shape)


class Frame(NamedTuple):
    """An image's size, that of its maps, and where the first position stands."""

    height: int
    width: int
    map_height: int
    map_width: int
    top: int
    left: int
    circular: bool


def new_frame(images, maps, border):
    """The frame of images and maps of these shapes."""
    top, left = border.before
    return Frame(*images.shape[1:3], *maps.shape[1:3], top, left, border.circular)


def cut(size, tile, circular=False, reach=1):
    """Bounds of tiles of about equal size, not below `tile`, along one direction.

    With a circular border a tile must not see a pixel twice, and neighbours differ in parity only
    where the number of tiles is even.
    """
    n_tiles = max(1, size // tile)
    if circular:
        n_tiles -= n_tiles % 2
        if n_tiles == 0 or size // n_tiles + reach > size:
            n_tiles = -(-size // (size - reach + 1))
    return np.array([size * n // n_tiles for n in range(n_tiles + 1)])


def new_canvas(filters, rows, columns):
    """Room for the pixels of a tile of as many rows and columns of positions."""
    _, height, width, n_channels = filters.shape
    columns = -(-columns // BLOCK) * BLOCK
    stride = padded((columns + width - 1) * n_channels) + LANES
    return np.zeros((rows + height - 1, stride), filters.taps.dtype)


def new_lanes(filters, columns):
    """Room for the products at one row of positions, (columns, padded n_components)."""
    columns = -(-columns // BLOCK) * BLOCK
    return np.empty((columns, filters.taps.shape[2]), filters.taps.dtype)


@inner
def source(place, size, circular):
    """Where in the image a pixel of the canvas comes from; negative for none."""
    if circular:
        return place % size
    return place if 0 <= place < size else -1


@inner
def copy_pixels(images, n, frame, first_row, first_column, size, canvas):
    """Fill the canvas with rows and columns of an image, zero beyond its edges."""
    rows, columns = size
    n_channels = images.shape[3]
    zero = canvas[0, 0] - canvas[0, 0]
    for i in range(rows):
        y = source(first_row - frame.top + i, frame.height, frame.circular)
        for j in range(columns):
            x = source(first_column - frame.left + j, frame.width, frame.circular)
            for c in range(n_channels):
                seen = y >= 0 and x >= 0
                canvas[i, j * n_channels + c] = images[n, y, x, c] if seen else zero
