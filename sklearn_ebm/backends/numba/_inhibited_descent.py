"""Coordinate descent for lateral inhibition, with updated q = c - z H and thresholds t = |z| S.

The first steps are greedy. Sweeps over all coordinates then alternate with sweeps over the non-zero
ones, which are few, and with steps along the change of these sweeps.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import LANES, add_scaled, load, store
from sklearn_ebm.backends.numba._support import add_row
from sklearn_ebm.backends.numpy._inhibited_descent import GREEDY_STEPS, INNER_SWEEPS

CODE, Q, T = range(3)  # rows of `Inhibited.before`


class Inhibited(NamedTuple):
    """Buffers of one thread for the code of a sample."""

    correlation: Any  # (n_atoms,), q = c - z H
    threshold: Any  # (n_atoms,), t = |z| S
    support: Any  # (n_atoms,), non-zero coordinates
    before: Any  # (3, n_atoms), code, q and t before the sweeps


def new_inhibited(n_atoms, dtype):
    """Return buffers of one thread."""
    return Inhibited(
        np.empty(n_atoms, dtype),
        np.empty(n_atoms, dtype),
        np.empty(n_atoms, np.uintp),
        np.empty((3, n_atoms), dtype),
    )


@inner
def _minimum(lasso, state, code, atom):
    """Return the minimum over one coordinate."""
    curvature = lasso.gram[atom, atom]
    nothing = curvature - curvature
    if curvature <= 0:  # an atom of norm zero has no effect
        return nothing
    value = state.correlation[atom] + curvature * code[atom]
    threshold = max(state.threshold[atom], nothing)
    if lasso.rule.positive:
        return max(value - threshold, nothing) / curvature
    return (value - min(max(value, -threshold), threshold)) / curvature


@inner
def _move(lasso, state, code, atom, value):
    """Set a coordinate, and update q and t."""
    change, growth = code[atom] - value, abs(value) - abs(code[atom])
    q, t, gram, strength = state.correlation, state.threshold, lasso.gram, lasso.rule.strength
    whole = gram.shape[1] // LANES * LANES
    for k in range(0, whole, LANES):
        store(q, k, add_scaled(load(q, k), change, load(gram, (atom, k))))
        store(t, k, add_scaled(load(t, k), growth, load(strength, (atom, k))))
    for k in range(whole, gram.shape[1]):
        q[k] += change * gram[atom, k]
        t[k] += growth * strength[atom, k]
    code[atom] = value


@inner
def _refresh(lasso, target, state, code):
    """Recompute q = c - z H and t = |z| S."""
    for j in range(code.shape[0]):
        state.correlation[j] = target[j]
        state.threshold[j] = 0
    for j in range(code.shape[0]):
        if code[j] != 0:
            add_row(state.correlation, lasso.gram, j, -code[j])
            add_row(state.threshold, lasso.rule.strength, j, abs(code[j]))


@inner
def _greedy_step(lasso, state, code):
    """Make the step that decreases the energy most; return whether there is one."""
    best, farthest, value = 0, lasso.gram[0, 0] - lasso.gram[0, 0], lasso.gram[0, 0]
    for j in range(code.shape[0]):
        updated = _minimum(lasso, state, code, j)
        distance = abs(updated - code[j]) * math.sqrt(lasso.gram[j, j])
        if distance > farthest:
            best, farthest, value = j, distance, updated
    if farthest > 0:
        _move(lasso, state, code, best, value)
    return farthest > 0


@inner
def _sweep(lasso, state, code):
    for j in range(code.shape[0]):
        value = _minimum(lasso, state, code, j)
        if value != code[j]:
            _move(lasso, state, code, j, value)


@inner
def _sweep_support(lasso, state, code, size):
    """Return the largest change, in units of correlations."""
    largest = lasso.gram[0, 0] - lasso.gram[0, 0]
    for i in range(size):
        j = state.support[i]
        value = _minimum(lasso, state, code, j)
        if code[j] != 0 and value != code[j]:
            largest = max(largest, lasso.gram[j, j] * abs(value - code[j]))
            _move(lasso, state, code, j, value)
    return largest


@inner
def _list_support(state, code):
    size = 0
    for j in range(code.shape[0]):
        state.support[size] = j
        size += code[j] != 0
    return size


@inner
def _remember(state, code):
    for j in range(code.shape[0]):
        state.before[CODE, j] = code[j]
        state.before[Q, j] = state.correlation[j]
        state.before[T, j] = state.threshold[j]


@inner
def _length(state, code, noise):
    """Return the step of `sklearn_ebm.backends._inhibition.extrapolated`; zero if there is none."""
    nothing = state.threshold[0] - state.threshold[0]
    slope, curvature, shrinkage, size = nothing, nothing, nothing, nothing
    for j in range(code.shape[0]):
        change = code[j] - state.before[CODE, j]
        if change == 0:
            continue
        if not code[j] * state.before[CODE, j] > 0:
            return nothing
        threshold, growth = state.threshold[j], state.threshold[j] - state.before[T, j]
        if code[j] < 0:
            threshold, growth = -threshold, -growth
        slope += change * (threshold - state.correlation[j])
        curvature += change * (state.before[Q, j] - state.correlation[j] + growth)
        shrinkage = max(shrinkage, -change / code[j])
        size += abs(change)
    slope += noise * size
    curvature += noise * size
    if slope >= 0:
        return nothing
    if -slope * shrinkage < curvature:
        return -slope / curvature
    return slope / (slope * shrinkage) if shrinkage > 0 else nothing


@inner
def _extrapolate(state, code, noise):
    """Move on along the change since `_remember`."""
    step, before = _length(state, code, noise), state.before
    if not step > 0:
        return
    for j in range(code.shape[0]):
        value = code[j] + step * (code[j] - before[CODE, j])
        code[j] = value if value * code[j] > 0 else value - value
        state.correlation[j] += step * (state.correlation[j] - before[Q, j])
        state.threshold[j] += step * (state.threshold[j] - before[T, j])


@inner
def _violation(rule, state, code):
    largest = state.threshold[0] - state.threshold[0]
    for j in range(code.shape[0]):
        q, t = state.correlation[j], state.threshold[j]
        at_zero = (q if rule.positive else abs(q)) - t
        away = abs(q - t) if code[j] > 0 else abs(q + t)
        largest = max(largest, away if code[j] != 0 else at_zero)
    return largest


@inner
def _unit(target):
    largest = target[0] - target[0]
    for j in range(target.shape[0]):
        largest = max(largest, abs(target[j]))
    return largest


@kernel
def inhibited_descent_rows(
    lasso, code, measure, n_iter, tol, max_iter, rounding, state, first, last
):
    """Compute codes of the rows first..last, in place from the given codes.

    q and t accumulate rounding errors, so a row ends only if the conditions are met after both are
    recomputed.
    """
    for n in range(first, last):
        target, row = lasso.correlation[n], code[n]
        unit = _unit(target)
        limit, noise = target.dtype.type(tol) * unit, rounding * unit
        _refresh(lasso, target, state, row)
        for _ in range(GREEDY_STEPS):
            if not _greedy_step(lasso, state, row):
                break
        sweeps, is_fresh = 0, False
        while True:
            largest = _violation(lasso.rule, state, row)
            ends = largest <= limit or sweeps >= max_iter
            if ends and is_fresh:
                break
            is_fresh = ends
            if ends:
                _refresh(lasso, target, state, row)
                continue
            _remember(state, row)
            _sweep(lasso, state, row)
            sweeps += 1
            size = _list_support(state, row)
            for _ in range(min(INNER_SWEEPS, max_iter - sweeps)):
                sweeps += 1
                if _sweep_support(lasso, state, row, size) <= limit / 2:
                    break
            _extrapolate(state, row, noise)
        measure[n] = largest / unit if unit > 0 else largest
        n_iter[n] = sweeps
