"""`learning_rate` has the same meaning in all trained models: "auto", a float, or a callable."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from sklearn_ebm import (
    PSD,
    RBM,
    AutoEncoder,
    ConvPSD,
    DrSAEClassifier,
    EnergyModel,
    FineTunedClassifier,
    FineTunedRegressor,
    GroupSparsePSD,
    LISTAEncoder,
    LocalPSD,
    WhatWherePSD,
)

X, Y = load_digits(n_class=3, return_X_y=True)
X, Y = X[:200] / 16, Y[:200]
TWO_PASSES = {"max_iter": 2, "batch_size": 100, "random_state": 0}
MODELS = {  # with the initial rate of "auto"
    "PSD": (PSD(6, alpha=0.3, tol=0, **TWO_PASSES), 3e-3),
    "GroupSparsePSD": (GroupSparsePSD(6, alpha=0.3, tol=0, **TWO_PASSES), 3e-3),
    "WhatWherePSD": (WhatWherePSD(6, n_frames=1, alpha=0.3, tol=0, **TWO_PASSES), 3e-3),
    "ConvPSD": (ConvPSD(3, kernel_size=3, alpha=0.3, crop_size=None, tol=0, image_shape=(8, 8),
                        max_iter=2, batch_size=100, random_state=0), 1e-2),
    "LocalPSD": (LocalPSD(kernel_size=3, tile_shape=4, alpha=0.3, tol=0, image_shape=(8, 8),
                          output="simple", **TWO_PASSES), 3e-2),
    "AutoEncoder": (AutoEncoder(6, tol=0, **TWO_PASSES), 1e-3),
    "DrSAEClassifier": (DrSAEClassifier(6, pretrain_max_iter=2, **TWO_PASSES), 3e-2),
    "DrSAEClassifier-adam": (
        DrSAEClassifier(6, pretrain_max_iter=2, optimizer="adam", **TWO_PASSES), 1e-3
    ),
    "EnergyModel": (EnergyModel(6, optimizer="adam", tol=0, **TWO_PASSES), 3e-2),
    "RBM-bernoulli": (RBM(6, average=0, **TWO_PASSES), 0.2),
    "RBM-gaussian": (RBM(6, visible="gaussian", average=0, **TWO_PASSES), 0.1),
    "FineTunedClassifier": (FineTunedClassifier(
        make_pipeline(PSD(6, alpha=0.3, tol=0, **TWO_PASSES), LogisticRegression()), **TWO_PASSES
    ), 1e-3),
    "FineTunedRegressor": (FineTunedRegressor(
        make_pipeline(PSD(6, alpha=0.3, tol=0, **TWO_PASSES), Ridge()), **TWO_PASSES
    ), 1e-3),
}  # fmt: skip
BACKS_OFF = {  # with "auto", the rate also decreases if the loss rises
    "LISTAEncoder": (
        LISTAEncoder(6, alpha=0.3, tol=0, validation_fraction=0, **TWO_PASSES), 3e-3
    ),
}  # fmt: skip
ALL = {**MODELS, **BACKS_OFF}
INCREMENTAL = [name for name, (model, _) in ALL.items() if hasattr(model, "partial_fit")]


def samples(model):
    """Return samples, which have norm one if the model is made for them."""
    return normalize(X) if isinstance(model, DrSAEClassifier) else X


def output(model):
    """Return scores, predictions or features."""
    methods = "transform", "decision_function", "predict"
    return next(getattr(model, name) for name in methods if hasattr(model, name))(samples(model))


def learned(model, call="fit", rate="auto"):
    """Return the output of a copy of the model after learning at a given rate."""
    model = clone(model).set_params(learning_rate=rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # two passes are few
        getattr(model, call)(samples(model), Y)
    return output(model)


@pytest.mark.parametrize("name", MODELS)
def test_auto_is_a_number_that_decays_linearly(name):
    model, initial = MODELS[name]
    expected = learned(model)
    assert_array_equal(learned(model, rate=initial), expected)
    assert_array_equal(learned(model, rate=lambda done: initial * (1 - done)), expected)
    assert np.any(learned(model, rate=lambda done: initial) != expected)


@pytest.mark.parametrize("name", BACKS_OFF)
def test_a_number_decays_linearly(name):
    model, initial = BACKS_OFF[name]
    expected = learned(model, rate=initial)
    assert_array_equal(learned(model, rate=lambda done: initial * (1 - done)), expected)
    assert np.any(learned(model, rate=lambda done: initial) != expected)


@pytest.mark.parametrize("name", INCREMENTAL)
def test_partial_fit_learns_at_the_initial_rate(name):
    model, initial = ALL[name]
    expected = learned(model, "partial_fit", initial)
    by_callable = learned(model, "partial_fit", lambda done: initial * (1 - 10 * done))
    assert_array_equal(by_callable, expected)


@pytest.mark.parametrize("name", ALL)
def test_a_callable_receives_the_completed_share_of_training(name):
    asked = []

    def rate(done):
        asked.append(done)
        return 1e-3

    learned(ALL[name][0], rate=rate)
    assert asked[0] == 0
    assert_allclose([done for done in asked if done], [0.25, 0.5, 0.75])  # 2 passes of 2 batches


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rate", [-1e-3, np.inf, "fast"])
def test_a_wrong_rate_is_refused_before_anything_is_learned(name, rate):
    model = clone(ALL[name][0]).set_params(learning_rate=lambda done: rate)
    message = "learning_rate must return a finite non-negative number, got"
    with pytest.raises(ValueError, match=message):
        model.fit(samples(model), Y)
    assert not model.__sklearn_is_fitted__()


@pytest.mark.parametrize("name", ALL)
def test_an_error_of_the_callable_leaves_a_usable_model(name):
    def rate(done):
        if done > 0.4:
            raise OSError("no such table of rates")
        return 1e-3

    model = clone(ALL[name][0]).set_params(learning_rate=rate)
    with pytest.raises(OSError, match="no such table of rates"):
        model.fit(samples(model), Y)
    assert np.all(np.isfinite(output(model)))
    model.set_params(learning_rate="auto", warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(samples(model), Y)
    assert len(model.objective_curve_) == 2
