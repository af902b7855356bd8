"""Every sampler satisfies the contract of `sklearn_ebm.protocols.Sampler`."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm._storage import from_plain, to_plain
from sklearn_ebm.backends import numba
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.factors import MODEL_ENERGIES
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers import SAMPLERS

N_FEATURES, N_CHAINS = 5, 4
FIXED = {"hmc": {"step_size": 0.3, "is_adaptive": False}, "flips": {}}


def energy_for(name, dtype="float64"):
    kind = "student_t" if name == "hmc" else "ising"
    energy = MODEL_ENERGIES[kind](N_FEATURES, 7, np.full(N_FEATURES, 0.4), np.random.RandomState(0))
    for value in energy.parameters.values():
        value += np.random.default_rng(0).normal(0, 0.3, value.shape)
    return energy.astype(dtype)


def without_sweeps(energy):
    """Return the energy as one of a user, whose chains move by single flips."""
    return SimpleNamespace(flips=energy.flips)


def particles_for(name, dtype="float64", n_chains=N_CHAINS):
    drawn = np.random.default_rng(1).standard_normal((n_chains, N_FEATURES))
    return (drawn if name == "hmc" else drawn > 0).astype(dtype)


def stream():
    return Stream(np.random.RandomState(0))


CASES = {
    "hmc": ("hmc", SAMPLERS["hmc"](), energy_for),
    "hmc, fixed steps": ("hmc", SAMPLERS["hmc"](3, 0.2, False), energy_for),
    "langevin": ("hmc", SAMPLERS["hmc"](1), energy_for),
    "sweeps": ("flips", SAMPLERS["flips"](), energy_for),
    "flips": ("flips", SAMPLERS["flips"](3), lambda *args: without_sweeps(energy_for(*args))),
}
cases = pytest.mark.parametrize(("name", "sampler", "make"), CASES.values(), ids=CASES)


def test_every_sampler_is_tested():
    assert {name for name, *_ in CASES.values()} == {*SAMPLERS}


@cases
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_particles_move_and_the_given_state_stays(name, sampler, make, dtype):
    energy, particles = make(name, dtype), particles_for(name, dtype)
    assert all(offers(energy, each) for each in sampler.requires)
    state, kept = sampler.start(particles, 1.0), particles.copy()
    moved = sampler.move(energy, state, stream(), 5)
    assert_array_equal(particles, kept)
    assert moved.particles.dtype == dtype
    assert moved.particles.shape == particles.shape
    assert np.isfinite(moved.particles).all()
    assert np.any(moved.particles != particles)
    assert 0 <= moved.accepted <= 1
    if name == "flips":
        assert {*np.unique(moved.particles)} == {0, 1}


@cases
def test_chains_continue_from_their_state(name, sampler, make):
    """Two moves are one, also with a pickled state and as plain data of a file."""
    energy, state = make(name), sampler.start(particles_for(name))
    at_once = sampler.move(energy, state, stream(), 4)
    source = stream()
    first = sampler.move(energy, state, source, 1)
    assert source.n_draws == sampler.n_draws
    for stored in (pickle.loads(pickle.dumps(first)), from_plain(to_plain(first))):
        rest = Stream(np.random.RandomState(0))
        rest.n_draws = source.n_draws
        moved = sampler.move(energy, stored, rest, 3)
        assert_allclose(moved.particles, at_once.particles, rtol=1e-12)
        assert_allclose(moved.step_size, at_once.step_size, rtol=1e-12)


@cases
def test_draws_belong_to_rows(name, sampler, make):
    """With steps of a fixed size, a chain does not depend on the others."""
    sampler = type(sampler)(**FIXED[name])
    energy, particles = make(name), particles_for(name)
    whole = sampler.move(energy, sampler.start(particles), stream(), 3).particles
    part = sampler.move(energy, sampler.start(particles[:2]), stream(), 3).particles
    assert_allclose(part, whole[:2], rtol=1e-10)


@cases
def test_there_may_be_no_chains_at_first(name, sampler, make):
    """Chains of contrastive divergence start at the samples of each batch."""
    energy = make(name)
    empty = sampler.start(particles_for(name, n_chains=0), 2.0)
    moved = sampler.move(energy, empty, stream(), 2)
    assert moved.particles.shape == (0, N_FEATURES)
    assert moved.step_size == empty.step_size
    state = empty.at(particles_for(name))
    assert sampler.move(energy, state, stream(), 1).particles.shape == (N_CHAINS, N_FEATURES)


@pytest.mark.parametrize("name", SAMPLERS)
def test_backends_draw_the_same_chains(name):
    sampler, particles = SAMPLERS[name](), particles_for(name)
    results = [
        sampler.move(energy_for(name).on(backend), sampler.start(particles), stream(), 3)
        for backend in (reference, numba)
    ]
    assert_allclose(results[0].particles, results[1].particles, rtol=1e-9)
