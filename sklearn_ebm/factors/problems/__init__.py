"""Energies as functions of the code: what a solver minimises for a batch of samples."""

from sklearn_ebm.factors.problems._convolutional import ConvolutionalProblem
from sklearn_ebm.factors.problems._fourier import largest_curvature
from sklearn_ebm.factors.problems._gram import (
    GramProblem,
    MaskedProblem,
    Source,
    largest_eigenvalue,
)

__all__ = [
    "ConvolutionalProblem",
    "GramProblem",
    "MaskedProblem",
    "Source",
    "largest_curvature",
    "largest_eigenvalue",
]
