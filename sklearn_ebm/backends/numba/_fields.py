"""Fields from hidden to visible units, result = states @ weights', without the interpreter's lock.

A BLAS product acquires the interpreter's lock before and after, so that threads that compute many
short products for chains would wait for each other. Rows are short enough to need no packing: a
tile of sums remains in registers while a row of the weights is read.
"""

from llvmlite.binding import get_host_cpu_features
from numba.core import config
from numba.extending import overload

from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._rules import inner, routine
from sklearn_ebm.backends.numba._simd import (
    add,
    load,
    load_first,
    multiply,
    splat,
    store,
    total,
    totals,
)


def registers_hold(bits):
    """Return whether the vector registers of this processor have this width."""
    features = config.CPU_FEATURES
    if features is None:
        features = get_host_cpu_features().flatten()
    return bits <= (512 if "+avx512f" in features.split(",") else 256)


@inner
def _dot(left, i, right, j, zero):
    """Return the sum over k of left[i, k] right[j, k]."""
    n_columns = left.shape[1]
    sums = zero
    for k in range(0, n_columns, LANES):
        count = min(LANES, n_columns - k)
        product = multiply(load_first(left, (i, k), count), load_first(right, (j, k), count))
        sums = add(sums, product)
    return total(sums)


@routine
def _dots(left, right, result, rows, zero):
    """Compute all products of some rows with some others, one at a time."""
    first, last, begin, end = rows
    for n in range(first, last):
        for i in range(begin, end):
            result[n, i] = _dot(left, n, right, i, zero)


@inner
def _four_products(row, columns):
    a, b, c, d = columns
    return multiply(row, a), multiply(row, b), multiply(row, c), multiply(row, d)


@inner
def _add_four(sums, row, columns):
    a, b, c, d = _four_products(row, columns)
    return add(sums[0], a), add(sums[1], b), add(sums[2], c), add(sums[3], d)


@inner
def _wide_tile(states, n, weights, i, zero):
    """Compute 4 x 4 products, for registers that hold a whole vector."""
    n_columns = states.shape[1]
    p = q = r = s = (zero, zero, zero, zero)
    for k in range(0, n_columns // LANES * LANES, LANES):
        columns = (
            load(weights, (i, k)),
            load(weights, (i + 1, k)),
            load(weights, (i + 2, k)),
            load(weights, (i + 3, k)),
        )
        p = _add_four(p, load(states, (n, k)), columns)
        q = _add_four(q, load(states, (n + 1, k)), columns)
        r = _add_four(r, load(states, (n + 2, k)), columns)
        s = _add_four(s, load(states, (n + 3, k)), columns)
    rest = n_columns % LANES
    if rest > 0:
        k = n_columns - rest
        columns = (
            load_first(weights, (i, k), rest),
            load_first(weights, (i + 1, k), rest),
            load_first(weights, (i + 2, k), rest),
            load_first(weights, (i + 3, k), rest),
        )
        p = _add_four(p, load_first(states, (n, k), rest), columns)
        q = _add_four(q, load_first(states, (n + 1, k), rest), columns)
        r = _add_four(r, load_first(states, (n + 2, k), rest), columns)
        s = _add_four(s, load_first(states, (n + 3, k), rest), columns)
    return totals((*p, *q, *r, *s))


@routine
def _wide_fields(states, weights, result, lanes):
    n_rows, n_units = result.shape
    rows, units = n_rows // 4 * 4, n_units // 4 * 4
    zero = splat(lanes.dtype.type(0))
    for i in range(0, units, 4):
        for n in range(0, rows, 4):
            store(lanes, 0, _wide_tile(states, n, weights, i, zero))
            for row in range(4):
                for column in range(4):
                    result[n + row, i + column] = lanes[4 * row + column]
    _dots(states, weights, result, (0, rows, units, n_units), zero)
    _dots(states, weights, result, (rows, n_rows, 0, n_units), zero)


@routine
def _narrow_fields(states, weights, result, lanes):
    """Compute 2 x 2 products, for vectors that require several registers."""
    n_rows, n_units = result.shape
    n_columns = states.shape[1]
    rows, units = n_rows // 2 * 2, n_units // 2 * 2
    zero = splat(lanes.dtype.type(0))
    for i in range(0, units, 2):
        for n in range(0, rows, 2):
            a = b = c = d = zero
            for k in range(0, n_columns, LANES):
                count = min(LANES, n_columns - k)
                left = load_first(weights, (i, k), count)
                right = load_first(weights, (i + 1, k), count)
                state = load_first(states, (n, k), count)
                a, b = add(a, multiply(state, left)), add(b, multiply(state, right))
                state = load_first(states, (n + 1, k), count)
                c, d = add(c, multiply(state, left)), add(d, multiply(state, right))
            result[n, i], result[n, i + 1] = total(a), total(b)
            result[n + 1, i], result[n + 1, i + 1] = total(c), total(d)
    _dots(states, weights, result, (0, rows, units, n_units), zero)
    _dots(states, weights, result, (rows, n_rows, 0, n_units), zero)


def transposed_fields(states, weights, result, lanes):
    """Compute result = states @ weights.T; `lanes` is a buffer of LANES numbers."""


@overload(transposed_fields)
def _transposed_fields(states, weights, result, lanes):
    if registers_hold(LANES * lanes.dtype.bitwidth):
        return lambda states, weights, result, lanes: _wide_fields(states, weights, result, lanes)
    return lambda states, weights, result, lanes: _narrow_fields(states, weights, result, lanes)
