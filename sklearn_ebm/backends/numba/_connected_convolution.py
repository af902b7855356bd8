"""Products with kernels that read some of the channels each: one channel after another.

A channel is laid out as rows of taps, with the pixels that lie under a tap at all positions, so
that the products of the kernels that read it are one product of matrices: as many multiplications
as there are connections, where windows of all channels would take one for every zero as well.
"""

from itertools import pairwise

import numpy as np

from sklearn_ebm.backends._namespace import new_array
from sklearn_ebm.backends.numba._dense_convolution import LARGE, ROOM
from sklearn_ebm.backends.numba._launcher import map_pieces
from sklearn_ebm.backends.numba._rules import kernel
from sklearn_ebm.backends.numba._tiles import new_frame, source

FEW = 1 / 3  # of all connections, at most: single channels make smaller products
POSITIONS = 1 << 12  # of an image, at most, whose maps a core's cache holds


@kernel
def _mark(kernels, table):
    for k in range(kernels.shape[0]):
        for i in range(kernels.shape[1]):
            for j in range(kernels.shape[2]):
                for c in range(kernels.shape[3]):
                    table[k, c] |= kernels[k, i, j, c] != 0


def few_connections(kernels, maps, table=None):
    """Which channels each kernel reads, or None where single channels would not be faster."""
    if kernels.nbytes <= LARGE or maps.shape[1] * maps.shape[2] > POSITIONS:
        return None
    if table is None:
        table = np.zeros((kernels.shape[0], kernels.shape[3]), bool)
        _mark(kernels, table)
    return table if table.mean() <= FEW else None


@kernel
def _pack(kernels, places, packed):
    """The taps of each connection in a row, (n_connections, n_taps)."""
    for k in range(kernels.shape[0]):
        for c in range(kernels.shape[3]):
            if places[k, c] >= 0:
                tap = 0
                for i in range(kernels.shape[1]):
                    for j in range(kernels.shape[2]):
                        packed[places[k, c], tap] = kernels[k, i, j, c]
                        tap += 1


@kernel
def _add_packed(packed, places, kernels):
    """Add the taps of each connection to where they belong."""
    for k in range(kernels.shape[0]):
        for c in range(kernels.shape[3]):
            if places[k, c] >= 0:
                tap = 0
                for i in range(kernels.shape[1]):
                    for j in range(kernels.shape[2]):
                        kernels[k, i, j, c] += packed[places[k, c], tap]
                        tap += 1


@kernel
def _to_planes(images, frame, planes):
    """Pixels under the kernels, zero beyond the edges, (n_channels, n_images, rows, columns)."""
    zero = planes[0, 0, 0, 0] - planes[0, 0, 0, 0]
    for n in range(planes.shape[1]):
        for i in range(planes.shape[2]):
            y = source(i - frame.top, frame.height, frame.circular)
            for j in range(planes.shape[3]):
                x = source(j - frame.left, frame.width, frame.circular)
                seen = y >= 0 and x >= 0
                for c in range(planes.shape[0]):
                    planes[c, n, i, j] = images[n, y, x, c] if seen else zero


@kernel
def _from_planes(planes, frame, images):
    """The adjoint of `_to_planes`."""
    images[...] = 0
    for n in range(planes.shape[1]):
        for i in range(planes.shape[2]):
            y = source(i - frame.top, frame.height, frame.circular)
            for j in range(planes.shape[3]):
                x = source(j - frame.left, frame.width, frame.circular)
                if y < 0 or x < 0:
                    continue
                for c in range(planes.shape[0]):
                    images[n, y, x, c] += planes[c, n, i, j]


@kernel
def _lay_out(plane, frame, windows):
    """Rows of taps, (kernel_height, kernel_width, n_positions), of one channel."""
    for i in range(windows.shape[0]):
        for j in range(windows.shape[1]):
            place = 0
            for n in range(plane.shape[0]):
                for y in range(frame.map_height):
                    for x in range(frame.map_width):
                        windows[i, j, place + x] = plane[n, y + i, x + j]
                    place += frame.map_width


@kernel
def _add_up(windows, frame, plane):
    """The adjoint of `_lay_out`."""
    for i in range(windows.shape[0]):
        for j in range(windows.shape[1]):
            place = 0
            for n in range(plane.shape[0]):
                for y in range(frame.map_height):
                    for x in range(frame.map_width):
                        plane[n, y + i, x + j] += windows[i, j, place + x]
                    place += frame.map_width


@kernel
def _add_rows(products, rows, sums):
    for row in range(rows.shape[0]):
        for position in range(sums.shape[1]):
            sums[rows[row], position] += products[row, position]


class _Pieces:
    """Images that are worked on together, channel by channel.

    Parameters
    ----------
    images, kernels, maps : array
        As for the products.
    border : Border
        Where kernels may stand.
    table : array of bool, shape (n_components, n_channels)
        Which channels each kernel reads.
    """

    def __init__(self, images, kernels, border, maps, table):
        self.shape = kernels.shape
        self.n_images = len(images)
        self.frame = new_frame(images, maps, border)
        self.readers = [np.flatnonzero(readers) for readers in table.T]
        ends = np.cumsum([len(readers) for readers in self.readers])
        self.rows = [slice(*bounds) for bounds in pairwise([0, *ends])]
        self.places = np.full(table.shape, -1)
        for channel, (readers, rows) in enumerate(zip(self.readers, self.rows, strict=True)):
            self.places[readers, channel] = range(rows.start, rows.stop)

    def new_packed(self, like):
        """Room for the taps of all connections, those of a channel in its `rows`."""
        return new_array((self.rows[-1].stop, self.shape[1] * self.shape[2]), like)

    def packed(self, kernels):
        """The taps of all connections."""
        packed = self.new_packed(kernels)
        _pack(kernels, self.places, packed)
        return packed

    def new_planes(self, n_images, like):
        """Room for the pixels of some images, cleared."""
        frame, (_, height, width, n_channels) = self.frame, self.shape
        size = frame.map_height + height - 1, frame.map_width + width - 1
        return np.zeros((n_channels, n_images, *size), like.dtype)

    def new_windows(self, n_images, like):
        """Room for the windows of one channel, and the same room as a matrix."""
        n_positions = n_images * self.frame.map_height * self.frame.map_width
        windows = new_array((*self.shape[1:3], n_positions), like)
        return windows, windows.reshape(-1, n_positions)

    def by_component(self, maps):
        """Maps as (n_components, n_positions)."""
        return np.ascontiguousarray(maps.reshape(-1, maps.shape[3]).T)

    def run(self, work):
        """Call work(first, last) on images whose windows there is room for."""
        n_numbers = self.shape[1] * self.shape[2] * self.frame.map_height * self.frame.map_width
        map_pieces(work, self.n_images, max(1, ROOM // n_numbers))


def correlate_connected(images, kernels, border, maps, table):
    """See `sklearn_ebm.backends.numpy.correlate`."""
    pieces = _Pieces(images, kernels, border, maps, table)
    packed = pieces.packed(kernels)

    def work(first, last):
        planes = pieces.new_planes(last - first, maps)
        _to_planes(images[first:last], pieces.frame, planes)
        windows, matrix = pieces.new_windows(last - first, maps)
        sums = np.zeros((len(kernels), matrix.shape[1]), maps.dtype)
        for plane, readers, rows in zip(planes, pieces.readers, pieces.rows, strict=True):
            _lay_out(plane, pieces.frame, windows)
            _add_rows(packed[rows] @ matrix, readers, sums)
        maps[first:last] = sums.T.reshape(maps[first:last].shape)

    pieces.run(work)
    return maps


def synthesize_connected(maps, kernels, border, images, table):
    """See `sklearn_ebm.backends.numpy.synthesize`."""
    pieces = _Pieces(images, kernels, border, maps, table)
    packed = pieces.packed(kernels)

    def work(first, last):
        code = pieces.by_component(maps[first:last])
        planes = pieces.new_planes(last - first, images)
        windows, matrix = pieces.new_windows(last - first, images)
        for plane, readers, rows in zip(planes, pieces.readers, pieces.rows, strict=True):
            np.matmul(packed[rows].T, code[readers], out=matrix)
            _add_up(windows, pieces.frame, plane)
        _from_planes(planes, pieces.frame, images[first:last])

    pieces.run(work)
    return images


def correlate_kernels_connected(maps, images, border, kernels, table):
    """See `sklearn_ebm.backends.numpy.correlate_kernels`."""
    pieces = _Pieces(images, kernels, border, maps, table)
    sums = {}

    def work(first, last):
        code = pieces.by_component(maps[first:last])
        planes = pieces.new_planes(last - first, kernels)
        _to_planes(images[first:last], pieces.frame, planes)
        windows, matrix = pieces.new_windows(last - first, kernels)
        sums[first] = pieces.new_packed(kernels)
        for plane, readers, rows in zip(planes, pieces.readers, pieces.rows, strict=True):
            _lay_out(plane, pieces.frame, windows)
            np.matmul(code[readers], matrix.T, out=sums[first][rows])

    pieces.run(work)
    for first in sorted(sums):
        _add_packed(sums[first], pieces.places, kernels)
    return kernels
