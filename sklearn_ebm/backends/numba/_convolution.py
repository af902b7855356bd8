"""Products of images, filters and maps on the CPU; see `sklearn_ebm.backends.numpy`.

Sparse maps are processed by their non-zero entries. Dense products are computed by BLAS if it is
faster.
"""

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._dense_convolution import (
    correlate_kernels_windows,
    correlate_windows,
    synthesize_windows,
    worth_windows,
)
from sklearn_ebm.backends.numba._launcher import map_pieces, split_rows
from sklearn_ebm.backends.numba._products import products
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    add_scaled,
    lanes_that_are_on,
    load,
    load_first,
    lowest_bit,
    store,
    store_first,
)
from sklearn_ebm.backends.numba._support import has_few_on
from sklearn_ebm.backends.numba._tiles import (
    TILE,
    copy_pixels,
    cut,
    new_canvas,
    new_frame,
    new_lanes,
    pack,
    source,
)

TILES_APART = 32  # tiles are summed in groups of this size, for any number of threads


@inner
def _put_row(lanes, maps, n, y, first_column, columns):
    """Write the products of one row of positions to the maps."""
    n_components = maps.shape[3]
    for x in range(columns):
        for k in range(0, n_components, LANES):
            count = min(LANES, n_components - k)
            store_first(maps, (n, y, first_column + x, k), load(lanes, (x, k)), count)


@kernel
def _correlate_tiles(images, frame, filters, bounds, maps, canvas, lanes, first, last):
    tops, lefts = bounds
    _, height, width, n_channels = filters.shape
    n_rows, n_columns = tops.shape[0] - 1, lefts.shape[0] - 1
    for tile in range(first, last):
        n, i, j = tile // (n_rows * n_columns), tile // n_columns % n_rows, tile % n_columns
        y, x = tops[i], lefts[j]
        rows, columns = tops[i + 1] - y, lefts[j + 1] - x
        size = rows + height - 1, columns + width - 1
        copy_pixels(images, n, frame, y, x, size, canvas)
        for row in range(rows):
            products(canvas, row, filters.taps, n_channels, columns, lanes)
            _put_row(lanes, maps, n, y + row, x, columns)


def correlate(images, kernels, border, maps):
    """Compute products by tiles or by windows; see `sklearn_ebm.backends.numpy.correlate`."""
    if worth_windows(kernels, maps):
        return correlate_windows(images, kernels, border, maps)
    filters, frame = pack(kernels), new_frame(images, maps, border)
    pixels = read_only(np.ascontiguousarray(images))
    bounds = cut(frame.map_height, TILE), cut(frame.map_width, TILE)
    rows, columns = (int(np.diff(bound).max()) for bound in bounds)
    n_tiles = images.shape[0] * (len(bounds[0]) - 1) * (len(bounds[1]) - 1)

    def work(first, last):
        canvas, lanes = new_canvas(filters, rows, columns), new_lanes(filters, columns)
        _correlate_tiles(pixels, frame, filters, bounds, maps, canvas, lanes, first, last)

    split_rows(work, n_tiles, 1)
    return maps


@inner
def _add_kernel(canvas, y, place, rows, k, value):
    """Add a filter to the canvas."""
    for i in range(rows.shape[1]):
        for v in range(0, rows.shape[2], LANES):
            here = (y + i, place + v)
            store(canvas, here, add_scaled(load(canvas, here), value, load(rows, (k, i, v))))


@inner
def _place_row(maps, n, y, row, filters, canvas):
    """Add all filters at the non-zero entries of one row of positions."""
    n_components, n_channels = maps.shape[3], filters.shape[3]
    for x in range(maps.shape[2]):
        for k in range(0, n_components, LANES):
            count = min(LANES, n_components - k)
            bits = lanes_that_are_on(load_first(maps, (n, y, x, k), count))
            while bits:
                component = k + np.int64(lowest_bit(bits))
                bits &= bits - np.uint64(1)
                value = maps[n, y, x, component]
                _add_kernel(canvas, row, x * n_channels, filters.rows, component, value)


@inner
def _fold_rows(canvas, images, n, frame, first_row, last_row, margin):
    """Add pixels of the canvas to the rows of an image."""
    n_channels = images.shape[3]
    for y in range(first_row, last_row):
        for x in range(frame.width):
            for c in range(n_channels):
                images[n, y, x, c] = 0
        for j in range(canvas.shape[1] // n_channels):
            x = source(j - frame.left, frame.width, frame.circular)
            if x < 0 or j >= frame.map_width + margin:
                continue
            for c in range(n_channels):
                images[n, y, x, c] += canvas[y - first_row, j * n_channels + c]


@kernel
def _synthesize_bands(maps, frame, filters, bounds, images, canvas, first, last):
    """Compute bands of image rows; the canvas has margins for pixels outside of the image."""
    _, height, width, _ = filters.shape
    n_bands = bounds.shape[0] - 1
    for band in range(first, last):
        n, first_row, last_row = band // n_bands, bounds[band % n_bands], bounds[band % n_bands + 1]
        canvas[...] = 0
        for place in range(first_row + frame.top - height + 1, last_row + frame.top):
            y = source(place, frame.map_height, frame.circular)
            row = place - frame.top - first_row + height - 1
            if y >= 0:
                _place_row(maps, n, y, row, filters, canvas)
        _fold_rows(canvas[height - 1 :], images, n, frame, first_row, last_row, width - 1)


def synthesize(maps, kernels, border, images):
    """Sum over non-zeros or all entries; see `sklearn_ebm.backends.numpy.synthesize`."""
    if not has_few_on(_by_position(maps)):
        return synthesize_windows(maps, kernels, border, images)
    filters, frame, maps = pack(kernels), new_frame(images, maps, border), read_only(maps)
    bounds = cut(frame.height, TILE)
    rows = int(np.diff(bounds).max()) + filters.shape[1] - 1

    def work(first, last):
        canvas = new_canvas(filters, rows, frame.map_width)
        _synthesize_bands(maps, frame, filters, bounds, images, canvas, first, last)

    split_rows(work, images.shape[0] * (len(bounds) - 1), 1)
    return images


@inner
def _add_pixels(canvas, y, place, rows, k, value):
    """Add the pixels under a filter to its gradient."""
    for i in range(rows.shape[1]):
        for v in range(0, rows.shape[2], LANES):
            sums = add_scaled(load(rows, (k, i, v)), value, load(canvas, (y + i, place + v)))
            store(rows, (k, i, v), sums)


@inner
def _gather(maps, n, y, x, extent, canvas, n_channels, rows):
    """Add the products of a tile's non-zero entries and pixels to the filters."""
    n_components = maps.shape[3]
    for i in range(extent[0]):
        for j in range(extent[1]):
            for k in range(0, n_components, LANES):
                count = min(LANES, n_components - k)
                bits = lanes_that_are_on(load_first(maps, (n, y + i, x + j, k), count))
                while bits:
                    which = k + np.int64(lowest_bit(bits))
                    bits &= bits - np.uint64(1)
                    value = maps[n, y + i, x + j, which]
                    _add_pixels(canvas, i, j * n_channels, rows, which, value)


@kernel
def _gather_tiles(maps, images, frame, bounds, shape, canvas, rows, first, last):
    tops, lefts = bounds
    _, height, width, n_channels = shape
    n_rows, n_columns = tops.shape[0] - 1, lefts.shape[0] - 1
    for tile in range(first, last):
        n, i, j = tile // (n_rows * n_columns), tile // n_columns % n_rows, tile % n_columns
        y, x = tops[i], lefts[j]
        extent = tops[i + 1] - y, lefts[j + 1] - x
        size = extent[0] + height - 1, extent[1] + width - 1
        copy_pixels(images, n, frame, y, x, size, canvas)
        _gather(maps, n, y, x, extent, canvas, n_channels, rows)


def correlate_kernels(maps, images, border, kernels):
    """Sum over non-zeros or all entries; see `sklearn_ebm.backends.numpy.correlate_kernels`."""
    if not has_few_on(_by_position(maps)):
        return correlate_kernels_windows(maps, images, border, kernels)
    filters, frame = pack(kernels), new_frame(images, maps, border)
    maps, images = read_only(maps), read_only(images)
    bounds = cut(frame.map_height, TILE), cut(frame.map_width, TILE)
    extent = tuple(int(np.diff(bound).max()) for bound in bounds)
    n_tiles = images.shape[0] * (len(bounds[0]) - 1) * (len(bounds[1]) - 1)
    reach = kernels.shape[2] * kernels.shape[3]
    sums = {}

    def work(first, last):
        canvas, rows = new_canvas(filters, *extent), np.zeros_like(filters.rows)
        _gather_tiles(maps, images, frame, bounds, kernels.shape, canvas, rows, first, last)
        sums[first] = rows[..., :reach].reshape(kernels.shape)

    map_pieces(work, n_tiles, TILES_APART)
    for first in sorted(sums):
        kernels += sums[first]
    return kernels


def _by_position(maps):
    return maps.reshape(-1, maps.shape[3])
