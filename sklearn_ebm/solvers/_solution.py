"""What every solver returns, and the words for how it ended."""

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np


class Outcome(enum.Enum):
    """How a solver ended; the text is the user's message, with its remedy."""

    CONVERGED = "Converged: every duality gap is at most tol."
    MAX_ITER = (
        "{n_late} of {n_samples} codes did not converge in max_iter={max_iter} iterations. Their "
        "duality gaps are up to {gap:.1e} of 1/2 ||x||^2, above tol={tol:.1e}. Increase "
        "code_max_iter or code_tol (max_iter or tol in functions)."
    )
    MAX_ITER_OR_PRECISION = (
        "{n_late} of {n_samples} codes did not converge in max_iter={max_iter} iterations. Their "
        "duality gaps are up to {gap:.1e} of 1/2 ||x||^2, above tol={tol:.1e}. Increase "
        "code_max_iter (max_iter in functions). If the gaps do not become smaller, {dtype} cannot "
        "represent better codes: increase code_tol (tol in functions){remedy}."
    )
    PRECISION = (
        "{n_late} of {n_samples} codes did not converge. Their duality gaps are up to {gap:.1e} of "
        "1/2 ||x||^2, above tol={tol:.1e}, because {dtype} cannot represent better codes. Increase "
        "code_tol (tol in functions){remedy}."
    )

    def message(self, *, dtype, **numbers):
        """The user's message.

        Parameters
        ----------
        dtype : dtype
            Type of the codes.
        n_late, n_samples, gap, tol, max_iter : float
            Number of codes above tol, of all, the largest gap, and the limits of the solver.
        """
        remedy = "" if np.dtype(dtype) == np.float64 else ", or convert X to float64"
        return self.value.format(dtype=np.dtype(dtype), remedy=remedy, **numbers)


@dataclass
class Solution:
    """Codes and their certificate.

    Attributes
    ----------
    code : array of shape (n_samples, n_components)
    n_iter : int
        Rounds, sweeps or steps of the slowest sample.
    objective_curve : list of float
        Mean energy at each check, where a solver makes any.
    gap : array of shape (n_samples,)
        Duality gap relative to 1/2 ||x||^2.
    outcome : Outcome, default=Outcome.CONVERGED
    """

    code: Any
    n_iter: int
    objective_curve: list
    gap: Any
    outcome: Outcome = Outcome.CONVERGED
