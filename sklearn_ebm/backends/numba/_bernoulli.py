"""Binary units, in a single pass each; see `sklearn_ebm.backends.numpy`."""

import math

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends._random import GROUP, LANES
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._random import draw_words, key_words
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    add,
    add_scaled,
    divide,
    larger,
    load_first,
    magnitude,
    multiply,
    splat,
    store,
    store_first,
    subtract,
    total,
    where_larger,
)
from sklearn_ebm.backends.numba._simd_bits import exponential, unit_interval
from sklearn_ebm.backends.numba._support import in_rows

SMALLEST_PIECE = 128
FACTORS = 64  # of a product of numbers up to two, which does not overflow in any dtype


@inner
def _odds_against(field, bias, scale, n, k, count):
    """Return exp(-logit) of sixteen units."""
    logit = add_scaled(load_first(bias, k, count), scale, load_first(field, (n, k), count))
    return exponential(subtract(subtract(logit, logit), logit))


@kernel
def mean_rows(field, bias, scale, one):
    n_units = field.shape[1]
    for n in range(field.shape[0]):
        for k in range(0, n_units, LANES):
            count = min(LANES, n_units - k)
            odds = _odds_against(field, bias, scale, n, k, count)
            store_first(field, (n, k), divide(splat(one), add(splat(one), odds)), count)


@kernel
def sample_rows(field, bias, scale, one, words, first_row, mean):
    """Sample the units; `mean` has no rows if it is not needed."""
    n_units = field.shape[1]
    for n in range(field.shape[0]):
        for column in range(0, n_units, GROUP):
            drawn = draw_words(words, first_row + n, column)
            for w in range(4):
                k = column + LANES * w
                count = min(LANES, n_units - k)
                if count <= 0:
                    break
                all_odds = add(splat(one), _odds_against(field, bias, scale, n, k, count))
                if mean.shape[0] > 0:
                    store_first(mean, (n, k), divide(splat(one), all_odds), count)
                share = multiply(unit_interval(drawn[w], all_odds), all_odds)
                zero = subtract(share, share)
                on = where_larger(splat(one), share, splat(one), zero)
                store_first(field, (n, k), on, count)


@kernel
def _softplus_rows(field, bias, scale, lanes, result):
    """Sum log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), with one logarithm for many factors."""
    n_units = field.shape[1]
    one, log_2 = lanes.dtype.type(1), math.log(2)
    for n in range(field.shape[0]):
        positive = splat(scale - scale)
        logs = 0.0
        for block in range(0, n_units, LANES * FACTORS):
            product = splat(one)
            for k in range(block, min(block + LANES * FACTORS, n_units), LANES):
                count = min(LANES, n_units - k)
                logit = add_scaled(load_first(bias, k, count), scale,
                                   load_first(field, (n, k), count))  # fmt: skip
                zero = subtract(logit, logit)
                positive = add(positive, larger(logit, zero))
                rest = exponential(subtract(zero, magnitude(logit)))
                product = multiply(product, add(splat(one), rest))
            store(lanes, 0, product)
            for lane in range(LANES):
                logs += math.log(lanes[lane])
        beyond = -n_units % LANES  # unused lanes, with a logit of zero
        result[n] = total(positive) + (logs - beyond * log_2)


def bernoulli_mean(field, bias, scale=1.0):
    """Fused; see `sklearn_ebm.backends.numpy.bernoulli_mean`."""
    number, rows, bias = field.dtype.type, any_layout(field), read_only(bias)

    def work(first, last):
        mean_rows(rows[first:last], bias, number(scale), number(1))

    split_rows(work, field.shape[0], SMALLEST_PIECE)
    return field


def bernoulli_sample(field, bias, scale, key, mean=None):
    """Fused; see `sklearn_ebm.backends.numpy.bernoulli_sample`."""
    number, bias = field.dtype.type, read_only(bias)
    wanted, rows = any_layout(field[:0] if mean is None else mean), any_layout(field)

    def work(first, last):
        words, first_row = key_words(key.from_row(first))
        numbers = number(scale), number(1)
        sample_rows(rows[first:last], bias, *numbers, words, first_row, wanted[first:last])

    split_rows(work, field.shape[0], SMALLEST_PIECE)
    return field


def softplus_sums(field, bias, scale=1.0):
    """Fused; see `sklearn_ebm.backends.numpy.softplus_sums`."""
    sums = np.empty(field.shape[0], field.dtype)
    field, bias = any_layout(in_rows(field)), read_only(bias)

    def work(first, last):
        lanes = np.empty(LANES, field.dtype)
        _softplus_rows(field[first:last], bias, field.dtype.type(scale), lanes, sums[first:last])

    split_rows(work, field.shape[0], SMALLEST_PIECE)
    return sums
