"""Categorical units, one row after another; see `sklearn_ebm.backends.numpy`."""

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._random import uniform
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import LANES, add_scaled, load, load_first, store, store_first
from sklearn_ebm.backends.numba._simd_bits import exponential
from sklearn_ebm.backends.numba._support import padded

SMALLEST_PIECE = 64


@inner
def _subtract_largest(powers, begin, end):
    largest = powers[begin]
    for k in range(begin + 1, end):
        largest = max(largest, powers[k])
    for k in range(begin, end):
        powers[k] -= largest


@inner
def _choose(powers, begin, end, number):
    """Return the first column whose cumulative probability exceeds a uniform number."""
    total = powers[begin]
    for k in range(begin + 1, end):
        total += powers[k]
        powers[k] = total
    limit, chosen = number * total, begin
    for k in range(begin, end - 1):
        chosen += powers[k] <= limit
    return chosen


@kernel
def _sample_rows(field, bias, scale, starts, numbers, powers):
    """Sample the units; `powers` is a buffer for a row, with zeros up to whole vectors."""
    n_columns, n_features = field.shape[1], numbers.shape[1]
    one = powers.dtype.type(1)
    for n in range(field.shape[0]):
        for k in range(0, n_columns, LANES):
            count = min(LANES, n_columns - k)
            logit = add_scaled(load_first(bias, k, count), scale, load_first(field, (n, k), count))
            store_first(powers, k, logit, count)
        for f in range(n_features):
            _subtract_largest(powers, starts[f], starts[f + 1])
        for k in range(0, n_columns, LANES):
            store(powers, k, exponential(load(powers, k)))
        for k in range(n_columns):
            field[n, k] = 0
        for f in range(n_features):
            field[n, _choose(powers, starts[f], starts[f + 1], numbers[n, f])] = one


def categorical_sample(field, bias, scale, key, categories):
    """Fused; see `sklearn_ebm.backends.numpy.categorical_sample`."""
    n_rows, n_columns = field.shape
    dtype, rows, bias = field.dtype, any_layout(field), read_only(bias)
    starts = read_only(np.append(categories.starts, n_columns))
    numbers = uniform(np.empty((n_rows, len(starts) - 1), dtype), key)

    def work(first, last):
        powers = np.zeros(padded(n_columns), dtype)
        own = rows[first:last], bias, dtype.type(scale), starts, numbers[first:last], powers
        _sample_rows(*own)

    split_rows(work, n_rows, SMALLEST_PIECE)
    return field
