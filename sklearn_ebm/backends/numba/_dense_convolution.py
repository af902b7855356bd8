"""Products of images, filters and dense maps by BLAS, on windows of the images copied to rows.

The row of a position contains the pixels under a filter at this position, so that products with all
filters at all positions are a matrix product. Windows are larger than their image by the number of
taps. Therefore a thread copies one chunk at a time, which consists of some rows of positions and
some rows of taps. Chunks may contain several small images.
"""

from typing import NamedTuple

import numpy as np

from sklearn_ebm.backends._namespace import new_array, read_only
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._launcher import map_pieces
from sklearn_ebm.backends.numba._rules import kernel
from sklearn_ebm.backends.numba._simd import add, load, load_first, store
from sklearn_ebm.backends.numba._support import padded
from sklearn_ebm.backends.numba._tiles import Frame, copy_pixels, new_frame, source

ROOM = 1 << 19  # numbers in the windows of a thread: 2 MB in float32, near its core
WIDE = 512  # minimum number of taps at a time; products with fewer columns are slow
PIECES = 16  # maximum number of pieces of a batch, each with its own gradient
LARGE = 1 << 20  # bytes of filters that exceed a core's cache


class Layout(NamedTuple):
    """Division of maps and filters into chunks of rows of positions and rows of taps.

    Rows of positions are numbered throughout the batch.
    """

    frame: Frame
    shape: tuple  # of the filters
    n_rows: int
    n_taps: int

    @property
    def reach(self):
        """Number of entries in a row of taps."""
        return self.shape[2] * self.shape[3]

    @property
    def n_images(self):
        """Number of images whose positions fill a chunk."""
        return max(1, self.n_rows // self.frame.map_height)

    def chunks(self, first, last):
        """Return the bounds of chunks of rows of positions."""
        return _steps(first, last, self.n_rows)

    def taps(self):
        """Return the bounds of chunks of rows of taps."""
        return _steps(0, self.shape[1], self.n_taps)

    def positions(self, rows):
        """Return the slice of rows of positions in flat maps."""
        return slice(rows[0] * self.frame.map_width, rows[1] * self.frame.map_width)

    def columns(self, taps):
        """Return the slice of rows of taps in flat filters."""
        return slice(taps[0] * self.reach, taps[1] * self.reach)

    def new_windows(self, like):
        """Return memory for a chunk, and for a vector that extends beyond its end."""
        size = self.n_rows * self.frame.map_width * self.n_taps * self.reach
        return new_array((size + LANES,), like)

    def new_canvas(self, like):
        """Return memory for the pixels of one image under a chunk."""
        return self._pixels(1, min(self.n_rows, self.frame.map_height) + self.n_taps - 1, like)[0]

    def new_canvases(self, n_images, like):
        """Return memory, filled with zeros, for all pixels of some images."""
        return self._pixels(n_images, self.frame.map_height + self.shape[1] - 1, like)

    def _pixels(self, n_images, n_rows, like):
        width = (self.frame.map_width + self.shape[2] - 1) * self.shape[3]
        return np.zeros((n_images, n_rows, padded(width) + LANES), like.dtype)


def _steps(first, last, step):
    return [(start, min(start + step, last)) for start in range(first, last, step)]


def _new_layout(images, maps, kernels, border, n_taps=None, scale=1):
    """Return a layout with as many rows of positions as fit, and as few taps as are efficient."""
    frame, reach = new_frame(images, maps, border), kernels.shape[2] * kernels.shape[3]
    if n_taps is None:
        n_taps = min(kernels.shape[1], -(-WIDE // reach))
    n_rows = min(scale * ROOM // (n_taps * reach * frame.map_width), len(images) * frame.map_height)
    return Layout(frame, kernels.shape, max(1, n_rows), n_taps)


def worth_windows(kernels, maps):
    """Return whether windows are faster than tiles, each of which reads all filters."""
    return kernels.nbytes > LARGE and maps.flags.c_contiguous


@kernel
def _copy_windows(images, frame, shape, rows, taps, canvas, windows):
    """Copy windows to rows, in order: each run overwrites the excess of the previous one."""
    first, last = rows
    width, n_channels = shape[2], shape[3]
    n_taps, reach = taps[1] - taps[0], width * n_channels
    place = 0
    while first < last:
        n, y = first // frame.map_height, first % frame.map_height
        n_rows = min(frame.map_height - y, last - first)
        size = n_rows + n_taps - 1, frame.map_width + width - 1
        copy_pixels(images, n, frame, y + taps[0], 0, size, canvas)
        for row in range(n_rows):
            for x in range(frame.map_width):
                for i in range(n_taps):
                    for v in range(0, reach, LANES):
                        store(windows, place + v, load(canvas, (row + i, x * n_channels + v)))
                    place += reach
        first += n_rows


@kernel
def _add_windows(windows, frame, shape, rows, taps, first_image, canvases):
    """Add windows to their pixels, the adjoint of `_copy_windows`."""
    n_channels = shape[3]
    reach = shape[2] * n_channels
    place = 0
    for row in range(rows[0], rows[1]):
        n, y = row // frame.map_height - first_image, row % frame.map_height
        for x in range(frame.map_width):
            for i in range(taps[0], taps[1]):
                for v in range(0, reach, LANES):
                    here = (n, y + i, x * n_channels + v)
                    lanes = load_first(windows, place + v, min(LANES, reach - v))
                    store(canvases, here, add(load(canvases, here), lanes))
                place += reach


@kernel
def _fold(canvases, frame, width, images):
    """Add the pixels of canvases to images, or drop them."""
    n_channels = images.shape[3]
    images[...] = 0
    for n in range(images.shape[0]):
        for i in range(canvases.shape[1]):
            y = source(i - frame.top, frame.height, frame.circular)
            if y < 0:
                continue
            for j in range(frame.map_width + width - 1):
                x = source(j - frame.left, frame.width, frame.circular)
                if x < 0:
                    continue
                for c in range(n_channels):
                    images[n, y, x, c] += canvases[n, i, j * n_channels + c]


def correlate_windows(images, kernels, border, maps):
    """Compute `sklearn_ebm.backends.numpy.correlate` with whole filters at a time."""
    images = read_only(images)
    taps = 0, kernels.shape[1]
    layout = _new_layout(images, maps, kernels, border, taps[1], scale=2)
    filters, codes = kernels.reshape(len(kernels), -1).T, maps.reshape(-1, len(kernels))

    def work(first, last):
        windows, canvas = layout.new_windows(maps), layout.new_canvas(maps)
        _copy_windows(images, layout.frame, layout.shape, (first, last), taps, canvas, windows)
        products = codes[layout.positions((first, last))]
        np.matmul(_as_rows(windows, products, filters.T), filters, out=products)

    map_pieces(work, len(images) * layout.frame.map_height, layout.n_rows)
    return maps


def synthesize_windows(maps, kernels, border, images):
    """Compute `sklearn_ebm.backends.numpy.synthesize`."""
    layout = _new_layout(images, maps, kernels, border)
    frame = layout.frame
    flat, codes = kernels.reshape(len(kernels), -1), maps.reshape(-1, len(kernels))

    def work(first, last):
        windows, canvases = layout.new_windows(images), layout.new_canvases(last - first, images)
        for rows in layout.chunks(first * frame.map_height, last * frame.map_height):
            for taps in layout.taps():
                code, part = codes[layout.positions(rows)], flat[:, layout.columns(taps)]
                np.matmul(code, part, out=_as_rows(windows, code, part))
                _add_windows(windows, frame, layout.shape, rows, taps, first, canvases)
        _fold(canvases, frame, kernels.shape[2], images[first:last])

    map_pieces(work, len(images), layout.n_images)
    return images


def correlate_kernels_windows(maps, images, border, kernels):
    """Compute `sklearn_ebm.backends.numpy.correlate_kernels`."""
    images = read_only(images)
    layout = _new_layout(images, maps, kernels, border)
    codes = maps.reshape(-1, len(kernels))
    n_rows = len(images) * layout.frame.map_height
    sums = {}

    def work(first, last):
        windows, canvas = layout.new_windows(kernels), layout.new_canvas(kernels)
        gradient = np.zeros((len(kernels), kernels[0].size), kernels.dtype)
        for rows in layout.chunks(first, last):
            code = codes[layout.positions(rows)]
            for taps in layout.taps():
                _copy_windows(images, layout.frame, layout.shape, rows, taps, canvas, windows)
                part = gradient[:, layout.columns(taps)]
                part += code.T @ _as_rows(windows, code, part)
        sums[first] = gradient

    map_pieces(work, n_rows, max(layout.n_rows, -(-n_rows // PIECES)))
    for first in sorted(sums):
        kernels += sums[first].reshape(kernels.shape)
    return kernels


def _as_rows(windows, codes, kernels):
    """Return the windows of some codes at some taps, (n_positions, n_taps)."""
    n_positions, n_taps = codes.shape[0], kernels.shape[1]
    return windows[: n_positions * n_taps].reshape(n_positions, n_taps)
