"""Results of solvers, and the messages for users."""

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_ebm._warnings import distinct
from sklearn_ebm.backends import array_namespace


class Criterion(enum.Enum):
    """Stopping criterion of a solver; the text describes the distance of codes from it."""

    GAP = "Their duality gaps are up to {measure} of 1/2 ||x||^2"
    NORM = "Their duality gaps are up to {measure} of ||z||_1"
    DECREASE = "Their energies still decrease, by up to {measure} of 1/2 ||x||^2"
    STATIONARITY = (
        "They violate the first-order conditions by up to {measure} of the largest correlation of "
        "the sample with an atom"
    )

    @property
    def is_gap(self):
        """Whether the value is a duality gap, a certificate."""
        return self in (Criterion.GAP, Criterion.NORM)


class Outcome(enum.Enum):
    """How a solver ended; the text is the message for users, including the remedy."""

    CONVERGED = "Converged: every code is within tol."
    MAX_ITER = (
        "{n_late} of {n_samples} codes did not converge in max_iter={max_iter} iterations. "
        "{distance}, above tol={tol}. Increase code_max_iter or code_tol (max_iter or tol in "
        "functions)."
    )
    MAX_ITER_OR_PRECISION = (
        "{n_late} of {n_samples} codes did not converge in max_iter={max_iter} iterations. "
        "{distance}, above tol={tol}. Increase code_max_iter (max_iter in functions). If the "
        "gaps do not decrease, {dtype} cannot represent more accurate codes: increase code_tol "
        "(tol in functions){remedy}."
    )
    PRECISION = (
        "{n_late} of {n_samples} codes did not converge. {distance}, above tol={tol}, because "
        "{dtype} cannot represent more accurate codes. Increase code_tol (tol in "
        "functions){remedy}."
    )
    UNREACHABLE = (
        "{n_late} of {n_samples} codes did not converge. For some of these samples, no code has an "
        "error as small as the penalty's tol. Increase tol of the penalty, or use more components."
    )

    def message(self, criterion, *, dtype, measure, tol, **numbers):
        """Return the message for users.

        Parameters
        ----------
        criterion : Criterion
            Stopping criterion.
        dtype : dtype
            Dtype of the codes.
        measure : float
            Largest gap or decrease.
        tol : float
            Tolerance that it exceeds.
        **numbers : int
            `n_late`, `n_samples` and `max_iter`: number of codes above tol, of all codes, and the
            limit of the solver.

        Returns
        -------
        str
            One or two sentences, and the remedy.
        """
        dtype = np.dtype(dtype)
        remedy = "" if dtype == np.float64 else ", or convert X to float64"
        measure, tol = distinct(measure, tol)
        distance = criterion.value.format(measure=measure)
        return self.value.format(distance=distance, tol=tol, dtype=dtype, remedy=remedy, **numbers)


@dataclass
class Solution:
    """Codes and their distance from the optimum.

    Attributes
    ----------
    code : array of shape (n_samples, n_components)
    n_iter : int
        Number of rounds, sweeps or steps of the slowest sample.
    objective_curve : list of float
        Mean energy at each check. Empty for solvers that do not compute it.
    measure : array of shape (n_samples,)
        Value that is compared with tol.
    outcome : Outcome, default=Outcome.CONVERGED
    criterion : Criterion, default=Criterion.GAP
        Whether `measure` is the duality gap, the decrease of the energy, or the violation of the
        first-order conditions, and its unit.
    """

    code: Any
    n_iter: int
    objective_curve: list
    measure: Any
    outcome: Outcome = Outcome.CONVERGED
    criterion: Criterion = Criterion.GAP

    @property
    def gap(self):
        """Relative duality gap; NaN without a certificate. Shape (n_samples,)."""
        if not self.criterion.is_gap:
            return array_namespace(self.measure).full_like(self.measure, np.nan)
        return self.measure

    def is_late(self, tol):
        """Return whether each code is above a tolerance, shape (n_samples,)."""
        return ~(self.measure <= tol)  # true for NaN
