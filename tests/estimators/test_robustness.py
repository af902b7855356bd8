"""Robustness of learning: interruption, threads, processes, persistence, and feature names."""

import functools
import multiprocessing
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_ebm import Rectifier
from sklearn_ebm.learning.criteria import Dictionary, Imitation
from tests.estimators.interruption import interrupt_after
from tests.registries.row_models import (
    LEARNERS,
    every_model,
    fitted_attributes,
    kinds,
    learned,
    learners,
    make,
    models,
    start_from,
)

N_TRAINED = 90
SETTINGS = {"n_components": 6, "max_iter": 3, "tol": 0, "batch_size": 30}
FORK_SECONDS = 60  # timeout of a child process, which needs a fraction of a second
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


@pytest.fixture(scope="module")
def patches(patches):
    return patches[:N_TRAINED]


@pytest.fixture(scope="module")
def whole(patches):
    """Return a function that returns a fitted model by its name, for tests that only read it."""
    return functools.cache(lambda name: make(name, **SETTINGS).fit(patches))


# Ctrl-C


def criterion_of(name):
    """Return the criterion that the fit of a model uses."""
    return Dictionary if name in LEARNERS else Imitation


@models
@pytest.mark.parametrize("n_batches", [0, 1, 4])
def test_ctrl_c_leaves_what_the_last_whole_batch_left(patches, whole, monkeypatch, name, n_batches):
    model, whole = make(name, **SETTINGS), whole(name)
    with monkeypatch.context() as patch:
        interrupt_after(patch, criterion_of(name), n_batches)
        with pytest.raises(KeyboardInterrupt):
            model.fit(patches)
    assert fitted_attributes(model).keys() == fitted_attributes(whole).keys()
    assert model.n_iter_ == n_batches // 3  # completed passes
    assert_array_equal(model.objective_curve_, whole.objective_curve_[: model.n_iter_])
    assert np.all(np.isfinite(model.transform(patches)))
    if n_batches and name in LEARNERS:
        first = make(name, **SETTINGS, dictionary_init=model.components_)
        assert np.any(first.fit(patches).components_ != whole.components_)
    model.partial_fit(patches)  # learning can continue


@models
def test_ctrl_c_in_partial_fit_leaves_a_usable_model(patches, monkeypatch, name):
    model = make(name, **SETTINGS)
    with monkeypatch.context() as patch:
        interrupt_after(patch, criterion_of(name), 2)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(patches)
    expected = make(name, **SETTINGS).partial_fit(patches[:60])
    assert fitted_attributes(model).keys() == fitted_attributes(expected).keys()
    assert np.all(np.isfinite(model.transform(patches)))


@kinds
def test_ctrl_c_in_a_warm_start_keeps_what_was_learned_before(patches, monkeypatch, name):
    model = make(name, **SETTINGS, warm_start=True).fit(patches)
    before = learned(model).copy()
    with monkeypatch.context() as patch:
        interrupt_after(patch, criterion_of(name), 0)
        with pytest.raises(KeyboardInterrupt):
            model.fit(patches)
    assert_array_equal(learned(model), before)


@kinds
def test_an_error_in_validation_leaves_the_fitted_model_as_it_was(patches, name):
    model = make(name, **SETTINGS).fit(patches)
    code = model.transform(patches)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(patches, np.nan))
    assert_array_equal(model.transform(patches), code)


# Threads and processes


@kinds
def test_fits_in_several_threads_are_those_alone(patches, name):
    data = [patches[:45], patches[45:], patches[::2], patches[1::2]]
    alone = [make(name, **SETTINGS).fit(X) for X in data]
    barrier = threading.Barrier(len(data))

    def fit(X):
        barrier.wait()
        return make(name, **SETTINGS).fit(X)

    with ThreadPoolExecutor(len(data)) as pool:
        together = list(pool.map(fit, data))
    for one, other in zip(alone, together, strict=True):
        # BLAS may have used another number of threads, and have split a product differently.
        assert_allclose(learned(other), learned(one), rtol=1e-9, atol=1e-11)
        assert_allclose(other.objective_curve_, one.objective_curve_, rtol=1e-9)


@kinds
def test_transform_in_several_threads_is_that_alone(patches, name):
    model = make(name, **SETTINGS).fit(patches)
    expected = model.transform(patches)
    with ThreadPoolExecutor(4) as pool:
        for code in pool.map(model.transform, [patches] * 8):
            assert_allclose(code, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.no_cover
@pytest.mark.slow  # two processes load the package
@kinds
def test_grid_search_in_two_processes_finds_what_one_finds(patches, name):
    target = patches[:, 0] > 0
    pipeline = make_pipeline(make(name, **SETTINGS), Rectifier("split"), LogisticRegression())
    step = pipeline.steps[0][0]
    results = [
        GridSearchCV(pipeline, {f"{step}__alpha": [0.3, 3.0]}, cv=2, n_jobs=n_jobs)
        .fit(patches, target)
        .cv_results_["mean_test_score"]
        for n_jobs in (1, 2)
    ]
    assert_allclose(results[1], results[0], atol=1 / len(patches))  # one sample at a boundary


def test_a_worker_of_joblib_takes_one_thread_for_itself(patches):
    from sklearn_ebm.backends.numba._launcher import n_threads

    assert (
        joblib.Parallel(2, backend="threading")(joblib.delayed(n_threads)() for _ in range(4))
        == [1] * 4
    )


def _fit_in_child(name, X, queue):
    queue.put(learned(make(name, **SETTINGS).fit(X)))


@pytest.mark.no_cover
@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not fork safely by themselves"
)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@kinds
def test_a_forked_child_can_fit_after_its_parent_did(patches, name):
    X = np.vstack([patches] * 13)  # enough rows for several threads
    expected = learned(make(name, **SETTINGS, backend="numba").fit(X))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_fit_in_child, args=(name, X, queue))
    child.start()
    try:
        result = queue.get(timeout=FORK_SECONDS)
    finally:
        child.join(timeout=5)
        if child.is_alive():
            child.kill()
    assert child.exitcode == 0
    assert_allclose(result, expected, rtol=1e-9, atol=1e-11)


# Persistence


def pickled(model):
    return pickle.loads(pickle.dumps(model))


def stored_by_skops(model):
    skops = pytest.importorskip("skops.io")
    stored = skops.dumps(model)
    return skops.loads(stored, trusted=skops.get_untrusted_types(data=stored))


def stored_by_joblib(model):
    import io

    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


STORES = [pickled, stored_by_skops, stored_by_joblib]


@every_model
def test_a_stored_model_transforms_as_before_and_goes_on_as_the_original_does(patches, name):
    model = make(name, **SETTINGS).fit(patches)
    copies = [store(model) for store in STORES]
    code, energy = model.transform(patches), model.energy(patches)
    for copy in copies:
        assert_array_equal(copy.transform(patches), code)
        assert_array_equal(copy.energy(patches), energy)
        assert fitted_attributes(copy).keys() == fitted_attributes(model).keys()
    model.partial_fit(patches[:30])
    code = model.transform(patches)
    for copy in copies:
        copy.partial_fit(patches[:30])
        # Moments and the optimizer's state are included; sums are in the same order.
        assert_allclose(learned(copy), learned(model), rtol=1e-12)
        assert_array_equal(copy.transform(patches), code)


def parameters(model):
    """Return parameters by name, with the parameters of a penalty by their own names."""
    named = model.get_params().items()
    return {name: value for name, value in named if not hasattr(value, "get_params")}


@models
def test_a_clone_is_unfitted_and_has_the_parameters(whole, name):
    copy = clone(whole(name))
    assert parameters(copy) == parameters(whole(name))
    assert fitted_attributes(copy) == {}


@models
def test_fitted_attributes_do_not_change_when_learning_goes_on(patches, name):
    """Attributes that a user has retrieved remain unchanged."""
    model = make(name, **SETTINGS).fit(patches)
    taken = learned(model)
    before = taken.copy()
    model.partial_fit(patches)
    assert_array_equal(taken, before)
    assert np.any(learned(model) != before)


@models
def test_parameters_and_data_are_left_alone(patches, name):
    start = patches[:6].copy()
    model = make(name, **SETTINGS, **start_from(name, start))
    X = patches.copy()
    model.fit(X).partial_fit(X)
    assert_array_equal(X, patches)
    assert_array_equal(start, patches[:6])
    assert start_from(name, start).items() <= model.get_params().items()


# Names


@models
def test_names_of_features_are_the_class_and_a_number(whole, patches, name):
    model = whole(name)
    prefix, n_features = type(model).__name__.lower(), model.transform(patches[:1]).shape[1]
    names = [f"{prefix}{k}" for k in range(n_features)]
    assert model.get_feature_names_out().tolist() == names


@kinds
def test_data_frames_in_and_out(patches, name):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(patches, columns=[f"pixel{k}" for k in range(64)])
    model = make(name, **SETTINGS).set_output(transform="pandas").fit(frame)
    code = model.transform(frame)
    assert list(code.columns) == list(model.get_feature_names_out())
    assert list(model.feature_names_in_) == list(frame.columns)
    values = frame.to_numpy()  # in the frame's memory order, on which the rounding of BLAS depends
    assert_array_equal(code.to_numpy(), model.set_output(transform="default").transform(values))


@learners
def test_verbose_prints_a_line_for_each_pass(patches, name, capsys):
    model = make(name, **SETTINGS, verbose=1).fit(patches)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    kind = type(model).__name__
    for n, (line, objective) in enumerate(zip(lines, model.objective_curve_, strict=True), 1):
        assert line.startswith(f"[{kind}] pass {n}: objective {objective:.4g}, ")
