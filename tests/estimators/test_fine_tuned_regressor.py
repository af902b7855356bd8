"""FineTunedRegressor: squared errors in units of the targets, and all linear regressors."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.metrics import r2_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR, LinearSVR

from sklearn_ebm import PSD, FineTunedClassifier, FineTunedRegressor, Rectifier
from sklearn_ebm.estimators._label_learning import LabelLearning
from sklearn_ebm.inputs._targets import RealTargets
from sklearn_ebm.learning.criteria import Labels
from sklearn_ebm.learning.criteria._scores import R2
from tests.estimators.interruption import interrupt_after
from tests.estimators.tuning import assert_gradients, network_of, psd

DIGITS, NUMBERS = load_digits(return_X_y=True)
DIGITS = DIGITS / 16
X = DIGITS[:200]
Y = np.stack([X[:, 10] + X[:, 20] * X[:, 30], 50 * NUMBERS[:200], X[:, 5:8].sum(axis=1)], axis=1)
y = Y[:, 1]
FULL_BATCH = {"batch_size": len(X), "optimizer": "sgd", "momentum": 0.0, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def tuned(head=None, steps=None, **parameters):
    """Return an unfitted regressor."""
    steps = [StandardScaler(), psd(8, max_iter=1), Rectifier()] if steps is None else steps
    pipeline = make_pipeline(*steps, Ridge() if head is None else head)
    return FineTunedRegressor(pipeline, **{"max_iter": 3, "random_state": 0, **parameters})


def prefit(head, targets, steps=(), **parameters):
    """Return an unfitted regressor that continues from a fitted pipeline."""
    pipeline = make_pipeline(*steps, head).fit(X, targets)
    return FineTunedRegressor(pipeline, prefit=True, **parameters)


# Loss and gradients


@pytest.mark.parametrize("targets", [y, Y], ids=["one", "several"])
def test_gradients_of_every_step_are_those_of_the_loss(targets):
    pipeline = make_pipeline(psd(encoder="tanh"), Rectifier("split"), psd(6), Ridge())
    pipeline.fit(X, targets)
    units = RealTargets(targets, np.ones(len(X)), None).units(np.arange(len(X)))
    network, x = network_of(pipeline, X[:7], loss="squared_error", units=units)
    predicted = network.scores(x) * units.scale + units.center
    assert_allclose(predicted.reshape(targets[:7].shape), pipeline.predict(X[:7]), rtol=1e-8)
    assert_gradients(network, x, (targets[:7].reshape(7, -1) - units.center) / units.scale)


@pytest.mark.parametrize("targets", [y, Y], ids=["one", "several"])
def test_a_step_on_all_samples_is_that_of_gradient_descent(targets):
    """The loss is the mean over samples and outputs of (x w + b - t)^2, for standardised t."""
    start = prefit(Ridge(1e3), targets, max_iter=0).fit(X, targets).pipeline_[-1]
    after = prefit(
        Ridge(1e3), targets, learning_rate=lambda done: 0.01, max_iter=1, **FULL_BATCH
    ).fit(X, targets).pipeline_[-1]  # fmt: skip
    spread, n_outputs = np.std(targets, axis=0), np.size(targets) // len(X)
    error = (start.predict(X) - targets) / spread
    rate = 0.01 * 2 / n_outputs / len(X)
    expected = start.coef_ - rate * ((error * spread).T @ X)
    assert_allclose(after.coef_, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())
    expected = start.intercept_ - rate * (error * spread).sum(axis=0)
    assert_allclose(after.intercept_, expected, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 20.0])
def test_a_frozen_encoder_and_weight_decay_give_ridge_regression(alpha):
    """The decay of w is the gradient of decay / 2 ||w||^2, and the loss is that of Ridge, / n."""
    steps = StandardScaler(), psd(6), StandardScaler()
    unfinished = prefit(Ridge(1e3), y, steps, learning_rates={"psd": 0}, max_iter=1000,
        learning_rate=lambda done: 0.2, weight_decay=2 * alpha / len(X), **FULL_BATCH)  # fmt: skip
    found = unfinished.fit(X, y).pipeline_
    features = found[:-1].transform(X)
    optimum = Ridge(alpha).fit(features, y)
    # Convergence is linear: the slowest direction has shrunk below 1e-9 after 1,000 steps
    assert_allclose(found[-1].coef_, optimum.coef_, rtol=1e-6, atol=1e-6 * np.ptp(y))
    assert_allclose(found.predict(X), optimum.predict(features), rtol=1e-6)


@pytest.mark.parametrize("targets", [y, Y], ids=["one", "several"])
def test_the_unit_and_the_origin_of_the_targets_do_not_matter(targets):
    """The first fit of Ridge is equivariant, too; only rounding errors differ."""
    plain = tuned(early_stopping=True).fit(X, targets)
    for scale, shift in ((1000, 5), (1e-150, 0), (-1e150, 1e150)):
        other = clone(plain).fit(X, scale * targets + shift)
        expected = scale * plain.predict(X) + shift
        size = abs(scale) * np.ptp(targets) + abs(shift)
        assert_allclose(other.predict(X), expected, rtol=1e-7, atol=1e-9 * size)
        assert_allclose(other.objective_curve_, plain.objective_curve_, rtol=1e-7)
        assert_allclose(other.validation_r2_curve_, plain.validation_r2_curve_, rtol=1e-7)


def test_outputs_of_any_unit_are_learned_alike():
    """The loss is an average over outputs of unit variance, whatever their unit is."""
    plain = tuned().fit(X, Y)
    other = clone(plain).fit(X, Y * [1e-6, 1, 1e6])
    assert_allclose(other.predict(X), plain.predict(X) * [1e-6, 1, 1e6], rtol=1e-6)


def test_a_constant_output_is_predicted_as_it_is():
    targets = np.stack([y, np.full(len(X), 3.5)], axis=1)
    model = tuned(LinearRegression(), early_stopping=True).fit(X, targets)
    assert_allclose(model.predict(X)[:, 1], 3.5, atol=0.1)  # Adam moves its zero weights a little
    assert np.all(np.isfinite(model.validation_r2_curve_))


def test_a_sample_of_weight_two_counts_as_two_samples():
    weights = 1 + np.arange(len(X)) % 2
    rows = np.repeat(np.arange(len(X)), weights)
    start = make_pipeline(psd(6), Ridge()).fit(X, y)
    options = {"prefit": True, "max_iter": 3, "batch_size": len(rows), "random_state": 0}
    weighted, repeated = (FineTunedRegressor(start, **options) for _ in range(2))
    weighted.fit(X, y, sample_weight=weights)
    repeated.fit(X[rows], y[rows])
    assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-8)
    assert_allclose(weighted.objective_curve_, repeated.objective_curve_, rtol=1e-8)
    assert_allclose(weighted.r2_curve_, repeated.r2_curve_, rtol=1e-8)


# Scores and early stopping


def test_r2_is_that_of_scikit_learn_over_all_batches():
    class Batch:
        def __init__(self, rows):
            self.target, self.weight = targets[rows], weights[rows]

    random = np.random.default_rng(0)
    targets, predicted = random.standard_normal((2, 60, 3))
    weights = random.uniform(0.1, 2, 60)
    targets[:, 2] = 0  # a constant output
    score, report = R2(), {"weight": weights.sum()}
    for rows in (slice(0, 25), slice(25, 60)):
        for name, value in score.sums(Batch(rows), predicted[rows]).items():
            report[name] = report.get(name, 0) + value
    expected = r2_score(targets, predicted, sample_weight=weights)
    assert score.of(report) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("targets", [y, Y], ids=["one", "several"])
def test_the_first_entries_of_the_curves_are_those_of_the_pipeline(targets):
    steps = StandardScaler(), psd(6)
    model = prefit(Ridge(100.0), targets, steps, max_iter=6, batch_size=len(X)).fit(X, targets)
    before = model.estimator
    loss = np.mean((before.predict(X) - targets) ** 2 / np.var(targets, axis=0))
    assert_allclose(model.objective_curve_[0], loss, rtol=1e-9)
    assert_allclose(model.r2_curve_[0], before.score(X, targets), rtol=1e-9)
    assert_allclose(model.r2_curve_, 1 - model.objective_curve_, rtol=1e-9)
    assert np.all(np.diff(model.objective_curve_) < 0)
    assert model.score(X, targets) > model.r2_curve_[-1]


def test_early_stopping_keeps_what_is_best_on_samples_that_nothing_learned_from(monkeypatch):
    seen, split = [], LabelLearning._split

    def watched(self, *args):
        seen.extend(split(self, *args))
        return seen

    monkeypatch.setattr(LabelLearning, "_split", watched)
    model = tuned(
        early_stopping=True, validation_fraction=0.2, n_iter_no_change=3, max_iter=60,
        learning_rate=lambda done: 0.1,
    ).fit(X, y)  # fmt: skip
    train, held_out = seen
    assert len(held_out) == 40
    assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(len(X)))
    curve = model.validation_r2_curve_
    assert model.n_iter_ + 1 == len(curve) == len(model.validation_curve_) < 61
    assert_allclose(model.score(X[held_out], y[held_out]), curve.max(), rtol=1e-9)
    assert curve[:-3].max() == curve.max()  # three passes did not improve


def test_outliers_are_not_taken_for_divergence():
    """One of ten samples in a batch has an error of 30 standard deviations."""
    targets = np.where(np.arange(len(X)) == 7, 1e4, NUMBERS[:200])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = prefit(Ridge(), targets, [psd(6)], max_iter=2, batch_size=10).fit(X, targets)
    assert model.n_iter_ == 2


def test_divergence_is_told_and_undone():
    start = prefit(Ridge(), y, [psd(6)], optimizer="sgd", learning_rate=1e4, max_iter=3)
    with pytest.warns(ConvergenceWarning, match="Training diverged with learning_rate"):
        model = start.fit(X, y)
    assert_allclose(model.predict(X), start.estimator.predict(X), rtol=1e-8)


def test_tuned_features_predict_digits_as_numbers_better():
    for seed in range(3):
        random = np.random.default_rng(seed).permutation(len(DIGITS))
        train, test = random[:1000], random[1000:]
        encoder = PSD(32, alpha=0.1, tol=1e-2, random_state=seed)
        model = tuned(steps=[encoder, Rectifier("split")], max_iter=0, random_state=seed)
        before = model.fit(DIGITS[train], NUMBERS[train]).score(DIGITS[test], NUMBERS[test])
        model.set_params(max_iter=5).fit(DIGITS[train], NUMBERS[train])
        after = model.score(DIGITS[test], NUMBERS[test])
        assert after > before + 0.1  # from 0.66 to 0.84, with a standard deviation of 0.03


# The last step

HEADS = {
    **{
        name: getattr(linear_model, name)()
        for name in (
            "LinearRegression", "Ridge", "RidgeCV", "Lasso", "ElasticNet", "BayesianRidge",
            "HuberRegressor", "SGDRegressor", "Lars",
        )
    },
    "LinearSVR": LinearSVR(random_state=0),
    "no intercept": LinearRegression(fit_intercept=False),
    "of each output": MultiOutputRegressor(LinearSVR(random_state=0)),
    "several": LinearRegression(),
    "several, no intercept": LinearRegression(fit_intercept=False),
    "several tasks": linear_model.MultiTaskElasticNet(alpha=0.01),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", HEADS)
def test_every_linear_regressor_is_trained_and_keeps_its_form(name):
    targets = Y if "several" in name or "each" in name else y
    model = prefit(HEADS[name], targets, [StandardScaler(), psd(6)], max_iter=3, batch_size=50)
    model.fit(X, targets)
    before, after = model.estimator[-1], model.pipeline_[-1]
    assert (
        model.predict(X).shape
        == targets.shape
        == before.predict(model.estimator[:-1].transform(X)).shape
    )
    if hasattr(before, "coef_"):
        assert after.coef_.shape == before.coef_.shape
    assert model.objective_curve_[-1] < model.objective_curve_[0]
    if "no intercept" in name:
        assert np.all(after.intercept_ == 0)
    error = np.mean((model.predict(X) - targets) ** 2 / np.var(targets, axis=0))
    assert error < model.objective_curve_[0]  # what is written to the regressor was trained


def test_float32_stays_float32():
    model = tuned().fit(X.astype(np.float32), y.astype(np.float32))
    assert (
        model.pipeline_[-1].coef_.dtype == model.predict(X.astype(np.float32)).dtype == np.float32
    )
    assert_allclose(model.predict(X), tuned().fit(X, y).predict(X), atol=0.05 * np.std(y))


def test_warm_start_goes_on_from_the_previous_fit():
    model = tuned(warm_start=True, learning_rate=lambda done: 1e-3, batch_size=len(X)).fit(X, y)
    reached = np.mean((model.predict(X) - y) ** 2) / np.var(y)
    assert_allclose(model.fit(X, y).objective_curve_[0], reached, rtol=1e-8)
    with pytest.raises(ValueError, match="as many columns as Ridge was fitted with, 1, got 3"):
        model.fit(X, Y)


def test_ctrl_c_leaves_a_usable_regressor(monkeypatch):
    model = prefit(Ridge(), y, [psd(6)], max_iter=5, batch_size=100)
    interrupt_after(monkeypatch, Labels, 5)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 2
    assert np.all(np.isfinite(model.predict(X)))


# Refusals

REFUSED = {
    "no pipeline": (psd(), y, "must be a Pipeline that ends in a linear regressor, got PSD"),
    "classifier": (
        make_pipeline(psd(), LogisticRegression()), y, "must be a regressor, got LogisticRegression"
    ),
    "transformer": (make_pipeline(psd(), psd()), y, "must be a regressor, got PSD"),
    "forest": (make_pipeline(psd(), RandomForestRegressor()), y, "regressor .* must be linear"),
    "kernel": (make_pipeline(psd(), SVR()), y, "must be linear, with coef_ .* got SVR"),
    "link function": (make_pipeline(psd(), PoissonRegressor()), y, "got PoissonRegressor"),
    "forests": (
        make_pipeline(psd(), MultiOutputRegressor(RandomForestRegressor())), Y, "must be linear"
    ),
    "parameter": (make_pipeline(psd(), Lasso(alpha=-1.0)), y, "'alpha' parameter of Lasso"),
    "parameter of each": (
        make_pipeline(psd(), MultiOutputRegressor(Lasso(alpha=-1.0))), Y, "'alpha' parameter"
    ),
    "two dimensions": (make_pipeline(psd(), LinearSVR()), Y, "y should be a 1d array"),
    "one dimension": (
        make_pipeline(psd(), MultiOutputRegressor(LinearSVR())), y, "y of two dimensions"
    ),
    "NaN": (make_pipeline(psd(), Ridge()), np.where(y == 50, np.nan, y), "Input y contains NaN"),
    "infinity": (make_pipeline(psd(), Ridge()), np.where(y == 50, np.inf, y), "contains infinity"),
    "positive": (
        make_pipeline(psd(), MultiOutputRegressor(Ridge(positive=True))), Y, "have positive=False"
    ),
    "no targets": (make_pipeline(psd(), Ridge()), None, "requires y to be passed"),
    "too few": (make_pipeline(psd(), Ridge()), y[:-1], "inconsistent numbers of samples"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_refused_before_anything_is_fitted(monkeypatch, name):
    def fit(self, *args, **options):
        raise AssertionError("fitted before it was refused")

    monkeypatch.setattr(PSD, "fit", fit)
    estimator, targets, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        FineTunedRegressor(estimator).fit(X, targets)


def test_too_few_samples_to_hold_out_are_refused():
    with pytest.raises(
        ValueError, match=r"validation set of 1 samples, but R\^2 requires at least 2"
    ):
        tuned(early_stopping=True).fit(X[:10], y[:10])


def test_a_regressor_is_no_classifier():
    with pytest.raises(ValueError, match="'ridge', must be a classifier, got Ridge"):
        FineTunedClassifier(make_pipeline(psd(), Ridge())).fit(X, NUMBERS[:200])
