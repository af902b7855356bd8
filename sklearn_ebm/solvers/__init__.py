"""Inference: solvers and samplers, written on the array namespace and the kernels of a backend."""

from sklearn_ebm.backends import LARGEST_ENUMERATION
from sklearn_ebm.solvers._annealing import LogPartition, anneal, sum_states
from sklearn_ebm.solvers._chain_state import ChainState
from sklearn_ebm.solvers._flip_sampling import FlipSampler
from sklearn_ebm.solvers._gibbs import (
    gibbs,
    gibbs_keys,
    map_bounds,
    move_samples,
    piece_bounds,
)
from sklearn_ebm.solvers._hamiltonian import HamiltonianSampler
from sklearn_ebm.solvers._inference import infer
from sklearn_ebm.solvers._lasso import (
    CONVOLUTION_SOLVERS,
    MATRIX_SOLVERS,
    SOLVERS,
    solve_lasso,
)
from sklearn_ebm.solvers._rows import map_rows
from sklearn_ebm.solvers._solution import Criterion, Outcome, Solution
from sklearn_ebm.solvers._verification import refuse_underflow, require_certificate

SAMPLERS = {"hmc": HamiltonianSampler, "flips": FlipSampler}

__all__ = [
    "CONVOLUTION_SOLVERS",
    "LARGEST_ENUMERATION",
    "MATRIX_SOLVERS",
    "SAMPLERS",
    "SOLVERS",
    "ChainState",
    "Criterion",
    "FlipSampler",
    "HamiltonianSampler",
    "LogPartition",
    "Outcome",
    "Solution",
    "anneal",
    "gibbs",
    "gibbs_keys",
    "infer",
    "map_bounds",
    "map_rows",
    "move_samples",
    "piece_bounds",
    "refuse_underflow",
    "require_certificate",
    "solve_lasso",
    "sum_states",
]
