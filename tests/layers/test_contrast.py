"""Local contrast normalisation compared with loops over pixels and windows."""

import pickle

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ebm import LocalContrastNormalizer
from sklearn_ebm.inputs import _images
from tests.layers.derivatives import (
    assert_backward_is_the_derivative,
    assert_backward_is_the_transpose,
    recorded,
)

SHAPES = {  # height, width, channels
    "grey": (7, 20, 1),
    "colour": (6, 5, 3),
    "maps": (4, 3, 19),  # smaller than the window
    "signal": (1, 21, 1),
    "pixel": (1, 1, 3),
}
ROUNDINGS = 32  # for numbers of order one: maximum difference of sums over windows and maps


def textured(*shape, dtype=np.float64):
    """Return noise on a ramp, strong on one side and weak on the other, for both cases of max."""
    noise = np.random.default_rng(0).standard_normal(shape)
    ramp = np.linspace(0.1, 1, shape[2])[:, None]
    return (ramp + noise * ramp).astype(dtype)


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def images(request, dtype):
    return textured(3, *request.param, dtype=dtype)


def window_at(i, j, height, width, size):
    """Return the weights of all pixels in the window around a pixel, which sum to one."""
    rows, columns = np.arange(height)[:, None] - i, np.arange(width) - j
    weights = np.exp(-(rows**2 + columns**2) / (2 * (size / 4) ** 2))
    weights[np.maximum(abs(rows), abs(columns)) > size // 2] = 0
    return weights / weights.sum()


def local_means(image, size):
    """Return the means over the window and all maps."""
    height, width, _ = image.shape
    means = np.empty((height, width, 1))
    for i in range(height):
        for j in range(width):
            weights = window_at(i, j, height, width, size)
            means[i, j] = np.tensordot(weights, image.mean(axis=-1))
    return means


def normalized(images, size, divide=True):
    """Compute the definition, image by image."""
    result = np.empty(images.shape)
    for n, image in enumerate(images.astype(float)):
        centred = image - local_means(image, size)
        sigma = np.sqrt(local_means(centred**2, size))
        result[n] = centred / np.maximum(sigma.mean(), sigma) if divide else centred
    return result


@parametrize_with_checks(
    [LocalContrastNormalizer(), LocalContrastNormalizer(3), LocalContrastNormalizer(divide=False)]
)
def test_normalizer_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("divide", [True, False])
@pytest.mark.parametrize("size", [1, 3, 9])
def test_output_is_as_defined_and_of_the_same_type(images, size, divide):
    if size == images.shape[-1] == 1:
        pytest.skip("a window of one pixel of one map leaves nothing to divide")
    output = LocalContrastNormalizer(size, divide=divide).transform(images)
    assert output.dtype == images.dtype
    expected = normalized(images, size, divide)
    assert_allclose(output, expected, atol=ROUNDINGS * np.finfo(images.dtype).eps)


def test_a_window_of_one_pixel_of_one_map_leaves_nothing(dtype):
    assert not LocalContrastNormalizer(1).transform(textured(2, 5, 6, 1, dtype=dtype)).any()


@pytest.mark.parametrize("level", [0.0, 0.1, -3e4])
def test_a_constant_image_becomes_zero_to_its_border_and_has_no_derivative(images, level):
    images[1] = level
    layer = LocalContrastNormalizer(5)
    y, tape = recorded(layer, images)
    for output in (y, layer.transform(images), layer.backward(tape, np.ones_like(y))[0]):
        assert output.dtype == images.dtype
        assert not output[1].any()
        assert np.isfinite(output).all()


def test_what_differs_from_a_constant_by_rounding_only_is_not_blown_up(dtype):
    images = np.full((1, 8, 9, 2), 3.0, dtype)
    images[0, ::2, ::3] = np.nextafter(dtype.type(3), dtype.type(4))
    assert not LocalContrastNormalizer(3).transform(images).any()


def test_borders_of_an_even_texture_are_as_strong_as_its_middle():
    """The deviation of noise is constant, up to the error of an estimate from 500 values."""
    noise = np.random.default_rng(0).standard_normal((500, 20, 20))
    strength = LocalContrastNormalizer(5).transform(noise + 10).std(axis=0)
    middle = strength[5:-5, 5:-5].mean()
    for border in (strength[0], strength[:, 0], strength[-1], strength[:, -1]):
        # the window is cut in half at the border, and its mean removes more of the noise
        assert_allclose(border.mean(), middle, rtol=0.1)


def test_brightness_and_contrast_of_an_image_do_not_matter(images):
    layer = LocalContrastNormalizer(5)
    rtol = 8 * ROUNDINGS * np.finfo(images.dtype).eps  # the level costs some digits
    assert_allclose(layer.transform(4 * images - 3), layer.transform(images), atol=rtol)


def test_an_image_does_not_see_the_others(images):
    layer = LocalContrastNormalizer(5)
    alone = np.concatenate([layer.transform(images[n : n + 1]) for n in range(3)])
    assert_array_equal(layer.transform(images), alone)


@pytest.mark.parametrize("size", [3, 9])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_backward_is_the_derivative_of_forward(shape, size):
    x = textured(2, *shape)
    assert_backward_is_the_derivative(LocalContrastNormalizer(size), x, rtol=1e-6)


def test_both_cases_of_the_divisor_are_drawn():
    for shape in (SHAPES["grey"], SHAPES["colour"], SHAPES["maps"]):
        centred = normalized(textured(1, *shape), 3, divide=False)[0]
        sigma = np.sqrt(local_means(centred**2, 3))
        assert 0.1 < (sigma > sigma.mean()).mean() < 0.9


@pytest.mark.parametrize("size", [1, 3, 9])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_subtraction_goes_back_by_the_transpose(shape, size):
    layer = LocalContrastNormalizer(size, divide=False)
    if shape[-1] > 1:
        assert_backward_is_the_transpose(layer, textured(2, *shape))
    x = textured(2, *shape)
    assert_backward_is_the_derivative(layer, x)


def test_rows_grey_images_and_maps_of_one_channel_give_the_same():
    maps = textured(3, 6, 8, 1)
    output = LocalContrastNormalizer(5).transform(maps)
    assert_array_equal(LocalContrastNormalizer(5).transform(maps[..., 0]), output[..., 0])
    flat = LocalContrastNormalizer(5, image_shape=(6, 8)).transform(maps.reshape(3, 48))
    assert_array_equal(flat, output.reshape(3, 48))
    signals = LocalContrastNormalizer(5).transform(maps.reshape(3, 48))
    assert_array_equal(signals, LocalContrastNormalizer(5).transform(maps.reshape(3, 1, 48))[:, 0])


@pytest.mark.parametrize("divide", [True, False])
def test_strict_arrays_give_strict_arrays_of_the_same_numbers(images, divide):
    strict, layer = array_api_strict.asarray(images), LocalContrastNormalizer(3, divide=divide)
    output = layer.fit_transform(strict)
    dy = np.random.default_rng(1).standard_normal(images.shape).astype(images.dtype)
    y, tape = recorded(layer, strict)
    dx, _ = layer.backward(tape, array_api_strict.asarray(dy))
    expected, its_tape = recorded(layer, images)
    its_dx, _ = layer.backward(its_tape, dy)
    for ours, theirs in [(output, expected), (y, expected), (dx, its_dx)]:
        assert ours.__array_namespace__() is strict.__array_namespace__()
        assert np.asarray(ours).dtype == theirs.dtype == images.dtype
        atol = ROUNDINGS * np.finfo(images.dtype).eps * max(1, np.abs(theirs).max())
        assert_allclose(np.asarray(ours), theirs, atol=atol)


@pytest.mark.gpu
def test_a_device_normalizes_as_the_host_does(cupy, images):
    layer, away = LocalContrastNormalizer(3), cupy.asarray(images)
    output = layer.fit_transform(away)
    assert isinstance(output, cupy.ndarray)
    (y, tape), (its_y, its_tape) = recorded(layer, away), recorded(layer, images)
    dy = np.random.default_rng(1).standard_normal(images.shape).astype(images.dtype)
    dx, its_dx = layer.backward(tape, cupy.asarray(dy))[0], layer.backward(its_tape, dy)[0]
    for ours, theirs in [(output, its_y), (y, its_y), (dx, its_dx)]:
        assert ours.dtype == images.dtype
        atol = ROUNDINGS * np.finfo(images.dtype).eps * max(1, np.abs(theirs).max())
        assert_allclose(ours.get(), theirs, atol=atol)


def test_input_is_left_alone(images):
    images.setflags(write=False)
    before = images.copy()
    for divide in (True, False):
        layer = LocalContrastNormalizer(3, divide=divide)
        _, tape = recorded(layer, images)
        layer.backward(tape, images)
        output = layer.transform(images)
        output += 1
    assert_array_equal(images, before)


def test_views_are_read_where_they_stand(dtype):
    images = textured(2, 12, 10, 4, dtype=dtype)
    layer = LocalContrastNormalizer(3)
    for view in (images[:, ::2, ::-1], images[..., 1:3], images.transpose(0, 2, 1, 3)):
        assert_array_equal(layer.transform(view), layer.transform(view.copy()))


def test_batches_do_not_show(monkeypatch, images):
    expected = LocalContrastNormalizer(3).transform(images)
    monkeypatch.setattr(_images, "BATCH_ENTRIES", 1)
    assert_array_equal(LocalContrastNormalizer(3).transform(images), expected)


def test_a_pickled_layer_gives_the_same(images):
    layer = LocalContrastNormalizer(np.int64(3)).fit(images)
    copy = pickle.loads(pickle.dumps(layer))
    assert_array_equal(copy.transform(images), LocalContrastNormalizer(3).transform(images))


def test_features_keep_their_names():
    layer = LocalContrastNormalizer(image_shape=(2, 2)).fit(np.ones((1, 4)))
    assert list(layer.get_feature_names_out()) == ["x0", "x1", "x2", "x3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_size": 4}, "window_size must be odd, so that the window has a centre, got 4"),
        ({"window_size": 0}, "'window_size' parameter of LocalContrastNormalizer must be an int"),
        ({"divide": "yes"}, "'divide' parameter of LocalContrastNormalizer must be"),
        ({"image_shape": (3, 3)}, r"X has 8 features, but image_shape=\(3, 3\) requires"),
    ],
)
def test_invalid_parameters_are_refused_with_and_without_fit(options, message):
    for use in ("fit", "transform"):
        with pytest.raises(ValueError, match=message):
            getattr(LocalContrastNormalizer(**options), use)(np.zeros((2, 8)))
