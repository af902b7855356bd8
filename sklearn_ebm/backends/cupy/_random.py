"""Counter-based random numbers; each thread computes one block of the counter."""

import functools

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import GROUP, LANES, LOW_BITS
from sklearn_ebm.backends.cupy import _launch

WORD = np.uint32
KEY = np.dtype([("seed", WORD, (2,)), ("draw", WORD, (2,)), ("first_row", WORD)])


def key_struct(key):
    """Return the key as the structure of the same name, to be passed by value."""
    draw = key.draw & LOW_BITS, key.draw >> 32
    return np.array([(key.seed, draw, key.first_row)], dtype=KEY)


def n_random_threads(n_columns):
    """Return the number of threads of a block that draws a row; each computes four words."""
    return _launch.n_threads(-(-n_columns // GROUP) * LANES)


def uniform(result, key):
    """Fused; see `sklearn_ebm.backends.numpy.uniform`."""
    if not _launch.fusible(result):
        return reference.uniform(result, key)
    n_rows, n_columns = result.shape
    _launch.launch(
        "units",
        "uniform_numbers",
        (n_rows, n_random_threads(n_columns)),
        (result, key_struct(key), np.uint32(n_columns)),
    )
    return result


add_normal = functools.partial(reference.add_normal, uniform=uniform)
