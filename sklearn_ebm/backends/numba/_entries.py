"""Lists of the non-zeros of a matrix, and sums of the rows of another matrix that they select.

A panel of 64 columns of the weights remains in the cache for all rows, and each sum remains in four
registers. BLAS would also multiply the zeros.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._rules import inner, kernel, routine
from sklearn_ebm.backends.numba._simd import (
    add_scaled,
    lanes_that_are_on,
    load,
    load_first,
    lowest_bit,
    splat,
    store,
    store_first,
)

PANEL = 4 * LANES


class Entries(NamedTuple):
    """Non-zeros in each row or column of a matrix, as consecutive lists."""

    stop: Any  # (n_lists,), end of each list; lists begin at multiples of `capacity`
    index: Any  # column or row of each entry
    value: Any
    capacity: int


def new_entries(n_lists, capacity, dtype):
    size = n_lists * capacity
    stop, index = np.empty(n_lists, np.int64), np.empty(size, np.int64)
    return Entries(stop, index, np.empty(size, dtype), capacity)


@routine
def list_rows(states, entries):
    """List the entries of each row."""
    n_columns = states.shape[1]
    for n in range(states.shape[0]):
        place = n * entries.capacity
        for k in range(0, n_columns, LANES):
            bits = lanes_that_are_on(load_first(states, (n, k), min(LANES, n_columns - k)))
            while bits:
                column = k + np.int64(lowest_bit(bits))
                bits &= bits - np.uint64(1)
                entries.index[place] = column
                entries.value[place] = states[n, column]
                place += 1
        entries.stop[n] = place


@routine
def list_columns(states, share, entries):
    """List the entries of each column, multiplied by the share of their row."""
    n_columns = states.shape[1]
    stop = entries.stop
    for k in range(n_columns):
        stop[k] = k * entries.capacity
    for n in range(states.shape[0]):
        for k in range(0, n_columns, LANES):
            bits = lanes_that_are_on(load_first(states, (n, k), min(LANES, n_columns - k)))
            while bits:
                column = k + np.int64(lowest_bit(bits))
                bits &= bits - np.uint64(1)
                place = stop[column]
                entries.index[place] = n
                entries.value[place] = share[n] * states[n, column]
                stop[column] = place + 1


@inner
def panel_sum(entries, i, matrix, k, zero):
    """Return the sum of value * matrix[index] over one list, in `PANEL` columns from k."""
    a = b = c = d = zero
    for e in range(i * entries.capacity, entries.stop[i]):
        row, value = entries.index[e], entries.value[e]
        a = add_scaled(a, value, load(matrix, (row, k)))
        b = add_scaled(b, value, load(matrix, (row, k + LANES)))
        c = add_scaled(c, value, load(matrix, (row, k + 2 * LANES)))
        d = add_scaled(d, value, load(matrix, (row, k + 3 * LANES)))
    return a, b, c, d


@inner
def vector_sum(entries, i, matrix, k, count, zero):
    """Return the sum in `count` columns, at most `LANES`."""
    a = zero
    for e in range(i * entries.capacity, entries.stop[i]):
        part = load_first(matrix, (entries.index[e], k), count)
        a = add_scaled(a, entries.value[e], part)
    return a


@kernel
def project_rows(states, weights, entries, result):
    list_rows(states, entries)
    n_columns = weights.shape[1]
    whole = n_columns // PANEL * PANEL
    zero = splat(weights.dtype.type(0))
    for k in range(0, whole, PANEL):
        for n in range(result.shape[0]):
            a, b, c, d = panel_sum(entries, n, weights, k, zero)
            store(result, (n, k), a)
            store(result, (n, k + LANES), b)
            store(result, (n, k + 2 * LANES), c)
            store(result, (n, k + 3 * LANES), d)
    for k in range(whole, n_columns, LANES):
        count = min(LANES, n_columns - k)
        for n in range(result.shape[0]):
            store_first(result, (n, k), vector_sum(entries, n, weights, k, count, zero), count)
