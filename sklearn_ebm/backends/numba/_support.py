"""The inverse of the Hessian on a growing and shrinking support, for the active set.

Adding or removing an atom is one symmetric rank-one update over whole vector registers. The inverse
is in single precision whatever the codes are in: a Newton step that reads the exact residual
correlation corrects in the next round what rounding left in this one.

Arrays are passed one by one, in every call: a NamedTuple of arrays would cost a reference count for
each field and call, which doubles the time of a sample.
"""

import numpy as np

from sklearn_ebm.backends.numba._rules import kernel

LANES = 16  # rows of the inverse are padded to whole vectors of single-precision numbers
PIVOT = np.float32(1e-4)  # an atom this close to the support's span does not join
SIGN, STEP, SCRATCH = range(
    3
)  # rows of `vectors`, which has one column for each atom of the support


@kernel
def padded(size):
    return (size + LANES - 1) // LANES * LANES


@kernel
def _rank_one(inverse, vectors, scale, size):
    width = padded(size)
    for i in range(size):
        factor = vectors[SCRATCH, i] * scale
        for k in range(width):
            inverse[i, k] += factor * vectors[SCRATCH, k]


@kernel
def _widen(inverse, size):
    for i in range(size):
        for k in range(size, size + LANES):
            inverse[i, k] = 0


@kernel
def append(gram, support, vectors, inverse, size, atom):
    """Bordered inverse; False where the atom lies in the span of the support."""
    width = padded(size)
    for k in range(width):
        vectors[SCRATCH, k] = 0
    for i in range(size):
        factor = np.float32(gram[atom, support[i]])
        for k in range(width):
            vectors[SCRATCH, k] += factor * inverse[i, k]
    pivot = np.float32(gram[atom, atom])
    floor = PIVOT * pivot
    for i in range(size):
        pivot -= np.float32(gram[atom, support[i]]) * vectors[SCRATCH, i]
    if pivot <= floor:
        return False
    scale = np.float32(1) / pivot
    _rank_one(inverse, vectors, scale, size)
    if size == width:
        _widen(inverse, size)
    for k in range(padded(size + 1)):
        inverse[size, k] = 0
    for i in range(size):
        inverse[i, size] = -vectors[SCRATCH, i] * scale
        inverse[size, i] = -vectors[SCRATCH, i] * scale
    inverse[size, size] = scale
    support[size] = atom
    return True


@kernel
def remove(support, vectors, inverse, size, position):
    """Take one atom out; the last one of the support takes its place."""
    last = size - 1
    width = padded(size)
    for k in range(width):
        vectors[SCRATCH, k] = inverse[position, k]
    _rank_one(inverse, vectors, np.float32(-1) / vectors[SCRATCH, position], size)
    for k in range(width):
        inverse[position, k] = inverse[last, k]
    for i in range(last):
        inverse[i, position] = inverse[i, last]
        inverse[i, last] = 0
    inverse[position, position] = inverse[last, last]
    inverse[position, last] = 0
    support[position] = support[last]
    vectors[SIGN, position] = vectors[SIGN, last]
    vectors[STEP, position] = vectors[STEP, last]


@kernel
def newton_step(correlation, support, vectors, inverse, size, threshold):
    """Step to the minimum on the support, (q_S - threshold sign_S) (H_SS)^-1."""
    width = padded(size)
    for k in range(width):
        vectors[STEP, k] = 0
    for i in range(size):
        slope = np.float32(correlation[support[i]] - threshold * vectors[SIGN, i])
        for k in range(width):
            vectors[STEP, k] += slope * inverse[i, k]


@kernel
def add_row(correlation, gram, atom, weight):
    for t in range(correlation.shape[0]):
        correlation[t] += weight * gram[atom, t]


@kernel
def subtract_rows(correlation, gram, support, vectors, size):
    """q -= step @ H_S, four rows at a time to spare the traffic of the sum."""
    n_atoms = gram.shape[1]
    whole = size // 4 * 4
    for i in range(0, whole, 4):
        a, b = vectors[STEP, i], vectors[STEP, i + 1]
        c, d = vectors[STEP, i + 2], vectors[STEP, i + 3]
        j, k, m, n = support[i], support[i + 1], support[i + 2], support[i + 3]
        for t in range(n_atoms):
            correlation[t] -= a * gram[j, t] + b * gram[k, t] + c * gram[m, t] + d * gram[n, t]
    for i in range(whole, size):
        add_row(correlation, gram, support[i], -vectors[STEP, i])
