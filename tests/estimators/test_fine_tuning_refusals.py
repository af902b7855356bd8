"""FineTunedClassifier raises errors about its input before any model is fitted."""

import importlib.util

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.callback import ProgressBar
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_ebm import (
    PSD,
    ConvPSD,
    FineTunedClassifier,
    LocalContrastNormalizer,
    Pooler,
    Rectifier,
)
from sklearn_ebm.learning.criteria import Labels
from tests.estimators.tuning import IMAGES, X, Y, conv, psd, tuned_classifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:Maximum number of iterations", "ignore:lbfgs failed"
)


@pytest.fixture
def _no_model_is_fitted(monkeypatch):
    def fit(self, *args, **options):
        raise AssertionError("fitted before it was refused")

    for model in (PSD, ConvPSD):
        monkeypatch.setattr(model, "fit", fit)


# Weights


@pytest.mark.usefixtures("_no_model_is_fitted")
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(len(X)), "Negative values in data passed to `sample_weight`"),
        (np.ones(3), rf"sample_weight.shape == \(3,\), expected \({len(Y)},\)"),
        (np.zeros(len(X)), "must contain at least one non-zero number"),
        (np.where(Y == 3, np.nan, 1), "Input sample_weight contains NaN"),
        (np.where(Y == 3, np.inf, 1), "Input sample_weight contains infinity"),
        ((Y == 3) * 1.0, "at least 2 classes in the data, but the data contains only one class"),
        ((Y == 3) * 1e-300, r"only one class: .*3.*\. Samples of zero weight"),
    ],
    ids=["negative", "few", "zero", "NaN", "infinite", "one class", "one class, tiny"],
)
def test_bad_weights_are_refused_at_once(weights, message):
    with pytest.raises(ValueError, match=message):
        tuned_classifier(psd()).fit(X, Y, sample_weight=weights)


@pytest.mark.usefixtures("_no_model_is_fitted")
@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        (
            dict.fromkeys(range(10), 0.0),
            "times class_weight must contain at least one non-zero number",
        ),
        ({**dict.fromkeys(range(10), 0.0), 4: 2.0}, "only one class: .*4"),
        (dict.fromkeys(range(10), -1.0), "class_weight must be finite and non-negative"),
        (dict.fromkeys(range(10), np.nan), "class_weight must be finite and non-negative"),
        ({"four": 2.0}, "are not in class_weight"),
    ],
    ids=["zero", "one class", "negative", "NaN", "unknown"],
)
def test_bad_class_weights_are_refused_at_once(class_weight, message):
    with pytest.raises(ValueError, match=message):
        tuned_classifier(psd(), class_weight=class_weight).fit(X, Y)


@pytest.mark.usefixtures("_no_model_is_fitted")
def test_held_out_samples_are_counted_among_those_with_weight():
    weights = np.where(np.arange(len(X)) < 30, 1.0, 0.0)
    with pytest.raises(
        ValueError, match=r"Splitting 30 samples .* validation set of 3 samples for \d+ classes"
    ):
        tuned_classifier(psd(), early_stopping=True).fit(X, Y, sample_weight=weights)


# Steps

UNFIT = {
    "bad parameter of the second model": ([psd(), psd(alpha=-1.0)], "'alpha' parameter of PSD"),
    "rows for images of another size": (
        [psd(60), LocalContrastNormalizer(3, image_shape=(8, 8))],
        r"60 features, but image_shape=\(8, 8\)",
    ),
    "images for a model of rows": ([conv(), psd()], "dim 4, .* required by PSD"),
    "images for a classifier": ([conv(), Rectifier()], "dim 4, .* required by LogisticRegression"),
    "images that are smaller than a kernel": (
        [conv(border="valid"), Pooler("max", 2), ConvPSD(3, kernel_size=5)],
        "images of 3 x 3, but ConvPSD is expecting at least 5 x 5",
    ),
    "crops that are smaller than a kernel": (
        [conv(), conv(crop_size=2)],
        "crop_size must be at least",
    ),
}


@pytest.mark.usefixtures("_no_model_is_fitted")
@pytest.mark.parametrize("name", UNFIT)
def test_steps_that_do_not_fit_each_other_are_refused_at_once(name):
    steps, message = UNFIT[name]
    data = IMAGES if isinstance(steps[0], ConvPSD) else X
    with pytest.raises(ValueError, match=message):
        tuned_classifier(*steps).fit(data, Y)


@pytest.mark.usefixtures("_no_model_is_fitted")
def test_a_step_that_is_not_a_transformer_is_refused_at_once():
    pipeline = Pipeline([("psd", psd()), ("svc", LinearSVC()), ("last", LogisticRegression())])
    with pytest.raises(TypeError, match=r"should be transformers .* 'passthrough' 'LinearSVC\(\)'"):
        FineTunedClassifier(pipeline, learning_rates={"psd": 0}).fit(X, Y)


@pytest.mark.usefixtures("_no_model_is_fitted")
def test_bad_parameters_of_the_classifier_are_refused_at_once():
    with pytest.raises(ValueError, match="The 'C' parameter of LogisticRegression"):
        FineTunedClassifier(make_pipeline(psd(), LogisticRegression(C=-1.0))).fit(X, Y)


@pytest.mark.usefixtures("_no_model_is_fitted")
@pytest.mark.parametrize("rate", [-1.0, np.nan, np.inf, "fast"])
def test_learning_rates_are_numbers_from_zero(rate):
    with pytest.raises(ValueError, match=r"learning_rates\['psd'\] must be"):
        tuned_classifier(psd(), learning_rates={"psd": rate}).fit(X, Y)


@pytest.mark.usefixtures("_no_model_is_fitted")
@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
@pytest.mark.parametrize("where", ["classifier", "step"])
def test_a_backend_that_is_not_installed_is_refused_at_once(where):
    classifier = tuned_classifier(psd(), psd(backend="cupy" if where == "step" else "auto"))
    if where == "classifier":
        classifier.set_params(backend="cupy")
    with pytest.raises(ImportError, match="requires CuPy"):
        classifier.fit(X, Y)


@pytest.mark.usefixtures("_no_model_is_fitted")
def test_callbacks_of_a_step_that_belong_to_the_classifier_are_refused_at_once():
    step = psd().set_callbacks(ProgressBar())
    with pytest.raises(TypeError, match=r"\(PSD\) of .*\['ProgressBar'\].* Register"):
        tuned_classifier(psd(), step).fit(X, Y)


# More samples, without labels


@pytest.mark.usefixtures("_no_model_is_fitted")
@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (X[:, :60], r"unsupervised_X has samples of shape \(60,\), but X .* \(64,\)"),
        (IMAGES, r"unsupervised_X has samples of shape \(8, 8\), but X .* \(64,\)"),
        (sparse.csr_array(X), "same kind as X, got csr_array and ndarray"),
    ],
    ids=["width", "images", "sparse"],
)
def test_unlabelled_samples_of_another_shape_are_refused_at_once(extra, message):
    with pytest.raises(ValueError, match=message):
        tuned_classifier(psd()).fit(X, Y, unsupervised_X=extra)


@pytest.mark.usefixtures("_no_model_is_fitted")
def test_unlabelled_frames_need_the_columns_of_the_labelled_one():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"pixel{n}" for n in range(64)])
    with pytest.raises(ValueError, match="feature names of unsupervised_X should match"):
        tuned_classifier(psd()).fit(
            frame, Y, unsupervised_X=frame.rename(columns={"pixel3": "three"})
        )
    with pytest.raises(ValueError, match="same kind as X, got ndarray and DataFrame"):
        tuned_classifier(psd()).fit(frame, Y, unsupervised_X=X)


def test_unlabelled_samples_come_in_the_precision_and_order_of_the_labelled_ones():
    pandas = pytest.importorskip("pandas")
    narrow = X.astype(np.float32)
    frame = pandas.DataFrame(X, columns=[f"pixel{n}" for n in range(64)])
    for data, same, other in (
        (narrow, narrow, narrow.astype(float)), (frame, frame, frame[frame.columns[::-1]])
    ):  # fmt: skip
        expected = tuned_classifier(psd(), max_iter=1).fit(data, Y, unsupervised_X=same)
        found = tuned_classifier(psd(), max_iter=1).fit(data, Y, unsupervised_X=other)
        assert_array_equal(found.decision_function(data), expected.decision_function(data))


# Values that a fitted pipeline cannot process


def fitted_pipeline(*steps, data=X):
    return make_pipeline(*steps, LogisticRegression(max_iter=5)).fit(data, Y)


def spoiled(value):
    data = X.copy()
    data[-1, 20] = value  # in the last row, which training would reach late
    return data


@pytest.mark.parametrize("going", ["prefit", "warm_start"])
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "contains NaN"),
        (np.inf, "contains infinity"),
        (1e80, "contains infinity or a value too large"),
    ],
)
def test_values_are_refused_before_training_continues(monkeypatch, going, scaled, value, words):
    steps = [StandardScaler(), psd()] if scaled else [psd()]
    classifier = FineTunedClassifier(fitted_pipeline(*steps), prefit=True, max_iter=1)
    if going == "warm_start":
        classifier.set_params(warm_start=True).fit(X, Y)

    def step(self, *batch):
        raise AssertionError("trained before it was refused")

    monkeypatch.setattr(Labels, "contribute", step)
    with pytest.raises(ValueError, match=f"^Input X {words}"):
        classifier.fit(spoiled(value), Y)


def test_values_are_refused_if_the_classifier_alone_is_trained():
    pipeline = fitted_pipeline(StandardScaler())
    with pytest.raises(ValueError, match=r"^Input X contains NaN"):
        FineTunedClassifier(pipeline, prefit=True, max_iter=1).fit(spoiled(np.nan), Y)


@pytest.mark.filterwarnings("error:Training diverged")
@pytest.mark.parametrize("steps", [(SimpleImputer(), psd()), (psd(missing_values=np.nan),)])
def test_missing_values_that_the_first_steps_handle_are_accepted(steps):
    classifier = FineTunedClassifier(fitted_pipeline(*steps), prefit=True, max_iter=1)
    data = spoiled(np.nan)
    classifier.fit(data, Y)
    assert len(classifier.objective_curve_) == 1
    assert np.all(np.isfinite(classifier.predict_proba(data)))


# Data frames in another byte order


@pytest.mark.parametrize("prefit", [False, True])
def test_frames_in_any_byte_order_are_the_same_numbers(prefit):
    pandas = pytest.importorskip("pandas")
    native, swapped = (pandas.DataFrame(X.astype(dtype)) for dtype in ("<f8", ">f8"))
    mixed = swapped.copy()
    mixed.isetitem(0, swapped.iloc[:, 0].astype("<f4"))
    pipeline = make_pipeline(psd(4), LogisticRegression(max_iter=5))
    pipeline = pipeline.fit(X, Y) if prefit else pipeline
    options = {"prefit": prefit, "max_iter": 1, "random_state": 0}
    expected = FineTunedClassifier(pipeline, **options).fit(native, Y).decision_function(native)
    for frame in (swapped, mixed):
        found = FineTunedClassifier(pipeline, **options).fit(frame, Y)
        assert_allclose(found.decision_function(frame), expected, rtol=1e-9)
    assert swapped.dtypes.iloc[0].str == ">f8"  # the user's frame is unchanged
