"""Cyclic coordinate descent with an updated residual correlation q = c - z H.

Sweeps over all coordinates alternate with sweeps over the non-zero ones, which are few.
"""

from sklearn_ebm.backends.numba._rules import (
    dual_magnitude,
    inner,
    kernel,
    row_of,
    shrink,
    weighted,
)
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add,
    add_scaled,
    larger,
    largest_lane,
    load,
    magnitude,
    multiply,
    splat,
    total,
)
from sklearn_ebm.backends.numba._support import add_row

INNER_SWEEPS = 8


@inner
def _update(rule, gram, correlation, code, row, atom):
    curvature = gram[atom, atom]
    before = code[row, atom]
    if curvature <= 0:  # an atom of norm zero has no effect
        code[row, atom] = 0
        return
    updated = shrink(rule, correlation[atom] + curvature * before, atom) / curvature
    if updated != before:
        add_row(correlation, gram, atom, before - updated)
        code[row, atom] = updated


@inner
def _sweep(rule, gram, correlation, code, row, everything):
    for atom in range(gram.shape[0]):
        if everything or code[row, atom] != 0:
            _update(rule, gram, correlation, code, row, atom)


@inner
def _gap_sums(rule, target, correlation, code, scale, first):
    """Return sum_j z_j (c_j + q_j) and sum_j (alpha w_j |z_j| - s z_j q_j) over j >= first."""
    alpha = rule.threshold
    explained, slack = alpha - alpha, alpha - alpha
    for j in range(first, code.shape[0]):
        explained += code[j] * (target[j] + correlation[j])
        slack += alpha * weighted(rule, abs(code[j]), j) - scale * code[j] * correlation[j]
    return explained, slack


@inner
def _gap_sums_by_vectors(rule, target, correlation, code, scale):
    """Return the same sums over all j, with vectors."""
    whole = code.shape[0] // LANES * LANES
    explained, slack = _gap_sums(rule, target, correlation, code, scale, whole)
    nothing = splat(explained - explained)
    explained_lanes, slack_lanes = nothing, nothing
    for j in range(0, whole, LANES):
        value, slope = load(code, j), load(correlation, j)
        product = multiply(value, slope)
        explained_lanes = add(explained_lanes, add(multiply(value, load(target, j)), product))
        slack_lanes = add_scaled(slack_lanes, rule.threshold, weighted(rule, magnitude(value), j))
        slack_lanes = add_scaled(slack_lanes, -scale, product)
    return explained + total(explained_lanes), slack + total(slack_lanes)


@inner
def largest_magnitude(rule, correlation):
    """Return the largest dual magnitude of an atom."""
    whole = correlation.shape[0] // LANES * LANES
    lanes = splat(rule.threshold - rule.threshold)
    for j in range(0, whole, LANES):
        lanes = larger(lanes, dual_magnitude(rule, load(correlation, j), j))
    largest = largest_lane(lanes)
    for j in range(whole, correlation.shape[0]):
        largest = max(largest, dual_magnitude(rule, correlation[j], j))
    return largest


@inner
def gap_of_sums(half_norm, explained, slack, scale):
    """Return (1/2 (1-s)^2 ||r||^2 + slack) / h, h = 1/2 ||x||^2 = 1/2 ||r||^2 + explained / 2."""
    misfit = max(half_norm - explained / 2, explained - explained)
    return (misfit * (1 - scale) ** 2 + slack) / half_norm


@inner
def relative_gap(rule, target, correlation, code, half_norm):
    """Return the duality gap over 1/2 ||x||^2 of one row."""
    if half_norm <= 0:
        return rule.threshold - rule.threshold
    alpha = rule.threshold
    scale = alpha / max(alpha, largest_magnitude(rule, correlation))
    explained, slack = _gap_sums_by_vectors(rule, target, correlation, code, scale)
    return gap_of_sums(half_norm, explained, slack, scale)


@inner
def _refresh(gram, target, code, correlation):
    """Recompute q = c - z H."""
    for j in range(gram.shape[0]):
        correlation[j] = target[j]
    for j in range(gram.shape[0]):
        if code[j] != 0:
            add_row(correlation, gram, j, -code[j])


@kernel
def coordinate_descent_rows(lasso, code, gap, n_iter, tol, max_iter, correlation, first, last):
    """Compute codes of the rows first..last, in place from the given codes.

    q accumulates rounding errors, so a row ends only if its gap is small after q is recomputed.
    """
    gram, target = lasso.gram, lasso.correlation
    for n in range(first, last):
        rule = row_of(lasso.rule, n)
        sweeps, ends, is_fresh = 0, True, False
        while True:
            if ends:
                _refresh(gram, target[n], code[n], correlation)
            is_fresh = ends
            gap[n] = relative_gap(rule, target[n], correlation, code[n], lasso.half_norm[n])
            ends = gap[n] <= tol or sweeps >= max_iter
            if ends and is_fresh:
                break
            if ends:
                continue
            _sweep(rule, gram, correlation, code, n, True)
            for _ in range(INNER_SWEEPS):
                _sweep(rule, gram, correlation, code, n, False)
            sweeps += 1 + INNER_SWEEPS
        n_iter[n] = sweeps


@kernel
def quadratic_rows(gram, correlation, code, support, result, first, last):
    """Compute 1/2 z H z' - c z' from the non-zero entries."""
    for n in range(first, last):
        size = 0
        for j in range(code.shape[1]):
            support[size] = j
            size += code[n, j] != 0
        result[n] = 0
        for i in range(size):
            j = support[i]
            product = gram[j, j] * code[n, j] / 2
            for k in range(i):
                product += gram[j, support[k]] * code[n, support[k]]
            result[n] += code[n, j] * (product - correlation[n, j])
