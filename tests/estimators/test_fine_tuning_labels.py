"""FineTunedClassifier with several labels for each sample, and with samples without a label."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_ebm import PSD, FineTunedClassifier, Rectifier
from sklearn_ebm.estimators._label_learning import LabelLearning
from sklearn_ebm.inputs._labels import IndicatorLabels
from sklearn_ebm.inputs._targets import Targets
from sklearn_ebm.learning.criteria import Labels
from tests.estimators.tuning import assert_gradients, network_of, psd, tuned_classifier

DIGITS, NUMBERS = load_digits(return_X_y=True)
X, Y = DIGITS[:200] / 8, NUMBERS[:200]
INDICATORS = np.stack([Y % 2, Y > 4, np.isin(Y, [1, 4, 7]), Y < 6], axis=1).astype(int)
pytestmark = pytest.mark.filterwarnings(
    "ignore:Maximum number of iterations", "ignore:lbfgs failed"
)
KINDS = pytest.mark.parametrize(
    "each", [OneVsRestClassifier, MultiOutputClassifier], ids=["one versus rest", "outputs"]
)


def labelled(head, *steps, **parameters):
    """Return an unfitted classifier of several labels."""
    steps = steps or (StandardScaler(), psd(8, max_iter=1), Rectifier())
    parameters = {"max_iter": 3, "random_state": 0, **parameters}
    return FineTunedClassifier(make_pipeline(*steps, head), **parameters)


def several(each=OneVsRestClassifier, head=None):
    return each(LogisticRegression(max_iter=200) if head is None else head)


# Several labels


@KINDS
def test_gradients_of_every_step_are_those_of_the_loss(each):
    pipeline = make_pipeline(psd(encoder="tanh"), Rectifier("split"), psd(6), several(each))
    pipeline.fit(X, INDICATORS)
    network, x = network_of(pipeline, X[:7], loss="binary_cross_entropies")
    assert_gradients(network, x, INDICATORS[:7].astype(float))


def test_a_step_on_all_samples_is_that_of_logistic_regression():
    """The gradient of the mean loss is x' (p - y) / n."""
    start = make_pipeline(several(head=LogisticRegression(C=1e-2))).fit(X, INDICATORS)
    model = FineTunedClassifier(
        start, prefit=True, optimizer="sgd", momentum=0.0, learning_rate=lambda done: 0.1,
        max_iter=1, batch_size=len(X),
    ).fit(X, INDICATORS)  # fmt: skip
    error = (start.predict_proba(X) - INDICATORS) / len(X)
    for label, (before, after) in enumerate(
        zip(start[-1].estimators_, model.pipeline_[-1].estimators_, strict=True)
    ):
        expected = before.coef_ - 0.1 * error[:, label] @ X
        assert_allclose(after.coef_, expected, rtol=1e-9, atol=1e-14)
        assert_allclose(after.intercept_, before.intercept_ - 0.1 * error[:, label].sum())


def test_one_label_is_the_same_problem_as_two_classes():
    """The same label twice has twice the cross-entropy of two classes, and twice its gradient."""
    y = (Y > 4).astype(int)
    pipeline = make_pipeline(psd(6), several()).fit(X, np.stack([y, y], axis=1))
    network, x = network_of(pipeline, X, loss="binary_cross_entropies")
    single = make_pipeline(*pipeline[:-1], pipeline[-1].estimators_[0])
    plain, _ = network_of(single, X)
    losses, _, gradients = network.losses_and_gradients(
        x, np.stack([y, y], axis=1).astype(float), np.ones(len(X))
    )
    target = (y[:, None] == [0, 1]).astype(float)
    expected, _, own = plain.losses_and_gradients(x, target, np.ones(len(X)))
    assert_allclose(losses, 2 * expected, rtol=1e-10)
    for name, gradient in own.items():
        if name[0] == "psd":
            assert_allclose(gradients[name], 2 * gradient, rtol=1e-8, atol=1e-12)


@KINDS
def test_predictions_are_those_of_the_scores_and_of_the_pipeline(each):
    model = labelled(several(each)).fit(X, INDICATORS)
    scores, pipeline = model.decision_function(X), model.to_pipeline()
    assert scores.shape == INDICATORS.shape
    assert_array_equal(model.predict(X), scores > 0)
    assert_allclose(model.predict_proba(X), expit(scores), rtol=1e-9)
    assert_allclose(model.predict_log_proba(X), np.log(expit(scores)), rtol=1e-9, atol=1e-15)
    assert_array_equal(pipeline.predict(X), model.predict(X))
    probabilities = pipeline.predict_proba(X)
    if isinstance(probabilities, list):  # of MultiOutputClassifier, for each label
        probabilities = np.stack(probabilities, axis=1)[..., 1]
    assert_allclose(probabilities, model.predict_proba(X), rtol=1e-9)
    assert_array_equal(model.classes_, np.arange(INDICATORS.shape[1]))
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))


def test_curves_are_the_sum_of_cross_entropies_and_the_share_of_samples_without_an_error():
    steps = StandardScaler(), psd(8)
    start = make_pipeline(*steps, several()).fit(X, INDICATORS)
    model = FineTunedClassifier(start, prefit=True, batch_size=len(X), max_iter=5)
    model.fit(X, INDICATORS)
    loss = log_loss_of(start.predict_proba(X), INDICATORS)
    assert_allclose(model.objective_curve_[0], loss, rtol=1e-9)
    assert_allclose(model.accuracy_curve_[0], start.score(X, INDICATORS))
    assert np.all(np.diff(model.objective_curve_) < 0)
    assert log_loss_of(model.predict_proba(X), INDICATORS) < model.objective_curve_[-1]


def log_loss_of(probabilities, y):
    """Return the sum of the cross-entropies of all labels."""
    columns = zip(y.T, probabilities.T, strict=True)
    return sum(log_loss(label, p, labels=[0, 1]) for label, p in columns)


def test_early_stopping_keeps_the_best_share_of_samples_without_an_error(monkeypatch):
    seen, split = [], LabelLearning._split

    def watched(self, *args):
        seen.extend(split(self, *args))
        return seen

    monkeypatch.setattr(LabelLearning, "_split", watched)
    model = labelled(several(), early_stopping=True, max_iter=30, n_iter_no_change=2)
    model.fit(X, INDICATORS)
    best = model.validation_accuracy_curve_.max()
    assert model.score(X[seen[1]], INDICATORS[seen[1]]) == pytest.approx(best)


def test_tuned_features_have_a_lower_loss_than_the_pipeline():
    ratios = []
    for seed in range(3):
        rows, y = make_multilabel_classification(2500, 20, n_classes=5, random_state=seed)
        encoder = PSD(16, alpha=0.5, batch_size=100, max_iter=3, tol=0, random_state=seed)
        pipeline = make_pipeline(StandardScaler(), encoder, Rectifier("split"), several())
        before = pipeline.fit(rows[:2000], y[:2000]).predict_proba(rows[2000:])
        model = FineTunedClassifier(pipeline, prefit=True, max_iter=4, random_state=seed)
        after = model.fit(rows[:2000], y[:2000]).predict_proba(rows[2000:])
        ratios.append(log_loss_of(after, y[2000:]) / log_loss_of(before, y[2000:]))
    assert max(ratios) < 1
    assert np.mean(ratios) < 0.98  # lower by 2.9 %, with a standard error of 0.9 %


@pytest.mark.parametrize("head", [LinearSVC(), RidgeClassifier()], ids=["SVC", "ridge"])
@KINDS
def test_every_linear_classifier_is_trained(each, head):
    model = labelled(several(each, head), psd(8)).fit(X, INDICATORS)
    assert model.objective_curve_[-1] < model.objective_curve_[0]
    before = clone(model).set_params(max_iter=0).fit(X, INDICATORS)
    pairs = zip(before.pipeline_[-1].estimators_, model.pipeline_[-1].estimators_, strict=True)
    for first, last in pairs:
        assert first.coef_.shape == last.coef_.shape
        assert np.any(first.coef_ != last.coef_)


@KINDS
def test_cross_validation_predicts_a_column_for_each_label(each):
    """The columns of y have no names, so that the classes are the numbers of the columns."""
    model = labelled(several(each), psd(8))
    predicted = cross_val_predict(model, X, INDICATORS, cv=2, method="predict_proba")
    assert predicted.shape == INDICATORS.shape


def test_sparse_indicators_are_the_same_labels():
    model = labelled(several(), max_iter=1)
    expected = model.fit(X, INDICATORS).decision_function(X)
    found = clone(model).fit(X, sparse.csr_array(INDICATORS)).decision_function(X)
    assert_array_equal(found, expected)


def test_float32_stays_float32():
    model = labelled(several()).fit(X.astype(np.float32), INDICATORS)
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32


CONSTANT = np.where(np.arange(4) == 2, 1, INDICATORS)
RARE = np.where(np.arange(4) == 2, np.arange(200)[:, None] == 5, INDICATORS)
REFUSED = {
    "one class": (LogisticRegression(), INDICATORS, "Use OneVsRestClassifier.LogisticRegression"),
    "no labels": (several(), Y, "but y has one class for each sample"),
    "kernel": (OneVsRestClassifier(SVC()), INDICATORS, "must be linear, with coef_ .* got SVC"),
    "parameter": (several(head=LogisticRegression(C=-1.0)), INDICATORS, "'C' parameter"),
    "regressors": (OneVsRestClassifier(Ridge()), INDICATORS, "got OneVsRestClassifier of Ridge"),
    "classes": (several(), np.stack([Y, Y], axis=1), "multiclass-multioutput .* for each column"),
    "unlabelled": (several(), np.where(Y[:, None] == 3, -1, INDICATORS), "as unsupervised_X"),
    "minus one": (several(), 2 * INDICATORS - 1, "indicator matrix of 0 and 1"),
    "constant": (several(), CONSTANT, "both 0 and 1, but column 2 contains only 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_refused_before_anything_is_fitted(monkeypatch, name):
    def fit(self, *args, **options):
        raise AssertionError("fitted before it was refused")

    monkeypatch.setattr(PSD, "fit", fit)
    head, y, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        labelled(head, psd()).fit(X, y)


def test_a_rare_label_is_not_held_out_altogether():
    """The only sample with the label is held out for one of these seeds, and not for another."""
    targets, refused = IndicatorLabels(RARE.astype(int), np.ones(len(X)), None), 0
    for seed in range(8):
        _, held_out = Targets.split(targets, 0.5, np.random.RandomState(seed))
        if 5 in held_out:
            refused += 1
            with pytest.raises(ValueError, match="not held out contains only 0"):
                targets.split(0.5, np.random.RandomState(seed))
        else:
            assert 5 in targets.split(0.5, np.random.RandomState(seed))[0]
    assert 0 < refused < 8


def test_class_weights_of_several_labels_are_refused():
    with pytest.raises(ValueError, match="class_weight must be None if y is an indicator matrix"):
        labelled(several(), class_weight="balanced").fit(X, INDICATORS)


def test_other_labels_than_those_of_the_previous_fit_are_refused():
    model = labelled(several(), warm_start=True).fit(X, INDICATORS)
    model.fit(X, 1 - INDICATORS)
    with pytest.raises(ValueError, match=r"as many columns as OneVsRestClassifier .* 4, got 3"):
        model.fit(X, INDICATORS[:, :3])


# Samples without a label

MASKED = np.where(np.arange(200) < 120, Y, -1)
MIXED = np.random.default_rng(0).permutation(200)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"early_stopping": True}, {"class_weight": "balanced"}, {"subsample": 100}],
    ids=["plain", "early stopping", "class weights", "subsample"],
)
def test_samples_of_class_minus_one_are_unsupervised_ones(parameters):
    """The model is identical bit for bit, since the samples are in the same order."""
    marked = tuned_classifier(**parameters).fit(X, MASKED)
    expected = clone(marked).fit(X[:120], Y[:120], unsupervised_X=X[120:])
    assert_array_equal(marked.classes_, np.arange(10))
    assert_array_equal(marked.predict_proba(X), expected.predict_proba(X))
    assert_array_equal(marked.objective_curve_, expected.objective_curve_)
    assert_array_equal(marked.validation_curve_, expected.validation_curve_)


def test_weights_of_samples_without_a_label_are_ignored():
    weights = np.random.default_rng(0).uniform(0.5, 2, 200)
    model = tuned_classifier(class_weight={3: 2.0})
    marked = clone(model).fit(X, MASKED, sample_weight=weights)
    other = np.where(MASKED == -1, 1e6, weights)
    scaled = clone(model).fit(X, MASKED, sample_weight=other)
    expected = clone(model).fit(
        X[:120], Y[:120], sample_weight=weights[:120], unsupervised_X=X[120:]
    )
    for found in (marked, scaled):
        assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_marked_and_additional_samples_are_joined():
    first = tuned_classifier(max_iter=0).fit(X[:160], MASKED[:160], unsupervised_X=X[160:])
    second = clone(first).fit(X, MASKED)
    assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_only_labelled_samples_reach_the_last_step_and_the_network(monkeypatch):
    """Whatever the order of the samples is."""
    seen, contribute, fit = [], Labels.contribute, LogisticRegression.fit

    def watched(self, model, batch, *args):
        seen.extend(map(tuple, np.array(batch.X)))
        return contribute(self, model, batch, *args)

    def watched_fit(self, X, y, **options):
        assert len(X) == 120
        assert -1 not in y
        return fit(self, X, y, **options)

    monkeypatch.setattr(Labels, "contribute", watched)
    monkeypatch.setattr(LogisticRegression, "fit", watched_fit)
    tuned_classifier(psd(), max_iter=1).fit(X[MIXED], MASKED[MIXED])
    assert set(seen) == set(map(tuple, X[:120]))


def test_minus_one_and_one_are_two_classes():
    y = np.where(Y > 4, 1, -1)
    model = tuned_classifier(max_iter=1).fit(X, y)
    assert_array_equal(model.classes_, [-1, 1])
    renamed = clone(model).fit(X, y > 0)
    assert_array_equal(model.predict_proba(X), renamed.predict_proba(X))


def test_steps_receive_no_labels_if_some_are_missing():
    """Supervised transformers would take -1 for a class."""
    seen = []

    class Watched(StandardScaler):
        def fit(self, X, y=None, sample_weight=None):
            seen.append(y)
            return super().fit(X)

    tuned_classifier(Watched(), psd(), max_iter=0, learning_rates={"psd": 0}).fit(X, MASKED)
    assert seen == [None]


def test_steps_that_require_labels_are_named_if_some_are_missing():
    model = tuned_classifier(SelectKBest(k=20), psd())
    with pytest.raises(ValueError, match="Step 'selectkbest', SelectKBest, requires y, but some"):
        model.fit(X, MASKED)


def test_warm_start_ignores_samples_without_a_label():
    first = tuned_classifier(warm_start=True).fit(X[:120], Y[:120])
    second = pickle.loads(pickle.dumps(first))
    first.fit(X[:120], Y[:120])
    second.fit(X, MASKED)
    assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_a_grid_search_counts_samples_without_a_label_as_errors():
    """The accuracy of each candidate is multiplied by the same share."""
    search = GridSearchCV(tuned_classifier(psd(), max_iter=1), {"max_iter": [0, 1]}, cv=2)
    search.fit(X, MASKED)
    share = 120 / 200
    assert np.all(search.cv_results_["mean_test_score"] < share)
    model = search.best_estimator_
    right = model.score(X[:120], Y[:120])
    assert model.score(X, MASKED) == pytest.approx(share * right)
