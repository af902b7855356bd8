"""Transformed patches show the photograph at the transformed position, and nothing else."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.datasets import (
    load_natural_images,
    sample_patches,
    sample_transformed_patches,
)

ROUNDING = 1e-11  # spline interpolation of values up to 4 in float64


@pytest.fixture
def image():
    return np.random.default_rng(0).standard_normal((40, 50))


def place_of(patch, image):
    """Return row and column of the patch in the image."""
    windows = np.lib.stride_tricks.sliding_window_view(image, patch.shape)
    (row,), (column,) = np.nonzero((windows == patch).all(axis=(2, 3)))
    return row, column


def as_images(rows, shape):
    return rows.reshape(*rows.shape[:-1], *shape)


def test_a_shift_by_whole_pixels_is_the_patch_cropped_elsewhere(image):
    shape, down, right = (5, 6), 3, -4
    pairs = sample_transformed_patches(
        [image], shape, 20, shift=(down, right), margin=10, random_state=0
    )
    for original, shifted in zip(*(as_images(rows, shape) for rows in pairs), strict=True):
        row, column = place_of(original, image)
        elsewhere = image[row - down :, column - right :][: shape[0], : shape[1]]
        assert_allclose(shifted, elsewhere, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("size", [4, 5], ids=["even", "odd"])
@pytest.mark.parametrize("quarters", [1, 2, -1])
def test_a_rotation_by_right_angles_is_rot90(image, size, quarters):
    pairs = sample_transformed_patches([image], size, 10, rotation=90 * quarters, random_state=0)
    original, rotated = (as_images(rows, (size, size)) for rows in pairs)
    assert_allclose(rotated, np.rot90(original, quarters, axes=(1, 2)), rtol=0, atol=ROUNDING)


def test_content_grows_about_the_centre(image):
    original, grown = sample_transformed_patches([image], 9, 10, scale=2, random_state=0)
    original, grown = as_images(original, (9, 9)), as_images(grown, (9, 9))
    assert_allclose(grown[:, ::2, ::2], original[:, 2:7, 2:7], rtol=0, atol=ROUNDING)


def test_content_is_scaled_and_rotated_before_it_is_shifted(image):
    change = {"rotation": 90, "scale": 2}
    _, turned = sample_transformed_patches([image], 7, 10, **change, margin=12, random_state=0)
    _, both = sample_transformed_patches(
        [image], 7, 10, **change, shift=(0, 2), margin=12, random_state=0
    )
    turned, both = as_images(turned, (7, 7)), as_images(both, (7, 7))
    assert_allclose(both[:, :, 2:], turned[:, :, :-2], rtol=0, atol=ROUNDING)


def test_changes_by_fractions_follow_a_scene_known_everywhere():
    def scene(row, column):
        return np.sin(row / 7) + np.cos(column / 11 + row / 23)

    image = scene(*np.indices((60, 70)))
    original, changed = sample_transformed_patches(
        [image], 5, 15, shift=(0.3, -1.7), rotation=25, scale=1.2, margin=20, random_state=0
    )
    down, right = (np.indices((5, 5)).reshape(2, -1).T - 2.0 - [0.3, -1.7]).T / 1.2
    cos, sin = np.cos(np.deg2rad(25)), np.sin(np.deg2rad(25))
    for before, after in zip(as_images(original, (5, 5)), changed, strict=True):
        top, left = place_of(before, image)
        seen = scene(top + 2 + cos * down + sin * right, left + 2 + cos * right - sin * down)
        # The error of the spline is up to 1/384 of the fourth derivative, (1/7)^4, per direction.
        assert_allclose(after, seen, rtol=0, atol=2 * (1 / 7) ** 4 / 384)


def test_no_change_is_the_patch_itself(dtype, image):
    original, unchanged = sample_transformed_patches([image.astype(dtype)], 6, 10, random_state=0)
    assert original.dtype == unchanged.dtype == dtype
    assert_allclose(unchanged, original, rtol=0, atol=max(ROUNDING, np.finfo(dtype).eps))


def test_grey_levels_come_back_in_single_precision():
    images = np.random.default_rng(0).integers(0, 256, (2, 30, 30)).astype(np.uint8)
    original, unchanged = sample_transformed_patches(images, 6, 50, random_state=0)
    assert original.dtype == np.float32
    assert_allclose(unchanged, original, rtol=0, atol=1e-12)  # less than the precision of float32


def test_a_sequence_holds_each_change_of_the_same_patches(image):
    shifts = [(0, 0), (0, 1.5), (2, -3)]
    draw = partial(
        sample_transformed_patches, [image], 4, 7, rotation=30, margin=10, random_state=0
    )
    original, curve = draw(shift=shifts)
    assert curve.shape == (3, 7, 16)
    for shift, changed in zip(shifts, curve, strict=True):
        alone = draw(shift=shift)
        assert_array_equal(alone[0], original)
        assert_array_equal(alone[1], changed)


def test_a_sequence_of_one_change_keeps_its_axis(image):
    _, changed = sample_transformed_patches([image], 4, 7, scale=[1.1])
    assert changed.shape == (1, 7, 16)


def test_one_seed_draws_the_same_places_whatever_the_change_within_a_margin(image):
    changes = [{}, {"shift": (5, 5)}, {"rotation": 45}, {"scale": 0.6}]
    drawn = [
        sample_transformed_patches([image], 6, 9, **change, margin=10, random_state=3)[0]
        for change in changes
    ]
    for original in drawn[1:]:
        assert_array_equal(original, drawn[0])
    other, _ = sample_transformed_patches([image], 6, 9, margin=10, random_state=4)
    assert not np.array_equal(other, drawn[0])


@pytest.mark.parametrize("shift", [(0, 6), (0, -6), (6, 0), (-6, 0)])
def test_every_place_with_room_is_drawn_and_no_other(shift):
    """The patches before and after the shift cover the image up to the last pixel."""
    image = np.arange(10.0 * 12).reshape(10, 12)
    original, changed = sample_transformed_patches([image], 3, 400, shift=shift, random_state=0)
    rows, columns = 10 - 3 - abs(shift[0]) + 1, 12 - 3 - abs(shift[1]) + 1
    # at most 40 positions: 400 draws miss one with probability below 40 * (39/40)^400 = 2e-3
    assert len(np.unique(original, axis=0)) == rows * columns
    known = [patch.ravel() for patch in np.lib.stride_tricks.sliding_window_view(image, (3, 3))]
    assert np.isclose(changed[:, 0][:, np.newaxis], np.ravel(known), atol=1e-8).any(axis=1).all()


@pytest.mark.parametrize("quarters", [1, 2, 3, 4])
def test_a_patch_may_be_the_whole_image_and_turn_in_it(quarters):
    """Sines of such angles have errors of about 1e-16, which must not count as outside."""
    image = np.random.default_rng(0).standard_normal((16, 16))
    original, rotated = sample_transformed_patches([image], 16, 2, rotation=90 * quarters)
    assert_array_equal(original, [image.ravel()] * 2)
    assert_allclose(rotated, [np.rot90(image, quarters).ravel()] * 2, rtol=0, atol=ROUNDING)


def test_pictures_of_differing_sizes_are_drawn_in_proportion_to_their_places():
    images = [np.zeros((4, 4)), np.ones((13, 4))]  # 2 x 2 patches: 9 and 36 positions
    original, _ = sample_transformed_patches(images, 2, 4500, random_state=0)
    assert abs((original[:, 0] == 0).sum() - 900) < 5 * np.sqrt(4500 * 0.2 * 0.8)


def test_colours_are_changed_alike_and_stay_last(image):
    coloured = np.stack([image, image + 100, image + 200], axis=-1)
    pairs = sample_transformed_patches([coloured], (3, 4), 10, shift=(1, 2), random_state=0)
    grey = sample_transformed_patches([image], (3, 4), 10, shift=(1, 2), random_state=0)
    for in_colour, in_grey in zip(pairs, grey, strict=True):
        channels = in_colour.reshape(10, 12, 3)
        for channel in range(3):
            # the spline of a constant is the constant, up to roundings of 200
            assert_allclose(channels[..., channel], in_grey + 100 * channel, rtol=0, atol=1e-10)


def test_flat_patches_are_replaced_by_others():
    image = np.zeros((20, 20))
    image[:, 10:] = 10 * np.random.default_rng(0).standard_normal((20, 10))
    original, changed = sample_transformed_patches(
        [image], 4, 300, shift=(1, 0), min_variance=20.0, random_state=0
    )
    assert original.shape == changed.shape == (300, 16)
    assert original.var(axis=1).min() >= 20.0
    with pytest.raises(ValueError, match=r"Only 0 of \d+ patches"):
        sample_transformed_patches([image], 4, 3, min_variance=1e6)


def test_without_a_change_one_seed_draws_what_sample_patches_draws():
    images = np.random.default_rng(0).standard_normal((3, 20, 24))
    original, _ = sample_transformed_patches(images, 5, 80, min_variance=1.0, random_state=0)
    expected = sample_patches(images, 5, 80, min_variance=1.0, random_state=0)
    assert_array_equal(original, expected)


def test_photographs_change_less_by_less():
    images = load_natural_images()
    shifts = [(0, 0), (0, 0.5), (0, 1), (0, 2), (0, 4)]
    original, changed = sample_transformed_patches(
        images, 12, 200, shift=shifts, min_variance=25, random_state=0
    )
    distance = ((changed - original) ** 2).mean(axis=(1, 2))
    assert distance[0] < 1e-10  # one float32 rounding of 255
    assert np.all(np.diff(distance) > 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shift": 3}, "shift must be a pair"),
        ({"shift": [[1, 2, 3]]}, "shift must be a pair"),
        ({"shift": np.zeros((2, 2, 2))}, "Found array with dim 3, while dim <= 2"),
        ({"shift": (np.nan, 0)}, "shift contains NaN"),
        ({"rotation": np.inf}, "rotation contains infinity"),
        ({"rotation": [[1, 2]]}, "rotation must be a number or a 1D array, got a 2D array"),
        ({"rotation": []}, "Found 0 changes in rotation"),
        ({"scale": 0}, "scale == 0.0, must be > 0"),
        ({"scale": [1, -1]}, "scale == -1.0, must be > 0"),
        (
            {"scale": [1, 2, 3], "rotation": [1, 2]},
            "numbers of changes: {'rotation': 2, 'scale': 3}",
        ),
        ({"margin": -1}, "margin == -1, must be >= 0"),
        ({"min_variance": -1}, "min_variance == -1, must be >= 0"),
        ({"shift": (0, 8)}, "at least 4x12 pixels, got an image of 10x11"),
        ({"margin": 6}, "margin=6 requires images of at least 14x14 pixels"),
    ],
)
def test_invalid_changes_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        sample_transformed_patches(np.zeros((1, 10, 11)), 4, 1, **change)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_that_is_not_finite_is_refused(value):
    image = np.zeros((30, 30))
    image[0, 0] = value  # a spline would spread it over the whole image
    with pytest.raises(ValueError, match="images contains"):
        sample_transformed_patches([image], 4, 10, random_state=0)
