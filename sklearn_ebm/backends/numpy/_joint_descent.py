"""Block coordinate descent for samples that share a support, vectorised over their groups."""

from sklearn_ebm.backends._certificate import relative_gap
from sklearn_ebm.backends._namespace import array_namespace, copied
from sklearn_ebm.backends.numpy._block_descent import shorten


def joint_descent(lasso, code, tol, max_iter):
    """Minimise 1/2 ||X - Z D||^2 + sum_j t_j ||Z_j|| of each group, in place.

    The energy is isotropic in a column Z_j, the coefficients of one atom in all samples of the
    group. Its minimum over the column is therefore a single proximal step (Yuan & Lin 2006).

    Parameters
    ----------
    lasso : Lasso
        Gram matrix of the atoms, correlations of shape (n_groups, n_samples * n_components), which
        are X D' of each group as a row, half squared norms of the groups, and a
        `JointSoftThreshold`.
    code : array of shape (n_groups, n_samples * n_components)
        Initial codes Z as rows, replaced by the solution.
    tol : float
        Relative duality gap below which a group has converged.
    max_iter : int
        Maximum number of sweeps over all atoms.

    Returns
    -------
    gap : array of shape (n_groups,)
        Relative duality gap.
    n_iter : int
        Number of sweeps.
    """
    xp, gram, rule = array_namespace(code), lasso.gram, lasso.rule
    n_components = gram.shape[0]
    shape = code.shape[0], code.shape[1] // n_components, n_components
    target = xp.reshape(lasso.correlation, shape)
    result = xp.reshape(copied(code), shape)
    for n_iter in range(max_iter + 1):
        residual_correlation = target - result @ gram
        code[...] = xp.reshape(result, code.shape)
        flat = xp.reshape(residual_correlation, code.shape)
        gap = relative_gap(rule, lasso.correlation, lasso.half_norm, code, flat)
        if n_iter == max_iter or bool(xp.all(gap <= tol)):
            return gap, n_iter
        for j in range(n_components):
            curvature = gram[j, j]
            if not float(curvature) > 0:  # an atom of norm zero has no effect
                result[:, :, j] = 0
                continue
            before = result[:, :, j]
            wished = residual_correlation[:, :, j] / curvature + before
            updated = shorten(wished, rule.threshold[j] / curvature, rule.positive)
            residual_correlation -= (updated - before)[:, :, None] * gram[j, :]
            result[:, :, j] = updated
    return gap, max_iter
