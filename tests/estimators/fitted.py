"""Models fitted on little data, and their public arrays."""

import functools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_ebm import (
    PSD,
    RBM,
    AutoEncoder,
    ConvPSD,
    ConvSparseCoder,
    EnergyModel,
    GroupSparsePSD,
    LISTAEncoder,
    LocalPSD,
    SparseCoder,
    WhatWherePSD,
    ZCAWhitener,
)

X = np.random.default_rng(0).standard_normal((36, 12))
IMAGES = X.reshape(3, 12, 12)
QUICK = {"alpha": 0.3, "max_iter": 2, "tol": 0, "random_state": 0}
MACHINE = {"max_iter": 2, "n_chains": 10, "random_state": 0}
CONVOLUTION = {"kernel_size": 3, "connections": 1, **QUICK}
LOCAL = {"kernel_size": 3, "tile_shape": 2, **QUICK}
COLOURED = np.stack([IMAGES, IMAGES[::-1]], axis=-1)
MODELS = {
    "SparseCoder": (SparseCoder(6, **QUICK), X),
    "PSD": (PSD(6, **QUICK), X),
    "PSD-tanh": (PSD(6, encoder="tanh", **QUICK), X),
    "PSD-lcod-optimal": (PSD(6, encoder="lcod", inference="optimal", **QUICK), X),
    "GroupSparsePSD": (GroupSparsePSD(6, groups=2, output="both", **QUICK), X),
    "WhatWherePSD": (WhatWherePSD(6, n_what=2, n_frames=1, output="both", **QUICK), X),
    "WhatWherePSD-product": (
        WhatWherePSD(6, n_what=2, n_frames=1, coupling="product", output="both", **QUICK),
        X,
    ),
    "LISTAEncoder": (LISTAEncoder(6, **QUICK), X),
    "LISTAEncoder-untied": (LISTAEncoder(6, tied=False, encoder="lfista", **QUICK), X),
    "ConvSparseCoder": (ConvSparseCoder(4, **CONVOLUTION), COLOURED),
    "ConvPSD": (ConvPSD(4, **CONVOLUTION), COLOURED),
    "LocalPSD": (LocalPSD(4, output="simple", **LOCAL), COLOURED),
    "LocalPSD-unshared": (LocalPSD(output="simple", **{**LOCAL, "tile_shape": None}), COLOURED),
    "AutoEncoder-tanh": (AutoEncoder(6, activation="tanh", noise_level=0, random_state=0), X),
    "AutoEncoder-untied": (AutoEncoder(6, tied_weights=False, noise_level=0, random_state=0), X),
    "EnergyModel": (EnergyModel(6, tol=0, max_iter=2, random_state=0), X),
    "RBM": (RBM(6, **MACHINE), X > 0),
    "RBM-gaussian": (RBM(6, visible="gaussian", loss="fpcd", **MACHINE), X),
    "ZCAWhitener": (ZCAWhitener(), X),
}
LEARNERS = [name for name in MODELS if name != "ZCAWhitener"]
ENCODERS = [name for name in MODELS if "PSD" in name or "LISTA" in name]
models = pytest.mark.parametrize("name", MODELS)
learners = pytest.mark.parametrize("name", LEARNERS)
encoders = pytest.mark.parametrize("name", ENCODERS)
CALLS = ["transform", "energy", "inverse_transform"]


@functools.cache
def stored(name, seed=0):
    model, data = MODELS[name]
    model = clone(model)
    if seed and "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return pickle.dumps(model.fit(data))


def fitted(name, seed=0):
    return pickle.loads(stored(name, seed)), MODELS[name][1]


def arrays(model):
    """Return all public arrays of a fitted model, by name."""
    found = {name: value for name, value in vars(model).items() if name[-1] == "_" != name[0]}
    encoder = found.pop("encoder_", None)
    if encoder is not None:
        found.update({f"encoder_.{name}": value for name, value in encoder.parameters.items()})
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def of_model(model):
    """Return the names of the arrays that results depend on."""
    return [name for name in arrays(model) if name in model._model_attributes]


def results(model, data):
    codes = np.array(model.transform(data))
    found = {"transform": codes}
    if hasattr(model, "inverse_transform"):
        found["inverse_transform"] = model.inverse_transform(np.ones_like(codes))
    return found | ({"energy": model.energy(data)} if hasattr(model, "energy") else {})


def assert_same_results(first, second, data, **tolerance):
    first, second = results(first, data), results(second, data)
    for call, result in first.items():
        assert_allclose(second[call], result, err_msg=call, **tolerance)


def changed(model, name):
    """Return another valid value of an attribute."""
    value = getattr(model, name)
    return ~value if value.dtype == bool else 0.9 * value
