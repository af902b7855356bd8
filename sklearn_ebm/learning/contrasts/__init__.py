"""What a loss compares the energy of the data with; `LOSSES` names the losses of `EnergyModel`."""

from sklearn_ebm.learning.contrasts._chains import Chains
from sklearn_ebm.learning.contrasts._contrast import Contrast
from sklearn_ebm.learning.contrasts._likelihood import Likelihood
from sklearn_ebm.learning.contrasts._neighbours import Neighbours
from sklearn_ebm.learning.contrasts._noise import BinaryNoise, GaussianNoise, NoiseContrastive
from sklearn_ebm.learning.contrasts._score import DenoisingScoreMatching, ScoreMatching

__all__ = [
    "BinaryNoise",
    "Chains",
    "Contrast",
    "DenoisingScoreMatching",
    "GaussianNoise",
    "Likelihood",
    "Neighbours",
    "NoiseContrastive",
    "ScoreMatching",
]
