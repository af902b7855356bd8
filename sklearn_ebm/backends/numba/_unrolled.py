"""The steps of unrolled inference, row by row; see `sklearn_ebm.backends.numpy`.

Codes of a trained network are mostly zero, so a step sums the rows of S of non-zero codes. If many
codes are non-zero, as in an untrained network, BLAS computes the product.
"""

import numpy as np

from sklearn_ebm.backends._namespace import new_array, read_only
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._rules import inner, kernel, shrink
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    lanes_that_are_on,
    larger,
    largest_lane,
    load,
    lowest_bit,
    magnitude,
    multiply,
    smaller,
    splat,
    store,
    subtract,
    total,
    where_larger,
)
from sklearn_ebm.backends.numba._support import add_rows, has_few_on

SMALLEST_PIECE = 64
EVERY_LANE = np.uint64(2**LANES - 1)


@inner
def _shrink(value, threshold):
    return value - min(max(value, -threshold), threshold)


@inner
def shrink_row(code, rule):
    """Apply a rule with a weight for each component to a row, in place."""
    whole = code.shape[0] // LANES * LANES
    for k in range(0, whole, LANES):
        store(code, k, shrink(rule, load(code, k), k))
    for k in range(whole, code.shape[0]):
        code[k] = shrink(rule, code[k], k)


@inner
def find_support(values, support, weights):
    """Find indices and values of the non-zeros, by the bits of whole vectors."""
    size = 0
    whole = values.shape[0] // LANES * LANES
    for first in range(0, whole, LANES):
        bits = lanes_that_are_on(load(values, first))
        while bits != 0:
            k = first + lowest_bit(bits)
            support[size] = k
            weights[size] = values[k]
            size += 1
            bits &= bits - np.uint64(1)
    for k in range(whole, values.shape[0]):
        support[size] = k
        weights[size] = values[k]
        size += values[k] != 0
    return size


@kernel
def _sparse_rows(before, base, lateral, rule, code, support, weights, first, last):
    one = weights.dtype.type(1)
    for n in range(first, last):
        size = find_support(before[n], support, weights)
        row = code[n]
        for k in range(row.shape[0]):
            row[k] = base[n, k]
        add_rows(row, lateral, support, weights, one, size)
        shrink_row(row, rule)


@kernel
def _dense_rows(base, rule, code, first, last):
    for n in range(first, last):
        for k in range(code.shape[1]):
            code[n, k] = shrink(rule, code[n, k] + base[n, k], k)


def unrolled_step(before, base, lateral, rule, code):
    """Sum rows of S if few components are on; otherwise use BLAS and a single pass."""
    rule = type(rule)(code.dtype.type(rule.threshold), rule.weights)
    if before is None:
        code[...] = 0
    elif has_few_on(before):
        return _sparse_step(before, base, lateral, rule, code)
    else:
        np.matmul(before, lateral, out=code)
    split_rows(
        lambda first, last: _dense_rows(base, rule, code, first, last),
        code.shape[0],
        SMALLEST_PIECE,
    )
    return code


def _sparse_step(before, base, lateral, rule, code):
    def work(first, last):
        support = np.empty(code.shape[1] + 1, np.uintp)
        weights = np.empty(code.shape[1] + 1, code.dtype)
        _sparse_rows(before, base, lateral, rule, code, support, weights, first, last)

    split_rows(work, code.shape[0], SMALLEST_PIECE)
    return code


@kernel
def _step_backward_rows(code, gradient, base_gradient, threshold_gradient):
    for n in range(code.shape[0]):
        for k in range(code.shape[1]):
            slope = gradient[n, k] if code[n, k] != 0 else gradient[n, k] - gradient[n, k]
            gradient[n, k] = slope
            base_gradient[n, k] += slope
            threshold_gradient[k] -= slope if code[n, k] > 0 else -slope


def unrolled_step_backward(code, gradient, base_gradient, threshold_gradient):
    """Compute in a single pass; rows are not split, since all add to one gradient of thresholds."""
    _step_backward_rows(code, gradient, base_gradient, threshold_gradient)
    return gradient


@inner
def _move_and_search(state, lateral, threshold, lowest, reached, atom, change, lanes):
    """Compute b += change * S_atom, and the component with the largest change in each lane.

    `lowest` is -threshold, since loading it is faster than negating the threshold.
    """
    number = state.dtype.type
    strength, candidate = lanes
    best, place = splat(number(-1)), splat(number(0))
    here, further = place, splat(number(LANES))
    whole = state.shape[0] // LANES * LANES
    for j in range(0, whole, LANES):
        moved = add_scaled(load(state, j), change, load(lateral, (atom, j)))
        store(state, j, moved)
        clipped = smaller(larger(moved, load(lowest, j)), load(threshold, j))
        distance = magnitude(subtract(subtract(moved, clipped), load(reached, j)))
        place = where_larger(distance, best, here, place)
        best = larger(distance, best)
        here = add(here, further)
    store(strength, 0, best)
    store(candidate, 0, place)
    for j in range(whole, state.shape[0]):
        state[j] += change * lateral[atom, j]
        distance = abs(_shrink(state[j], threshold[j]) - reached[j])
        lane = j - whole
        if distance > strength[lane]:
            strength[lane] = distance
            candidate[lane] = whole


@inner
def _farthest(lanes):
    """Return the first of the components with the largest distance."""
    strength, candidate = lanes
    best = load(strength, 0)
    behind = lanes_that_are_on(subtract(best, splat(largest_lane(best))))
    ahead = EVERY_LANE & ~behind
    lane = lowest_bit(ahead)
    farthest = np.intp(candidate[lane]) + np.intp(lane)
    ahead &= ahead - np.uint64(1)
    while ahead != 0:  # ties, mainly between identical atoms
        lane = lowest_bit(ahead)
        farthest = min(farthest, np.intp(candidate[lane]) + np.intp(lane))
        ahead &= ahead - np.uint64(1)
    return farthest


@inner
def _greedy_step(row, problem, reached, lanes, atom, moved, taken, step):
    """Finish the previous step, which changed `atom` by `moved`, and return the next one."""
    lateral, threshold, lowest = problem
    chosen, change, sign = taken
    _move_and_search(row, lateral, threshold, lowest, reached, atom, moved, lanes)
    atom = _farthest(lanes)
    value = _shrink(row[atom], threshold[atom])
    moved = value - reached[atom]
    reached[atom] = value
    number = threshold.dtype.type
    chosen[step] = atom
    change[step] = moved
    sign[step] = number(value > 0) - number(value < 0)
    return atom, moved


@inner
def _finish(row, problem, atom, moved, code):
    lateral, threshold, lowest = problem
    whole = row.shape[0] // LANES * LANES
    for k in range(0, whole, LANES):
        value = add_scaled(load(row, k), moved, load(lateral, (atom, k)))
        store(row, k, value)
        clipped = smaller(larger(value, load(lowest, k)), load(threshold, k))
        store(code, k, subtract(value, clipped))
    for k in range(whole, row.shape[0]):
        row[k] += moved * lateral[atom, k]
        code[k] = _shrink(row[k], threshold[k])


@inner
def _clear(values):
    for k in range(values.shape[0]):
        values[k] = 0


@kernel
def _greedy_rows(state, problem, code, taken, reached, lanes, first, last):
    """Process two samples alternately, which hides the latency of each."""
    chosen, change, sign = taken
    nothing = problem[1].dtype.type(0)
    for n in range(first, last, 2):
        m = min(n + 1, last - 1)
        left, right = (chosen[n], change[n], sign[n]), (chosen[m], change[m], sign[m])
        _clear(reached[0])
        _clear(reached[1])
        atom, moved, other, other_moved = np.intp(0), nothing, np.intp(0), nothing
        for step in range(chosen.shape[1]):
            atom, moved = _greedy_step(
                state[n], problem, reached[0], (lanes[0], lanes[1]), atom, moved, left, step
            )
            if m > n:
                other, other_moved = _greedy_step(
                    state[m], problem, reached[1], (lanes[2], lanes[3]), other, other_moved,
                    right, step,
                )  # fmt: skip
        _finish(state[n], problem, atom, moved, code[n])
        if m > n:
            _finish(state[m], problem, other, other_moved, code[m])


def greedy_steps(state, lateral, threshold, code, chosen, change, sign):
    """Make all steps of a pair of samples at a time; their states fit into a core's cache."""
    negative = np.negative(threshold, out=new_array(threshold.shape, code))
    problem = read_only(lateral), read_only(threshold), negative

    def work(first, last):
        reached, lanes = new_array((2, code.shape[1]), code), new_array((4, LANES), code)
        _greedy_rows(state, problem, code, (chosen, change, sign), reached, lanes, first, last)

    split_rows(work, code.shape[0], SMALLEST_PIECE)
    return state


@inner
def _slope_along(slope, lateral, lateral_gradient, atom, change):
    """Return g . S_k, and add change * g to the gradient of S_k."""
    number = slope.dtype.type
    whole = slope.shape[0] // LANES * LANES
    lanes = splat(number(0))
    for j in range(0, whole, LANES):
        part = load(slope, j)
        lanes = add(lanes, multiply(part, load(lateral, (atom, j))))
        grown = add_scaled(load(lateral_gradient, (atom, j)), change, part)
        store(lateral_gradient, (atom, j), grown)
    result = total(lanes)
    for j in range(whole, slope.shape[0]):
        result += slope[j] * lateral[atom, j]
        lateral_gradient[atom, j] += change * slope[j]
    return result


@kernel
def _greedy_rows_backward(
    gradient, lateral, chosen, change, sign, lateral_gradient, threshold_gradient, owed
):
    number = threshold_gradient.dtype.type
    for n in range(gradient.shape[0]):
        slope = gradient[n]
        for step in range(chosen.shape[1] - 1, -1, -1):
            k = chosen[n, step]
            by_change = _slope_along(slope, lateral, lateral_gradient, k, change[n, step])
            by_value = owed[k] + by_change
            owed[k] = -by_change
            slope[k] += by_value * sign[n, step] * sign[n, step]
            threshold_gradient[k] -= by_value * sign[n, step]
        for step in range(chosen.shape[1]):
            owed[chosen[n, step]] = number(0)


def greedy_steps_backward(
    gradient, lateral, code, chosen, change, sign, lateral_gradient, threshold_gradient
):
    """Process one sample at a time; rows are not split, since all add to the same sums."""
    unrolled_step_backward(code, gradient, np.zeros_like(code), threshold_gradient)
    owed = np.zeros_like(threshold_gradient)
    _greedy_rows_backward(
        gradient, lateral, chosen, change, sign, lateral_gradient, threshold_gradient, owed
    )
    return gradient
