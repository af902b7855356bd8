"""Criteria that a trainer minimises; `CRITERIA` names them.

They implement `sklearn_ebm.protocols.Criterion`.
"""

from sklearn_ebm.learning.criteria._base import BaseCriterion
from sklearn_ebm.learning.criteria._centered import Ascending, DenseSamples
from sklearn_ebm.learning.criteria._contrastive import Contrastive
from sklearn_ebm.learning.criteria._convolutional import ConvolutionalDictionary
from sklearn_ebm.learning.criteria._dictionary import LEARNING_TOL, Dictionary
from sklearn_ebm.learning.criteria._discriminative import Discriminative
from sklearn_ebm.learning.criteria._flipping import Flipping
from sklearn_ebm.learning.criteria._imitation import Imitation
from sklearn_ebm.learning.criteria._labels import Labels
from sklearn_ebm.learning.criteria._local import LocalDictionary
from sklearn_ebm.learning.criteria._reconstruction import NOISES, Noise, Reconstruction
from sklearn_ebm.learning.criteria._shaping import Shaping
from sklearn_ebm.learning.criteria._sum import Sum

CRITERIA = {
    "dictionary": Dictionary,
    "convolutional_dictionary": ConvolutionalDictionary,
    "local_dictionary": LocalDictionary,
    "imitation": Imitation,
    "contrastive": Contrastive,
    "flipping": Flipping,
    "discriminative": Discriminative,
    "labels": Labels,
    "reconstruction": Reconstruction,
    "shaping": Shaping,
    "sum": Sum,
}

__all__ = [
    "CRITERIA",
    "LEARNING_TOL",
    "NOISES",
    "Ascending",
    "BaseCriterion",
    "Contrastive",
    "ConvolutionalDictionary",
    "DenseSamples",
    "Dictionary",
    "Discriminative",
    "Flipping",
    "Imitation",
    "Labels",
    "LocalDictionary",
    "Noise",
    "Reconstruction",
    "Shaping",
    "Sum",
]
