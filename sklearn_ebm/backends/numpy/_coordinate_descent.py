"""Cyclic coordinate descent in Gram form, vectorised over the rows of a batch."""

from sklearn_ebm.backends._certificate import lasso_gap
from sklearn_ebm.backends._namespace import array_namespace


def quadratic(gram, correlation, code):
    """Return 1/2 z H z' - c z' of each row, with H = gram; shape (n_samples,)."""
    xp = array_namespace(code)
    return xp.sum(code * (code @ gram / 2 - correlation), axis=1)


def coordinate_descent(lasso, code, tol, max_iter):
    """Minimise over one coordinate after another, in place, until the relative gap is at most tol.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and penalty rule.
    code : array of shape (n_samples, n_components)
        Initial codes, replaced by the solution.
    tol : float
        Relative duality gap below which a row has converged.
    max_iter : int
        Maximum number of sweeps over all coordinates.

    Returns
    -------
    gap : array of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Number of sweeps.
    """
    xp = array_namespace(code)
    residual_correlation = lasso.correlation - code @ lasso.gram
    gap = lasso_gap(lasso, code, residual_correlation)
    for n_iter in range(1, max_iter + 1):
        for j in range(code.shape[1]):
            curvature = lasso.gram[j, j]
            if not float(curvature) > 0:  # an atom of norm zero has no effect
                code[:, j] = 0
                continue
            wished = residual_correlation[:, j] + curvature * code[:, j]
            updated = lasso.rule.at(j).prox(wished) / curvature
            residual_correlation -= (updated - code[:, j])[:, None] * lasso.gram[j, :][None, :]
            code[:, j] = updated
        gap = lasso_gap(lasso, code, residual_correlation)
        if xp.all(gap <= tol):
            return gap, n_iter
    return gap, max_iter
