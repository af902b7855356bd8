"""Every public model with a dictionary, in each of its forms: a new model is one more entry."""

from sklearn.base import clone

from sklearn_ebm import PSD, SparseCoder
from sklearn_ebm.factors import ENCODERS

MODELS = {
    "SparseCoder": SparseCoder(),
    **{
        f"PSD-{encoder}-{inference}": PSD(encoder=encoder, inference=inference)
        for encoder in ENCODERS
        for inference in ("encoder", "optimal")
    },
}
KINDS = ["SparseCoder", "PSD-shrinkage-encoder"]  # where the form makes no difference


def make(name, n_components=5, **parameters):
    """A fresh model by its name in `MODELS`."""
    settings = {"n_components": n_components, "alpha": 0.5, "random_state": 0, **parameters}
    return clone(MODELS[name]).set_params(**settings)


def fitted_attributes(model):
    """What fit left for users, by name."""
    return {name: value for name, value in vars(model).items() if name.endswith("_")}
