"""Sequences of patches that move over images."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ebm.datasets import sample_moving_patches

SIDE = 30
PLACES = np.arange(SIDE**2).reshape(1, SIDE, SIDE)  # each pixel has its own number


def paths(images=PLACES, max_sequences=200, n_frames=4, **options):
    """Return row and column of the first pixel of each patch, (n_sequences, n_frames, 2)."""
    patches, groups = sample_moving_patches(
        images, 5, max_sequences, n_frames=n_frames, random_state=0, **options
    )
    assert_array_equal(groups, np.repeat(np.arange(max_sequences), n_frames))
    first = patches[:, 0].astype(int)
    return np.stack([first // SIDE % SIDE, first % SIDE], axis=1).reshape(-1, n_frames, 2)


@pytest.mark.parametrize("shift", [0.0, 0.6, 1.0, 3.5])
def test_positions_move_along_a_line_with_constant_velocity(shift):
    place = paths(shift=shift)
    moved = place - place[:, :1]
    distance = np.linalg.norm(moved, axis=2)
    assert np.all(abs(distance - shift * np.arange(4)) <= 2**-0.5)  # rounded to whole pixels
    last = moved[:, -1:] / 3
    assert np.all(abs(moved - last * np.arange(4)[:, None]) <= 1)


def test_all_directions_and_all_paths_inside_the_image_occur():
    place = paths(max_sequences=3000, shift=2.0)
    direction = np.arctan2(*(place[:, -1] - place[:, 0]).T[::-1])
    counts = np.histogram(direction, 8, (-np.pi - np.pi / 8, np.pi + np.pi / 8))[0]
    assert counts[1:].min() > 200
    assert place.min() == 0
    assert place.max() == SIDE - 5


def test_patches_are_those_of_the_image():
    patches, _ = sample_moving_patches(PLACES, (3, 4), 20, shift=2.0, random_state=0)
    expected = (np.arange(3)[:, None] * SIDE + np.arange(4)).ravel()
    assert_array_equal(patches - patches[:, :1], np.tile(expected, (60, 1)))


def test_a_film_continues_in_the_next_frames():
    film = PLACES + SIDE**2 * np.arange(10)[:, None, None]
    patches, _ = sample_moving_patches(film, 5, 300, n_frames=3, film=True, random_state=0)
    frame = patches[:, 0].astype(int).reshape(-1, 3) // SIDE**2
    assert np.all(np.diff(frame, axis=1) == 1)
    assert {*frame[:, 0]} == set(range(8))
    still = paths(film, n_frames=3, film=True, shift=0.0)
    assert np.all(still == still[:, :1])


def test_photographs_of_different_sizes_are_drawn_by_the_number_of_positions():
    images = [np.full((10, 10), 1.0), np.full((20, 30), 2.0)]
    patches, groups = sample_moving_patches(images, 8, 2000, n_frames=2, shift=0, random_state=0)
    share = np.mean(patches[:, 0] == 1)
    assert abs(share - 9 / (9 + 13 * 23)) < 0.02
    assert len(patches) == len(groups) == 4000


def test_colours_remain_and_the_type_is_single_precision_for_bytes():
    images = np.random.default_rng(0).integers(0, 255, (2, 12, 12, 3), dtype=np.uint8)
    patches, _ = sample_moving_patches(images, 4, 5, random_state=0)
    assert patches.shape == (15, 48)
    assert patches.dtype == np.float32


def test_sequences_begin_with_sufficient_contrast():
    images = np.zeros((1, 40, 40))
    images[0, :, 20:] = np.random.default_rng(0).standard_normal((40, 20))
    patches, _ = sample_moving_patches(images, 6, 50, min_variance=0.3, random_state=0)
    assert patches[::3].var(axis=1).min() >= 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": 9.0}, "requires images that are 18 pixels larger than the patch"),
        ({"film": True}, "A film must have at least n_frames=3 frames, got 1"),
        ({"min_variance": 1e9}, "Lower min_variance"),
        ({"n_frames": 0}, "n_frames == 0, must be >= 1"),
        ({"shift": -1.0}, "shift == -1.0, must be >= 0"),
    ],
)
def test_what_is_not_possible_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sample_moving_patches(PLACES[:, :20, :20], 5, 4, **options)


def test_a_list_of_frames_is_refused():
    with pytest.raises(ValueError, match=r"got a list of 2 images. Pass numpy.stack\(images\)"):
        sample_moving_patches([PLACES[0], PLACES[0]], 5, 4, film=True)


def test_the_seed_determines_the_paths():
    first, second = (sample_moving_patches(PLACES, 5, 4, random_state=3)[0] for _ in range(2))
    assert_array_equal(first, second)
