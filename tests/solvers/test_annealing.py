"""Partition functions: sums over all states, compared with annealed importance sampling."""

import importlib
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._density import annealing_shares
from sklearn_ebm.factors import UNITS, AnnealedPath, BilinearEnergy
from sklearn_ebm.factors.units import BernoulliUnits, CategoricalUnits, GaussianUnits
from sklearn_ebm.inputs._categories import Categories
from sklearn_ebm.solvers import LogPartition, anneal, sum_states

N_VISIBLE, N_HIDDEN = 13, 9
kinds = pytest.mark.parametrize("kind", UNITS)


def numba():
    return importlib.import_module("sklearn_ebm.backends.numba")


def stream(seed=0):
    return Stream(np.random.RandomState(seed))


def units_of(kind, seed):
    random = np.random.default_rng(seed)
    bias = random.normal(-0.3, 0.5, N_VISIBLE)
    if kind == "bernoulli":
        return BernoulliUnits(bias)
    if kind == "categorical":
        return CategoricalUnits(bias, categories=Categories((3, 5, 1, 4)))
    return GaussianUnits(bias, np.log(random.uniform(0.5, 2, N_VISIBLE)))


def energy_of(kind, size=0.7):
    random = np.random.default_rng(1)
    weights = size * random.standard_normal((N_VISIBLE, N_HIDDEN))
    hidden_bias = random.standard_normal(N_HIDDEN)
    return BilinearEnergy(units_of(kind, 2), weights, hidden_bias).on(reference)


def exact(energy):
    return sum_states(N_HIDDEN, energy.free_energy_of_hidden, energy.weights).value


# Sums over all states


@pytest.mark.parametrize("n_units", [1, 5, 13])  # 13 units have two pieces of states
def test_sum_of_independent_units_is_a_product(n_units):
    """log sum_s exp(b.s) = sum_i log(1 + exp(b_i))."""
    bias = np.linspace(-3, 3, n_units)
    result = sum_states(n_units, lambda states: -(states @ bias), bias)
    assert_allclose(result.value, np.log1p(np.exp(bias)).sum(), rtol=1e-13)
    assert result.error == 0
    assert result.log_weights is None


def test_every_state_is_seen_once():
    seen = []
    sum_states(13, lambda states: seen.append(states.copy()) or np.zeros(len(states)), np.zeros(1))
    numbers = np.concatenate(seen) @ (1 << np.arange(13))
    assert_array_equal(np.sort(numbers), np.arange(2**13))


def test_sums_beyond_the_range_of_exponents_are_finite():
    result = sum_states(3, lambda states: -1e5 * states.sum(axis=1), np.zeros(1))
    assert result.value == pytest.approx(3e5)


def test_both_layers_give_the_same_sum():
    energy = energy_of("bernoulli")
    by_visible = sum_states(N_VISIBLE, energy.free_energy, energy.weights).value
    assert exact(energy) == pytest.approx(by_visible, abs=1e-10)


# Annealed importance sampling


class GivenWeights:
    """A path whose particles have given weights, a share of them at each temperature."""

    backend = reference

    def __init__(self, log_weights):
        self.log_weights = np.asarray(log_weights)
        self.shares = []

    def log_partition_of_base(self):
        return 5.0

    def start(self, n_runs, key):
        return self.log_weights[key.first_row : key.first_row + n_runs]

    def advance(self, state, share, next_share, keys):
        self.shares.append((share, next_share))
        return (next_share - share) * state


def test_the_estimate_is_the_mean_weight_and_its_standard_error():
    """The log of the mean of w and, by the delta method, std(w) / (sqrt(n) mean(w))."""
    log_weights = np.random.default_rng(0).standard_normal(150)  # more than one piece of chains
    path = GivenWeights(log_weights)
    result = anneal(path, np.array([0, 0.5, 1]), 150, stream())
    weights = np.exp(log_weights)
    assert_allclose(result.log_weights, 5 + log_weights, rtol=1e-12)
    assert result.value == pytest.approx(5 + math.log(weights.mean()), rel=1e-12)
    error = weights.std(ddof=1) / weights.mean() / math.sqrt(150)
    assert result.error == pytest.approx(error, rel=1e-10)
    assert {*path.shares} == {(0.0, 0.5), (0.5, 1.0)}
    assert float(result) == result.value


def test_weights_beyond_the_range_of_exponents_have_a_finite_mean():
    result = anneal(GivenWeights([2e4, 2e4, -2e4]), np.array([0, 1]), 3, stream())
    assert result.value == pytest.approx(20_005 + math.log(2 / 3))


def test_one_particle_does_not_know_its_error():
    assert anneal(GivenWeights([1.0]), [0, 1], 1, stream()).error == math.inf


@kinds
def test_a_path_without_hidden_units_that_matter_is_exact(kind):
    """From a base to itself, all particles have the same weight, for any draws."""
    base = units_of(kind, 2)
    alone = BilinearEnergy(base, np.zeros((N_VISIBLE, N_HIDDEN)), np.zeros(N_HIDDEN))
    path = AnnealedPath(alone.on(reference), base)
    result = anneal(path, np.linspace(0, 1, 4), 10, stream())
    assert_allclose(result.log_weights, exact(alone), rtol=1e-12)
    assert result.error == pytest.approx(0, abs=1e-10)


@kinds
def test_the_mean_weight_is_right_with_few_temperatures_too(kind):
    """Importance sampling is unbiased for Z with any number of steps (Neal 2001, section 2)."""
    energy = energy_of(kind, size=0.4)
    path = AnnealedPath(energy.on(numba()), units_of(kind, 3))
    result = anneal(path, np.array([0, 0.3, 0.7, 1]), 20_000, stream())
    assert 0.005 < result.error < 0.1  # three steps are few: weights differ
    assert abs(result.value - exact(energy)) < 4 * result.error


@kinds
def test_errors_are_what_estimates_are_off_by(kind):
    """For 20 estimates, (value - exact) / error is approximately standard normal.

    The log of a mean exceeds the mean of logs: small errors, and thus many temperatures, keep
    this bias and the error of the error small. 2.5 and 0.4 are beyond the 1e-5 quantiles of the
    root mean square of 20 normal numbers, about 1.9 and 0.4.
    """
    energy = energy_of(kind)
    path, shares = AnnealedPath(energy.on(numba()), units_of(kind, 3)), annealing_shares(100)
    results = [anneal(path, shares, 100, stream(seed)) for seed in range(20)]
    off = np.array([(result.value - exact(energy)) / result.error for result in results])
    assert np.all(abs(off) < 4.5)
    assert 0.4 < np.sqrt(np.mean(off**2)) < 2.5
    assert abs(off.mean()) < 4.5 / math.sqrt(20)


def test_more_temperatures_make_errors_smaller():
    energy = energy_of("bernoulli")
    path = AnnealedPath(energy.on(numba()), units_of("bernoulli", 3))
    errors = [anneal(path, annealing_shares(n), 100, stream()).error for n in (20, 200, 2000)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]  # about 1 / sqrt(n)


def test_pieces_of_particles_are_independent():
    """Two hundred particles are several pieces with different draws."""
    energy = energy_of("bernoulli")
    path = AnnealedPath(energy.on(numba()), units_of("bernoulli", 3))
    result = anneal(path, annealing_shares(50), 200, stream())
    assert len(np.unique(result.log_weights)) == 200


@pytest.mark.parametrize("n", [2, 3, 5, 10, 11, 100, 5000])
def test_temperatures_go_from_the_base_to_the_model(n):
    shares = annealing_shares(n)
    assert len(shares) == n
    assert shares[0] == 0
    assert shares[-1] == 1
    assert np.all(np.diff(shares) > 0)


def test_temperatures_are_dense_where_salakhutdinov_and_murray_have_them():
    """Half of the path in 500 steps, up to 0.9 in 4,000 more, and the rest in 10,000 (section 4):
    3.4, 27.6 and 69 in a hundred, and here 5, 25 and 70.
    """
    shares = annealing_shares(5000)
    assert np.mean(shares < 0.5) == pytest.approx(0.05, abs=0.005)
    assert np.mean(shares < 0.9) == pytest.approx(0.3, abs=0.005)


def test_a_log_partition_is_a_number():
    assert float(LogPartition(2.5)) == 2.5
    assert np.array([1.0]) - float(LogPartition(1.0, 0.1)) == 0
    assert logsumexp([float(LogPartition(0.0)), 0.0]) == pytest.approx(math.log(2))
