"""Contrastive learning is invariant to exchanged bits, and to the offset and scale of data."""

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.factors import BilinearEnergy
from sklearn_ebm.factors.units import BernoulliUnits, GaussianUnits, Standardized
from sklearn_ebm.learning.criteria import Ascending
from tests.learning.test_contrastive import (
    BATCHES,
    CD,
    N_HIDDEN,
    N_SAMPLES,
    N_VISIBLE,
    RATES,
    a_learner,
    assert_same_state,
    expected_step,
    matrix_of,
    moved_by,
    states_of,
    zeros_and_ones,
)

# Binary units


def exchanged(energy, flips):
    """Return the machine of units 1 - v_i and 1 - h_j instead of v_i and h_j if `flips` are one.

    With v = f + s v', s = 1 - 2 f, and h = g + t h', v W h = v' s W t h' + (s W g).v' + (t W' f).h'
    and a constant: the energy of each pair of states is unchanged.
    """
    (f, g), W = flips, energy.weights
    s, t = 1 - 2 * f, 1 - 2 * g
    units = BernoulliUnits(s * (energy.visible.bias + W @ g))
    return BilinearEnergy(units, matrix_of(s[:, None] * W * t), t * (energy.hidden_bias + f @ W))


def exchange(learner, flips):
    """Exchange the units of a learner, in place."""
    f, g = flips
    signs = np.outer(1 - 2 * f, 1 - 2 * g)
    learner.energy = exchanged(learner.energy, flips)
    learner.activity = g + (1 - 2 * g) * learner.activity
    if learner.is_centered:
        learner.visible_center = f + (1 - 2 * f) * learner.visible_center
    if learner.particles is not None:
        learner.particles = matrix_of(g + (1 - 2 * g) * learner.particles)
    if learner.fast_weights is not None:
        learner.fast_weights *= signs
        learner.chain_weights *= signs


def some_flips(which, n_visible=N_VISIBLE, n_hidden=N_HIDDEN):
    """Return the units of both layers that are exchanged."""
    random = np.random.default_rng(4)
    drawn = [(random.random(n) < 0.5).astype(float) for n in (n_visible, n_hidden)]
    visible, hidden = (np.ones(n) for n in (n_visible, n_hidden)) if which == "all" else drawn
    return visible, 0 * hidden if which == "visible" else hidden


@pytest.mark.parametrize("which", ["visible", "some of both", "all"])
def test_the_expected_centred_step_of_exchanged_units_is_the_exchanged_step(which):
    """The negative phase is the sum over all states, without random draws."""
    random = np.random.default_rng(0)
    X = states_of(6)[[3, 3, 7, 12, 60]]
    units = BernoulliUnits(random.normal(-0.5, 0.5, 6))
    energy = BilinearEnergy(units, matrix_of(random.standard_normal((6, 4))), random.normal(size=4))
    centers = X.mean(axis=0), random.uniform(0.2, 0.8, 4)
    flips = some_flips(which, 6, 4)
    theirs = [flip + (1 - 2 * flip) * center for flip, center in zip(flips, centers, strict=True)]
    their_X = flips[0] + (1 - 2 * flips[0]) * X
    for is_centered in (True, False):
        ours = expected_step(energy, X, centers if is_centered else None)
        other = exchanged(energy, flips)
        moved = moved_by(other, expected_step(other, their_X, theirs if is_centered else None))
        expected = exchanged(moved_by(energy, ours), flips)
        distance = max(
            abs(moved.parameters[name] - value).max() for name, value in expected.parameters.items()
        )
        assert (distance < 1e-14) == is_centered  # products of numbers of about one


@pytest.fixture
def mirror_draws(monkeypatch):
    """Return a function that makes the reference draw exchanged units by 1 - u instead of u."""
    module = importlib.import_module("sklearn_ebm.backends.numpy._bernoulli")
    plain = module.uniform

    def mirror(flips):
        by_width = {len(flip): flip for flip in flips}

        def uniform(result, key):
            flip = by_width[result.shape[1]]
            return flip + (1 - 2 * flip) * plain(result, key)

        monkeypatch.setattr(module, "uniform", uniform)

    return mirror


EXCHANGED = {  # settings of the learner, and parameters of its steps
    "cd": ({"n_chains": None}, Ascending(2, momentum=0.5, decay=0.1)),
    "pcd": ({}, Ascending(2, momentum=0.5, decay=0.1)),
    "fpcd": ({"fast": True}, Ascending(momentum=0.5, decay=0.1, fast_rate=0.3)),
}
EXCHANGES = [(method, which) for method in EXCHANGED for which in ("visible", "some of both")]


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(("method", "which"), [*EXCHANGES, ("pcd", "all")])
def test_only_centred_learning_is_the_same_for_ink_and_for_paper(
    mirror_draws, centered, method, which
):
    """Machines of v_i and of 1 - v_i remain equal (Melchior, Fischer & Wiskott 2016, section 3).

    A unit is on if u < p, and the exchanged unit is off if 1 - u > 1 - p.
    """
    X, flips = zeros_and_ones(float), some_flips(which)
    settings, how = EXCHANGED[method]
    ours, theirs = (a_learner(centered=centered, **settings) for _ in range(2))
    exchange(theirs, flips)
    their_X = flips[0] + (1 - 2 * flips[0]) * X
    ours.learn(X, BATCHES, RATES, how, reference)
    mirror_draws(flips)
    theirs.learn(their_X, BATCHES, RATES, how, reference)
    ink, paper = (
        learner.energy.on(reference).free_energy(data)
        for learner, data in ((ours, X), (theirs, their_X))
    )
    assert (np.ptp(ink - paper) < 1e-10 * np.ptp(ink)) == centered


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_pushing_units_to_an_activity_is_the_same_for_ink_and_for_paper(mirror_draws, backend):
    """Only visible units are exchanged, since the target breaks the symmetry of hidden units."""
    X, flips = zeros_and_ones(float), some_flips("visible")
    how = Ascending(sparsity_target=0.1, sparsity_cost=0.5)
    ours, theirs = a_learner(), a_learner()
    exchange(theirs, flips)
    ours.learn(X, BATCHES, RATES, how, importlib.import_module(f"sklearn_ebm.backends.{backend}"))
    mirror_draws(flips)
    theirs.learn(flips[0] + (1 - 2 * flips[0]) * X, BATCHES, RATES, how, reference)
    expected = exchanged(ours.energy, flips).parameters
    for name, value in theirs.energy.parameters.items():
        assert_allclose(value, expected[name], rtol=0, atol=1e-12)  # of five steps


# Real units


def real_learner(moments=(0.0, 1.0), **settings):
    """Return a learner of real-valued units for data with these moments."""
    learner = a_learner(kind="gaussian", **settings)
    moments = (np.broadcast_to(np.asarray(part, float), N_VISIBLE) for part in moments)
    own, coordinates = learner.energy.visible, Standardized(*moments)
    learner.energy.visible = GaussianUnits(own.bias, own.log_variance, 0.0, coordinates)
    return learner


@pytest.mark.parametrize("settings", [CD, {}, {"fast": True}], ids=["cd", "pcd", "fpcd"])
def test_real_units_learn_the_same_in_every_unit_and_with_every_offset(settings):
    """Standardized rows differ only by rounding, which the grid removes: states are identical."""
    random = np.random.default_rng(2)
    X, how = random.standard_normal((N_SAMPLES, N_VISIBLE)), Ascending(2, 0.5, 0.1, fast_rate=0.05)
    scale, offset = np.logspace(-6, 6, N_VISIBLE), random.normal(0, 30, N_VISIBLE)
    ours = real_learner(**settings)
    theirs = real_learner((scale * offset, scale), **settings)
    ours.learn(X, BATCHES, [0.05] * 5, how, reference)
    theirs.learn(scale * (X + offset), BATCHES, [0.05] * 5, how, reference)
    assert_same_state(theirs, ours, np.float64, roundings=0)
    assert np.any(ours.energy.weights != real_learner(**settings).energy.weights)


def test_features_that_have_never_moved_get_no_weights_until_they_do():
    """The noise of their chains must not add weights. Their variance decreases nevertheless."""
    random = np.random.default_rng(2)
    X = random.standard_normal((N_SAMPLES, N_VISIBLE))
    still = np.arange(N_VISIBLE) % 5 == 0
    X[:, still] = 3.0
    learner = real_learner((3.0 * still, 1.0))
    learner.energy.weights[still] = learner.energy.visible.bias[still] = 0
    learner.visible_center[still] = 0
    learner.energy.visible.log_variance[:] = -0.2
    learner.learn(X, BATCHES, RATES, Ascending(), reference)
    energy = learner.energy
    assert np.all(energy.weights[still] == 0)
    assert np.all(energy.visible.bias[still] == 0)
    assert np.all(energy.weights[~still] != 0)
    assert np.all(energy.visible.log_variance[still] < -0.2)
    X[:, still] = 3.0 + random.standard_normal((N_SAMPLES, still.sum()))
    learner.learn(X, BATCHES, RATES, Ascending(), reference)
    assert np.all(energy.weights[still] != 0)
