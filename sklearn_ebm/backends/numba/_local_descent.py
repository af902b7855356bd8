"""Convolutional sparse codes by coordinate descent on the tiles of an image.

A code affects only the pixels under its filter, so that one step costs two passes over a filter and
is independent of distant codes. A tile is copied to a core's cache. All codes of the tile that may
be non-zero are listed from the products with its pixels, sweeps over the list continue until
changes are small, and its pixels are written back. Tiles of one colour do not interact. They are
processed at the same time by any free thread, and the result does not depend on the order.

The threshold decreases to alpha during descent, so that lists are short and the strongest codes
enter first. A tile is skipped as long as neither the tile nor a neighbour has changed. Rounds that
only look compute the duality gap and the residual of the whole image, and the tiles that are not
done.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._atomic import take_number, wait_for
from sklearn_ebm.backends.numba._launcher import work_together
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._local_certificate import (
    ON,
    SUMS,
    gap_of_tiles,
    look_at_tile,
    new_drawing,
)
from sklearn_ebm.backends.numba._products import products
from sklearn_ebm.backends.numba._rules import dual_magnitude, inner, kernel, scaled, shrink
from sklearn_ebm.backends.numba._simd import (
    add,
    add_scaled,
    lanes_that_are_on,
    load,
    load_first,
    lowest_bit,
    multiply,
    splat,
    store,
    subtract,
    total,
    where_larger,
)
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

LONGEST = 256  # maximum number of columns of a tile
FALL = 0.6  # factor of the threshold from one round to the next
SWEEPS_ON_THE_WAY = 2
SWEEPS = 30  # maximum number of sweeps over the non-zero codes of a tile
FIRST_STILL = 1e-2, 0.2  # limits of the change, in thresholds, below which a tile is at rest
STILLER = 0.25  # factor of this change if the gap is not small enough
STILLEST = {4: 1e-7, 8: 1e-14}  # smallest change that is not rounding, by bytes of the dtype
LONGEST_WALK = 10  # rounds between two looks; more if the threshold is about to reach alpha
ROUNDING = 4  # relative changes of a code up to this many eps are ignored
PROGRESS = 0.9  # factor by which the gap must fall to count as progress
LEAST_PROGRESS = 1 - 1e-9  # the same for the energy
PATIENCE = 20  # rounds without progress before descent stops, in addition to as many as before them
LOOK, STEP = 0, 1  # purpose of a round
# Threshold over alpha; change below which a tile is at rest, and its lower limit; gap; gap and
# energy at the last progress.
PATH, STILL, LEAST_STILL, GAP, BEST_GAP, BEST_ENERGY = range(6)
# Purpose of the round, number of rounds, whether to stop, rounds at the last look and at the last
# progress, and whether all tiles were at rest before the look.
PURPOSE, ROUNDS, STOP, LOOKED, GAINED, RESTED = range(6)


class Tiles(NamedTuple):
    """The tiles of an image in the order of their colours, and their state."""

    bounds: Any  # (n_tiles, 4), first and last row, first and last column
    n_before: Any  # (n_tiles,), number of tiles of previous colours
    neighbours: Any  # (n_tiles, 8), -1 if there is no neighbour
    unrest: Any  # (n_tiles,), distance of a tile from its optimum, in thresholds
    spread: Any  # (n_tiles,), largest change in the last visit, in thresholds
    sums: Any  # (n_tiles, SUMS), parts of the duality gap


class Control(NamedTuple):
    """State shared by all threads; one of them changes it between rounds."""

    numbers: Any  # (6,), by PATH ... BEST_ENERGY
    counts: Any  # (6,), by PURPOSE ... RESTED
    taken: Any  # (1,), tickets taken
    finished: Any  # (1,), tickets finished
    is_blank: bool  # whether all codes are zero at the start


class Limits(NamedTuple):
    """Stopping conditions of descent."""

    tol: float
    max_iter: int
    densest: float


class Room(NamedTuple):
    """Buffers of one thread for a tile."""

    canvas: Any  # pixels of the residual
    seen: Any  # 1 for observed pixels, else 0
    lanes: Any  # products at one row of positions
    row: Any  # positions and values of the codes that may be non-zero
    column: Any
    component: Any
    value: Any
    drawing: Any  # reconstruction of the tile, in double precision
    exact_canvas: Any  # residual, in double precision
    exact_lanes: Any  # products at one row of positions, in double precision


class Scene(NamedTuple):
    """A problem in the layouts in which tiles read it."""

    filters: Any
    square: Any  # (n_components,), squared norms of the filters
    frame: Any
    mask: Any
    has_mask: bool
    prediction: Any
    has_prediction: bool
    ridge: Any
    alpha: Any
    rule: Any  # with a threshold of one
    rounding: Any  # relative change of a code that is ignored


@inner
def _slope(canvas, y, place, rows, k):
    """Return the product of a filter with the residual under it."""
    even = splat(canvas[0, 0] - canvas[0, 0])
    odd = even
    for v in range(0, rows.shape[2], LANES):
        for i in range(0, rows.shape[1] - 1, 2):
            even = add(even, multiply(load(canvas, (y + i, place + v)), load(rows, (k, i, v))))
            odd = add(
                odd, multiply(load(canvas, (y + i + 1, place + v)), load(rows, (k, i + 1, v)))
            )
        if rows.shape[1] % 2:
            i = rows.shape[1] - 1
            even = add(even, multiply(load(canvas, (y + i, place + v)), load(rows, (k, i, v))))
    return total(add(even, odd))


@inner
def _subtract_kernel(canvas, y, place, rows, k, change):
    for i in range(rows.shape[1]):
        for v in range(0, rows.shape[2], LANES):
            here = (y + i, place + v)
            store(canvas, here, add_scaled(load(canvas, here), -change, load(rows, (k, i, v))))


@inner
def _seen_square(seen, y, place, rows, k):
    """Return the squared norm of the part of a filter on observed pixels."""
    square = splat(seen[0, 0] - seen[0, 0])
    for i in range(rows.shape[1]):
        for v in range(0, rows.shape[2], LANES):
            part = multiply(load(rows, (k, i, v)), load(seen, (y + i, place + v)))
            square = add(square, multiply(part, load(rows, (k, i, v))))
    return total(square)


@inner
def _subtract_seen(canvas, seen, y, place, rows, k, change):
    for i in range(rows.shape[1]):
        for v in range(0, rows.shape[2], LANES):
            here = (y + i, place + v)
            part = multiply(load(rows, (k, i, v)), load(seen, here))
            store(canvas, here, add_scaled(load(canvas, here), -change, part))


@inner
def _copy_seen(scene, n, y, x, size, seen):
    """Copy the mask of a tile's pixels; return whether all of them are observed."""
    frame = scene.frame
    rows, columns = size
    top, left = y - frame.top, x - frame.left
    inside = top >= 0 and left >= 0
    inside &= top + rows <= frame.height and left + columns <= frame.width
    if (inside or frame.circular) and not scene.has_mask:
        return True
    n_channels = scene.filters.shape[3]
    zero = seen[0, 0] - seen[0, 0]
    one = scene.rule.threshold
    for i in range(rows):
        v = source(top + i, frame.height, frame.circular)
        for j in range(columns):
            h = source(left + j, frame.width, frame.circular)
            for c in range(n_channels):
                value = zero
                if v >= 0 and h >= 0:
                    value = scene.mask[n, v, h, c] if scene.has_mask else one
                seen[i, j * n_channels + c] = value
    return False


@inner
def _put_pixels(canvas, residual, n, frame, y, x, size):
    """Write the pixels of a tile back to the image."""
    rows, columns = size
    n_channels = residual.shape[3]
    for i in range(rows):
        v = source(y - frame.top + i, frame.height, frame.circular)
        if v < 0:
            continue
        for j in range(columns):
            h = source(x - frame.left + j, frame.width, frame.circular)
            if h < 0:
                continue
            for c in range(n_channels):
                residual[n, v, h, c] = canvas[i, j * n_channels + c]


@inner
def _correlations(scene, room, n, y, x, row, columns, code):
    """Compute q of one row of positions of a tile, in `lanes`."""
    filters = scene.filters
    products(room.canvas, row, filters.taps, filters.shape[3], columns, room.lanes)
    if scene.has_prediction:
        n_components = filters.shape[0]
        for j in range(columns):
            here = (n, y + row, x + j)
            for k in range(0, n_components, LANES):
                count = min(LANES, n_components - k)
                wish = load_first(scene.prediction, (here[0], here[1], here[2], k), count)
                wish = subtract(wish, load_first(code, (here[0], here[1], here[2], k), count))
                store(room.lanes, (j, k), add_scaled(load(room.lanes, (j, k)), scene.ridge, wish))


@inner
def _list_row(scene, rule, room, n, y, x, row, columns, code, size):
    """List the codes of one row of positions that are or may become non-zero; return the size."""
    n_components = scene.filters.shape[0]
    zero, one = splat(rule.threshold - rule.threshold), splat(scene.rule.threshold)
    threshold = splat(rule.threshold)
    for j in range(columns):
        for k in range(0, n_components, LANES):
            count = min(LANES, n_components - k)
            value = load_first(code, (n, y + row, x + j, k), count)
            strength = dual_magnitude(rule, load(room.lanes, (j, k)))
            bits = lanes_that_are_on(where_larger(strength, threshold, one, zero))
            bits |= lanes_that_are_on(value)
            while bits:
                component = k + np.int64(lowest_bit(bits))
                bits &= bits - np.uint64(1)
                room.row[size] = row
                room.column[size] = j
                room.component[size] = component
                room.value[size] = code[n, y + row, x + j, component]
                size += 1
    return size


@inner
def _sweep(scene, rule, room, n, y, x, code, all_seen, size):
    """Minimise over each code of the list; return the largest change and the number of non-zeros.

    Changes of the size of rounding errors are ignored.
    """
    rows, ridge = scene.filters.rows, scene.ridge
    n_channels = scene.filters.shape[3]
    nothing = ridge - ridge
    largest, strongest, kept = nothing, nothing, 0
    for e in range(size):
        i, j, k = np.int64(room.row[e]), np.int64(room.column[e]), np.int64(room.component[e])
        before = room.value[e]
        place = j * n_channels
        slope = _slope(room.canvas, i, place, rows, k)
        square = scene.square[k]
        if not all_seen:
            square = _seen_square(room.seen, i, place, rows, k)
        if scene.has_prediction:
            slope += ridge * scene.prediction[n, y + i, x + j, k]
        curvature = square + ridge
        updated = nothing  # if no pixel under the filter is observed
        if curvature > nothing:
            updated = shrink(rule, slope + square * before) / curvature
        change = updated - before
        if change != nothing:
            code[n, y + i, x + j, k] = updated
            if all_seen:
                _subtract_kernel(room.canvas, i, place, rows, k, change)
            else:
                _subtract_seen(room.canvas, room.seen, i, place, rows, k, change)
            largest = max(largest, abs(change) * curvature)
        if updated != nothing:
            room.row[kept], room.column[kept], room.component[kept] = i, j, k
            room.value[kept] = updated
            kept += 1
            strongest = max(strongest, abs(updated) * curvature)
    return (largest if largest > scene.rounding * strongest else nothing), kept


@inner
def _step_tile(scene, tiles, tile, room, n, residual, code, alpha, path, still, n_sweeps):
    """Minimise over the codes of one tile, with the threshold path * alpha."""
    y, last_row, x, last_column = tiles.bounds[tile]
    rows, columns = last_row - y, last_column - x
    _, height, width, _ = scene.filters.shape
    extent = rows + height - 1, columns + width - 1
    copy_pixels(residual, n, scene.frame, y, x, extent, room.canvas)
    all_seen = _copy_seen(scene, n, y, x, extent, room.seen)
    rule = scaled(scene.rule, scene.square.dtype.type(max(path * alpha, scene.alpha)))
    size = 0
    for row in range(rows):
        _correlations(scene, room, n, y, x, row, columns, code)
        size = _list_row(scene, rule, room, n, y, x, row, columns, code, size)
    spread, moved = 0.0, 0.0
    for _ in range(n_sweeps):
        moved, size = _sweep(scene, rule, room, n, y, x, code, all_seen, size)
        spread = max(spread, moved)
        if moved <= still * alpha:
            break
    if spread > 0.0:
        _put_pixels(room.canvas, residual, n, scene.frame, y, x, extent)
    tiles.spread[tile], tiles.unrest[tile] = spread / alpha, moved / alpha


@inner
def _is_at_rest(tiles, tile, still):
    """Return whether neither the tile nor a neighbour has changed."""
    if tiles.unrest[tile] > still:
        return False
    for m in range(tiles.neighbours.shape[1]):
        other = tiles.neighbours[tile, m]
        if other >= 0 and tiles.spread[other] > still:
            return False
    return True


@inner
def _gets_better(numbers, counts, energy):
    """Return whether the gap or the energy has decreased in the second half of the rounds."""
    is_lower = energy < LEAST_PROGRESS * numbers[BEST_ENERGY]
    if numbers[GAP] < PROGRESS * numbers[BEST_GAP] or is_lower:
        numbers[BEST_GAP] = min(numbers[GAP], numbers[BEST_GAP])
        numbers[BEST_ENERGY] = min(energy, numbers[BEST_ENERGY])
        counts[GAINED] = counts[ROUNDS]
    return counts[ROUNDS] <= 2 * counts[GAINED] + PATIENCE


@inner
def _share_on(scene, tiles):
    """Return the share of non-zero codes."""
    on, frame = tiles.sums[:, ON].sum(), scene.frame
    return on / (frame.map_height * frame.map_width * scene.filters.shape[0])


@inner
def _judge(scene, tiles, control, half_norm, limits):
    """Decide after a look whether to stop; set the next threshold and the change at rest."""
    numbers, counts = control.numbers, control.counts
    numbers[GAP], energy, top = gap_of_tiles(scene.alpha, tiles.sums, half_norm)
    if counts[ROUNDS] == 0:
        numbers[PATH] = max(1.0, top)
    elif counts[RESTED] and numbers[STILL] > numbers[LEAST_STILL]:
        unrest = 0.0
        for tile in range(tiles.unrest.shape[0]):
            unrest = max(unrest, tiles.unrest[tile])
        numbers[STILL] = max(numbers[LEAST_STILL], STILLER * min(numbers[STILL], unrest))
    elif counts[RESTED]:
        counts[STOP] = 1
    if numbers[GAP] <= limits.tol or counts[ROUNDS] >= limits.max_iter:
        counts[STOP] = 1
    elif not _gets_better(numbers, counts, energy):
        counts[STOP] = 1
    elif counts[ROUNDS] >= LONGEST_WALK and _share_on(scene, tiles) > limits.densest:
        counts[STOP] = 1
    counts[PURPOSE], counts[LOOKED] = STEP, counts[ROUNDS]
    numbers[PATH] = max(1.0, numbers[PATH] * FALL)


@inner
def _decide(scene, tiles, control, half_norm, limits):
    """Choose the purpose of the next round, after all tiles have been visited."""
    numbers, counts = control.numbers, control.counts
    if counts[PURPOSE] == LOOK:
        _judge(scene, tiles, control, half_norm, limits)
        return
    counts[ROUNDS] += 1
    is_over = numbers[PATH] <= 1.0
    counts[RESTED] = is_over
    for tile in range(tiles.unrest.shape[0]):
        if not _is_at_rest(tiles, tile, numbers[STILL]):
            counts[RESTED] = 0
    is_near = not is_over and numbers[PATH] * FALL**LONGEST_WALK <= 1.0
    is_far = counts[ROUNDS] >= counts[LOOKED] + LONGEST_WALK and not is_near
    if is_far or counts[RESTED] or counts[ROUNDS] >= limits.max_iter:
        counts[PURPOSE] = LOOK
    else:
        numbers[PATH] = max(1.0, numbers[PATH] * FALL)


@kernel
def _take_part(scene, exact, tiles, control, room, n, images, residual, code, half_norm, limits):
    """Process tiles until the image is done; run by each thread."""
    n_tiles = tiles.bounds.shape[0]
    numbers, counts = control.numbers, control.counts
    while True:
        ticket = take_number(control.taken)
        tile = ticket % (n_tiles + 1)
        begin = ticket - tile
        wait_for(control.finished, begin)
        if counts[STOP] != 0:
            take_number(control.finished)
            return
        if tile == n_tiles:
            wait_for(control.finished, ticket)
            _decide(exact, tiles, control, half_norm, limits)
        elif counts[PURPOSE] == LOOK:
            is_blank = control.is_blank and counts[ROUNDS] == 0
            look_at_tile(exact, tiles, tile, room, n, images, residual, code, is_blank)
        else:
            wait_for(control.finished, begin + tiles.n_before[tile])
            path, still = numbers[PATH], numbers[STILL]
            if path > 1.0 or not _is_at_rest(tiles, tile, still):
                sweeps = SWEEPS if path <= 1.0 else SWEEPS_ON_THE_WAY
                _step_tile(
                    scene, tiles, tile, room, n, residual, code, exact.alpha, path, still, sweeps
                )  # fmt: skip
            else:
                tiles.spread[tile] = 0
        take_number(control.finished)


def _colours(bounds, circular, reach):
    """Return the colour of each tile along one direction; tiles of one colour do not interact."""
    n_tiles = len(bounds) - 1
    apart = np.diff(bounds).min() >= reach - 1 and not (circular and n_tiles % 2)
    return np.arange(n_tiles) % 2 if apart else np.arange(n_tiles)


def _tile_sizes(frame, shape):
    """Return the numbers of rows and columns of positions of a tile."""
    _, height, width, _ = shape
    rows = min(max(TILE, height), frame.map_height)
    return rows, max(TILE, width, min(LONGEST, TILE * TILE // rows))


def new_tiles(frame, shape):
    """Return the tiles of maps in the frame, for filters of the given shape."""
    sizes = _tile_sizes(frame, shape)
    cuts = [
        cut(size, tile, frame.circular, reach)
        for size, tile, reach in zip(frame[2:4], sizes, shape[1:3], strict=True)
    ]
    colours = [
        _colours(bounds, frame.circular, reach)
        for bounds, reach in zip(cuts, shape[1:3], strict=True)
    ]
    n_rows, n_columns = (len(bounds) - 1 for bounds in cuts)
    place = np.indices((n_rows, n_columns)).reshape(2, -1)
    colour = colours[0][place[0]] * (colours[1].max() + 1) + colours[1][place[1]]
    order = np.argsort(colour, kind="stable")
    rows, columns = place[:, order]
    bounds = np.stack([cuts[0][rows], cuts[0][rows + 1], cuts[1][columns], cuts[1][columns + 1]], 1)
    n_before = np.searchsorted(colour[order], colour[order])
    number = np.full((n_rows, n_columns), -1)
    number[rows, columns] = np.arange(len(order))
    neighbours = _neighbours(number, rows, columns, frame.circular)
    unrest, spread = np.full((2, len(order)), np.finfo(float).max)
    return Tiles(bounds, n_before, neighbours, unrest, spread, np.zeros((len(order), SUMS)))


def _neighbours(number, rows, columns, circular):
    padded_number = (
        np.pad(number, 1, mode="wrap") if circular else np.pad(number, 1, constant_values=-1)
    )
    steps = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    return np.stack([padded_number[rows + i, columns + j] for i, j in steps], 1)


def _new_room(scene, exact, tiles):
    rows, columns = (int(np.diff(tiles.bounds[:, pair]).max()) for pair in ((0, 1), (2, 3)))
    canvas = new_canvas(scene.filters, rows, columns)
    capacity = rows * columns * scene.filters.shape[0]
    row, column, component = np.empty((3, capacity), np.int32)
    return Room(
        canvas, np.zeros_like(canvas), new_lanes(scene.filters, columns), row, column, component,
        np.empty(capacity, canvas.dtype), new_drawing(exact.filters, rows, columns),
        new_canvas(exact.filters, rows, columns), new_lanes(exact.filters, columns),
    )  # fmt: skip


def _new_scene(lasso, code, dtype):
    """Return the problem with filters and scalars in a dtype."""
    filters = pack(lasso.kernels.astype(dtype, copy=False))
    nothing = np.zeros((1, 1, 1, 1), code.dtype)
    mask = nothing if lasso.mask is None else lasso.mask
    prediction = nothing if lasso.prediction is None else lasso.prediction
    alpha = max(lasso.rule.threshold, np.finfo(dtype).smallest_normal)
    return Scene(
        filters, (filters.rows**2).sum(axis=(1, 2)), new_frame(lasso.images, code, lasso.border),
        read_only(mask), lasso.mask is not None,
        read_only(prediction), lasso.prediction is not None,
        dtype(lasso.ridge), dtype(alpha), type(lasso.rule)(dtype(1)),
        dtype(ROUNDING * np.finfo(dtype).eps),
    )  # fmt: skip


def local_descent(lasso, code, tol, max_iter, densest=1.0):
    """Fused descent on tiles; see `sklearn_ebm.backends.numpy.local_descent`."""
    lasso = lasso._replace(images=read_only(np.ascontiguousarray(lasso.images)))
    exact = _new_scene(lasso, code, np.float64)
    is_exact = code.dtype == exact.square.dtype
    scene = exact if is_exact else _new_scene(lasso, code, code.dtype.type)
    residual = np.empty(lasso.images.shape, code.dtype)
    limits = Limits(float(tol), int(max_iter), float(densest))
    gap, n_iter = np.zeros(len(code)), 0
    for n in range(len(code)):
        gap[n], n_rounds = _descend(scene, exact, lasso, residual, code, n, limits)
        n_iter = max(n_iter, n_rounds)
    return gap, n_iter


def _descend(scene, exact, lasso, residual, code, n, limits):
    """Compute the codes of one image in place; return the gap and the number of rounds."""
    tiles = new_tiles(scene.frame, scene.filters.shape)
    still, most = np.clip(2 * limits.tol, *FIRST_STILL), np.finfo(float).max
    control = Control(
        np.array([1.0, still, STILLEST[code.itemsize], most, most, most]),
        np.zeros(6, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64),
        not code[n].any(),
    )  # fmt: skip

    maps = lasso.images, residual, any_layout(code)

    def work():
        room = _new_room(scene, exact, tiles)
        _take_part(scene, exact, tiles, control, room, n, *maps, lasso.half_norm[n], limits)

    work_together(work, max(1, len(tiles.bounds) // 4))
    return control.numbers[GAP], int(control.counts[ROUNDS])
