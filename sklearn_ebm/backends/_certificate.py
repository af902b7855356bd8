"""The duality gap of codes, for every penalty that is a norm."""

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import positive_or_one


def relative_gap(penalty, correlation, half_norm, code, residual_correlation, eta=None):
    """Duality gap of each row over 1/2 ||x||^2; zero where x is zero.

    With q = c - z H and s = min(1, 1 / ||q||_dual) the gap is 1/2 (1 - s)^2 ||r||^2 +
    (penalty(z) - s z q'). A norm is z times its own gradient, so that the second term is
    sum_j z_j (grad_j - s q_j): near the optimum, each of its terms is small by itself.

    Parameters
    ----------
    penalty : rule or penalty factor
        Has `gradient(code)` and `dual_norm(correlation, code, eta)`.
    correlation, residual_correlation : array of shape (n_samples, n_components)
        c and q.
    half_norm : array of shape (n_samples,)
        1/2 ||x||^2.
    code : array of shape (n_samples, n_components)
        z.
    eta : array or None, default=None
        What `settled` of a penalty gave besides the code: it makes the dual norm cheap.

    Returns
    -------
    gap : array of shape (n_samples,)
    """
    xp = array_namespace(code)
    explained = xp.sum(code * (correlation + residual_correlation), axis=1)
    misfit = half_norm - explained / 2
    misfit = xp.maximum(misfit, xp.zeros_like(misfit))
    return gap_of_misfit(penalty, misfit, half_norm, code, residual_correlation, eta)


def gap_of_misfit(penalty, misfit, half_norm, code, residual_correlation, eta=None):
    """The same from the misfit 1/2 ||r||^2, which loses no digits where that is small."""
    xp = array_namespace(code)
    dual_norm = penalty.dual_norm(residual_correlation, code, eta)
    scale = 1 / xp.maximum(dual_norm, xp.ones_like(dual_norm))
    slope = penalty.gradient(code) - scale[:, None] * residual_correlation
    return (misfit * (1 - scale) ** 2 + xp.sum(code * slope, axis=1)) / positive_or_one(half_norm)


def lasso_gap(lasso, code, residual_correlation=None):
    """`relative_gap` of the codes of a `Lasso` bundle."""
    if residual_correlation is None:
        residual_correlation = lasso.correlation - code @ lasso.gram
    return relative_gap(lasso.rule, lasso.correlation, lasso.half_norm, code, residual_correlation)
