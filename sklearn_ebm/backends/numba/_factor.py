"""The Cholesky factor of the Hessian on a growing and shrinking support, in double precision.

With H_SS = L L', row i of `factor` holds L[i, :i + 1] and zeros up to a whole vector, so that every
sum runs along rows and over whole vectors.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends.numba._rules import inner
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    load,
    multiply,
    splat,
    store,
    total,
)
from sklearn_ebm.backends.numba._support import add_row, add_rows, padded

# An atom is in the span of the support if its pivot is what rounding alone may leave of it.
SPAN = 1e-14
SUSPICIOUS = 1e-2  # share of the curvature above which a pivot needs no closer look
# Rows of `Descent.vectors`: coefficients, their signs, what they have moved by since q was last up
# to date, and 1 / L[i, i]; a right-hand side, L^-1 times it, and H_SS^-1 times it.
VALUE, SIGN, MOVED, SCALE, RIGHT, HALF, STEP = range(7)
MOST_STRIKES = 3  # attempts of an atom that did not lower the energy


class Descent(NamedTuple):
    """What one thread writes to while it looks for the code of a sample."""

    correlation: Any  # (n_atoms,), q = c - z H
    is_free: Any  # (n_atoms,), one where an atom may join, else zero
    strikes: Any  # (n_atoms,), attempts of each atom that were in vain
    strength: Any  # (LANES,), the largest dual magnitude of a free atom in each lane
    candidate: Any  # (LANES,), the atom that has it
    support: Any  # (capacity,), the atoms that are on, in the order of the factor's rows
    vectors: Any  # (7, width), a column for each atom of the support
    factor: Any  # (width, width), L


def new_descent(n_atoms, capacity):
    """Room for one thread's searches with supports of at most `capacity` atoms."""
    width = padded(capacity + 1)
    return Descent(
        np.empty(n_atoms), np.empty(n_atoms), np.empty(n_atoms, np.int64),
        np.empty(LANES), np.empty(LANES), np.empty(capacity, np.uintp),
        np.zeros((7, width)), np.zeros((width, width)),
    )  # fmt: skip


@inner
def _row_product(descent, row):
    """L[row, :row] . half[:row], where `half` has zeros up to a whole vector."""
    sums = splat(0.0)
    for k in range(0, row, LANES):
        sums = add(sums, multiply(load(descent.factor, (row, k)), load(descent.vectors, (HALF, k))))
    return total(sums)


@inner
def solve_half(descent, size, first):
    """HALF = L^-1 RIGHT, which is zero before `first`; returns its sum of squares."""
    vectors = descent.vectors
    square = 0.0
    for k in range(0, padded(size), LANES):
        store(vectors, (HALF, k), splat(0.0))
    for i in range(first, size):
        value = (vectors[RIGHT, i] - _row_product(descent, i)) * vectors[SCALE, i]
        vectors[HALF, i] = value
        square += value * value
    return square


@inner
def solve_rest(descent, size):
    """STEP = L'^-1 HALF, which has zeros up to a whole vector."""
    factor, vectors = descent.factor, descent.vectors
    for k in range(0, padded(size), LANES):
        store(vectors, (STEP, k), load(vectors, (HALF, k)))
    for i in range(size - 1, -1, -1):
        value = vectors[STEP, i] * vectors[SCALE, i]
        for k in range(0, i, LANES):
            rest = add_scaled(load(vectors, (STEP, k)), -value, load(factor, (i, k)))
            store(vectors, (STEP, k), rest)
        vectors[STEP, i] = value


@inner
def _is_in_span(gram, descent, size, atom, pivot):
    """Whether a pivot is within the rounding of what it was subtracted from."""
    norm = math.sqrt(gram[atom, atom])
    for i in range(size):
        j = descent.support[i]
        norm += abs(descent.vectors[STEP, i]) * math.sqrt(gram[j, j])
    return pivot <= SPAN * norm * norm


@inner
def append(gram, descent, size, atom):
    """One more row of the factor, and its pivot; if the atom is in the span, `step` says how."""
    curvature = gram[atom, atom]
    for i in range(size):
        descent.vectors[RIGHT, i] = gram[atom, descent.support[i]]
    pivot = curvature - solve_half(descent, size, 0)
    if pivot <= SUSPICIOUS * curvature:
        solve_rest(descent, size)
        if _is_in_span(gram, descent, size, atom, pivot):
            return False, pivot
    factor = descent.factor
    for k in range(0, padded(size + 1), LANES):
        store(factor, (size, k), splat(0.0))
    for i in range(size):
        factor[size, i] = descent.vectors[HALF, i]
    factor[size, size] = math.sqrt(pivot)
    descent.vectors[SCALE, size] = 1 / factor[size, size]
    descent.support[size] = atom
    return True, pivot


@inner
def _rotate_row(descent, source, position):
    """Move a row of L up and left, past what rows before it found to be rotated."""
    factor, cosine, sine = descent.factor, descent.vectors[HALF], descent.vectors[STEP]
    rest = factor[source, position]
    for i in range(position):
        factor[source - 1, i] = factor[source, i]
    for i in range(position + 1, source):
        entry = factor[source, i]
        factor[source - 1, i - 1] = cosine[i] * entry + sine[i] * rest
        rest = cosine[i] * rest - sine[i] * entry
    entry = factor[source, source]
    length = math.sqrt(entry * entry + rest * rest)
    cosine[source], sine[source] = entry / length, rest / length
    factor[source - 1, source - 1] = length
    descent.vectors[SCALE, source - 1] = 1 / length


@inner
def remove(gram, descent, size, position):
    """An atom leaves, its coefficient becomes zero in z and in q; later rows are rotated."""
    atom, vectors = descent.support[position], descent.vectors
    rest = vectors[VALUE, position] - vectors[MOVED, position]
    if rest != 0:
        add_row(descent.correlation, gram, atom, rest)
    descent.is_free[atom] = descent.strikes[atom] < MOST_STRIKES
    for source in range(position + 1, size):
        _rotate_row(descent, source, position)
    for i in range(position, size - 1):
        descent.support[i] = descent.support[i + 1]
        for row in (VALUE, SIGN, MOVED, RIGHT):
            vectors[row, i] = vectors[row, i + 1]


@inner
def move(descent, size, length):
    """z_S += length STEP; q does not follow yet."""
    vectors = descent.vectors
    for i in range(size):
        vectors[VALUE, i] += length * vectors[STEP, i]
        vectors[MOVED, i] += length * vectors[STEP, i]


@inner
def follow(gram, descent, size):
    """Bring q up to date with what coefficients have moved by."""
    moved = descent.vectors[MOVED]
    add_rows(descent.correlation, gram, descent.support, moved, -1.0, size)
    for i in range(size):
        moved[i] = 0.0


@inner
def refresh(gram, target, descent, size):
    """q = c - z H, anew."""
    for j in range(target.shape[0]):
        descent.correlation[j] = target[j]
    for i in range(size):
        descent.vectors[MOVED, i] = descent.vectors[VALUE, i]
    follow(gram, descent, size)
