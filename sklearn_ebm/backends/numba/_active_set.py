"""Active set for min_z 1/2 z H z' - c z' + alpha ||z||_1, one sample after another.

The threshold falls from max|c| to alpha in a few geometric steps, so that the support grows with
few wrong guesses; at each of them the strongest violator of every block of atoms joins at once, and
atoms whose sign the Newton step would flip leave before it is taken. Where that has not settled
after `CAUTIOUS_AFTER` rounds, atoms join one at a time and the step stops at the first sign change:
the feature-sign search of Lee et al. (2007), which lowers the energy at each step and must end.

The certificate is the duality gap in the form 1/2 (1 - s)^2 ||r||^2 + sum_j (alpha |z_j| - s z_j
q_j), q = c - z H, s = min(1, alpha / max_j |q_j|): a sum of terms that are never negative, so that
nothing cancels.
"""

import numpy as np

from sklearn_ebm.backends.numba._rules import dual_magnitude, kernel
from sklearn_ebm.backends.numba._support import (
    LANES,
    SIGN,
    STEP,
    add_row,
    append,
    newton_step,
    remove,
    subtract_rows,
)

BLOCKS = 8  # at most so many atoms join in one round; more are often wrong, fewer cost rounds
SHRINK = np.float32(0.45)  # the threshold's fall in one round
NEAR = np.float32(1.2)  # a threshold this close to alpha is alpha
CAUTIOUS_AFTER = 24
LEAPS = 3  # attempts to find a step without sign changes before the rest of it is taken as it is
EXCLUDED = 2  # state of an atom that lies in the span of the support
ROUNDING = np.float32(1e-5)  # share of the step below which a coefficient has reached zero
SINGLE_TOL = 1e-5  # gap at which the search in single precision hands over to double precision


@kernel
def _block_bounds(n_atoms, block):
    width = (n_atoms + BLOCKS - 1) // BLOCKS
    start = min(block * width, n_atoms)
    return start, min(start + width, n_atoms)


@kernel
def _block_maximum(rule, correlation, start, stop, lanes):
    """max of the dual magnitude over start..stop, by partial maxima that stay in registers."""
    for t in range(LANES):
        lanes[t] = 0
    whole = start + (stop - start) // LANES * LANES
    for j in range(start, whole, LANES):
        for t in range(LANES):
            lanes[t] = max(lanes[t], dual_magnitude(rule, correlation[j + t]))
    for j in range(whole, stop):
        lanes[0] = max(lanes[0], dual_magnitude(rule, correlation[j]))
    largest = lanes[0]
    for t in range(LANES):
        largest = max(largest, lanes[t])
    return largest


@kernel
def _maxima(rule, correlation, lanes):
    """Maximum of each block behind the lanes, and over all."""
    overall = rule.threshold - rule.threshold
    for block in range(BLOCKS):
        start, stop = _block_bounds(correlation.shape[0], block)
        largest = _block_maximum(rule, correlation, start, stop, lanes)
        lanes[LANES + block] = largest
        overall = max(overall, largest)
    return overall


@kernel
def _strongest(rule, correlation, is_active, start, stop, threshold):
    """The inactive atom that violates |q_j| <= threshold most; -1 where there is none."""
    strongest = -1
    for j in range(start, stop):
        if dual_magnitude(rule, correlation[j]) > threshold and is_active[j] == 0:
            threshold = dual_magnitude(rule, correlation[j])
            strongest = j
    return strongest


@kernel
def _join(gram, correlation, value, support, is_active, vectors, inverse, size, atom):
    if size == support.shape[0] or not append(gram, support, vectors, inverse, size, atom):
        is_active[atom] = EXCLUDED
        return size
    is_active[atom] = 1
    vectors[SIGN, size] = 1 if correlation[atom] > 0 else -1
    value[size] = 0
    return size + 1


@kernel
def _admit(
    rule, gram, correlation, value, support, is_active, vectors, inverse, size, threshold, lanes
):
    """The strongest violator of each block joins."""
    for block in range(BLOCKS):
        if lanes[LANES + block] > threshold:
            start, stop = _block_bounds(correlation.shape[0], block)
            atom = _strongest(rule, correlation, is_active, start, stop, threshold)
            if atom >= 0:
                size = _join(
                    gram, correlation, value, support, is_active, vectors, inverse, size, atom
                )
    return size


@kernel
def _admit_one(
    rule, gram, correlation, value, support, is_active, vectors, inverse, size, threshold
):
    atom = _strongest(rule, correlation, is_active, 0, correlation.shape[0], threshold)
    if atom >= 0:
        size = _join(gram, correlation, value, support, is_active, vectors, inverse, size, atom)
    return size


@kernel
def _discard(gram, correlation, value, support, is_active, vectors, inverse, size, position):
    """An atom leaves; what it explained returns to the residual."""
    atom = support[position]
    if value[position] != 0:
        add_row(correlation, gram, atom, value[position])
    is_active[atom] = 0
    remove(support, vectors, inverse, size, position)
    value[position] = value[size - 1]
    return size - 1


@kernel
def _discard_flips(gram, correlation, value, support, is_active, vectors, inverse, size):
    for i in range(size - 1, -1, -1):
        if (value[i] + vectors[STEP, i]) * vectors[SIGN, i] <= 0:
            size = _discard(gram, correlation, value, support, is_active, vectors, inverse, size, i)
    return size


@kernel
def _take_step(gram, correlation, value, support, vectors, size, length):
    for i in range(size):
        vectors[STEP, i] *= length
        value[i] += vectors[STEP, i]
    subtract_rows(correlation, gram, support, vectors, size)


@kernel
def _leap(gram, correlation, value, support, is_active, vectors, inverse, size, threshold):
    """Newton to the minimum on the support, without the atoms that it would flip."""
    for _ in range(LEAPS):
        before = size
        newton_step(correlation, support, vectors, inverse, size, threshold)
        size = _discard_flips(gram, correlation, value, support, is_active, vectors, inverse, size)
        if size == before:
            break
    _take_step(gram, correlation, value, support, vectors, size, np.float32(1))
    return size


@kernel
def _feasible_length(value, vectors, size):
    length = np.float32(1)
    for i in range(size):
        if (value[i] + vectors[STEP, i]) * vectors[SIGN, i] < 0:
            length = min(length, np.float32(value[i] / -vectors[STEP, i]))
    return length


@kernel
def _descend(gram, correlation, value, support, is_active, vectors, inverse, size, threshold):
    """Newton steps cut at the first sign change, each of which lowers the energy."""
    for _ in range(size + 1):
        newton_step(correlation, support, vectors, inverse, size, threshold)
        length = _feasible_length(value, vectors, size)
        _take_step(gram, correlation, value, support, vectors, size, length)
        if length == 1:
            break
        for i in range(size - 1, -1, -1):
            if value[i] * vectors[SIGN, i] <= abs(vectors[STEP, i]) * ROUNDING:
                size = _discard(
                    gram, correlation, value, support, is_active, vectors, inverse, size, i
                )
    return size


@kernel
def _relative_gap(rule, target, correlation, value, support, size, half_norm, largest):
    alpha = rule.threshold
    scale = alpha / max(alpha, largest)
    gap = alpha - alpha
    explained = alpha - alpha
    for i in range(size):
        atom = support[i]
        explained += value[i] * (target[atom] + correlation[atom])
        gap += alpha * abs(value[i]) - scale * value[i] * correlation[atom]
    misfit = half_norm - explained / 2
    return (max(misfit, 0) * (1 - scale) ** 2 + gap) / half_norm


@kernel
def _minimize(rule, gram, target, correlation, value, support, is_active, vectors, inverse, lanes,
              size, threshold, half_norm, tol, max_iter):  # fmt: skip
    """Rounds of admit, step, certify, until the gap is small or stands still."""
    alpha = rule.threshold
    gap = 1.0
    n_rounds = 0
    while n_rounds < max_iter:
        n_rounds += 1
        if threshold > alpha:
            threshold *= SHRINK
            if threshold < alpha * NEAR:
                threshold = alpha
        before = size
        if n_rounds < CAUTIOUS_AFTER:
            size = _admit(rule, gram, correlation, value, support, is_active, vectors, inverse,
                          size, threshold, lanes)  # fmt: skip
            grown = size
            size = _leap(gram, correlation, value, support, is_active, vectors, inverse, size,
                         threshold)  # fmt: skip
        else:
            size = _admit_one(rule, gram, correlation, value, support, is_active, vectors, inverse,
                              size, threshold)  # fmt: skip
            grown = size
            size = _descend(gram, correlation, value, support, is_active, vectors, inverse, size,
                            threshold)  # fmt: skip
        largest = _maxima(rule, correlation, lanes)
        if threshold > alpha:
            continue
        previous = gap
        gap = _relative_gap(rule, target, correlation, value, support, size, half_norm, largest)
        settled = before == grown and grown == size and gap > previous / 2
        if gap <= tol or settled:
            break
    return size, gap, n_rounds


@kernel
def _resume(gram, start, correlation, value, support, is_active, vectors, inverse):
    """The support, signs and values of a given code; q = c - z H."""
    size = 0
    for atom in range(start.shape[0]):
        if start[atom] != 0:
            grown = _join(
                gram, correlation, value, support, is_active, vectors, inverse, size, atom
            )
            if grown > size:
                vectors[SIGN, size] = 1 if start[atom] > 0 else -1
                vectors[STEP, size] = start[atom]
                value[size] = vectors[STEP, size]  # as rounded as the step, which moves q
                size = grown
    subtract_rows(correlation, gram, support, vectors, size)
    return size


@kernel
def _copy(source, destination):
    for j in range(source.shape[0]):
        destination[j] = source[j]


@kernel
def _write(value, support, size, code):
    for j in range(code.shape[0]):
        code[j] = 0
    for i in range(size):
        code[support[i]] = value[i]


@kernel
def active_set_rows(lasso, code, gap, n_iter, warm, tol, max_iter, support, vectors, inverse, first,
                    last):  # fmt: skip
    """Codes of the rows first..last in place; `code` holds the start where `warm`."""
    rule, gram = lasso.rule, lasso.gram
    dtype = gram.dtype
    correlation = np.empty(gram.shape[0], dtype)
    value = np.zeros(vectors.shape[1], dtype)
    lanes = np.zeros(LANES + BLOCKS, dtype)
    is_active = np.zeros(gram.shape[0], np.int8)
    for n in range(first, last):
        target = lasso.correlation[n]
        _copy(target, correlation)
        is_active[:] = 0
        size, threshold = 0, rule.threshold
        if warm:
            size = _resume(gram, code[n], correlation, value, support, is_active, vectors, inverse)
        largest = _maxima(rule, correlation, lanes)
        if not warm:
            threshold = max(threshold, largest)
        size, gap[n], n_iter[n] = _minimize(
            rule, gram, target, correlation, value, support, is_active, vectors, inverse, lanes,
            size, threshold, lasso.half_norm[n], tol, max_iter,
        )  # fmt: skip
        _write(value, support, size, code[n])
