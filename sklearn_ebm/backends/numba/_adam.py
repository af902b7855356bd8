"""One Adam update of a parameter, in a single pass over its entries."""

import math

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._rules import kernel

SMALLEST_PIECE = 1 << 16  # entries, which take longer than the start of a thread


@kernel
def _adam_entries(parameter, gradient, first, second, rate, first_share, second_share, epsilon):
    for i in range(parameter.shape[0]):
        first[i] += first_share * (gradient[i] - first[i])
        second[i] += second_share * (gradient[i] * gradient[i] - second[i])
        parameter[i] -= rate * first[i] / (math.sqrt(second[i]) + epsilon)


def adam_step(parameter, gradient, first, second, rate, constants):
    """Fused update; see `sklearn_ebm.backends.numpy.adam_step`."""
    if not all(array.flags.c_contiguous for array in (parameter, first, second)):
        # flat arrays would be copies
        reference.adam_step(parameter, gradient, first, second, rate, constants)
        return
    first_decay, second_decay, epsilon = constants
    numbers = (rate, 1 - first_decay, 1 - second_decay, epsilon)
    numbers = [parameter.dtype.type(number) for number in numbers]
    flat = [array.reshape(-1) for array in (parameter, gradient, first, second)]

    def work(start, end):
        _adam_entries(*(entries[start:end] for entries in flat), *numbers)

    split_rows(work, parameter.size, SMALLEST_PIECE)
