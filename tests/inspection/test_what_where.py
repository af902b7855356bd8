"""Filters of the shared units of a model of sequences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import PSD, WhatWherePSD
from sklearn_ebm.inspection import WhatWhereDisplay

FILTERS = np.random.default_rng(0).standard_normal((6, 12))
WEIGHTS = np.array([[0, 2.0, 0, 0.5, 4.0, 0], [1.0, 0, 0, 0, 0, 1.0]])


def test_rows_have_the_largest_weights_first_with_their_contrast():
    display = WhatWhereDisplay(FILTERS, WEIGHTS, n_filters=3, image_shape=(3, 4)).plot()
    assert_array_equal(display.order_, [[4, 1, 3], [0, 5, 1]])
    picture = np.ma.filled(display.image_.get_array(), np.nan)
    assert picture.shape == (7, 14)
    for row, column, component, share in [(0, 0, 4, 1), (0, 1, 1, 0.5), (1, 1, 5, 1), (1, 2, 1, 0)]:
        tile = picture[4 * row : 4 * row + 3, 5 * column : 5 * column + 4]
        expected = share * FILTERS[component] / abs(FILTERS[component]).max()
        assert_allclose(tile, expected.reshape(3, 4))


def test_colour_filters_are_drawn_in_colour():
    display = WhatWhereDisplay(FILTERS, WEIGHTS, image_shape=(2, 2, 3)).plot()
    assert display.order_.shape == (2, 6)
    assert display.image_.get_array().shape == (5, 17, 3)


@pytest.mark.filterwarnings("ignore")
def test_a_model_shows_its_units():
    model = WhatWherePSD(6, n_what=2, max_iter=1).fit(FILTERS)
    display = WhatWhereDisplay.from_estimator(model, n_filters=4, image_shape=(3, 4))
    assert_array_equal(display.order_, np.argsort(-model.what_components_, axis=1)[:, :4])


@pytest.mark.filterwarnings("ignore")
def test_other_models_are_refused():
    model = PSD(3, max_iter=1).fit(FILTERS)
    with pytest.raises(AttributeError, match="requires an estimator with what_components_"):
        WhatWhereDisplay.from_estimator(model)


@pytest.mark.parametrize(
    ("weights", "n_filters", "message"),
    [
        (-WEIGHTS, 3, "what_components must contain 6 non-negative weights"),
        (WEIGHTS[:, :5], 3, "what_components must contain 6 non-negative weights"),
        (WEIGHTS, 0, "n_filters must be a positive integer, got 0"),
    ],
)
def test_weights_that_do_not_match_are_refused(weights, n_filters, message):
    with pytest.raises(ValueError, match=message):
        WhatWhereDisplay(FILTERS, weights, n_filters=n_filters, image_shape=(3, 4)).plot()


@pytest.mark.parametrize(
    ("n_units", "title"), [(1, "Filters of 1 unit"), (2, "Filters of 2 units")]
)
def test_the_title_is_inside_a_narrow_figure(n_units, title):
    display = WhatWhereDisplay(FILTERS, WEIGHTS[:n_units], n_filters=1, image_shape=(3, 4)).plot()
    figure = display.figure_
    figure.draw_without_rendering()
    assert display.axes_[0].get_title() == title
    box = display.axes_[0].title.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
