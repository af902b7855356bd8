"""`max_time` ends `fit` within a pass, in every model that learns in passes."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_ebm import RBM, FineTunedClassifier, LISTAEncoder, SparseCoder
from sklearn_ebm.learning._trainer import Trainer
from tests.clock import StepClock
from tests.registries.estimators import CASES, ROWS, TYPICAL
from tests.registries.machines import some_digits

TIMED = [name for name, case in CASES.items() if hasattr(case.estimator, "max_time")]
ONE_OF_EACH = [name for name in TYPICAL if name in TIMED]
RATED = [name for name in ONE_OF_EACH if hasattr(CASES[name].estimator, "learning_rate")]
ATOMS = np.random.default_rng(0).standard_normal((6, 12))
ATOMS /= np.linalg.norm(ATOMS, axis=1, keepdims=True)
MANY = 1000  # passes, which no test completes
NOISE = "ignore:.*(hidden units|alpha=|No pass improved|did not converge)"  # of short fits
pytestmark = pytest.mark.filterwarnings(NOISE)
timed = pytest.mark.parametrize("name", TIMED)
one_of_each = pytest.mark.parametrize("name", ONE_OF_EACH)


@pytest.fixture
def clock(monkeypatch):
    return StepClock().install(monkeypatch)


def make(name, **parameters):
    """Return an unfitted model whose passes have five batches or more, and run to their end."""
    estimator, X, _ = CASES[name]
    known = estimator.get_params(deep=False)
    settings = {"max_iter": MANY, "batch_size": max(1, len(X) // 5), "tol": 0, "average": 0}
    settings["pretrain_max_iter"] = 0  # the limit applies to these passes separately
    if CASES[name].kind == "LISTAEncoder":
        settings["dictionary"] = ATOMS
    settings = {each: value for each, value in settings.items() if each in known}
    return clone(estimator).set_params(**{**settings, **parameters})


def learn(model, name):
    return model.fit(*CASES[name][1:])


def features(model, name):
    return np.asarray(getattr(model, CASES[name].call)(CASES[name].X))


def numbers(model, name):
    """Return the features and curves of a fitted model, by name."""
    arrays = {each: value for each, value in vars(model).items() if each.endswith("curve_")}
    return {**arrays, "features": features(model, name), "n_iter_": model.n_iter_}


def assert_identical(first, second, name):
    first, second = numbers(first, name), numbers(second, name)
    assert first.keys() == second.keys()
    for each, value in first.items():
        assert_array_equal(second[each], value, err_msg=each)


def test_every_model_with_passes_has_a_limit_of_time():
    for name, case in CASES.items():
        is_timed = case.estimator.get_params(deep=False).get("max_time", 0) is None
        assert is_timed == hasattr(case.estimator, "max_iter"), name


@timed
@pytest.mark.parametrize(("seconds", "n_steps"), [(1e-9, 1), (2.5, 3), (3, 3), (8, 8)])
def test_the_first_step_that_reaches_the_limit_is_the_last(clock, name, seconds, n_steps):
    model = learn(make(name, max_time=seconds), name)
    assert clock.counts()[-1] == n_steps
    assert model.n_iter_ == len(model.objective_curve_) == len(model.seconds_curve_)
    assert model.seconds_curve_[-1] == n_steps
    assert np.all(np.isfinite(features(model, name)))
    assert np.all(np.isfinite(model.objective_curve_))


@timed
def test_steps_within_a_time_equal_the_same_number_of_steps_within_passes(clock, name):
    """Learning rates decay over the time in the same way as over the passes."""
    by_passes = learn(make(name, max_iter=2), name)
    n_steps = clock.counts()[-1]
    by_time = learn(make(name, max_time=n_steps), name)
    assert_identical(by_time, by_passes, name)


@one_of_each
def test_a_limit_that_is_not_reached_changes_nothing(clock, name):
    model = make(name, max_iter=2, **({"average": 0.5} if "RBM" in name else {}))
    unlimited = learn(model, name)
    limited = learn(clone(model).set_params(max_time=1e6), name)
    assert_identical(limited, unlimited, name)


@pytest.mark.parametrize("name", RATED)
def test_the_learning_rate_falls_to_zero_within_the_time(clock, name):
    asked = []

    def rate(done):
        asked.append(done)
        return 1e-3 * (1 - done)

    learn(make(name, learning_rate=rate, max_time=20), name)
    assert_allclose([done for done in asked if done], np.arange(1, 20) / 20)
    assert min(asked) == 0


@one_of_each
def test_partial_fit_has_no_limit(clock, name):
    case = CASES[name]
    if not hasattr(case.estimator, "partial_fit"):
        return
    make(name, max_time=1e-9).partial_fit(case.X)
    assert clock.counts()[-1] > 1


@one_of_each
def test_a_fit_that_was_ended_can_continue(clock, name):
    model = learn(make(name, max_time=3, warm_start=True), name)
    before = features(model, name)
    learn(model, name)
    assert clock.counts()[-1] in (3, 6)  # some models continue with the same trainer
    assert np.any(features(model, name) != before)
    assert model.n_iter_ == 1


class Listener:
    """Records the ends of passes and batches of one class of models, which take some time."""

    def __init__(self, kind, clock, seconds=0.0):
        self.kind, self.clock, self.seconds = kind, clock, seconds
        self.passes, self.n_batches = [], 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **data):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, **data):
        if type(estimator).__name__ != self.kind:
            return
        if context.task_name.startswith("pass"):
            self.passes.append(fitted_estimator)
            self.clock.now += self.seconds
        self.n_batches += context.task_name.startswith("batch")


@one_of_each
def test_callbacks_see_the_pass_that_ends_early(clock, name):
    listener = Listener(CASES[name].kind, clock)
    model = make(name, max_time=8).set_callbacks(listener)
    learn(model, name)
    assert len(listener.passes) == model.n_iter_
    assert_array_equal(listener.passes[-1].objective_curve_, model.objective_curve_)
    assert listener.n_batches in (8, model.n_iter_)  # RBMs make all batches of a pass in one task


@one_of_each
def test_the_time_of_callbacks_counts(clock, name):
    listener = Listener(CASES[name].kind, clock, seconds=1000.0)
    model = make(name, max_time=500).set_callbacks(listener)
    assert learn(model, name).n_iter_ == 1


@one_of_each
@pytest.mark.parametrize("max_time", [0, -1.0, np.nan, "a", [1]])
def test_a_limit_that_is_no_positive_number_is_refused(name, max_time):
    model = make(name, max_time=max_time)
    with pytest.raises(InvalidParameterError, match="The 'max_time' parameter of"):
        learn(model, name)


@pytest.mark.parametrize("max_time", [np.float64(3), np.float32(3), np.int64(3)])
def test_numbers_of_numpy_do_not_promote_parameters(clock, max_time):
    """Python's numbers take the dtype of the parameters; NumPy's numbers may promote them."""
    types = set()

    def rate(done):
        types.add(type(done))
        return 0.1

    X = some_digits()[:100]
    rbm = RBM(6, learning_rate=rate, batch_size=10, max_time=max_time, random_state=0).fit(X)
    assert types == {float}
    assert rbm.components_.dtype == np.float32
    assert clock.counts() == [3]


@one_of_each
def test_integers_beyond_the_floats_set_no_limit(clock, name):
    learn(make(name, max_time=10**400), name)
    limited = clock.counts()
    learn(make(name), name)
    assert clock.counts() == 2 * limited


def test_only_the_end_of_the_passes_is_warned_of(clock):
    coder = SparseCoder(6, alpha=0.3, tol=1e-12, batch_size=10, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coder.set_params(max_time=3).fit(ROWS)
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations"):
        coder.set_params(max_time=1e6, max_iter=2).fit(ROWS)


def test_the_curves_of_a_pass_that_ends_early_describe_its_samples(clock):
    settings = {"alpha": 0.3, "code_tol": 1e-8, "random_state": 0}
    coder = SparseCoder(dictionary_init=ATOMS, batch_size=10, max_time=1, **settings).fit(ROWS)
    ((_, rows),) = clock.made
    initial = SparseCoder(dictionary=ATOMS, **settings).fit(ROWS)
    # Learning infers codes with a relative duality gap of at most 1e-3.
    assert_allclose(coder.objective_curve_, initial.energy(ROWS[rows]).mean(), rtol=1e-3)
    used = np.mean(initial.transform(ROWS[rows]) != 0, axis=0)
    assert_allclose(coder.usage_, used, atol=0.1)  # one of the ten samples
    assert np.any(coder.components_ != ATOMS)


def test_averages_are_taken_over_the_last_share_of_the_time(clock, monkeypatch):
    """Five steps in a pass; the mean includes the parameters at the end of a pass or of the fit."""
    taken, whole = {}, Trainer.take_average

    def take_average(trainer):
        whole(trainer)
        taken[clock.now] = trainer.criterion.parameters["weights"].copy()

    monkeypatch.setattr(Trainer, "take_average", take_average)
    rbm = make("RBM-pcd", average=0.5, max_time=13).fit(CASES["RBM-pcd"].X)
    assert [*taken] == [10, 13]
    # Means are rounded to float32 in each of their steps.
    assert_allclose(rbm.components_.T, np.mean([*taken.values()], axis=0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["LISTAEncoder-lista", "FineTunedClassifier"])
@pytest.mark.parametrize("last", [1e-3, 0.03])
def test_the_best_parameters_are_kept_even_those_of_a_pass_that_ends_early(clock, name, last):
    """The first of three passes makes progress; the last has a rate that may be too large."""
    parameters = {"learning_rate": lambda done: 1e-3 if done < 0.7 else last, "max_time": 11}
    if name == "FineTunedClassifier":
        parameters |= {"early_stopping": True, "validation_fraction": 0.3}
    listener = Listener(CASES[name].kind, clock)
    model = make(name, **parameters).set_callbacks(listener)
    learn(model, name)
    merits = -model.validation_curve_
    assert clock.counts()[-1] == 11
    assert len(merits) == model.n_iter_ + 1 == 4
    if name == "FineTunedClassifier":
        merits = [*zip(model.validation_accuracy_curve_, merits, strict=True)]
    best = max(range(len(merits)), key=lambda n: merits[n])
    assert best > 0
    assert_array_equal(features(listener.passes[best - 1], name), features(model, name))


@pytest.mark.parametrize(("max_time", "words"), [(3, "max_iter and max_time"), (None, "max_iter")])
def test_a_warning_without_progress_names_the_limits(clock, max_time, words):
    model = LISTAEncoder(
        dictionary=ATOMS, alpha=0.3, learning_rate=0.03, max_iter=2, max_time=max_time,
        batch_size=10, random_state=0,
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match=f"samples, increase {words}, or set"):
        model.fit(ROWS)


def test_the_coder_that_is_fitted_first_has_the_same_limit(clock):
    LISTAEncoder(6, alpha=0.3, batch_size=10, max_time=3, random_state=0).fit(ROWS)
    assert clock.counts() == [3, 3]


def test_steps_of_a_pipeline_have_their_own_limits(clock):
    tuned = make("FineTunedClassifier", max_time=3)
    tuned.set_params(estimator__psd__max_time=2).fit(ROWS, CASES["FineTunedClassifier"].y)
    assert clock.counts() == [2, 3]
    assert isinstance(tuned, FineTunedClassifier)
