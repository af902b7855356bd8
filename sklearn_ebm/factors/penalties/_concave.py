"""Penalties alpha sum_j phi(|z_j|) with a concave phi: their tangents are weighted L1 penalties.

Since phi is concave, phi(|z_j|) <= phi(t) + phi'(t) (|z_j| - t) for every t >= 0. With t the
magnitudes of a code, the right side is an L1 penalty with the weights phi'(t) for each sample and
component, up to a constant. Solvers minimise it in place of the penalty, again and again.
"""

from __future__ import annotations

from numbers import Real

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._limits import row_sum
from sklearn_ebm.factors.penalties._l1 import L1, SampleWeightedL1
from sklearn_ebm.factors.penalties._specification import (
    LARGEST_FACTOR,
    PenaltySpecification,
    in_range,
)

NEWTON_STEPS = 30  # to the rounding of double precision, from the right of a convex function's root
STEEPEST = 1e30  # slope in place of an infinite one, within the range of single precision


class LogSumPenalty(PenaltySpecification):
    """Logarithms of the magnitudes of a code, which shrink large coefficients less than small ones.

    The penalty is alpha sum_j epsilon log(1 + |z_j| / epsilon). Its slope is alpha at z_j = 0, as
    that of the L1 penalty, and alpha epsilon / (epsilon + |z_j|) elsewhere. Codes are therefore as
    sparse as with the L1 penalty, or sparser, and their large coefficients have less bias.

    Parameters
    ----------
    epsilon : float, default=0.1
        Magnitude at which the slope is half of that at zero, in the unit of the codes. Choose it
        smaller than the coefficients that matter. If it is large, the penalty is that of
        `L1Penalty`; if it is small, it is closer to a count of the non-zero entries, and has more
        local minima.

    See Also
    --------
    LqPenalty : A power of the magnitudes, whose slope at zero is infinite.
    L1Penalty : A convex penalty, whose codes have a duality gap.

    Notes
    -----
    The energy is not convex: it may have several minima, and codes have no duality gap. The solver
    "reweighted" (the default with this penalty) first infers the code of the L1 penalty with the
    same alpha. It then repeatedly solves an L1 problem with the weights epsilon / (epsilon + |z_j|)
    of the last code z, which never increases the energy. It stops if the duality gap of z in its
    own weighted problem is at most the tolerance. The code is then a stationary point, the result
    of a deterministic search from the code of the L1 penalty. Other initial codes may lead to
    another one.

    No alpha is proportional to a power of the scale of the data. Set alpha of a model to a number;
    alpha="scale" raises an error.

    References
    ----------
    E. Candes, M. Wakin, S. Boyd (2008). Enhancing sparsity by reweighted l1 minimization, section
    2.3. G. Gasso, A. Rakotomamonjy, S. Canu (2009). Recovering sparse signals with a certain family
    of nonconvex penalties and DC programming, section IV.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import LogSumPenalty, sparse_encode
    >>> penalty = LogSumPenalty(epsilon=0.5)
    >>> print(sparse_encode([[8.0, 1.0]], np.eye(2), alpha=2.0, penalty=penalty).round(2))
    [[7.88 0.  ]]
    """

    separable = True
    degree = None

    def __init__(self, epsilon: float = 0.1) -> None:
        super().__init__(epsilon=epsilon)

    def resolve(self, n_components: int, alpha: float, positive: bool = False) -> LogSum:
        """Return the factor alpha sum_j epsilon log(1 + |z_j| / epsilon).

        Parameters
        ----------
        n_components : int
            Ignored: the penalty can be used with any number of components.
        alpha : float
            Weight of the penalty.
        positive : bool, default=False
            Whether codes are constrained to be non-negative.

        Returns
        -------
        LogSum
            The penalty with its weight.

        Raises
        ------
        ValueError
            If `epsilon` is not a positive number, or out of range.
        """
        epsilon = _checked_number("epsilon", self.epsilon, float("inf"))
        if not in_range(epsilon):
            raise ValueError(
                f"epsilon must be a number from {1 / LARGEST_FACTOR:g} to {LARGEST_FACTOR:g}, got "
                f"{epsilon}. Rescale X, so that codes are of size one."
            )
        return LogSum(alpha, epsilon, positive)


class LqPenalty(PenaltySpecification):
    """Powers of the magnitudes of a code, with an exponent between 0 and 1.

    The penalty is alpha sum_j |z_j|^q. Its slope decreases with the magnitude, so that large
    coefficients are shrunk less than small ones, and is infinite at zero.

    Parameters
    ----------
    q : float, default=0.5
        Exponent, greater than 0 and less than 1.

    See Also
    --------
    LogSumPenalty : A penalty whose slope at zero is finite, with fewer local minima.
    L1Penalty : A convex penalty, whose codes have a duality gap.

    Notes
    -----
    The energy is not convex: it may have several minima, and codes have no duality gap. The solver
    "reweighted" (the default with this penalty) first infers the code of an L1 penalty, and then
    repeatedly solves an L1 problem with the weights q |z_j|^(q - 1) of the last code z, which never
    increases the energy. A component that is zero remains zero, since its weight is infinite. The
    search stops if the duality gap of z in its own weighted problem is at most the tolerance. Other
    initial codes may lead to another local minimum, and a code of zeros is always one.

    The weight of the first L1 penalty is the slope of alpha |z|^q at the smallest non-zero
    coefficient of an optimal code with orthonormal atoms, (2 alpha (1 - q))^(1 / (2 - q)).

    References
    ----------
    G. Gasso, A. Rakotomamonjy, S. Canu (2009). Recovering sparse signals with a certain family of
    nonconvex penalties and DC programming, section IV. Z. Xu, X. Chang, F. Xu, H. Zhang (2012).
    L1/2 regularization: a thresholding representation theory and a fast solver.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import LqPenalty, sparse_encode
    >>> print(sparse_encode([[4.0, 1.0]], np.eye(2), alpha=1.0, penalty=LqPenalty()).round(2))
    [[3.74 0.  ]]
    """

    separable = True

    def __init__(self, q: float = 0.5) -> None:
        super().__init__(q=q)

    @property
    def degree(self) -> float:
        """The exponent."""
        return self.q

    def resolve(self, n_components: int, alpha: float, positive: bool = False) -> Power:
        """Return the factor alpha sum_j |z_j|^q.

        Parameters
        ----------
        n_components : int
            Ignored: the penalty can be used with any number of components.
        alpha : float
            Weight of the penalty.
        positive : bool, default=False
            Whether codes are constrained to be non-negative.

        Returns
        -------
        Power
            The penalty with its weight.

        Raises
        ------
        ValueError
            If `q` is not in (0, 1).
        """
        return Power(alpha, _checked_number("q", self.q, 1), positive)


def _checked_number(name, value, limit):
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not (is_number and 0 < value < limit):
        below = "" if limit == float("inf") else f" and less than {limit}"
        raise ValueError(f"{name} must be a finite number greater than 0{below}, got {value!r}.")
    return float(value)


class Concave:
    """alpha sum_j phi(|z_j|); a subclass defines phi, its slope, and the minimum for one number.

    Parameters
    ----------
    alpha : float
        Weight of the penalty.
    parameter : float
        Parameter of phi.
    positive : bool, default=False
        Whether codes are non-negative.
    """

    convex = False
    separable = True

    def __init__(self, alpha, parameter, positive=False):
        self.alpha = alpha
        self.parameter = parameter
        self.positive = positive

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        return self.alpha * row_sum(self._height(abs(code)))

    def gradient(self, code):
        """Return alpha phi'(|z_j|) sign(z_j), with zero at z_j = 0."""
        return self.alpha * self._slope(abs(code)) * array_namespace(code).sign(code)

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size * penalty(z), elementwise."""
        xp, weight = array_namespace(code), float(step_size) * self.alpha
        size = xp.maximum(code, xp.zeros_like(code)) if self.positive else abs(code)
        if weight > 0:
            moved = self._stationary(size, weight)
            is_lower = moved * (moved / 2 - size) + weight * self._height(moved) < 0
            size = xp.where(is_lower, moved, xp.zeros_like(moved))
        return size * xp.sign(code)

    def tangent(self, code):
        """Return the weighted L1 penalty that is at least this one, and equal at a code."""
        weights = self._slope(abs(code))
        return SampleWeightedL1(self.alpha, weights, self.positive, self.name)

    def majorant(self, code, neglected):
        """Return `tangent`; nothing is neglected."""
        return self.tangent(code)


@stored
class LogSum(Concave):
    """alpha sum_j epsilon log(1 + |z_j| / epsilon); `parameter` is epsilon."""

    name = "LogSumPenalty"

    @property
    def first(self):
        """The tangent at zero, an L1 penalty."""
        return L1(self.alpha, self.positive, self.name)

    def _height(self, size):
        return self.parameter * array_namespace(size).log1p(size / self.parameter)

    def _slope(self, size):
        return self.parameter / (self.parameter + size)

    def _stationary(self, size, weight):
        """Return the largest z >= 0 with z - size + weight phi'(z) = 0, or zero."""
        xp = array_namespace(size)
        square = (size + self.parameter) ** 2 - 4 * weight * self.parameter
        root = xp.sqrt(xp.maximum(square, xp.zeros_like(square)))
        moved = (size - self.parameter + root) / 2
        return xp.where(square > 0, xp.maximum(moved, xp.zeros_like(moved)), xp.zeros_like(moved))


@stored
class Power(Concave):
    """alpha sum_j |z_j|^q; `parameter` is q."""

    name = "LqPenalty"

    @property
    def first(self):
        """An L1 penalty with the slope of this one at the smallest coefficient of an optimum."""
        q, (smallest, _) = self.parameter, self._jump(self.alpha)
        return L1(self.alpha * q * smallest ** (q - 1), self.positive, self.name)

    def _height(self, size):
        return size**self.parameter

    def _slope(self, size):
        """Return q size^(q - 1), limited such that alpha times the slope is finite."""
        xp, q, steepest = array_namespace(size), self.parameter, STEEPEST / max(self.alpha, 1.0)
        is_on = size > 0
        slope = q * xp.where(is_on, size, xp.ones_like(size)) ** (q - 1)
        limit = xp.full_like(slope, steepest)
        return xp.where(is_on & (slope < limit), slope, limit)

    def _jump(self, weight):
        """Return the smallest non-zero minimum for one number, and the number that it is for."""
        q = self.parameter
        smallest = (2 * weight * (1 - q)) ** (1 / (2 - q))
        return smallest, smallest + weight * q * smallest ** (q - 1)

    def _stationary(self, size, weight):
        """Return the largest z with z - size + weight phi'(z) = 0 by Newton's method, or zero."""
        xp, q, (smallest, least) = array_namespace(size), self.parameter, self._jump(weight)
        is_on = size >= least
        target = xp.where(is_on, size, xp.full_like(size, 2 * least))
        moved = target
        for _ in range(NEWTON_STEPS):
            slope = weight * q * moved ** (q - 1)
            moved = moved - (moved - target + slope) / (1 - (1 - q) * slope / moved)
            moved = xp.maximum(moved, xp.full_like(moved, smallest))
        return xp.where(is_on, moved, xp.zeros_like(moved))
