"""Orthogonal matching pursuit for samples that share a support, one group after another.

As in `_pursuit`, only the products w_t of each orthogonal direction with all atoms are stored. They
are the same for all samples of a group. The score of an atom is the sum of its scores in the
samples.
"""

import math

import numpy as np

from sklearn_ebm.backends.numba._pursuit import Pursuit, best_lane, find_pivot, write
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    divide,
    load,
    multiply,
    splat,
    store,
    subtract,
    where_larger,
)


def new_joint_pursuit(n_samples, n_atoms, capacity, dtype):
    """Return the buffers of one thread, with a row of correlations and steps for each sample."""
    return Pursuit(
        correlation=np.empty((n_samples, n_atoms), dtype),
        square=np.empty(n_atoms, dtype),
        products=np.empty((capacity, n_atoms), dtype),
        lower=np.empty((capacity, capacity), dtype),
        step=np.empty((n_samples, capacity), dtype),
        support=np.empty(capacity, np.uintp),
        score=np.empty(LANES, dtype),
        candidate=np.empty(LANES, dtype),
    )


@inner
def _best(buffers, squares, least, whole):
    """Return the atom with the largest score, given the best scores of the lanes."""
    largest, atom = best_lane(buffers)
    for j in range(whole, squares.shape[0]):
        total = least - least
        for i in range(buffers.correlation.shape[0]):
            total += buffers.correlation[i, j] * buffers.correlation[i, j]
        if buffers.square[j] > least * squares[j] and total / buffers.square[j] > largest:
            largest, atom = total / buffers.square[j], j
    return atom


@inner
def _add_direction(buffers, gram, squares, limits, size, inverse, whole):
    """Compute the products of the last direction, update Q, and score all atoms."""
    q, square, products = buffers.correlation, buffers.square, buffers.products
    lower, atom, n_samples = buffers.lower, buffers.support[size], q.shape[0]
    nothing = splat(inverse - inverse)
    best, candidate = nothing, nothing
    for j in range(0, whole, LANES):
        product = load(gram, (atom, j))
        for t in range(size):
            product = add_scaled(product, -lower[size, t], load(products, (t, j)))
        product = multiply(splat(inverse), product)
        store(products, (size, j), product)
        total, outside = nothing, load(square, j)
        for i in range(n_samples):
            value = add_scaled(load(q, (i, j)), -buffers.step[i, size], product)
            store(q, (i, j), value)
            total = add(total, multiply(value, value))
        if limits.optimized:
            outside = subtract(outside, multiply(product, product))
            store(square, j, outside)
        floor = multiply(splat(limits.least), load(squares, j))
        scores = where_larger(outside, floor, divide(total, outside), nothing)
        candidate = where_larger(scores, best, splat(squares.dtype.type(j)), candidate)
        best = where_larger(scores, best, scores, best)
    for j in range(whole, squares.shape[0]):
        product_j = gram[atom, j]
        for t in range(size):
            product_j -= lower[size, t] * products[t, j]
        product_j *= inverse
        products[size, j] = product_j
        for i in range(n_samples):
            q[i, j] -= buffers.step[i, size] * product_j
        if limits.optimized:
            square[j] -= product_j * product_j
    store(buffers.score, 0, best)
    store(buffers.candidate, 0, candidate)


@inner
def _begin(buffers, target, squares, least, whole):
    """Set Q = C, and score all atoms."""
    nothing = splat(least - least)
    best, candidate = nothing, nothing
    for j in range(0, whole, LANES):
        total, square = nothing, load(squares, j)
        for i in range(target.shape[0]):
            value = load(target, (i, j))
            store(buffers.correlation, (i, j), value)
            total = add(total, multiply(value, value))
        store(buffers.square, j, square)
        floor = multiply(splat(least), square)
        scores = where_larger(square, floor, divide(total, square), nothing)
        candidate = where_larger(scores, best, splat(squares.dtype.type(j)), candidate)
        best = where_larger(scores, best, scores, best)
    for j in range(whole, squares.shape[0]):
        buffers.square[j] = squares[j]
        for i in range(target.shape[0]):
            buffers.correlation[i, j] = target[i, j]
    store(buffers.score, 0, best)
    store(buffers.candidate, 0, candidate)


@kernel
def pursue_groups(lasso, squares, limits, code, sizes, buffers, first, last):
    """Compute the codes of the groups first..last, and the sizes of their supports."""
    gram, n_atoms, capacity = lasso.gram, squares.shape[0], buffers.support.shape[0]
    whole, one = n_atoms // LANES * LANES, squares.dtype.type(1)
    for n in range(first, last):
        for i in range(code.shape[1]):
            for j in range(n_atoms):
                code[n, i, j] = 0
        square, size = lasso.half_norm[n] + lasso.half_norm[n], 0
        limit = max(limits.tol, limits.least_residual * square)
        _begin(buffers, lasso.correlation[n], squares, limits.least, whole)
        while size < capacity and square > limit:
            atom = _best(buffers, squares, limits.least, whole)
            pivot = find_pivot(buffers, gram, atom, size)
            if not pivot > limits.least * gram[atom, atom]:
                break
            root = math.sqrt(pivot)
            buffers.lower[size, size], buffers.support[size] = root, atom
            for i in range(code.shape[1]):
                step = buffers.correlation[i, atom] / root
                buffers.step[i, size] = step
                square -= step * step
            if size + 1 < capacity:
                _add_direction(buffers, gram, squares, limits, size, one / root, whole)
            size += 1
        for i in range(code.shape[1]):
            write(buffers, buffers.step[i], code[n, i], size)
        sizes[n] = size
