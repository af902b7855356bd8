"""Windows of images in chunks that contain a part of one image, or parts of several images."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_ebm.backends import numba as backend
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.backends.numba import _dense_convolution
from tests.registries.kernels import convolutions

SHAPES = (9, 7, 2), (5, 4, 3)
ROOMS = {"one row": 1, "some rows": 900, "an image and a half": 3000}  # of about 1,700 numbers
PRODUCTS = {
    "correlate": convolutions.draw_correlation,
    "synthesize": convolutions.draw_synthesis,
    "correlate_kernels": convolutions.draw_correlation_of_kernels,
}


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_chunks_add_up(name, border, room, dtype, monkeypatch):
    monkeypatch.setattr(_dense_convolution, "ROOM", room)
    monkeypatch.setattr(_dense_convolution, "WIDE", 8)  # two of four rows of taps at a time
    more = {} if name == "correlate" else {"density": 1.0}
    arguments = PRODUCTS[name](np.random.default_rng(0), dtype, 2, SHAPES, border, **more)
    expected = getattr(reference, name)(*(_copied(value) for value in arguments.values()))
    result = getattr(_dense_convolution, f"{name}_windows")(*arguments.values())
    assert result.dtype == dtype
    atol = 64 * np.finfo(dtype).eps * np.abs(expected).max()  # sums of up to 126 terms
    assert_allclose(result, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("in_one_piece", [True, False])
def test_large_kernels_fill_maps_wherever_they_lie(in_one_piece, dtype, monkeypatch):
    monkeypatch.setattr(_dense_convolution, "LARGE", 0)
    arguments = convolutions.draw_correlation(np.random.default_rng(0), dtype, 2, SHAPES, "same")
    expected = reference.correlate(**{**arguments, "maps": np.empty_like(arguments["maps"])})
    if not in_one_piece:
        arguments["maps"] = np.repeat(arguments["maps"], 2, axis=2)[:, :, ::2]
    backend.correlate(**arguments)
    atol = 64 * np.finfo(dtype).eps * np.abs(expected).max()
    assert_allclose(arguments["maps"], expected, rtol=0, atol=atol)


def _copied(value):
    return value.copy() if isinstance(value, np.ndarray) else value
