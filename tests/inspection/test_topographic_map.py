"""Topographic maps: every filter at its position, in the colour of its orientation."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from sklearn_ebm.inspection import TopographicMapDisplay, fit_gabor

mpl = pytest.importorskip("matplotlib")
plt = pytest.importorskip("matplotlib.pyplot")

SIDE = 8
FRAME = 1  # pixels around a tile of 8
CELL = SIDE + 2 * FRAME + 1  # with the gap to the next tile


class Mapped(BaseEstimator):
    """A model with a map of its components."""

    def __init__(self, map_shape=None):
        self.map_shape = map_shape

    def fit(self, X, y=None):
        self.components_ = X
        return self


def striped(orientations):
    """Return filters with stripes of the given orientations, otherwise equal."""
    rows, columns = np.indices((SIDE, SIDE)) - 3.5
    envelope = np.exp(-(rows**2 + columns**2) / 8)
    filters = [
        envelope * np.cos(1.3 * (rows * np.cos(angle) + columns * np.sin(angle)))
        for angle in orientations
    ]
    return np.reshape(filters, (-1, SIDE**2))


def shown(display):
    """Return red, green and blue of each pixel of the map."""
    return np.asarray(display.image_.get_array())


def cell(display, row, column):
    """Return the tile at one position, with its frame."""
    top, left = row * CELL, column * CELL
    return shown(display)[top : top + CELL - 1, left : left + CELL - 1]


def frame_colour(display, row, column):
    """Return the colour of the frame around a tile."""
    tile = cell(display, row, column)
    around = np.ones(tile.shape[:2], bool)
    around[FRAME:-FRAME, FRAME:-FRAME] = False
    assert np.ptp(tile[around], axis=0).max() == 0
    return tile[0, 0]


def wheel_colour(display, angle):
    """Return the wheel's colour at an angle, at half radius, counter-clockwise from the right."""
    (image,) = display.wheel_.get_images()
    wheel = np.asarray(image.get_array())
    middle = (len(wheel) - 1) / 2
    row = round(middle - 0.6 * middle * np.sin(angle))
    column = round(middle + 0.6 * middle * np.cos(angle))
    assert wheel[row, column, 3] == 1
    return wheel[row, column, :3]


ORIENTATIONS = np.pi * np.arange(6) / 6


def test_unit_i_stands_in_row_i_over_columns_of_the_map():
    filters = np.random.default_rng(0).standard_normal((6, SIDE**2))
    display = TopographicMapDisplay(filters, (2, 3)).plot()
    assert shown(display).shape == (2 * CELL - 1, 3 * CELL - 1, 3)
    grey = mpl.colormaps["gray"]
    for index, picture in enumerate(filters.reshape(-1, SIDE, SIDE)):
        tile = cell(display, *divmod(index, 3))[FRAME:-FRAME, FRAME:-FRAME]
        assert_allclose(tile, grey((picture / abs(picture).max() + 1) / 2)[..., :3])


def test_gaps_between_tiles_are_black():
    display = TopographicMapDisplay(striped(ORIENTATIONS), (2, 3)).plot()
    assert_array_equal(shown(display)[CELL - 1], 0)
    assert_array_equal(shown(display)[:, 2 * CELL - 1], 0)


@pytest.mark.parametrize("name", ["hsv", "twilight"])
def test_half_a_turn_is_once_around_the_colours(name):
    display = TopographicMapDisplay(striped(ORIENTATIONS), (3, 2)).plot(orientation_cmap=name)
    for index, orientation in enumerate(ORIENTATIONS):
        expected = mpl.colormaps[name](orientation / np.pi)[:3]
        # hsv has a gap of 0.09, and the first orientation may be fitted as almost pi
        assert_allclose(frame_colour(display, *divmod(index, 2)), expected, atol=0.1)


def test_stripes_half_a_turn_apart_have_one_colour():
    nearly = striped([0.001, np.pi - 0.001, np.pi + 0.3, 0.3])
    display = TopographicMapDisplay(nearly, (2, 2)).plot()
    assert abs(np.diff(display.gabor_.orientation[:2])) > 3  # on either side of the discontinuity
    for row in (0, 1):
        colours = [frame_colour(display, row, column) for column in (0, 1)]
        assert_allclose(*colours, atol=0.1)


def test_along_the_stripes_the_wheel_has_the_colour_of_the_frame():
    display = TopographicMapDisplay(striped(ORIENTATIONS), (1, 6)).plot()
    for column, orientation in enumerate(ORIENTATIONS):
        for angle in (orientation, orientation + np.pi):
            expected = frame_colour(display, 0, column)
            assert_allclose(wheel_colour(display, angle), expected, atol=0.15)  # limited by pixels


def test_the_map_may_stand_alone():
    display = TopographicMapDisplay(striped(ORIENTATIONS), (1, 6)).plot(wheel=False)
    assert display.wheel_ is None
    assert display.figure_.axes == [display.axes_[0]]


@pytest.mark.parametrize("map_shape", [(6, 1), (3, 2), (1, 6)])
def test_the_wheel_stands_within_the_figure_and_right_of_the_map(map_shape):
    display = TopographicMapDisplay(striped(ORIENTATIONS), map_shape).plot()
    display.figure_.canvas.draw()
    wheel = display.wheel_.get_window_extent()
    assert wheel.x0 > display.axes_[0].get_window_extent().x1
    assert wheel.x1 <= display.figure_.bbox.width
    assert wheel.y1 <= display.figure_.bbox.height


def test_frames_of_filters_without_orientation_are_grey():
    noise = np.random.default_rng(0).standard_normal((1, SIDE**2))
    filters = np.vstack([striped([1.0]), noise, np.zeros((1, SIDE**2))])
    display = TopographicMapDisplay(filters, (1, 3)).plot()
    saturation = [np.ptp(frame_colour(display, 0, column)) for column in range(3)]
    assert saturation[0] > 0.5
    assert saturation[1:] == [0, 0]
    display.plot(threshold=0.0)
    assert np.ptp(frame_colour(display, 0, 1)) > 0.5  # now it has the colour of its best fit


def test_frames_grow_with_tiles():
    filters = np.random.default_rng(0).standard_normal((2, 15 * 24))
    display = TopographicMapDisplay(filters, (1, 2), image_shape=(15, 24)).plot()
    assert shown(display).shape == (15 + 2 * 2, 2 * (24 + 2 * 2) + 1, 3)


def test_fits_that_are_there_are_not_made_again(monkeypatch):
    filters = striped(ORIENTATIONS)
    upside_down = fit_gabor(filters[::-1])
    monkeypatch.setattr("sklearn_ebm.inspection._topographic_map.fit_gabor", None)
    display = TopographicMapDisplay(filters, (1, 6), gabor=upside_down).plot()
    assert display.gabor_ is upside_down
    expected = mpl.colormaps["hsv"](5 / 6)[:3]
    assert_allclose(frame_colour(display, 0, 0), expected, atol=0.1)
    with pytest.raises(ValueError, match="gabor must contain one fit per filter, got 6 fits for 5"):
        TopographicMapDisplay(filters[:5], (1, 5), gabor=upside_down).plot()


def test_an_estimator_is_shown_on_its_own_map():
    filters = striped(ORIENTATIONS)
    model = Mapped(map_shape=(2, 3)).fit(filters)
    display = TopographicMapDisplay.from_estimator(model, orientation_cmap="twilight")
    expected = TopographicMapDisplay(filters, (2, 3)).plot(orientation_cmap="twilight")
    assert_array_equal(shown(display), shown(expected))
    assert display.axes_[0].get_title() == "Map of 2x3 filters of 8x8"


def test_the_error_for_a_model_without_a_map_names_the_parameter():
    message = (
        r"attribute map_shape, got Mapped. Pass .* TopographicMapDisplay\(components, map_shape\)"
    )
    with pytest.raises(ValueError, match=message):
        TopographicMapDisplay.from_estimator(Mapped().fit(striped([0.0])))
    with pytest.raises(NotFittedError):
        TopographicMapDisplay.from_estimator(Mapped(map_shape=(1, 1)))


@pytest.mark.parametrize("map_shape", [(2, 2), (6,), 6, (1, 2, 3), (-2, -3), (1.5, 4), None])
def test_a_map_of_another_number_of_filters_is_refused(map_shape):
    with pytest.raises(ValueError, match=r"map_shape must be a pair .* n_components=6, got"):
        TopographicMapDisplay(striped(ORIENTATIONS), map_shape).plot()


@pytest.mark.parametrize(
    ("components", "options", "message"),
    [
        (np.ones(4), {}, "Expected 2D array, got 1D array instead"),
        (np.array([[np.nan, 0, 0, 0]]), {}, "Input components contains NaN"),
        (np.ones((1, 6)), {}, "Pass image_shape="),
        (np.ones((1, 12)), {"image_shape": (2, 2, 3)}, "Gabor functions have no colours"),
    ],
)
def test_filters_that_cannot_be_shown_are_refused(components, options, message):
    with pytest.raises(ValueError, match=message):
        TopographicMapDisplay(components, (1, 1), **options).plot()


def test_given_axes_are_drawn_on_and_no_new_figure_is_made():
    figure, (left, right) = plt.subplots(1, 2)
    display = TopographicMapDisplay(striped(ORIENTATIONS), (2, 3)).plot(ax=right)
    assert plt.get_fignums() == [figure.number]
    assert display.figure_ is figure
    assert list(display.axes_) == [right]
    assert not left.get_images()


class OnDevice:
    """A minimal CuPy array: NumPy cannot convert it, `get` copies it."""

    def __init__(self, values):
        self.values = values

    def get(self):
        return self.values

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


def test_components_on_a_device_are_fetched(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(ndarray=OnDevice))
    filters = striped(ORIENTATIONS)
    away = TopographicMapDisplay.from_estimator(Mapped((2, 3)).fit(OnDevice(filters)))
    assert_array_equal(shown(away), shown(TopographicMapDisplay(filters, (2, 3)).plot()))
    assert_array_equal(fit_gabor(OnDevice(filters)).row, fit_gabor(filters).row)


def test_without_matplotlib_the_error_is_the_command_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(
        ImportError, match=r'requires matplotlib. .*`pip install "sklearn-ebm\[plot\]"`'
    ):
        TopographicMapDisplay(striped([0.0]), (1, 1)).plot()
