"""If a fit raises an error, the estimator is unchanged: unfitted, or with its previous model."""

import functools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm import (
    PSD,
    RBM,
    AutoEncoder,
    ConvPSD,
    ConvSparseCoder,
    Dropout,
    DrSAEClassifier,
    EnergyModel,
    FineTunedClassifier,
    FineTunedRegressor,
    Flattener,
    GroupPenalty,
    GroupSparsePSD,
    LISTAEncoder,
    LocalContrastNormalizer,
    LocalPSD,
    Pooler,
    Rectifier,
    SparseCoder,
    WhatWherePSD,
    ZCAWhitener,
)

X = np.random.default_rng(0).standard_normal((24, 12))
IMAGES = X.reshape(2, 12, 12)
QUICK = {"alpha": 0.3, "max_iter": 2, "tol": 0, "random_state": 0}
NETWORK = make_pipeline(PSD(4, **QUICK), LogisticRegression())
REGRESSION = make_pipeline(PSD(4, **QUICK), Ridge())
SUPERVISED = DrSAEClassifier, FineTunedClassifier, FineTunedRegressor
MODELS = {
    "SparseCoder": (SparseCoder(6, **QUICK), X),
    "PSD": (PSD(6, **QUICK), X),
    "GroupSparsePSD": (GroupSparsePSD(6, groups=2, **QUICK), X),
    "WhatWherePSD": (WhatWherePSD(6, n_what=2, n_frames=1, **QUICK), X),
    "LISTAEncoder": (LISTAEncoder(6, **QUICK), X),
    "LISTAEncoder-atoms": (LISTAEncoder(dictionary=X[:6], **QUICK), X),
    "ConvSparseCoder": (ConvSparseCoder(3, kernel_size=3, **QUICK), IMAGES),
    "ConvPSD": (ConvPSD(3, kernel_size=3, **QUICK), IMAGES),
    "LocalPSD": (LocalPSD(kernel_size=3, tile_shape=2, **QUICK), IMAGES),
    "AutoEncoder": (AutoEncoder(6, max_iter=2, random_state=0), X),
    "DrSAEClassifier": (
        DrSAEClassifier(6, n_steps=2, pretrain_max_iter=1, max_iter=1, random_state=0),
        X / 4,
    ),
    "EnergyModel": (EnergyModel(6, max_iter=2, tol=0, random_state=0), X),
    "AutoEncoder-sparse": (AutoEncoder(6, regularizer="sparse", max_iter=2, random_state=0), X),
    "RBM": (RBM(6, max_iter=2, n_chains=10, random_state=0), X > 0),
    "RBM-gaussian": (RBM(6, visible="gaussian", max_iter=2, n_chains=10, random_state=0), X),
    "FineTunedClassifier": (FineTunedClassifier(NETWORK, max_iter=1, random_state=0), X),
    "FineTunedRegressor": (FineTunedRegressor(REGRESSION, max_iter=1, random_state=0), X),
    "ZCAWhitener": (ZCAWhitener(), X),
}
LAYERS = {
    "Rectifier": Rectifier(),
    "Dropout": Dropout(),
    "Flattener": Flattener(),
    "LocalContrastNormalizer": LocalContrastNormalizer(3),
    "Pooler": Pooler(),
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X has values"),
]


def with_one(value, data):
    return np.where(np.arange(data.size).reshape(data.shape) == 5, value, data)


DATA = {
    "NaN": lambda data: with_one(np.nan, data),
    "infinity": lambda data: with_one(np.inf, data),
    "strings": lambda data: np.full(data.shape, "a"),
    "objects": lambda data: np.full(data.shape, {}, dtype=object),
    "complex": lambda data: data + 1j,
    "one dimension": lambda data: data.ravel(),
    "five dimensions": lambda data: data[(None,) * (5 - data.ndim)],
    "no sample": lambda data: data[:0],
    "a number": lambda data: 1.0,
    "nothing": lambda data: None,
}
WEIGHTS = {
    "too few": np.ones(3),
    "negative": lambda n: -np.ones(n),
    "NaN": lambda n: np.full(n, np.nan),
    "zero": lambda n: np.zeros(n),
    "text": "heavy",
    "two dimensions": lambda n: np.ones((n, 2)),
}
BAD = np.ones((6, 5))
FIRST = ["dictionary_init", "estimator"]  # not used in continued learning
SUITABLE = [  # valid for some models
    ("DrSAEClassifier", {"max_iter": 0}),
    ("FineTunedClassifier", {"max_iter": 0}), ("FineTunedRegressor", {"max_iter": 0}),
    ("GroupSparsePSD", {"solver": "block_cd"}),
    ("ConvSparseCoder", {"solver": "local_cd"}), ("ConvPSD", {"solver": "local_cd"}),
    ("AutoEncoder", {"alpha": 1e300}), ("AutoEncoder", {"penalty": GroupPenalty([[0, 9]])}),
]  # fmt: skip
PARAMETERS = [  # invalid by themselves, or for these models and data
    {"random_state": object()}, {"n_components": object()}, {"max_iter": 0}, {"alpha": -1.0},
    {"alpha": 1e300}, {"solver": "block_cd"},
    {"solver": "local_cd"}, {"solver": "nonsense"}, {"dictionary": BAD},
    {"dictionary": np.zeros((6, 12))}, {"dictionary_init": BAD}, {"dictionary": np.full(3, "a")},
    {"groups": [[0]]}, {"groups": "a"}, {"map_shape": (2, 2), "groups": None}, {"groups": 0},
    {"penalty": GroupPenalty([[0, 9]])}, {"kernel_size": 99}, {"kernel_size": (2.5, 1)},
    {"crop_size": 2}, {"tile_shape": 99}, {"pool_sigma": 0}, {"connections": 2},
    {"connections": np.zeros((3, 1))},
    {"image_shape": (3, 3)}, {"learning_rate": -1.0}, {"learning_rate": lambda done: "fast"},
    {"dictionary": SparseCoder(4)}, {"beta": 0}, {"visible": "red"}, {"batch_size": 0},
    {"tied": False, "encoder": "lcod"}, {"missing_values": "none"}, {"backend": "nonsense"},
    {"estimator": LogisticRegression()}, {"learning_rates": {"none": 1.0}}, {"regularization": -1},
    {"estimator": make_pipeline(PSD(4), PSD(4))},
    {"estimator": make_pipeline(PSD(4, alpha=-1), LogisticRegression())},
    {"estimator": make_pipeline(PSD(4, **QUICK), LogisticRegression(C=-1))},
]  # fmt: skip
models = pytest.mark.parametrize("name", MODELS)


@functools.cache
def stored(name):
    model, data = MODELS[name]
    return pickle.dumps(fit(clone(model), data))


@functools.cache
def stored_results(name):
    return results(pickle.loads(stored(name)), MODELS[name][1])


@functools.cache
def results_after_another_fit(name):
    model, data = pickle.loads(stored(name)), MODELS[name][1]
    return results(fit_again(model, data), data)


def labels(data):
    return np.arange(np.shape(data)[0] if np.ndim(data) else 4) % 2


def fit(model, data, method="fit", **options):
    if isinstance(model, SUPERVISED):
        options.setdefault("y", labels(data))
    return getattr(model, method)(data, **options)


def fit_again(model, data):
    if "warm_start" in model.get_params():
        model.set_params(warm_start=True)
    return fit(model, data, methods_of(model)[-1])


def methods_of(model):
    return [method for method in ("fit", "partial_fit") if hasattr(model, method)]


def assert_as_before(model, before):
    after = vars(model)
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert after[name] is value, name


def assert_unfitted(model):
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    assert not hasattr(model, "n_features_in_")


def results(model, data):
    methods = "transform", "decision_function", "predict"
    return next(getattr(model, name) for name in methods if hasattr(model, name))(data)


def refused(name, data=None, parameters=None, **options):
    """Call all ways to fit a model, fitted or not, that must refuse some data or parameters.

    Return the fitted model after all calls, and suitable data.
    """
    template, good = MODELS[name]
    is_tuned = name.startswith("FineTuned")  # its steps are fitted once
    parameters = parameters or {}
    data = good if data is None else data(good)
    ways = [False] if parameters.keys() & {*FIRST} or is_tuned else [False, True]
    fitted = pickle.loads(stored(name))
    for method in methods_of(template):
        model = clone(template).set_params(**parameters)
        before = dict(vars(model))
        with pytest.raises((ValueError, TypeError, ImportError)):
            fit(model, data, method, **options)
        assert_as_before(model, before)
        assert_unfitted(model)
        for warm_start in ways:
            if method == "partial_fit" and True not in ways:
                continue
            if "warm_start" in fitted.get_params():
                fitted.set_params(warm_start=warm_start)
            values = {each: getattr(fitted, each) for each in parameters}
            fitted.set_params(**parameters)
            before = dict(vars(fitted))
            with pytest.raises((ValueError, TypeError, ImportError)):
                fit(fitted, data, method, **options)
            assert_as_before(fitted, before)
            fitted.set_params(**values)
    assert_allclose(results(fitted, good), stored_results(name), rtol=1e-12)
    return fitted, good


@models
@pytest.mark.parametrize("kind", DATA)
def test_data_that_are_refused_leave_no_trace(name, kind):
    model, data = refused(name, DATA[kind])
    found = results(fit_again(model, data), data)  # learning continues as before
    assert_allclose(found, results_after_another_fit(name), rtol=1e-9, atol=1e-9)


@models
@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_that_are_refused_leave_no_trace(name, kind):
    if name.startswith("ZCA"):
        pytest.skip(f"{name} takes no weights")
    weights = WEIGHTS[kind]
    n_samples = len(MODELS[name][1])
    refused(name, sample_weight=weights(n_samples) if callable(weights) else weights)


def of_models():
    """Yield the pairs of a model and parameters that it refuses."""
    for name, (model, _) in MODELS.items():
        known = model.get_params().keys()
        for number, parameters in enumerate(PARAMETERS):
            if parameters.keys() <= known and (name, parameters) not in SUITABLE:
                yield pytest.param(name, parameters, id=f"{name}-{number}")


@pytest.mark.parametrize(("name", "parameters"), list(of_models()))
def test_parameters_that_are_refused_leave_no_trace(name, parameters):
    refused(name, parameters=parameters)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("kind", ["NaN", "infinity", "strings", "five dimensions", "no sample"])
def test_layers_that_refuse_data_have_seen_nothing(name, kind):
    layer = clone(LAYERS[name])
    before = dict(vars(layer))
    with pytest.raises((ValueError, TypeError)):
        layer.fit(DATA[kind](IMAGES))
    assert_as_before(layer, before)
    layer.fit(IMAGES)
    before = dict(vars(layer))
    with pytest.raises((ValueError, TypeError)):
        layer.fit(DATA[kind](IMAGES))
    assert_as_before(layer, before)


def test_a_layer_of_images_of_another_shape_has_seen_nothing():
    layer = Pooler(image_shape=(3, 3))
    with pytest.raises(ValueError, match="image_shape"):
        layer.fit(X)
    assert not hasattr(layer, "n_features_in_")


class Failing:
    """A callback that raises an error at the beginning or at the end of tasks of a level."""

    def __init__(self, depth, at_the_end=False, error=RuntimeError):
        self.depth, self.at_the_end, self.error = depth, at_the_end, error

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def _raise_at(self, context, is_the_end):
        depth = -1
        while context is not None:
            context, depth = context.parent, depth + 1
        if depth == self.depth and is_the_end == self.at_the_end:
            raise self.error("callback")

    def on_fit_task_begin(self, estimator, context, **data):
        self._raise_at(context, False)

    def on_fit_task_end(self, estimator, context, **data):
        self._raise_at(context, True)


callbacks = pytest.mark.parametrize("name", [name for name in MODELS if name != "ZCAWhitener"])


@callbacks
@pytest.mark.parametrize("depth", [0, 1])
def test_a_callback_that_fails_before_the_first_batch_leaves_no_trace(name, depth):
    template, data = MODELS[name]
    for model in (clone(template), pickle.loads(stored(name))):
        model.set_callbacks(Failing(depth))
        before = dict(vars(model))
        with pytest.raises(RuntimeError, match="callback"):
            fit(model, data)
        assert_as_before(model, before)


@pytest.mark.parametrize("name", ["SparseCoder", "PSD", "LISTAEncoder-atoms", "ConvPSD", "RBM"])
def test_an_error_after_the_first_batch_keeps_what_was_learned(name):
    template, data = MODELS[name]
    model = clone(template).set_callbacks(Failing(depth=2, at_the_end=True))
    with pytest.raises(RuntimeError, match="callback"):
        fit(model, data)
    check_is_fitted(model)
    assert np.all(np.isfinite(results(model, data)))
    fit(model, data, "partial_fit")


@callbacks
def test_ctrl_c_before_learning_leaves_no_trace(name):
    template, data = MODELS[name]
    for model in (clone(template), pickle.loads(stored(name))):
        model.set_callbacks(Failing(0, error=KeyboardInterrupt))
        before = dict(vars(model))
        with pytest.raises(KeyboardInterrupt):
            fit(model, data)
        assert_as_before(model, before)
