"""One step of Gibbs sampling between layers of binary units, in one call."""

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._bernoulli import sample_rows
from sklearn_ebm.backends.numba._entries import new_entries, project_rows
from sklearn_ebm.backends.numba._fields import transposed_fields
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._random import key_words
from sklearn_ebm.backends.numba._rules import kernel
from sklearn_ebm.backends.numba._support import in_rows

SMALLEST_PIECE = 32


@kernel
def _step_rows(hidden, visible, mean, weights, biases, words, first_row, lanes, entries):
    one = lanes.dtype.type(1)
    transposed_fields(hidden, weights, visible, lanes)
    sample_rows(visible, biases[0], one, one, words[0], first_row, visible[:0])
    project_rows(visible, weights, entries, hidden)
    sample_rows(hidden, biases[1], one, one, words[1], first_row, mean)


def gibbs_step(hidden, visible, weights, biases, keys, mean=None):
    """Fused; see `sklearn_ebm.backends.numpy.gibbs_step`."""
    mean = hidden[:0] if mean is None else mean
    states = [any_layout(array) for array in (hidden, visible, mean)]
    inputs = read_only(in_rows(weights)), tuple(map(read_only, biases))

    def work(first, last):
        words, first_row = key_words(keys[0].from_row(first))
        both = words, key_words(keys[1])[0]
        own = [array[first:last] for array in states]
        lanes, entries = np.empty(LANES, weights.dtype), new_entries(*own[1].shape, weights.dtype)
        _step_rows(*own, *inputs, both, first_row, lanes, entries)

    split_rows(work, hidden.shape[0], SMALLEST_PIECE)
    return visible
