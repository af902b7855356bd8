"""Inference problems: energies of a batch of samples as functions of the code."""

from sklearn_ebm.factors.problems._convolutional import ConvolutionalProblem
from sklearn_ebm.factors.problems._fourier import largest_curvature
from sklearn_ebm.factors.problems._gram import (
    GramProblem,
    MaskedProblem,
    Source,
    largest_eigenvalue,
)
from sklearn_ebm.factors.problems._joint import JointProblem, joint_penalty, require_joint

__all__ = [
    "ConvolutionalProblem",
    "GramProblem",
    "JointProblem",
    "MaskedProblem",
    "Source",
    "joint_penalty",
    "largest_curvature",
    "largest_eigenvalue",
    "require_joint",
]
