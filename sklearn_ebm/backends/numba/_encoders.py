"""Element-wise halves of the encoders, in one pass; see `sklearn_ebm.backends.numpy` for each."""

import math

from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._rules import kernel

SMALLEST_PIECE = 512


@kernel
def _shrink_rows(preactivation, bias, threshold, first, last):
    for i in range(first, last):
        for k in range(preactivation.shape[1]):
            value = preactivation[i, k] + bias[k]
            preactivation[i, k] = value - min(max(value, -threshold[k]), threshold[k])


@kernel
def _tanh_rows(preactivation, bias, gain, first, last):
    for i in range(first, last):
        for k in range(preactivation.shape[1]):
            preactivation[i, k] = gain[k] * math.tanh(preactivation[i, k] + bias[k])


@kernel
def _smooth_shrink_rows(preactivation, bias, slope, location, first, last):
    for i in range(first, last):
        for k in range(preactivation.shape[1]):
            value = preactivation[i, k] + bias[k]
            size = abs(value)
            larger = max(size, location[k])
            near = math.exp(-slope[k] * abs(size - location[k]))
            excess = math.log1p(near - math.exp(-slope[k] * larger)) / slope[k]
            preactivation[i, k] = math.copysign(larger + excess - location[k], value)


def _fused(rows):
    def activation(preactivation, *parameters):
        split_rows(
            lambda first, last: rows(preactivation, *parameters, first, last),
            preactivation.shape[0],
            SMALLEST_PIECE,
        )
        return preactivation

    return activation


shrink_preactivation = _fused(_shrink_rows)
tanh_preactivation = _fused(_tanh_rows)
smooth_shrink_preactivation = _fused(_smooth_shrink_rows)
