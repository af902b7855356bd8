"""Patches are windows of the images, sampled uniformly, with the documented contrast."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_sample_images

from sklearn_ebm.datasets import (
    load_natural_images,
    load_natural_patches,
    normalize_patches,
    sample_patches,
)


def ramp(height, width, first=0, dtype=np.float64):
    """Return an image in which the value of each pixel is its position."""
    return (first + np.arange(height * width)).reshape(height, width).astype(dtype)


def windows_of(images, height, width):
    """Return all patches of all images as a set of tuples, by plain loops."""
    return {
        tuple(np.asarray(image)[row : row + height, column : column + width].ravel())
        for image in images
        for row in range(len(image) - height + 1)
        for column in range(len(image[0]) - width + 1)
    }


@pytest.mark.parametrize("size", [3, (2, 4)], ids=["int", "pair"])
@pytest.mark.parametrize("as_list", [False, True], ids=["array", "list"])
def test_patches_are_exactly_the_windows_of_the_images(size, as_list):
    images = np.stack([ramp(6, 7), ramp(6, 7, first=1000)])
    height, width = (size, size) if isinstance(size, int) else size
    drawn = sample_patches(list(images) if as_list else images, size, 500, random_state=0)
    # at most 40 windows: 500 draws miss one with probability below 40 * (39/40)^500 = 1e-4
    assert {tuple(patch) for patch in drawn} == windows_of(images, height, width)


def test_images_of_differing_sizes_give_windows_in_proportion_to_their_positions():
    images = [ramp(4, 4), ramp(13, 4, first=1000)]  # 2 x 2 patches: 9 and 36 positions
    drawn = sample_patches(images, 2, 4500, random_state=0)
    assert {tuple(patch) for patch in drawn} == windows_of(images, 2, 2)
    from_first = (drawn[:, 0] < 1000).sum()
    assert abs(from_first - 900) < 5 * np.sqrt(4500 * 0.2 * 0.8)  # five standard deviations


@pytest.mark.parametrize("as_list", [False, True], ids=["array", "list"])
def test_colour_patches_keep_their_channels_last(as_list):
    grey = ramp(5, 5)
    image = np.stack([grey, grey + 100, grey + 200], axis=-1)
    drawn = sample_patches([image] if as_list else image[np.newaxis], 2, 20, random_state=0)
    red, green, blue = np.moveaxis(drawn.reshape(20, 2, 2, 3), -1, 0)
    assert_array_equal(green, red + 100)
    assert_array_equal(blue, red + 200)
    assert {tuple(patch.ravel()) for patch in red} <= windows_of([grey], 2, 2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.uint8, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int64, np.float64),
        (np.uint16, np.float64),
    ],
)
def test_type_of_patches_follows_the_images(given, expected):
    assert sample_patches(ramp(5, 5, dtype=given)[np.newaxis], 2, 3).dtype == expected


def test_one_double_precision_image_makes_all_patches_double():
    images = [ramp(5, 5, dtype=np.uint8), ramp(5, 5, dtype=np.float64)]
    assert sample_patches(images, 2, 3).dtype == np.float64


def test_flat_patches_are_replaced_by_others():
    image = np.zeros((20, 20))
    image[:, 10:] = 10 * np.random.default_rng(0).standard_normal((20, 10))
    drawn = sample_patches([image], 4, 300, min_variance=20.0, random_state=0)
    assert len(drawn) == 300
    assert drawn.var(axis=1).min() >= 20.0
    assert sample_patches([image], 4, 300, random_state=0).var(axis=1).min() == 0.0


def test_a_patch_of_one_colour_is_flat_however_strong_the_colour():
    red = np.zeros((1, 8, 8, 3), dtype=np.uint8)
    red[..., 0] = 255
    with pytest.raises(ValueError, match="min_variance=1"):
        sample_patches(red, 4, 2, min_variance=1, random_state=0)


def test_too_few_patches_of_enough_variance_end_in_an_error_that_says_so():
    image = np.zeros((300, 300))
    image[0, 0] = 100.0  # one position of 88,804 has contrast
    with pytest.raises(ValueError, match=r"Only \d+ of \d+ patches .* min_variance=1\.0"):
        sample_patches([image], 3, 5, min_variance=1.0, random_state=0)


@pytest.mark.parametrize("shape", [(3, 12, 8), (3, 8, 12)])
def test_a_patch_larger_than_an_image_is_refused_by_both_sizes(shape):
    with pytest.raises(
        ValueError, match=r"patch_size must not exceed .* got patch_size=10x10 for an image of"
    ):
        sample_patches(np.zeros(shape), 10, 1)


def test_a_patch_may_be_the_whole_image():
    image = ramp(4, 6)
    assert_array_equal(sample_patches([image], (4, 6), 2), np.tile(image.ravel(), (2, 1)))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((5, 5)), "Pass a single image as a list of one image"),
        ([], "Found 0 images"),
        (np.zeros((0, 5, 5)), "Found 0 images"),
        ([np.zeros((5, 5)), np.zeros((5, 5, 3))], "the same number of channels"),
        (np.zeros((1, 5, 5), dtype=complex), "real numbers"),
        (np.full((1, 5, 5), "a"), "real numbers"),
        (np.full((1, 5, 5), np.nan), "images contains NaN"),
    ],
)
def test_invalid_images_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        sample_patches(images, 2, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"patch_size": 0, "max_patches": 1}, ValueError, "patch_size == 0"),
        ({"patch_size": (2, 2, 2), "max_patches": 1}, ValueError, "patch_size must be"),
        (
            {"patch_size": 2.5, "max_patches": 1},
            TypeError,
            "patch_size must be an instance of int, not float",
        ),
        ({"patch_size": 2, "max_patches": 0}, ValueError, "max_patches == 0"),
        (
            {"patch_size": 2, "max_patches": 1.5},
            TypeError,
            "max_patches must be an instance of int",
        ),
        (
            {"patch_size": 2, "max_patches": 1, "min_variance": -1.0},
            ValueError,
            "min_variance == -1",
        ),
        (
            {"patch_size": 2, "max_patches": 1, "min_variance": np.nan},
            ValueError,
            "min_variance == nan",
        ),
    ],
)
def test_invalid_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        sample_patches(np.zeros((1, 5, 5)), **arguments)


READ_A_FILE_WITHOUT_MEMORY_FOR_IT = """
import resource, sys
import numpy as np
from sklearn_ebm.datasets import sample_patches

images = np.load(sys.argv[1], mmap_mode="r")
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
limit = in_use + 400 * 2**20  # the file is four times as large
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(sample_patches(images, 12, 500, random_state=0).shape)
"""


@pytest.mark.no_cover
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_memory_map_larger_than_free_memory_is_read_only_where_patches_lie(tmp_path):
    path = tmp_path / "images.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (4000, 640, 640)).flush()  # 1.6 GB, sparse
    command = [sys.executable, "-c", READ_A_FILE_WITHOUT_MEMORY_FOR_IT, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(500, 144)", done.stderr


def test_the_same_seed_draws_the_same_patches_and_another_seed_others():
    images = ramp(50, 50)[np.newaxis]
    first, again, other = (sample_patches(images, 4, 20, random_state=s) for s in (1, 1, 2))
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_normalized_patches_have_mean_zero_and_variance_one_in_any_unit(dtype, unit):
    patches = (unit * (5 + np.random.default_rng(0).standard_normal((40, 36)))).astype(dtype)
    normalized = normalize_patches(patches)
    assert normalized.dtype == dtype
    rounding = 10 * np.finfo(dtype).eps  # one rounding per value, values up to 4
    assert_allclose(normalized.mean(axis=1, dtype=np.float64), 0, atol=rounding)
    assert_allclose(normalized.var(axis=1, dtype=np.float64), 1, rtol=rounding)
    centred = patches - patches.mean(axis=1, keepdims=True, dtype=np.float64)
    cosine = (centred * normalized).sum(axis=1) / (np.linalg.norm(centred, axis=1) * 6)
    assert_allclose(cosine, 1, rtol=rounding)


def test_a_constant_patch_becomes_zero_and_not_amplified_rounding(dtype):
    patches = np.repeat(np.array([[0.1], [0.0], [1e30], [-1 / 3]], dtype=dtype), 49, axis=1)
    assert_array_equal(normalize_patches(patches), 0)


def test_normalizing_leaves_its_input_alone(dtype):
    before = ramp(7, 9, dtype=dtype)
    after = before.copy()
    normalize_patches(after)
    assert_array_equal(after, before)


def test_natural_images_are_the_luminance_of_the_photographs(dtype):
    images = load_natural_images(dtype=dtype)
    assert images.dtype == dtype
    for image, colours in zip(images, load_sample_images().images, strict=True):
        # weights of ITU-R BT.601; one rounding of 255 in float32
        assert_allclose(image, colours @ [0.299, 0.587, 0.114], atol=2e-5)
    assert_array_equal(load_natural_images(), load_natural_images(dtype=np.float32))


def test_natural_patches_are_windows_of_the_photographs_in_grey():
    patches = load_natural_patches(50, patch_size=(6, 9), normalize=False, dtype=np.float64)
    grey = [image @ [0.299, 0.587, 0.114] for image in load_sample_images().images]
    for patch in patches[:5]:
        found = []
        for image in grey:
            windows = np.lib.stride_tricks.sliding_window_view(image, (6, 9))
            begin_alike = windows[np.isclose(windows[..., 0, 0], patch[0], rtol=0, atol=1e-9)]
            found.extend(np.abs(begin_alike.reshape(-1, 54) - patch).max(axis=1))
        assert min(found) < 1e-9
    assert patches.var(axis=1).min() >= 25.0


def test_natural_patches_are_contrast_normalised_by_default():
    patches = load_natural_patches(200)
    assert patches.shape == (200, 144)
    assert patches.dtype == np.float32
    # one float32 rounding of each value
    assert_allclose(np.linalg.norm(patches.astype(np.float64), axis=1), 12, rtol=1e-6)
    raw = load_natural_patches(200, normalize=False)
    assert_allclose(patches, normalize_patches(raw), atol=1e-4)  # rounded relative to 255


def test_natural_patches_come_in_the_type_asked_for(dtype):
    assert load_natural_patches(10, patch_size=5, dtype=dtype).dtype == dtype
