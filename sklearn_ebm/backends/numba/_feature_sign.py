"""Feature-sign search for min_z 1/2 z H z' - c z' + alpha ||z||_1, finite for any dictionary.

Atoms join one at a time, starting with the strongest violator of |q_j| <= alpha, and each step
ends at the first sign change (Lee et al. 2007), so that it decreases the energy. Three additions
make the search finite if atoms are nearly dependent.

- Exchange. If an atom is in the span of the support, H has no curvature along the direction in
  which it replaces the other atoms. The step follows this direction until a coefficient of the
  support is zero, and the corresponding atom leaves.
- Strikes. An atom whose attempt did not decrease the energy may not join until another step has
  decreased it. After three such attempts, the atom is excluded.
- Before the search ends, q and the certificate are recomputed from z.

Between two attempts, z is the minimum for its support and signs, and every attempt that is not a
strike decreases the energy, so that no support and signs occur twice.

A start with nearly dependent atoms may lose all accuracy. The search therefore restarts from zero
if its energy exceeds the energy of zero, or if it ends without a certificate.
"""

import numpy as np

from sklearn_ebm.backends.numba._active_set import strongest, survey
from sklearn_ebm.backends.numba._coordinate_descent import gap_of_sums
from sklearn_ebm.backends.numba._factor import (
    MOST_STRIKES,
    MOVED,
    RIGHT,
    SIGN,
    STEP,
    VALUE,
    append,
    follow,
    move,
    refresh,
    remove,
    solve_half,
    solve_rest,
)
from sklearn_ebm.backends.numba._rules import guard, inner, kernel, row_of, weighted
from sklearn_ebm.backends.numba._simd import LANES

ALONE = 48  # size of the support up to which a single atom joins at a time
SHARE = 8  # further atoms on the support for each additional atom that joins
NEGLIGIBLE = 1e-9  # share of a new atom's slope; smaller slopes of other atoms are ignored
NO_GAIN = 1e-14  # share of 1/2 ||x||^2; smaller decreases of the energy may be rounding errors
LOST = 1e-6  # share of 1/2 ||x||^2 by which an accurate energy may exceed the energy of zero


@inner
def _crossing(descent, size, direction):
    """Return the length of `direction` times the step to the first zero of a coefficient."""
    length, blocking = 0.0, -1
    for i in range(size):
        change = direction * descent.vectors[STEP, i]
        if change * descent.vectors[SIGN, i] < 0:
            reach = max(descent.vectors[VALUE, i] * descent.vectors[SIGN, i], 0.0) / abs(change)
            if blocking < 0 or reach < length:
                length, blocking = reach, i
    return length, blocking


@inner
def _first_slope(vectors, size):
    """Return the first atom of the support with a slope that is not negligible."""
    first, least = 0, NEGLIGIBLE * abs(vectors[RIGHT, size - 1])
    while first < size - 1 and abs(vectors[RIGHT, first]) < least:
        first += 1
    return first


@inner
def _settle(rule, gram, descent, size):
    """Move to the minimum for the signs, removing atoms that become zero: size and gain.

    A step of length t along H_SS^-1 times the slope multiplies the slope by 1 - t, so that q need
    not be updated before the end.
    """
    vectors, gain = descent.vectors, 0.0
    for i in range(size):
        atom = descent.support[i]
        limit = weighted(rule, rule.threshold, atom)
        vectors[RIGHT, i] = descent.correlation[atom] - limit * vectors[SIGN, i]
    while size > 0:
        square = solve_half(descent, size, _first_slope(vectors, size))
        solve_rest(descent, size)
        length, blocking = _crossing(descent, size, 1.0)
        is_last = blocking < 0 or length > 1
        length = 1.0 if is_last else length
        move(descent, size, length)
        gain += length * (1 - length / 2) * square
        if is_last:
            break
        for i in range(size):
            vectors[RIGHT, i] *= 1 - length
        remove(gram, descent, size, blocking)
        size -= 1
    follow(gram, descent, size)
    return size, gain


@inner
def _join(descent, size, atom, value, sign):
    descent.vectors[VALUE, size] = descent.vectors[MOVED, size] = value
    descent.vectors[SIGN, size] = sign
    descent.is_free[atom] = 0


@inner
def _accompany(rule, gram, descent, size, best):
    """On a large support, add other strong violators with the best one; return the size.

    An update of q costs the same for one atom or several, and steps still end at sign changes.
    """
    least = max(rule.threshold, descent.strength[best] / 2)
    most = min(size + (size - ALONE) // SHARE, descent.support.shape[0])
    for lane in range(LANES):
        atom = np.uintp(descent.candidate[lane])
        if lane != best and descent.strength[lane] > least and size < most:
            joined, _ = append(gram, descent, size, atom)
            if joined:
                sign = 1.0 if descent.correlation[atom] > 0 else -1.0
                _join(descent, size, atom, 0.0, sign)
                size += 1
    return size


@inner
def _exchange(rule, gram, descent, size, best):
    """Add an atom, in exchange for others if it is in their span; return size and gain."""
    atom = np.uintp(descent.candidate[best])
    sign = 1.0 if descent.correlation[atom] > 0 else -1.0
    violation = abs(descent.correlation[atom]) - weighted(rule, rule.threshold, atom)
    value, gain = 0.0, 0.0
    while size < descent.support.shape[0]:
        joined, pivot = append(gram, descent, size, atom)
        if joined:
            break
        length, blocking = _crossing(descent, size, -sign)
        lowers = length * (violation - max(pivot, 0.0) * length / 2)
        if blocking < 0 or lowers <= 0:
            break
        move(descent, size, -sign * length)
        value += sign * length
        gain += lowers
        remove(gram, descent, size, blocking)
        size -= 1
    else:
        joined = False
    if joined:
        _join(descent, size, atom, value, sign)
        size += 1
    if value != 0:
        follow(gram, descent, size)
    if joined and size > ALONE:
        size = _accompany(rule, gram, descent, size, best)
    return size, gain if joined else 0.0


@inner
def _judge(descent, size, atom, lowered):
    """Free all atoms after an attempt that decreased the energy; otherwise add a strike."""
    if lowered:
        _pardon(descent, size)
    else:
        descent.strikes[atom] += 1
        descent.is_free[atom] = 0


@inner
def _pardon(descent, size):
    """Free all atoms outside the support, except those with too many strikes."""
    for j in range(descent.is_free.shape[0]):
        descent.is_free[j] = descent.strikes[j] < MOST_STRIKES
    for i in range(size):
        descent.is_free[descent.support[i]] = 0


@guard
def _relative_gap(rule, target, descent, size, half_norm, largest):
    """Return the duality gap over 1/2 ||x||^2; infinity if zero is better, or for NaN."""
    alpha = rule.threshold
    scale = alpha / max(alpha, largest)
    explained, slack, norm = 0.0, 0.0, 0.0
    for i in range(size):
        atom, value = descent.support[i], descent.vectors[VALUE, i]
        explained += value * (target[atom] + descent.correlation[atom])
        size_of_value = weighted(rule, abs(value), atom)
        slack += alpha * size_of_value - scale * value * descent.correlation[atom]
        norm += size_of_value
    if not alpha * norm - explained / 2 <= LOST * half_norm:
        return np.inf
    return gap_of_sums(half_norm, explained, slack, scale)


@inner
def _start(gram, descent, code, warm):
    """Start from a code without atoms in the span of others, or from zero if not `warm`."""
    size = np.intp(0)  # avoids a separate type for the literal
    for j in range(code.shape[0]):
        descent.is_free[j] = 1
        descent.strikes[j] = 0
        if warm and code[j] != 0 and size < descent.support.shape[0]:
            joined, _ = append(gram, descent, size, np.uintp(j))
            if joined:
                descent.vectors[VALUE, size] = code[j]
                descent.vectors[SIGN, size] = 1.0 if code[j] > 0 else -1.0
                descent.is_free[j] = 0
                size += 1
    return size


@kernel
def feature_sign_rows(lasso, code, gap, n_iter, tol, max_iter, descent, first, last):
    """Compute codes of the rows first..last, in place from the given codes.

    Each iteration adds an atom or recomputes q; a row ends only after q is recomputed.
    """
    gram = lasso.gram
    for n in range(first, last):
        rule = row_of(lasso.rule, n)
        target, half_norm = lasso.correlation[n], lasso.half_norm[n]
        size = _start(gram, descent, code[n], True)
        best, refreshes, is_warm = np.intp(0), True, size > 0
        n_iter[n] = 0
        while True:
            if refreshes:
                refresh(gram, target, descent, size)
                _pardon(descent, size)
            else:
                size, gain = _exchange(rule, gram, descent, size, best)
                n_iter[n] += 1
            atom = np.uintp(descent.candidate[best])
            size, lowered = _settle(rule, gram, descent, size)
            if not refreshes:
                _judge(descent, size, atom, gain + lowered > NO_GAIN * half_norm)
            largest = survey(rule, descent)
            gap[n] = _relative_gap(rule, target, descent, size, half_norm, largest)
            best = strongest(descent)
            is_lost, is_late = gap[n] == np.inf, n_iter[n] >= max_iter
            is_stuck = descent.strength[best] <= rule.threshold or is_late or is_lost
            ends = gap[n] <= tol or is_stuck
            if ends and (refreshes or is_lost):
                if gap[n] <= tol or not is_warm or (is_late and not is_lost):
                    break
                size, is_warm = _start(gram, descent, code[n], False), False
            refreshes = ends
        _write(descent, size, code[n])


@inner
def _write(descent, size, code):
    for j in range(code.shape[0]):
        code[j] = 0
    for i in range(size):
        code[descent.support[i]] = descent.vectors[VALUE, i]
