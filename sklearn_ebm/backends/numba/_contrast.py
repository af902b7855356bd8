"""Products with states in which few units are on, and the update of weights, in single passes."""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._entries import (
    PANEL,
    list_columns,
    new_entries,
    panel_sum,
    project_rows,
    vector_sum,
)
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    add,
    add_scaled,
    larger,
    load_first,
    magnitude,
    multiply,
    splat,
    store,
    store_first,
)
from sklearn_ebm.backends.numba._support import has_few_on, in_rows

SMALLEST_PIECE = 64  # rows of states
SMALLEST_PART = 256  # rows of weights


@inner
def _move(weights, velocity, result, i, k, count, gradient, numbers, largest):
    """Update `count` weights; return the largest magnitudes so far in each lane."""
    rate, momentum, decay = numbers
    before = load_first(weights, (i, k), count)
    step = multiply(splat(rate), add_scaled(gradient, -decay, before))
    step = add_scaled(step, momentum, load_first(velocity, (i, k), count))
    after = add(before, step)
    store_first(velocity, (i, k), step, count)
    store_first(result, (i, k), after, count)
    return larger(largest, magnitude(after))


@kernel
def ascend_rows(weights, velocity, states, entries, numbers, result, largest):
    """Update some rows of the weights; `states` contains their columns of the left side."""
    left, right, share = states
    list_columns(left, share, entries)
    n_columns = weights.shape[1]
    whole = n_columns // PANEL * PANEL
    zero = splat(weights.dtype.type(0))
    top = zero
    for k in range(0, whole, PANEL):
        for i in range(weights.shape[0]):
            sums = panel_sum(entries, i, right, k, zero)
            top = _move(weights, velocity, result, i, k, LANES, sums[0], numbers, top)
            top = _move(weights, velocity, result, i, k + LANES, LANES, sums[1], numbers, top)
            top = _move(weights, velocity, result, i, k + 2 * LANES, LANES, sums[2], numbers, top)
            top = _move(weights, velocity, result, i, k + 3 * LANES, LANES, sums[3], numbers, top)
    for k in range(whole, n_columns, LANES):
        count = min(LANES, n_columns - k)
        for i in range(weights.shape[0]):
            a = vector_sum(entries, i, right, k, count, zero)
            top = _move(weights, velocity, result, i, k, count, a, numbers, top)
    store(largest, 0, top)


@kernel
def _move_rows(weights, velocity, gradient, numbers, result, largest):
    """Update some rows of the weights with a given gradient."""
    n_columns = weights.shape[1]
    top = splat(weights.dtype.type(0))
    for i in range(weights.shape[0]):
        for k in range(0, n_columns, LANES):
            count = min(LANES, n_columns - k)
            slope = load_first(gradient, (i, k), count)
            top = _move(weights, velocity, result, i, k, count, slope, numbers, top)
    store(largest, 0, top)


def project(states, weights, result):
    """Sum over non-zeros if they are few; see `sklearn_ebm.backends.numpy.project`."""
    if not has_few_on(states):
        return reference.project(states, weights, result)
    states, weights = (any_layout(in_rows(array)) for array in (states, weights))
    sums = any_layout(result)

    def work(first, last):
        rows = states[first:last]
        entries = new_entries(*rows.shape, weights.dtype)
        project_rows(rows, weights, entries, sums[first:last])

    split_rows(work, states.shape[0], SMALLEST_PIECE)
    return result


def ascend(weights, velocity, states, result=None):
    """Compute product, momentum, decay and step; see `sklearn_ebm.backends.numpy.ascend`."""
    result = weights if result is None else result
    states = states._replace(left=in_rows(states.left), right=in_rows(states.right))
    number = weights.dtype.type
    numbers = number(states.rate), number(states.momentum), number(states.decay)
    few_on = has_few_on(states.left)
    tops = []

    def work(first, last):
        left = states.left[:, first:last]
        largest = np.zeros(LANES, weights.dtype)
        matrices = (array[first:last] for array in (weights, velocity, result))
        step = _step_by_sums if few_on else _step_by_blas
        step(*matrices, left, states, numbers, largest)
        tops.append(float(largest.max()))

    split_rows(work, weights.shape[0], SMALLEST_PART)
    return max(tops)


def _step_by_sums(weights, velocity, result, left, states, numbers, largest):
    entries = new_entries(*left.shape[::-1], weights.dtype)
    sides = *(any_layout(side) for side in (left, states.right)), read_only(states.share)
    weights, velocity, result = map(any_layout, (weights, velocity, result))
    ascend_rows(weights, velocity, sides, entries, numbers, result, largest)


def _step_by_blas(weights, velocity, result, left, states, numbers, largest):
    gradient = (left * states.share[:, None]).T @ states.right
    _move_rows(weights, velocity, gradient, numbers, result, largest)
