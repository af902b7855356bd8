"""Cyclic coordinate descent in Gram form, all rows of a batch side by side."""

from sklearn_ebm.backends._namespace import array_namespace


def relative_gap(lasso, code, residual_correlation):
    """Duality gap of each row over 1/2 ||x||^2; zero where x is zero.

    With q = c - z H and s = min(1, alpha / max_j |q_j|) the gap is
    1/2 (1 - s)^2 ||r||^2 + sum_j (alpha |z_j| - s z_j q_j), a sum of terms that are never negative.
    """
    xp = array_namespace(code)
    alpha = lasso.rule.threshold
    largest = xp.max(lasso.rule.dual_magnitude(residual_correlation), axis=1)
    scale = alpha / xp.maximum(largest, xp.full_like(largest, alpha))
    explained = xp.sum(code * (lasso.correlation + residual_correlation), axis=1)
    misfit = lasso.half_norm - explained / 2
    misfit = xp.maximum(misfit, xp.zeros_like(misfit))
    slack = xp.sum(alpha * xp.abs(code) - scale[:, None] * code * residual_correlation, axis=1)
    unit = xp.where(lasso.half_norm > 0, lasso.half_norm, xp.ones_like(lasso.half_norm))
    return (misfit * (1 - scale) ** 2 + slack) / unit


def quadratic(gram, correlation, code):
    """1/2 z H z' - c z' of each row, H = gram; shape (n_samples,)."""
    xp = array_namespace(code)
    return xp.sum(code * (code @ gram / 2 - correlation), axis=1)


def coordinate_descent(lasso, code, tol, max_iter):
    """Minimise over one coordinate after another, in place, until the relative gap is at most tol.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and penalty rule.
    code : array of shape (n_samples, n_components)
        Start, replaced by the solution.
    tol : float
        Relative duality gap at which a row is done.
    max_iter : int
        Sweeps over all coordinates.

    Returns
    -------
    gap : array of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Sweeps made.
    """
    xp = array_namespace(code)
    residual_correlation = lasso.correlation - code @ lasso.gram
    gap = relative_gap(lasso, code, residual_correlation)
    for n_iter in range(1, max_iter + 1):
        for j in range(code.shape[1]):
            curvature = lasso.gram[j, j]
            wished = residual_correlation[:, j] + curvature * code[:, j]
            updated = lasso.rule.prox(wished) / curvature
            residual_correlation -= (updated - code[:, j])[:, None] * lasso.gram[j, :][None, :]
            code[:, j] = updated
        gap = relative_gap(lasso, code, residual_correlation)
        if xp.all(gap <= tol):
            return gap, n_iter
    return gap, max_iter
