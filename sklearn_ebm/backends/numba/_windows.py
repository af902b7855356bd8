"""Norms of windows on a map of components, and steps on the majorant of their sum.

The weights of a window are the product of weights for its rows and for its columns. Sums over
windows are therefore computed first over the rows and then over the columns of the map, with a
fraction of the operations of a product with the matrix of all weights. On large maps, most of these
weights are zero, and sums leave them out.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._momentum import accelerate
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    divide,
    larger,
    load,
    multiply,
    splat,
    square_root,
    store,
    subtract,
    total,
)
from sklearn_ebm.backends.numba._support import padded

SMALLEST_PIECE = 64


class Combination(NamedTuple):
    """The product R M C with a matrix M."""

    down: Any  # (rows of the result, rows of M), R
    across: Any  # (columns of M, width), C padded with zeros to whole vectors
    rows: Any  # (rows of the result, 2), bounds of the non-zero entries of each row of R
    columns: Any  # (vectors in a row, 2), likewise of LANES columns of C


class Sums(NamedTuple):
    """Sums from components to windows and back, and buffers of one thread.

    Rows are padded with zeros to whole vectors.
    """

    forward: Any  # Combination, from components to windows
    backward: Any  # Combination, from windows to components
    places: Any  # (rows, width), one number for each component
    between: Any  # (rows of windows, width)
    windows: Any  # (rows of windows, width of windows), one number for each window
    between_back: Any  # (rows, width of windows)
    moved: Any  # (rows, width), result of a step
    row: Any  # (n_components,), the result as a row


def _combination(rows, columns, dtype):
    across = np.zeros((columns.shape[1], padded(columns.shape[0])), dtype)
    across[:, : columns.shape[0]] = columns.T
    vectors = across.reshape(len(across), -1, LANES).any(axis=2).T
    bounds = read_only(_bounds(rows)), read_only(_bounds(vectors))
    return Combination(read_only(np.ascontiguousarray(rows, dtype)), read_only(across), *bounds)


def _bounds(rows):
    """Return the first non-zero entry of each row, and the end of the last one.

    They are unsigned, since signed indices are compared with zero in each access.
    """
    is_on = np.asarray(rows) != 0
    first, last = is_on.argmax(axis=1), rows.shape[1] - is_on[:, ::-1].argmax(axis=1)
    return np.stack([first, np.where(is_on.any(axis=1), last, first)], axis=1).astype(np.uintp)


def _both_ways(windows, dtype):
    """Return both combinations; `windows` are the weights of rows and of columns."""
    rows, columns = windows
    return _combination(rows, columns, dtype), _combination(rows.T, columns.T, dtype)


def new_sums(pools, dtype):
    """Return buffers of one thread."""
    key = "both ways", np.dtype(dtype).name
    forward, backward = pools.remember(key, lambda: _both_ways(pools.windows, dtype))
    width, width_of_windows = backward.across.shape[1], forward.across.shape[1]
    n_rows, n_rows_of_windows = backward.down.shape[0], forward.down.shape[0]
    return Sums(
        forward,
        backward,
        places=np.zeros((n_rows, width), dtype),
        between=np.empty((n_rows_of_windows, width), dtype),
        windows=np.zeros((n_rows_of_windows, width_of_windows), dtype),
        between_back=np.empty((n_rows, width_of_windows), dtype),
        moved=np.zeros((n_rows, width), dtype),
        row=np.empty(pools.n_components, dtype),
    )


@inner
def _one_row(left, right, i, k, begin, end, result):
    """Compute one vector of a row of a product, from the entries `begin` to `end` of its sums."""
    lanes = splat(left[0, 0] - left[0, 0])
    for c in range(begin, end):
        lanes = add_scaled(lanes, left[i, c], load(right, (c, k)))
    store(result, (i, k), lanes)


@inner
def _four_rows(left, right, i, k, begin, end, result):
    """Compute four rows of a product, which share loads and are independent."""
    nothing = splat(left[0, 0] - left[0, 0])
    first, second, third, fourth = nothing, nothing, nothing, nothing
    for c in range(begin, end):
        lanes = load(right, (c, k))
        first = add_scaled(first, left[i, c], lanes)
        second = add_scaled(second, left[i + 1, c], lanes)
        third = add_scaled(third, left[i + 2, c], lanes)
        fourth = add_scaled(fourth, left[i + 3, c], lanes)
    store(result, (i, k), first)
    store(result, (i + 1, k), second)
    store(result, (i + 2, k), third)
    store(result, (i + 3, k), fourth)


@inner
def _down(combination, right, result):
    """Compute result = R right for rows of whole vectors; extra columns are allowed."""
    left, bounds = combination.down, combination.rows
    fours = result.shape[0] // 4 * 4
    for i in range(0, fours, 4):
        begin = min(bounds[i, 0], bounds[i + 1, 0], bounds[i + 2, 0], bounds[i + 3, 0])
        end = max(bounds[i, 1], bounds[i + 1, 1], bounds[i + 2, 1], bounds[i + 3, 1])
        for k in range(0, result.shape[1], LANES):
            _four_rows(left, right, i, k, begin, end, result)
    for i in range(fours, result.shape[0]):
        for k in range(0, result.shape[1], LANES):
            _one_row(left, right, i, k, bounds[i, 0], bounds[i, 1], result)


@inner
def _across(combination, left, result):
    """Compute result = left C for rows of whole vectors."""
    right, bounds = combination.across, combination.columns
    fours = result.shape[0] // 4 * 4
    for k in range(0, result.shape[1], LANES):
        begin, end = bounds[k // LANES, 0], bounds[k // LANES, 1]
        for i in range(0, fours, 4):
            _four_rows(left, right, i, k, begin, end, result)
        for i in range(fours, result.shape[0]):
            _one_row(left, right, i, k, begin, end, result)


@inner
def _combine(combination, source, between, result):
    """Compute result = R source C, with between = R source."""
    _down(combination, source, between)
    _across(combination, between, result)


@inner
def _to_map(row, places, n_columns):
    """Copy a row to the rows of the map."""
    whole = n_columns // LANES * LANES
    for r in range(places.shape[0]):
        first = r * n_columns
        for c in range(0, whole, LANES):
            store(places, (r, c), load(row, first + c))
        for c in range(whole, n_columns):
            places[r, c] = row[first + c]


@inner
def _from_map(places, row, n_columns):
    """Copy the rows of the map to a row."""
    whole = n_columns // LANES * LANES
    for r in range(places.shape[0]):
        first = r * n_columns
        for c in range(0, whole, LANES):
            store(row, first + c, load(places, (r, c)))
        for c in range(whole, n_columns):
            row[first + c] = places[r, c]


@inner
def _squares_to_map(row, places, n_columns):
    """Copy squares of a row to the rows of the map."""
    whole = n_columns // LANES * LANES
    for r in range(places.shape[0]):
        first = r * n_columns
        for c in range(0, whole, LANES):
            lanes = load(row, first + c)
            store(places, (r, c), multiply(lanes, lanes))
        for c in range(whole, n_columns):
            places[r, c] = row[first + c] * row[first + c]


@inner
def _roots_from_map(places, row, n_columns):
    """Copy square roots of the rows of the map to a row."""
    whole = n_columns // LANES * LANES
    for r in range(places.shape[0]):
        first = r * n_columns
        for c in range(0, whole, LANES):
            store(row, first + c, square_root(load(places, (r, c))))
        for c in range(whole, n_columns):
            row[first + c] = math.sqrt(places[r, c])


@inner
def _window_squares(row, sums):
    """Compute squared norms of the windows of one row of codes, in `windows`."""
    _squares_to_map(row, sums.places, sums.forward.across.shape[0])
    _combine(sums.forward, sums.places, sums.between, sums.windows)


@kernel
def window_norm_rows(code, result, sums, first, last):
    """Compute the norm of each window for the rows first..last."""
    for n in range(first, last):
        _window_squares(code[n], sums)
        _roots_from_map(sums.windows, result[n], sums.backward.across.shape[0])


@kernel
def spread_rows(values, result, sums, first, last):
    """Compute the sum over the windows of each component for the rows first..last."""
    for n in range(first, last):
        _to_map(values[n], sums.windows, sums.backward.across.shape[0])
        _combine(sums.backward, sums.windows, sums.between_back, sums.places)
        _from_map(sums.places, result[n], sums.forward.across.shape[0])


@inner
def _inverse_norms(sums, width):
    """Compute 1 / max(norm, width) of each window."""
    least = splat(width)
    one = splat(width / width)
    for i in range(sums.windows.shape[0]):
        for k in range(0, sums.windows.shape[1], LANES):
            norm = square_root(load(sums.windows, (i, k)))
            store(sums.windows, (i, k), divide(one, larger(norm, least)))


@inner
def _shrink(sums, alpha, step_size, positive):
    """Compute moved / (1 + step alpha sum_g w_gj / eta_g), with the sums in `places`."""
    zero = splat(alpha - alpha)
    one = splat(alpha / alpha)
    for r in range(sums.moved.shape[0]):
        for k in range(0, sums.moved.shape[1], LANES):
            lanes = load(sums.moved, (r, k))
            if positive:
                lanes = larger(lanes, zero)
            weight = add_scaled(one, alpha * step_size, load(sums.places, (r, k)))
            store(sums.moved, (r, k), divide(lanes, weight))


@inner
def _against(extrapolated, code, moved):
    """Return (y - z_new) . (z_new - z), which is positive if a restart is needed."""
    whole = code.shape[0] // LANES * LANES
    lanes = splat(moved[0] - moved[0])
    for k in range(0, whole, LANES):
        updated = load(moved, k)
        ahead = subtract(load(extrapolated, k), updated)
        lanes = add(lanes, multiply(ahead, subtract(updated, load(code, k))))
    against = total(lanes)
    for k in range(whole, code.shape[0]):
        against += (extrapolated[k] - moved[k]) * (moved[k] - code[k])
    return against


@inner
def _go_on(extrapolated, code, moved, weight):
    """Assign z <- z_new and y <- z_new + weight (z_new - z)."""
    whole = code.shape[0] // LANES * LANES
    for k in range(0, whole, LANES):
        updated = load(moved, k)
        step = subtract(updated, load(code, k))
        store(extrapolated, k, add_scaled(updated, weight, step))
        store(code, k, updated)
    for k in range(whole, code.shape[0]):
        extrapolated[k] = moved[k] + weight * (moved[k] - code[k])
        code[k] = moved[k]


@inner
def _descend(product, correlation, extrapolated, moved, step_size):
    """Compute y - step (y H - c)."""
    whole = moved.shape[0] // LANES * LANES
    for k in range(0, whole, LANES):
        slope = subtract(load(product, k), load(correlation, k))
        store(moved, k, add_scaled(load(extrapolated, k), -step_size, slope))
    for k in range(whole, moved.shape[0]):
        moved[k] = extrapolated[k] - step_size * (product[k] - correlation[k])


@kernel
def majorized_rows(product, correlation, code, extrapolated, momentum, step_size, alpha, width,
                   positive, sums, first, last):  # fmt: skip
    """Make steps of the rows first..last as `numpy.proximal_step`; `momentum` may be empty."""
    n_columns = sums.forward.across.shape[0]
    for n in range(first, last):
        _descend(product[n], correlation[n], extrapolated[n], sums.row, step_size)
        _to_map(sums.row, sums.moved, n_columns)
        _window_squares(extrapolated[n], sums)
        _inverse_norms(sums, width[n])
        _combine(sums.backward, sums.windows, sums.between_back, sums.places)
        _shrink(sums, alpha, step_size, positive)
        _from_map(sums.moved, sums.row, n_columns)
        weight = step_size - step_size
        if momentum.shape[0] > 0:
            against = _against(extrapolated[n], code[n], sums.row)
            momentum[n], weight = accelerate(momentum[n], against)
        _go_on(extrapolated[n], code[n], sums.row, weight)


def _by_windows(rows_kernel, values, pools, result):
    values = read_only(np.ascontiguousarray(values))

    def work(first, last):
        rows_kernel(values, result, new_sums(pools, values.dtype), first, last)

    split_rows(work, values.shape[0], SMALLEST_PIECE)


def pool_norms(code, pools, result):
    """Compute norms of windows in a single pass, and of other pools by the reference."""
    if pools.windows is None:
        reference.pool_norms(code, pools, result)
    else:
        _by_windows(window_norm_rows, code, pools, result)


def pool_spread(values, pools, result):
    """Compute sums over windows in a single pass, and over other pools by the reference."""
    if pools.windows is None:
        reference.pool_spread(values, pools, result)
    else:
        _by_windows(spread_rows, values, pools, result)


def majorized_step(product, correlation, code, extrapolated, momentum, step_size, penalty):
    """Make the proximal step of a majorant of window norms in a single pass."""
    dtype = code.dtype.type
    numbers = (
        dtype(step_size),
        dtype(penalty.alpha),
        read_only(np.ascontiguousarray(penalty.width[:, 0])),
        penalty.positive,
    )
    momentum = np.empty(0, code.dtype) if momentum is None else momentum
    product, correlation = read_only(product), read_only(correlation)

    def work(first, last):
        sums = new_sums(penalty.pools, code.dtype)
        majorized_rows(
            product, correlation, code, extrapolated, momentum, *numbers, sums, first, last
        )

    split_rows(work, code.shape[0], SMALLEST_PIECE)
