"""New atoms of an active set, chosen one after another and added to the inverse at once.

The candidates C are the strongest violators of |q_j| <= threshold, at most one in each lane. They
are correlated: after the step of a support that contains some of them, most of the others are no
longer violators. Therefore, the candidate that violates most after the Newton step of the support S
joins first, then the one that violates most after the step of S and the first, and so on.

This is a pivoted Cholesky factorisation of M = G_CC - G_CS U G_SC, where U is the inverse of G_SS:
the k-th atom a to join has the row m_a of the factor and the vector

    v_a = (g_aS U - sum_b m_ba v_b, -1 at the place of a) / sqrt(pivot),

with the sum over the atoms that joined before. The inverse with all of them is U + sum_a v_a' v_a.
Candidates and support are compared in the lanes of a vector, and U changes in one pass.
"""

import math

import numpy as np

from sklearn_ebm.backends.numba._rules import inner, weighted
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    lanes_that_are_on,
    largest_lane,
    load,
    lowest_bit,
    multiply,
    splat,
    store,
    subtract,
    where_larger,
)
from sklearn_ebm.backends.numba._support import (
    AHEAD,
    FACTOR,
    LIMIT,
    SCRATCH,
    SIDE,
    SIGN,
    STEP,
    newton_step,
    padded,
    times_inverse,
)

PIVOT = np.float32(1e-4)  # an atom this close to the support's span may not join
FUSED = 4  # vectors v_a that are added to the inverse in one pass; their lanes fit into registers
NEVER = np.float32(1e38)  # limit of lanes without a candidate


@inner
def _list(rule, search, threshold):
    """Make the strongest atom of each lane a candidate if it violates; return whether any does.

    Lanes without a violator keep an earlier atom, which never joins.
    """
    candidates, zero = search.candidates, splat(np.float32(0))
    lanes, strength, limit = candidates.lanes, load(search.strength, 0), splat(threshold)
    one, never = splat(np.float32(1)), splat(NEVER)
    bits = lanes_that_are_on(where_larger(strength, limit, one, zero))
    if bits == 0:
        return False
    store(lanes, (AHEAD, 0), zero)
    store(lanes, (SIDE, 0), one)
    store(lanes, (LIMIT, 0), never)
    while bits:
        lane = lowest_bit(bits)
        bits &= bits - np.uint64(1)
        atom = np.uintp(np.intp(search.candidate[lane]))
        correlation = search.correlation[atom]
        candidates.atom[lane] = atom
        lanes[AHEAD, lane] = correlation
        lanes[SIDE, lane] = 1 if correlation > 0 else -1
        lanes[LIMIT, lane] = weighted(rule, threshold, atom)
    return True


@inner
def _collect(gram, search, size):
    """Collect G_SC."""
    for i in range(size):
        row = search.support[i]
        for lane in range(LANES):
            search.candidates.columns[i, lane] = gram[row, search.candidates.atom[lane]]


@inner
def _look_ahead(search, size):
    """Compute the correlations of the candidates after the step."""
    columns, lanes, step = search.candidates.columns, search.candidates.lanes, search.vectors
    ahead = load(lanes, (AHEAD, 0))
    for i in range(size):
        ahead = add_scaled(ahead, -step[STEP, i], load(columns, (i, 0)))
    store(lanes, (AHEAD, 0), ahead)


@inner
def _most_violated(lanes):
    """Return the lane of the candidate that exceeds its limit most; -1 if none does."""
    ahead = multiply(load(lanes, (SIDE, 0)), load(lanes, (AHEAD, 0)))
    excess = subtract(ahead, load(lanes, (LIMIT, 0)))
    largest = largest_lane(excess)
    if not largest > 0:
        return np.intp(-1)
    zero, one = splat(np.float32(0)), splat(np.float32(1))
    return np.intp(lowest_bit(lanes_that_are_on(where_larger(splat(largest), excess, zero, one))))


@inner
def _reduce(gram, search, size, n_new, lane):
    """Compute g_aS U in row SCRATCH, and the row of M without the part of previous atoms."""
    candidates, vectors = search.candidates, search.vectors
    atom, columns, factor = candidates.atom[lane], candidates.columns, candidates.factor
    for i in range(size):
        vectors[FACTOR, i] = columns[i, lane]
    for other in range(LANES):
        factor[n_new, other] = gram[atom, candidates.atom[other]]
    times_inverse(vectors, search.inverse, SCRATCH, size)
    even = splat(np.float32(0))
    odd = even
    for i in range(0, size - 1, 2):
        even = add_scaled(even, -vectors[SCRATCH, i], load(columns, (i, 0)))
        odd = add_scaled(odd, -vectors[SCRATCH, i + 1], load(columns, (i + 1, 0)))
    if size % 2:
        even = add_scaled(even, -vectors[SCRATCH, size - 1], load(columns, (size - 1, 0)))
    for k in range(n_new):
        odd = add_scaled(odd, -factor[k, lane], load(factor, (k, 0)))
    store(factor, (n_new, 0), add(add(even, odd), load(factor, (n_new, 0))))


@inner
def _put_vector(search, vector, n_new, lane, scale, change, start):
    """Store LANES entries of v_a, given those of g_aS U, and change the step accordingly."""
    candidates, steps = search.candidates, search.vectors
    for k in range(n_new):
        known = load(candidates.vectors, (k, start))
        vector = add_scaled(vector, -candidates.factor[k, lane], known)
    vector = multiply(splat(scale), vector)
    store(candidates.vectors, (n_new, start), vector)
    store(steps, (STEP, start), add_scaled(load(steps, (STEP, start)), -change, vector))


@inner
def _accept(search, size, n_new, lane):
    """Add the row of an atom to the factor, and take its step into account."""
    candidates = search.candidates
    factor, lanes = candidates.factor, candidates.lanes
    scale = np.float32(1) / np.float32(math.sqrt(factor[n_new, lane]))
    row = multiply(splat(scale), load(factor, (n_new, 0)))
    store(factor, (n_new, 0), row)
    change = scale * (lanes[AHEAD, lane] - lanes[SIDE, lane] * lanes[LIMIT, lane])
    store(lanes, (AHEAD, 0), add_scaled(load(lanes, (AHEAD, 0)), -change, row))
    for start in range(0, padded(size), LANES):
        known = load(search.vectors, (SCRATCH, start))
        _put_vector(search, known, n_new, lane, scale, change, start)
    nothing = splat(np.float32(0))
    _put_vector(search, nothing, n_new, lane, scale, change, padded(size))
    place = size + n_new
    candidates.vectors[n_new, place] = -scale
    search.vectors[STEP, place] = change * scale
    search.vectors[SIGN, place] = lanes[SIDE, lane]
    search.support[place] = candidates.atom[lane]
    search.value[place] = 0


@inner
def _join(gram, search, size, n_new, lane):
    """Add a candidate, or bar it if it is in the span of the support; return whether it joins."""
    atom = search.candidates.atom[lane]
    search.is_free[atom] = 0
    if size + n_new == search.support.shape[0]:
        return False
    _reduce(gram, search, size, n_new, lane)
    joins = search.candidates.factor[n_new, lane] > PIVOT * np.float32(gram[atom, atom])
    if joins:
        _accept(search, size, n_new, lane)
    return joins


@inner
def _extend(search, size, n_new):
    """Add the vectors of the new atoms to the inverse."""
    inverse, vectors, grown = search.inverse, search.candidates.vectors, size + n_new
    zero = splat(np.float32(0))
    if padded(grown) > padded(size):
        for i in range(size):
            store(inverse, (i, padded(size)), zero)
    for start in range(0, padded(grown), LANES):
        for i in range(size, grown):
            store(inverse, (i, start), zero)
        for k in range(n_new, (n_new + FUSED - 1) // FUSED * FUSED):
            store(vectors, (k, start), zero)
    for k in range(0, n_new, FUSED):
        for start in range(0, padded(grown), LANES):
            a, b = load(vectors, (k, start)), load(vectors, (k + 1, start))
            c, d = load(vectors, (k + 2, start)), load(vectors, (k + 3, start))
            for i in range(grown):
                row = add_scaled(load(inverse, (i, start)), vectors[k, i], a)
                row = add_scaled(row, vectors[k + 1, i], b)
                row = add_scaled(row, vectors[k + 2, i], c)
                store(inverse, (i, start), add_scaled(row, vectors[k + 3, i], d))


@inner
def admit(rule, hessian, search, size, threshold):
    """Add atoms that would violate |q_j| <= threshold w_j after the step: size and refusals.

    Row STEP becomes the Newton step of the new support. Atoms in the span of the support are
    refused, and may not join any more.
    """
    newton_step(rule, hessian, search, size, threshold)
    if not _list(rule, search, threshold):
        return size, 0
    candidates, n_new, n_refused = search.candidates, np.intp(0), 0
    store(search.vectors, (STEP, padded(size)), splat(np.float32(0)))
    _collect(hessian.gram, search, size)
    _look_ahead(search, size)
    while True:
        lane = _most_violated(candidates.lanes)
        if lane < 0:
            break
        joins = _join(hessian.gram, search, size, n_new, lane)
        candidates.lanes[LIMIT, lane] = NEVER
        n_new += joins
        n_refused += not joins
    _extend(search, size, n_new)
    if hessian.shift > 0:
        newton_step(rule, hessian, search, size + n_new, threshold)
    return size + n_new, n_refused


@inner
def _take_next(search, start, place):
    """Make the next non-zeros of a code candidates; return their number and the next place."""
    candidates, number = search.candidates, np.intp(0)
    while place < start.shape[0] and number < LANES:
        if start[place] != 0:
            candidates.atom[number] = np.uintp(place)
            candidates.lanes[AHEAD, number] = 0
            candidates.lanes[LIMIT, number] = 0
            candidates.lanes[SIDE, number] = 1 if start[place] > 0 else -1
            number += 1
        place += 1
    return number, place


@inner
def admit_support(hessian, search, start):
    """Begin with the support and the signs of a code: size and refusals."""
    size, n_refused, place = np.intp(0), 0, np.intp(0)
    while place < start.shape[0]:
        number, place = _take_next(search, start, place)
        _collect(hessian.gram, search, size)
        n_new = np.intp(0)
        for lane in range(number):
            joins = _join(hessian.gram, search, size, n_new, lane)
            n_new += joins
            n_refused += not joins
        _extend(search, size, n_new)
        size += n_new
    return size, n_refused
