"""Pooling compared with loops over windows."""

import itertools
import pickle

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ebm import Pooler
from sklearn_ebm.inputs import _images
from tests.layers.derivatives import (
    assert_backward_is_the_derivative,
    assert_backward_is_the_transpose,
    recorded,
)

REDUCTIONS = {"average": np.mean, "max": np.max, "l2": np.linalg.norm}
WINDOWS = {  # six windows on maps of 5 x 7
    "side by side": {"pool_shape": 2},
    "one pixel": {"pool_shape": 1},
    "overlapping": {"pool_shape": (3, 2), "pool_stride": (1, 2)},
    "apart": {"pool_shape": 2, "pool_stride": 3},
    "the whole": {"pool_shape": (5, 7)},
    "groups of maps": {"pool_shape": (2, 3), "pool_stride": 1, "map_groups": 3},
    "groups alone": {"pool_shape": 1, "map_groups": 2},
}


@pytest.fixture
def maps(dtype):
    return np.random.default_rng(0).standard_normal((3, 5, 7, 6)).astype(dtype)


def pooled(maps, mode, pool_shape, pool_stride=None, map_groups=1):
    """Apply the function to each window, by its definition."""
    pool_stride = pool_shape if pool_stride is None else pool_stride
    size, stride = (np.broadcast_to(each, 2) for each in (pool_shape, pool_stride))
    _, height, width, n_maps = maps.shape
    rows = range(0, height - size[0] + 1, stride[0])
    columns = range(0, width - size[1] + 1, stride[1])
    groups = range(0, n_maps, map_groups)
    result = np.empty((len(maps), len(rows), len(columns), len(groups)))
    for n, (a, i), (b, j), (c, k) in itertools.product(
        range(len(maps)), enumerate(rows), enumerate(columns), enumerate(groups)
    ):
        window = maps[n, i : i + size[0], j : j + size[1], k : k + map_groups]
        result[n, a, b, c] = REDUCTIONS[mode](window.astype(float).ravel())
    return result


@parametrize_with_checks([Pooler(mode) for mode in REDUCTIONS])
def test_pooler_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("mode", REDUCTIONS)
def test_output_is_as_defined_and_of_the_same_type(maps, mode, windows):
    output = Pooler(mode, **windows).transform(maps)
    assert output.dtype == maps.dtype
    # a window has at most 35 entries, and as many roundings
    assert_allclose(output, pooled(maps, mode, **windows), atol=35 * np.finfo(maps.dtype).eps)


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("mode", REDUCTIONS)
def test_backward_is_the_derivative_of_forward(mode, windows):
    x = np.random.default_rng(0).standard_normal((2, 5, 7, 6))
    assert_backward_is_the_derivative(Pooler(mode, **windows), x)


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
def test_averages_go_back_by_the_transpose(windows):
    x = np.random.default_rng(0).standard_normal((2, 5, 7, 6))
    assert_backward_is_the_transpose(Pooler(**windows), x)


def test_of_several_largest_the_first_gets_the_derivative():
    """The first one in the order of rows, columns and maps."""
    x = np.zeros((1, 2, 2, 2))
    x[0, 0, 1, 1] = x[0, 1, 0, 0] = x[0, 1, 1, 1] = 3.0
    layer = Pooler("max", map_groups=2)
    y, tape = recorded(layer, x)
    dx, _ = layer.backward(tape, np.full_like(y, 5.0))
    expected = np.zeros_like(x)
    expected[0, 0, 1, 1] = 5.0
    assert_array_equal(dx, expected)


def test_a_pixel_that_is_the_largest_of_several_windows_gets_all_of_their_derivatives():
    x = np.array([0.0, 9.0, 0.0]).reshape(1, 1, 3, 1)
    layer = Pooler("max", pool_stride=1)
    _, tape = recorded(layer, x)
    dx, _ = layer.backward(tape, np.array([2.0, 5.0]).reshape(1, 1, 2, 1))
    assert_array_equal(dx.ravel(), [0.0, 7.0, 0.0])


@pytest.mark.parametrize("mode", REDUCTIONS)
def test_at_zero_derivatives_are_finite_and_types_are_kept(dtype, mode):
    layer = Pooler(mode)
    y, tape = recorded(layer, np.zeros((1, 4, 4, 1), dtype))
    dx, _ = layer.backward(tape, np.ones_like(y))
    expected = {"average": np.full((4, 4), 0.25), "max": np.kron(np.ones((2, 2)), [[1, 0], [0, 0]])}
    assert_array_equal(dx[0, :, :, 0], expected.get(mode, np.zeros((4, 4))))
    assert y.dtype == dx.dtype == dtype


@pytest.mark.parametrize("mode", REDUCTIONS)
def test_rows_grey_images_and_maps_of_one_channel_give_the_same(mode):
    images = np.random.default_rng(0).standard_normal((3, 6, 8))
    output = Pooler(mode).transform(images)
    assert output.shape == (3, 3, 4)
    assert_array_equal(Pooler(mode).transform(images[..., None]), output[..., None])
    flat = Pooler(mode, image_shape=(6, 8)).transform(images.reshape(3, 48))
    assert_array_equal(flat, output.reshape(3, 12))


def test_on_rows_without_a_shape_a_number_is_a_length():
    output = Pooler("max", pool_shape=3, pool_stride=2).transform([[1, 5, 2, 0, 4, 3]])
    assert_array_equal(output, [[5, 4]])


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize("mode", REDUCTIONS)
def test_strict_arrays_give_strict_arrays_of_the_same_numbers(maps, mode, windows):
    strict, layer = array_api_strict.asarray(maps), Pooler(mode, **windows)
    output = layer.fit_transform(strict)
    y, tape = recorded(layer, strict)
    dx, _ = layer.backward(tape, y)
    expected, its_tape = recorded(layer, maps)
    for ours, theirs in [
        (output, expected),
        (y, expected),
        (dx, layer.backward(its_tape, expected)[0]),
    ]:
        assert ours.__array_namespace__() is strict.__array_namespace__()
        assert np.asarray(ours).dtype == maps.dtype
        assert_array_equal(np.asarray(ours), theirs)


@pytest.mark.gpu
@pytest.mark.parametrize("mode", REDUCTIONS)
def test_a_device_pools_as_the_host_does(cupy, maps, mode):
    away, layer = cupy.asarray(maps), Pooler(mode, map_groups=2)
    output = layer.fit_transform(away)
    assert isinstance(output, cupy.ndarray)
    assert output.dtype == maps.dtype
    eps = np.finfo(maps.dtype).eps
    assert_allclose(output.get(), layer.transform(maps), atol=8 * eps)
    (y, tape), (its_y, its_tape) = recorded(layer, away), recorded(layer, maps)
    dx, its_dx = layer.backward(tape, y)[0], layer.backward(its_tape, its_y)[0]
    assert_allclose(dx.get(), its_dx, atol=8 * eps)


@pytest.mark.parametrize("mode", REDUCTIONS)
@pytest.mark.parametrize("size", [1, 2])
def test_input_is_left_alone(maps, mode, size):
    maps.setflags(write=False)
    before, layer = maps.copy(), Pooler(mode, size)
    for output in (layer.transform(maps), layer.forward(maps)):
        output += 1
    assert_array_equal(maps, before)


@pytest.mark.parametrize("mode", REDUCTIONS)
def test_batches_do_not_show(monkeypatch, maps, mode):
    expected = Pooler(mode, pool_shape=3).transform(maps)
    monkeypatch.setattr(_images, "BATCH_ENTRIES", 1)
    assert_array_equal(Pooler(mode, pool_shape=3).transform(maps), expected)


def test_layers_with_a_grid_of_numpy_numbers_and_pickled_ones_give_the_same(maps):
    layer = Pooler("max", np.int64(2), pool_stride=(np.int32(1), 2), map_groups=np.int64(2)).fit(
        maps
    )
    expected = Pooler("max", 2, pool_stride=(1, 2), map_groups=2).transform(maps)
    assert_array_equal(pickle.loads(pickle.dumps(layer)).transform(maps), expected)


def test_output_features_have_names_after_a_fit():
    layer = Pooler(image_shape=(4, 6))
    with pytest.raises(NotFittedError):
        layer.get_feature_names_out()
    layer.fit(np.zeros((1, 24)))
    assert list(layer.get_feature_names_out()) == [f"pooler{k}" for k in range(6)]


@pytest.mark.parametrize("wrap", [np.asarray, array_api_strict.asarray], ids=["numpy", "strict"])
@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        (
            {"pool_shape": 4},
            (2, 3, 5),
            "X has images of 3 x 5, but Pooler is expecting at least 4 x 4 [(]pool_shape=4[)][.]$",
        ),
        (
            {"pool_shape": (2, 2)},
            (2, 9),
            r"images of 1 x 9 \(n_features = 9\), but Pooler is expecting .* 2 x 2",
        ),
        ({"map_groups": 4}, (2, 3, 5, 6), "a multiple of map_groups=4, got 6"),
        (
            {"pool_shape": (2, 2, 2)},
            (2, 3, 5),
            r"pool_shape must be a .* pair of positive integers.*got \(2, 2, 2\)",
        ),
        (
            {"pool_stride": (1, 0)},
            (2, 3, 5),
            r"pool_stride must be a .* pair of positive integers.*got \(1, 0\)",
        ),
        (
            {"pool_shape": (1.5, 2)},
            (2, 3, 5),
            r"pool_shape must be a positive integer .* got \(1.5, 2\)",
        ),
        ({"pool_shape": 0}, (2, 3, 5), "'pool_shape' parameter of Pooler must be"),
        ({"mode": "median"}, (2, 3, 5), "'mode' parameter of Pooler must be a str among"),
    ],
)
def test_images_that_cannot_be_pooled_are_refused_with_and_without_fit(
    wrap, options, shape, message
):
    for use in ("fit", "transform"):
        with pytest.raises(ValueError, match=message):
            getattr(Pooler(**options), use)(wrap(np.zeros(shape)))
