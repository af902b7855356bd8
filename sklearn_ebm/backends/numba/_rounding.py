"""Upper bounds of gaps that were computed in single precision, or whose codes were rounded."""

import math

import numpy as np
from numba import njit

from sklearn_ebm.backends.numba._kernel_cache import cached_on_disk
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._rules import OPTIONS_WITH_NAN

SMALLEST_PIECE = 512


def gap_with_rounding(code, gap, unit, roundings, largest_atom, dual_norm):
    """Fused; see `sklearn_ebm.backends.numpy.gap_with_rounding`."""
    result = np.empty(code.shape[0], code.dtype)
    error = roundings * largest_atom

    def work(first, last):
        _bound_rows(code, gap, unit, error, largest_atom, dual_norm, result, first, last)

    split_rows(work, code.shape[0], SMALLEST_PIECE)
    return result


@cached_on_disk
@njit(**OPTIONS_WITH_NAN)  # a gap may be NaN, and must remain NaN
def _bound_rows(code, gap, unit, error, largest_atom, dual_norm, result, first, last):
    for i in range(first, last):
        total = code[i, 0] - code[i, 0]
        for k in range(code.shape[1]):
            total += abs(code[i, k])
        size, half_norm = np.float64(total), np.float64(unit[i])
        delta = error * (math.sqrt(2 * half_norm) + largest_atom * size)
        root = math.sqrt(abs(np.float64(gap[i]))) + delta * dual_norm
        result[i] = root * root + 2 * delta * size / half_norm
