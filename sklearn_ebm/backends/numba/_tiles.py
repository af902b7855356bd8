"""Tiles of maps: each thread copies the pixels that a tile depends on, and works on the copy.

Borders are treated only when pixels are copied. Channels are adjacent in a row of pixels, so that a
filter with several channels is a wider filter.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._rules import inner
from sklearn_ebm.backends.numba._support import padded

TILE = 32  # positions in each direction: pixels, codes and products fit into a core's cache
BLOCK = 8  # positions whose products are computed together
LINE = 64 // 4  # number of entries in a cache line


class Filters(NamedTuple):
    """Filters in two layouts."""

    taps: Any  # (kernel_height, kernel_width * n_channels, padded n_components)
    rows: Any  # (n_components, kernel_height, padded kernel_width * n_channels)
    shape: tuple  # n_components, kernel_height, kernel_width, n_channels


def pack(kernels):
    """Return filters of shape (n_components, height, width, n_channels) as `Filters`."""
    n_components, height, width, n_channels = kernels.shape
    reach = width * n_channels
    flat = kernels.reshape(n_components, height, reach)
    taps = np.zeros((height, reach, padded(n_components)), kernels.dtype)
    taps[..., :n_components] = np.moveaxis(flat, 0, 2)
    rows = np.zeros((n_components, height, padded(reach)), kernels.dtype)
    rows[..., :reach] = flat
    return Filters(taps, rows, kernels.shape)


class Frame(NamedTuple):
    """Sizes of an image and of its maps, and the position of the first code."""

    height: int
    width: int
    map_height: int
    map_width: int
    top: int
    left: int
    circular: bool


def new_frame(images, maps, border):
    """Return the frame of images and maps of these shapes."""
    top, left = border.before
    return Frame(*images.shape[1:3], *maps.shape[1:3], top, left, border.circular)


def cut(size, tile, circular=False, reach=1):
    """Return bounds of tiles of about equal size, at least `tile`, along one direction.

    With a circular border, a tile must not contain a pixel twice, and the number of tiles must be
    even for neighbours to differ in parity.
    """
    n_tiles = max(1, size // tile)
    if circular:
        n_tiles -= n_tiles % 2
        if n_tiles == 0 or size // n_tiles + reach > size:
            n_tiles = -(-size // (size - reach + 1))
    return np.array([size * n // n_tiles for n in range(n_tiles + 1)])


def new_canvas(filters, rows, columns):
    """Return memory for the pixels of a tile with these rows and columns of positions."""
    _, height, width, n_channels = filters.shape
    columns = -(-columns // BLOCK) * BLOCK
    stride = padded((columns + width - 1) * n_channels) + LANES
    return np.zeros((rows + height - 1, stride), filters.taps.dtype)


def new_lanes(filters, columns):
    """Return memory for the products at one row of positions, (columns, padded n_components)."""
    columns = -(-columns // BLOCK) * BLOCK
    return np.empty((columns, filters.taps.shape[2]), filters.taps.dtype)


@inner
def source(place, size, circular):
    """Return the image coordinate of a pixel of the canvas; negative if there is none."""
    if circular:
        return place % size
    return place if 0 <= place < size else -1


@inner
def copy_pixels(images, n, frame, first_row, first_column, size, canvas):
    """Fill the canvas with rows and columns of an image, with zeros beyond its edges."""
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
