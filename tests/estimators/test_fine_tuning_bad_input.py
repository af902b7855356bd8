"""FineTunedClassifier: error messages, input types, weights, callbacks, and interruptions."""

import pickle
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_ebm import PSD, RBM, FineTunedClassifier, Rectifier, SparseCoder
from sklearn_ebm.learning.criteria import Labels
from tests.estimators.interruption import interrupt_after
from tests.estimators.test_callbacks import Recorder

X, Y = load_digits(return_X_y=True)
X, Y = X[:200] / 8, Y[:200]
pytestmark = pytest.mark.filterwarnings(
    "ignore:Maximum number of iterations", "ignore:lbfgs failed"
)


def psd(n_components=8, **parameters):
    settings = {"alpha": 0.3, "max_iter": 1, "tol": 0, "random_state": 0}
    return PSD(n_components, **{**settings, **parameters})


def tuned(*steps, **parameters):
    """Return an unfitted classifier."""
    pipeline = make_pipeline(*steps, LogisticRegression(max_iter=10))
    return FineTunedClassifier(pipeline, **{"max_iter": 3, "random_state": 0, **parameters})


@pytest.fixture(scope="module")
def pipeline():
    """A fitted pipeline, which tests must not change."""
    return make_pipeline(psd(), Rectifier(), LogisticRegression(max_iter=10)).fit(X, Y)


@pytest.fixture
def going(pipeline):
    """A classifier that continues from the pipeline, with 3 passes of 2 batches."""
    return FineTunedClassifier(pipeline, prefit=True, max_iter=3, random_state=0)


def assert_same(first, second):
    """Assert that two classifiers are bit-identical."""
    assert_array_equal(first.decision_function(X), second.decision_function(X))
    assert_array_equal(first.objective_curve_, second.objective_curve_)


# Errors before anything is fitted


@pytest.fixture
def _nothing_is_fitted(monkeypatch):
    def fit(self, *args, **options):
        raise AssertionError("fitted before it was refused")

    monkeypatch.setattr(PSD, "fit", fit)
    monkeypatch.setattr(StandardScaler, "fit", fit)


REFUSED = {
    "no pipeline": (psd(), "must be a Pipeline .* got PSD"),
    "no classifier": (
        make_pipeline(StandardScaler(), psd()),
        "'psd', must be a classifier, got PSD",
    ),
    "forest": (
        make_pipeline(psd(), RandomForestClassifier()),
        "must be linear, .* got RandomForestClassifier",
    ),
    "passed through": (
        make_pipeline(psd(), "passthrough"),
        "'passthrough', must be a classifier, got 'passthrough'",
    ),
    "kernel": (make_pipeline(psd(), SVC()), "'svc' must be linear, with coef_ .* got SVC"),
    "coder": (
        make_pipeline(psd(), SparseCoder(), LogisticRegression()),
        "step 'sparsecoder', SparseCoder: .* minima.*LISTAEncoder",
    ),
    "coder first": (make_pipeline(SparseCoder(), LogisticRegression()), "step 'sparsecoder'"),
    "optimal codes": (
        make_pipeline(StandardScaler(), psd(inference="optimal"), LogisticRegression()),
        "step 'psd', PSD: .*Set inference='encoder'",
    ),
    "function": (
        make_pipeline(psd(), FunctionTransformer(np.abs), LogisticRegression()),
        "step 'functiontransformer', FunctionTransformer: its derivative is not",
    ),
    "clipping": (
        make_pipeline(psd(), MinMaxScaler(clip=True), LogisticRegression()),
        "step 'minmaxscaler', MinMaxScaler: .* Set clip=False",
    ),
    "nested": (
        make_pipeline(psd(), make_pipeline(FunctionTransformer()), LogisticRegression()),
        "step 'pipeline__functiontransformer'",
    ),
}


@pytest.mark.usefixtures("_nothing_is_fitted")
@pytest.mark.parametrize("name", REFUSED)
def test_a_pipeline_that_is_not_a_network_is_refused_at_once(name):
    estimator, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        FineTunedClassifier(estimator).fit(X, Y)


def test_steps_before_the_first_trained_model_need_no_derivative():
    steps = FunctionTransformer(np.abs), MinMaxScaler(clip=True), psd(inference="optimal"), psd()
    classifier = tuned(*steps, learning_rates={"psd-1": 0}, max_iter=1).fit(X, Y)
    assert len(classifier.objective_curve_) == 1


@pytest.mark.usefixtures("_nothing_is_fitted")
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (np.zeros(len(X)), "only one class: .*0"),
        (np.full(len(X), -1), "contains no labels"),
        (np.where(Y == 3, 3, -1), "only one class: .*3"),
        (Y + 0.5, "Unknown label type"),
        (Y[:-1], "inconsistent numbers of samples"),
        (np.where(Y == 3, -1, Y.astype(str).astype(object)), "all be text or all be numbers"),
        (np.stack([Y, Y], axis=1), "got multiclass-multioutput targets .* for each column"),
    ],
)
def test_bad_labels_are_refused_at_once(y, message):
    with pytest.raises(ValueError, match=message):
        tuned(psd()).fit(X, y)


@pytest.mark.usefixtures("_nothing_is_fitted")
@pytest.mark.parametrize(
    ("y", "fraction", "message"),
    [
        (np.where(np.arange(len(X)) == 0, 10, Y), 0.1, r"a single sample of class 10\. Set early_"),
        (
            Y,
            0.04,
            "Splitting 200 samples .*validation_fraction=0.04 .* 8 samples for 10 classes. Incr",
        ),
    ],
    ids=["one of a class", "few"],
)
def test_samples_that_cannot_be_held_out_are_named_at_once(y, fraction, message):
    with pytest.raises(ValueError, match=message):
        tuned(psd(), early_stopping=True, validation_fraction=fraction).fit(X, y)


@pytest.mark.usefixtures("_nothing_is_fitted")
def test_learning_rates_of_unknown_steps_are_refused():
    message = (
        r"keys of learning_rates must be names of steps, \['psd', 'logisticregression'\], got "
        r"\['pds'\]"
    )
    with pytest.raises(ValueError, match=message):
        tuned(psd(), learning_rates={"psd": 1, "pds": 0}).fit(X, Y)


def test_prefit_requires_a_fitted_pipeline():
    with pytest.raises(NotFittedError, match="estimator must be fitted if prefit=True"):
        tuned(psd(), prefit=True).fit(X, Y)


def test_training_continues_only_with_the_same_classes(going):
    with pytest.raises(ValueError, match="y must contain only classes of the fitted classifier"):
        going.fit(X, Y + 1)
    going.set_params(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="y must contain only classes of the fitted classifier"):
        going.fit(X, Y + 1)
    going.fit(X[Y < 5], Y[Y < 5])  # a subset of the classes is sufficient
    assert len(going.classes_) == 10


@pytest.mark.parametrize(
    ("name", "value"),
    [("learning_rate", 0), ("momentum", 1), ("weight_decay", -1), ("max_iter", -1),
     ("batch_size", 0), ("subsample", 0), ("optimizer", "lbfgs"), ("learning_rate", "step"),
     ("validation_fraction", 1.0), ("n_iter_no_change", 0), ("early_stopping", "never"),
     ("class_weight", "even"), ("backend", "torch"), ("learning_rates", [0, 1])],
)  # fmt: skip
def test_parameters_out_of_range_are_named(going, name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of FineTunedClassifier"):
        going.set_params(**{name: value}).fit(X, Y)


@pytest.mark.parametrize("weights", [-np.ones(len(X)), np.ones(3)], ids=["negative", "few"])
def test_bad_weights_are_refused(going, weights):
    with pytest.raises(ValueError, match="sample_weight"):
        going.fit(X, Y, sample_weight=weights)


# Further input types


@pytest.mark.parametrize("last", [RidgeClassifier(), LinearSVC(), SGDClassifier(random_state=0)])
@pytest.mark.parametrize("y", [Y, Y > 4], ids=["several", "two"])
def test_any_linear_classifier_can_be_at_the_end(last, y):
    classifier = FineTunedClassifier(make_pipeline(psd(), last), max_iter=15, random_state=0)
    classifier.fit(X, y)
    plain = classifier.to_pipeline()
    assert type(plain[-1]) is type(last)
    assert_allclose(plain.decision_function(X), classifier.decision_function(X), rtol=1e-8)
    assert classifier.objective_curve_[-1] < classifier.objective_curve_[0]


def test_a_data_frame_goes_to_its_first_step():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"pixel{n}" for n in range(64)])
    first = ColumnTransformer([("kept", StandardScaler(), [f"pixel{n}" for n in range(8, 40)])])
    classifier = tuned(first, psd()).fit(frame, Y)
    assert_array_equal(classifier.feature_names_in_, frame.columns)
    assert classifier.n_features_in_ == 64
    order = frame[frame.columns[::-1]]
    assert_allclose(
        classifier.decision_function(order), tuned(StandardScaler(), psd())
        .fit(X[:, 8:40], Y).decision_function(X[:, 8:40]), rtol=1e-8, atol=1e-10,
    )  # fmt: skip


def test_sparse_data_give_what_dense_ones_give():
    binary = (X > 1).astype(float)
    machine = RBM(8, max_iter=2, random_state=0)
    dense = tuned(machine, batch_size=50).fit(binary, Y)
    few = tuned(machine, batch_size=50).fit(sparse.csr_array(binary), Y)
    assert_allclose(
        few.decision_function(sparse.csr_array(binary)), dense.decision_function(binary), rtol=1e-6
    )


def test_pipelines_in_the_pipeline_are_what_their_steps_are(pipeline):
    first = make_pipeline(StandardScaler(), psd())
    inner = tuned(first, Rectifier(), learning_rates={"pipeline__psd": 0.5}).fit(X, Y)
    flat = tuned(StandardScaler(), psd(), Rectifier(), learning_rates={"psd": 0.5}).fit(X, Y)
    assert_array_equal(inner.decision_function(X), flat.decision_function(X))
    assert isinstance(inner.pipeline_[0], Pipeline)
    assert_allclose(inner.to_pipeline().decision_function(X), flat.decision_function(X), rtol=1e-8)


def test_a_grid_search_reaches_the_parameters_of_steps():
    search = GridSearchCV(tuned(psd(), max_iter=1), {"estimator__psd__alpha": [0.3, 1e3]}, cv=2)
    search.fit(X, Y)
    assert search.best_params_ == {"estimator__psd__alpha": 0.3}  # otherwise all codes are zero
    assert search.best_estimator_.pipeline_["psd"].alpha == 0.3


def test_a_pickle_is_the_same_and_can_go_on(going):
    going.set_params(warm_start=True).fit(X, Y)
    other = pickle.loads(pickle.dumps(going))
    assert_array_equal(other.decision_function(X), going.decision_function(X))
    assert_array_equal(other.fit(X, Y).objective_curve_, going.fit(X, Y).objective_curve_)


def test_it_says_how_it_gets_on(going, capsys):
    going.set_params(verbose=1, early_stopping=True).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    loss, share = going.objective_curve_[1], 100 * going.accuracy_curve_[1]
    assert lines[1].startswith(
        f"[FineTunedClassifier] pass 2: loss {loss:.4g}, accuracy {share:.2f} %, held out"
    )


# Weights and labels


def test_a_weight_of_zero_leaves_a_sample_out_of_training(pipeline):
    weights = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    classifier = FineTunedClassifier(pipeline, prefit=True, max_iter=2, random_state=0)
    kept = weights > 0
    weighted = clone(classifier).fit(X, Y, sample_weight=weights)
    assert_same(weighted, clone(classifier).fit(X[kept], Y[kept], sample_weight=weights[kept]))
    assert np.any(weighted.objective_curve_ != classifier.fit(X, Y).objective_curve_)


def test_weights_reach_the_classifier_and_the_loss_whatever_their_scale():
    weights = np.where(Y < 5, 1.0, 0.1)
    weighted = tuned(psd(), Rectifier(), max_iter=0).fit(X, Y, sample_weight=weights)
    features, last = weighted.pipeline_[:-1].transform(X), weighted.pipeline_[-1]
    expected = clone(last).fit(features, Y, sample_weight=weights / weights.mean())
    assert_allclose(last.coef_, expected.coef_, rtol=1e-6, atol=1e-9)
    going = FineTunedClassifier(weighted.pipeline_, prefit=True, max_iter=1, batch_size=len(X))
    loss = log_loss(Y, weighted.predict_proba(X), sample_weight=weights)
    for factor in (1, 7):
        curve = going.fit(X, Y, sample_weight=factor * weights).objective_curve_
        assert_allclose(curve, loss, rtol=1e-8)


def test_a_class_weight_is_that_of_its_samples(pipeline):
    names = np.array(["even", "odd"])[Y % 2]
    pipeline = clone(pipeline).fit(X, names)
    settings = {"prefit": True, "max_iter": 2, "random_state": 0}
    classifier = FineTunedClassifier(pipeline, class_weight={"odd": 3.0, "even": 0.5}, **settings)
    weights = np.where(names == "odd", 3.0, 0.5)
    by_sample = FineTunedClassifier(pipeline, **settings).fit(X, names, sample_weight=weights)
    assert_same(classifier.fit(X, names), by_sample)
    balanced = clone(classifier).set_params(class_weight="balanced").fit(X, names)
    share = len(X) / (2 * np.bincount(Y % 2))[Y % 2]
    assert_same(balanced, FineTunedClassifier(pipeline, **settings).fit(X, names, share))


@pytest.mark.parametrize(
    "names", [np.array(["few", "many"]), np.array([False, True]), np.array([-1, 1]), [2.0, 7.0]],
    ids=["strings", "booleans", "signs", "floats"],
)  # fmt: skip
def test_labels_of_any_kind_are_what_is_predicted(names):
    y, names = (Y > 4).astype(int), np.asarray(names)
    by_number = tuned(psd()).fit(X, y)
    by_name = tuned(psd()).fit(X, names[y])
    assert_array_equal(by_name.classes_, names)
    assert_array_equal(by_name.predict(X), names[by_number.predict(X)])
    assert_array_equal(by_name.decision_function(X), by_number.decision_function(X))


# Callbacks, and early ends of training


def test_callbacks_see_a_usable_classifier_after_each_pass(going):
    recorder = Recorder(depth=2)
    going.set_callbacks(recorder).fit(X, Y)
    assert recorder.names[0] == "pass"
    loss, share = going.objective_curve_[0], 100 * going.accuracy_curve_[0]
    assert recorder.names[1] == f"pass 1: loss {loss:.4g}, accuracy {share:.2f} %"
    assert len(recorder.models) == 3
    for n, seen in enumerate(recorder.models, 1):
        assert_array_equal(seen.objective_curve_, going.objective_curve_[:n])
    scores = [seen.decision_function(X) for seen in recorder.models]
    assert np.any(scores[0] != scores[1])
    assert_array_equal(scores[-1], going.decision_function(X))


def test_callbacks_see_each_stage_and_the_training():
    recorder = Recorder()
    tuned(StandardScaler(), psd(), Rectifier()).set_callbacks(recorder).fit(X, Y)
    assert [name for name in recorder.names if name.startswith("fit ")][-1] == (
        "fit logisticregression"
    )
    assert recorder.names[-1] == "tune"


def test_a_callback_can_stop_training(going):
    recorder = Recorder(depth=2, act=lambda model: model.n_iter_ == 2)
    going.set_callbacks(recorder).fit(X, Y)
    assert going.n_iter_ == 2
    assert_array_equal(going.decision_function(X), recorder.models[-1].decision_function(X))


def test_the_progress_bar_shows_loss_and_accuracy(capsys, monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "200")
    tuned(psd()).set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, Y)
    screen = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert re.search(r"pass 2: loss \d+\.?\d*, accuracy \d+\.\d+ %", screen)
    assert re.search(r"pass 1|objective", screen)


@pytest.mark.parametrize("stops_early", [False, True])
def test_ctrl_c_while_it_is_trained_leaves_a_usable_classifier(going, monkeypatch, stops_early):
    going.set_params(early_stopping=stops_early, batch_size=100)
    with monkeypatch.context() as patch:
        interrupt_after(patch, Labels, 3)  # in the middle of the second pass
        with pytest.raises(KeyboardInterrupt):
            going.fit(X, Y)
    assert going.n_iter_ == len(going.objective_curve_) == 1
    before = going.estimator.decision_function(X)
    assert np.all(np.isfinite(going.decision_function(X)))
    if not stops_early:
        assert np.any(going.decision_function(X) != before)
    again = clone(going).fit(X, Y)
    assert going.objective_curve_[0] == again.objective_curve_[0]
    going.set_params(warm_start=True).fit(X, Y)


def test_ctrl_c_before_the_first_step_leaves_the_pipeline(going, pipeline, monkeypatch):
    interrupt_after(monkeypatch, Labels, 0)
    with pytest.raises(KeyboardInterrupt):
        going.fit(X, Y)
    assert_allclose(going.decision_function(X), pipeline.decision_function(X), rtol=1e-8)


@pytest.mark.parametrize("stops_early", [False, True])
def test_divergence_issues_a_warning_and_is_undone(going, pipeline, stops_early):
    going.set_params(optimizer="sgd", learning_rate=1e6, early_stopping=stops_early)
    with pytest.warns(ConvergenceWarning, match=r"learning_rate=1000000.0; .* Lower learning_rate"):
        going.fit(X, Y)
    assert going.score(X, Y) >= pipeline.score(X, Y) - 0.05
    assert_allclose(going.decision_function(X), pipeline.decision_function(X), rtol=1e-8)
