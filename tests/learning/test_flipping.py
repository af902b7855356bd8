"""Losses of flips: values, gradients, invariances, and fits close to maximum likelihood."""

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from sklearn_ebm import RBM
from sklearn_ebm.backends import new_matrix
from sklearn_ebm.factors import FLIP_LOSSES, BilinearEnergy
from sklearn_ebm.factors.units import BernoulliUnits, GaussianUnits
from sklearn_ebm.learning._samples import Batch
from sklearn_ebm.learning.criteria import Flipping

losses = pytest.mark.parametrize("loss", FLIP_LOSSES)
backends = pytest.mark.parametrize("backend", ["numba", "numpy"])
N_VISIBLE, N_HIDDEN, N_SAMPLES = 37, 19, 40  # not multiples of a vector or a piece
PHI = {  # of t = F(x) - F(x^i)
    "ratio_matching": lambda t: expit(t) ** 2,
    "minimum_probability_flow": lambda t: np.exp(t / 2),
    "pseudo_likelihood": lambda t: np.logaddexp(0, t),
}


def an_energy(backend="numpy", n_visible=N_VISIBLE, n_hidden=N_HIDDEN, scale=0.5):
    random = np.random.default_rng(0)
    like = np.zeros(0)
    weights = new_matrix((n_visible, n_hidden), like)
    weights[...] = random.normal(0, scale, weights.shape)
    visible, hidden_bias = (random.normal(-0.3, 0.5, n) for n in (n_visible, n_hidden))
    energy = BilinearEnergy(BernoulliUnits(visible), weights, hidden_bias)
    return energy.on(importlib.import_module(f"sklearn_ebm.backends.{backend}"))


def zeros_and_ones():
    return (np.random.default_rng(1).random((N_SAMPLES, N_VISIBLE)) < 0.3).astype(float)


def a_mask():
    return (np.random.default_rng(2).random((N_SAMPLES, N_VISIBLE)) < 0.7).astype(float)


def by_brute_force(energy, X, loss, observed=None):
    """Return the loss of each sample, by one free energy for each flip."""
    total = np.zeros(len(X))
    for i in range(X.shape[1]):
        neighbour = X.copy()
        neighbour[:, i] = 1 - X[:, i]
        difference = energy.free_energy(X, observed) - energy.free_energy(neighbour, observed)
        term = PHI[loss](difference)
        total += term if observed is None else np.where(observed[:, i] != 0, term, 0)
    return total


def criterion_of(energy, loss, backend):
    criterion = Flipping(energy, np.full(energy.weights.shape[1], 0.2), None, loss)
    return criterion.follow(criterion.how, lambda done: 0.1, backend)


@losses
@backends
@pytest.mark.parametrize("mask", [None, a_mask()], ids=["complete", "missing"])
def test_losses_and_gradients_are_those_of_all_flips(loss, backend, mask):
    """Central differences along random directions; their error is about 1e-9."""
    X, random = zeros_and_ones(), np.random.default_rng(3)
    weight = random.uniform(0.5, 2, N_SAMPLES)
    if mask is not None:
        X = np.where(mask != 0, X, 0.4)
    energy, batch = an_energy(backend), Batch(X, mask=mask, weight=weight)
    criterion = criterion_of(energy, loss, backend)
    measured = criterion.measure(criterion.prepare(batch), batch, None)
    expected = np.average(by_brute_force(energy, X, loss, mask), weights=weight)
    assert measured["loss"] / measured["weight"] == pytest.approx(expected, rel=1e-12)
    sums, _ = criterion.contribute(criterion.prepare(batch), batch, None)
    for name, gradient in criterion.gradients(sums).items():
        direction, values = random.standard_normal(gradient.shape), []
        parameter = energy.parameters[name]
        for step in (1e-5, -2e-5):
            parameter += step * direction
            values.append(np.average(by_brute_force(energy, X, loss, mask), weights=weight))
        parameter += 1e-5 * direction
        found = (values[0] - values[1]) / 2e-5
        assert np.sum(gradient * direction) == pytest.approx(found, rel=1e-6), name


@losses
def test_energies_without_flips_are_refused(loss):
    energy = BilinearEnergy(GaussianUnits(np.zeros(3), np.zeros(3)), np.zeros((3, 2)), np.zeros(2))
    with pytest.raises(ValueError, match=r"requires an energy with `flips`"):
        Flipping(energy, np.full(2, 0.2), None, loss)


def all_states(n_units):
    return (np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1).astype(float)


def _maximum_likelihood(X, energy):
    """Return the largest mean log-likelihood, found by L-BFGS with sums over all states."""
    n_visible, n_hidden = energy.weights.shape
    states = all_states(n_visible)
    counts = np.bincount((X @ 2 ** np.arange(n_visible)).astype(int), minlength=len(states))
    shares = counts / counts.sum()

    def objective(flat):
        W = flat[: n_visible * n_hidden].reshape(n_visible, n_hidden)
        b, c = np.split(flat[n_visible * n_hidden :], [n_visible])
        field = states @ W + c
        score = states @ b + np.logaddexp(0, field).sum(axis=1)
        log_partition = logsumexp(score)
        excess = np.exp(score - log_partition) - shares
        hidden = expit(field) * excess[:, None]
        gradient = [(states.T @ hidden).ravel(), excess @ states, hidden.sum(axis=0)]
        return log_partition - shares @ score, np.concatenate(gradient)

    start = [energy.weights.ravel(), energy.visible.bias, energy.hidden_bias]
    result = minimize(objective, np.concatenate(start), jac=True, method="L-BFGS-B")
    return -result.fun


@pytest.fixture(scope="module")
def sampled():
    """Exact samples of a machine with 10 visible and 4 hidden units, and the best likelihood."""
    energy = an_energy(n_visible=10, n_hidden=4, scale=1.0)
    states = all_states(10)
    score = -energy.free_energy(states)
    chances = np.exp(score - logsumexp(score))
    X = states[np.random.default_rng(0).choice(len(states), 20_000, p=chances / chances.sum())]
    return X, _maximum_likelihood(X, energy)


@losses
def test_fits_are_close_to_maximum_likelihood(sampled, loss):
    """The losses are consistent; for 20,000 samples, the parameters differ slightly."""
    X, best = sampled
    rbm = RBM(4, loss=loss, max_iter=30, learning_rate=0.5, random_state=0).fit(X)
    assert best - 0.01 < rbm.log_likelihood(X).mean() <= best + 1e-6


@losses
def test_whole_batches_depend_neither_on_order_nor_on_repetition(loss):
    X = zeros_and_ones()
    counts = np.random.default_rng(4).integers(1, 4, N_SAMPLES)
    order = np.random.default_rng(5).permutation(N_SAMPLES)
    forms = [
        Batch(X, weight=counts.astype(float)),
        Batch(X[order], weight=counts[order].astype(float)),
        Batch(X.repeat(counts, axis=0)),
    ]
    found = []
    for batch in forms:
        criterion = criterion_of(an_energy("numba"), loss, "numba")
        sums, _ = criterion.contribute(criterion.prepare(batch), batch, None)
        found.append(criterion.gradients(sums))
    for other in found[1:]:
        for name, value in found[0].items():
            assert_allclose(other[name], value, rtol=1e-10, atol=1e-12)


@losses
def test_only_zeros_and_ones_can_be_flipped(loss):
    X = np.full((30, 5), 0.25)
    with pytest.raises(ValueError, match=f"loss='{loss}' requires X of zeros and ones, got 0.25"):
        RBM(3, loss=loss).fit(X)
    RBM(3, loss=loss, binarize=True, max_iter=1, random_state=0).fit(X)
    for visible in ("gaussian", "categorical"):
        with pytest.raises(ValueError, match=r"requires visible='bernoulli', got.*Use loss='pcd'"):
            RBM(3, loss=loss, visible=visible).fit(np.round(4 * X))
