"""What every solver returns, and the words for how it ended."""

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np


class Outcome(enum.Enum):
    """How a solver ended; the text is the user's message, with its remedy."""

    CONVERGED = "Converged: every duality gap is at most tol."
    MAX_ITER = (
        "Stopped at max_iter={max_iter} with duality gap {gap:.1e} > tol={tol:.1e} "
        "(relative to 1/2 ||x||^2): raise code_max_iter (max_iter of a function), or alpha."
    )
    PRECISION = (
        "Stopped at duality gap {gap:.1e} > tol={tol:.1e} (relative to 1/2 ||x||^2), the limit of "
        "{dtype}: raise code_tol (tol of a function){remedy}."
    )

    def message(self, gap, tol, max_iter, dtype):
        """The user's message."""
        remedy = "" if np.dtype(dtype) == np.float64 else ", or pass float64"
        return self.value.format(
            gap=gap, tol=tol, max_iter=max_iter, dtype=np.dtype(dtype), remedy=remedy
        )


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
    outcome : Outcome
    """

    code: Any
    n_iter: int
    objective_curve: list
    gap: Any
    outcome: Outcome
