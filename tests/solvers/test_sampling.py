"""Distributions of the chains of samplers, and energies that are not finite."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends._random import Stream
from sklearn_ebm.factors import MODEL_ENERGIES, GaussianEnergy, IsingEnergy
from sklearn_ebm.solvers import FlipSampler, HamiltonianSampler

BITS = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(float)


def stream():
    return Stream(np.random.RandomState(0))


@pytest.mark.parametrize(("n_leapfrog", "n_steps"), [(10, 30), (1, 400)])
def test_chains_have_the_moments_of_a_gaussian(n_leapfrog, n_steps):
    """Standard errors of 3,000 independent chains are below 0.03 standard deviations."""
    deviation, mean = np.array([0.5, 1.0, 3.0]), np.array([1.0, -2.0, 0.0])
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    precision = rotation @ np.diag(deviation**-2) @ rotation.T
    energy = GaussianEnergy({"precision": precision, "bias": mean @ precision})
    sampler = HamiltonianSampler(n_leapfrog)
    state = sampler.move(energy, sampler.start(np.zeros((3_000, 3)), 2.0), stream(), n_steps)
    standardized = (state.particles - mean) @ rotation / deviation
    assert_allclose(standardized.mean(axis=0), 0, atol=0.1)
    assert_allclose(np.cov(standardized.T), np.eye(3), atol=0.15)
    assert 0.7 < state.accepted < 0.9  # the target is 0.8


def test_steps_have_the_unit_of_the_data():
    """A Gaussian of another scale has the same chains in its own unit."""
    results = []
    for scale in (1.0, 1e4):
        precision = np.diag([1.0, 4.0]) / scale**2
        energy = GaussianEnergy({"precision": precision, "bias": np.zeros(2)})
        sampler = HamiltonianSampler()
        state = sampler.start(np.zeros((20, 2)), scale)
        results.append(sampler.move(energy, state, stream(), 5))
    assert_allclose(results[1].step_size, 1e4 * results[0].step_size, rtol=1e-9)
    assert_allclose(results[1].particles, 1e4 * results[0].particles, rtol=1e-9)


class Wall:
    """Zero in a box; not a number, infinite or without a lower bound outside of it."""

    def __init__(self, outside):
        self.outside = outside

    def value(self, x, z=None):
        is_inside = np.all(np.abs(x) < 1, axis=1)
        return np.where(is_inside, 0.0, self.outside).astype(x.dtype)

    def input_gradient(self, x, z=None):
        return np.where(np.abs(x) < 1, 0.0, self.outside).astype(x.dtype)


class Quartic:
    """-x^4, whose trajectories overflow."""

    def value(self, x, z=None):
        return -np.sum(x**4, axis=1)

    def input_gradient(self, x, z=None):
        return -4 * x**3


@pytest.mark.parametrize("outside", [np.nan, np.inf, -np.inf])
def test_steps_to_energies_that_are_not_finite_are_rejected(outside):
    energy = Wall(outside)
    sampler = HamiltonianSampler(5)
    state = sampler.start(np.zeros((10, 2)), 100.0)
    moved = sampler.move(energy, state, stream(), 50)
    assert np.all(np.abs(moved.particles) < 1)
    assert moved.step_size < state.step_size / 10
    assert np.any(moved.particles != 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("is_adaptive", [True, False])
def test_particles_of_a_diverging_energy_are_finite(dtype, is_adaptive):
    sampler = HamiltonianSampler(10, 0.5, is_adaptive)
    state = sampler.start(np.ones((20, 3), dtype))
    moved = sampler.move(Quartic(), state, stream(), 100)
    assert np.isfinite(moved.particles).all()
    assert np.isfinite(moved.step_size)
    if not is_adaptive:
        assert moved.step_size == 0.5


def test_particles_at_an_infinite_energy_leave_it():
    class Outside(Quartic):
        def value(self, x, z=None):
            return np.where(np.all(np.abs(x) < 10, axis=1), np.sum(x**2, axis=1), np.inf)

        def input_gradient(self, x, z=None):
            return 2 * x

    sampler = HamiltonianSampler(10, 0.1, False)
    moved = sampler.move(Outside(), sampler.start(np.full((5, 1), 11.0)), stream(), 20)
    assert np.all(np.abs(moved.particles) < 10)


class Flips:
    """A binary energy with nothing but its flips."""

    def __init__(self, energy):
        self.flips = energy.flips


def four_bits():
    random = np.random.default_rng(0)
    drawn = random.standard_normal((4, 4))
    return IsingEnergy({"couplings": drawn + drawn.T, "bias": random.standard_normal(4)})


def probabilities(energy):
    probability = np.exp(-energy.value(BITS))
    return probability / probability.sum()


def transitions(sampler, energy, n_chains):
    """Return the shares of chains that move from each state of four bits to each other one."""
    shares = []
    for bits in BITS:
        state = sampler.start(np.tile(bits, (n_chains, 1)))
        moved = sampler.move(energy, state, stream(), 1).particles
        numbers = (moved @ 2 ** np.arange(4)).astype(int)
        shares.append(np.bincount(numbers, minlength=16) / n_chains)
    return np.array(shares)


def test_flips_are_in_detailed_balance():
    """As many chains move from x to y as from y to x, within five standard errors."""
    energy, n_chains = four_bits(), 20_000
    probability = probabilities(energy)[:, None]
    share = transitions(FlipSampler(1), Flips(energy), n_chains)
    flow = probability * share
    error = probability * np.sqrt(share / n_chains) + 1e-5
    assert np.all(np.abs(flow - flow.T) <= 5 * np.hypot(error, error.T))
    distance = np.abs(BITS[:, None] - BITS).sum(axis=2)
    assert np.all(share[distance > 1] == 0)
    assert np.all(share[distance == 1] > 0)


def test_sweeps_leave_the_probabilities_as_they_are():
    energy, n_chains = four_bits(), 20_000
    probability = probabilities(energy)
    share = transitions(FlipSampler(), energy, n_chains)
    error = np.sqrt(probability**2 @ share / n_chains)
    assert np.all(np.abs(probability @ share - probability) <= 5 * error)


@pytest.mark.parametrize("name", ["ising", "rbm"])
def test_flips_are_aperiodic_where_the_energy_is_nearly_constant(name):
    """After any number of flips, samples with an odd number of ones are as frequent as others."""
    energy = MODEL_ENERGIES[name](4, 2, np.full(4, 0.5), np.random.RandomState(0))
    sampler = FlipSampler(10)
    state = sampler.start(np.zeros((4_000, 4)))
    moved = sampler.move(Flips(energy), state, stream(), 2).particles
    assert_allclose(np.mean(moved.sum(axis=1) % 2), 0.5, atol=0.05)
    assert_allclose(moved.mean(axis=0), 0.5, atol=0.05)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_flips_never_enter_states_without_a_finite_energy(dtype):
    class Forbidden:
        """Ones of the first feature have no energy."""

        class flips:
            def __init__(self, x):
                self.x = x

            def changes(self):
                changes = np.zeros_like(self.x)
                changes[:, 0] = np.nan
                changes[:, 1] = np.where(self.x[:, 1] > 0, -1e4, 1e4)
                changes[:, 2] = np.inf
                return changes

    sampler = FlipSampler(20)
    moved = sampler.move(Forbidden(), sampler.start(np.zeros((50, 4), dtype)), stream(), 2)
    assert_array_equal(moved.particles[:, :3], 0)
    assert 0 < moved.particles[:, 3].mean() < 1
