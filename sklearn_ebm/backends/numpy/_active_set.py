"""Feature-sign search, one sample after another: the reference of the fused active set."""

import numpy as np

from sklearn_ebm.backends._certificate import lasso_gap


def active_set(lasso, code, tol, max_iter, warm=True):
    """Minimise exactly on a growing support, in place (Lee et al. 2007, algorithm 1).

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and penalty rule.
    code : ndarray of shape (n_samples, n_components)
        Start where `warm`; replaced by the solution.
    tol : float
        Relative duality gap at which a row is done.
    max_iter : int
        Atoms that may join.
    warm : bool, default=True
        Start from `code` rather than from zero.

    Returns
    -------
    gap : ndarray of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Largest number of rounds of any sample.
    """
    if not warm:
        code[...] = 0
    rounds = [_one_sample(lasso.row(n), code[n], tol, max_iter) for n in range(code.shape[0])]
    gap = lasso_gap(lasso, code)
    return gap, max(rounds, default=0)


def _one_sample(lasso, code, tol, max_iter):
    n_rounds = 0
    while True:
        _descend(lasso, code)
        residual_correlation = lasso.correlation - code @ lasso.gram
        violation = lasso.rule.dual_magnitude(residual_correlation[0]) * (code == 0)
        atom = np.argmax(violation)
        is_good = lasso_gap(lasso, code[None], residual_correlation)[0] <= tol
        if is_good or violation[atom] <= lasso.rule.threshold or n_rounds == max_iter:
            return n_rounds
        correlation = residual_correlation[0, atom]
        code[atom] = lasso.rule.prox(correlation) / lasso.gram[atom, atom]
        n_rounds += 1


def _descend(lasso, code):
    """Least squares on the support with fixed signs, cut at each change of sign."""
    while np.any(code):
        support = np.flatnonzero(code)
        sign = np.sign(code[support])
        hessian = lasso.gram[np.ix_(support, support)]
        target = lasso.correlation[0, support] - lasso.rule.threshold * sign
        optimum = np.linalg.lstsq(hessian, target, rcond=None)[0]
        flips = optimum * sign <= 0
        if not np.any(flips):
            code[support] = optimum
            return
        length = code[support] / np.where(flips, code[support] - optimum, 1)
        blocking = np.argmin(np.where(flips, length, np.inf))
        code[support] += length[blocking] * (optimum - code[support])
        code[support[blocking]] = 0
