"""Images as rows, in the order of rows, columns and channels."""

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ebm import Flattener
from tests.layers.derivatives import assert_backward_is_the_transpose, recorded


def numbers(*shape, dtype=np.float64):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


@parametrize_with_checks([Flattener()])
def test_flattener_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("wrap", [np.asarray, array_api_strict.asarray], ids=["numpy", "strict"])
def test_a_row_holds_channel_after_channel_of_column_after_column(wrap, dtype):
    images = numbers(2, 3, 4, 5, dtype=dtype)
    rows = np.asarray(Flattener().fit_transform(wrap(images)))
    assert rows.shape == (2, 60)
    assert rows.dtype == dtype
    for n, i, j, k in np.ndindex(images.shape):
        assert rows[n, (i * 4 + j) * 5 + k] == images[n, i, j, k]


def test_grey_images_and_rows_give_the_same_rows_without_a_copy():
    images = numbers(2, 3, 4)
    for X in (images, images.reshape(2, 12), images[..., None]):
        rows = Flattener((3, 4)).transform(X)
        assert_array_equal(rows, images.reshape(2, 12))
        assert np.shares_memory(rows, images)


def test_backward_brings_rows_back_to_images():
    layer, x = Flattener(), numbers(2, 3, 4, 5)
    y, tape = recorded(layer, x)
    assert_array_equal(layer.backward(tape, y)[0], x)
    assert_backward_is_the_transpose(layer, x)


def test_after_a_fit_rows_have_one_length():
    layer = Flattener().fit(numbers(2, 3, 4))
    assert_array_equal(layer.get_feature_names_out(), [f"x{k}" for k in range(12)])
    assert layer.transform(numbers(2, 4, 3)).shape == (2, 12)
    with pytest.raises(ValueError, match="X has 20 features, but Flattener is expecting 12"):
        layer.transform(numbers(2, 4, 5))


def test_images_of_another_shape_than_asked_for_are_refused():
    with pytest.raises(ValueError, match=r"image_shape=\(3, 4\) requires 3 x 4 x 1"):
        Flattener((3, 4)).transform(numbers(2, 4, 3))
