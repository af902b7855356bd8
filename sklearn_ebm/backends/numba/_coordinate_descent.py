"""Cyclic coordinate descent with the residual correlation q = c - z H kept up to date.

Sweeps over all coordinates alternate with sweeps over those that are on, which are few.
"""

from sklearn_ebm.backends.numba._rules import dual_magnitude, kernel, shrink
from sklearn_ebm.backends.numba._support import add_row

INNER_SWEEPS = 8


@kernel
def _update(rule, gram, correlation, code, row, atom):
    curvature = gram[atom, atom]
    before = code[row, atom]
    updated = shrink(rule, correlation[atom] + curvature * before) / curvature
    if updated != before:
        add_row(correlation, gram, atom, before - updated)
        code[row, atom] = updated


@kernel
def _sweep(rule, gram, correlation, code, row, everything):
    for atom in range(gram.shape[0]):
        if everything or code[row, atom] != 0:
            _update(rule, gram, correlation, code, row, atom)


@kernel
def _relative_gap(rule, target, correlation, code, row, half_norm):
    alpha = rule.threshold
    largest = alpha
    for j in range(code.shape[1]):
        largest = max(largest, dual_magnitude(rule, correlation[j]))
    scale = alpha / largest
    slack, explained = 0.0, 0.0
    for j in range(code.shape[1]):
        value = code[row, j]
        explained += value * (target[row, j] + correlation[j])
        slack += alpha * abs(value) - scale * value * correlation[j]
    if half_norm <= 0:
        return 0.0
    misfit = max(half_norm - explained / 2, 0.0)
    return (misfit * (1 - scale) ** 2 + slack) / half_norm


@kernel
def coordinate_descent_rows(lasso, code, gap, n_iter, tol, max_iter, correlation, first, last):
    """Codes of the rows first..last, in place from where they are."""
    rule, gram, target = lasso.rule, lasso.gram, lasso.correlation
    for n in range(first, last):
        for j in range(gram.shape[0]):
            correlation[j] = target[n, j]
        for j in range(gram.shape[0]):
            if code[n, j] != 0:
                add_row(correlation, gram, j, -code[n, j])
        sweeps = 0
        while True:
            gap[n] = _relative_gap(rule, target, correlation, code, n, lasso.half_norm[n])
            if gap[n] <= tol or sweeps >= max_iter:
                break
            _sweep(rule, gram, correlation, code, n, True)
            for _ in range(INNER_SWEEPS):
                _sweep(rule, gram, correlation, code, n, False)
            sweeps += 1 + INNER_SWEEPS
        n_iter[n] = sweeps
