"""Parts of energies: decoders, encoders, penalties, and their sum."""

from sklearn_ebm.factors._atom_constraints import SmoothAtoms, SparseAtoms
from sklearn_ebm.factors._direction_head import DirectionHead
from sklearn_ebm.factors._flip_losses import FLIP_LOSSES
from sklearn_ebm.factors._linear_maps import FixedMap, LinearHead
from sklearn_ebm.factors._losses import LOSSES
from sklearn_ebm.factors._missing import Filled
from sklearn_ebm.factors._one_hot import OneHot
from sklearn_ebm.factors._pooled_features import PooledFeatures, PooledMaps
from sklearn_ebm.factors._recurrent_coder import RecurrentCoder
from sklearn_ebm.factors._score_losses import (
    SCORE_LOSSES,
    cross_entropy,
    log_logistic,
    log_probabilities,
)
from sklearn_ebm.factors._tape import Tape, Tapes
from sklearn_ebm.factors.decoders import (
    ConvolutionalDecoder,
    LinearDecoder,
    LocalDecoder,
    PatchDecoder,
)
from sklearn_ebm.factors.decoders._linear import half_norm
from sklearn_ebm.factors.encoders import (
    CONVOLUTIONAL_ENCODERS,
    ENCODERS,
    LOCAL_ENCODERS,
    POSITIVE_ENCODERS,
    UNROLLED_ENCODERS,
)
from sklearn_ebm.factors.energies import (
    ENERGIES,
    MODEL_ENERGIES,
    OUTPUTS,
    AnnealedPath,
    BilinearEnergy,
    ExpertEnergy,
    FreeEnergy,
    GaussianEnergy,
    IsingEnergy,
    ProductOfExperts,
    ReconstructionEnergy,
    SparseEnergy,
    as_encoder,
    in_data_units,
    largest_log_odds,
    with_encoder,
)
from sklearn_ebm.factors.penalties._concave import LogSumPenalty, LqPenalty
from sklearn_ebm.factors.penalties._elastic_net import ElasticNetPenalty
from sklearn_ebm.factors.penalties._group import DisjointGroupNorm, GroupNorm, group_norm
from sklearn_ebm.factors.penalties._group_penalty import GroupPenalty
from sklearn_ebm.factors.penalties._inhibition_penalty import InhibitionPenalty
from sklearn_ebm.factors.penalties._l0 import L0Penalty
from sklearn_ebm.factors.penalties._l1 import L1, L1Penalty
from sklearn_ebm.factors.penalties._l1_constraint import L1Constraint
from sklearn_ebm.factors.penalties._map import MapPenalty
from sklearn_ebm.factors.penalties._pools import Pools, pools_of_groups, pools_of_map
from sklearn_ebm.factors.penalties._positionwise import at_every_position
from sklearn_ebm.factors.penalties._resolve import (
    PENALTIES,
    PENALTY,
    check_alpha,
    degree_of,
    renewing,
    resolve_penalty,
    same_penalty,
    takes_alpha,
)
from sklearn_ebm.factors.units import UNITS, BernoulliUnits, CategoricalUnits, GaussianUnits

__all__ = [
    "CONVOLUTIONAL_ENCODERS",
    "ENCODERS",
    "ENERGIES",
    "FLIP_LOSSES",
    "L1",
    "LOCAL_ENCODERS",
    "LOSSES",
    "MODEL_ENERGIES",
    "OUTPUTS",
    "PENALTIES",
    "PENALTY",
    "POSITIVE_ENCODERS",
    "SCORE_LOSSES",
    "UNITS",
    "UNROLLED_ENCODERS",
    "AnnealedPath",
    "BernoulliUnits",
    "BilinearEnergy",
    "CategoricalUnits",
    "ConvolutionalDecoder",
    "DirectionHead",
    "DisjointGroupNorm",
    "ElasticNetPenalty",
    "ExpertEnergy",
    "Filled",
    "FixedMap",
    "FreeEnergy",
    "GaussianEnergy",
    "GaussianUnits",
    "GroupNorm",
    "GroupPenalty",
    "InhibitionPenalty",
    "IsingEnergy",
    "L0Penalty",
    "L1Constraint",
    "L1Penalty",
    "LinearDecoder",
    "LinearHead",
    "LocalDecoder",
    "LogSumPenalty",
    "LqPenalty",
    "MapPenalty",
    "OneHot",
    "PatchDecoder",
    "PooledFeatures",
    "PooledMaps",
    "Pools",
    "ProductOfExperts",
    "ReconstructionEnergy",
    "RecurrentCoder",
    "SmoothAtoms",
    "SparseAtoms",
    "SparseEnergy",
    "Tape",
    "Tapes",
    "as_encoder",
    "at_every_position",
    "check_alpha",
    "cross_entropy",
    "degree_of",
    "group_norm",
    "half_norm",
    "in_data_units",
    "largest_log_odds",
    "log_logistic",
    "log_probabilities",
    "pools_of_groups",
    "pools_of_map",
    "renewing",
    "resolve_penalty",
    "same_penalty",
    "takes_alpha",
    "with_encoder",
]
