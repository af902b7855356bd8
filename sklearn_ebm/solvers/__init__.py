"""Solvers: written once, on the array namespace and the kernels of a backend."""

from sklearn_ebm.solvers._dictionary import OnlineDictionary
from sklearn_ebm.solvers._gradient import Adam
from sklearn_ebm.solvers._lasso import SOLVERS, solve_lasso
from sklearn_ebm.solvers._problem import GramProblem, MaskedProblem, largest_eigenvalue
from sklearn_ebm.solvers._solution import Outcome, Solution

__all__ = [
    "SOLVERS",
    "Adam",
    "GramProblem",
    "MaskedProblem",
    "OnlineDictionary",
    "Outcome",
    "Solution",
    "largest_eigenvalue",
    "solve_lasso",
]
