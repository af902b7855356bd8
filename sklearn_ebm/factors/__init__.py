"""What energies are made of: decoders, encoders, penalties, and their sum."""

from sklearn_ebm.factors._annealed_path import AnnealedPath
from sklearn_ebm.factors._bilinear import BilinearEnergy
from sklearn_ebm.factors._classification import SCORE_LOSSES, cross_entropy, log_probabilities
from sklearn_ebm.factors._energy import Energy, half_norm
from sklearn_ebm.factors._linear_maps import FixedMap, LinearHead
from sklearn_ebm.factors._losses import LOSSES
from sklearn_ebm.factors._missing import ZeroFilled
from sklearn_ebm.factors._pooled_features import PooledFeatures
from sklearn_ebm.factors._tape import Tape, Tapes
from sklearn_ebm.factors.decoders import ConvolutionalDecoder, LinearDecoder, PatchDecoder
from sklearn_ebm.factors.encoders import CONVOLUTIONAL_ENCODERS, ENCODERS, UNROLLED_ENCODERS
from sklearn_ebm.factors.penalties._group import DisjointGroupNorm, GroupNorm, group_norm
from sklearn_ebm.factors.penalties._kinds import PENALTIES, penalty_kind
from sklearn_ebm.factors.penalties._l1 import L1
from sklearn_ebm.factors.penalties._pools import Pools, pools_of_groups, pools_of_map
from sklearn_ebm.factors.units import UNITS, BernoulliUnits, GaussianUnits

__all__ = [
    "CONVOLUTIONAL_ENCODERS",
    "ENCODERS",
    "L1",
    "LOSSES",
    "PENALTIES",
    "SCORE_LOSSES",
    "UNITS",
    "UNROLLED_ENCODERS",
    "AnnealedPath",
    "BernoulliUnits",
    "BilinearEnergy",
    "ConvolutionalDecoder",
    "DisjointGroupNorm",
    "Energy",
    "FixedMap",
    "GaussianUnits",
    "GroupNorm",
    "LinearDecoder",
    "LinearHead",
    "PatchDecoder",
    "PooledFeatures",
    "Pools",
    "Tape",
    "Tapes",
    "ZeroFilled",
    "cross_entropy",
    "group_norm",
    "half_norm",
    "log_probabilities",
    "penalty_kind",
    "pools_of_groups",
    "pools_of_map",
]
