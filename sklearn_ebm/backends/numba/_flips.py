"""Changes of sums over hidden units for all flips; see `sklearn_ebm.backends.numpy`.

Threads share pieces of the visible units: the factors of a unit stay in the cache while a kernel
goes through the rows. The bounds of the pieces do not depend on the number of threads, and neither
do the results.
"""

import math

import numpy as np

from sklearn_ebm.backends._namespace import new_matrix, read_only
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    add,
    add_scaled,
    divide,
    load_first,
    multiply,
    splat,
    store,
    store_first,
    subtract,
)
from sklearn_ebm.backends.numba._support import in_rows
from sklearn_ebm.backends.numpy._flips import LARGEST_LOGIT

PIECE = 32  # visible units of a thread at a time
MOST_ROWS = 256  # rows at a time, which limits the memory for the sums of all pieces
LARGEST_LOG = 700.0  # of a product in double precision


@inner
def _sums_of_states(factors, factor, absent, n, i, k, count):
    """Return exp(f) after the flip and the sum over both states, divided by 1 + exp(f) before.

    Lanes beyond the last unit have the sum one.
    """
    on, off = factors
    flipped = multiply(load_first(on, (n, k), count), load_first(factor, (i, k), count))
    both = add(load_first(off, (n, k), count), flipped)
    if count < LANES:
        both = add(both, load_first(absent, 0, LANES))
    return flipped, both


@inner
def _log_of_product(lanes, size):
    """Return the sum of the logarithms of all lanes, whose magnitude is at most `size`."""
    logs, product, used = 0.0, 1.0, 0.0
    for lane in range(LANES):
        used += size
        if used > LARGEST_LOG:
            logs += math.log(product)
            product, used = 1.0, size
        product *= lanes[lane]
    return logs + math.log(product)


@inner
def _sum_of_logs(factors, factor, top, steps, absent, lanes, n, i):
    """Return the sum over hidden units, with a logarithm for each product of `steps` vectors."""
    n_hidden, logs, k = factors[0].shape[1], 0.0, 0
    while k < n_hidden:
        n_steps, product = 0, splat(lanes.dtype.type(1))
        while k < n_hidden and n_steps < steps:
            count = min(LANES, n_hidden - k)
            _, both = _sums_of_states(factors, factor, absent, n, i, k, count)
            product = multiply(product, both)
            n_steps += 1
            k += LANES
        store(lanes, 0, product)
        logs += _log_of_product(lanes, n_steps * top)
    return logs


@kernel
def _sum_flips(states, factors, rise, fall, tops, largest, absent, lanes, sums):
    """Write the sums of some visible units."""
    for i in range(sums.shape[1]):
        steps = max(1, int(largest / max(tops[i], largest / (factors[0].shape[1] + 1))))
        for n in range(states.shape[0]):
            if states[n, i] > 0.5:
                total = _sum_of_logs(factors, fall, tops[i], steps, absent, lanes, n, i)
            else:
                total = _sum_of_logs(factors, rise, tops[i], steps, absent, lanes, n, i)
            sums[n, i] = total


@inner
def _add_slopes(factors, factor, share, direction, absent, slopes, field_slopes, n, i):
    """Add the gradients of the flip of one unit in one row."""
    n_hidden = slopes.shape[1]
    for k in range(0, n_hidden, LANES):
        count = min(LANES, n_hidden - k)
        flipped, both = _sums_of_states(factors, factor, absent, n, i, k, count)
        flipped = divide(flipped, both)
        slope = add_scaled(load_first(slopes, (i, k), count), direction, flipped)
        store_first(slopes, (i, k), slope, count)
        change = subtract(flipped, load_first(factors[0], (n, k), count))
        slope = add_scaled(load_first(field_slopes, (n, k), count), share, change)
        store_first(field_slopes, (n, k), slope, count)


@kernel
def _slope_flips(states, factors, rise, fall, share, absent, slopes, field_slopes):
    """Add the gradients of some visible units; flips without a share cost nothing."""
    for i in range(slopes.shape[0]):
        for n in range(states.shape[0]):
            own = share[n, i]
            if own == 0:
                continue
            if states[n, i] > 0.5:
                _add_slopes(factors, fall, own, -own, absent, slopes, field_slopes, n, i)
            else:
                _add_slopes(factors, rise, own, own, absent, slopes, field_slopes, n, i)


def flip_sums(states, factors):
    """Fused; see `sklearn_ebm.backends.numpy.flip_sums`."""
    sums = np.empty(states.shape, states.dtype)
    states, factors = any_layout(in_rows(states)), _layouts(factors)
    largest, absent = LARGEST_LOGIT[states.dtype.itemsize], _absent(factors.on)
    hidden, tops = (factors.on, factors.off), read_only(factors.tops)

    def work(first, last):
        lanes, units = np.empty(LANES, states.dtype), slice(first, last)
        _sum_flips(
            states[:, units], hidden, factors.rise[units], factors.fall[units], tops[units],
            largest, absent, lanes, any_layout(sums[:, units]),
        )  # fmt: skip

    split_rows(work, states.shape[1], PIECE)
    return sums


def flip_slopes(states, factors, share, slopes, field_slopes):
    """Fused; see `sklearn_ebm.backends.numpy.flip_slopes`."""
    n_visible, like = states.shape[1], factors.on
    slopes[...] = field_slopes[...] = 0
    states, share = (any_layout(in_rows(array)) for array in (states, share))
    factors, moved = _layouts(factors), any_layout(slopes)
    absent, n_pieces = _absent(factors.on), -(-n_visible // PIECE)

    def add_rows(rows):
        hidden = factors.on[rows], factors.off[rows]
        sums = [None] * n_pieces

        def work(first, last):
            for piece in range(first, last):
                units = slice(PIECE * piece, min(n_visible, PIECE * (piece + 1)))
                sums[piece] = own = new_matrix(hidden[0].shape, like)
                own[...] = 0
                _slope_flips(
                    states[rows, units], hidden, factors.rise[units], factors.fall[units],
                    share[rows, units], absent, moved[units], any_layout(own),
                )  # fmt: skip

        split_rows(work, n_pieces, 1)
        for own in sums:
            field_slopes[rows] += own

    for first in range(0, states.shape[0], MOST_ROWS):
        add_rows(slice(first, first + MOST_ROWS))


def _layouts(factors):
    """Return the factors as arguments of kernels."""
    matrices = (any_layout(in_rows(matrix)) for matrix in factors[:-1])
    return type(factors)(*matrices, factors.tops)


def _absent(on):
    """Return ones for the lanes of the last vector beyond the last hidden unit, else zeros."""
    return read_only((np.arange(LANES) >= (on.shape[1] - 1) % LANES + 1).astype(on.dtype))
