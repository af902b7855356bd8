"""Elementwise parts of the encoders; see `sklearn_ebm.backends.numpy`.

Shrinkage and smooth shrinkage are fused into a single pass each way. For the hyperbolic tangent,
NumPy's vectorised function is several times as fast as a kernel that calls the scalar function, so
the reference is used, with one piece of the rows per thread.
"""

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._launcher import map_pieces, split_rows
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    add,
    divide,
    larger,
    load_first,
    magnitude,
    multiply,
    splat,
    store_first,
    subtract,
    where_larger,
)
from sklearn_ebm.backends.numba._simd_bits import exponential, log_of_one_plus
from sklearn_ebm.backends.numba._support import in_rows

SMALLEST_PIECE = 512
ROWS_APART = 2048  # rows that are summed together, for any number of threads


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


@inner
def _add_to_sums(sums, row, k, lanes, count):
    store_first(sums, (row, k), add(load_first(sums, (row, k), count), lanes), count)


@kernel
def _shrink_rows_backward(product, code, gradient, parameters, result, sums):
    n_components = code.shape[1]
    zero = splat(sums.dtype.type(0))
    for n in range(code.shape[0]):
        for k in range(0, n_components, LANES):
            count = min(LANES, n_components - k)
            z, g = load_first(code, (n, k), count), load_first(gradient, (n, k), count)
            above, below = where_larger(z, zero, g, zero), where_larger(zero, z, g, zero)
            slope = add(above, below)
            store_first(result, (n, k), slope, count)
            _add_to_sums(sums, 0, k, slope, count)
            _add_to_sums(sums, 1, k, subtract(below, above), count)


@kernel
def _smooth_shrink_rows_backward(product, code, gradient, parameters, result, sums):
    """Differentiate, with s |u| - log T = s (|u| - |z| - b) and s b - log T = -s |z|."""
    bias, slope, location = parameters
    n_components = code.shape[1]
    zero, one = splat(sums.dtype.type(0)), splat(sums.dtype.type(1))
    for n in range(code.shape[0]):
        for k in range(0, n_components, LANES):
            count = min(LANES, n_components - k)
            s, b = load_first(slope, k, count), load_first(location, k, count)
            u = add(load_first(product, (n, k), count), load_first(bias, k, count))
            g = load_first(gradient, (n, k), count)
            signed = where_larger(u, zero, g, where_larger(zero, u, subtract(zero, g), zero))
            size, shrunk = magnitude(u), magnitude(load_first(code, (n, k), count))
            height = add(shrunk, b)
            share_size = exponential(multiply(s, subtract(size, height)))
            share_location = exponential(multiply(s, subtract(zero, shrunk)))
            by_u = multiply(share_size, g)
            mean = add(multiply(b, share_location), multiply(size, share_size))
            by_slope = divide(multiply(subtract(mean, height), signed), s)
            store_first(result, (n, k), by_u, count)
            _add_to_sums(sums, 0, k, by_u, count)
            _add_to_sums(sums, 1, k, by_slope, count)
            _add_to_sums(sums, 2, k, multiply(subtract(share_location, one), signed), count)


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


def _summed_in_pieces(differentiate):
    def backward(product, code, gradient, parameters, result, sums):
        gradient, parts = in_rows(gradient), {}

        def work(first, last):
            part = parts[first] = np.zeros(sums.shape, sums.dtype)
            given = None if product is None else product[first:last]
            rows = (array[first:last] for array in (code, gradient))
            differentiate(given, *rows, parameters, result[first:last], part)

        map_pieces(work, code.shape[0], ROWS_APART)
        sums[...] = 0
        for first in sorted(parts):
            sums += parts[first]
        return result

    return backward


shrink_backward = _summed_in_pieces(_shrink_rows_backward)
smooth_shrink_backward = _summed_in_pieces(_smooth_shrink_rows_backward)
tanh_backward = _summed_in_pieces(reference.tanh_backward)
logistic_backward = _summed_in_pieces(reference.logistic_backward)
