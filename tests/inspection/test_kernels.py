"""Displays of filters: grey, in colour, by channel, or as lines for signals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import ConvPSD
from sklearn_ebm.inspection import DictionaryDisplay

plt = pytest.importorskip("matplotlib.pyplot")


def kernels(*shape):
    return np.random.default_rng(1).standard_normal(shape)


def drawn(display, panel=0):
    """Return the values of a mosaic, NaN where it is masked."""
    return np.ma.filled(display.images_[panel].get_array(), np.nan)


@pytest.fixture(scope="module")
def psd():
    images = np.random.default_rng(0).standard_normal((4, 20, 20))
    return ConvPSD(6, kernel_size=(3, 5), max_iter=1, tol=0, random_state=0).fit(images)


def test_kernels_and_filters_stand_side_by_side_most_used_first(psd):
    display = DictionaryDisplay.from_estimator(psd, which="both", n_columns=6)
    assert_array_equal(display.order_, np.argsort(-psd.usage_, kind="stable"))
    for panel, rows in enumerate([psd.components_, psd.encoder_components_]):
        for place, index in enumerate(display.order_):
            kernel = rows[index, ..., 0]
            shown = drawn(display, panel)[:, 6 * place : 6 * place + 5]
            assert_allclose(shown, kernel / abs(kernel).max(), rtol=1e-12)
    assert [axes.get_title() for axes in display.axes_] == [
        "Dictionary: 6 kernels of 3x5, most used first",
        "Encoder: 6 filters of 3x5, most used first",
    ]


def test_kernels_of_one_channel_are_drawn_as_rows_of_their_shape_are():
    given = kernels(7, 2, 3, 1)
    as_rows = DictionaryDisplay(given.reshape(7, 6), image_shape=(2, 3)).plot(sort=None)
    assert_array_equal(drawn(DictionaryDisplay(given).plot(sort=None)), drawn(as_rows))


def test_three_channels_are_red_green_and_blue():
    given = kernels(2, 4, 3, 3)
    display = DictionaryDisplay(given).plot(sort=None, n_columns=2)
    first, second = given / abs(given).max(axis=(1, 2, 3), keepdims=True)
    assert_allclose(drawn(display)[:, :3], (first + 1) / 2, rtol=1e-12)
    assert_allclose(drawn(display)[:, 4:], (second + 1) / 2, rtol=1e-12)
    assert display.axes_[0].get_title() == "Dictionary: 2 kernels of 4x3x3"


def test_other_channels_stand_side_by_side_in_a_frame_scaled_together():
    given = kernels(3, 4, 2, 5)
    mosaic = drawn(DictionaryDisplay(given).plot(sort=None, n_columns=1))
    assert mosaic.shape == (3 * (4 + 2) + 2, 5 * 2 + 4 + 2)  # gaps of one pixel, and frames
    for row, kernel in enumerate(given):
        for channel in range(5):
            top, left = row * 7 + 1, channel * 3 + 1
            shown = mosaic[top : top + 4, left : left + 2]
            assert_allclose(shown, kernel[..., channel] / abs(kernel).max(), rtol=1e-12)
    assert np.isnan(mosaic).sum() == mosaic.size - given.size


def test_channels_that_a_kernel_does_not_read_take_no_room():
    given = np.zeros((2, 3, 3, 8))
    given[0, ..., [1, 6]] = kernels(2, 3, 3)
    given[1, ..., 4] = 1.0
    mosaic = drawn(DictionaryDisplay(given).plot(sort=None, n_columns=1))
    assert mosaic.shape == (2 * 5 + 1, 2 * 3 + 1 + 2)
    assert_allclose(mosaic[1:4, 5:8], given[0, ..., 6] / abs(given[0]).max(), rtol=1e-12)
    assert_allclose(mosaic[7:10, 1:4], 1.0)
    assert np.isnan(mosaic[7:10, 5:8]).all()  # the second kernel reads one channel only


def test_kernels_of_signals_are_lines_about_zero_in_cells():
    given = kernels(3, 1, 9, 1)
    display = DictionaryDisplay(given, usage=[0.1, 0.3, 0.2]).plot(n_columns=2)
    assert display.images_ == []
    (lines,) = display.lines_
    assert len(lines) == 3
    first, second, third = (line.get_xydata() for line in lines)
    for points, index in zip((first, second, third), [1, 2, 0], strict=True):
        shape = given[index, 0, :, 0] / abs(given[index]).max()
        middle = 0.0 if index != 0 else third[0, 1] - shape[0] / 2
        assert_allclose(points[:, 1] - middle, shape / 2, atol=1e-12)  # half a cell up or down
    assert first[-1, 0] < second[0, 0]  # side by side
    assert third[:, 1].max() < second[:, 1].min() + 1.0  # the third below
    assert_allclose(third[:, 0], first[:, 0])


def test_channels_of_signals_share_a_cell_and_differ_in_colour():
    display = DictionaryDisplay(kernels(2, 1, 9, 2)).plot(sort=None)
    colours = [line.get_color() for line in display.lines_[0]]
    assert len(colours) == 4
    assert colours[0] == colours[2] != colours[1] == colours[3]


def test_rows_of_height_one_are_signals_as_well():
    display = DictionaryDisplay(kernels(4, 6), image_shape=(1, 6)).plot(sort=None)
    assert len(display.lines_[0]) == 4


def test_kernels_have_a_shape_of_their_own():
    DictionaryDisplay(kernels(2, 3, 4, 1), image_shape=(3, 4)).plot(sort=None)
    with pytest.raises(ValueError, match=r"the shape of the filters, \(3, 4, 1\), got \(4, 3\)"):
        DictionaryDisplay(kernels(2, 3, 4, 1), image_shape=(4, 3)).plot(sort=None)
    with pytest.raises(ValueError, match="Expected 2D array of components, got 3D"):
        DictionaryDisplay(kernels(2, 3, 4)).plot(sort=None)
