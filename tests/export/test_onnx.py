"""Models converted to ONNX have the same output in onnxruntime."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from sklearn_ebm import PSD
from sklearn_ebm.export import register_onnx_converters, to_onnx
from tests.export.cases import (
    CLASSIFIERS,
    OPTIMAL,
    OTHERS,
    REGRESSORS,
    TRANSFORMERS,
    fitted,
    fitted_classifier,
    fitted_regressor,
)
from tests.registries import estimators as registry

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:.*hidden units are dead"
)
TOLERANCE = 1e-5  # float32; onnxruntime sums in another order


def run(model, X):
    """Return all outputs of a converted model."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: X})


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_onnxruntime_agrees_with_transform(name):
    model, X = fitted(name)
    X = X.astype(np.float32)
    (found,) = run(to_onnx(model, X[:1]), X)
    expected = np.asarray(model.transform(X))
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_onnxruntime_agrees_with_a_classifier(name):
    model, X = fitted_classifier(name)
    X = X.astype(np.float32)
    register_onnx_converters()
    converted = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False})
    labels, probabilities = run(converted, X)
    assert_array_equal(labels, model.predict(X))
    assert_allclose(probabilities, model.predict_proba(X), atol=TOLERANCE)


@pytest.mark.parametrize("name", REGRESSORS)
def test_onnxruntime_agrees_with_a_regressor(name):
    model, X = fitted_regressor(name)
    X = X.astype(np.float32)
    (found,) = run(to_onnx(model, X[:1]), X)
    expected = model.predict(X)
    size = np.abs(expected).max()  # predictions are sums of numbers of this size
    assert_allclose(found.reshape(expected.shape), expected, atol=TOLERANCE * size)


def test_double_precision_is_kept():
    """Single precision would have errors of 1e-7."""
    model, X = fitted("PSD-tanh-encoder")
    (found,) = run(to_onnx(model, X[:1]), X)
    assert found.dtype == np.float64
    assert_allclose(found, model.transform(X), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", OTHERS)
def test_an_estimator_that_is_not_a_network_is_refused(name):
    with pytest.raises(
        ValueError,
        match=f"{registry.CASES[name].kind} cannot be exported as a feed-forward network",
    ):
        to_onnx(registry.fitted(name), np.asarray(registry.CASES[name].X[:1], np.float32))


@pytest.mark.parametrize("name", OPTIMAL)
def test_optimal_codes_are_refused_with_the_alternatives(name):
    with pytest.raises(ValueError, match="cannot be exported") as error:
        to_onnx(registry.fitted(name), np.asarray(registry.CASES[name].X[:1], np.float32))
    assert "LISTAEncoder" in str(error.value) or "inference='encoder'" in str(error.value)


def test_a_model_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(PSD(), np.zeros((1, 4), np.float32))


def test_samples_of_unknown_size_are_refused():
    model, _ = fitted("Rectifier-abs-rows")
    unknown = skl2onnx.common.data_types.FloatTensorType([None, None])
    register_onnx_converters()
    with pytest.raises(ValueError, match="requires samples of a fixed shape"):
        skl2onnx.convert_sklearn(model, initial_types=[("X", unknown)])
