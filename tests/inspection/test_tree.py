"""Trees of filters: places of the tiles, lines to the parents, and their pictures."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from sklearn_ebm import InhibitionPenalty, SparseCoder
from sklearn_ebm.inspection import TopographicMapDisplay, TreeDisplay

plt = pytest.importorskip("matplotlib.pyplot")

TREE = InhibitionPenalty(structure="tree", branching=3)
RANDOM = np.random.default_rng(0)
FILTERS = RANDOM.standard_normal((40, 6))


@pytest.fixture
def display():
    display = TreeDisplay(FILTERS, TREE.parents(40), image_shape=(2, 3)).plot()
    yield display
    plt.close(display.figure_)


def boxes(display):
    """Return left, right, bottom and top of each tile."""
    return np.array([image.get_extent() for image in display.images_])


def test_tiles_are_the_filters_scaled_about_zero_at_their_positions(display):
    assert len(display.images_) == 40
    left, right, bottom, top = boxes(display).T
    assert_allclose(np.stack([left + right, bottom + top], axis=1) / 2, display.positions_)
    assert_allclose((right - left) / (top - bottom), 3 / 2)
    for image, atom in zip(display.images_, FILTERS, strict=True):
        assert_allclose(image.get_array(), (atom / abs(atom).max()).reshape(2, 3))
        assert image.get_clim() == (-1, 1)


def test_levels_are_circles_with_equal_distances(display):
    assert_array_equal(display.levels_, np.repeat([0, 1, 2, 3], [1, 3, 9, 27]))
    assert_allclose(np.hypot(*display.positions_.T), display.levels_ / 3, atol=1e-12)


def test_lines_connect_each_filter_with_its_parent(display):
    lines = np.array(display.edges_.get_segments())
    assert_allclose(lines[:, 0], display.positions_[1:])
    assert_allclose(lines[:, 1], display.positions_[(np.arange(1, 40) - 1) // 3])


@pytest.mark.parametrize("parents", [TREE.parents(40), [-1, 0, 1, 1, 1, 0, 5, 6], [-1]])
def test_a_tile_does_not_hide_the_centre_of_another(parents):
    display = TreeDisplay(FILTERS[: len(parents), :4], parents).plot()
    left, right, bottom, top = boxes(display).T
    x, y = display.positions_.T[:, :, None]
    covers = (left < x) & (x < right) & (bottom < y) & (y < top)
    assert_array_equal(covers, np.eye(len(parents), dtype=bool))
    plt.close(display.figure_)


def test_descendants_are_next_to_each_other(display):
    """In the order of their angles, the leaves of each subtree are consecutive."""
    angle = np.arctan2(*display.positions_[13:].T) % (2 * np.pi)
    branch = (np.arange(13, 40) - 4) // 9  # the child of the root to which a leaf belongs
    changes = np.diff(branch[np.argsort(angle)]) != 0
    assert changes.sum() == 2


def test_colour_filters_are_drawn_in_colour():
    filters = RANDOM.standard_normal((3, 12))
    display = TreeDisplay(filters, [-1, 0, 0], image_shape=(2, 2, 3)).plot()
    for image, atom in zip(display.images_, filters, strict=True):
        expected = (atom / abs(atom).max()).reshape(2, 2, 3) / 2 + 0.5
        assert_allclose(image.get_array(), expected)
    plt.close(display.figure_)


def test_a_model_shows_the_tree_of_its_penalty(patches):
    model = SparseCoder(13, penalty=TREE, alpha=0.3, max_iter=1, tol=0).fit(patches[:, :16])
    figure, axes = plt.subplots()
    display = TreeDisplay.from_estimator(model, ax=axes)
    assert display.axes_[0] is axes
    assert_array_equal(display.parents, [-1, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])
    assert_array_equal(display.components, model.components_)
    plt.close(figure)


def test_other_models_are_refused(patches):
    model = SparseCoder(13, alpha=0.3, max_iter=1, tol=0)
    with pytest.raises(NotFittedError):
        TreeDisplay.from_estimator(model)
    with pytest.raises(ValueError, match=r"structure='tree' as penalty, got 'l1'[.] Pass par"):
        TreeDisplay.from_estimator(model.fit(patches[:, :16]))


@pytest.mark.parametrize(
    ("parents", "words"),
    [
        ([-1, 0], r"an integer for each of the 3 components, got an array of shape \(2,\)"),
        ([-1.0, 0.0, 0.0], "dtype float64"),
        ([0, 0, 0], r"parents must be -1 for the first component.* got parents\[0\]=0"),
        ([-1, 0, 2], r"got parents\[2\]=2"),
        ([-1, -1, 0], r"got parents\[1\]=-1"),
        ([-1, 2, 0], r"got parents\[1\]=2"),
    ],
)
def test_parents_that_are_no_tree_are_refused(parents, words):
    with pytest.raises(ValueError, match=words):
        TreeDisplay(FILTERS[:3], parents, image_shape=(2, 3)).plot()


def test_a_topographic_map_has_the_shape_of_the_penalty(patches):
    penalty = InhibitionPenalty(map_shape=(2, 6), inner_radius=1.0)
    model = SparseCoder(12, penalty=penalty, alpha=0.3, max_iter=1, tol=0).fit(patches[:, :16])
    display = TopographicMapDisplay.from_estimator(model, wheel=False)
    assert display.map_shape == (2, 6)
    plt.close(display.figure_)
