"""Block coordinate descent on disjoint groups, one sample after another.

The residual correlation q = c - z H is kept up to date; it moves with a group whose code changes,
and few do: a group that is off and stays off costs the norm of its q. Sweeps over all groups
alternate with sweeps over those that are on.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends.numba._coordinate_descent import gap_of_sums
from sklearn_ebm.backends.numba._rules import kernel
from sklearn_ebm.backends.numba._support import add_rows

BLOCK_STEPS = 4  # proximal steps within a group before the next one has its turn
INNER_SWEEPS = 8
STILL = np.float32(1e-2)  # share of the change allowed at which groups that are on are at rest


class Blocks(NamedTuple):
    """What one thread needs to go from group to group, and what it writes to."""

    lipschitz: Any  # (n_groups,), bounds of the eigenvalues of each group's part of H
    is_on: Any  # (n_groups,), whether any code of the group is not zero
    value: Any  # (largest group,), its code
    before: Any  # (largest group,), and what it was
    target: Any  # (largest group,), q_g + z_g H_gg
    slope: Any  # (largest group,), the same less the code at hand times H_gg
    correlation: Any  # (n_components,), q


def new_blocks(lipschitz, largest, n_components, dtype):
    """Room for one thread's descents on groups of at most `largest` components."""
    value, before, target, slope = np.empty((4, largest), dtype)
    is_on = np.zeros(len(lipschitz), np.bool_)
    return Blocks(lipschitz, is_on, value, before, target, slope, np.empty(n_components, dtype))


@kernel
def group_bounds(gram, rule, lipschitz):
    """The largest sum of magnitudes in a row of each group's part of H."""
    for group in range(lipschitz.shape[0]):
        first, last = rule.starts[group], rule.starts[group + 1]
        lipschitz[group] = 0
        for i in range(first, last):
            total = lipschitz[group] - lipschitz[group]
            for k in range(first, last):
                total += abs(gram[rule.members[i], rule.members[k]])
            lipschitz[group] = max(lipschitz[group], total)


@kernel
def _square(rule, values, size):
    """Sum of squares, of positive values alone where codes are positive."""
    total = values[0] - values[0]
    for i in range(size):
        value = max(values[i], total - total) if rule.positive else values[i]
        total += value * value
    return total


@kernel
def _block_step(rule, gram, blocks, first, size, threshold, step_size):
    """One proximal step on the group's code, z <- shorten(z + step (target - z H_gg))."""
    for i in range(size):
        slope = blocks.target[i]
        for k in range(size):
            slope -= blocks.value[k] * gram[rule.members[first + i], rule.members[first + k]]
        blocks.slope[i] = slope
    for i in range(size):
        blocks.value[i] += step_size * blocks.slope[i]
        if rule.positive:
            blocks.value[i] = max(blocks.value[i], step_size - step_size)
    norm = math.sqrt(_square(rule, blocks.value, size))
    excess = norm - threshold * step_size
    share = excess / norm if excess > 0 else norm - norm
    for i in range(size):
        blocks.value[i] *= share


@kernel
def _update(rule, gram, blocks, code, group):
    """Minimise over one group, up to what some steps leave; the change's squared length."""
    first = rule.starts[group]
    size = rule.starts[group + 1] - first
    threshold = rule.threshold[group]
    for i in range(size):
        blocks.target[i] = blocks.correlation[rule.members[first + i]]
    nothing = threshold - threshold
    was_on = blocks.is_on[group]
    if not was_on and _square(rule, blocks.target, size) <= threshold * threshold:
        return nothing
    for i in range(size):
        blocks.before[i] = code[rule.members[first + i]]
        blocks.value[i] = blocks.before[i]
    for i in range(size):
        for k in range(size):
            entry = gram[rule.members[first + i], rule.members[first + k]]
            blocks.target[i] += blocks.before[k] * entry
    for _ in range(BLOCK_STEPS):
        _block_step(
            rule, gram, blocks, first, size, threshold,
            threshold / (threshold * blocks.lipschitz[group]),
        )  # fmt: skip
    return _write(rule, gram, blocks, code, group, first, size)


@kernel
def _write(rule, gram, blocks, code, group, first, size):
    """Take over the group's new code, and move q along."""
    is_on = False
    change = blocks.value[0] - blocks.value[0]
    for i in range(size):
        value = blocks.value[i]
        code[rule.members[first + i]] = value
        is_on |= value != 0
        blocks.value[i] = value - blocks.before[i]
        change += blocks.value[i] * blocks.value[i]
    blocks.is_on[group] = is_on
    if change > 0:
        members = rule.members[first : first + size]
        add_rows(blocks.correlation, gram, members, blocks.value, gram.dtype.type(-1), size)
    return change * blocks.lipschitz[group]


@kernel
def _sweep(rule, gram, blocks, code, everything):
    """Every group once, or those that are on: the largest change of any."""
    largest = gram[0, 0] - gram[0, 0]
    for group in range(rule.threshold.shape[0]):
        if everything or blocks.is_on[group]:
            largest = max(largest, _update(rule, gram, blocks, code, group))
    return largest


@kernel
def _relative_gap(rule, target, blocks, code, half_norm):
    """As `backends._certificate.relative_gap`, from the groups."""
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


@kernel
def _start(rule, gram, target, blocks, code):
    """q = c - z H, and which groups are on."""
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
    """Codes of the rows first..last, in place from where they are."""
    rule, gram, target = lasso.rule, lasso.gram, lasso.correlation
    for n in range(first, last):
        half_norm = lasso.half_norm[n]
        _start(rule, gram, target[n], blocks, code[n])
        sweeps = 0
        still = STILL * tol * half_norm
        while True:
            gap[n] = _relative_gap(rule, target[n], blocks, code[n], half_norm)
            if gap[n] <= tol or sweeps >= max_iter:
                break
            _sweep(rule, gram, blocks, code[n], True)
            sweeps += 1
            for _ in range(INNER_SWEEPS):
                sweeps += 1
                if _sweep(rule, gram, blocks, code[n], False) <= still:
                    break
        n_iter[n] = sweeps
