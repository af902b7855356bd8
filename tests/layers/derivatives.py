"""Derivatives of a layer by differences of its output."""

import numpy as np
from numpy.testing import assert_allclose

from sklearn_ebm.factors import Tape
from tests.differences import finite_differences


def recorded(layer, x, stream=None):
    """Return the output of a layer, and the tape of the pass."""
    tape = Tape()
    return layer.forward(x, tape, stream), tape


def assert_backward_is_the_derivative(layer, x, *, rtol=1e-7):
    """Compare with central differences, whose error is step^2 plus rounding over the step."""
    y, tape = recorded(layer, x)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, _ = layer.backward(tape, dy)
    expected = finite_differences(lambda: np.sum(layer.forward(x) * dy), x)
    assert_allclose(dx, expected, atol=rtol * np.abs(expected).max())


def assert_backward_is_the_transpose(layer, x):
    """Assert <A x, dy> = <x, A' dy> for a linear layer."""
    y, tape = recorded(layer, x)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, _ = layer.backward(tape, dy)
    assert_allclose((y * dy).sum(), (x * dx).sum(), rtol=1e-12)
