"""A sweep over binary units that updates the fields of the units that follow.

See `sklearn_ebm.backends.numpy.ising_sweep`.
"""

import math

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._random import uniform
from sklearn_ebm.backends.numba._rules import kernel
from sklearn_ebm.backends.numpy._bernoulli import LARGEST_EXPONENT

SMALLEST_PIECE = 16


@kernel
def _sweep_rows(states, field, drawn, couplings, one, largest):
    """Flips are rare in later sweeps, so that most units cost O(1) instead of O(n_units)."""
    n_units = states.shape[1]
    for n in range(states.shape[0]):
        for i in range(n_units):
            exponent = min(max(-field[n, i], -largest), largest)
            on = one if drawn[n, i] * (one + math.exp(exponent)) < one else one - one
            change = on - states[n, i]
            if change != 0:
                states[n, i] = on
                for k in range(i + 1, n_units):
                    field[n, k] += change * couplings[i, k]


def ising_sweep(states, couplings, bias, key):
    """Fused; see `sklearn_ebm.backends.numpy.ising_sweep`."""
    number = states.dtype.type
    drawn = uniform(np.empty(states.shape, states.dtype), key)
    field = states @ couplings
    field += bias
    rows, couplings = any_layout(states), read_only(np.ascontiguousarray(couplings))
    largest = number(LARGEST_EXPONENT[states.dtype.itemsize])

    def work(first, last):
        own = [array[first:last] for array in (rows, field, drawn)]
        _sweep_rows(*own, couplings, number(1), largest)

    split_rows(work, states.shape[0], SMALLEST_PIECE)
    return states
