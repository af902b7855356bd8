"""Contracts between the floors, one module each; their docstrings are specifications."""

from sklearn_ebm.protocols._criterion import Criterion
from sklearn_ebm.protocols._trainer import Policy, Trainer

__all__ = ["Criterion", "Policy", "Trainer"]
