"""Contrastive learning: compiled steps, gradients, centring, chains, and limits."""

import copy
import importlib
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import expit

from sklearn_ebm.backends import new_matrix
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.factors import BilinearEnergy
from sklearn_ebm.factors.units import BernoulliUnits, GaussianUnits
from sklearn_ebm.learning._divergence import Diverged
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import Ascending, Contrastive, DenseSamples
from sklearn_ebm.learning.criteria._contrastive import FAST_DECAY
from sklearn_ebm.solvers import gibbs, gibbs_keys, piece_bounds

N_SAMPLES, N_VISIBLE, N_HIDDEN = 70, 37, 19  # not multiples of a vector
BATCHES = [np.arange(i, min(i + 16, N_SAMPLES)) for i in range(0, N_SAMPLES, 16)]  # the last has 6
RATES = [0.5, 0.4, 0.3, 0.2, 0.1]


class Learner:
    """A trainer with its criterion, stream and particles as attributes."""

    def __init__(self, energy, stream, activity, center=None, particles=None, has_fast=False):
        criterion = Contrastive(energy, activity, center, has_fast)
        vars(self).update(criterion=criterion, trainer=Trainer(criterion, stream, particles))

    def __getattr__(self, name):
        if name.startswith("__"):  # copies are made before there is a criterion
            raise AttributeError(name)
        return getattr(*self._place(name))

    def __setattr__(self, name, value):
        setattr(*self._place(name), value)

    def _place(self, name):
        of_trainer = {"stream": "stream", "particles": "shard"}
        if name in of_trainer:
            return self.trainer, of_trainer[name]
        return self.criterion, name

    def learn(self, X, batches, rates, how, backend, weight=None):
        """Make one step per batch, each with its own rate."""
        self.criterion.follow(how, list(rates).__getitem__, backend.__name__.split(".")[-1])
        samples = DenseSamples(X, weight=weight, dtype=self.dtype)
        self.trainer.steps(samples, batches, range(len(rates)))


def matrix_of(array):
    matrix = new_matrix(array.shape, array)
    matrix[...] = array
    return matrix


def a_learner(dtype=np.float64, n_chains=12, centered=True, fast=False, kind="bernoulli"):
    """Return a learner with weights of moderate size; `n_chains=None` starts chains at the data."""
    random = np.random.default_rng(0)
    visible_bias, hidden_bias = (random.normal(-0.5, 0.5, n) for n in (N_VISIBLE, N_HIDDEN))
    visible = BernoulliUnits(visible_bias.astype(dtype))
    if kind == "gaussian":
        variance = random.uniform(0.5, 2, N_VISIBLE).astype(dtype)
        visible = GaussianUnits(visible_bias.astype(dtype), np.log(variance))
    weights = matrix_of(random.normal(0, 0.5, (N_VISIBLE, N_HIDDEN)).astype(dtype))
    particles = None
    if n_chains is not None:
        particles = matrix_of((random.random((n_chains, N_HIDDEN)) < 0.4).astype(dtype))
    activity = random.uniform(0.2, 0.6, N_HIDDEN).astype(dtype)
    center = random.uniform(0.2, 0.6, N_VISIBLE).astype(dtype) if centered else None
    energy = BilinearEnergy(visible, weights, hidden_bias.astype(dtype))
    stream = Stream(np.random.RandomState(0))
    return Learner(energy, stream, activity, center, particles, fast)


def zeros_and_ones(dtype):
    random = np.random.default_rng(1)
    return (random.random((N_SAMPLES, N_VISIBLE)) < 0.3).astype(dtype)


def probabilities(dtype):
    random = np.random.default_rng(1)
    return (random.random((N_SAMPLES, N_VISIBLE)) ** 2).astype(dtype)


# A single kernel for all steps


class Way(NamedTuple):
    """Settings and data of learning; kernels are compiled for one dtype of special data."""

    how: Any = Ascending()
    learner: Any = {}
    data: Any = zeros_and_ones
    dtypes: Any = (np.float32, np.float64)


SINGLE = (np.float32,)
CD = {"n_chains": None}
ALL = Ascending(3, momentum=0.5, decay=0.1, sparsity_target=0.1, sparsity_cost=0.5, draws=True)
WAYS = {
    "cd": Way(learner=CD),
    "cd-3, uncentred": Way(Ascending(3), {**CD, "centered": False}),
    "pcd": Way(),
    "pcd-3": Way(Ascending(3)),
    "pcd, uncentred": Way(learner={"centered": False}),
    "more chains than samples": Way(learner={"n_chains": 21}),
    "fewer chains than a piece": Way(learner={"n_chains": 3}),
    "momentum": Way(Ascending(momentum=0.9)),
    "decay": Way(Ascending(decay=0.3)),
    "sparsity": Way(Ascending(sparsity_target=0.1, sparsity_cost=2.0)),
    "sparsity, uncentred cd": Way(
        Ascending(sparsity_target=0.1, sparsity_cost=2.0), {**CD, "centered": False}
    ),
    "probabilities": Way(data=probabilities),
    "drawn": Way(Ascending(draws=True), data=probabilities),
    "all": Way(ALL, data=probabilities),
    "all, cd": Way(ALL, CD, probabilities),
    "CSR": Way(data=lambda dtype: sparse.csr_array(zeros_and_ones(dtype)), dtypes=SINGLE),
    "CSR, drawn": Way(ALL, {}, lambda dtype: sparse.csr_array(probabilities(dtype)), SINGLE),
    "uint8": Way(data=lambda dtype: zeros_and_ones(np.uint8), dtypes=SINGLE),
    "booleans": Way(data=lambda dtype: zeros_and_ones(bool), dtypes=SINGLE),
    "columns first": Way(ALL, {}, lambda dtype: np.asfortranarray(probabilities(dtype)), SINGLE),
}
ways = pytest.mark.parametrize(
    ("name", "dtype"), [(name, dtype) for name, way in WAYS.items() for dtype in way.dtypes]
)


def state_of(learner):
    """Return the state that learning changes, by name."""
    return {
        **learner.energy.parameters,
        **{f"velocity of {name}": value for name, value in learner.velocity.items()},
        "activity": learner.activity,
        "particles": np.zeros(0) if learner.particles is None else learner.particles,
        "numbers": np.array([learner.stream.n_draws, learner.n_steps, learner.largest]),
    }


def assert_same_state(ours, expected, dtype, roundings):
    for name, value in state_of(expected).items():
        result = state_of(ours)[name]
        assert result.dtype == value.dtype, name
        atol = roundings * np.finfo(dtype).eps * abs(value).max(initial=1)
        assert_allclose(result, value, rtol=0, atol=atol, err_msg=name)


@ways
@pytest.mark.parametrize("in_one_call", [True, False])
def test_steps_of_one_kernel_are_those_made_one_at_a_time(name, dtype, in_one_call):
    """Draws are identical, and sums are in another order."""
    way, numba = WAYS[name], importlib.import_module("sklearn_ebm.backends.numba")
    ours, expected = (a_learner(dtype, **way.learner) for _ in range(2))
    X = way.data(dtype)
    calls = [slice(None)] if in_one_call else [slice(i, i + 1) for i in range(len(BATCHES))]
    for call in calls:
        ours.learn(X, BATCHES[call], RATES[call], way.how, numba)
    expected.learn(X, BATCHES, RATES, way.how, reference)
    assert_same_state(ours, expected, dtype, roundings=64)  # of sums of up to 40 terms, five times


def test_the_kernel_is_what_learns_by_numba(monkeypatch):
    """Otherwise, the test above would compare the loop with itself."""
    numba = importlib.import_module("sklearn_ebm.backends.numba")
    learner, calls = a_learner(), []
    fused = numba.contrastive_steps
    monkeypatch.setattr(
        numba, "contrastive_steps", lambda *given: calls.append(len(given[2])) or fused(*given)
    )
    learner.learn(zeros_and_ones(float), BATCHES, RATES, Ascending(), numba)
    assert calls == [4, 1]  # batches of 16 in one call, then the batch of 6


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("method", ["cd", "fpcd"])
def test_single_steps_by_numba_are_those_of_the_reference(kind, method, dtype):
    """For steps that are not fused: fast weights, and real-valued units."""
    numba = importlib.import_module("sklearn_ebm.backends.numba")
    chains = CD if method == "cd" else {"fast": True}
    ours, expected = (a_learner(dtype, kind=kind, **chains) for _ in range(2))
    X = probabilities(dtype)
    for learner, backend in ((ours, numba), (expected, reference)):
        learner.learn(X, BATCHES[:3], [0.05] * 3, Ascending(2, 0.5, fast_rate=0.05), backend)
    assert_same_state(ours, expected, dtype, roundings=256)  # also squares of the states


# Single steps compared with their formula


def one_step(learner, X, how=None, rate=0.1):
    """Return the learner before and after a step on all of X."""
    before = copy.deepcopy(learner)
    learner.learn(X, [np.arange(len(X))], [rate], how or Ascending(), reference)
    return before


def chains_of(before, n_rows, n_gibbs_steps, X):
    """Return (v, P(h = 1 | v)) at the end of the chains of the next step."""
    energy, stream, state = (
        before.energy.on(reference),
        copy.deepcopy(before.stream),
        before.particles,
    )
    _, start = stream.key(), stream.key()
    keys = gibbs_keys(stream, n_gibbs_steps)
    if state is None:
        state = energy.conditionals.sample_hidden(X, start)
    visible, mean = np.empty((len(state), N_VISIBLE)), np.empty((len(state), N_HIDDEN))
    gibbs(energy.conditionals, state, visible, keys, 0, mean)
    return visible, mean


@pytest.mark.parametrize("n_chains", [None, 12])
@pytest.mark.parametrize("n_gibbs_steps", [1, 3])
def test_a_step_is_the_difference_of_both_phases(n_chains, n_gibbs_steps):
    """d log p / dW = <v h'> over the data minus <v h'> over the chains; likewise for the biases."""
    X, learner = zeros_and_ones(float), a_learner(n_chains=n_chains, centered=False)
    before = one_step(learner, X, Ascending(n_gibbs_steps))
    hidden = expit(X @ before.energy.weights + before.energy.hidden_bias)
    v, h = chains_of(before, len(X), n_gibbs_steps, X)
    old, new = before.energy, learner.energy
    n = len(v)
    slope = X.T @ hidden / len(X) - v.T @ h / n
    assert_allclose(new.weights - old.weights, 0.1 * slope, rtol=0, atol=1e-14)
    slope = X.mean(axis=0) - v.mean(axis=0)
    assert_allclose(new.visible.bias - old.visible.bias, 0.1 * slope, rtol=0, atol=1e-14)
    slope = hidden.mean(axis=0) - h.mean(axis=0)
    assert_allclose(new.hidden_bias - old.hidden_bias, 0.1 * slope, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_chains", [None, 12])
def test_a_centred_step_is_that_of_centred_states(n_chains):
    """dW = <(v - mu)(h - lambda)'>; dW lambda and dW' mu are subtracted from the biases, so that
    E(v, h) = -(v - mu) W (h - lambda)' - b'.v - c'.h, where b' and c' follow their own slopes.
    """
    X, learner = probabilities(float), a_learner(n_chains=n_chains)
    before = one_step(learner, X)
    hidden = expit(X @ before.energy.weights + before.energy.hidden_bias)
    v, h = chains_of(before, len(X), 1, X)
    mu, center = before.visible_center, before.activity
    moved = (X - mu).T @ (hidden - center) / len(X) - (v - mu).T @ (h - center) / len(v)
    old, new = before.energy, learner.energy
    assert_allclose(new.weights - old.weights, 0.1 * moved, rtol=0, atol=1e-14)
    own = X.mean(axis=0) - v.mean(axis=0) - moved @ center
    assert_allclose(new.visible.bias - old.visible.bias, 0.1 * own, rtol=0, atol=1e-14)
    own = hidden.mean(axis=0) - h.mean(axis=0) - mu @ moved
    assert_allclose(new.hidden_bias - old.hidden_bias, 0.1 * own, rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_chains", [None, 12])
def test_a_step_of_real_units_is_that_of_their_slopes_times_their_variance(n_chains):
    """dW = <(v - mu)(h - lambda)'>, s^2 times the gradient, likewise for b; log s^2 by its slope.

    Mean fields, b + W lambda and c + W' mu / s^2, change only by the means of the states.
    """
    X = probabilities(float)
    learner = a_learner(n_chains=n_chains, kind="gaussian")
    before = one_step(learner, X)
    old, new = before.energy, learner.energy
    hidden = old.on(reference).conditionals.hidden_mean(X)
    v, h = chains_of(before, len(X), 1, X)
    mu, center = before.visible_center, before.activity
    moved = (X - mu).T @ (hidden - center) / len(X) - (v - mu).T @ (h - center) / len(v)
    assert_allclose(new.weights - old.weights, 0.1 * moved, rtol=0, atol=1e-13)
    slope = old.slopes(X, hidden)["visible_log_variance"].mean(axis=0)
    slope -= old.slopes(v, h)["visible_log_variance"].mean(axis=0)
    change = new.visible.log_variance - old.visible.log_variance
    assert_allclose(change, 0.1 * slope, rtol=0, atol=1e-13)
    own = new.visible.bias - old.visible.bias + 0.1 * moved @ center
    assert_allclose(own, 0.1 * (X.mean(axis=0) - v.mean(axis=0)), rtol=0, atol=1e-13)
    signal = mu * np.exp(-new.visible.log_variance)
    own = new.hidden_bias - old.hidden_bias + 0.1 * signal @ moved
    assert_allclose(own, 0.1 * (hidden.mean(axis=0) - h.mean(axis=0)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_centring_by_zero_changes_nothing(kind):
    plain, centered = (a_learner(kind=kind, centered=False) for _ in range(2))
    centered.is_centered = True
    centered.activity[:] = plain.activity[:] = 0
    X = probabilities(float)
    one_step(plain, X)
    one_step(centered, X)
    assert_same_state(centered, plain, np.float64, roundings=0)


def states_of(n_units):
    return (np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1).astype(float)


def expected_step(energy, X, centers=None):
    """Return the step at rate 1 on X with an exact negative phase, over all states."""
    states = states_of(energy.weights.shape[0])
    energy = energy.on(reference)
    weight = -energy.free_energy(states)
    weight = np.exp(weight - weight.max())
    copies = np.r_[np.full(len(X), 1 / len(X)), -weight / weight.sum()]
    v = np.vstack([X, states])
    h = energy.conditionals.hidden_mean(v)
    mu, center = (0.0, 0.0) if centers is None else centers
    moved = ((v - mu) * copies[:, None]).T @ (h - center)
    shifts = copies @ v, copies @ h
    if centers is not None:
        shifts = shifts[0] - moved @ center, shifts[1] - mu @ moved
    return {"weights": moved, "visible_bias": shifts[0], "hidden_bias": shifts[1]}


def moved_by(energy, step, rate=0.1):
    units = BernoulliUnits(energy.visible.bias + rate * step["visible_bias"])
    weights = energy.weights + rate * step["weights"]
    return BilinearEnergy(units, weights, energy.hidden_bias + rate * step["hidden_bias"])


def test_a_learner_makes_the_centred_step_in_the_mean():
    """The mean step over many chains equals the step with an exact negative phase."""
    random = np.random.default_rng(0)
    X = states_of(6)[[3, 3, 7, 12, 60]]
    n_chains, n_warm = 20_000, 15
    units = BernoulliUnits(random.normal(-0.5, 0.5, 6))
    energy = BilinearEnergy(units, matrix_of(0.7 * random.standard_normal((6, 4))), np.zeros(4))
    activity, center = random.uniform(0.2, 0.8, 4), X.mean(axis=0)
    particles = matrix_of((random.random((n_chains, 4)) < 0.5).astype(float))
    stream = Stream(np.random.RandomState(0))
    conditionals = energy.on(reference).conditionals
    gibbs(conditionals, particles, np.empty((n_chains, 6)), gibbs_keys(stream, n_warm))
    expected = expected_step(energy, X, (center, activity))
    learner = Learner(energy, stream, activity.copy(), center, particles)
    before = energy.copy()
    learner.learn(X, [np.arange(5)], [1.0], Ascending(), reference)
    for name, value in expected.items():
        step = energy.parameters[name] - before.parameters[name]
        # Products of numbers below one, with sums of six and four of them.
        assert_allclose(step, value, rtol=0, atol=5 * 2 / np.sqrt(n_chains))
        assert abs(value).max() > 0.1  # a step of zero would not pass


def test_steps_are_the_finite_differences_of_the_log_likelihood():
    """With an exact negative phase; Gaussian units are tested in tests/factors."""
    random = np.random.default_rng(0)
    weights = random.standard_normal((6, 4))
    energy = BilinearEnergy(BernoulliUnits(random.normal(-1, 1, 6)), weights, random.normal(size=4))
    X = states_of(6)[[3, 3, 7, 12, 60]]

    def log_likelihood(energy):
        energy = energy.on(reference)
        score = -energy.free_energy(states_of(6))
        top = score.max()
        log_partition = top + np.log(np.exp(score - top).sum())
        return np.mean(-energy.free_energy(X)) - log_partition

    step = expected_step(energy, X)
    for name, slope in step.items():
        direction = {key: np.zeros_like(value) for key, value in step.items()}
        direction[name] = random.standard_normal(slope.shape)
        ahead, behind = (log_likelihood(moved_by(energy, direction, t)) for t in (1e-4, -1e-4))
        # The error is the third derivative, of order one, times 1e-8.
        assert_allclose((ahead - behind) / 2e-4, np.sum(slope * direction[name]), atol=1e-7)


def test_momentum_adds_a_share_of_the_last_step():
    X, learner = zeros_and_ones(float), a_learner()
    learner.velocity["weights"] += 0.3
    for name in ("visible_bias", "hidden_bias"):
        learner.velocity[name] += 0.2
    plain = copy.deepcopy(learner)
    one_step(learner, X, Ascending(momentum=0.5))
    one_step(plain, X)
    for name, kept in {"weights": 0.15, "visible_bias": 0.1, "hidden_bias": 0.1}.items():
        difference = learner.velocity[name] - plain.velocity[name]
        assert_allclose(difference, kept, rtol=0, atol=1e-14)
    difference = learner.energy.weights - plain.energy.weights
    assert_allclose(difference, 0.15, rtol=0, atol=1e-14)


def test_decay_takes_its_share_of_the_weights_and_leaves_the_biases_mean_fields():
    X, decayed, plain = zeros_and_ones(float), a_learner(), a_learner()
    before = one_step(decayed, X, Ascending(decay=0.2))
    one_step(plain, X)
    old = before.energy.weights
    difference = decayed.energy.weights - plain.energy.weights
    assert_allclose(difference, -0.1 * 0.2 * old, rtol=0, atol=1e-14)
    field = before.visible_center @ difference
    assert_allclose(
        field + decayed.energy.hidden_bias - plain.energy.hidden_bias, 0, rtol=0, atol=1e-13
    )


def test_sparsity_pushes_hidden_units_to_their_target_on_the_data():
    """As if each unit were on by cost (target - activity) more, for W and c only."""
    X = zeros_and_ones(float)
    pushed, plain = (a_learner(centered=False) for _ in range(2))
    before = one_step(pushed, X, Ascending(sparsity_target=0.1, sparsity_cost=0.5))
    one_step(plain, X)
    push = 0.5 * (0.1 - before.activity)
    ours, theirs = pushed.energy, plain.energy
    assert_allclose(ours.hidden_bias - theirs.hidden_bias, 0.1 * push, rtol=0, atol=1e-14)
    expected = 0.1 * np.outer(X.mean(axis=0), push)
    assert_allclose(ours.weights - theirs.weights, expected, rtol=0, atol=1e-14)
    assert_array_equal(ours.visible.bias, theirs.visible.bias)
    assert_allclose(
        pushed.activity, plain.activity, rtol=1e-14
    )  # actual activities, not the target


def test_activity_is_a_mean_of_the_first_batches_and_then_a_running_one():
    X, learner = zeros_and_ones(float), a_learner()
    means, start = [], learner.activity.copy()
    for _ in range(150):
        hidden = learner.energy.on(reference).conditionals.hidden_mean(X)
        means.append(hidden.mean(axis=0))
        one_step(learner, X)
        if len(means) in (1, 7):
            assert_allclose(learner.activity, np.mean(means, axis=0), rtol=1e-12)
        start = learner.activity.copy() if len(means) == 149 else start
    assert_allclose(learner.activity, start + 0.01 * (means[-1] - start), rtol=1e-12)


def test_fast_weights_drive_the_chains_alone_and_fade():
    X = zeros_and_ones(float)
    fast, plain = a_learner(fast=True), a_learner()
    how = Ascending(fast_rate=0.3)
    old = one_step(fast, X, how).energy.weights
    one_step(plain, X)
    assert_array_equal(fast.energy.weights, plain.energy.weights)  # none in the first step
    slope = (plain.energy.weights - old) / 0.1
    assert_allclose(fast.fast_weights, 0.3 * slope, rtol=0, atol=1e-13)
    assert_allclose(fast.chain_weights, fast.energy.weights + fast.fast_weights, rtol=1e-14)
    before = one_step(fast, X, how, rate=0.0001)
    moved = (fast.energy.weights - before.energy.weights) / 0.0001
    faded = FAST_DECAY * before.fast_weights + 0.3 * moved
    assert_allclose(fast.fast_weights, faded, rtol=0, atol=1e-9)  # a difference divided by 1e-4
    shifts = before.fast_weights @ before.activity, before.visible_center @ before.fast_weights
    old = before.energy  # fast weights do not change the fields of mean states
    units = BernoulliUnits(old.visible.bias - shifts[0])
    before.energy = BilinearEnergy(units, before.chain_weights, old.hidden_bias - shifts[1])
    v, _ = chains_of(before, len(X), 1, X)
    slope = X.mean(axis=0) - v.mean(axis=0) - moved @ before.activity
    own = fast.energy.visible.bias - old.visible.bias
    assert_allclose(own / 0.0001, slope, rtol=0, atol=1e-9)


def test_drawn_data_are_on_as_often_as_they_say():
    """The mean step over draws of a batch approximates the step of the probabilities."""
    X = np.tile(np.linspace(0.05, 0.95, N_VISIBLE), (8000, 1))
    drawn, plain = (a_learner(centered=False) for _ in range(2))
    one_step(drawn, X, Ascending(draws=True))
    one_step(plain, X)
    share = X[0] + (drawn.energy.visible.bias - plain.energy.visible.bias) / 0.1
    assert np.any(share != X[0])
    assert_allclose(share, X[0], rtol=0, atol=5 * 0.5 / np.sqrt(8000))


def test_chains_that_are_kept_go_on_and_chains_at_the_data_do_not():
    X, kept = zeros_and_ones(float), a_learner()
    before = one_step(kept, X)
    end = copy.deepcopy(before)
    visible, _ = chains_of(end, len(X), 1, X)  # moves `end.particles` in place
    assert_array_equal(kept.particles, end.particles)
    assert np.any(kept.particles != before.particles)
    assert set(np.unique(visible)) == {0, 1}


# Pieces of the chains


@pytest.mark.parametrize("n_rows", [0, 1, 63, 64, 65, 1000])
@pytest.mark.parametrize(("backend", "largest"), [("numpy", 64), ("numba", 64), ("cupy", 64 * 64)])
def test_pieces_of_the_chains_cover_them_once_and_suit_the_backend(n_rows, backend, largest):
    bounds = piece_bounds(n_rows, importlib.import_module(f"sklearn_ebm.backends.{backend}"))
    assert [row for first, last in bounds for row in range(first, last)] == [*range(n_rows)]
    assert largest / 2 < max(last - first for first, last in bounds) <= largest or len(bounds) == 1


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_chains_move_alike_in_pieces_and_as_a_whole(kind, backend):
    backend = importlib.import_module(f"sklearn_ebm.backends.{backend}")
    conditionals = a_learner(kind=kind).energy.on(backend).conditionals
    keys = gibbs_keys(Stream(np.random.RandomState(3)), 4)
    start = matrix_of((np.random.default_rng(0).random((150, N_HIDDEN)) < 0.5).astype(float))
    whole, parts = (matrix_of(np.empty((150, N_VISIBLE))) for _ in range(2))
    hidden = copy.deepcopy(start)
    gibbs(conditionals, hidden, whole, keys)
    for first, last in [(0, 40), (40, 41), (41, 150)]:
        gibbs(conditionals, start[first:last], parts[first:last], keys, first)
    # Products of pieces are rounded differently; a draw differs with probability of about 1e-12.
    assert_allclose(parts, whole, rtol=0, atol=1e-12)
    assert_array_equal(start, hidden)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_leaves_only_rounding(threads, dtype):
    from numba import get_num_threads, set_num_threads

    numba = importlib.import_module("sklearn_ebm.backends.numba")
    ours, expected, before = a_learner(dtype), a_learner(dtype), get_num_threads()
    set_num_threads(min(threads, before))
    try:
        ours.learn(probabilities(dtype), BATCHES, RATES, ALL, numba)
    finally:
        set_num_threads(before)
    expected.learn(probabilities(dtype), BATCHES, RATES, ALL, reference)
    assert_same_state(ours, expected, dtype, roundings=64)


# Limits


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("fast", [False, True])
def test_a_step_that_could_overflow_is_refused_before_it(backend, fast, dtype):
    backend = importlib.import_module(f"sklearn_ebm.backends.{backend}")
    learner = a_learner(dtype, fast=fast)
    before = copy.deepcopy(learner)
    rate = 1e20 if dtype == np.float32 else 1e150
    with pytest.raises(Diverged, match="Lower learning_rate"):
        learner.learn(zeros_and_ones(dtype), BATCHES, [rate] * 5, Ascending(), backend)
    for name, value in before.energy.parameters.items():
        assert_array_equal(learner.energy.parameters[name], value)


LARGE = {"learning_rate": (1e20, {}), "weight_decay": (0.1, {"decay": 1e300}), "sparsity_cost": (
    0.1, {"sparsity_target": 0.1, "sparsity_cost": 1e300})}  # fmt: skip


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("name", LARGE)
def test_steps_that_any_parameter_makes_too_large_are_refused(kind, name):
    """The step is refused before a number overflows in single precision, which would warn."""
    numba = importlib.import_module("sklearn_ebm.backends.numba")
    learner, (rate, options) = a_learner(np.float32, kind=kind), LARGE[name]
    before = copy.deepcopy(learner)
    with pytest.raises(Diverged, match="Lower learning_rate"):
        learner.learn(zeros_and_ones(np.float32), BATCHES, [rate] * 5, Ascending(**options), numba)
    assert_same_state(learner, before, np.float32, roundings=0)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_weights_that_grow_without_end_stay_finite_to_the_last(backend, dtype):
    """A decay above 2 / rate increases them in each step, with alternating sign."""
    backend = importlib.import_module(f"sklearn_ebm.backends.{backend}")
    learner, how = a_learner(dtype), Ascending(decay=100.0, momentum=0.5)
    with pytest.raises(
        Diverged, match=r"the largest weight is \S+ with a learning rate of 1.0e.00"
    ):
        learner.learn(zeros_and_ones(dtype), BATCHES * 100, [1.0] * 500, how, backend)
    largest = abs(learner.energy.weights).max()
    assert learner.largest == pytest.approx(float(largest))
    assert (1e12 if dtype == np.float32 else 1e97) < largest < np.inf
    for value in state_of(learner).values():
        assert np.all(np.isfinite(value))
