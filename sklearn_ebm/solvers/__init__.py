"""Solvers: written once, on the array namespace and the kernels of a backend."""

from sklearn_ebm.solvers._annealing import LARGEST_ENUMERATION, LogPartition, anneal, sum_states
from sklearn_ebm.solvers._contrastive import (
    Ascending,
    ContrastiveLearner,
    DivergedError,
    dense_rows,
)
from sklearn_ebm.solvers._convolutional import ConvolutionalProblem
from sklearn_ebm.solvers._dictionary import OnlineDictionary
from sklearn_ebm.solvers._fourier import largest_curvature
from sklearn_ebm.solvers._gibbs import gibbs, gibbs_keys, map_bounds, piece_bounds
from sklearn_ebm.solvers._gradient import OPTIMIZERS, SCHEDULES, Adam, GradientDescent
from sklearn_ebm.solvers._kernels import OnlineKernels
from sklearn_ebm.solvers._lasso import (
    CONVOLUTION_SOLVERS,
    MATRIX_SOLVERS,
    SOLVERS,
    solve_lasso,
)
from sklearn_ebm.solvers._problem import GramProblem, MaskedProblem, Source, largest_eigenvalue
from sklearn_ebm.solvers._solution import Outcome, Solution
from sklearn_ebm.solvers._verification import refuse_underflow

__all__ = [
    "CONVOLUTION_SOLVERS",
    "LARGEST_ENUMERATION",
    "MATRIX_SOLVERS",
    "OPTIMIZERS",
    "SCHEDULES",
    "SOLVERS",
    "Adam",
    "Ascending",
    "ContrastiveLearner",
    "ConvolutionalProblem",
    "DivergedError",
    "GradientDescent",
    "GramProblem",
    "LogPartition",
    "MaskedProblem",
    "OnlineDictionary",
    "OnlineKernels",
    "Outcome",
    "Solution",
    "Source",
    "anneal",
    "dense_rows",
    "gibbs",
    "gibbs_keys",
    "largest_curvature",
    "largest_eigenvalue",
    "map_bounds",
    "piece_bounds",
    "refuse_underflow",
    "solve_lasso",
    "sum_states",
]
