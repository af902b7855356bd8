"""The derivative of a layer, told by what its output does when the input moves."""

import numpy as np
from numpy.testing import assert_allclose


def assert_backward_is_the_derivative(layer, x, *, step=1e-6, rtol=1e-7):
    """Central differences err by step^2, and by the rounding of the output over the step."""
    y, tape = layer.forward(x)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, gradients = layer.backward(tape, dy)
    expected = np.empty_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        change = layer.forward(x + shift)[0] - layer.forward(x - shift)[0]
        expected[index] = (change * dy).sum() / (2 * step)
    assert_allclose(dx, expected, atol=rtol * np.abs(expected).max())
    assert gradients == {}


def assert_backward_is_the_transpose(layer, x):
    """<A x, dy> = <x, A' dy> of a linear layer."""
    y, tape = layer.forward(x)
    dy = np.random.default_rng(1).standard_normal(y.shape)
    dx, _ = layer.backward(tape, dy)
    assert_allclose((y * dy).sum(), (x * dx).sum(), rtol=1e-12)
