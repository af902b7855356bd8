"""Divergence: models never contain NaN, and warnings suggest a remedy."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ebm import PSD, ConvPSD, FineTunedClassifier, GroupSparsePSD, LISTAEncoder, LocalPSD
from sklearn_ebm.factors import CONVOLUTIONAL_ENCODERS, ENCODERS
from sklearn_ebm.learning._divergence import Diverged, Watch
from sklearn_ebm.learning._optimizers import Adam
from sklearn_ebm.learning.criteria import Dictionary

RATES = [30.0, 1e6, 1e30, 1e300]  # the last is infinite in float32
FEW = {"alpha": 0.3, "max_iter": 2, "tol": 0, "random_state": 0}
MODELS = {
    **{f"PSD {name}": PSD(10, encoder=name) for name in ENCODERS},
    "PSD of many steps": PSD(10, encoder="lfista", n_steps=12),
    "groups": GroupSparsePSD(10, groups=2, encoder="lista", output="both"),
    **{
        f"ConvPSD {name}": ConvPSD(4, kernel_size=3, encoder=name)
        for name in CONVOLUTIONAL_ENCODERS
    },
    "LocalPSD": LocalPSD(kernel_size=3, tile_shape=2),
    "LISTA": LISTAEncoder(dictionary=np.eye(10, 8) + 0.1),
}
X = np.random.default_rng(0).laplace(size=(600, 8))  # three pieces, for threads
PICTURES = np.random.default_rng(1).laplace(size=(4, 10, 10))
Y = np.arange(len(X)) % 2
cases = pytest.mark.parametrize(
    ("name", "rate"), [(name, RATES[n % len(RATES)]) for n, name in enumerate(MODELS)]
)
sizes = pytest.mark.parametrize("batch_size", [20, 1000], ids=["many steps", "one step"])
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def make(name, rate, batch_size=50):
    return clone(MODELS[name]).set_params(learning_rate=rate, batch_size=batch_size, **FEW)


def data_of(name, dtype=np.float64):
    return (PICTURES if name.startswith(("ConvPSD", "LocalPSD")) else X).astype(dtype)


def told_by(method, *data):
    """Return the texts of the convergence warnings of a method; all point to the calling line."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        method(*data)
    told = [each for each in told if each.category is ConvergenceWarning]
    assert all(each.filename == __file__ for each in told)
    return [str(each.message) for each in told]


def message(rate):
    return (
        f"Training diverged with learning_rate={rate}; the best parameters before divergence "
        "are kept. Lower learning_rate."
    )


@cases
@sizes
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_model_that_diverges_stays_finite_and_says_so(name, rate, batch_size, method, dtype):
    """The last step is checked as well, and the warning does not blame alpha."""
    data, model = data_of(name, dtype), make(name, rate, batch_size)
    assert told_by(getattr(model, method), data) == [message(rate)]
    for rows in (data, 1000 * data):
        assert np.all(np.isfinite(model.transform(rows)))
    for value in model.encoder_.parameters.values():
        assert np.all(np.isfinite(value))


@cases
@sizes
def test_nothing_is_left_of_steps_that_diverged(name, rate, batch_size):
    """Dictionary, encoder and moments are reset: learning continues as at the beginning."""
    data = data_of(name)
    model, fresh = make(name, rate, batch_size), make(name, 1e-3, batch_size)
    told_by(model.partial_fit, data)
    model.set_params(learning_rate=1e-3)
    for each in (model, fresh):
        assert told_by(each.partial_fit, data) == []
    assert_array_equal(model.components_, fresh.components_)
    assert_array_equal(model.transform(data), fresh.transform(data))


def test_the_best_pass_is_what_divergence_leaves(monkeypatch):
    """Two passes of four batches have good steps; a later step is far too large."""
    rates, whole = [], Adam.step

    def step(self, gradients, backend, learning_rate):
        rates.append(learning_rate)
        whole(self, gradients, backend, 1e4 if len(rates) == 10 else 1e-3)

    monkeypatch.setattr(Adam, "step", step)
    short, long = (make("PSD lista", 1e-2).set_params(max_iter=n) for n in (2, 5))
    assert told_by(short.fit, X[:200]) == []
    rates.clear()
    assert told_by(long.fit, X[:200]) == [message(0.01)]
    assert len(rates) == 10
    assert long.n_iter_ == 2
    assert short.objective_curve_[1] < short.objective_curve_[0]
    assert_array_equal(long.components_, short.components_)
    assert_array_equal(long.transform(X), short.transform(X))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", ["PSD lista", "ConvPSD tanh", "LISTA"])
def test_ctrl_c_after_a_step_that_diverged_goes_back(name, method):
    """The interrupt occurs in the middle of a step, after the previous step has diverged."""
    data, model, whole = data_of(name), make(name, 1e6), Adam.step

    def interrupted(self, *args):
        whole(self, *args)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Adam, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            getattr(model, method)(data)
    assert np.all(np.isfinite(model.transform(data)))
    begun = make(name, 1e-300)
    told_by(getattr(begun, method), data)
    assert_array_equal(model.encoder_components_, begun.encoder_components_)


@pytest.mark.parametrize("name", ["PSD shrinkage", "PSD tanh", "PSD lcod", "ConvPSD shrinkage"])
def test_odd_batches_are_no_divergence(name):
    """Blank samples, one outlier in a batch, and data of a hundredth of the size."""
    model, data = make(name, 3e-3, batch_size=4), data_of(name)[:100]
    outlier = data.copy()
    outlier[1] *= 1e4
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for batch in (data, 0 * data, outlier, data / 100, 0 * data, data):
            model.partial_fit(batch)


@pytest.fixture(scope="module")
def rare_class():
    """Return a fitted pipeline and its labels."""
    y = (np.arange(len(X)) % 8 == 0).astype(int)
    return make_pipeline(make("PSD lista", 1e-3), LogisticRegression()).fit(X, y), y


@pytest.mark.parametrize("stops_early", [False, True])
@pytest.mark.parametrize("batch_size", [20, 1000], ids=["many steps", "one step"])
@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 1e6), ("sgd", 1e6), ("adam", 1e30)])
def test_tuning_that_diverges_leaves_the_pipeline(
    rare_class, optimizer, rate, batch_size, stops_early
):
    """Most samples belong to the class that scores of NaN would predict."""
    pipeline, y = rare_class
    classifier = FineTunedClassifier(
        pipeline, prefit=True, optimizer=optimizer, learning_rate=rate, max_iter=1,
        batch_size=batch_size, early_stopping=stops_early, random_state=0,
    )  # fmt: skip
    assert told_by(classifier.fit, X, y) == [message(rate)]
    assert_array_equal(classifier.decision_function(X), pipeline.decision_function(X))


def test_no_copy_is_kept_where_no_step_is_too_large():
    assert Dictionary(np.eye(4)).snapshot() is None  # it has no encoder


def test_a_watch_allows_what_is_usual_or_was_so_at_first():
    watch = Watch(10.0)
    watch.require(600.0, usual=1.0)  # the initial loss
    watch.require(6000.0, usual=1.0)
    watch.require(1e5, usual=1e4)
    for loss in (6001.0, np.nan, np.inf):
        with pytest.raises(Diverged):
            watch.require(loss, usual=1.0)


def test_a_watch_that_begins_with_no_number_has_what_is_usual():
    watch = Watch(10.0)
    with pytest.raises(Diverged):
        watch.require(np.nan, usual=1.0)
    watch.require(10.0, usual=1.0)
    with pytest.raises(Diverged):
        watch.require(10.1, usual=1.0)
