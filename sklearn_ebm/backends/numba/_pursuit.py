"""Orthogonal matching pursuit, one sample after another, on the Gram matrix.

The atoms of a support are orthogonalised against each other. Let e_t be the t-th orthogonal
direction. Only its products w_t = e_t D' with all atoms are stored, so that a step is one pass over
the atoms. The same pass updates the residual correlation q = (x - zD) D' and finds the next atom.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add_scaled,
    divide,
    load,
    multiply,
    splat,
    store,
    subtract,
    where_larger,
)


class Limits(NamedTuple):
    """When a sample ends, in the dtype of the data."""

    tol: Any  # squared norm of the residual
    least_residual: Any  # share of ||x||^2 below which the square may consist of rounding errors
    least: Any  # the same share for an atom's part outside the span
    optimized: Any  # whether atoms are compared by their parts outside the span


class Pursuit(NamedTuple):
    """Buffers of one thread."""

    correlation: Any  # (n_atoms,), q
    square: Any  # (n_atoms,), square norms of atoms, or of their parts outside the span
    products: Any  # (capacity, n_atoms), w_t
    lower: Any  # (capacity, capacity), the Cholesky factor of the Gram matrix of the support
    step: Any  # (capacity,), coefficients of the directions, then of the atoms
    support: Any  # (capacity,), atoms in the order of selection
    score: Any  # (LANES,), the largest score in each lane
    candidate: Any  # (LANES,), the first atom of the vector with this score


def new_pursuit(n_atoms, capacity, dtype):
    """Return the buffers of one thread."""
    return Pursuit(
        correlation=np.empty(n_atoms, dtype),
        square=np.empty(n_atoms, dtype),
        products=np.empty((capacity, n_atoms), dtype),
        lower=np.empty((capacity, capacity), dtype),
        step=np.empty(capacity, dtype),
        support=np.empty(capacity, np.uintp),
        score=np.empty(LANES, dtype),
        candidate=np.empty(LANES, dtype),
    )


@inner
def _score(q, square, floor):
    """Return q^2 / square; zero if the square may consist of rounding errors."""
    return q * q / square if square > floor else q - q


@inner
def _scores(q, square, floor):
    """Return the scores of a vector of atoms."""
    nothing = subtract(q, q)
    scores = divide(multiply(q, q), square)
    return where_larger(square, floor, scores, nothing)


@inner
def best_lane(buffers):
    """Return the largest score of all lanes, at least zero, and its atom."""
    largest, atom = buffers.score[0] - buffers.score[0], 0
    for lane in range(LANES):
        if buffers.score[lane] > largest:
            largest, atom = buffers.score[lane], int(buffers.candidate[lane]) + lane
    return largest, atom


@inner
def _best(buffers, squares, least, whole):
    """Return the atom with the largest score, given the best scores of the lanes."""
    largest, atom = best_lane(buffers)
    for j in range(whole, squares.shape[0]):
        score = _score(buffers.correlation[j], buffers.square[j], least * squares[j])
        if score > largest:
            largest, atom = score, j
    return atom


@inner
def _begin(buffers, target, squares, least, whole):
    """Set q = c, and score all atoms."""
    q = buffers.correlation
    best = splat(least - least)
    candidate = best
    for j in range(0, whole, LANES):
        value, square = load(target, j), load(squares, j)
        store(q, j, value)
        store(buffers.square, j, square)
        scores = _scores(value, square, multiply(splat(least), square))
        candidate = where_larger(scores, best, splat(squares.dtype.type(j)), candidate)
        best = where_larger(scores, best, scores, best)
    for j in range(whole, squares.shape[0]):
        q[j] = target[j]
        buffers.square[j] = squares[j]
    store(buffers.score, 0, best)
    store(buffers.candidate, 0, candidate)


@inner
def find_pivot(buffers, gram, atom, size):
    """Return the square norm of an atom outside the span, and store its products."""
    pivot = gram[atom, atom]
    for t in range(size):
        weight = buffers.products[t, atom]
        buffers.lower[size, t] = weight
        pivot -= weight * weight
    return pivot


@inner
def _add_direction(buffers, gram, squares, limits, size, inverse, whole):
    """Compute the products of the last direction, update q, and score all atoms."""
    q, square, products = buffers.correlation, buffers.square, buffers.products
    lower, atom, step = buffers.lower, buffers.support[size], buffers.step[size]
    best = splat(inverse - inverse)
    candidate = best
    for j in range(0, whole, LANES):
        product = load(gram, (atom, j))
        for t in range(size):
            product = add_scaled(product, -lower[size, t], load(products, (t, j)))
        product = multiply(splat(inverse), product)
        store(products, (size, j), product)
        value, outside = add_scaled(load(q, j), -step, product), load(square, j)
        store(q, j, value)
        if limits.optimized:
            outside = subtract(outside, multiply(product, product))
            store(square, j, outside)
        scores = _scores(value, outside, multiply(splat(limits.least), load(squares, j)))
        candidate = where_larger(scores, best, splat(squares.dtype.type(j)), candidate)
        best = where_larger(scores, best, scores, best)
    for j in range(whole, squares.shape[0]):
        product_j = gram[atom, j]
        for t in range(size):
            product_j -= lower[size, t] * products[t, j]
        product_j *= inverse
        products[size, j] = product_j
        q[j] -= step * product_j
        if limits.optimized:
            square[j] -= product_j * product_j
    store(buffers.score, 0, best)
    store(buffers.candidate, 0, candidate)


@inner
def write(buffers, step, code, size):
    """Solve for the coefficients of the atoms by back substitution."""
    lower = buffers.lower
    for s in range(size - 1, -1, -1):
        value = step[s]
        for t in range(s + 1, size):
            value -= lower[t, s] * step[t]
        step[s] = value / lower[s, s]
        code[buffers.support[s]] = step[s]


@kernel
def pursue_rows(lasso, squares, limits, code, sizes, buffers, first, last):
    """Compute the codes of the rows first..last, and the sizes of their supports."""
    gram, n_atoms, capacity = lasso.gram, code.shape[1], buffers.step.shape[0]
    whole, one = n_atoms // LANES * LANES, squares.dtype.type(1)
    for n in range(first, last):
        for j in range(n_atoms):
            code[n, j] = 0
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
            step = buffers.correlation[atom] / root
            buffers.step[size] = step
            square -= step * step
            if size + 1 < capacity:
                _add_direction(buffers, gram, squares, limits, size, one / root, whole)
            size += 1
        write(buffers, buffers.step, code[n], size)
        sizes[n] = size
