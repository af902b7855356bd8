"""Block coordinate descent on disjoint groups in Gram form, all rows of a batch side by side."""

from sklearn_ebm.backends._certificate import lasso_gap
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import positive_or_one

BLOCK_STEPS = 4  # proximal steps within a group before the next one has its turn


def block_descent(lasso, code, tol, max_iter):
    """Minimise over one group after another, in place, until the relative gap is at most tol.

    Within a group it takes some proximal gradient steps; each needs the group's own part of the
    Gram matrix alone (Qin, Scheinberg & Goldfarb 2013).

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and a `GroupSoftThreshold`.
    code : array of shape (n_samples, n_components)
        Start, replaced by the solution.
    tol : float
        Relative duality gap at which a row is done.
    max_iter : int
        Sweeps over all groups.

    Returns
    -------
    gap : array of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Sweeps made.
    """
    groups = _groups(lasso.gram, lasso.rule)
    residual_correlation = lasso.correlation - code @ lasso.gram
    gap = lasso_gap(lasso, code, residual_correlation)
    for n_iter in range(1, max_iter + 1):
        for columns, hessian, lipschitz, threshold in groups:
            before = code[:, columns]
            target = residual_correlation[:, columns] + before @ hessian
            updated = before
            for _ in range(BLOCK_STEPS):
                moved = updated + (target - updated @ hessian) / lipschitz
                updated = shorten(moved, threshold / lipschitz, lasso.rule.positive)
            residual_correlation -= (updated - before) @ lasso.gram[columns, :]
            code[:, columns] = updated
        gap = lasso_gap(lasso, code, residual_correlation)
        if bool((gap <= tol).all()):
            return gap, n_iter
    return gap, max_iter


def _groups(gram, rule):
    """Of each group its components, its part of H, a bound of that part's eigenvalues, and t_g."""
    starts = [int(start) for start in rule.starts]
    groups = []
    for first, last, threshold in zip(starts[:-1], starts[1:], rule.threshold, strict=True):
        columns = rule.members[first:last]
        hessian = gram[columns, :][:, columns]
        lipschitz = abs(hessian).sum(axis=0).max()
        if not float(lipschitz) > 0:  # atoms of norm zero, for which any step shrinks codes alone
            lipschitz = lipschitz + 1
        groups.append((columns, hessian, lipschitz, threshold))
    return groups


def shorten(value, threshold, positive):
    """Rows z max(0, 1 - threshold / ||z||), of the positive part where codes are positive."""
    xp = array_namespace(value)
    if positive:
        value = xp.maximum(value, xp.zeros_like(value))
    norm = xp.sqrt(xp.sum(value * value, axis=1))
    excess = norm - threshold
    share = xp.maximum(excess, xp.zeros_like(excess)) / positive_or_one(norm)
    return value * share[:, None]
