"""ISTA and FISTA on all rows of a batch at once, in Gram form."""

from sklearn_ebm.backends._certificate import lasso_gap
from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.numpy._proximal import proximal_step


def proximal_gradient(lasso, code, tol, max_iter, lipschitz, accelerated):
    """Make proximal gradient steps, in place, until each row's relative gap is at most tol.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and penalty rule.
    code : array of shape (n_samples, n_components)
        Initial codes, replaced by the solution.
    tol : float
        Relative duality gap below which a row has converged.
    max_iter : int
        Maximum number of steps.
    lipschitz : float
        Upper bound of the largest eigenvalue of the Gram matrix.
    accelerated : bool
        Whether to use Nesterov's momentum (FISTA) instead of plain steps (ISTA).

    Returns
    -------
    gap : array of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Number of steps.
    """
    xp = array_namespace(code)
    ahead = xp.asarray(code, copy=True)
    momentum = xp.ones_like(lasso.half_norm) if accelerated else None
    for n_iter in range(max_iter + 1):
        gap = lasso_gap(lasso, code)
        if n_iter == max_iter or bool(xp.all(gap <= tol)):
            return gap, n_iter
        proximal_step(
            ahead @ lasso.gram, lasso.correlation, code, ahead, momentum, 1 / lipschitz, lasso.rule
        )
