"""The Cholesky factor of the Hessian on a growing and shrinking support, in double precision.

With H_SS = L L', row i of `factor` contains L[i, :i + 1], padded with zeros to whole vectors, so
that all sums run along rows and over whole vectors.
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

# An atom is in the span of the support if its pivot may consist of rounding errors.
SPAN = 1e-14
SUSPICIOUS = 1e-2  # share of the curvature above which a pivot is not checked
# Rows of `Descent.vectors`: coefficients, signs, changes since the last update of q, and 1 / L[i,
# i]; a right-hand side, L^-1 times it, and H_SS^-1 times it.
VALUE, SIGN, MOVED, SCALE, RIGHT, HALF, STEP = range(7)
MOST_STRIKES = 3  # maximum number of attempts of an atom that do not decrease the energy


class Descent(NamedTuple):
    """Buffers of one thread for the code of a sample."""

    correlation: Any  # (n_atoms,), q = c - z H
    is_free: Any  # (n_atoms,), 1 if an atom may join, else 0
    strikes: Any  # (n_atoms,), unsuccessful attempts of each atom
    strength: Any  # (LANES,), the largest dual magnitude of a free atom in each lane
    candidate: Any  # (LANES,), the atoms with these magnitudes
    support: Any  # (capacity,), active atoms in the order of the factor's rows
    vectors: Any  # (7, width), one column for each atom of the support
    factor: Any  # (width, width), L


def new_descent(n_atoms, capacity):
    """Return buffers of one thread for supports of at most `capacity` atoms."""
    width = padded(capacity + 1)
    return Descent(
        np.empty(n_atoms), np.empty(n_atoms), np.empty(n_atoms, np.int64),
        np.empty(LANES), np.empty(LANES), np.empty(capacity, np.uintp),
        np.zeros((7, width)), np.zeros((width, width)),
    )  # fmt: skip


@inner
def _row_product(descent, row):
    """Return L[row, :row] . half[:row], where `half` is padded with zeros to whole vectors."""
    sums = splat(0.0)
    for k in range(0, row, LANES):
        sums = add(sums, multiply(load(descent.factor, (row, k)), load(descent.vectors, (HALF, k))))
    return total(sums)


@inner
def solve_half(descent, size, first):
    """Compute HALF = L^-1 RIGHT, which is zero before `first`; return its sum of squares."""
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
    """Compute STEP = L'^-1 HALF, padded with zeros to whole vectors."""
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
    """Return whether a pivot may consist of the rounding errors of its terms."""
    norm = math.sqrt(gram[atom, atom])
    for i in range(size):
        j = descent.support[i]
        norm += abs(descent.vectors[STEP, i]) * math.sqrt(gram[j, j])
    return pivot <= SPAN * norm * norm


@inner
def append(gram, descent, size, atom):
    """Append a row to the factor, and return its pivot; if in the span, STEP has the weights."""
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
    """Move a row of L up and left, and apply the rotations of previous rows."""
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
    """Remove an atom: set its coefficient to zero, update q, and rotate later rows."""
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
    """Compute z_S += length STEP, without an update of q."""
    vectors = descent.vectors
    for i in range(size):
        vectors[VALUE, i] += length * vectors[STEP, i]
        vectors[MOVED, i] += length * vectors[STEP, i]


@inner
def follow(gram, descent, size):
    """Update q by the changes of the coefficients."""
    moved = descent.vectors[MOVED]
    add_rows(descent.correlation, gram, descent.support, moved, -1.0, size)
    for i in range(size):
        moved[i] = 0.0


@inner
def refresh(gram, target, descent, size):
    """Recompute q = c - z H."""
    for j in range(target.shape[0]):
        descent.correlation[j] = target[j]
    for i in range(size):
        descent.vectors[MOVED, i] = descent.vectors[VALUE, i]
    follow(gram, descent, size)
