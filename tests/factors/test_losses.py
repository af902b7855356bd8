"""Losses of an encoder's codes: values by definition, gradients by finite differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.factors import L1, LOSSES, LinearDecoder, SparseEnergy

ALPHA = 0.5
losses = pytest.mark.parametrize("loss_class", LOSSES.values(), ids=LOSSES)


@pytest.fixture
def energy(dictionary):
    return SparseEnergy(LinearDecoder(dictionary), L1(ALPHA))


@pytest.fixture
def codes(patches, dictionary):
    """Return X, codes without zeros, and further codes in the role of the optimal ones."""
    X = patches[:20]
    code, optimum = np.random.default_rng(0).standard_normal((2, len(X), len(dictionary)))
    return X, np.sign(code) * (1 + np.abs(code)), optimum


@losses
def test_gradients_are_those_of_central_differences(loss_class, energy, codes):
    X, code, optimum = codes
    loss = loss_class(energy)
    direction = np.random.default_rng(1).uniform(-1, 1, size=code.shape)
    _, gradient = loss.value_and_gradient(X, code, optimum)
    values = [loss.value_and_gradient(X, code + t * direction, optimum)[0] for t in (0.5, -0.5)]
    # No entry changes its sign, so that both losses are quadratic: the step causes no error.
    assert_allclose(np.sum(gradient * direction, axis=1), values[0] - values[1], rtol=1e-9)


def test_values_are_those_of_the_definition(energy, dictionary, codes):
    X, code, optimum = codes
    distance, _ = LOSSES["codes"](energy).value_and_gradient(X, code, optimum)
    assert_allclose(distance, np.sum((code - optimum) ** 2, axis=1) / 2, rtol=1e-12)
    values, _ = LOSSES["energy"](energy).value_and_gradient(X, code)
    square = np.sum((X - code @ dictionary) ** 2, axis=1) / 2
    assert_allclose(values, square + ALPHA * np.sum(np.abs(code), axis=1), rtol=1e-12)


@losses
def test_loss_of_zero_is_that_of_the_code_zero(loss_class, energy, codes):
    X, code, optimum = codes
    loss = loss_class(energy)
    at_zero, _ = loss.value_and_gradient(X, 0 * code, optimum)
    assert_allclose(loss.of_zero(X, optimum), at_zero, rtol=1e-12)


def test_only_the_distance_from_optimal_codes_needs_them():
    assert {name: loss.needs_optimum for name, loss in LOSSES.items()} == {
        "codes": True,
        "energy": False,
    }


@losses
def test_losses_and_gradients_keep_the_type(loss_class, dictionary, codes, dtype):
    X, code, optimum = (array.astype(dtype) for array in codes)
    energy = SparseEnergy(LinearDecoder(dictionary.astype(dtype)), L1(float(np.float64(ALPHA))))
    values, gradient = loss_class(energy).value_and_gradient(X, code, optimum)
    assert values.dtype == gradient.dtype == loss_class(energy).of_zero(X, optimum).dtype == dtype
    assert values.shape == (len(X),)
    assert gradient.shape == code.shape


def test_gradients_do_not_change_codes(energy, codes):
    X, code, optimum = (array.copy() for array in codes)
    for loss_class in LOSSES.values():
        _, gradient = loss_class(energy).value_and_gradient(X, code, optimum)
        gradient[...] = np.nan  # training scales it in place
    for array, kept in zip((X, code, optimum), codes, strict=True):
        assert_array_equal(array, kept)


def test_gradient_of_an_entry_at_zero_is_within_the_subgradient(energy, codes):
    """It omits alpha sign(z) if the sign is undefined."""
    X, code, _ = codes
    sparse = code * (np.abs(code) > 1.7)
    on = sparse != 0
    assert 0.1 < on.mean() < 0.9
    smooth = (sparse @ energy.decoder.dictionary - X) @ energy.decoder.dictionary.T
    assert_allclose(energy.gradient(X, sparse) - smooth, ALPHA * np.sign(sparse), atol=1e-12)
