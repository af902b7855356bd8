"""Active set under a constraint, for which the threshold of the lasso is an unknown.

On a support with signs s, the code of the threshold t + d is z + a - d w, with a = (q - t s) H^-1
and w = s H^-1. The constraint is therefore an equation for d:

- ||z||_1 = limit is linear in d, with the slope -s w'.
- ||r||^2 = limit is quadratic: ||r||^2 - 2 t a s' - a (q - t s)' + s w' (2 t d + d^2).

The threshold decreases in geometric steps from max |c|, as in the active set of the lasso, until it
reaches the solution of this equation. From then on, the equation determines it in each round. The
rounds usually end at the exact solution, but need not; a search for the threshold continues with
the other samples.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._limits import NormLimit
from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._active_set import (
    LEAPS,
    SHRINK,
    discard_flips,
    restart,
    survey,
    take_step,
    write,
)
from sklearn_ebm.backends.numba._admission import admit
from sklearn_ebm.backends.numba._lasso import MAX_SUPPORT, by_rows
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._support import (
    FACTOR,
    SCRATCH,
    SIGN,
    STEP,
    new_search,
    newton_step,
    times_inverse,
    unshifted,
)

EXACT = 8  # distance from the limit in units of rounding at which a code is exact
CORRECTIONS = 3  # steps on the final support, which reduce the distance from the limit


class Limits(NamedTuple):
    """A constraint, in the dtype of the data."""

    limit: Any
    is_norm: Any  # whether ||z||_1 is limited, otherwise ||r||^2
    rounding: Any  # relative distance from the limit at which a code is exact


@inner
def _sums(target, search, size):
    """Return the L1 norm of z, z q' and z (c + q)' = ||x||^2 - ||r||^2."""
    length = search.correlation[0] - search.correlation[0]
    along, explained = length, length
    for i in range(size):
        atom, value = search.support[i], search.value[i]
        length += value * search.vectors[SIGN, i]
        along += value * search.correlation[atom]
        explained += value * (target[atom] + search.correlation[atom])
    return length, along, explained


@inner
def _shift(limits, target, search, size, threshold, half_norm):
    """Compute w, given the step a; return d, or -threshold if d is below it."""
    vectors = search.vectors
    nothing = threshold - threshold
    ahead, gain = nothing, nothing
    for i in range(size):
        slope = search.correlation[search.support[i]] - threshold * vectors[SIGN, i]
        ahead += vectors[STEP, i] * vectors[SIGN, i]
        gain += vectors[STEP, i] * slope
        vectors[FACTOR, i] = vectors[SIGN, i]
    times_inverse(vectors, search.inverse, SCRATCH, size)
    curvature = nothing
    for i in range(size):
        curvature += vectors[SCRATCH, i] * vectors[SIGN, i]
    length, _, explained = _sums(target, search, size)
    if curvature <= 0:
        return -threshold
    if limits.is_norm:
        return max((length + ahead - limits.limit) / curvature, -threshold)
    excess = half_norm + half_norm - explained - limits.limit
    excess -= (threshold + threshold) * ahead + gain
    square = threshold * threshold - excess / curvature
    if square <= 0:
        return -threshold
    return -(excess / curvature) / (threshold + math.sqrt(square))


@inner
def _leap(rule, limits, hessian, target, search, size, threshold, lowest, half_norm):
    """Make a step without atoms that change sign: size and threshold, which is at least lowest.

    Row STEP is the Newton step of `threshold`.
    """
    reached = threshold
    for attempt in range(LEAPS):
        if attempt > 0:
            newton_step(rule, hessian, search, size, threshold)
        shift = _shift(limits, target, search, size, threshold, half_norm)
        shift = max(shift, lowest - threshold)
        for i in range(size):
            search.vectors[STEP, i] -= shift * search.vectors[SCRATCH, i]
        reached = threshold + shift
        before = size
        size = discard_flips(hessian, search, size)
        if size == before:
            break
    take_step(hessian, search, size)
    return size, reached


@inner
def _relative_gap(limits, target, search, size, half_norm, largest):
    """Return the gap as the rule of the reference, and the relative distance from the limit."""
    length, along, explained = _sums(target, search, size)
    square = half_norm + half_norm
    misfit = max(square - explained, square - square)
    if limits.is_norm:
        distance = max((length - limits.limit) / limits.limit, length - length)
        slack = max(limits.limit * largest - along, along - along)
        scale = np.float32(1) - slack / misfit if slack < misfit else misfit - misfit
        error = np.float32(1) - scale
        return (misfit * error * error / 2 + scale * slack) / half_norm, distance
    norm = math.sqrt(misfit)
    bound = largest * length
    slack = max(bound - along, bound - bound)
    gap = slack + norm * abs(math.sqrt(limits.limit) - norm)
    if bound <= 0:
        return np.inf, np.inf
    return gap / bound, abs(misfit - limits.limit) / square


@inner
def _minimize(rule, limits, hessian, target, search, largest, half_norm, tol, max_iter):
    """Repeat rounds until the gap is small and the limit is met: size, gap and rounds."""
    threshold, is_active, n_still = largest, False, 0
    size, gap, n_rounds = np.intp(0), np.inf, 0
    while n_rounds < max_iter and n_still <= CORRECTIONS:
        n_rounds += 1
        was_active = is_active
        if not is_active:
            strength = threshold - threshold
            for each in search.strength:
                strength = max(strength, each)
            threshold = SHRINK * min(threshold, strength)
        lowest = SHRINK * threshold if is_active else threshold
        before = size
        if gap > tol:
            size, _ = admit(rule, hessian, search, size, threshold)
        else:
            newton_step(rule, hessian, search, size, threshold)
        grown = size
        size, reached = _leap(
            rule, limits, hessian, target, search, size, threshold, lowest, half_norm
        )
        is_active = reached > lowest
        threshold = reached
        largest = survey(rule, search)
        previous = gap
        gap, distance = _relative_gap(limits, target, search, size, half_norm, largest)
        if gap <= tol and distance <= limits.rounding:
            break
        settled = before == grown and grown == size and was_active and gap > previous / 2
        n_still = n_still + 1 if gap <= tol or settled else 0
    return size, gap, n_rounds


@inner
def _respect(limits, search, size):
    """Scale a code whose norm is above the limit."""
    length = 0.0
    for i in range(size):
        length += abs(search.value[i])
    if length > limits.limit:
        share = limits.limit / length
        for i in range(size):
            search.value[i] *= share


@kernel
def constrained_rows(lasso, limits, code, gap, n_iter, tol, max_iter, search, first, last):
    """Compute codes of the rows first..last, from zero."""
    rule, hessian = lasso.rule, unshifted(lasso.gram)
    for n in range(first, last):
        target, half_norm = lasso.correlation[n], lasso.half_norm[n]
        restart(search, target)
        largest = survey(rule, search)
        size, n_iter[n], gap[n] = np.intp(0), 0, 0
        meets = limits.is_norm or half_norm + half_norm <= limits.limit
        if half_norm > 0 and largest > 0 and not (meets and not limits.is_norm):
            size, gap[n], n_iter[n] = _minimize(
                rule, limits, hessian, target, search, largest, half_norm, tol, max_iter
            )
        elif not meets and half_norm > 0:
            gap[n] = np.inf
        if limits.is_norm:
            _respect(limits, search, size)
        write(search, size, code[n])


def constrained_codes(lasso, code, tol, max_iter):
    """Fused active set; see `sklearn_ebm.backends.numpy.constrained_codes`."""
    limit, dtype, n_atoms = lasso.rule, code.dtype, code.shape[1]
    eps = float(np.finfo(dtype).eps)
    is_norm = isinstance(limit, NormLimit)
    limits = Limits(dtype.type(limit.limit), is_norm, dtype.type(EXACT * eps))
    rule = type(limit.rule)(dtype.type(1))
    lasso = type(lasso)(*map(read_only, lasso[:3]), rule)

    def solve(gap, n_iter, tol, first, last):
        search = new_search(n_atoms, min(n_atoms, MAX_SUPPORT), dtype)
        constrained_rows(lasso, limits, code, gap, n_iter, tol, max_iter, search, first, last)

    return by_rows(solve, code, tol)
