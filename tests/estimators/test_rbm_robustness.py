"""Robustness of an RBM: continued learning, callbacks, interruption, persistence, threads."""

import io
import multiprocessing
import pickle
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from sklearn_ebm.factors import in_data_units
from sklearn_ebm.learning._trainer import Trainer
from tests.estimators.test_callbacks import Recorder
from tests.registries.machines import FORMS, data_of, make, some_digits
from tests.registries.row_models import fitted_attributes

FORK_SECONDS = 60  # timeout of a child process, which needs a fraction of a second


@pytest.fixture(scope="module")
def digits():
    return some_digits()


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


@pytest.fixture
def fitted(form):
    return make(form).fit(data_of(form))


# Continued learning


def test_a_seed_gives_one_model_and_another_seed_another(form):
    ours, again, other = (make(form, random_state=s).fit(data_of(form)) for s in (0, 0, 1))
    assert_array_equal(ours.components_, again.components_)
    assert np.any(ours.components_ != other.components_)


def test_partial_fit_is_a_step_for_each_batch_whatever_the_chunks(fitted, form):
    X = data_of(form)
    other = pickle.loads(pickle.dumps(fitted))
    before = fitted._learner.n_steps
    fitted.partial_fit(X)
    other.partial_fit(X[:200]).partial_fit(X[200:300]).partial_fit(X[300:])
    assert_array_equal(fitted.components_, other.components_)
    assert fitted._learner.n_steps == before + 6


def test_partial_fit_learns_at_the_first_rate(digits):
    """The number of steps is not known in advance."""
    ours, expected = (make(learning_rate=rate) for rate in (0.3, lambda done: 0.3))
    for chunk in (digits[:300], digits[300:], digits):
        assert_array_equal(
            ours.partial_fit(chunk).components_, expected.partial_fit(chunk).components_
        )
    before = ours.score(digits)
    for _ in range(60):
        ours.partial_fit(digits)
    assert ours.score(digits) > before + 0.05


def test_partial_fit_is_a_first_fit_without_shuffling_and_averages(digits):
    """Initial weights and draws are the same: a single batch cannot be shuffled."""
    settings = {"batch_size": 600, "max_iter": 1, "average": 0.0, "learning_rate": lambda done: 0.1}
    # fit selects rows for its monitor, and shuffles, after all of them were drawn.
    assert_array_equal(
        make(**settings).fit(digits).components_, make(**settings).partial_fit(digits).components_
    )


def test_a_warm_start_goes_on_from_where_learning_was(fitted, form):
    X = data_of(form)
    last = in_data_units(fitted._learner.criterion.energy.copy())
    learner, n_draws = fitted._learner, fitted._learner.stream.n_draws
    fitted.set_params(warm_start=True, learning_rate=1e-12, average=0.0).fit(X)
    assert_allclose(fitted.components_, last["weights"].T, rtol=1e-6, atol=1e-8)
    assert_allclose(fitted.intercept_visible_, last["visible_bias"], rtol=1e-5, atol=1e-7)
    assert fitted._learner is learner  # including its chains
    assert learner.stream.n_draws > n_draws
    assert fitted.n_iter_ == 3
    cold = fitted.set_params(warm_start=False).fit(X)
    assert np.any(cold.components_ != last["weights"].T)


def test_a_second_fit_begins_anew(fitted, form):
    before = fitted.components_.copy()
    assert_array_equal(fitted.fit(data_of(form)).components_, before)


def test_fitted_attributes_do_not_change_when_learning_goes_on(fitted, form):
    """Attributes that a user has retrieved remain unchanged."""
    taken = {name: value for name, value in fitted_attributes(fitted).items()}
    before = {name: np.array(value) for name, value in taken.items()}
    fitted.partial_fit(data_of(form))
    for name, value in taken.items():
        assert_array_equal(value, before[name], err_msg=name)
    assert np.any(fitted.components_ != before["components_"])


def test_chains_are_the_same_whichever_others_move_beside_them(fitted, form):
    X = data_of(form)[:150]
    whole = fitted.gibbs(X, 3, random_state=0)
    assert_allclose(fitted.gibbs(X[:40], 3, random_state=0), whole[:40], rtol=1e-4, atol=1e-4)
    assert np.any(fitted.gibbs(X, 3, random_state=1) != whole)


# Callbacks


LABEL = r"pass \d+: objective \S+, error \S+, \d+\.\d % active"


def test_callbacks_see_a_usable_model_after_each_pass(form):
    recorder, X = Recorder(), data_of(form)
    model = make(form, average=0.0).set_callbacks(recorder).fit(X)
    assert len(recorder.models) == 3
    for n, seen in enumerate(recorder.models, 1):
        assert fitted_attributes(seen).keys() == fitted_attributes(model).keys()
        assert_array_equal(seen.objective_curve_, model.objective_curve_[:n])
    assert_array_equal(recorder.models[-1].transform(X), model.transform(X))
    first, second, _ = (seen.components_ for seen in recorder.models)
    assert np.any(first != second)
    plain = make(form, average=0.0).fit(X)
    assert_array_equal(plain.components_, model.components_)  # reading the model does not change it


def test_the_label_of_a_pass_tells_where_the_one_before_ended(digits):
    recorder = Recorder()
    model = make(validation_fraction=0.2).set_callbacks(recorder).fit(digits)
    objective, gap = model.objective_curve_[1], model.free_energy_gap_curve_[1]
    error = model.reconstruction_curve_[1]
    assert recorder.names[0] == "pass"
    assert recorder.names[2].startswith(
        f"pass 2: objective {objective:.4g}, error {error:.4g}, gap {gap:.4g}, "
    )


def test_a_callback_can_stop_learning(form):
    recorder = Recorder(act=lambda model: model.n_iter_ == 2)
    model = make(form, max_iter=50).set_callbacks(recorder).fit(data_of(form))
    assert model.n_iter_ == 2


def test_verbose_prints_a_line_for_each_pass(digits, capsys):
    model = make(verbose=1).fit(digits)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for n, (line, objective) in enumerate(zip(lines, model.objective_curve_, strict=True), 1):
        assert line.startswith(f"[RBM] pass {n}: objective {objective:.4g}, ")
        assert re.fullmatch(rf"\[RBM\] {LABEL}", line)


def interrupt(model):
    if model.n_iter_ == 2:
        raise KeyboardInterrupt


def test_ctrl_c_leaves_what_the_last_pass_left(form):
    recorder, X = Recorder(act=interrupt), data_of(form)
    model = make(form, max_iter=10).set_callbacks(recorder)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.n_iter_ == 2
    assert fitted_attributes(model).keys() == fitted_attributes(make(form).fit(X)).keys()
    assert_array_equal(model.transform(X), recorder.models[-1].transform(X))
    model.partial_fit(X)  # learning can continue


@pytest.mark.parametrize("n_calls", [0, 1])
def test_ctrl_c_in_the_midst_of_a_pass_leaves_what_was_learned(digits, monkeypatch, n_calls):
    steps, calls = Trainer.steps, []

    def interrupted(self, *args):
        if len(calls) == n_calls:
            raise KeyboardInterrupt
        calls.append(1)
        steps(self, *args)

    model = make(batch_size=10)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "steps", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.fit(digits)
    assert model.n_iter_ == 0
    assert model._learner.n_steps == 20 * n_calls
    assert np.all(np.isfinite(model.transform(digits)))
    model.partial_fit(digits)


# Persistence, threads and processes


def stored_by_skops(model):
    skops = pytest.importorskip("skops.io")
    stored = skops.dumps(model)
    untrusted = skops.get_untrusted_types(data=stored)
    assert all(name.startswith(("sklearn_ebm.", "sklearn.")) for name in untrusted)
    return skops.loads(stored, trusted=untrusted)


def stored_by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def pickled(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("store", [pickled, stored_by_skops, stored_by_joblib])
def test_a_stored_model_is_the_same_and_goes_on_the_same(fitted, form, store):
    X = data_of(form)
    copy = store(fitted)
    assert_array_equal(copy.transform(X), fitted.transform(X))
    assert copy.log_partition().value == fitted.log_partition().value
    assert_array_equal(copy.sample(3, 5, random_state=0), fitted.sample(3, 5, random_state=0))
    assert fitted_attributes(copy).keys() == fitted_attributes(fitted).keys()
    # Memory alignment of the copy, and thus rounding of sums, may differ.
    assert_allclose(
        copy.partial_fit(X).components_, fitted.partial_fit(X).components_, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_a_copy_has_the_averaged_parameters(digits, visible):
    """The trainer holds the parameters of the last step, and a copy of it no averages."""
    model = make(visible=visible, average=0.5, max_iter=4).fit(digits)
    energy = model._energy.copy()
    copy = pickled(model)
    for _ in range(2):
        assert_array_equal(copy.components_, model.components_)
        assert_allclose(copy.transform(digits), model.transform(digits), rtol=0, atol=1e-5)
        for name, value in copy._energy.parameters.items():  # the units are float32
            assert_allclose(value, energy.parameters[name], rtol=1e-5, atol=1e-5)


def test_a_clone_is_unfitted_and_has_the_parameters(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert fitted_attributes(copy) == {}


def test_fits_in_several_threads_are_those_alone(form):
    X = data_of(form).astype(float)
    data = [X[:300], X[300:]]
    alone = [make(form).fit(part) for part in data]
    barrier = threading.Barrier(2)

    def fit(part):
        barrier.wait()
        return make(form).fit(part)

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(fit, data))
    for one, other in zip(alone, together, strict=True):
        assert_allclose(other.components_, one.components_, rtol=0, atol=1e-11)


def _fit_in_child(form, X, queue):
    queue.put(make(form).fit(X).components_)


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not fork safely by themselves"
)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("form", ["pcd", "gaussian"])
def test_a_forked_child_can_fit_after_its_parent_did(form):
    X = data_of(form).astype(float)
    expected = make(form).fit(X).components_
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_fit_in_child, args=(form, X, queue))
    child.start()
    try:
        result = queue.get(timeout=FORK_SECONDS)
    finally:
        child.join(timeout=5)
        if child.is_alive():
            child.kill()
    assert child.exitcode == 0
    assert_allclose(result, expected, rtol=0, atol=1e-11)


def test_names_of_features_are_the_class_and_a_number(digits):
    assert make().fit(digits).get_feature_names_out().tolist() == [f"rbm{k}" for k in range(12)]


def test_data_frames_in_and_out(digits):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(digits, columns=[f"pixel{k}" for k in range(64)])
    model = make().set_output(transform="pandas").fit(frame)
    features = model.transform(frame)
    assert list(features.columns) == [f"rbm{k}" for k in range(12)]
    assert list(model.feature_names_in_) == list(frame.columns)
    expected = model.set_output(transform="default").transform(frame)
    assert_array_equal(features.to_numpy(), expected)
