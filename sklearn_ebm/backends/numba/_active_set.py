"""Active set for min_z 1/2 z H z' - c z' + alpha sum_j w_j |z_j|, one sample after another.

The threshold decreases from max_j |c_j| / w_j to alpha in a few geometric steps, so that few wrong
atoms join the support. In each round, several violators join (`_admission`), and atoms with a sign
that the Newton step would flip leave before it is taken. This is fast and usually
exact, but need not terminate: feature-sign search continues with the samples that are not certified
after some rounds.

The certificate is the duality gap in the form 1/2 (1 - s)^2 ||r||^2 + sum_j (alpha w_j |z_j| - s
z_j q_j), with q = c - z H and s = min(1, alpha / max_j (|q_j| / w_j)). It is a sum of non-negative
terms, which avoids cancellation.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends.numba._admission import admit, admit_support
from sklearn_ebm.backends.numba._coordinate_descent import gap_of_sums
from sklearn_ebm.backends.numba._rules import (
    dual_magnitude,
    inner,
    kernel,
    row_of,
    scaled,
    weighted,
)
from sklearn_ebm.backends.numba._simd import (
    LANES,
    larger,
    largest_lane,
    load,
    multiply,
    splat,
    store,
    where_larger,
)
from sklearn_ebm.backends.numba._support import (
    SIGN,
    STEP,
    Hessian,
    add_row,
    newton_step,
    remove,
    subtract_product,
    unshifted,
)

SHRINK = np.float32(0.45)  # factor of the threshold in one round
NEAR = np.float32(1.2)  # a threshold up to this multiple of alpha is set to alpha
REFUSALS = 8  # rejected atoms in the support's span; more indicate nearly dependent atoms
FARTHEST = np.float32(8)  # maximum step, as a multiple of the code's L1 norm
FRESH = 8  # thresholds of a path after which q is recomputed
STALE = np.float32(0.3)  # share of the ridge of an inverse at which the inverse is recomputed
STILL = 2  # rounds without a change of the support in which the gap decreases by less than half
LEAPS = 3  # attempts to find a step without sign changes; the last step is taken in any case


class Path(NamedTuple):
    """Decreasing thresholds with their Hessians, for one thread."""

    thresholds: Any  # (n_thresholds,)
    ridges: Any  # (n_thresholds,), not increasing
    diagonal: Any  # (n_atoms,), of the Gram matrix without a ridge
    gram: Any  # (n_atoms, n_atoms), with the ridge of an inverse; changed by the kernel


@inner
def survey(rule, search):
    """Find the free atom of largest dual magnitude in each lane; return the largest of all."""
    correlation, strength, candidate = search.correlation, search.strength, search.candidate
    number = correlation.dtype.type
    best = splat(number(0))
    place, overall = best, best
    whole = correlation.shape[0] // LANES * LANES
    for j in range(0, whole, LANES):
        size = dual_magnitude(rule, load(correlation, j), j)
        overall = larger(size, overall)
        size = multiply(size, load(search.is_free, j))
        place = where_larger(size, best, splat(number(j)), place)
        best = larger(size, best)
    largest = largest_lane(overall)
    store(strength, 0, best)
    store(candidate, 0, place)
    for lane in range(LANES):
        candidate[lane] += lane
    for j in range(whole, correlation.shape[0]):
        size = dual_magnitude(rule, correlation[j], j)
        largest = max(largest, size)
        if size * search.is_free[j] > strength[j - whole]:
            strength[j - whole], candidate[j - whole] = size, j
    return largest


@inner
def strongest(search):
    """Return the lane of the free atom of largest dual magnitude."""
    best = np.intp(0)
    for lane in range(1, LANES):
        if search.strength[lane] > search.strength[best]:
            best = lane
    return best


@inner
def _discard(hessian, search, size, position):
    """Remove an atom from the support, and add its contribution to the residual correlation."""
    atom = search.support[position]
    if search.value[position] != 0:
        add_row(search.correlation, hessian.gram, atom, search.value[position])
        if hessian.shift > 0:
            search.correlation[atom] -= hessian.shift * search.value[position]
    search.is_free[atom] = 1
    remove(search, size, position)
    return size - 1


@inner
def discard_flips(hessian, search, size):
    value, vectors = search.value, search.vectors
    for i in range(size - 1, -1, -1):
        if (value[i] + vectors[STEP, i]) * vectors[SIGN, i] <= 0:
            size = _discard(hessian, search, size, i)
    return size


@inner
def take_step(hessian, search, size):
    """Add the step to z, and update q; return the L1 norm of the step."""
    distance = np.float32(0)
    for i in range(size):
        search.value[i] += search.vectors[STEP, i]
        distance += abs(search.vectors[STEP, i])
    subtract_product(hessian, search, search.vectors[STEP], size)
    return distance


@inner
def _leap(rule, hessian, search, size, threshold):
    """Take a Newton step without atoms that change sign, given the step: size, distance."""
    for _ in range(LEAPS):
        before = size
        size = discard_flips(hessian, search, size)
        if size == before:
            break
        newton_step(rule, hessian, search, size, threshold)
    return size, take_step(hessian, search, size)


@inner
def _relative_gap(rule, target, search, size, half_norm, largest):
    """Return the duality gap over 1/2 ||x||^2, and the code's L1 norm."""
    alpha = rule.threshold
    scale = alpha / max(alpha, largest)
    explained, slack, length = alpha - alpha, alpha - alpha, alpha - alpha
    for i in range(size):
        atom, value = search.support[i], search.value[i]
        explained += value * (target[atom] + search.correlation[atom])
        slack += alpha * weighted(rule, abs(value), atom) - scale * value * search.correlation[atom]
        length += abs(value)
    return gap_of_sums(half_norm, explained, slack, scale), length


@inner
def _minimize(rule, hessian, target, search, size, threshold, half_norm, tol, max_iter, farthest):
    """Repeat rounds until the gap is small or no longer decreases; return size, gap and rounds.

    A gap is claimed only if no step was much longer than the code, since q accumulates the rounding
    errors of all steps.
    """
    alpha = rule.threshold
    gap = 1.0
    n_rounds, n_refused, n_still = 0, 0, 0
    while n_rounds < max_iter and n_refused <= REFUSALS:
        n_rounds += 1
        if threshold > alpha:
            threshold *= SHRINK
            if threshold < alpha * NEAR:
                threshold = alpha
        before = size
        grown, refused = admit(rule, hessian, search, size, threshold)
        n_refused += refused
        size, distance = _leap(rule, hessian, search, grown, threshold)
        farthest = max(farthest, distance)
        largest = survey(rule, search)
        if threshold > alpha:
            continue
        previous = gap
        gap, length = _relative_gap(rule, target, search, size, half_norm, largest)
        is_still = before == grown and grown == size and gap > previous / 2
        n_still = n_still + 1 if is_still else 0
        if gap <= tol and farthest > FARTHEST * length:
            return size, 1.0, n_rounds
        if gap <= tol or n_still == STILL:
            break
    return size, gap, n_rounds


@inner
def _resume(hessian, search, start):
    """Start from the support, signs and values of a code: size, L1 norm, refusals; q = c - z H."""
    size, n_refused = admit_support(hessian, search, start)
    length, step = np.float32(0), search.vectors[STEP]
    for i in range(size):
        step[i] = start[search.support[i]]
        search.value[i] = step[i]  # rounded as in the update of q
        length += abs(step[i])
    subtract_product(hessian, search, step, size)
    return size, length, n_refused


@inner
def restart(search, target):
    """Begin with a code of zeros."""
    for j in range(target.shape[0]):
        search.correlation[j] = target[j]
        search.is_free[j] = 1


@inner
def write(search, size, code):
    for j in range(code.shape[0]):
        code[j] = 0
    for i in range(size):
        code[search.support[i]] = search.value[i]


@kernel
def active_set_rows(lasso, code, gap, n_iter, warm, tol, max_iter, search, first, last):
    """Compute codes of the rows first..last in place; `code` is the start if `warm`.

    A start with nearly dependent atoms is unchanged and has an infinite gap.
    """
    hessian = unshifted(lasso.gram)
    for n in range(first, last):
        rule, target = row_of(lasso.rule, n), lasso.correlation[n]
        restart(search, target)
        size, threshold, farthest = np.intp(0), rule.threshold, np.float32(0)
        if warm:
            size, farthest, n_refused = _resume(hessian, search, code[n])
            if n_refused > REFUSALS:
                gap[n], n_iter[n] = np.inf, 0
                continue
        largest = survey(rule, search)
        if not warm:
            threshold = max(threshold, largest)
        size, gap[n], n_iter[n] = _minimize(
            rule,
            hessian,
            target,
            search,
            size,
            threshold,
            lasso.half_norm[n],
            tol,
            max_iter,
            farthest,
        )
        write(search, size, code[n])


@inner
def _refresh(hessian, target, search, size):
    """Recompute q = c - z H, which accumulates the rounding errors of all steps."""
    for j in range(target.shape[0]):
        search.correlation[j] = target[j]
    subtract_product(hessian, search, search.value, size)


@inner
def _follow(rule, hessian, target, search, size, half_norm, tol, max_iter):
    """Minimise from the code of a slightly larger threshold; return size, gap and rounds.

    The first step has no new atoms: many that violate |q_j| <= alpha before it do not after it.
    """
    newton_step(rule, hessian, search, size, rule.threshold)
    size, distance = _leap(rule, hessian, search, size, rule.threshold)
    largest = survey(rule, search)
    gap, length = _relative_gap(rule, target, search, size, half_norm, largest)
    if gap <= tol and distance <= FARTHEST * length:
        return size, gap, 1
    size, gap, n_rounds = _minimize(
        rule, hessian, target, search, size, rule.threshold, half_norm, tol, max_iter - 1, distance
    )
    return size, gap, n_rounds + 1


@inner
def _with_ridge(path, ridge):
    """Add the ridge to the Gram matrix of this thread."""
    for j in range(path.diagonal.shape[0]):
        path.gram[j, j] = path.diagonal[j] + ridge
    return ridge


@inner
def _lower_ridge(search, size, decrease):
    for i in range(size):
        search.correlation[search.support[i]] += decrease * search.value[i]


@inner
def _start(rule, gram, target, search, half_norm, tol, max_iter):
    """Minimise from a code of zeros; return size, gap and rounds."""
    restart(search, target)
    threshold, size = max(rule.threshold, survey(rule, search)), np.intp(0)
    return _minimize(
        rule, unshifted(gram), target, search, size, threshold, half_norm, tol, max_iter,
        np.float32(0),
    )  # fmt: skip


@kernel
def active_set_path_rows(lasso, path, code, gap, n_iter, tol, max_iter, search, first, last):
    """Compute codes of the rows first..last for decreasing thresholds and ridges.

    Supports of consecutive thresholds have most atoms in common, so that the inverse of the Hessian
    remains in use. Since it depends on the ridge, it is the inverse of an earlier Hessian, with a
    larger ridge, until the ridges differ by a factor of `STALE`. `correct_step` accounts for the
    difference. A row without a certificate restarts from zero.

    The threshold of lasso.rule is one.
    """
    gram = path.gram
    for n in range(first, last):
        target, half_norm, size, is_certified = lasso.correlation[n], lasso.half_norm[n], 0, False
        inverted = _with_ridge(path, path.ridges[0])
        for k in range(path.thresholds.shape[0]):
            rule, ridge = scaled(row_of(lasso.rule, n), path.thresholds[k]), path.ridges[k]
            if is_certified and ridge < STALE * inverted:
                inverted = _with_ridge(path, ridge)
                restart(search, target)
                size, _, n_refused = _resume(unshifted(gram), search, code[k - 1, n])
                is_certified = n_refused <= REFUSALS
            elif is_certified:
                _lower_ridge(search, size, path.ridges[k - 1] - ridge)
            if is_certified:
                share = ridge / inverted if inverted > ridge else np.float32(1)
                hessian = Hessian(gram, inverted - ridge, share)
                if k % FRESH == 0:
                    _refresh(hessian, target, search, size)
                size, gap[k, n], n_iter[k, n] = _follow(
                    rule, hessian, target, search, size, half_norm, tol, max_iter
                )
            else:
                inverted = _with_ridge(path, ridge)
                size, gap[k, n], n_iter[k, n] = _start(
                    rule, gram, target, search, half_norm, tol, max_iter
                )
            is_certified = gap[k, n] <= tol
            write(search, size, code[k, n])
