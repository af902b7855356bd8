"""Ising models and restricted Boltzmann machines as energies of x alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import Key
from sklearn_ebm.factors import MODEL_ENERGIES, IsingEnergy
from sklearn_ebm.protocols import offers

MEAN = np.array([0.2, 0.5, 0.9, 0.0])


@pytest.mark.parametrize("name", ["ising", "rbm"])
def test_the_start_has_the_means_of_the_data(name):
    """Rates are at least 1/1000, so that learning can recover. Weights of an RBM are near zero."""
    energy = MODEL_ENERGIES[name](4, 3, MEAN, np.random.RandomState(0), exact=True)
    energy = energy.with_parameters({k: value.copy() for k, value in energy.parameters.items()})
    states = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(float)
    probability = np.exp(-energy.value(states) - energy.log_partition())
    assert_allclose(probability @ states, [0.2, 0.5, 0.9, 0.001], atol=0.01)


def test_responses_of_an_ising_model_are_conditional_probabilities():
    random = np.random.default_rng(0)
    drawn = random.standard_normal((4, 4))
    energy = IsingEnergy({"couplings": drawn, "bias": random.standard_normal(4)})
    x = (random.random((5, 4)) < 0.5).astype(float)
    responses = energy.responses(x)
    for i in range(4):
        states = []
        for value in (0, 1):
            states.append(x.copy())
            states[-1][:, i] = value
        off, on = (np.exp(-energy.value(state)) for state in states)
        assert_allclose(responses[:, i], on / (on + off), rtol=1e-12)


@pytest.mark.parametrize(("name", "sizes"), [("ising", (21, None)), ("rbm", (21, 30))])
def test_large_models_have_no_partition_function(name, sizes):
    first, mean = MODEL_ENERGIES[name], np.full(21, 0.5)
    random = np.random.RandomState(0)
    assert not offers(first(*sizes, mean, random), "log_partition")
    assert not offers(first(*sizes, mean, random), "log_partition_gradients")
    with pytest.raises(ValueError, match=r"maximum_likelihood' requires at most 20 features.*21"):
        first(*sizes, mean, random, exact=True)
    if name == "rbm":
        assert offers(first(21, 20, mean, random, exact=True), "log_partition")
        assert first(21, None, mean, random).energy.weights.shape == (21, 21)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sweeps_with_huge_couplings_find_the_ground_state(dtype):
    """Exponents are clipped: no overflow, and all units agree with the first."""
    couplings = np.full((4, 4), 1e4, dtype) - 1e4 * np.eye(4, dtype=dtype)
    energy = IsingEnergy({"couplings": couplings, "bias": np.full(4, -1.5e4, dtype)})
    x = np.array([[1, 1, 1, 0], [0, 0, 0, 1]], dtype)
    for backend in (reference, None):
        moved = energy.on(backend).gibbs_sweep(x.copy(), (Key((1, 2), 1), None))
        assert moved.dtype == dtype
        assert_array_equal(moved, [[1, 1, 1, 1], [0, 0, 0, 0]])
