"""Contrastive learning of samples with weights."""

import copy
import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.learning.criteria import Ascending
from tests.learning.test_contrastive import (
    BATCHES,
    N_SAMPLES,
    RATES,
    a_learner,
    assert_same_state,
    chains_of,
    zeros_and_ones,
)


@pytest.mark.parametrize("n_chains", [None, 12])
def test_both_phases_of_a_weighted_step_are_weighted_means(n_chains):
    """Chains that start at samples have their weights; persistent chains have equal ones."""
    X, learner = zeros_and_ones(float), a_learner(n_chains=n_chains, centered=False)
    weight = np.random.default_rng(2).uniform(0.1, 2, N_SAMPLES)
    before = copy.deepcopy(learner)
    learner.learn(X, [np.arange(len(X))], [0.1], Ascending(), reference, weight / weight.mean())
    hidden = expit(X @ before.energy.weights + before.energy.hidden_bias)
    v, h = chains_of(before, len(X), 1, X)
    share = weight / weight.sum()
    chain_share = share if n_chains is None else np.full(n_chains, 1 / n_chains)
    slope = (X.T * share) @ hidden - (v.T * chain_share) @ h
    old, new = before.energy, learner.energy
    assert_allclose(new.weights - old.weights, 0.1 * slope, rtol=0, atol=1e-14)
    slope = share @ X - chain_share @ v
    assert_allclose(new.visible.bias - old.visible.bias, 0.1 * slope, rtol=0, atol=1e-14)
    slope = share @ hidden - chain_share @ h
    assert_allclose(new.hidden_bias - old.hidden_bias, 0.1 * slope, rtol=0, atol=1e-14)


@pytest.mark.parametrize("parameters", [{}, {"fast": True}, {"kind": "gaussian"}], ids=str)
def test_weights_of_whole_numbers_are_copies_where_chains_are_kept(parameters):
    """Persistent chains do not depend on the batch, so a step has no other randomness."""
    X, count = zeros_and_ones(float), np.arange(N_SAMPLES) % 4
    how = Ascending(momentum=0.5, decay=0.1, fast_rate=0.1, sparsity_target=0.1, sparsity_cost=0.5)
    weighted, repeated = (a_learner(**parameters) for _ in range(2))
    weighted.learn(X, [np.arange(len(X))], [0.1], how, reference, count / count.mean())
    repeated.learn(X.repeat(count, axis=0), [np.arange(count.sum())], [0.1], how, reference)
    assert_same_state(weighted, repeated, np.float64, roundings=64)  # sums in another order


def test_the_mean_step_over_batches_is_that_of_all_samples():
    """It is linear in the weights, so that a sample of weight two equals two copies."""
    X, weight = zeros_and_ones(float), np.random.default_rng(2).uniform(0.1, 2, N_SAMPLES)
    start, how, weight = a_learner(), Ascending(decay=0.1), weight / weight.mean()

    def moved(rows):
        learner = copy.deepcopy(start)
        learner.learn(X, [rows], [0.1], how, reference, weight)
        return learner.energy.weights - start.energy.weights

    batches = np.random.default_rng(3).permutation(N_SAMPLES).reshape(7, 10)
    mean = np.mean([moved(rows) for rows in batches], axis=0)
    assert_allclose(mean, moved(np.arange(N_SAMPLES)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("n_chains", [None, 12])
def test_weights_of_one_are_no_weights(n_chains):
    """The compiled steps of samples without weights agree with single steps of weighted ones."""
    numba = importlib.import_module("sklearn_ebm.backends.numba")
    ours, expected = (a_learner(n_chains=n_chains) for _ in range(2))
    X = zeros_and_ones(float)
    ours.learn(X, BATCHES, RATES, Ascending(), numba, np.ones(N_SAMPLES))
    expected.learn(X, BATCHES, RATES, Ascending(), numba)
    assert_same_state(ours, expected, np.float64, roundings=64)
