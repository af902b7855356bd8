"""Robustness of convolutional models: masked values, zero kernels, scales and types of images."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import ConvSparseCoder
from tests.registries.image_models import kinds, learned, make, photograph_parts

QUICK = {"max_iter": 2, "tol": 0, "batch_size": 8}
ANYTHING = [np.nan, np.inf, -np.inf, 1e308]
DTYPES = [np.float16, ">f8", ">f4", np.int32, np.uint8, bool]


@pytest.fixture
def images():
    """Six small images of unit variance."""
    return photograph_parts()[:6, :12, :11].copy()


@pytest.fixture
def mask(images):
    return np.random.default_rng(0).random(images.shape) < 0.7


# Masks


@kinds
@pytest.mark.parametrize("fill", ANYTHING)
def test_whatever_is_under_a_mask_of_zero_does_not_matter(images, mask, name, fill):
    clean, filled = np.where(mask, images, 0), np.where(mask, images, fill)
    for method in ("fit", "partial_fit"):
        first, second = (
            getattr(make(name, **QUICK), method)(X, mask=mask) for X in (clean, filled)
        )
        for key, value in learned(first).items():
            assert_array_equal(learned(second)[key], value, err_msg=key)
    second.set_params(**({"inference": "optimal"} if name == "ConvPSD" else {}))
    for method in ("transform", "energy", "score_samples", "score"):
        got = getattr(second, method)
        assert_array_equal(got(filled, mask=mask), got(clean, mask=mask))
    maps = second.transform(clean, mask=mask)
    gap = second.duality_gap(filled, maps, mask=mask)
    assert_array_equal(gap, second.duality_gap(clean, maps, mask=mask))


@kinds
def test_rows_and_channels_are_masked_too(images, mask, name):
    rows = np.where(mask, images, np.nan).reshape(6, -1)
    model = make(name, image_shape=images.shape[1:], **QUICK).fit(rows, mask=mask.reshape(6, -1))
    expected = make(name, **QUICK).fit(np.where(mask, images, 0), mask=mask)
    assert_array_equal(model.components_, expected.components_)
    channels = np.where(mask, images, np.inf)[..., None] * np.ones(2)
    assert np.all(np.isfinite(make(name, **QUICK).fit(channels, mask=mask).components_))


@kinds
def test_a_mask_excuses_only_what_is_under_it(images, mask, name):
    model = make(name, **QUICK).fit(images)
    for value, words in ((np.nan, "Input X contains NaN"), (np.inf, "contains infinity")):
        bad = np.where(mask, images, value)
        seen = mask.copy()
        seen[3] = True
        for method in ("fit", "partial_fit", "transform", "energy"):
            with pytest.raises(ValueError, match=words):
                getattr(model, method)(bad, mask=seen)


@kinds
def test_the_number_for_missing_values_may_be_huge(images, mask, name):
    large, small = (
        make(name, missing_values=value, **QUICK).fit(np.where(mask, images, value))
        for value in (1e308, -9.0)
    )
    assert_array_equal(large.components_, small.components_)


# Kernels that read only empty channels


@kinds
@pytest.mark.parametrize("crop_size", ["auto", "patch"])
def test_a_kernel_of_an_empty_channel_has_a_direction_and_no_use(name, crop_size):
    """There are enough batches for unused filters to be replaced."""
    images = np.random.default_rng(0).random((5, 12, 12, 2))
    images[..., 1] = 0
    settings = {"connections": 1, "crop_size": crop_size, "alpha": 0.1, "batch_size": 1}
    model = make(name, 4, **settings, max_iter=15 if crop_size == "auto" else 1, tol=0).fit(images)
    assert_allclose(np.sum(model.components_**2, axis=(1, 2, 3)), 1, rtol=1e-12)
    unread = np.broadcast_to(~model.connections_[:, None, None, :], model.components_.shape)
    assert not np.any(model.components_[unread])
    assert_array_equal(model.usage_ > 0, model.connections_[:, 0])


@kinds
def test_a_start_with_zero_kernels_after_connections_is_refused(name):
    images = np.random.default_rng(0).random((5, 12, 12, 2))
    kernels = np.random.default_rng(1).standard_normal((3, 3, 3, 2))
    kernels[1, ..., 0] = 0
    model = make(name, 3, dictionary_init=kernels, connections=[[1, 0], [1, 0], [0, 1]])
    with pytest.raises(
        ValueError, match=r"Each filter of dictionary_init must be .* zeros in filters 1\."
    ):
        model.fit(images)


# Scales and types


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_given_kernels_out_of_the_range_of_another_dtype_are_refused(images, factor):
    kernels = factor * np.random.default_rng(1).standard_normal((3, 3, 3))
    model = make("ConvSparseCoder", 3, dictionary=kernels, **QUICK).fit(images)
    with pytest.raises(
        ValueError, match=r"components_ must have atoms .* in the range of dtype\('float32'\)"
    ):
        model.energy(images.astype(np.float32))


@kinds
def test_nothing_is_learned_from_squares_that_underflow(images, name):
    tiny = np.float32(1e-22) * images.astype(np.float32)
    with pytest.raises(ValueError, match=r"only values too small for dtype.*underflow"):
        make(name, alpha=3e-23, **QUICK).fit(tiny)
    model = make(name, **QUICK).fit(images.astype(np.float32))
    model.set_params(**({"inference": "optimal"} if name == "ConvPSD" else {}))
    assert np.all(np.abs(model.transform(tiny)) < 1e-1)  # zero, or the prediction


@pytest.mark.parametrize("factor", [2.0**-60, 2.0**60])
def test_kernels_do_not_depend_on_the_scale_of_the_images(images, factor):
    """Multiplication by a power of two is exact."""
    model = make("ConvSparseCoder", **QUICK).fit(images)
    scaled = make("ConvSparseCoder", alpha=0.3 * factor, **QUICK).fit(factor * images)
    assert_array_equal(scaled.components_, model.components_)
    assert_array_equal(scaled.transform(factor * images), factor * model.transform(images))


@kinds
@pytest.mark.parametrize("scale", ["1e30", "one outlier"])
def test_inference_of_huge_values_stops_early(name, scale):
    """alpha=1 is negligible for such values. Inference must not run until code_max_iter."""
    X = np.random.default_rng(0).standard_normal((12, 16))
    if scale == "1e30":
        X *= 1e30
    else:
        X[3] = 1e8
    model = make(name, 8, kernel_size=9, alpha=1.0, image_shape=(1, 16), **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X)
    model.set_params(**({"inference": "optimal"} if name == "ConvPSD" else {}))
    model.set_params(code_max_iter=200, code_tol=0.1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Maximum number of iterations")
        assert np.all(np.isfinite(model.transform(X)))


@kinds
@pytest.mark.parametrize("dtype", DTYPES, ids=[np.dtype(dtype).str for dtype in DTYPES])
def test_images_of_other_types_are_those_of_double_precision(images, name, dtype):
    """Single precision in any byte order is preserved."""
    X = (3 * images).astype(dtype)
    native = X.astype(np.float32 if np.dtype(dtype) == ">f4" else np.float64)
    model, expected = (make(name, **QUICK).fit(Y) for Y in (X, native))
    assert model.components_.dtype == native.dtype
    assert_array_equal(model.components_, expected.components_)
    assert_array_equal(model.transform(X), expected.transform(native))


@kinds
@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 1, 1), (1, 9, 9)], ids=str)
@pytest.mark.parametrize("value", [0.0, 1.0, None], ids=["zero", "constant", "random"])
def test_images_with_little_in_them_are_learned_from(name, shape, value):
    X = np.random.default_rng(0).standard_normal(shape) if value is None else np.full(shape, value)
    kernel_size = 1 if shape[1] == 1 else 3
    model = make(name, 2, kernel_size=kernel_size, alpha=0.1, **QUICK)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "alpha=0.1 is so large")
        model.fit(X)
    assert_allclose(np.sum(model.components_**2, axis=(1, 2, 3)), 1, rtol=1e-12)
    model.set_params(**({"inference": "optimal"} if name == "ConvPSD" else {}))
    maps = model.transform(X)
    assert np.all(np.isfinite(maps))
    assert np.all(model.duality_gap(X, maps) <= model.code_tol)
    if value == 0 and name == "ConvSparseCoder":
        assert_array_equal(maps, 0)


def test_tables_hold_maps_of_rows_only():
    images = np.random.default_rng(0).standard_normal((6, 5, 5))
    model = ConvSparseCoder(2, kernel_size=2, max_iter=1, tol=0, random_state=0)
    model.set_output(transform="pandas").fit(images)
    with pytest.raises(ValueError, match=r"which pandas cannot hold. Pass images as rows"):
        model.transform(images)
    code = model.set_output(transform="default").transform(images)
    rows = images.reshape(6, -1)
    table = model.set_params(image_shape=(5, 5)).set_output(transform="pandas").fit(rows)
    assert_array_equal(table.transform(rows), code.reshape(6, -1))
