"""Orientation maps: every unit at its position in the colour of its orientation, and pinwheels."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from sklearn_ebm import GroupSparsePSD, InhibitionPenalty, SparseCoder
from sklearn_ebm.inspection import OrientationMapDisplay, TopographicMapDisplay, fit_gabor
from sklearn_ebm.metrics import pinwheels

mpl = pytest.importorskip("matplotlib")
plt = pytest.importorskip("matplotlib.pyplot")

SIDE = 9
GREY = 0.45


class Mapped(BaseEstimator):
    """A model of images with the filters of one period of its map."""

    def __init__(self, tile_shape=None):
        self.tile_shape = tile_shape

    def fit(self, X, y=None):
        self.components_ = X
        self.map_shape_ = (4, 5)
        return self


def striped(orientations, shape=(SIDE, SIDE)):
    """Return filters with stripes of the given orientations, otherwise equal."""
    rows, columns = np.indices(shape) - (np.reshape(shape, (2, 1, 1)) - 1) / 2
    envelope = np.exp(-(rows**2 + columns**2) / 8)
    filters = [
        envelope * np.cos(1.3 * (rows * np.cos(angle) + columns * np.sin(angle)))
        for angle in np.ravel(orientations)
    ]
    return np.reshape(filters, (len(filters), -1))


def map_with_pinwheels():
    """Return orientations of 4 x 5 units with a positive and a negative pinwheel."""
    rows, columns = np.indices((4, 5))
    return np.arctan2(1.5 - rows, columns - 0.5) / 2 - np.arctan2(1.5 - rows, columns - 3.5) / 2


def shown(display):
    """Return red, green and blue of each unit."""
    return np.asarray(display.image_.get_array())


def dots(display):
    """Return the positions (row, column) of the dots of each sign, in order."""
    return {
        text: sorted(tuple(map(float, at[::-1])) for at in markers.get_offsets())
        for text, markers in zip(["+", "-"], display.markers_, strict=True)
    }


ORIENTATIONS = np.pi * np.arange(6) / 6


@pytest.mark.parametrize("name", ["hsv", "twilight"])
def test_unit_i_has_the_colour_of_its_orientation_in_row_i_over_columns(name):
    display = OrientationMapDisplay.from_components(
        striped(ORIENTATIONS), (2, 3), orientation_cmap=name
    )
    assert shown(display).shape == (2, 3, 3)
    for index, orientation in enumerate(ORIENTATIONS):
        expected = mpl.colormaps[name](orientation / np.pi)[:3]
        # hsv has a gap of 0.09, and the first orientation may be fitted as almost pi
        assert_allclose(shown(display)[divmod(index, 3)], expected, atol=0.1)


def test_colours_are_those_of_the_frames_of_a_topographic_map():
    filters = striped(np.random.default_rng(0).uniform(0, np.pi, 6))
    frames = TopographicMapDisplay(filters, (2, 3)).plot()
    display = OrientationMapDisplay(frames.gabor_, (2, 3)).plot()
    cell = SIDE + 2 * 1 + 1
    expected = np.asarray(frames.image_.get_array())[::cell, ::cell]
    assert_allclose(shown(display), expected, atol=1e-3)  # stripes are fitted almost perfectly


def test_a_colour_is_as_saturated_as_the_fit_is_good():
    noise = np.random.default_rng(0).standard_normal((6, SIDE**2))
    filters = striped(ORIENTATIONS) + 0.2 * noise
    fit = fit_gabor(filters)
    display = OrientationMapDisplay(fit, (1, 6)).plot(threshold=0.0)
    pure = mpl.colormaps["hsv"](fit.orientation / np.pi)[:, :3]
    share = fit.goodness[:, None]
    assert 0.3 < share.min() < share.max() < 0.99
    assert_allclose(shown(display)[0], share * pure + (1 - share) * GREY, rtol=1e-12)


def test_units_without_orientation_are_grey_and_have_no_pinwheels():
    filters = striped(map_with_pinwheels())
    filters[5] = 0
    filters[9] = np.random.default_rng(0).standard_normal(SIDE**2)
    display = OrientationMapDisplay.from_components(filters, (4, 5), torus=False)
    assert_allclose(shown(display)[1, [0, 4]], GREY)
    assert dots(display) == {"+": [], "-": []}  # each is next to one of the units
    assert len(display.pinwheels_.signs) == 0


def test_pinwheels_are_dots_in_the_colours_of_their_signs():
    display = OrientationMapDisplay.from_components(striped(map_with_pinwheels()), (4, 5), torus=0)
    assert dots(display) == {"+": [(1.5, 0.5)], "-": [(1.5, 3.5)]}
    colours = [markers.get_facecolor()[0, :3] for markers in display.markers_]
    assert_array_equal(colours, [[1, 1, 1], [0, 0, 0]])
    legend = [text.get_text() for text in display.wheel_.get_legend().get_texts()]
    assert legend == ["+1/2", "-1/2"]
    assert display.axes_[0].get_title() == "4x5 units, 2 pinwheels"


def test_pinwheels_of_a_torus_are_those_of_the_metric():
    fit = fit_gabor(striped(np.random.default_rng(1).uniform(0, np.pi, 30)))
    display = OrientationMapDisplay(fit, (5, 6)).plot()
    positions, signs = pinwheels(fit.orientation, (5, 6))
    assert_array_equal(display.pinwheels_.positions, positions)
    assert_array_equal(display.pinwheels_.signs, signs)
    assert (positions[:, 0] == 4.5).any()  # between the last row and the first
    expected = sorted(map(tuple, positions[signs > 0].tolist()))
    assert dots(display)["+"] == expected
    height = display.axes_[0].get_ylim()[0]
    assert height == 4.5  # dots on the edge do not extend the map


def test_pinwheels_and_the_wheel_may_be_left_out():
    fit = fit_gabor(striped(map_with_pinwheels()))
    display = OrientationMapDisplay(fit, (4, 5)).plot(mark=False)
    assert display.markers_ == []
    assert display.wheel_.get_legend() is None
    display.plot(wheel=False)
    assert display.wheel_ is None
    assert display.figure_.axes == [display.axes_[0]]
    assert len(display.markers_) == 2


@pytest.mark.parametrize("map_shape", [(12, 1), (4, 3), (3, 4), (1, 12)])
def test_title_wheel_and_legend_are_inside_the_figure(map_shape):
    filters = striped(np.pi * np.arange(12) / 12)
    display = OrientationMapDisplay.from_components(filters, map_shape)
    display.figure_.canvas.draw()
    boxes = [
        display.axes_[0].title.get_window_extent(),
        display.wheel_.get_window_extent(),
        display.wheel_.get_legend().get_window_extent(),
    ]
    width, height = display.figure_.bbox.size
    for box in boxes:
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
    assert boxes[1].x0 > display.axes_[0].get_window_extent().x1


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("torus", [True, False])
def test_a_model_is_shown_on_its_own_map(torus):
    filters = striped(map_with_pinwheels())
    model = GroupSparsePSD(map_shape=(4, 5), pool_shape=2, torus=torus, max_iter=1).fit(filters)
    model.components_ = filters
    display = OrientationMapDisplay.from_estimator(model, orientation_cmap="twilight")
    expected = OrientationMapDisplay.from_components(
        filters, (4, 5), torus=torus, orientation_cmap="twilight"
    )
    assert_array_equal(shown(display), shown(expected))
    assert dots(display) == dots(expected)
    assert display.torus is torus
    assert len(display.pinwheels_.signs) == (4 if torus else 2)


@pytest.mark.filterwarnings("ignore")
def test_the_map_of_a_penalty_is_used():
    penalty = InhibitionPenalty(map_shape=(4, 5), inner_radius=1.0, torus=False)
    model = SparseCoder(20, penalty=penalty, max_iter=1).fit(striped(map_with_pinwheels()))
    display = OrientationMapDisplay.from_estimator(model)
    assert display.map_shape == (4, 5)
    assert not display.torus


@pytest.mark.parametrize("display", [OrientationMapDisplay, TopographicMapDisplay])
@pytest.mark.parametrize("tile_shape", [(4, 5), None])
def test_filters_of_images_have_their_own_shape(display, tile_shape):
    filters = striped(map_with_pinwheels(), (9, 8))
    model = Mapped(tile_shape).fit(filters.reshape(-1, 9, 8, 1))
    drawn = display.from_estimator(model)
    assert drawn.map_shape == (4, 5)
    if display is OrientationMapDisplay:
        expected = display.from_components(filters, (4, 5), image_shape=(9, 8))
        assert drawn.torus is (tile_shape is not None)  # filters that repeat
    else:
        expected = display(filters, (4, 5), image_shape=(9, 8)).plot()
    assert_array_equal(shown(drawn), shown(expected))


def test_models_without_a_map_are_refused():
    message = r"attribute map_shape, got SparseCoder. Pass .*from_components\(components, map_shape"
    filters = striped(ORIENTATIONS)
    model = SparseCoder(6, max_iter=1, tol=0, random_state=0).fit(filters)
    with pytest.raises(ValueError, match=message):
        OrientationMapDisplay.from_estimator(model)
    with pytest.raises(NotFittedError):
        OrientationMapDisplay.from_estimator(GroupSparsePSD(map_shape=(2, 3)))


@pytest.mark.parametrize("map_shape", [(2, 2), (6,), 6, (1, 2, 3), (-2, -3), (1.5, 4), None])
def test_a_map_of_another_number_of_filters_is_refused(map_shape):
    fit = fit_gabor(striped(ORIENTATIONS))
    message = r"map_shape must be a pair .* n_components=6, got"
    with pytest.raises(ValueError, match=message):
        OrientationMapDisplay(fit, map_shape).plot()
    with pytest.raises(ValueError, match=message):
        OrientationMapDisplay.from_components(striped(ORIENTATIONS), map_shape)


@pytest.mark.parametrize(
    ("components", "options", "message"),
    [
        (np.ones(4), {}, "Expected 2D array, got 1D array instead"),
        (np.ones((1, 2, 2)), {}, "Found array with dim 3"),
        (np.array([[np.nan, 0, 0, 0]]), {}, "Input components contains NaN"),
        (np.ones((1, 6)), {}, "Pass image_shape="),
        (np.ones((1, 12)), {"image_shape": (2, 2, 3)}, "Gabor functions have no colours"),
        (np.ones((1, 2, 2, 3)), {}, "Gabor functions have no colours"),
    ],
)
def test_filters_that_cannot_be_fitted_are_refused(components, options, message):
    with pytest.raises(ValueError, match=message):
        OrientationMapDisplay.from_components(components, (1, 1), **options)


def test_given_axes_are_drawn_on_and_no_new_figure_is_made():
    figure, (left, right) = plt.subplots(1, 2)
    display = OrientationMapDisplay.from_components(striped(ORIENTATIONS), (2, 3), ax=right)
    assert plt.get_fignums() == [figure.number]
    assert display.figure_ is figure
    assert list(display.axes_) == [right]
    assert not left.get_images()


def test_results_of_the_metric_survive_pickling():
    found = pinwheels(np.arange(6.0), (2, 3))
    again = pickle.loads(pickle.dumps(found))
    assert_array_equal(again.positions, found.positions)
