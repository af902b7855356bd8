"""Element-wise halves of the encoders; see `sklearn_ebm.backends.numpy` for each.

Shrinkage and smooth shrinkage are one fused pass each. Where a hyperbolic tangent takes the time,
NumPy's vectorised function is several times as fast as a kernel that calls the scalar one, so the
reference itself runs here, on a piece of the rows in each thread.
"""

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._rules import kernel
from sklearn_ebm.backends.numba._simd import (
    add,
    divide,
    larger,
    load_first,
    magnitude,
    multiply,
    store_first,
    subtract,
    where_larger,
)
from sklearn_ebm.backends.numba._simd_bits import exponential, log_of_one_plus

SMALLEST_PIECE = 512


@kernel
def _shrink_rows(preactivation, bias, threshold):
    for i in range(preactivation.shape[0]):
        for k in range(preactivation.shape[1]):
            value = preactivation[i, k] + bias[k]
            preactivation[i, k] = value - min(max(value, -threshold[k]), threshold[k])


@kernel
def _smooth_shrink_rows(preactivation, bias, slope, location):
    n_components = preactivation.shape[1]
    for n in range(preactivation.shape[0]):
        for k in range(0, n_components, LANES):
            count = min(LANES, n_components - k)
            s, b = load_first(slope, k, count), load_first(location, k, count)
            u = add(load_first(preactivation, (n, k), count), load_first(bias, k, count))
            size, zero = magnitude(u), subtract(u, u)
            m = larger(size, b)
            near = exponential(multiply(s, subtract(zero, magnitude(subtract(size, b)))))
            excess = subtract(near, exponential(multiply(s, subtract(zero, m))))
            shrunk = add(subtract(m, b), divide(log_of_one_plus(excess), s))
            signed = where_larger(zero, u, subtract(zero, shrunk), shrunk)
            store_first(preactivation, (n, k), signed, count)


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
smooth_shrink_preactivation = _in_pieces(_smooth_shrink_rows)
