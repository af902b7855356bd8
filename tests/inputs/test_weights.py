"""Sample weights of any size: a common factor changes nothing."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from sklearn_ebm import (
    PSD,
    RBM,
    ConvPSD,
    ConvSparseCoder,
    FineTunedClassifier,
    FineTunedRegressor,
    GroupSparsePSD,
    LISTAEncoder,
    LocalPSD,
    SparseCoder,
)

ROWS = np.random.default_rng(0).standard_normal((60, 8))
IMAGES = np.random.default_rng(0).standard_normal((60, 7, 7))
LABELS = np.arange(60) % 2
WEIGHTS = np.random.default_rng(1).uniform(0.1, 2, 60).astype(np.float32)
ONE_PASS = {"alpha": 0.3, "max_iter": 1, "tol": 0, "batch_size": 20, "random_state": 0}
TUNED = make_pipeline(PSD(5, **ONE_PASS), LogisticRegression())
REGRESSION = make_pipeline(PSD(5, **ONE_PASS), Ridge())
MODELS = {
    "SparseCoder": SparseCoder(5, **ONE_PASS),
    "PSD": PSD(5, **ONE_PASS),
    "GroupSparsePSD": GroupSparsePSD(6, groups=2, **ONE_PASS),
    "LISTAEncoder": LISTAEncoder(5, **ONE_PASS),
    "ConvSparseCoder": ConvSparseCoder(3, kernel_size=3, **ONE_PASS),
    "ConvPSD": ConvPSD(3, kernel_size=3, **ONE_PASS),
    "LocalPSD": LocalPSD(kernel_size=3, tile_shape=2, **ONE_PASS),
    "RBM": RBM(5, visible="gaussian", max_iter=1, batch_size=20, random_state=0),
    "FineTunedClassifier": FineTunedClassifier(TUNED, max_iter=1, random_state=0),
    "FineTunedRegressor": FineTunedRegressor(REGRESSION, max_iter=1, random_state=0),
}
# Other models use only ratios of weights within a call.
ONLINE = [name for name in MODELS if name not in (
    "LISTAEncoder", "LocalPSD", "RBM", "FineTunedClassifier", "FineTunedRegressor"
)]  # fmt: skip
EXACT = {np.float64: (-900, 900), np.float32: (-140, 120)}  # powers of two

pytestmark = pytest.mark.filterwarnings("ignore:lbfgs failed", "ignore:No pass improved on")
models = pytest.mark.parametrize("name", MODELS)
online = pytest.mark.parametrize("name", ONLINE)


def data(name, dtype=np.float64):
    return (IMAGES if "Conv" in name or "Local" in name else ROWS).astype(dtype)


def learned(model):
    """Return all learned parameters of a model, or the scores of a classifier."""
    if isinstance(model, FineTunedClassifier):
        return model.decision_function(ROWS)
    if isinstance(model, FineTunedRegressor):
        return model.predict(ROWS)
    encoder = getattr(model, "encoder_", None)
    parts = [model.components_, *(encoder.parameters.values() if encoder else ())]
    return np.concatenate([np.ravel(part) for part in parts])


@functools.cache
def fitted_once(name, dtype=np.float64):
    """Return what is learned with `WEIGHTS`."""
    return fitted(name, WEIGHTS.astype(dtype), dtype)


def fitted(name, weights, dtype=np.float64):
    y = LABELS if name.startswith("FineTuned") else None
    return learned(clone(MODELS[name]).fit(data(name, dtype), y, sample_weight=weights))


@models
@pytest.mark.parametrize("dtype", EXACT, ids=["float64", "float32"])
def test_a_factor_of_a_power_of_two_changes_no_bit(name, dtype):
    expected = fitted_once(name, dtype)
    for power in EXACT[dtype]:
        weights = np.ldexp(np.float64(WEIGHTS), power)
        assert_array_equal(fitted(name, weights, dtype), expected)


@models
def test_subnormal_weights_in_float32_are_as_good_as_others(name):
    weights = np.float32([1, 2, 4, 8])[np.arange(60) % 4]
    small = weights * np.float32(2.0**-149)  # the smallest number is 2**-149
    assert_array_equal(fitted(name, small), fitted(name, weights))


@models
@pytest.mark.parametrize("factor", [1e-300, 3.0, 1e300])
def test_any_factor_changes_rounding_alone(name, factor):
    """Rounding errors of 1e-16 grow in the few steps of learning, but remain far below 1e-6."""
    expected = fitted_once(name)
    assert_allclose(fitted(name, factor * np.float64(WEIGHTS)), expected, rtol=1e-6, atol=1e-9)


@models
def test_equal_weights_are_no_weights(name):
    assert_allclose(fitted(name, np.full(60, 5e-310)), fitted(name, None), rtol=1e-6, atol=1e-9)


@models
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(60), "must contain at least one non-zero number"),
        (-WEIGHTS, "Negative values in data passed to `sample_weight`"),
        (np.full(60, np.nan), "Input sample_weight contains NaN"),
        (np.full(60, np.inf), "Input sample_weight contains infinity"),
        (np.ones((60, 1)), "Sample weights must be 1D array or scalar"),
        (np.ones(59), "sample_weight.shape"),
    ],
)
def test_bad_weights_are_refused_in_the_words_of_scikit_learn(name, weights, message):
    with pytest.raises(ValueError, match=message):
        fitted(name, weights)


def chunks(name, factors):
    """Return the parameters learned from two chunks whose weights have different factors."""
    model = clone(MODELS[name])
    for rows, factor in zip((slice(30), slice(30, 60)), factors, strict=True):
        weights = None if factor is None else factor * np.float64(WEIGHTS[rows])
        model.partial_fit(data(name)[rows], sample_weight=weights)
    return learned(model)


@online
@pytest.mark.parametrize("ratio", [1 / 8, 1.0, 8.0])
def test_a_chunk_counts_by_its_weight_in_partial_fit(name, ratio):
    """The ratio of two chunks has an effect, and a common factor does not."""
    expected = chunks(name, (1.0, ratio))
    assert_array_equal(chunks(name, (2.0**-900, ratio * 2.0**-900)), expected)
    assert_array_equal(chunks(name, (2.0**900, ratio * 2.0**900)), expected)
    if ratio != 1:  # the first chunk decays, but not immediately
        assert np.abs(chunks(name, (1.0, 1.0)) - expected).max() > 1e-6


@online
def test_a_chunk_without_weights_has_a_weight_of_one_each(name):
    model, other = clone(MODELS[name]), clone(MODELS[name])
    for rows, weight in ((slice(20), 0.25), (slice(20, 40), 1.0), (slice(40, 60), 4.0)):
        X = data(name)[rows]
        model.partial_fit(X, sample_weight=None if weight == 1 else np.full(len(X), weight))
        other.partial_fit(X, sample_weight=np.full(len(X), weight))
    assert_array_equal(learned(model), learned(other))


@online
@pytest.mark.parametrize("factors", [(2.0**-1000, 2.0**1000), (2.0**1000, 2.0**-1000)])
def test_weights_of_chunks_that_no_common_unit_can_hold_do_not_overflow(name, factors):
    assert np.all(np.isfinite(chunks(name, factors)))


def test_balanced_classes_have_equal_weight_whatever_their_samples_weigh():
    classifier = clone(MODELS["FineTunedClassifier"]).set_params(class_weight="balanced")
    by_class = np.where(LABELS == 0, 1e-200, 7.0)
    balanced = classifier.fit(ROWS, LABELS, sample_weight=by_class)
    prefit = FineTunedClassifier(balanced.pipeline_, prefit=True, max_iter=1, random_state=0)
    expected = clone(prefit).fit(ROWS, LABELS).objective_curve_
    prefit.set_params(class_weight="balanced")
    curve = prefit.fit(ROWS, LABELS, sample_weight=by_class).objective_curve_
    assert_allclose(curve, expected, rtol=1e-10)
