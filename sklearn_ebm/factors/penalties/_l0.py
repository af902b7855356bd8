"""Codes with few non-zero entries: a constraint on their number, or on the error of the sample."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._problems import SupportRule
from sklearn_ebm.factors.penalties._joint import JointErrorLimit, JointL0
from sklearn_ebm.factors.penalties._specification import PenaltySpecification, checked_tol


class L0Penalty(PenaltySpecification):
    """Constraint on the number of non-zero entries of a code, in place of a penalty.

    With `n_nonzero_coefs`, codes have at most that many non-zero entries. With `tol`, a code has as
    few non-zero entries as possible for which the squared error ||x - z D||^2 is at most `tol`.
    Both problems are hard to solve exactly. Orthogonal matching pursuit (``solver="omp"``, the
    default with this penalty) approximates the solution: it adds one atom after another, and each
    time computes the least-squares coefficients of all selected atoms.

    Parameters
    ----------
    n_nonzero_coefs : int or None, default=None
        Maximum number of non-zero entries. If None, `tol` must be set.
    tol : float or None, default=None
        Squared error at which no more atoms are added. If None, the error is not limited. If both
        are set, a code is complete when one of the limits is reached.
    optimized : bool, default=False
        Whether to add the atom that leaves the smallest error (optimised orthogonal matching
        pursuit) instead of the atom that is most correlated with the residual. Errors are smaller,
        and a code takes about 1.5 times as long.

    See Also
    --------
    L1Penalty : A convex penalty, whose codes have a duality gap.

    Notes
    -----
    The constraint has no weight, so `alpha` of a model is not used and must keep its default. Codes
    have both signs (`positive=True` is refused), and no duality gap. For samples with missing
    values, atoms are compared and fitted on the observed features. `max_iter` and `code_max_iter`
    do not limit the number of atoms.

    References
    ----------
    Y. Pati, R. Rezaiifar, P. Krishnaprasad (1993). Orthogonal matching pursuit: recursive function
    approximation with applications to wavelet decomposition. L. Rebollo-Neira, D. Lowe (2002).
    Optimized orthogonal matching pursuit approach. R. Rubinstein, M. Zibulevsky, M. Elad (2008).
    Efficient implementation of the K-SVD algorithm using batch orthogonal matching pursuit.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import L0Penalty, sparse_encode
    >>> print(sparse_encode([[3.0, 4.0, 1.0]], np.eye(3), penalty=L0Penalty(2)))
    [[3. 4. 0.]]
    """

    separable = False
    takes_alpha = False

    def __init__(
        self,
        n_nonzero_coefs: int | None = None,
        *,
        tol: float | None = None,
        optimized: bool = False,
    ) -> None:
        super().__init__(n_nonzero_coefs=n_nonzero_coefs, tol=tol, optimized=optimized)

    def resolve(self, n_components: int, alpha: float, positive: bool = False) -> ErrorLimit:
        """Return the constraint for a number of components.

        Parameters
        ----------
        n_components : int
            Number of components.
        alpha : float
            Ignored.
        positive : bool, default=False
            Must be False.

        Returns
        -------
        ErrorLimit
            The constraint; an `L0` if the number of entries is limited.

        Raises
        ------
        ValueError
            If the parameters are out of range, or if `positive` is True.
        """
        if positive:
            raise ValueError(
                "positive=True requires a convex separable penalty; L0Penalty is not such a "
                "penalty. Set positive=False, or penalty='l1'."
            )
        most = self._checked_number(n_components)
        tol = 0.0 if self.tol is None else checked_tol(self.tol)
        if not isinstance(self.optimized, bool | np.bool_):
            raise ValueError(f"optimized must be True or False, got {self.optimized!r}.")
        rule = SupportRule(n_components if most is None else most, tol, bool(self.optimized))
        return ErrorLimit(rule) if most is None else L0(rule)

    def _checked_number(self, n_components):
        most = self.n_nonzero_coefs
        if most is None:
            if self.tol is None:
                raise ValueError("L0Penalty requires n_nonzero_coefs or tol, got None for both.")
            return None
        is_valid = isinstance(most, Integral) and not isinstance(most, bool)
        if not (is_valid and 1 <= most <= n_components):
            raise ValueError(
                "n_nonzero_coefs must be an integer from 1 to the number of components, "
                f"{n_components}, got {most!r}."
            )
        return int(most)


@stored
class ErrorLimit:
    """Zero for every code; the limit of the error concerns the sample, too.

    Parameters
    ----------
    support_rule : SupportRule
        Limits, and choice of the next atom.
    """

    name = "L0Penalty"
    convex = False
    separable = False
    joint = JointErrorLimit

    def __init__(self, support_rule):
        self.support_rule = support_rule

    def value(self, code):
        """Return zeros, shape (n_samples,)."""
        return array_namespace(code).zeros(code.shape[0], dtype=code.dtype)

    def jointly(self, size):
        """Return the limit for groups of `size` samples; `tol` is the mean over the samples."""
        rule = self.support_rule
        return self.joint(rule._replace(tol=rule.tol * size), size)


class L0(ErrorLimit):
    """Zero for codes with at most k non-zero entries, and infinite for other codes."""

    joint = JointL0

    def value(self, code):
        """Return zero or infinity for each row, shape (n_samples,)."""
        xp, value = array_namespace(code), super().value(code)
        n_on = xp.count_nonzero(code, axis=1)
        too_many = n_on > self.support_rule.n_nonzero_coefs
        return xp.where(too_many, xp.full_like(value, xp.inf), value)

    def prox(self, code, step_size):
        """Return each row with its k largest magnitudes, and zeros elsewhere."""
        xp, k = array_namespace(code), self.support_rule.n_nonzero_coefs
        order = xp.argsort(xp.argsort(-xp.abs(code), axis=1), axis=1)
        return xp.where(order < k, code, xp.zeros_like(code))
