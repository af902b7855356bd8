"""Contracts of the parts that models are composed of, as typing protocols."""

from sklearn_ebm.protocols._atom_constraint import AtomConstraint
from sklearn_ebm.protocols._capabilities import offers, require, rows_of
from sklearn_ebm.protocols._criterion import Criterion
from sklearn_ebm.protocols._energy import Energy
from sklearn_ebm.protocols._module import Module, ModuleMixin, Stream, Tape
from sklearn_ebm.protocols._penalty import Penalty, PenaltyFactor
from sklearn_ebm.protocols._sampler import Sampler
from sklearn_ebm.protocols._solver import Solver
from sklearn_ebm.protocols._trainer import Policy, Trainer

__all__ = [
    "AtomConstraint",
    "Criterion",
    "Energy",
    "Module",
    "ModuleMixin",
    "Penalty",
    "PenaltyFactor",
    "Policy",
    "Sampler",
    "Solver",
    "Stream",
    "Tape",
    "Trainer",
    "offers",
    "require",
    "rows_of",
]
