"""The L1 norm as a constraint, or as the objective under a constraint on the error."""

from __future__ import annotations

from numbers import Real

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, cumulated
from sklearn_ebm.backends._limits import NormLimit, SquareLimit, row_sum
from sklearn_ebm.factors.penalties._specification import PenaltySpecification, checked_tol

ROUNDING = 1e-6  # relative excess of a norm that rounding of codes to single precision may cause


class L1Constraint(PenaltySpecification):
    """Limit of the L1 norm of a code, or of the error of a code with the least L1 norm.

    With `norm`, a code minimises 1/2 ||x - z D||^2 subject to ||z||_1 <= `norm`. With `tol`, it
    minimises ||z||_1 subject to ||x - z D||^2 <= `tol`. Exactly one of them must be set. Both
    problems are convex. Their solutions are those of an L1 penalty, with another alpha for each
    sample.

    Parameters
    ----------
    norm : float or None, default=None
        Largest L1 norm of a code. Smaller values give sparser codes.
    tol : float or None, default=None
        Largest squared error of a sample. Larger values give sparser codes.

    See Also
    --------
    L1Penalty : The same norm as a penalty, with one alpha for all samples.
    L0Penalty : Limit of the number of non-zero entries, or of the error.

    Notes
    -----
    The constraint has no weight, so `alpha` of a model is not used and must keep its default. With
    ``solver="auto"``, the alpha of each sample is searched until the code is exact. Initial codes
    are not used.

    The duality gap with `norm` is relative to 1/2 ||x||^2, as for penalties. With `tol`, it is
    relative to ||z||_1, and includes the error above `tol`. If no code has an error of `tol`, the
    code has the smallest error, its gap exceeds 1, and a `ConvergenceWarning` is issued. The energy
    of a model is then 1/2 ||x - z D||^2.

    In a model with a prediction term, `tol` limits the error plus twice this term. In a
    convolutional model, `norm` limits the code at each position, and `tol` is not available.

    References
    ----------
    R. Tibshirani (1996). Regression shrinkage and selection via the lasso, eq. 1. E. van den Berg,
    M. Friedlander (2008). Probing the Pareto frontier for basis pursuit solutions, section 2. M.
    Osborne, B. Presnell, B. Turlach (2000). A new approach to variable selection in least squares
    problems.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import L1Constraint, sparse_encode
    >>> print(sparse_encode([[3.0, 4.0]], np.eye(2), penalty=L1Constraint(norm=3.0)))
    [[1. 2.]]
    >>> print(sparse_encode([[3.0, 4.0]], np.eye(2), penalty=L1Constraint(tol=8.0)))
    [[1. 2.]]
    """

    separable = False
    takes_alpha = False

    def __init__(self, norm: float | None = None, *, tol: float | None = None) -> None:
        super().__init__(norm=norm, tol=tol)

    def resolve(
        self, n_components: int, alpha: float, positive: bool = False
    ) -> L1Ball | ErrorBound:
        """Return the constraint for a number of components.

        Parameters
        ----------
        n_components : int
            Number of components.
        alpha : float
            Ignored.
        positive : bool, default=False
            Whether codes are constrained to be non-negative.

        Returns
        -------
        L1Ball or ErrorBound
            The constraint on the norm, or on the error.

        Raises
        ------
        ValueError
            If both parameters or none are set, or if they are out of range.
        """
        if (self.norm is None) == (self.tol is None):
            raise ValueError(
                "L1Constraint requires either norm or tol, got "
                f"norm={self.norm!r} and tol={self.tol!r}. Set one of them, and the other to None."
            )
        if self.norm is None:
            return ErrorBound(checked_tol(self.tol), positive)
        if not (isinstance(self.norm, Real) and 0 < float(self.norm) < float("inf")):
            raise ValueError(f"norm must be a positive number or None, got {self.norm!r}.")
        return L1Ball(float(self.norm), positive)


@stored
class ErrorBound:
    """Zero for every code, since the constraint concerns the sample, too.

    Parameters
    ----------
    limit : float
        Largest squared error.
    positive : bool, default=False
        Whether codes are non-negative.
    """

    name = "L1Constraint"
    convex = True
    separable = False
    minimizes_norm = True

    def __init__(self, limit, positive=False):
        self.limit = limit
        self.positive = positive

    @property
    def limit_rule(self):
        """The constraint as plain data."""
        return SquareLimit(self.limit, self.positive)

    def value(self, code):
        """Return zeros, shape (n_samples,)."""
        return array_namespace(code).zeros(code.shape[0], dtype=code.dtype)

    def gap(self, misfit, half_norm, code, residual_correlation):
        """Return the gap of each row, relative to ||z||_1."""
        return self.limit_rule.gap(misfit, half_norm, code, residual_correlation)


@stored
class L1Ball:
    """Zero for codes with ||z||_1 <= t, and infinite for other codes.

    Parameters
    ----------
    limit : float
        t.
    positive : bool, default=False
        Whether codes are non-negative.
    """

    name = "L1Constraint"
    convex = True
    separable = False

    def __init__(self, limit, positive=False):
        self.limit = limit
        self.positive = positive

    @property
    def limit_rule(self):
        """The constraint as plain data."""
        return NormLimit(self.limit, self.positive)

    def value(self, code):
        """Return zero or infinity for each row, shape (n_samples,)."""
        xp = array_namespace(code)
        is_outside = row_sum(xp.abs(code)) > self.limit * (1 + ROUNDING)
        if self.positive:
            is_outside = is_outside | xp.any(code < 0, axis=1)
        zero = xp.zeros(code.shape[0], dtype=code.dtype)
        return xp.where(is_outside, xp.full_like(zero, xp.inf), zero)

    def prox(self, code, step_size):
        """Return the closest code in the set, for any step size (Held, Wolfe & Crowder 1974).

        Magnitudes are reduced by the same number, until their sum is t.
        """
        xp, limit = array_namespace(code), self.limit
        size = xp.maximum(code, xp.zeros_like(code)) if self.positive else xp.abs(code)
        ordered = xp.flip(xp.sort(size, axis=1), axis=1)
        count = xp.arange(1, code.shape[1] + 1, dtype=code.dtype)
        thresholds = (cumulated(ordered) - limit) / count
        is_on = ordered > thresholds
        n_on = xp.count_nonzero(is_on, axis=1)[:, None] - 1
        threshold = xp.take_along_axis(thresholds, n_on, axis=1)
        threshold = xp.maximum(threshold, xp.zeros_like(threshold))
        shrunk = xp.maximum(size - threshold, xp.zeros_like(size))
        return shrunk if self.positive else xp.sign(code) * shrunk

    def conjugate(self, correlation):
        """Return t max_j |q_j| of each row."""
        xp = array_namespace(correlation)
        largest = self.limit_rule.rule.dual_norm(correlation)
        return self.limit * xp.maximum(largest, xp.zeros_like(largest))

    def gap(self, misfit, half_norm, code, residual_correlation):
        """Return the gap of each row, relative to 1/2 ||x||^2; infinite outside the set."""
        gap = self.limit_rule.gap(misfit, half_norm, code, residual_correlation)
        return gap + self.value(code)
