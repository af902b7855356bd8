"""Gating units by coordinate descent and Newton steps, over the active components of each sample.

A sweep over all units decides which of them are on. A Newton step on these then converges
quadratically, where descent along single units is slow because their gates overlap.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numpy._gates import ALL_STEPS, DAMPING, HALVINGS, SUFFICIENT

NEWTON_STEPS = 50  # along one unit
SMALLEST_PIECE = 16  # samples of a thread


class Gated(NamedTuple):
    """Buffers of one thread."""

    activity: Any  # (n_components,), s_i of the active components
    rest: Any  # (n_components,), exp(-(u A)_i) s_i
    gates: Any  # (n_units, n_components), their weights
    on: Any  # (n_units,), units that are not zero
    step: Any  # (n_units,), their Newton step
    moved: Any  # (n_units,), units after a step
    hessian: Any  # (n_units, n_units)


@inner
def _gather(activity, gates, state):
    """Copy what concerns active components, and return their number."""
    n_active = 0
    for i in range(activity.size):
        if activity[i] > 0:
            state.activity[n_active] = state.rest[n_active] = activity[i]
            for g in range(gates.shape[0]):
                state.gates[g, n_active] = gates[g, i]
            n_active += 1
    return n_active


# ------------------------------------------------------------------------------ along single units
@inner
def _derivatives(state, g, n_active, step):
    """Return slope and curvature of the sum along a unit, at a distance from its value."""
    slope = step - step
    curvature = slope
    for k in range(n_active):
        weight = state.gates[g, k]
        part = weight * state.rest[k] * math.exp(-weight * step)
        slope -= part
        curvature += weight * part
    return slope + 1, curvature


@inner
def _downwards(state, g, n_active, value, tol):
    """Return the step to the minimum along a unit that is too large.

    The slope is concave in the unit. Newton's method therefore approaches its root from below after
    the first step.
    """
    step = value - value
    for _ in range(NEWTON_STEPS):
        slope, curvature = _derivatives(state, g, n_active, step)
        if abs(slope) <= tol or (slope > 0 and step <= -value):
            break
        if not curvature > 0:  # no active component: the unit only has its cost
            return -value
        step = max(step - slope / curvature, -value)
    return step


@inner
def _sweep(state, units, n_active, tol):
    """Move along each unit, and return the largest violation of the conditions before."""
    worst = tol - tol
    for g in range(units.size):
        value = units[g]
        slope = tol - tol
        curvature = slope
        for k in range(n_active):
            part = state.gates[g, k] * state.rest[k]
            slope -= part
            curvature += state.gates[g, k] * part
        slope += 1
        if value <= 0 and slope >= 0:
            continue
        worst = max(worst, abs(slope))
        if abs(slope) <= tol:
            continue
        if slope < 0:  # a step from below, where curvature decreases, never goes too far
            step = -slope / curvature
        else:
            step = _downwards(state, g, n_active, value, tol)
        units[g] = max(value + step, value - value)
        for k in range(n_active):
            state.rest[k] *= math.exp(-state.gates[g, k] * step)
    return worst


# ------------------------------------------------------------------------------------ Newton steps
@inner
def _total(state, units, n_active, n_on):
    """Return the sum that is minimised, and update the rest of the activity."""
    total = units[0] - units[0]
    for k in range(n_active):
        drive = total - total
        for a in range(n_on):
            drive += units[state.on[a]] * state.gates[state.on[a], k]
        state.rest[k] = state.activity[k] * math.exp(-drive)
    for k in range(n_active):
        total += state.rest[k]
    for a in range(n_on):
        total += units[state.on[a]]
    return total


@inner
def _differentiate(state, n_active, n_on, damping):
    """Compute the negative slopes of the units that are on, and the lower half of the Hessian."""
    for a in range(n_on):
        g = state.on[a]
        slope = damping - damping
        for k in range(n_active):
            slope += state.gates[g, k] * state.rest[k]
        state.step[a] = slope - 1
        for b in range(a + 1):
            h, product = state.on[b], damping - damping
            for k in range(n_active):
                product += state.gates[g, k] * state.rest[k] * state.gates[h, k]
            state.hessian[a, b] = product
        state.hessian[a, a] *= 1 + damping


@inner
def _solve(state, n_on):
    """Replace negative slopes by the Newton step, by a Cholesky factor in place."""
    hessian, step = state.hessian, state.step
    for a in range(n_on):
        for b in range(a + 1):
            value = hessian[a, b]
            for c in range(b):
                value -= hessian[a, c] * hessian[b, c]
            if a > b:
                hessian[a, b] = value / hessian[b, b]
            elif value > 0:
                hessian[a, a] = math.sqrt(value)
            else:
                return False
    for a in range(n_on):
        value = step[a]
        for b in range(a):
            value -= hessian[a, b] * step[b]
        step[a] = value / hessian[a, a]
    for back in range(n_on):
        a = n_on - 1 - back
        value = step[a]
        for b in range(a + 1, n_on):
            value -= hessian[b, a] * step[b]
        step[a] = value / hessian[a, a]
    return True


@inner
def _newton(state, units, n_active, damping, sufficient, rounding):
    """Move the units that are on along a damped Newton step, as far as the sum decreases."""
    n_on = 0
    for g in range(units.size):
        if units[g] > 0:
            state.on[n_on] = g
            n_on += 1
    if n_on == 0:
        return
    before = _total(state, units, n_active, n_on)
    _differentiate(state, n_active, n_on, damping)
    for a in range(n_on):
        state.moved[a] = state.step[a]  # negative slopes
    if not _solve(state, n_on):
        return
    _search(state, units, n_active, n_on, before, sufficient, rounding)


@inner
def _search(state, units, n_active, n_on, before, sufficient, rounding):
    """Move by the largest of t = 1, 1/2, ... times the step that decreases the sum."""
    length = before - before + 1
    for _ in range(HALVINGS):
        gain = before - before
        for a in range(n_on):
            g = state.on[a]
            place = max(units[g] + length * state.step[a], gain - gain)
            gain += state.moved[a] * (place - units[g])
            state.hessian[a, 0] = units[g]
            units[g] = place
        after = _total(state, units, n_active, n_on)
        if after <= before * (1 + rounding) - sufficient * gain:
            return
        for a in range(n_on):
            units[state.on[a]] = state.hessian[a, 0]
        length /= 2
    _total(state, units, n_active, n_on)


@kernel
def _gate_rows(activity, gates, units, numbers, state):
    tol, damping, sufficient, rounding = numbers
    for n in range(activity.shape[0]):
        n_active = _gather(activity[n], gates, state)
        units[n, :] = 0
        for _ in range(ALL_STEPS):
            if _sweep(state, units[n], n_active, tol) <= tol:
                break
            _newton(state, units[n], n_active, damping, sufficient, rounding)


def gate_units(activity, gates, units, tol):
    """Fused; see `sklearn_ebm.backends.numpy.gate_units`."""
    dtype, gates = activity.dtype, read_only(np.ascontiguousarray(gates))
    activity = read_only(np.ascontiguousarray(activity))
    rounding = 8 * np.finfo(dtype).eps
    numbers = tuple(dtype.type(each) for each in (tol, DAMPING, SUFFICIENT, rounding))

    def work(first, last):
        n_units, n_components = gates.shape
        state = Gated(
            np.empty(n_components, dtype),
            np.empty(n_components, dtype),
            np.empty(gates.shape, dtype),
            np.empty(n_units, np.intp),
            np.empty(n_units, dtype),
            np.empty(n_units, dtype),
            np.empty((n_units, n_units), dtype),
        )
        rows = slice(first, last)
        _gate_rows(activity[rows], gates, units[rows], numbers, state)

    split_rows(work, activity.shape[0], SMALLEST_PIECE)
