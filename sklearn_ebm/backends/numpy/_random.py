"""Counter-based uniform and normal numbers; see `sklearn_ebm.backends._random`."""

import math

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._random import (
    GROUP,
    KEY_STEPS,
    LANES,
    LOW_BITS,
    MULTIPLIERS,
    ROUNDS,
    USED_BITS,
    WORDS,
)


def uniform(result, key):
    """Fill a matrix with numbers (2 n + 1) / 2**24 between zero and one, with 23 random bits n.

    Parameters
    ----------
    result : array of shape (n_rows, n_columns)
        Overwritten.
    key : Key
        Key of the draw.

    Returns
    -------
    result : array
    """
    xp = array_namespace(result)
    n_rows, n_columns = result.shape
    n_groups = -(-n_columns // GROUP)
    rows = key.first_row + xp.arange(n_rows, dtype=xp.int64)
    block = xp.arange(n_groups * LANES, dtype=xp.int64)
    shape = (n_rows, n_groups * LANES)
    counter = (
        xp.broadcast_to(xp.astype(block, xp.uint64)[None, :], shape),
        xp.broadcast_to(xp.astype(rows, xp.uint64)[:, None], shape),
        xp.full(shape, key.draw & LOW_BITS, dtype=xp.uint64),
        xp.full(shape, key.draw >> 32, dtype=xp.uint64),
    )
    words = xp.stack(
        [xp.reshape(word, (n_rows, n_groups, LANES)) for word in philox(counter, key.seed)], axis=2
    )
    words = xp.reshape(words, (n_rows, n_groups * WORDS * LANES))[:, :n_columns]
    steps = xp.astype(words >> (32 - USED_BITS), result.dtype)
    result[...] = (2 * steps + 1) * 2.0 ** -(USED_BITS + 1)
    return result


def philox(counter, seed):
    """Return the four words of the blocks with these counters (four arrays of words), as uint64."""
    xp = array_namespace(counter[0])
    low = xp.asarray(LOW_BITS, dtype=xp.uint64)
    first, second = (xp.asarray(number, dtype=xp.uint64) for number in MULTIPLIERS)
    c0, c1, c2, c3 = counter
    for turn in range(ROUNDS):
        keys = (
            xp.asarray((word + turn * step) & LOW_BITS, dtype=xp.uint64)
            for word, step in zip(seed, KEY_STEPS, strict=True)
        )
        left, right = c0 * first, c2 * second
        c0, c1 = (right >> 32) ^ c1 ^ next(keys), right & low
        c2, c3 = (left >> 32) ^ c3 ^ next(keys), left & low
    return c0, c1, c2, c3


def add_normal(mean, deviation, key, uniform=uniform):
    """Compute mean += deviation * standard normal numbers, by the Box-Muller transform.

    Parameters
    ----------
    mean : array of shape (n_rows, n_columns)
        Changed in place.
    deviation : array of shape (n_columns,)
        Standard deviations.
    key : Key
        Key of the draw.
    uniform : callable, default=the function of this module
        Fills a matrix with uniform numbers.

    Returns
    -------
    mean : array
    """
    xp = array_namespace(mean)
    n_columns = mean.shape[1]
    half = -(-n_columns // 2)
    pairs = uniform(xp.empty((mean.shape[0], 2 * half), dtype=mean.dtype), key)
    radius = xp.sqrt(-2 * xp.log(pairs[:, :half]))
    angle = 2 * math.pi * pairs[:, half:]
    mean[:, :half] += deviation[:half] * radius * xp.cos(angle)
    rest = n_columns - half
    mean[:, half:] += deviation[half:] * (radius * xp.sin(angle))[:, :rest]
    return mean
