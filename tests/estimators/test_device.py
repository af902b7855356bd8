"""Models on a CUDA device learn and return the same as on the host, and can be copied back."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ebm import (
    RBM,
    Dropout,
    Flattener,
    LocalContrastNormalizer,
    Pooler,
    Rectifier,
    SparseCoder,
    WhatWherePSD,
    ZCAWhitener,
    host_copy,
)
from tests.estimators.tuning import IMAGES, X, Y, conv, psd, tuned_classifier
from tests.registries import image_models, machines, row_models

EXACT = {"code_tol": 1e-10, "code_max_iter": 5000, "max_iter": 2, "tol": 0}
models = pytest.mark.parametrize("name", row_models.MODELS)
convolutions = pytest.mark.parametrize("name", image_models.MODELS)
forms = pytest.mark.parametrize("form", machines.FORMS)
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore:Maximum number of iterations"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]


def assert_same_features(model, data, cupy, methods, rtol=1e-6):
    """A model fitted on the device returns there the same results as its copy on the host."""
    copied = host_copy(model)
    for method in methods:
        features = getattr(model, method)(cupy.asarray(data))
        assert isinstance(features, cupy.ndarray)
        assert features.dtype == data.dtype
        expected = getattr(copied, method)(data)
        assert isinstance(expected, np.ndarray)
        atol = rtol * np.abs(expected).max()
        assert_allclose(features.get(), expected, rtol=0, atol=atol, err_msg=method)


def rounding(dtype):
    return 1e-6 if dtype == np.float64 else 2e-3  # for codes with a gap suitable for their dtype


@models
def test_models_learn_on_a_device_what_they_learn_on_the_host(cupy, patches, name):
    data = patches[:80]
    start = row_models.start_from(name, data[:6] / np.linalg.norm(data[:6], axis=1, keepdims=True))
    model = row_models.make(name, 6, solver=row_models.solver_everywhere(name), **EXACT, **start)
    here, there = clone(model).fit(data), model.fit(cupy.asarray(data))
    assert isinstance(there.components_, cupy.ndarray)
    assert_allclose(there.objective_curve_, here.objective_curve_, rtol=2e-3)
    overlap = np.sum(there.components_.get() * here.components_, axis=1)
    assert np.all(overlap > 0.99)


@models
def test_models_give_on_a_device_what_they_give_on_the_host(cupy, dtype, patches, name):
    data = patches.astype(dtype)
    model = row_models.make(name, 12, solver=row_models.solver_everywhere(name), **EXACT)
    if dtype == np.float32:
        model.set_params(code_tol=1e-6)
    model.fit(cupy.asarray(data[:80]))
    assert_same_features(model, data[80:], cupy, ["transform", "energy"], rounding(dtype))


@pytest.mark.parametrize("coupling", ["gated", "product"])
def test_windows_learn_and_give_on_a_device_what_they_do_on_the_host(cupy, dtype, coupling):
    data = np.random.default_rng(0).standard_normal((30, 4, 12)).cumsum(axis=1).reshape(-1, 12)
    data, groups = data.astype(dtype), np.repeat(np.arange(30), 4)
    model = WhatWherePSD(8, n_what=3, coupling=coupling, alpha=0.5, gamma=0.5, output="both",
                         code_tol=1e-6, max_iter=2, tol=0, random_state=0)  # fmt: skip
    here = clone(model).fit(data, groups=groups)
    there = model.fit(cupy.asarray(data), groups=groups)
    assert isinstance(there.components_, cupy.ndarray)
    assert_allclose(there.objective_curve_, here.objective_curve_, rtol=2e-3)
    copied = host_copy(there)
    for inference in ("encoder", "optimal"):
        there.set_params(inference=inference)
        copied.set_params(inference=inference)
        for method in ("transform", "energy"):
            features = getattr(there, method)(cupy.asarray(data), groups=groups)
            expected = getattr(copied, method)(data, groups=groups)
            assert isinstance(features, cupy.ndarray)
            assert features.dtype == dtype
            atol = 1e-2 * np.abs(expected).max()  # units are accurate to 1e-4 of their cost
            assert_allclose(features.get(), expected, rtol=0, atol=atol, err_msg=method)


@convolutions
def test_convolutions_learn_and_give_on_a_device_what_they_do_on_the_host(cupy, dtype, name):
    images = np.random.default_rng(0).standard_normal((8, 12, 11, 2)).astype(dtype)
    settings = {**image_models.SETTINGS, "solver": "ista", "code_max_iter": 5000}
    model = image_models.make(name, **settings, code_tol=1e-10 if dtype == np.float64 else 1e-5)
    here, there = clone(model).fit(images), model.fit(cupy.asarray(images))
    assert isinstance(there.components_, cupy.ndarray)
    assert_allclose(there.objective_curve_, here.objective_curve_, rtol=2e-3)
    assert_same_features(there, images, cupy, ["transform", "energy"], rounding(dtype))


@forms
def test_machines_draw_and_learn_the_same_on_a_device(cupy, dtype, form):
    data = machines.data_of(form).astype(dtype)
    here, there = (machines.make(form).fit(each) for each in (data, cupy.asarray(data)))
    assert isinstance(there.components_, cupy.ndarray)
    if dtype == np.float64:  # in float32, rounding may change a unit and all later states
        assert_allclose(there.components_.get(), here.components_, atol=1e-10)
    assert_same_features(there, data, cupy, ["transform", "energy"], 1e-5)
    sampled = there.gibbs(cupy.asarray(data[:50]), 3, random_state=0)
    assert isinstance(sampled, cupy.ndarray)
    if dtype == np.float64:
        assert_allclose(sampled.get(), here.gibbs(data[:50], 3, random_state=0), atol=1e-8)


@pytest.mark.parametrize(
    ("steps", "data"),
    [
        ((psd(),), X),
        ((ZCAWhitener(), psd(inference="encoder"), Rectifier(), psd(6)), X),
        ((psd(), Rectifier(), Dropout(0.5, random_state=0)), X),
        ((RBM(10, max_iter=2, random_state=0), psd(6)), X / 2),
        ((row_models.make("GroupSparsePSD-groups", 6), Rectifier()), X),
        ((row_models.make("LISTAEncoder-lcod", 6),), X),
        ((conv(), Rectifier(), LocalContrastNormalizer(), Pooler(), Flattener()), IMAGES),
    ],
    ids=lambda value: "-".join(type(s).__name__ for s in value) if type(value) is tuple else "",
)
def test_a_network_is_tuned_on_a_device_as_on_the_host(cupy, steps, data):
    classifier = tuned_classifier(*steps)
    fitted = clone(classifier).set_params(max_iter=0).fit(cupy.asarray(data), cupy.asarray(Y))
    there = classifier.set_params(prefit=True, estimator=fitted.pipeline_)
    here = clone(there).set_params(estimator=host_copy(fitted.pipeline_))
    there.fit(cupy.asarray(data), Y)
    here.fit(data, Y)
    assert there.objective_curve_[-1] < there.objective_curve_[0]
    assert_allclose(there.objective_curve_, here.objective_curve_, rtol=1e-6)
    expected = here.predict_proba(data)
    probabilities = there.predict_proba(cupy.asarray(data))
    assert isinstance(probabilities, np.ndarray)  # the classifier is scikit-learn's
    assert_allclose(probabilities, expected, atol=1e-6)
    assert_allclose(host_copy(there).predict_proba(data), expected, atol=1e-6)


def test_steps_of_their_own_backend_bring_a_network_to_the_device(cupy):
    classifier = tuned_classifier(StandardScaler(), psd(backend="cupy"), Rectifier()).fit(X, Y)
    tuned = classifier.pipeline_.named_steps["psd"]
    assert isinstance(tuned.encoder_.parameters["weights"], cupy.ndarray)
    assert classifier.score(X, Y) > 0.8
    with pytest.raises(ValueError, match=r"backend='numba' cannot be used, .* a CUDA device"):
        classifier.set_params(backend="numba").fit(X, Y)
    with pytest.raises(ValueError, match=r"backend='cupy' cannot be used, .* on the host"):
        tuned_classifier(backend="cupy").fit(X, Y)


@pytest.mark.parametrize(
    "model",
    [
        psd(),
        row_models.make("LISTAEncoder-lista"),
        conv(image_shape=(8, 8)),
        RBM(5, visible="gaussian", learning_rate=1e-3, max_iter=1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_data_must_be_where_the_model_is(cupy, model):
    there, here = clone(model).fit(cupy.asarray(X)), clone(model).fit(X)
    with pytest.raises(
        ValueError, match=r"fitted on a CUDA device. Move X there with cupy.asarray"
    ):
        there.transform(X)
    with pytest.raises(ValueError, match=r"fitted on the host. Move X there with cupy.asnumpy"):
        here.transform(cupy.asarray(X))
    assert isinstance(there.fit(X).components_, np.ndarray)  # a new fit starts from the beginning


def test_numpy_arrays_go_to_the_device_where_the_backend_says_so(cupy):
    model = SparseCoder(10, alpha=0.3, backend="cupy", max_iter=2, random_state=0).fit(X)
    assert isinstance(model.components_, cupy.ndarray)
    code = model.transform(X)
    assert isinstance(code, cupy.ndarray)
    on_host = host_copy(model).set_params(backend="auto", code_tol=1e-8)
    model.set_params(code_tol=1e-8)
    assert_allclose(on_host.transform(X), model.transform(X).get(), atol=1e-4)
    loaded = pickle.loads(pickle.dumps(model))
    assert_allclose(loaded.transform(X).get(), model.transform(X).get(), atol=1e-12)


def test_learning_goes_on_on_the_device_in_pieces(cupy):
    away = cupy.asarray(X)
    for model in (psd(), RBM(10, visible="gaussian", random_state=0), ZCAWhitener()):
        for piece in (away[:150], away[150:]):
            model.partial_fit(piece)
        pipeline = make_pipeline(model, Rectifier())
        assert isinstance(pipeline.transform(away), cupy.ndarray)
