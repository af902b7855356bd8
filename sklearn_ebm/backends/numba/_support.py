"""The inverse of the Hessian on a growing and shrinking support, for the active set.

Adding or removing an atom is one symmetric rank-one update over whole vectors. The inverse is in
single precision for codes of any dtype: a Newton step uses the exact residual correlation, and thus
corrects the rounding errors of the previous round.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._namespace import LINE, new_array, read_only
from sklearn_ebm.backends.numba._rules import inner, kernel, weighted
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    lanes_that_are_on,
    load,
    load_first,
    n_bits,
    splat,
    store,
)

ON_HOST = np.empty(0)
ROOT = np.float32(8**0.5 - 2)
SPARSE = 0.3  # share of non-zeros up to which sums of selected rows are faster than BLAS
SAMPLED = 16  # number of rows of codes from which the share is estimated
SIGN, STEP, FACTOR, SCRATCH = range(4)  # rows of `Search.vectors`
AHEAD, SIDE, LIMIT = range(3)  # rows of `Candidates.lanes`


class Candidates(NamedTuple):
    """Buffers for atoms that may join the support in one round, one in each lane."""

    atom: Any  # (LANES,)
    lanes: Any  # (3, LANES), correlation after the step, its sign, and its limit
    columns: Any  # (width, LANES), Gram matrix of the support and the candidates
    factor: Any  # (LANES, LANES), rows of a Cholesky factor, for each atom that joins
    vectors: Any  # (LANES, width + LANES), terms of the inverse, for each atom that joins


class Search(NamedTuple):
    """Buffers of one thread for the code of a sample.

    Arrays over atoms and values have the dtype of the data; the inverse has single precision.
    """

    correlation: Any  # (n_atoms,), q = c - z H
    is_free: Any  # (n_atoms,), 1 if an atom may join, else 0
    strength: Any  # (LANES,), the largest dual magnitude of a free atom in each lane
    candidate: Any  # (LANES,), the atoms with these magnitudes
    support: Any  # (capacity,), active atoms, not ordered
    value: Any  # (width,), their coefficients
    vectors: Any  # (4, width + LANES), one column for each atom of the support
    inverse: Any  # (width, width), inverse Hessian on the support, with zeros up to whole vectors
    candidates: Candidates


class Hessian(NamedTuple):
    """H = gram - shift I; `Search.inverse` is the inverse of gram on the support."""

    gram: Any  # (n_atoms, n_atoms)
    shift: Any  # smaller than all eigenvalues of gram
    share: Any  # lower bound of the eigenvalues of H gram^-1


@inner
def unshifted(gram):
    """Return the Hessian gram."""
    return Hessian(gram, np.float32(0), np.float32(1))


def buffers(**kinds):
    """Return uninitialised arrays of given shapes and dtypes, aligned to cache lines, by name.

    They share one allocation, since a batch of few samples takes less time than ten allocations.
    """
    starts, n_bytes = _layout(tuple(kinds.values()))
    memory = new_array((n_bytes,), ON_HOST, np.uint8)
    return {
        name: np.ndarray(shape, dtype, memory, start)
        for (name, (shape, dtype)), start in zip(kinds.items(), starts, strict=True)
    }


@functools.lru_cache
def _layout(kinds):
    """Return the first byte of each array of a shape and dtype, and the number of bytes of all."""
    starts, n_bytes = [], 0
    for shape, dtype in kinds:
        starts.append(n_bytes)
        n_bytes += -(-math.prod(shape) * np.dtype(dtype).itemsize // LINE) * LINE
    return starts, n_bytes


def new_search(n_atoms, capacity, dtype):
    """Return buffers of one thread for supports of at most `capacity` atoms."""
    width, single = padded(capacity + 1), np.float32
    arrays = buffers(
        atom=((LANES,), np.uintp),
        lanes=((3, LANES), single),
        columns=((width, LANES), single),
        factor=((LANES, LANES), single),
        new_vectors=((LANES, width + LANES), single),
        correlation=((n_atoms,), dtype),
        is_free=((n_atoms,), dtype),
        strength=((LANES,), dtype),
        candidate=((LANES,), dtype),
        support=((capacity,), np.uintp),
        value=((width,), dtype),
        vectors=((4, width + LANES), single),
        inverse=((width, width), single),
    )
    names = "atom", "lanes", "columns", "factor", "new_vectors"
    candidates = Candidates(*(arrays.pop(name) for name in names))
    candidates.atom[:] = 0
    return Search(**arrays, candidates=candidates)


@inner
def padded(size):
    """Return the size padded to whole vectors, as for rows of the inverse."""
    return (size + LANES - 1) // LANES * LANES


def typed_rule(rule, dtype):
    """Return a rule in a dtype, with rows of weights, padded with ones to whole vectors."""
    threshold, *weights = rule
    return type(rule)(dtype.type(threshold), *(_whole_rows(each, dtype) for each in weights))


def _whole_rows(weights, dtype):
    n_rows, n_atoms = weights.shape
    rows = np.empty((n_rows, padded(n_atoms)), dtype)
    rows[:, :n_atoms], rows[:, n_atoms:] = weights, 1
    return read_only(rows)


@inner
def times_inverse(vectors, inverse, destination, size):
    """Multiply row FACTOR by the inverse, with two independent sums to hide latency."""
    for k in range(0, padded(size), LANES):
        even = splat(np.float32(0))
        odd = even
        for i in range(0, size - 1, 2):
            even = add_scaled(even, vectors[FACTOR, i], load(inverse, (i, k)))
            odd = add_scaled(odd, vectors[FACTOR, i + 1], load(inverse, (i + 1, k)))
        if size % 2:
            even = add_scaled(even, vectors[FACTOR, size - 1], load(inverse, (size - 1, k)))
        store(vectors, (destination, k), add(even, odd))


@inner
def _rank_one(vectors, inverse, scale, size):
    for k in range(0, padded(size), LANES):
        column = load(vectors, (SCRATCH, k))
        for i in range(size):
            factor = vectors[SCRATCH, i] * scale
            store(inverse, (i, k), add_scaled(load(inverse, (i, k)), factor, column))


@inner
def remove(search, size, position):
    """Remove an atom; the last atom of the support takes its place."""
    support, vectors, inverse = search.support, search.vectors, search.inverse
    last, width = size - 1, padded(size)
    for k in range(0, width, LANES):
        store(vectors, (SCRATCH, k), load(inverse, (position, k)))
    _rank_one(vectors, inverse, np.float32(-1) / vectors[SCRATCH, position], size)
    for k in range(0, width, LANES):
        store(inverse, (position, k), load(inverse, (last, k)))
    for i in range(last):
        inverse[i, position] = inverse[i, last]
        inverse[i, last] = 0
    inverse[position, position] = inverse[last, last]
    inverse[position, last] = 0
    support[position] = support[last]
    search.value[position] = search.value[last]
    vectors[SIGN, position] = vectors[SIGN, last]
    vectors[STEP, position] = vectors[STEP, last]


@inner
def newton_step(rule, hessian, search, size, threshold):
    """Compute the step to the minimum on the support, (q_S - threshold w_S sign_S) (H_SS)^-1."""
    vectors = search.vectors
    for i in range(size):
        atom = search.support[i]
        limit = weighted(rule, threshold, atom)
        vectors[FACTOR, i] = search.correlation[atom] - limit * vectors[SIGN, i]
    times_inverse(vectors, search.inverse, STEP, size)
    if hessian.shift > 0:
        _correct_step(hessian, search, size)


@inner
def _correct_step(hessian, search, size):
    """Correct a Newton step p = g gram^-1 for the shift: add shift p gram^-1 / root.

    For an eigenvalue x of H gram^-1, which is between the share and 1, this leaves the part
    (1 - x) (1 - x / root) of the gradient. The root minimises its largest magnitude.
    """
    vectors, root = search.vectors, 1 - ROOT * (1 - hessian.share)
    for i in range(size):
        vectors[FACTOR, i] = hessian.shift * vectors[STEP, i] / root
    times_inverse(vectors, search.inverse, SCRATCH, size)
    for i in range(size):
        vectors[STEP, i] += vectors[SCRATCH, i]


@inner
def add_row(total, matrix, row, weight):
    """Compute total += weight * matrix[row]; `total` may be longer."""
    whole = matrix.shape[1] // LANES * LANES
    for t in range(0, whole, LANES):
        store(total, t, add_scaled(load(total, t), weight, load(matrix, (row, t))))
    for t in range(whole, matrix.shape[1]):
        total[t] += weight * matrix[row, t]


@inner
def _add_four_rows(total, matrix, rows, weights, scale, first):
    """Add four rows at a time, which reduces memory traffic of the sum."""
    whole = matrix.shape[1] // LANES * LANES
    a, b = scale * weights[first], scale * weights[first + 1]
    c, d = scale * weights[first + 2], scale * weights[first + 3]
    j, k, m, n = rows[first], rows[first + 1], rows[first + 2], rows[first + 3]
    for t in range(0, whole, LANES):
        sums = add_scaled(load(total, t), a, load(matrix, (j, t)))
        sums = add_scaled(sums, b, load(matrix, (k, t)))
        sums = add_scaled(sums, c, load(matrix, (m, t)))
        store(total, t, add_scaled(sums, d, load(matrix, (n, t))))
    for t in range(whole, matrix.shape[1]):
        total[t] += a * matrix[j, t] + b * matrix[k, t] + c * matrix[m, t] + d * matrix[n, t]


@inner
def add_rows(total, matrix, rows, weights, scale, size):
    """Compute total += scale * weights[:size] @ matrix[rows[:size]]."""
    fours = size // 4 * 4
    for i in range(0, fours, 4):
        _add_four_rows(total, matrix, rows, weights, scale, i)
    for i in range(fours, size):
        add_row(total, matrix, rows[i], scale * weights[i])


@inner
def subtract_product(hessian, search, weights, size):
    """Compute q -= weights @ H_S."""
    add_rows(search.correlation, hessian.gram, search.support, weights, np.float32(-1), size)
    if hessian.shift > 0:
        for i in range(size):
            search.correlation[search.support[i]] += hessian.shift * weights[i]


@kernel
def _n_on(states):
    """Return the number of non-zeros."""
    n_on = np.uint64(0)
    n_columns = states.shape[1]
    for n in range(states.shape[0]):
        for k in range(0, n_columns, LANES):
            row = load_first(states, (n, k), min(LANES, n_columns - k))
            n_on += n_bits(lanes_that_are_on(row))
    return n_on


def has_few_on(code):
    """Return whether sums over non-zeros are faster than BLAS, judged by some of the rows."""
    step = max(1, code.shape[0] // SAMPLED)
    sampled = read_only(np.ascontiguousarray(code[::step]))
    return _n_on(sampled) <= SPARSE * sampled.size


def in_rows(array):
    """Return the array if its rows are contiguous, else a copy."""
    flags = array.flags
    in_pieces = array.strides[-1] == array.itemsize and not (flags.f_contiguous and array.ndim > 1)
    return array if in_pieces or flags.c_contiguous else np.ascontiguousarray(array)
