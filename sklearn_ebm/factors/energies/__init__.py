"""Energies E(x, z), described by `sklearn_ebm.protocols.Energy`; `ENERGIES` names them.

`MODEL_ENERGIES` names functions that create energies of x alone. They have the arguments

    first(n_features, n_components, mean, rng, *, exact=False, scale=1.0)

with the mean and the scale of the data, and a `numpy.random.RandomState`. They return an energy of
NumPy arrays in double precision, close to independent features. If `exact` is true, they raise a
ValueError unless the partition function is known.
"""

from sklearn_ebm.factors.energies._annealed_path import AnnealedPath
from sklearn_ebm.factors.energies._bilinear import BilinearEnergy
from sklearn_ebm.factors.energies._bilinear_forms import (
    as_encoder,
    in_data_units,
    largest_log_odds,
    with_encoder,
)
from sklearn_ebm.factors.energies._expert_energy import ExpertEnergy
from sklearn_ebm.factors.energies._free_energy import FreeEnergy
from sklearn_ebm.factors.energies._gaussian import GaussianEnergy
from sklearn_ebm.factors.energies._ising import IsingEnergy
from sklearn_ebm.factors.energies._product_of_experts import ProductOfExperts
from sklearn_ebm.factors.energies._reconstruction import OUTPUTS, ReconstructionEnergy
from sklearn_ebm.factors.energies._sparse import SparseEnergy

ENERGIES = {
    "sparse": SparseEnergy,
    "bilinear": BilinearEnergy,
    "reconstruction": ReconstructionEnergy,
    "gaussian": GaussianEnergy,
    "experts": ProductOfExperts,
    "ising": IsingEnergy,
    "free": FreeEnergy,
}
MODEL_ENERGIES = {
    "gaussian": GaussianEnergy.first,
    "student_t": ExpertEnergy("student_t").first,
    "l2": ExpertEnergy("l2").first,
    "logcosh": ExpertEnergy("logcosh").first,
    "softplus": ExpertEnergy("softplus", precision=1.0, bias=True).first,
    "ising": IsingEnergy.first,
    "rbm": FreeEnergy.first,
}

__all__ = [
    "ENERGIES",
    "MODEL_ENERGIES",
    "OUTPUTS",
    "AnnealedPath",
    "BilinearEnergy",
    "ExpertEnergy",
    "FreeEnergy",
    "GaussianEnergy",
    "IsingEnergy",
    "ProductOfExperts",
    "ReconstructionEnergy",
    "SparseEnergy",
    "as_encoder",
    "in_data_units",
    "largest_log_odds",
    "with_encoder",
]
