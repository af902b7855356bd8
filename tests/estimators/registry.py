"""Every public model with a dictionary, in each of its forms: a new model is one more entry."""

from sklearn.base import clone

from sklearn_ebm import PSD, LISTAEncoder, SparseCoder
from sklearn_ebm.factors import ENCODERS, UNFOLDINGS

LISTA = LISTAEncoder(learning_rate=3e-4)  # small enough for as few samples as tests have
MODELS = {
    "SparseCoder": SparseCoder(),
    **{
        f"PSD-{encoder}-{inference}": PSD(encoder=encoder, inference=inference)
        for encoder in ENCODERS
        for inference in ("encoder", "optimal")
    },
    **{
        f"LISTAEncoder-{unfolding}": clone(LISTA).set_params(unfolding=unfolding)
        for unfolding in UNFOLDINGS
    },
    "LISTAEncoder-ista-untied": clone(LISTA).set_params(tied=False),
    "LISTAEncoder-fista-untied": clone(LISTA).set_params(unfolding="fista", tied=False),
    "LISTAEncoder-ista-energy": clone(LISTA).set_params(loss="energy"),
    "LISTAEncoder-cd-energy": LISTAEncoder(unfolding="cd", loss="energy", learning_rate=3e-3),
    "LISTAEncoder-ista-optimal": clone(LISTA).set_params(inference="optimal"),
    "LISTAEncoder-ista-auto": LISTAEncoder(),
}
KINDS = ["SparseCoder", "PSD-shrinkage-encoder", "LISTAEncoder-ista"]  # one of each class
LEARNERS = [name for name in MODELS if not name.startswith("LISTA")]  # their passes move the atoms


def make(name, n_components=5, **parameters):
    """A fresh model by its name in `MODELS`."""
    settings = {"n_components": n_components, "alpha": 0.5, "random_state": 0, **parameters}
    return clone(MODELS[name]).set_params(**settings)


def start_from(name, atoms):
    """The parameter that lets a model begin with these atoms; a `LISTAEncoder` keeps them."""
    return {"dictionary_init" if name in LEARNERS else "dictionary": atoms}


def learned(model):
    """What the passes move, a row for each component: atoms, or the filters of their encoder."""
    return model.encoder_components_ if isinstance(model, LISTAEncoder) else model.components_


def fitted_attributes(model):
    """What fit left for users, by name."""
    return {name: value for name, value in vars(model).items() if name.endswith("_")}
