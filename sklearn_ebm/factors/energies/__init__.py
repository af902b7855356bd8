"""Energies E(x, z), described by `sklearn_ebm.protocols.Energy`; `ENERGIES` names them."""

from sklearn_ebm.factors.energies._annealed_path import AnnealedPath
from sklearn_ebm.factors.energies._bilinear import BilinearEnergy
from sklearn_ebm.factors.energies._bilinear_forms import (
    as_encoder,
    in_data_units,
    largest_log_odds,
    with_encoder,
)
from sklearn_ebm.factors.energies._reconstruction import OUTPUTS, ReconstructionEnergy
from sklearn_ebm.factors.energies._sparse import SparseEnergy

ENERGIES = {
    "sparse": SparseEnergy,
    "bilinear": BilinearEnergy,
    "reconstruction": ReconstructionEnergy,
}

__all__ = [
    "ENERGIES",
    "OUTPUTS",
    "AnnealedPath",
    "BilinearEnergy",
    "ReconstructionEnergy",
    "SparseEnergy",
    "as_encoder",
    "in_data_units",
    "largest_log_odds",
    "with_encoder",
]
