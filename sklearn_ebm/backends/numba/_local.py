"""Products of images, maps and filters that differ between places; see `backends.numpy`.

A filter is used once for each image, so that memory limits products of single images. Sixteen
images are therefore processed at a time, one in each lane of a vector, and filters are read once
for all of them. Four consecutive rows of a map share the pixels that their filters cover.
"""

import numpy as np

from sklearn_ebm.backends._namespace import new_array, read_only
from sklearn_ebm.backends.numba._launcher import map_pieces, split_rows
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    load,
    multiply,
    splat,
    store,
    total,
)

ROWS = 4  # of a map that are processed together


@kernel
def _to_lanes(arrays, first, last, lanes):
    """Copy arrays (n, rows, columns) to (rows, columns, LANES), with zeros in unused lanes."""
    for row in range(arrays.shape[1]):
        for column in range(arrays.shape[2]):
            for n in range(first, last):
                lanes[row, column, n - first] = arrays[n, row, column]
            for lane in range(last - first, LANES):
                lanes[row, column, lane] = 0


@kernel
def _from_lanes(lanes, first, last, arrays):
    for row in range(arrays.shape[1]):
        for column in range(arrays.shape[2]):
            for n in range(first, last):
                arrays[n, row, column] = lanes[row, column, n - first]


@inner
def _offsets(i, fineness):
    """Return the row of pixels at a row of the map, and the offsets of the next three."""
    top = i // fineness
    below, under = (i + 1) // fineness, (i + 2) // fineness
    return top, below - top, under - top, (i + 3) // fineness - top


@inner
def _members(i, n_rows):
    """Return the rows of the tile of four consecutive rows of a map."""
    return i % n_rows, (i + 1) % n_rows, (i + 2) % n_rows, (i + 3) % n_rows


@inner
def _sum_one(pixels, row, start, taps, value):
    """Add the products of one row of taps with the pixels from `start` on."""
    for q in range(taps.shape[0]):
        value = add_scaled(value, taps[q], load(pixels, (row, start + q, 0)))
    return value


@inner
def _sum_some(pixels, row, start, filters, tap, n_taps, value):
    """Likewise if the filter has this row of taps."""
    if 0 <= tap < n_taps:
        value = _sum_one(pixels, row, start, filters[tap], value)
    return value


@kernel
def _correlate_lanes(pixels, filters, fineness, phase, n_channels, maps):
    """Compute `maps` (rows, columns, LANES) from `pixels` (height, width * n_channels, LANES)."""
    n_rows, n_columns, height, _ = filters.shape
    zero = splat(pixels[0, 0, 0] - pixels[0, 0, 0])
    whole = maps.shape[0] // ROWS * ROWS
    for i in range(0, whole, ROWS):
        top, below, under, last = _offsets(i, fineness)
        a, b, c, d = _members(i + phase[0], n_rows)
        for j in range(maps.shape[1]):
            start, k = j // fineness * n_channels, (j + phase[1]) % n_columns
            first, second, third, fourth = (
                filters[a, k],
                filters[b, k],
                filters[c, k],
                filters[d, k],
            )
            p, q, r, s = zero, zero, zero, zero
            for y in range(height + last):
                row = top + y
                if last <= y < height:
                    for t in range(filters.shape[3]):
                        lanes = load(pixels, (row, start + t, 0))
                        p = add_scaled(p, first[y, t], lanes)
                        q = add_scaled(q, second[y - below, t], lanes)
                        r = add_scaled(r, third[y - under, t], lanes)
                        s = add_scaled(s, fourth[y - last, t], lanes)
                else:
                    p = _sum_some(pixels, row, start, first, y, height, p)
                    q = _sum_some(pixels, row, start, second, y - below, height, q)
                    r = _sum_some(pixels, row, start, third, y - under, height, r)
                    s = _sum_some(pixels, row, start, fourth, y - last, height, s)
            store(maps, (i, j, 0), p)
            store(maps, (i + 1, j, 0), q)
            store(maps, (i + 2, j, 0), r)
            store(maps, (i + 3, j, 0), s)
    for i in range(whole, maps.shape[0]):
        a = (i + phase[0]) % n_rows
        for j in range(maps.shape[1]):
            start, own = j // fineness * n_channels, filters[a, (j + phase[1]) % n_columns]
            p = zero
            for y in range(height):
                p = _sum_one(pixels, i // fineness + y, start, own[y], p)
            store(maps, (i, j, 0), p)


@inner
def _add_one(pixels, row, start, taps, code):
    """Add one row of taps times a code to the pixels from `start` on."""
    for q in range(taps.shape[0]):
        place = (row, start + q, 0)
        store(pixels, place, add_scaled(load(pixels, place), taps[q], code))


@inner
def _add_some(pixels, row, start, filters, tap, n_taps, code):
    if 0 <= tap < n_taps:
        _add_one(pixels, row, start, filters[tap], code)


@kernel
def _synthesize_lanes(maps, filters, fineness, phase, n_channels, pixels):
    """Compute `pixels` (height, width * n_channels, LANES) from `maps` (rows, columns, LANES)."""
    n_rows, n_columns, height, _ = filters.shape
    pixels[...] = 0
    whole = maps.shape[0] // ROWS * ROWS
    for i in range(0, whole, ROWS):
        top, below, under, last = _offsets(i, fineness)
        a, b, c, d = _members(i + phase[0], n_rows)
        for j in range(maps.shape[1]):
            start, k = j // fineness * n_channels, (j + phase[1]) % n_columns
            first, second, third, fourth = (
                filters[a, k],
                filters[b, k],
                filters[c, k],
                filters[d, k],
            )
            p, q = load(maps, (i, j, 0)), load(maps, (i + 1, j, 0))
            r, s = load(maps, (i + 2, j, 0)), load(maps, (i + 3, j, 0))
            for y in range(height + last):
                row = top + y
                if last <= y < height:
                    for t in range(filters.shape[3]):
                        lanes = load(pixels, (row, start + t, 0))
                        lanes = add_scaled(lanes, first[y, t], p)
                        lanes = add_scaled(lanes, second[y - below, t], q)
                        lanes = add_scaled(lanes, third[y - under, t], r)
                        lanes = add_scaled(lanes, fourth[y - last, t], s)
                        store(pixels, (row, start + t, 0), lanes)
                else:
                    _add_some(pixels, row, start, first, y, height, p)
                    _add_some(pixels, row, start, second, y - below, height, q)
                    _add_some(pixels, row, start, third, y - under, height, r)
                    _add_some(pixels, row, start, fourth, y - last, height, s)
    for i in range(whole, maps.shape[0]):
        a = (i + phase[0]) % n_rows
        for j in range(maps.shape[1]):
            start, own = j // fineness * n_channels, filters[a, (j + phase[1]) % n_columns]
            for y in range(height):
                _add_one(pixels, i // fineness + y, start, own[y], load(maps, (i, j, 0)))


@kernel
def _correlate_filters(maps, pixels, fineness, phase, n_channels, sums, filters, first, last):
    """Add to the filters of some rows of the tile; arrays have one more axis, groups of lanes."""
    n_rows, n_columns, height, n_taps = filters.shape
    for a in range(first, last):
        for b in range(n_columns):
            sums[...] = 0
            for i in range((a - phase[0]) % n_rows, maps.shape[1], n_rows):
                for j in range((b - phase[1]) % n_columns, maps.shape[2], n_columns):
                    start = j // fineness * n_channels
                    for group in range(maps.shape[0]):
                        code = maps[group, i, j]
                        _add_products(code, pixels[group], i // fineness, start, sums)
            for y in range(height):
                for t in range(n_taps):
                    filters[a, b, y, t] += total(load(sums, (y, t, 0)))


@inner
def _add_products(code, pixels, top, start, sums):
    """Add the products of a code with the pixels of its filter, lane by lane."""
    own = load(code, 0)
    for y in range(sums.shape[0]):
        for t in range(sums.shape[1]):
            place = (y, t, 0)
            product = multiply(own, load(pixels, (top + y, start + t, 0)))
            store(sums, place, add(load(sums, place), product))


def _flat(kernels):
    """Return filters with one row for each row of pixels, (tile_rows, tile_columns, height, -1)."""
    return read_only(_rows(np.ascontiguousarray(kernels)))


def _rows(images):
    """Return images or filters with all numbers of a row of pixels on one axis."""
    *shape, width, n_channels = images.shape
    return images.reshape(*shape, width * n_channels)


def _new_lanes(arrays):
    return new_array((*arrays.shape[1:], LANES), arrays)


def _settings(places, kernels):
    return int(places.fineness), tuple(int(each) for each in places.phase), kernels.shape[-1]


def local_correlate(images, kernels, places, maps):
    """Compute sixteen maps at a time; see `sklearn_ebm.backends.numpy.local_correlate`."""
    filters, settings, rows = _flat(kernels), _settings(places, kernels), _rows(read_only(images))

    def work(first, last):
        pixels, codes = _new_lanes(rows), _new_lanes(maps)
        _to_lanes(rows, first, last, pixels)
        _correlate_lanes(pixels, filters, *settings, codes)
        _from_lanes(codes, first, last, maps)

    map_pieces(work, len(images), LANES)
    return maps


def local_synthesize(maps, kernels, places, images):
    """Compute sixteen images at a time; see `sklearn_ebm.backends.numpy.local_synthesize`."""
    filters, settings, rows = _flat(kernels), _settings(places, kernels), _rows(images)
    maps = read_only(maps)

    def work(first, last):
        pixels, codes = _new_lanes(rows), _new_lanes(maps)
        _to_lanes(maps, first, last, codes)
        _synthesize_lanes(codes, filters, *settings, pixels)
        _from_lanes(pixels, first, last, rows)

    map_pieces(work, len(maps), LANES)
    return images


def local_correlate_kernels(maps, images, places, kernels):
    """Process a row of filters at a time; see `backends.numpy.local_correlate_kernels`."""
    filters = _rows(kernels)
    settings, rows = _settings(places, kernels), _rows(read_only(images))
    n_groups, maps = -(-len(maps) // LANES), read_only(maps)
    codes, pixels = (new_array((n_groups, *a.shape[1:], LANES), kernels) for a in (maps, rows))

    def copy(first, last):
        _to_lanes(maps, first, last, codes[first // LANES])
        _to_lanes(rows, first, last, pixels[first // LANES])

    def work(first, last):
        sums = new_array((*filters.shape[2:], LANES), kernels)
        _correlate_filters(codes, pixels, *settings, sums, filters, first, last)

    map_pieces(copy, len(maps), LANES)
    split_rows(work, len(filters), 1)
    return kernels
