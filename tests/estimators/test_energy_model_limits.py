"""Energies of x alone: divergence, data of any size, the end of learning, and messages."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KernelDensity

from sklearn_ebm import RBM, AutoEncoder, EnergyModel, EstimatorEnergy, ExpertEnergy

RANDOM = np.random.default_rng(0)
DIGITS = load_digits().data[:600]
BITS = (DIGITS > 7).astype(float)
WHITE = PCA(10, whiten=True, random_state=0).fit_transform(DIGITS)
FEW = BITS[:, 20:30]
MIXED = RANDOM.standard_normal((500, 3)) @ RANDOM.standard_normal((3, 3))


# -------------------------------------------------------------------------------------- divergence
@pytest.mark.parametrize("loss", ["cd", "pcd"])
@pytest.mark.parametrize("energy", ["ising", "rbm"])
def test_steps_that_are_far_too_long_for_bits_are_reported_and_undone(energy, loss):
    model = EnergyModel(
        energy_function=energy, loss=loss, learning_rate=1e3, max_iter=3, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match=r"diverged with learning_rate=1000.0"):
        model.fit(BITS)
    assert np.abs(model.energy(BITS)).max() < 1e3


# ------------------------------------------------------------------------------------ size of data
@pytest.mark.parametrize("energy", ["student_t", "softplus", "gaussian", "logcosh", "l2"])
@pytest.mark.parametrize("size", [1e-4, 1e6])
def test_the_size_of_the_data_does_not_decide_on_divergence(energy, size):
    """Losses and gradients of score matching are inverse powers of the size."""
    model = EnergyModel(energy_function=energy, max_iter=10, random_state=0)
    X = MIXED.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*before convergence")
        curve = model.fit(X).objective_curve_
        other = model.fit(X * np.float32(size)).objective_curve_
    assert len(other) > 5
    assert other[-1] * size**2 < curve[0] - (curve[0] - curve[-1]) / 2


def test_data_that_are_too_small_for_their_dtype_are_refused():
    small = 1e-8 * MIXED
    with pytest.raises(ValueError, match=r"float32.*inverse powers .* Rescale X"):
        EnergyModel().fit(small.astype(np.float32))
    exact = {"energy_function": "gaussian", "loss": "maximum_likelihood", "max_iter": 300}
    model = EnergyModel(**exact, tol=1e-12, random_state=0).fit(small)
    assert_allclose(model.precision_ @ np.cov(small.T, bias=True), np.eye(3), atol=1e-3)


# --------------------------------------------------------------------------------- end of learning
@pytest.mark.parametrize(
    ("energy", "X"),
    [
        ("student_t", WHITE),
        ("logcosh", WHITE),
        ("gaussian", WHITE),
        ("ising", BITS),
        ("rbm", BITS[:, 20:30]),
    ],
)
def test_the_default_settings_converge(energy, X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EnergyModel(energy_function=energy, random_state=0).fit(X)


@pytest.mark.parametrize(("energy", "X"), [("gaussian", WHITE), ("ising", BITS)])
def test_energies_without_filters_ignore_their_number(energy, X):
    """As documented; a grid of energies may then have one number for all."""
    model = EnergyModel(energy_function=energy, max_iter=3, tol=0, random_state=0).fit(X)
    other = EnergyModel(7, energy_function=energy, max_iter=3, tol=0, random_state=0).fit(X)
    assert_allclose(model.energy(X), other.energy(X), rtol=0)


# ---------------------------------------------------------------------------------------- messages
def test_an_energy_that_is_none_is_refused_with_a_remedy():
    model = EnergyModel(3, max_iter=2, tol=0, random_state=0).fit(MIXED)
    for value in ("l2", EnergyModel, ExpertEnergy("l2"), None):
        model.energy_function_ = value
        with pytest.raises(ValueError, match=r"energy_function_ must be .* the parameter energy_f"):
            model.energy(MIXED)


def test_messages_say_why_a_method_is_missing():
    model = EnergyModel(3, max_iter=2, tol=0, random_state=0).fit(MIXED)
    with pytest.raises(AttributeError, match=r"'log_likelihood': .*loss='noise_contrastive' est"):
        _ = model.log_likelihood
    with pytest.raises(AttributeError, match=r"'log_likelihood': .* is not fitted yet"):
        _ = EnergyModel().log_likelihood
    for estimator in (EnergyModel(optimizer="lbfgs"), AutoEncoder(optimizer="lbfgs")):
        with pytest.raises(AttributeError, match=r"'partial_fit': .* requires optimizer='adam'"):
            _ = estimator.partial_fit
    with pytest.raises(AttributeError, match=r"'reconstruct_proba': .* visible='categorical'"):
        _ = RBM().reconstruct_proba
    with pytest.raises(AttributeError, match=r"'transform': KernelDensity has no codes"):
        _ = EstimatorEnergy(KernelDensity()).transform
