"""L-BFGS with a line search: minima of known functions, monotone progress, interruption."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize, rosen, rosen_der
from sklearn.datasets import load_digits

from sklearn_ebm import AutoEncoder
from sklearn_ebm.learning._limited_memory import LimitedMemory
from sklearn_ebm.learning._line_search import LineSearchTrainer
from sklearn_ebm.learning._samples import Batch
from sklearn_ebm.learning.criteria._base import BaseCriterion

X = load_digits().data[:300] / 16
ONE = Batch(np.zeros((1, 1)))


class Rosenbrock(BaseCriterion):
    """Rosenbrock's function of one parameter vector; there are no samples."""

    def __init__(self, start):
        super().__init__()
        self.place = np.array(start, dtype=float)
        self.optimizer = LimitedMemory(self.parameters)
        self.n_calls = 0

    @property
    def parameters(self):
        return {"place": self.place}

    def contribute(self, model, batch, memory, stream=None, shard=None):
        self.n_calls += 1
        report = {"loss": rosen(self.place), "weight": 1.0, "n_samples": 1}
        return {"report": report, "gradients": {"place": rosen_der(self.place)}}, None

    def gradients(self, sums):
        return sums["gradients"]


def test_the_minimum_of_rosenbrocks_function_is_found_about_as_fast_as_by_scipy():
    start = [-1.2, 1.0, -1.2, 1.0]
    trainer = LineSearchTrainer(Rosenbrock(start))
    losses = [trainer.step(ONE)["loss"] for _ in range(120)]
    assert np.all(np.diff(losses) <= 0)
    assert_allclose(trainer.criterion.place, 1, atol=1e-6)
    n_steps = int(np.argmax(np.array(losses) < 1e-10))
    theirs = minimize(rosen, start, jac=rosen_der, method="L-BFGS-B", options={"ftol": 1e-12})
    assert n_steps < 3 * theirs.nit


def test_the_first_directions_are_those_of_gradient_descent_and_of_the_secant_equation():
    """H y = s for the last pair (Nocedal & Wright 2006, eq. 6.6)."""
    random, memory = np.random.default_rng(0), LimitedMemory({})
    gradient = random.standard_normal(5)
    for size in (1e-100, 1.0, 1e100):  # the first step does not depend on the unit of the objective
        assert_allclose(memory.direction(size * gradient), -gradient / np.linalg.norm(gradient))
    assert_array_equal(memory.direction(np.zeros(5)), np.zeros(5))
    for _ in range(15):
        moved = random.standard_normal(5)
        memory.record(moved, np.arange(1, 6) * moved)
        assert_allclose(memory.direction(np.arange(1, 6) * moved), -moved, rtol=1e-10)
    assert len(memory.pairs) == 10
    memory.record(moved, -moved)  # negative curvature is ignored
    assert_array_equal(memory.pairs[-1][0], moved)
    memory.restart()
    assert memory.pairs == []


OPTIONS = {"optimizer": "lbfgs", "tol": 0, "max_iter": 25, "random_state": 0}
MODELS = {
    "ICA": AutoEncoder(20, regularizer="sparse", activation="linear", alpha=0.05, **OPTIONS),
    "contractive": AutoEncoder(20, regularizer="contractive", tied_weights=False, **OPTIONS),
    "plain": AutoEncoder(20, noise_level=0, **OPTIONS),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_objective_of_auto_encoders_never_increases(name):
    """Also with unit filters, and with norms of at most one."""
    model = MODELS[name].fit(X)
    assert model.n_iter_ == 25
    assert np.all(np.diff(model.objective_curve_) <= 0)
    assert model.objective_curve_[-1] < 0.9 * model.objective_curve_[0]
    norms = np.linalg.norm(model.components_, axis=1)
    if name == "ICA":
        assert_allclose(norms, 1, rtol=1e-12)
    if name == "contractive":
        assert np.linalg.norm(model.decoder_components_, axis=1).max() <= 1 + 1e-12


def test_an_interrupted_trial_is_undone():
    criterion = Rosenbrock([-1.2, 1.0])
    trainer = LineSearchTrainer(criterion)
    trainer.step(ONE)
    before, evaluate = criterion.place.copy(), criterion.contribute

    def interrupt(*args):
        raise KeyboardInterrupt

    criterion.contribute = interrupt
    with pytest.raises(KeyboardInterrupt):
        trainer.step(ONE)
    assert_array_equal(criterion.place, before)
    criterion.contribute = evaluate
    assert trainer.step(ONE)["loss"] < rosen(before)


def test_a_minimum_is_not_left():
    trainer = LineSearchTrainer(Rosenbrock([1.0, 1.0]))
    trainer.step(ONE)
    assert_array_equal(trainer.criterion.place, [1.0, 1.0])


def test_a_fit_that_is_continued_has_the_objective_of_one_that_was_stored():
    model = copy.deepcopy(MODELS["ICA"]).set_params(warm_start=True, max_iter=5)
    again = pickle.loads(pickle.dumps(model.fit(X)))
    assert_allclose(again.fit(X).objective_curve_, model.fit(X).objective_curve_, rtol=1e-8)
    assert model.set_params(optimizer="adam").fit(X).n_iter_ == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "requires an objective without noise, got regularizer='denoising'"),
        ({"noise_level": 0, "weight_decay": 0.1}, r"requires weight_decay=0, got 0\.1"),
    ],
)
def test_objectives_that_are_random_or_unknown_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AutoEncoder(3, optimizer="lbfgs", **options).fit(X)


def test_partial_fit_requires_another_optimizer():
    model = AutoEncoder(3, optimizer="lbfgs", noise_level=0)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as error:
        model.partial_fit(X)
    assert "requires optimizer='adam' or 'sgd'" in str(error.value.__cause__)
