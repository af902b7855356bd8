"""Units that gate the sparsity of others, given how active these are.

Each sample is a convex problem in the gating units u >= 0, with rows g of non-negative weights A:

    min_u sum_i exp(-(u A)_i) s_i + sum_g u_g.

A few steps on a majorant that is a sum over units find most of the units that are zero. Newton
steps on the other units then converge quadratically, with a line search among non-negative units.
"""

from sklearn_ebm.backends._namespace import array_namespace, put_rows

FIRST_STEPS = 10  # on the majorant
ALL_STEPS = 100
HALVINGS = 30
SUFFICIENT = 1e-4  # share of the decrease that the slope predicts
DAMPING = 1e-3  # of Newton steps, relative to the curvature along each unit: units may be redundant
STEEPENING = 2 * (2.718281828459045 - 2)  # factor of exp(t) <= 1 + t + factor t^2 / 2 for t <= 1


def gate_units(activity, gates, units, tol):
    """Compute the gating units of each sample, in place.

    Parameters
    ----------
    activity : array of shape (n_samples, n_components)
        s, non-negative.
    gates : array of shape (n_units, n_components)
        A, non-negative.
    units : array of shape (n_samples, n_units)
        Receives u.
    tol : float
        Largest violation of the first-order conditions, in units of the cost of a unit.
    """
    xp = array_namespace(activity)
    units[...] = 0
    rows = xp.arange(activity.shape[0])
    for number in range(ALL_STEPS):
        s, u = xp.take(activity, rows, axis=0), xp.take(units, rows, axis=0)
        rest = s * xp.exp(-(u @ gates))
        slope = 1 - rest @ gates.T
        is_free = (u > 0) | (slope < 0)
        violation = xp.max(xp.where(is_free, xp.abs(slope), xp.zeros_like(slope)), axis=1)
        late = xp.nonzero(violation > tol)[0]
        if late.shape[0] == 0:
            return
        rows, (s, u, rest, slope, is_free) = (
            xp.take(rows, late),
            (xp.take(array, late, axis=0) for array in (s, u, rest, slope, is_free)),
        )
        if number < FIRST_STEPS:
            moved = _majorized(u, rest, slope, is_free, gates)
        else:
            moved = _searched(s, u, rest, slope, _newton(rest, slope, is_free, gates), gates)
        put_rows(units, rows, moved)


def _majorized(u, rest, slope, is_free, gates):
    """Return the minimum of a majorant, by convexity of exp, with a unit's share of each gate."""
    xp = array_namespace(u)
    zero, one = xp.zeros_like(u), xp.ones_like(u)
    total = xp.asarray(is_free, dtype=u.dtype) @ gates
    curvature = (rest * total) @ gates.T
    step = -slope / xp.where(curvature > 0, curvature, one)
    largest = xp.max(total, axis=1, keepdims=True)
    limit = -1 / xp.where(largest > 0, largest, xp.ones_like(largest))
    step = xp.where(step < 0, xp.maximum(step / STEEPENING, limit), step)
    return xp.maximum(u + xp.where(is_free, step, zero), zero)


def _newton(rest, slope, is_free, gates):
    """Return the damped Newton steps of the units that are free to move."""
    xp = array_namespace(rest)
    free = xp.asarray(is_free, dtype=rest.dtype)
    hessian = (gates[None, :, :] * rest[:, None, :]) @ gates.T
    hessian = hessian * free[:, :, None] * free[:, None, :]
    own = DAMPING * (rest @ (gates * gates).T) + float(xp.finfo(rest.dtype).smallest_normal) ** 0.5
    identity = xp.eye(gates.shape[0], dtype=rest.dtype)
    hessian = hessian + identity * xp.where(is_free, own, xp.ones_like(own))[:, None, :]
    return -xp.linalg.solve(hessian, (slope * free)[:, :, None])[:, :, 0]


def _searched(s, u, rest, slope, step, gates):
    """Return u + t step, cut at zero, with the largest t = 1, 1/2, ... that decreases the sum."""
    xp = array_namespace(u)
    before = xp.sum(rest, axis=1) + xp.sum(u, axis=1)
    rounding = 8 * float(xp.finfo(u.dtype).eps) * before
    length = xp.ones_like(before)
    for _ in range(HALVINGS):
        moved = xp.maximum(u + length[:, None] * step, xp.zeros_like(u))
        after = xp.sum(s * xp.exp(-(moved @ gates)), axis=1) + xp.sum(moved, axis=1)
        predicted = SUFFICIENT * xp.sum(slope * (moved - u), axis=1)
        is_higher = ~(after <= before + predicted + rounding)
        if not bool(xp.any(is_higher)):
            break
        length = xp.where(is_higher, length / 2, length)
    return moved
