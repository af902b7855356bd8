"""Block coordinate descent on disjoint groups, one sample after another.

The residual correlation q = c - z H is kept up to date. It changes only with groups whose code
changes, which are few: a group that remains off requires only the norm of its q. Each visit of a
group is one proximal step, which requires only q. More steps within a group would save visits, but
less than they cost. Sweeps over all groups alternate with sweeps over active groups.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends.numba._coordinate_descent import gap_of_sums
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._support import add_rows

INNER_SWEEPS = 16
STILL = np.float32(1e-2)  # share of the accepted change below which active groups are at rest


class Blocks(NamedTuple):
    """Data and buffers of one thread."""

    lipschitz: Any  # (n_groups,), bounds of the eigenvalues of each group's block of H
    is_on: Any  # (n_groups,), whether a code of the group is non-zero
    value: Any  # (largest group,), the code of the current group
    change: Any  # (largest group,), the change of this code
    slope: Any  # (largest group,), q of the current group
    correlation: Any  # (n_components,), q


def new_blocks(lipschitz, largest, n_components, dtype):
    """Return buffers of one thread for groups of at most `largest` components."""
    value, change, slope = np.empty((3, largest), dtype)
    is_on, correlation = np.zeros(len(lipschitz), np.bool_), np.empty(n_components, dtype)
    return Blocks(lipschitz, is_on, value, change, slope, correlation)


@kernel
def group_bounds(gram, rule, lipschitz):
    """Compute the largest sum of magnitudes in a row of each group's block of H."""
    for group in range(lipschitz.shape[0]):
        first, last = rule.starts[group], rule.starts[group + 1]
        lipschitz[group] = 0
        for i in range(first, last):
            total = lipschitz[group] - lipschitz[group]
            for k in range(first, last):
                total += abs(gram[rule.members[i], rule.members[k]])
            lipschitz[group] = max(lipschitz[group], total)
        if lipschitz[group] == 0:  # for atoms of norm zero, any step size shrinks the codes
            lipschitz[group] = 1


@inner
def _square(rule, values, size):
    """Return the sum of squares, of positive values only if codes are non-negative."""
    total = values[0] - values[0]
    for i in range(size):
        value = max(values[i], total - total) if rule.positive else values[i]
        total += value * value
    return total


@inner
def _update(rule, gram, blocks, code, group):
    """Make a proximal step on a group; return a lower bound of twice the decrease of the energy."""
    first = rule.starts[group]
    size = rule.starts[group + 1] - first
    threshold, lipschitz = rule.threshold[group], blocks.lipschitz[group]
    for i in range(size):
        blocks.slope[i] = blocks.correlation[rule.members[first + i]]
    if not blocks.is_on[group] and _square(rule, blocks.slope, size) <= threshold * threshold:
        return threshold - threshold
    step_size = threshold / (threshold * lipschitz)
    for i in range(size):
        moved = code[rule.members[first + i]] + step_size * blocks.slope[i]
        blocks.value[i] = max(moved, moved - moved) if rule.positive else moved
    norm = math.sqrt(_square(rule, blocks.value, size))
    excess = norm - threshold * step_size
    return lipschitz * _shorten(
        rule, gram, blocks, code, group, excess / norm if excess > 0 else norm - norm
    )


@inner
def _shorten(rule, gram, blocks, code, group, share):
    """Set a group's code to a share of `value`, and update q; return the squared change."""
    first = rule.starts[group]
    size = rule.starts[group + 1] - first
    blocks.is_on[group] = share > 0
    square = share - share
    for i in range(size):
        atom = rule.members[first + i]
        value = share * blocks.value[i]
        blocks.change[i] = value - code[atom]
        square += blocks.change[i] * blocks.change[i]
        code[atom] = value
    if square > 0:
        members = rule.members[first : first + size]
        add_rows(blocks.correlation, gram, members, blocks.change, gram.dtype.type(-1), size)
    return square


@inner
def _sweep(rule, gram, blocks, code, everything):
    """Update all groups, or only active groups; return the largest change."""
    largest = gram[0, 0] - gram[0, 0]
    for group in range(rule.threshold.shape[0]):
        if everything or blocks.is_on[group]:
            largest = max(largest, _update(rule, gram, blocks, code, group))
    return largest


@inner
def _relative_gap(rule, target, blocks, code, half_norm):
    """Return the gap as `backends._certificate.relative_gap`, from the groups."""
    nothing = half_norm - half_norm
    if half_norm <= 0:
        return nothing
    excess, penalty, explained, along = nothing, nothing, nothing, nothing
    for group in range(rule.threshold.shape[0]):
        first, last = rule.starts[group], rule.starts[group + 1]
        square, length = nothing, nothing
        for i in range(first, last):
            atom = rule.members[i]
            q, value = blocks.correlation[atom], code[atom]
            length += value * value
            explained += value * (target[atom] + q)
            along += value * q
            if rule.positive:
                q = max(q, nothing)
            square += q * q
        penalty += rule.threshold[group] * math.sqrt(length)
        excess = max(excess, math.sqrt(square) / rule.threshold[group])
    one = half_norm / half_norm
    scale = one / max(one, excess)
    return gap_of_sums(half_norm, explained, penalty - scale * along, scale)


@inner
def _start(rule, gram, target, blocks, code):
    """Compute q = c - z H, and find the active groups."""
    for j in range(gram.shape[0]):
        blocks.correlation[j] = target[j]
    for group in range(rule.threshold.shape[0]):
        first, last = rule.starts[group], rule.starts[group + 1]
        blocks.is_on[group] = False
        for i in range(first, last):
            blocks.value[i - first] = code[rule.members[i]]
            blocks.is_on[group] |= code[rule.members[i]] != 0
        if blocks.is_on[group]:
            members = rule.members[first:last]
            size = last - first
            add_rows(blocks.correlation, gram, members, blocks.value, gram.dtype.type(-1), size)


@kernel
def block_descent_rows(lasso, code, gap, n_iter, tol, max_iter, blocks, first, last):
    """Compute codes of the rows first..last, in place from the given codes.

    q accumulates rounding errors, so a row ends only if its gap is small after q is recomputed.
    """
    rule, gram, target = lasso.rule, lasso.gram, lasso.correlation
    for n in range(first, last):
        half_norm = lasso.half_norm[n]
        sweeps, ends, is_fresh = 0, True, False
        still = STILL * tol * half_norm
        while True:
            if ends:
                _start(rule, gram, target[n], blocks, code[n])
            is_fresh = ends
            gap[n] = _relative_gap(rule, target[n], blocks, code[n], half_norm)
            ends = gap[n] <= tol or sweeps >= max_iter
            if ends and is_fresh:
                break
            if ends:
                continue
            _sweep(rule, gram, blocks, code[n], True)
            sweeps += 1
            for _ in range(min(INNER_SWEEPS, max_iter - sweeps)):
                sweeps += 1
                if _sweep(rule, gram, blocks, code[n], False) <= still:
                    break
        n_iter[n] = sweeps
