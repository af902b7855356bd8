"""Certificate of convolutional codes, computed tile by tile: residual, duality gap and violation.

Everything is computed in double precision from images, filters and codes. The residual that descent
updates in place is not used, because it accumulates rounding errors in proportion to the largest
intermediate code. Each tile owns some pixels and writes the new residual there.
"""

import numpy as np

from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._products import products
from sklearn_ebm.backends.numba._rules import dual_magnitude, inner
from sklearn_ebm.backends.numba._simd import (
    add_scaled,
    lanes_that_are_on,
    larger,
    largest_lane,
    load,
    load_first,
    lowest_bit,
    splat,
    store,
)
from sklearn_ebm.backends.numba._support import padded
from sklearn_ebm.backends.numba._tiles import new_canvas, source

# Of a tile: max |q|, the sums of z q, |z| and squared residuals, and the number of non-zeros.
TOP, ALONG, MAGNITUDE, MISFIT, ON = range(5)
SUMS = 5


def new_drawing(filters, rows, columns):
    """Allocate a tile's pixels, with margins for filters that partly overlap the tile."""
    canvas = new_canvas(filters, rows, columns)
    _, _, width, n_channels = filters.shape
    stride = canvas.shape[1] + padded(2 * width * n_channels)
    return np.zeros((canvas.shape[0], stride), canvas.dtype)


@inner
def _draw_kernel(drawing, y, n_rows, place, filters, k, value):
    """Add the rows of a filter that are inside the drawing."""
    for i in range(max(0, -y), min(filters.shape[1], n_rows - y)):
        for v in range(0, filters.rows.shape[2], LANES):
            here = (y + i, place + v)
            row = load(filters.rows, (k, i, v))
            store(drawing, here, add_scaled(load(drawing, here), value, row))


@inner
def _draw(scene, n, y, x, extent, code, drawing):
    """Reconstruct a tile's pixels; the drawing starts a filter's width - 1 to their left."""
    filters, frame = scene.filters, scene.frame
    n_components, height, width, n_channels = filters.shape
    drawing[...] = 0
    for i in range(1 - height, extent[0]):
        row = source(y + i, frame.map_height, frame.circular)
        if row < 0:
            continue
        for j in range(1 - width, extent[1]):
            column = source(x + j, frame.map_width, frame.circular)
            if column < 0:
                continue
            place = (j + width - 1) * n_channels
            for k in range(0, n_components, LANES):
                count = min(LANES, n_components - k)
                bits = lanes_that_are_on(load_first(code, (n, row, column, k), count))
                while bits:
                    which = k + np.int64(lowest_bit(bits))
                    bits &= bits - np.uint64(1)
                    value = np.float64(code[n, row, column, which])
                    _draw_kernel(drawing, i, extent[0], place, filters, which, value)


@inner
def _find_residual(scene, n, y, x, extent, owned, images, room, residual):
    """Compute the residual of a tile; store owned pixels and return their sum of squares."""
    frame = scene.frame
    _, _, width, n_channels = scene.filters.shape
    square = 0.0
    for i in range(extent[0]):
        v = source(y - frame.top + i, frame.height, frame.circular)
        for j in range(extent[1]):
            h = source(x - frame.left + j, frame.width, frame.circular)
            for c in range(n_channels):
                value = 0.0
                if v >= 0 and h >= 0:
                    value = images[n, v, h, c] - room.drawing[i, (j + width - 1) * n_channels + c]
                    if scene.has_mask:
                        value *= scene.mask[n, v, h, c]
                    if i < owned[0] and j < owned[1]:
                        residual[n, v, h, c] = value
                        square += value * value
                room.exact_canvas[i, j * n_channels + c] = value
    return square


@inner
def _owned(last, size, tile_size, extent, circular):
    """Return the number of pixels a tile owns; the last tile also owns those after its end."""
    return extent if last == size and not circular else tile_size


@inner
def _predict(scene, n, y, x, columns, code, lanes):
    """Add the slope of the prediction term to one row of products; return its value, doubled."""
    square = 0.0
    for j in range(columns):
        for k in range(scene.filters.shape[0]):
            off = np.float64(scene.prediction[n, y, x + j, k]) - code[n, y, x + j, k]
            lanes[j, k] += scene.ridge * off
            square += off * off
    return scene.ridge * square


@inner
def look_at_tile(scene, tiles, tile, room, n, images, residual, code, is_blank):
    """Compute a tile's violation of the optimality conditions and its part of the duality gap.

    `scene` must be in double precision. `is_blank` is true if all codes are zero.
    """
    y, last_row, x, last_column = tiles.bounds[tile]
    rows, columns = last_row - y, last_column - x
    frame, filters = scene.frame, scene.filters
    n_components, height, width, n_channels = filters.shape
    extent = rows + height - 1, columns + width - 1
    owned = (
        _owned(last_row, frame.map_height, rows, extent[0], frame.circular),
        _owned(last_column, frame.map_width, columns, extent[1], frame.circular),
    )
    if is_blank:
        room.drawing[...] = 0
    else:
        _draw(scene, n, y, x, extent, code, room.drawing)
    misfit = _find_residual(scene, n, y, x, extent, owned, images, room, residual)
    alpha, lanes = scene.alpha, room.exact_lanes
    strongest, unrest, along, magnitude, on = splat(0.0), 0.0, 0.0, 0.0, 0
    for row in range(rows):
        products(room.exact_canvas, row, filters.taps, n_channels, columns, lanes)
        if scene.has_prediction:
            misfit += _predict(scene, n, y + row, x, columns, code, lanes)
        for j in range(columns):
            for k in range(0, n_components, LANES):
                count = min(LANES, n_components - k)
                bits = lanes_that_are_on(load_first(code, (n, y + row, x + j, k), count))
                strongest = larger(strongest, dual_magnitude(scene.rule, load(lanes, (j, k))))
                while bits:
                    component = k + np.int64(lowest_bit(bits))
                    bits &= bits - np.uint64(1)
                    value = np.float64(code[n, y + row, x + j, component])
                    slope = lanes[j, component]
                    along += value * slope
                    magnitude += abs(value)
                    on += 1
                    sign = alpha if value > 0 else -alpha
                    unrest = max(unrest, abs(slope - sign))
    top = largest_lane(strongest)
    tiles.unrest[tile] = max(unrest, top - alpha) / alpha
    tiles.spread[tile] = 0
    sums = tiles.sums[tile]
    sums[TOP], sums[ALONG], sums[MAGNITUDE] = top, along, magnitude
    sums[MISFIT], sums[ON] = misfit, on


@inner
def gap_of_tiles(alpha, sums, half_norm):
    """Return the gap relative to 1/2 ||x||^2, the energy, and the largest |q| over alpha."""
    top, along, magnitude, misfit = 0.0, 0.0, 0.0, 0.0
    for tile in range(sums.shape[0]):
        top = max(top, sums[tile, TOP])
        along += sums[tile, ALONG]
        magnitude += sums[tile, MAGNITUDE]
        misfit += sums[tile, MISFIT]
    scale = min(1.0, alpha / max(top, 1e-300))
    gap = misfit / 2 * (1 - scale) ** 2 + alpha * magnitude - scale * along
    return gap / half_norm, misfit / 2 + alpha * magnitude, top / alpha
