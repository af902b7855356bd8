"""Constraints of codes as plain data: how far a code is from its limit, and its duality gap.

Both problems have the optimality conditions of a lasso, whose weight alpha is the multiplier of the
constraint. `excess` increases as alpha decreases, and is zero at the weight of the solution.
"""

from typing import NamedTuple

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import (
    PositiveSoftThreshold,
    SoftThreshold,
    positive_or_one,
    row_maximum,
)


class NormLimit(NamedTuple):
    """min_z 1/2 ||x - z D||^2 subject to ||z||_1 <= limit."""

    limit: float
    positive: bool
    degree = 1  # the norm is piecewise linear in alpha

    @property
    def rule(self):
        """The proximal operator of ||z||_1."""
        return _rule(self.positive)

    def excess(self, misfit, code):
        """Return ||z||_1 - limit of each row."""
        return row_sum(array_namespace(code).abs(code)) - self.limit

    def share(self, low, high, curvature):
        """Return the share of the code of larger weight in a mixture that meets the limit.

        The norm of the mixture is at most the mean of the norms.
        """
        return low / positive_or_one(low - high)

    def gap(self, misfit, half_norm, code, residual_correlation):
        """Return the gap of feasible codes relative to 1/2 ||x||^2.

        The dual point s r has the gap 1/2 (1 - s)^2 ||r||^2 + s (limit max_j |q_j| - z q').
        """
        xp = array_namespace(code)
        bound = self.limit * largest_magnitude(self.rule, residual_correlation)
        slack = _not_negative(bound - row_sum(code * residual_correlation))
        scale = _not_negative(1 - slack / positive_or_one(misfit + misfit))
        gap = misfit * (1 - scale) ** 2 + scale * slack
        gap = xp.where(misfit > 0, gap, xp.zeros_like(gap))
        return gap / positive_or_one(half_norm)

    def rounding(self, delta, half_norm, correlation, code):
        """Return a bound of the error of the gap, for an error delta of the entries of q."""
        return 2 * self.limit * delta / positive_or_one(half_norm)


class SquareLimit(NamedTuple):
    """min_z ||z||_1 subject to ||x - z D||^2 <= limit.

    The dual problem is max_u x u' - sqrt(limit) ||u|| subject to |d_j u'| <= 1. With the residual r
    and q = r D', the dual point u = r / max_j |q_j| has the gap ||z||_1 - (||r||^2 + z q' -
    sqrt(limit) ||r||) / max_j |q_j|, and u = 0 has the gap ||z||_1.
    """

    limit: float
    positive: bool
    degree = 2  # the squared error is piecewise linear in alpha^2

    @property
    def rule(self):
        """The proximal operator of ||z||_1."""
        return _rule(self.positive)

    def excess(self, misfit, code):
        """Return limit - ||r||^2 of each row."""
        return self.limit - (misfit + misfit)

    def share(self, low, high, curvature):
        """Return the share of the code of larger weight in a mixture that meets the limit.

        The square of a mixture with the share s is (1 - s) a + s b - s (1 - s) d, where d is the
        square of the difference of the reconstructions.
        """
        xp, low = array_namespace(low), _not_negative(low)
        slope = low - high - curvature
        root = xp.sqrt(slope * slope + 4 * curvature * low)
        rising, falling = positive_or_one(root + slope), positive_or_one(2 * curvature)
        return xp.where(slope > 0, 2 * low / rising, (root - slope) / falling)

    def gap(self, misfit, half_norm, code, residual_correlation):
        """Return the gap relative to ||z||_1, plus the violation of the constraint.

        It is infinite if the code is optimal without the constraint, and violates it.
        """
        xp = array_namespace(code)
        norm = xp.sqrt(misfit + misfit)
        distance = self.limit**0.5 - norm
        largest = largest_magnitude(self.rule, residual_correlation)
        length = largest * row_sum(xp.abs(code))
        slack = _not_negative(length - row_sum(code * residual_correlation))
        gap = slack + norm * xp.abs(distance)
        gap = xp.where(distance >= 0, xp.minimum(gap, length), gap)
        infinite = xp.where(gap > 0, xp.full_like(gap, xp.inf), xp.zeros_like(gap))
        return xp.where(length > 0, gap / positive_or_one(length), infinite)

    def rounding(self, delta, half_norm, correlation, code):
        """Return a bound of the error of the gap, for an error delta of the entries of q."""
        xp = array_namespace(code)
        length = row_sum(xp.abs(code))
        square = half_norm + half_norm
        along = square - self.limit - row_sum(code * correlation)  # z q' at the limit
        error = 2 * delta * length + 4 * float(xp.finfo(code.dtype).eps) * square
        infinite = xp.where(length > 0, xp.full_like(along, xp.inf), xp.zeros_like(along))
        return xp.where(along > 0, error / positive_or_one(along), infinite)


def _rule(positive):
    return PositiveSoftThreshold(1.0) if positive else SoftThreshold(1.0)


def row_sum(values):
    """Return the sum of each row."""
    return array_namespace(values).sum(values, axis=1)


def _not_negative(values):
    xp = array_namespace(values)
    return xp.maximum(values, xp.zeros_like(values))


def largest_magnitude(rule, correlation):
    """Return max_j |q_j| of each row, the smallest weight for which its code is zero."""
    return _not_negative(row_maximum(rule.dual_magnitude(correlation)))
