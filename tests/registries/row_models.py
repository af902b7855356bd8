"""Every public model with a dictionary, in all variants: a new model is one more entry."""

import pytest
from sklearn.base import clone

from sklearn_ebm import PSD, GroupPenalty, GroupSparsePSD, LISTAEncoder, SparseCoder
from sklearn_ebm.factors import ENCODERS, UNROLLED_ENCODERS

LISTA = LISTAEncoder(learning_rate=3e-4)  # small enough for the few samples of tests
MAP = {"map_shape": (5, 1), "pool_shape": (2, 1)}  # overlapping pools; see `make`
MODELS = {
    "SparseCoder": SparseCoder(),
    "SparseCoder-groups": SparseCoder(penalty=GroupPenalty(groups=2)),
    **{
        f"PSD-{encoder}-{inference}": PSD(encoder=encoder, inference=inference)
        for encoder in ENCODERS
        for inference in ("encoder", "optimal")
    },
    "GroupSparsePSD-groups": GroupSparsePSD(groups=2),
    "GroupSparsePSD-groups-optimal": GroupSparsePSD(groups=2, inference="optimal"),
    "GroupSparsePSD-map": GroupSparsePSD(**MAP),
    "GroupSparsePSD-map-simple": GroupSparsePSD(**MAP, output="simple"),
    "GroupSparsePSD-map-both-optimal": GroupSparsePSD(**MAP, output="both", inference="optimal"),
    **{
        f"LISTAEncoder-{encoder}": clone(LISTA).set_params(encoder=encoder)
        for encoder in UNROLLED_ENCODERS
    },
    "LISTAEncoder-lista-untied": clone(LISTA).set_params(tied=False),
    "LISTAEncoder-lfista-untied": clone(LISTA).set_params(encoder="lfista", tied=False),
    "LISTAEncoder-lista-energy": clone(LISTA).set_params(loss="energy"),
    "LISTAEncoder-lcod-energy": LISTAEncoder(encoder="lcod", loss="energy", learning_rate=3e-3),
    "LISTAEncoder-lista-optimal": clone(LISTA).set_params(inference="optimal"),
    "LISTAEncoder-lista-auto": LISTAEncoder(),
}
KINDS = [  # one of each class
    "SparseCoder",
    "PSD-shrinkage-encoder",
    "GroupSparsePSD-groups",
    "LISTAEncoder-lista",
]
TYPICAL = [  # each class, penalty, output, encoder, loss and kind of inference
    "SparseCoder",
    "SparseCoder-groups",
    "PSD-shrinkage-encoder",
    "PSD-tanh-optimal",
    "PSD-smooth_shrinkage-encoder",
    "PSD-lista-optimal",
    "GroupSparsePSD-groups",
    "GroupSparsePSD-map-simple",
    "GroupSparsePSD-map-both-optimal",
    "LISTAEncoder-lista",
    "LISTAEncoder-lfista-untied",
    "LISTAEncoder-lcod-energy",
]
RUN = [  # the other models run with --all-cases
    name if name in TYPICAL else pytest.param(name, marks=pytest.mark.exhaustive) for name in MODELS
]
every_model = pytest.mark.parametrize("name", MODELS)
models = pytest.mark.parametrize("name", RUN)
kinds = pytest.mark.parametrize("name", KINDS)
LEARNERS = [name for name in MODELS if not name.startswith("LISTA")]  # passes change the atoms
learners = pytest.mark.parametrize("name", [name for name in KINDS if name in LEARNERS])


def make(name, n_components=5, **parameters):
    """Return a new model with a given name in `MODELS`; a map has a row for each component."""
    settings = {"n_components": n_components, "alpha": 0.5, "random_state": 0, **parameters}
    if "-map" in name:
        settings["map_shape"] = (n_components or len(parameters["dictionary"]), 1)
    return clone(MODELS[name]).set_params(**settings)


def start_from(name, atoms):
    """Return the parameter for initial atoms; a `LISTAEncoder` keeps them fixed."""
    return {"dictionary_init" if name in LEARNERS else "dictionary": atoms}


def with_codes(model):
    """Return the model, set to return codes instead of pooled features."""
    return model.set_params(output="simple") if hasattr(model, "output") else model


def solver_everywhere(name):
    """Return a solver that every backend has for the penalty of a model."""
    return "fista" if "-groups" in name or "-map" in name else "cd"


def learned(model):
    """Return the parameters that passes change, with a row for each component."""
    return model.encoder_components_ if isinstance(model, LISTAEncoder) else model.components_


def fitted_attributes(model):
    """Return the public fitted attributes, by name."""
    return {name: value for name, value in vars(model).items() if name.endswith("_")}
