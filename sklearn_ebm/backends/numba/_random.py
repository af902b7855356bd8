"""Counter-based random numbers, sixteen blocks at a time."""

import functools

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import GROUP, KEY_STEPS, LANES, LOW_BITS, MULTIPLIERS, ROUNDS
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import load_first, splat, store_first
from sklearn_ebm.backends.numba._simd_bits import (
    exclusive_or,
    unit_interval,
    wide_product,
    words_from,
)

SMALLEST_PIECE = 512
FIRST_MULTIPLIER, SECOND_MULTIPLIER = (np.uint64(number) for number in MULTIPLIERS)
FIRST_STEP, SECOND_STEP = (np.uint32(number) for number in KEY_STEPS)


def key_words(key):
    """Return the key as words for kernels: seed, draw, and first row."""
    numbers = (*key.seed, key.draw & LOW_BITS, key.draw >> 32)
    return tuple(np.uint32(number) for number in numbers), key.first_row


@inner
def draw_words(words, row, column):
    """Return four vectors of words for the columns from `column`, a multiple of `GROUP`."""
    key_0, key_1 = words[0], words[1]
    c0, c1 = words_from(np.uint32(column // 4)), splat(np.uint32(row))
    c2, c3 = splat(words[2]), splat(words[3])
    for _ in range(ROUNDS):
        upper_0, lower_0 = wide_product(c0, FIRST_MULTIPLIER)
        upper_1, lower_1 = wide_product(c2, SECOND_MULTIPLIER)
        c0, c1 = exclusive_or(exclusive_or(upper_1, c1), splat(key_0)), lower_1
        c2, c3 = exclusive_or(exclusive_or(upper_0, c3), splat(key_1)), lower_0
        key_0, key_1 = np.uint32(key_0 + FIRST_STEP), np.uint32(key_1 + SECOND_STEP)
    return c0, c1, c2, c3


@kernel
def _uniform_rows(result, words, first_row):
    n_rows, n_columns = result.shape
    for n in range(n_rows):
        for column in range(0, n_columns, GROUP):
            drawn = draw_words(words, first_row + n, column)
            for w in range(4):
                k = column + LANES * w
                count = min(LANES, n_columns - k)
                if count > 0:
                    like = load_first(result, (n, k), count)
                    store_first(result, (n, k), unit_interval(drawn[w], like), count)


def uniform(result, key):
    """Fused; see `sklearn_ebm.backends.numpy.uniform`."""

    def work(first, last):
        words, first_row = key_words(key.from_row(first))
        _uniform_rows(any_layout(result[first:last]), words, first_row)

    split_rows(work, result.shape[0], SMALLEST_PIECE)
    return result


# NumPy's vectorised logarithm, sine and cosine are faster than a kernel with scalar functions.
add_normal = functools.partial(reference.add_normal, uniform=uniform)
