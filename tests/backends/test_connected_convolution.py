"""Kernels that read some of the channels each, multiplied channel by channel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numba as backend
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.backends.numba import _connected_convolution, _convolution
from tests.backends import convolutions

SHAPES = (9, 7, 6), (11, 4, 3)
PRODUCTS = {
    "correlate": convolutions.draw_correlation,
    "synthesize": convolutions.draw_synthesis,
    "correlate_kernels": convolutions.draw_correlation_of_kernels,
}


def drawn(name, dtype, border):
    """Arguments of a product of dense maps, and the table that the kernels keep to."""
    more = {} if name == "correlate" else {"density": 1.0}
    rng = np.random.default_rng(0)
    arguments = PRODUCTS[name](rng, dtype, 2, SHAPES, border, **more)
    table = convolutions.draw_table(rng, arguments["kernels"], 0.2)
    arguments["kernels"] *= table[:, None, None, :]
    return arguments, table


@pytest.fixture
def small_kernels_count(monkeypatch):
    monkeypatch.setattr(_connected_convolution, "LARGE", 0)


@pytest.mark.parametrize("room", [1, 1 << 19], ids=["one image", "all images"])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_channel_by_channel_is_the_product(
    name, border, room, dtype, small_kernels_count, monkeypatch
):
    monkeypatch.setattr(_connected_convolution, "ROOM", room)
    arguments, table = drawn(name, dtype, border)
    if name == "correlate_kernels":
        arguments["table"] = table
    copies = (value.copy() if isinstance(value, np.ndarray) else value
              for value in arguments.values())  # fmt: skip
    expected = getattr(reference, name)(*copies)
    for other in (f"{name}_windows", "pack"):  # what all channels together begin with
        monkeypatch.setattr(_convolution, other, None)
    result = getattr(backend, name)(*arguments.values())
    assert result.dtype == dtype
    atol = 64 * np.finfo(dtype).eps * np.abs(expected).max()
    assert_allclose(result, expected, rtol=0, atol=atol)


def test_kernels_grow_where_they_are_connected_alone(dtype, small_kernels_count):
    arguments, table = drawn("correlate_kernels", dtype, "same")
    result = backend.correlate_kernels(**arguments, table=table)
    assert_array_equal(result.any(axis=(1, 2)), table != 0)


def test_connections_are_found_in_the_kernels(dtype, small_kernels_count):
    arguments, table = drawn("correlate", dtype, "same")
    kernels, maps = arguments["kernels"], arguments["maps"]
    assert_array_equal(_connected_convolution.few_connections(kernels, maps), table != 0)


def test_many_connections_are_not_taken_apart(dtype, small_kernels_count):
    arguments, _ = drawn("correlate", dtype, "same")
    kernels = np.ones_like(arguments["kernels"])
    assert _connected_convolution.few_connections(kernels, arguments["maps"]) is None
