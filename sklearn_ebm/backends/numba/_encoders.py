"""Element-wise halves of the encoders; see `sklearn_ebm.backends.numpy` for each.

Shrinkage is one fused pass. Where an exponential or a hyperbolic tangent takes the time, NumPy's
vectorised functions are several times as fast as a kernel that calls the scalar ones, so the
reference itself runs here, on a piece of the rows in each thread.
"""

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._rules import kernel

SMALLEST_PIECE = 512


@kernel
def _shrink_rows(preactivation, bias, threshold):
    for i in range(preactivation.shape[0]):
        for k in range(preactivation.shape[1]):
            value = preactivation[i, k] + bias[k]
            preactivation[i, k] = value - min(max(value, -threshold[k]), threshold[k])


def _in_pieces(activate):
    def activation(preactivation, *parameters):
        split_rows(
            lambda first, last: activate(preactivation[first:last], *parameters),
            preactivation.shape[0],
            SMALLEST_PIECE,
        )
        return preactivation

    return activation


shrink_preactivation = _in_pieces(_shrink_rows)
tanh_preactivation = _in_pieces(reference.tanh_preactivation)
smooth_shrink_preactivation = _in_pieces(reference.smooth_shrink_preactivation)
