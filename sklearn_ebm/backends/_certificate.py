"""The duality gap of codes, for penalties that are norms or have a conjugate."""

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import positive_or_one
from sklearn_ebm.protocols import offers

BISECTIONS = 40  # for the scale of a dual point, to about the rounding of double precision


def relative_gap(penalty, correlation, half_norm, code, residual_correlation, eta=None):
    """Return the duality gap of each row over 1/2 ||x||^2; zero if x is zero.

    With q = c - z H and s = min(1, 1 / ||q||_dual), the gap is 1/2 (1 - s)^2 ||r||^2 +
    (penalty(z) - s z q'). A norm is the product of z and its gradient, so that the second term is
    sum_j z_j (grad_j - s q_j). Near the optimum, each term of this sum is small.

    Parameters
    ----------
    penalty : rule or penalty factor
        Provides `dual_norm(correlation, code, eta)`, `conjugate(correlation)` or its own `gap`.
    correlation, residual_correlation : array of shape (n_samples, n_components)
        c and q.
    half_norm : array of shape (n_samples,)
        1/2 ||x||^2.
    code : array of shape (n_samples, n_components)
        z.
    eta : array or None, default=None
        Second result of the penalty's `settled`, which makes the dual norm cheap to compute.

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
    """Return the gap given the misfit 1/2 ||r||^2, without cancellation if it is small."""
    if offers(penalty, "gap"):
        return penalty.gap(misfit, half_norm, code, residual_correlation)
    if not offers(penalty, "dual_norm"):
        return _conjugate_gap(penalty, misfit, half_norm, code, residual_correlation)
    xp = array_namespace(code)
    dual_norm = penalty.dual_norm(residual_correlation, code, eta)
    scale = 1 / xp.maximum(dual_norm, xp.ones_like(dual_norm))
    if offers(penalty, "gradient"):
        slope = penalty.gradient(code) - scale[:, None] * residual_correlation
        excess = xp.sum(code * slope, axis=1)
    else:
        excess = penalty.value(code) - scale * xp.sum(code * residual_correlation, axis=1)
    return (misfit * (1 - scale) ** 2 + excess) / positive_or_one(half_norm)


def is_certified(penalty):
    """Return whether codes of this penalty have a duality gap."""
    if offers(penalty, "gap") or offers(penalty, "dual_norm"):
        return True
    return offers(penalty, "conjugate") and bool(getattr(penalty, "convex", True))


def _conjugate_gap(penalty, misfit, half_norm, code, residual_correlation):
    """Return 1/2 (1 - s)^2 ||r||^2 + P(z) + P*(s q) - s z q' for the best tested s in [0, 1].

    It is an upper bound for every s, by Fenchel's inequality. At the optimum it is zero for s = 1.
    A smaller s is needed if P*(q) is infinite, for example close to the optimum of a penalty that
    grows linearly. The domain of P* is convex and contains zero, so s is found by bisection.
    """
    xp = array_namespace(code)

    def bound(scale):
        conjugate = penalty.conjugate(scale[:, None] * residual_correlation)
        along = scale * xp.sum(code * residual_correlation, axis=1)
        return misfit * (1 - scale) ** 2 + (penalty.value(code) + conjugate - along)

    upper = xp.ones_like(half_norm)
    gap = bound(upper)
    if not bool(xp.all(xp.isfinite(gap))):
        lower = xp.where(xp.isfinite(gap), upper, xp.zeros_like(upper))
        for _ in range(BISECTIONS):
            middle = (lower + upper) / 2
            tried = bound(middle)
            is_inside = xp.isfinite(tried)
            gap = xp.where(is_inside, xp.minimum(tried, gap), gap)
            lower = xp.where(is_inside, middle, lower)
            upper = xp.where(is_inside, upper, middle)
    return gap / positive_or_one(half_norm)


def lasso_gap(lasso, code, residual_correlation=None):
    """Return `relative_gap` of the codes of a `Lasso`."""
    if residual_correlation is None:
        residual_correlation = lasso.correlation - code @ lasso.gram
    return relative_gap(lasso.rule, lasso.correlation, lasso.half_norm, code, residual_correlation)
