"""Codes under a constraint, by a search for the weight alpha of the lasso with the same solution.

The norm of a lasso solution is a piecewise linear function of alpha, and its squared error is a
piecewise linear function of alpha^2, while supports and signs do not change. Two weights enclose
the solution, one on each side of the limit. The next one is that at which the line through both
meets the limit, as in regula falsi; the variant of Illinois moves both ends.

The code is a mixture of the codes at the two ends that meets the limit. If they have the same
support and signs, this is the exact solution. By convexity, no mixture violates the constraint, so
that its duality gap is a certificate at any time.
"""

import copy

from sklearn_ebm.backends._limits import largest_magnitude
from sklearn_ebm.backends._namespace import array_namespace, put_rows
from sklearn_ebm.backends._rules import positive_or_one
from sklearn_ebm.backends.numpy._feature_sign import feature_sign

DESCENT = 1 / 8  # factor of alpha until the constraint is no longer met, or violated
SMALLEST = 1e-13  # share of the largest alpha below which the constraint is not active
SEARCHES = 60  # maximum number of weights; a bisection in double precision needs about as many
ACCURACY = 1e-3  # tolerance of a lasso, as a share of the tolerance of the codes
FINEST = 4  # the same in units of rounding


def constrained_codes(lasso, code, tol, max_iter, minimize=feature_sign):
    """Search the weight of each sample, and write the codes.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms, and a rule of `sklearn_ebm.backends._limits`.
    code : array of shape (n_samples, n_components)
        Receives the codes.
    tol : float
        Gap below which a row has converged.
    max_iter : int
        Maximum number of iterations for one weight.
    minimize : callable, default=feature_sign
        minimize(lasso, code, tol, max_iter) solves a lasso in place.

    Returns
    -------
    gap : array of shape (n_samples,)
        Gap of the rule.
    n_iter : int
        Number of weights.
    """
    xp, limit = array_namespace(code), lasso.rule
    code[...] = 0
    largest = largest_magnitude(limit.rule, lasso.correlation)
    gap = limit.gap(lasso.half_norm, lasso.half_norm, code, lasso.correlation)
    excess = limit.excess(lasso.half_norm, code)
    rows = xp.nonzero((excess < 0) & (largest > 0))[0]
    gap = xp.where((excess >= 0) | (lasso.half_norm <= 0), xp.zeros_like(gap), gap)
    if rows.shape[0] == 0:
        return gap, 0
    eps = float(xp.finfo(code.dtype).eps)
    inner_tol = max(ACCURACY * tol, FINEST * eps)
    search = _Search(_taken(lasso, rows), xp.take(largest, rows), minimize, inner_tol, max_iter)
    n_iter = 0
    while rows.shape[0] and n_iter < SEARCHES:
        n_iter += 1
        search.step()
        found, found_gap = search.solution()
        put_rows(code, rows, found)
        put_rows(gap, rows, found_gap)
        on = xp.nonzero(~(found_gap <= tol) & search.goes_on)[0]
        rows, search = xp.take(rows, on), search.rows(on)
    return gap, n_iter


def _taken(lasso, rows):
    xp = array_namespace(lasso.half_norm)
    return lasso._replace(
        correlation=xp.take(lasso.correlation, rows, axis=0),
        half_norm=xp.take(lasso.half_norm, rows),
    )


class _End:
    """One end of the interval of weights of each sample, with the solution of the lasso."""

    arrays = "alpha", "code", "correlation", "misfit", "excess", "weight"

    def __init__(self, lasso, alpha, code):
        self.lasso = lasso
        self.alpha = alpha
        self.code = code
        self.correlation = lasso.correlation - code @ lasso.gram
        xp = array_namespace(code)
        explained = xp.sum(code * (lasso.correlation + self.correlation), axis=1)
        misfit = lasso.half_norm - explained / 2
        self.misfit = xp.maximum(misfit, xp.zeros_like(misfit))
        self.excess = lasso.rule.excess(self.misfit, code)
        self.weight = xp.ones_like(alpha)

    def replace(self, other, where):
        """Take the values of another end for some of the samples."""
        xp = array_namespace(self.alpha)
        for name in self.arrays:
            mine, new = getattr(self, name), getattr(other, name)
            chosen = where[:, None] if mine.ndim == 2 else where
            setattr(self, name, xp.where(chosen, new, mine))

    def rows(self, index, lasso):
        """Return the values of some of the samples."""
        xp, part = array_namespace(self.alpha), copy.copy(self)
        part.lasso = lasso
        for name in self.arrays:
            setattr(part, name, xp.take(getattr(self, name), index, axis=0))
        return part


class _Search:
    """The interval of weights of each sample."""

    def __init__(self, lasso, largest, minimize, tol, max_iter):
        xp = array_namespace(largest)
        self.lasso = lasso
        self.minimize = minimize
        self.tol = tol
        self.max_iter = max_iter
        self.smallest = SMALLEST * largest
        self.high = _End(lasso, largest, xp.zeros_like(lasso.correlation))
        self.low = _End(lasso, largest, xp.zeros_like(lasso.correlation))
        self.is_enclosed = largest < 0
        self.was_low = self.is_enclosed
        self.goes_on = largest > 0

    def step(self):
        """Solve for one more weight, and replace one end of the interval."""
        xp = array_namespace(self.smallest)
        alpha = self._next()
        end = _End(self.lasso, alpha, self._minimized(alpha))
        is_low = end.excess >= 0
        # An end that remains twice has less weight in the next line.
        halved = self.is_enclosed & (is_low == self.was_low)
        share = xp.where(halved, xp.ones_like(alpha) / 2, xp.ones_like(alpha))
        self.low.weight, self.high.weight = self.low.weight * share, self.high.weight * share
        self.low.replace(end, is_low)
        self.high.replace(end, ~is_low)
        self.is_enclosed, self.was_low = self.is_enclosed | is_low, is_low
        rounding = float(xp.finfo(alpha.dtype).eps)
        is_wide = self.high.alpha - self.low.alpha > rounding * self.high.alpha
        self.goes_on = xp.where(self.is_enclosed, is_wide, alpha > self.smallest)

    def _next(self):
        """Return the weight at which the line through both ends meets the limit."""
        xp, degree = array_namespace(self.smallest), self.lasso.rule.degree
        low, high = self.low, self.high
        below, above = low.excess * low.weight, -high.excess * high.weight
        share = below / positive_or_one(below + above)
        inside = low.alpha**degree * (1 - share) + high.alpha**degree * share
        lower = xp.maximum(high.alpha * DESCENT, self.smallest)
        return xp.where(self.is_enclosed, inside ** (1 / degree), lower)

    def _minimized(self, alpha):
        """Return the codes of the lasso with a weight for each sample, in units of the weight."""
        unit = alpha[:, None]
        code = self.high.code / unit
        scaled = self.lasso._replace(
            correlation=self.lasso.correlation / unit,
            half_norm=self.lasso.half_norm / alpha**2,
            rule=self.lasso.rule.rule,
        )
        self.minimize(scaled, code, self.tol, self.max_iter)
        return code * unit

    def solution(self):
        """Return the mixtures of both codes that meet the limit, and their gaps."""
        xp, low, high = array_namespace(self.smallest), self.low, self.high
        change = high.code - low.code
        slope = low.correlation - high.correlation
        curvature = xp.sum(change * slope, axis=1)
        curvature = xp.maximum(curvature, xp.zeros_like(curvature))
        share = self.lasso.rule.share(low.excess, high.excess, curvature)
        share = xp.where(self.is_enclosed, xp.clip(share, 0, 1), xp.ones_like(share))
        code = low.code + share[:, None] * change
        end = _End(self.lasso, low.alpha, code)
        return code, self.lasso.rule.gap(end.misfit, self.lasso.half_norm, code, end.correlation)

    def rows(self, index):
        """Return the intervals of some of the samples."""
        xp, part = array_namespace(self.smallest), copy.copy(self)
        part.lasso = _taken(self.lasso, index)
        part.low, part.high = (end.rows(index, part.lasso) for end in (self.low, self.high))
        for name in ("smallest", "is_enclosed", "was_low", "goes_on"):
            setattr(part, name, xp.take(getattr(self, name), index))
        return part
