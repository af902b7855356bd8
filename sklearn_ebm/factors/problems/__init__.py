"""Inference problems: energies of a batch of samples as functions of the code."""

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
