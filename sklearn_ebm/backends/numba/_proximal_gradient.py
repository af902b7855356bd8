"""ISTA and FISTA, one row after another.

All data of a row remain in the core's cache, a row stops as soon as its gap is small enough, and
has its own step size. Since codes are sparse after the proximal operator, z H is a sum of few rows
of H, while a step of a whole batch reads all of them. Since q = c - z H is linear in z, the slope
at the extrapolated point y = z + w (z - z_before) is -(q + w (q - q_before)), which requires no
further product, and neither does the certificate at z.

Three measures reduce the number of FISTA steps. The momentum is reset if it opposes the step
(O'Donoghue & Candes 2015). The threshold decreases from max|q| to alpha, so that intermediate codes
are sparse (continuation: Hale, Yin & Zhang 2008). And steps may be longer than 1/L if the curvature
of H along them is smaller (backtracking: Beck & Teboulle 2009, section 4).
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends.numba._coordinate_descent import largest_magnitude, relative_gap
from sklearn_ebm.backends.numba._momentum import accelerate
from sklearn_ebm.backends.numba._rules import inner, kernel, row_of, scaled, shrink
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    load,
    multiply,
    splat,
    store,
    subtract,
    total,
)
from sklearn_ebm.backends.numba._support import add_rows, padded

FALL = np.float32(0.8)  # factor of the threshold in one step
# Estimates of the curvature, increased if a step shows that they are too small.
FIRST_SHARE = np.float32(0.125)  # share of the largest eigenvalue of H
RAISE = np.float32(1.5)  # minimum factor of an increase
MARGIN = np.float32(1.05)  # factor of the measured curvature
LOWER = np.float32(0.7)  # factor after a restart


class Descent(NamedTuple):
    """Buffers of one thread for the code of a row, padded with zeros to whole vectors."""

    code: Any  # (2, width), z and the previous code, alternating
    correlation: Any  # (2, width), q = c - z H of both
    target: Any  # (width,), c
    ahead: Any  # (width,), y
    slope: Any  # (width,), c - y H
    support: Any  # (width,), active atoms of the current code
    value: Any  # (width,), their coefficients


def new_descent(n_atoms, dtype):
    """Return buffers of one thread."""
    width = padded(n_atoms)
    code, correlation = np.zeros((2, width), dtype), np.zeros((2, width), dtype)
    target, ahead, slope, value = np.zeros((4, width), dtype)
    return Descent(code, correlation, target, ahead, slope, np.zeros(width, np.uintp), value)


@inner
def _correlate(gram, descent, turn):
    """Compute q = c - z H from the non-zero entries of z."""
    code, correlation = descent.code[turn], descent.correlation[turn]
    size = 0
    for k in range(gram.shape[0]):  # without a branch, which would often be mispredicted
        descent.support[size], descent.value[size] = k, code[k]
        size += code[k] != 0
    for k in range(0, code.shape[0], LANES):
        store(correlation, k, load(descent.target, k))
    add_rows(correlation, gram, descent.support, descent.value, gram.dtype.type(-1), size)


@inner
def _look_ahead(descent, turn, weight):
    """Compute y = z + weight (z - z_before) and its slope."""
    for k in range(0, descent.ahead.shape[0], LANES):
        code, correlation = load(descent.code, (turn, k)), load(descent.correlation, (turn, k))
        step = subtract(code, load(descent.code, (1 - turn, k)))
        store(descent.ahead, k, add_scaled(code, weight, step))
        step = subtract(correlation, load(descent.correlation, (1 - turn, k)))
        store(descent.slope, k, add_scaled(correlation, weight, step))


@inner
def _shrink(rule, descent, turn, step_size):
    """Make the step from y; it overwrites the older code."""
    for k in range(0, descent.ahead.shape[0], LANES):
        moved = add_scaled(load(descent.ahead, k), step_size, load(descent.slope, k))
        store(descent.code, (1 - turn, k), shrink(rule, moved, k))


@inner
def _judge(descent, turn, zero):
    """Return (z_new - y) H (z_new - y)', ||z_new - y||^2 and (y - z_new) . (z_new - z)."""
    bend = splat(zero)
    square, against = bend, bend
    for k in range(0, descent.ahead.shape[0], LANES):
        updated = load(descent.code, (1 - turn, k))
        moved = subtract(updated, load(descent.ahead, k))
        slope = subtract(load(descent.slope, k), load(descent.correlation, (1 - turn, k)))
        bend = add(bend, multiply(moved, slope))
        square = add(square, multiply(moved, moved))
        against = subtract(
            against, multiply(moved, subtract(updated, load(descent.code, (turn, k))))
        )
    return total(bend), total(square), total(against)


@inner
def _step(rule, gram, descent, turn, path, guess, lipschitz):
    """Step from y with a step size that the curvature allows; return the guess and `against`."""
    zero, one = lipschitz - lipschitz, lipschitz / lipschitz
    while True:
        _shrink(scaled(rule, path / guess), descent, turn, one / guess)
        _correlate(gram, descent, 1 - turn)
        bend, square, against = _judge(descent, turn, zero)
        if bend <= guess * square or guess >= lipschitz:
            return guess, against
        guess = min(lipschitz, max(RAISE * guess, MARGIN * bend / square))


@inner
def _descend(rule, gram, half_norm, descent, tol, max_iter, lipschitz, accelerated):
    """Iterate one row until its gap is at most tol; return gap, steps, and index of the code."""
    one = lipschitz / lipschitz
    momentum, weight, path, guess = one, one - one, one, lipschitz
    gap, turn, n_iter = one, 0, 0
    _correlate(gram, descent, turn)
    if accelerated:
        path = max(one, largest_magnitude(rule, descent.correlation[turn]) / rule.threshold)
        guess = lipschitz * FIRST_SHARE
    while True:
        if path == one or n_iter == max_iter:
            gap = relative_gap(
                rule, descent.target, descent.correlation[turn], descent.code[turn], half_norm
            )
        if (path == one and gap <= tol) or n_iter == max_iter:
            return gap, n_iter, turn
        n_iter += 1
        path = max(one, path * FALL)
        _look_ahead(descent, turn, weight)
        guess, against = _step(rule, gram, descent, turn, path, guess, lipschitz)
        if accelerated:
            momentum, weight = accelerate(momentum, against)
            if against > 0:
                guess *= LOWER
        turn = 1 - turn


@kernel
def proximal_gradient_rows(lasso, code, gap, n_iter, tol, max_iter, lipschitz, accelerated, descent,
                           first, last):  # fmt: skip
    """Compute codes of the rows first..last, in place from the given codes."""
    for row in range(first, last):
        for k in range(code.shape[1]):
            descent.target[k] = lasso.correlation[row, k]
            descent.code[0, k] = code[row, k]
            descent.code[1, k] = 0
            descent.correlation[1, k] = 0
        gap[row], n_iter[row], turn = _descend(
            row_of(lasso.rule, row), lasso.gram, lasso.half_norm[row], descent, tol, max_iter,
            lipschitz, accelerated,
        )  # fmt: skip
        for k in range(code.shape[1]):
            code[row, k] = descent.code[turn, k]
