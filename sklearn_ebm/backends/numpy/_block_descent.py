"""Block coordinate descent on disjoint groups in Gram form, vectorised over the rows of a batch."""

from sklearn_ebm.backends._certificate import lasso_gap
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import positive_or_one

BLOCK_STEPS = 4  # proximal steps within a group before the next group


def block_descent(lasso, code, tol, max_iter):
    """Minimise over one group after another, in place, until the relative gap is at most tol.

    Within a group, it makes several proximal gradient steps, which require only the group's own
    part of the Gram matrix (Qin, Scheinberg & Goldfarb 2013).

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and a `GroupSoftThreshold`.
    code : array of shape (n_samples, n_components)
        Initial codes, replaced by the solution.
    tol : float
        Relative duality gap below which a row has converged.
    max_iter : int
        Maximum number of sweeps over all groups.

    Returns
    -------
    gap : array of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Number of sweeps.
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
    """Return components, block of H, bound of its eigenvalues, and t_g of each group."""
    starts = [int(start) for start in rule.starts]
    groups = []
    for first, last, threshold in zip(starts[:-1], starts[1:], rule.threshold, strict=True):
        columns = rule.members[first:last]
        hessian = gram[columns, :][:, columns]
        lipschitz = abs(hessian).sum(axis=0).max()
        if not float(lipschitz) > 0:  # for atoms of norm zero, any step size shrinks the codes
            lipschitz = lipschitz + 1
        groups.append((columns, hessian, lipschitz, threshold))
    return groups


def shorten(value, threshold, positive):
    """Return z max(0, 1 - threshold / ||z||) of each row, for z or its positive part."""
    xp = array_namespace(value)
    if positive:
        value = xp.maximum(value, xp.zeros_like(value))
    norm = xp.sqrt(xp.sum(value * value, axis=1))
    excess = norm - threshold
    share = xp.maximum(excess, xp.zeros_like(excess)) / positive_or_one(norm)
    return value * share[:, None]
