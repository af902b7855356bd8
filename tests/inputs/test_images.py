"""Validation of images: accepted formats, errors, and the format of returned maps."""

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator

from sklearn_ebm.inputs import _images
from sklearn_ebm.inputs._images import ImageForm, check_images, in_batches, window_shape

LIBRARIES = [
    pytest.param(np.asarray, id="numpy"),
    pytest.param(array_api_strict.asarray, id="strict"),
]


class Probe(BaseEstimator):
    """An estimator that requests the validation."""


def numbers(*shape, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def check(X, estimator=None, *, reset=True, **options):
    estimator = Probe() if estimator is None else estimator
    return check_images(estimator, X, reset=reset, **options)


@pytest.mark.parametrize("wrap", LIBRARIES)
@pytest.mark.parametrize(
    ("shape", "image_shape", "expected"),
    [
        ((5, 12), None, (5, 1, 12, 1)),  # a signal
        ((5, 12), (3, 4), (5, 3, 4, 1)),
        ((5, 12), [2, 2, 3], (5, 2, 2, 3)),
        ((5, 3, 4), None, (5, 3, 4, 1)),
        ((5, 3, 4), (3, 4), (5, 3, 4, 1)),
        ((5, 3, 4), (3, 4, 1), (5, 3, 4, 1)),
        ((5, 2, 2, 3), None, (5, 2, 2, 3)),
        ((5, 2, 2, 3), (2, 2, 3), (5, 2, 2, 3)),
        ((5, 3, 4, 1), (3, 4), (5, 3, 4, 1)),
    ],
)
def test_all_kinds_become_images_channels_last_and_go_back(
    wrap, dtype, shape, image_shape, expected
):
    X = wrap(numbers(*shape, dtype=dtype))
    images, form = check(X, image_shape=image_shape)
    assert images.shape == expected
    assert type(images) is type(X)
    assert np.asarray(images).dtype == dtype
    assert_array_equal(np.asarray(images), np.asarray(X).reshape(expected))
    assert form == ImageForm(len(shape))
    assert_array_equal(np.asarray(form.restore(images)), np.asarray(X))


@pytest.mark.parametrize(
    ("n_dims", "n_maps", "expected"),
    [
        (2, 1, (5, 6)),
        (2, 4, (5, 24)),
        (3, 1, (5, 2, 3)),
        (3, 4, (5, 2, 3, 4)),  # the format of grey images cannot represent four maps
        (4, 1, (5, 2, 3, 1)),
        (4, 4, (5, 2, 3, 4)),
    ],
)
def test_maps_of_another_size_go_back_to_the_kind_that_came(n_dims, n_maps, expected):
    maps = numbers(5, 2, 3, n_maps)
    restored = ImageForm(n_dims).restore(maps)
    assert_array_equal(restored, maps.reshape(expected))


@pytest.mark.parametrize("shape", [(5, 12), (5, 3, 4), (5, 2, 2, 3)])
def test_what_is_fine_as_it_is_is_not_copied(shape, dtype):
    X = numbers(*shape, dtype=dtype)
    X.setflags(write=False)
    assert np.shares_memory(check(X)[0], X)


def test_a_view_of_images_is_not_copied_either():
    X = numbers(5, 6, 8, 3)[:, ::2, ::2]
    assert np.shares_memory(check(X)[0], X)


@pytest.mark.parametrize("wrap", LIBRARIES)
@pytest.mark.parametrize("shape", [(5, 12), (5, 3, 4), (5, 2, 2, 3)])
def test_integers_become_double_precision(wrap, shape):
    X = np.arange(60, dtype=np.uint8).reshape(shape)
    images, _ = check(wrap(X))
    assert np.asarray(images).dtype == np.float64
    assert_array_equal(np.asarray(images).ravel(), X.ravel())


@pytest.mark.parametrize("wrap", LIBRARIES)
def test_a_list_of_images_of_one_size_is_an_array(wrap):
    X = numbers(5, 3, 4)
    for listed in ([wrap(image) for image in X], tuple(wrap(image) for image in X)):
        images, form = check(listed)
        assert type(images) is type(wrap(X))
        assert form == ImageForm(3)
        assert_array_equal(np.asarray(images)[..., 0], X)


def test_nested_lists_are_rows_or_images_by_their_depth():
    assert check([[1, 2], [3, 4]])[0].shape == (2, 1, 2, 1)
    assert check([[[1, 2], [3, 4]]])[0].shape == (1, 2, 2, 1)


def test_an_array_of_objects_that_are_images_is_read_as_a_list():
    X = np.empty(2, dtype=object)
    X[:] = [np.zeros((3, 4)), np.ones((3, 4))]
    assert check(X)[0].shape == (2, 3, 4, 1)


def test_images_of_different_sizes_are_refused_with_a_way_out():
    sizes = [(3, 4), (3, 5), (3, 4), (6, 7), (8, 9), (1, 1), (2, 2)]
    with pytest.raises(ValueError, match=r"3 x 5, 6 x 7, 8 x 9 and 2 more\. Crop or pad"):
        check([np.zeros(size) for size in sizes])


@pytest.mark.parametrize("wrap", LIBRARIES)
def test_a_fit_counts_features_and_channels(wrap):
    for shape, image_shape, counts in [
        ((5, 12), None, (12, 1)),
        ((5, 12), (2, 2, 3), (12, 3)),
        ((5, 3, 4), None, (12, 1)),
        ((5, 2, 3, 4), None, (24, 4)),
    ]:
        estimator = Probe()
        check(wrap(numbers(*shape)), estimator, image_shape=image_shape)
        assert (estimator.n_features_in_, estimator.n_channels_in_) == counts


def test_images_forget_the_names_of_columns():
    pandas = pytest.importorskip("pandas")
    estimator = Probe()
    check(pandas.DataFrame({"left": [1.0], "right": [2.0]}), estimator)
    assert list(estimator.feature_names_in_) == ["left", "right"]
    check(numbers(5, 3, 4), estimator)
    assert not hasattr(estimator, "feature_names_in_")


def test_nothing_is_remembered_or_compared_without_a_fit():
    estimator = Probe()
    check(numbers(5, 2, 3, 4), estimator, reset=False)
    check(numbers(5, 3), estimator, reset=False)
    assert vars(estimator) == {}


@pytest.mark.parametrize("wrap", LIBRARIES)
def test_rows_are_compared_by_columns_and_images_by_channels(wrap):
    estimator = Probe()
    check(wrap(numbers(5, 3, 4)), estimator)
    check(wrap(numbers(5, 7, 8)), estimator, reset=False)
    check(wrap(numbers(5, 12)), estimator, reset=False)
    with pytest.raises(ValueError, match="X has 11 features, but Probe is expecting 12 features"):
        check(wrap(numbers(5, 11)), estimator, reset=False)
    message = (
        r"X has 3 channels, but Probe is expecting 1 channels\. Images must have shape "
        r"\(n_samples, height, width, channels\), with channels last\."
    )
    with pytest.raises(ValueError, match=message):
        check(wrap(numbers(5, 3, 4, 3)), estimator, reset=False)


@pytest.mark.parametrize("wrap", LIBRARIES)
@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.zeros(3), {}, "Expected 2D array, got 1D array instead"),
        (np.zeros((1, 1, 1, 1, 1)), {}, "Found array with dim 5, while dim <= 4 is required"),
        (np.zeros((0, 3)), {}, r"0 sample\(s\)"),
        (np.zeros((0, 3, 3)), {}, r"Found array with 0 sample\(s\) \(shape=\(0, 3, 3\)\)"),
        (np.zeros((3, 0)), {}, r"0 feature\(s\)"),
        (np.zeros((1, 0, 3)), {}, "X has images of 0 x 3, but Probe is expecting at least 1 x 1"),
        (
            np.zeros((1, 2, 2, 0)),
            {},
            "X has 0 channels, but Probe is expecting at least 1 channels[.]",
        ),
        (np.full((1, 2, 2), np.nan), {}, "Input X contains NaN"),
        (np.full((1, 4), np.nan), {}, "Input X contains NaN"),
        (np.full((1, 2, 2), np.inf), {"allow_nan": True}, "[Ii]nfinity"),
        (np.zeros((1, 2, 2), complex), {}, "[Cc]omplex|real numbers"),
        (
            np.zeros((5, 12)),
            {"image_shape": (3, 5)},
            r"X has 12 features, but image_shape=\(3, 5\) requires 3 x 5 x 1 = 15",
        ),
        (
            np.zeros((5, 3, 4)),
            {"image_shape": (4, 3)},
            r"X has images of 3 x 4 x 1 .* but image_shape=\(4, 3\) requires 4 x 3 x 1",
        ),
        (np.zeros((5, 12)), {"image_shape": (2.5, 2)}, "image_shape must be .* positive integers"),
        (np.zeros((5, 12)), {"image_shape": (-3, -4)}, "image_shape must be .* positive integers"),
        (np.zeros((5, 12)), {"image_shape": (12,)}, r"image_shape must be \(height, width\)"),
        (np.zeros((5, 12)), {"image_shape": 12}, r"image_shape must be \(height, width\)"),
        (
            np.zeros((5, 12)),
            {"image_shape": (3, 4), "smallest": (9, 2)},
            r"X has images of 3 x 4 \(n_features = 12\), but Probe is expecting at least 9 x 2\.$",
        ),
        (
            np.zeros((5, 1)),
            {"smallest": 2},
            r"\(n_features = 1\), but Probe is expecting at least 1 x 2",
        ),
        (
            np.zeros((5, 9, 3)),
            {"smallest": 4},
            "images of 9 x 3, but Probe is expecting at least 4 x 4",
        ),
        (
            np.zeros((5, 3, 32, 32)),
            {"smallest": (9, 9)},
            r"shape \(5, 3, 32, 32\) looks like images with channels first. Images must have shape",
        ),
        (
            np.zeros((5, 2, 2, 2)),
            {"accept_channels": (1, 3)},
            "X has 2 channels, but Probe is expecting 1 or 3 channels. Images must",
        ),
    ],
)
def test_invalid_input_is_refused_with_the_reason(wrap, X, options, message):
    with pytest.raises(ValueError, match=message):
        check(wrap(X), **options)


def test_lists_of_rows_of_different_lengths_are_refused_as_scikit_learn_does():
    with pytest.raises(ValueError, match="inhomogeneous"):
        check([[1, 2], [3]])


def test_sparse_rows_are_refused_as_scikit_learn_does():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        check(sparse.csr_array(np.eye(3)))


@pytest.mark.parametrize("wrap", LIBRARIES)
@pytest.mark.parametrize("shape", [(1, 4), (1, 2, 2)])
def test_nan_may_pass_where_it_is_asked_to(wrap, shape):
    images, _ = check(wrap(np.full(shape, np.nan)), allow_nan=True)
    assert np.isnan(np.asarray(images)).all()


@pytest.mark.parametrize(
    ("size", "height", "expected"),
    [(3, 8, (3, 3)), (3, 1, (1, 3)), ((2, 3), 8, (2, 3)), ((2, 3), 1, (2, 3))],
)
def test_a_number_is_a_square_window_but_on_signals(size, height, expected):
    assert window_shape(size, height) == expected


@pytest.mark.parametrize("wrap", LIBRARIES)
@pytest.mark.parametrize("entries", [1, 24, 1000])
def test_batches_are_bounded_and_leave_nothing_out(monkeypatch, wrap, entries, dtype):
    monkeypatch.setattr(_images, "BATCH_ENTRIES", entries)
    images, sizes = wrap(numbers(7, 3, 4, 1, dtype=dtype)), []

    def halve(batch):
        sizes.append(batch.shape[0])
        return batch[:, :, ::2, :] / 2

    result = in_batches(halve, images, (7, 3, 2, 1))
    assert max(sizes) == max(1, min(7, entries // 12))
    assert sum(sizes) == 7
    assert np.asarray(result).dtype == dtype
    assert_array_equal(np.asarray(result), np.asarray(images)[:, :, ::2] / 2)
