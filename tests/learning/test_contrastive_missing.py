"""Contrastive learning with missing values: conditional means by brute force, masks, and draws."""

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax

from sklearn_ebm.backends import new_matrix
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.factors import BilinearEnergy
from sklearn_ebm.factors.units import BernoulliUnits, GaussianUnits
from sklearn_ebm.learning._memory import Memory
from sklearn_ebm.learning._samples import Batch
from sklearn_ebm.learning.criteria import Ascending, Contrastive

N_VISIBLE, N_HIDDEN, N_ROWS = 6, 4, 40_000
OBSERVED = np.array([1.0, 0, 1, 0, 0, 1])
backends = pytest.mark.parametrize("name", ["numpy", "numba"])


def all_states(n_units):
    return (np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1).astype(float)


def an_energy(kind="bernoulli"):
    random = np.random.default_rng(0)
    units = BernoulliUnits(random.normal(0, 0.5, N_VISIBLE))
    if kind == "gaussian":
        units = GaussianUnits(units.bias, np.log(random.uniform(0.5, 2, N_VISIBLE)))
    weights = new_matrix((N_VISIBLE, N_HIDDEN), units.bias)
    weights[...] = random.normal(0, 1.0, weights.shape)
    return BilinearEnergy(units, weights, random.normal(0, 0.5, N_HIDDEN))


def contributed(energy, visible, observed, name, shard=None, **how):
    """Return the states of one step on a batch; the first rows are the data, the others chains."""
    criterion = Contrastive(energy, np.full(N_HIDDEN, 0.5))
    criterion.moving = None  # all features vary
    criterion.follow(Ascending(**how), None, name)
    batch = Batch(visible, mask=observed)
    model, stream = criterion.prepare(batch), Stream(np.random.RandomState(0))
    sums, _ = criterion.contribute(model, batch, Memory(), stream, shard)
    states = sums["states"]
    return states.visible[:-2], states.hidden[:-2]


@backends
def test_the_positive_phase_is_the_mean_given_the_observed_units(name):
    """Over many chains, the products of the two layers have the mean E[v h' | v_o], by brute force.

    Their standard error is at most 0.5 / sqrt(N_ROWS) = 0.0025.
    """
    energy = an_energy()
    visible = np.tile(np.where(OBSERVED, [1, 0, 0, 1, 0, 1], 0.3), (N_ROWS, 1))
    shard = np.zeros((1, N_HIDDEN))
    v, h = contributed(
        energy, visible, np.tile(OBSERVED, (N_ROWS, 1)), name, shard, n_gibbs_steps=30
    )
    states, hidden = all_states(N_VISIBLE), all_states(N_HIDDEN)
    states = states[np.all(states[:, OBSERVED > 0] == visible[0, OBSERVED > 0], axis=1)]
    minus = states @ energy.weights @ hidden.T
    minus += (states @ energy.visible.bias)[:, None] + hidden @ energy.hidden_bias
    chance = softmax(minus)
    assert_allclose(v[:N_ROWS].mean(axis=0), chance.sum(axis=1) @ states, atol=0.01)
    assert_allclose(h[:N_ROWS].mean(axis=0), chance.sum(axis=0) @ hidden, atol=0.01)
    product = v[:N_ROWS].T @ h[:N_ROWS] / N_ROWS
    assert_allclose(product, states.T @ chance @ hidden, atol=0.01)


def test_the_positive_phase_of_real_units_is_the_mean_given_the_observed_units():
    """Given h, missing units are normal; h has the probability of the observed units' machine,
    since a Gaussian unit multiplies it by exp(W_i h (b_i + W_i h / 2) / s_i^2) when integrated out.
    """
    energy = an_energy("gaussian")
    units, weights, hidden = energy.visible, energy.weights, all_states(N_HIDDEN)
    visible = np.tile(np.where(OBSERVED, [1.0, 0, -1, 0, 0, 2], 0.0), (N_ROWS, 1))
    shard = np.zeros((1, N_HIDDEN))
    observed = np.tile(OBSERVED, (N_ROWS, 1))
    v, h = contributed(energy, visible, observed, "numba", shard, n_gibbs_steps=30)
    field = hidden @ weights.T
    inputs = OBSERVED * visible[0] * field + (1 - OBSERVED) * field * (units.bias + field / 2)
    chance = softmax(inputs @ units.precision + hidden @ energy.hidden_bias)
    assert_allclose(h[:N_ROWS].mean(axis=0), chance @ hidden, atol=0.01)
    mean = np.where(OBSERVED, visible[0], chance @ (units.bias + field))
    assert_allclose(v[:N_ROWS].mean(axis=0), mean, atol=0.03)  # with deviations of up to 2


@backends
@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_chains_that_start_at_a_sample_move_only_its_observed_units(name, kind):
    """They sample the machine of these units, whose hidden biases include the other units."""
    energy, random = an_energy(kind), np.random.default_rng(0)
    visible, observed = (random.random((50, N_VISIBLE)) for _ in range(2))
    observed = np.round(observed)
    v, h = contributed(energy, visible, observed, name)
    assert_array_equal(v[:50], visible)
    missing = observed == 0
    assert_array_equal(v[50:][missing], visible[missing])
    assert np.all(v[50:][~missing] != visible[~missing])
    mean = expit(energy.visible.signal(v) @ energy.weights + energy.hidden_bias)
    assert_allclose(h, mean, rtol=1e-10)


def test_draws_leave_missing_values_alone():
    random = np.random.default_rng(0)
    visible, observed = random.random((50, N_VISIBLE)), np.tile(OBSERVED, (50, 1))
    v, _ = contributed(an_energy(), visible, observed, "numba", draws=True)
    assert set(v[:50][observed == 1]) == {0, 1}
    assert_array_equal(v[:50][observed == 0], visible[observed == 0])


@pytest.mark.parametrize("n_chains", [None, 5])
def test_a_mask_of_ones_is_no_mask(n_chains):
    """Also with draws; the persistent chains of the data would not move."""
    visible = np.random.default_rng(0).random((50, N_VISIBLE))
    shard = None if n_chains is None else np.zeros((n_chains, N_HIDDEN))
    ours, expected = (
        contributed(an_energy(), visible, mask, "numba", shard, draws=True)
        for mask in (np.ones_like(visible), None)
    )
    assert_allclose(ours[0], expected[0], rtol=1e-12)
    assert_allclose(ours[1], expected[1], rtol=1e-12)


@backends
def test_pieces_of_a_batch_draw_the_same_numbers(name):
    module = importlib.import_module(f"sklearn_ebm.backends.{name}")
    energy, random = an_energy().on(module), np.random.default_rng(0)
    visible, shard = random.random((130, N_VISIBLE)), np.zeros((70, N_HIDDEN))
    observed = np.round(random.random(visible.shape))
    whole, _ = contributed(energy, visible, observed, name, shard)
    part, _ = contributed(energy, visible[:66], observed[:66], name, shard)
    assert_array_equal(part[:66], whole[:66])
