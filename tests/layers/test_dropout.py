"""Dropout: no effect in transform; in training, independent zeros that preserve the mean."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_ebm import Dropout
from sklearn_ebm.learning._network import RowStream
from tests.layers.derivatives import recorded

SHARE = 0.3


@pytest.fixture
def x(dtype):
    return np.random.default_rng(0).standard_normal((400, 3, 5, 2)).astype(dtype) + 3


@parametrize_with_checks([Dropout()])
def test_dropout_is_a_transformer_of_scikit_learn(estimator, check):
    check(estimator)


def test_what_is_not_trained_passes_without_a_copy(x):
    for X in (x, x[..., 0].copy(), x.reshape(len(x), -1)):
        passed = Dropout(SHARE).fit_transform(X)
        assert_array_equal(passed, X)
        assert np.shares_memory(passed, X)
        assert Dropout(SHARE).forward(X) is X
    codes = sparse.csr_array(x.reshape(len(x), -1) * (x.reshape(len(x), -1) > 4))
    assert (Dropout().fit_transform(codes) != codes).nnz == 0


def test_a_share_is_left_out_and_the_others_make_up_for_it(x):
    """The number of zeros is binomial; other values are divided by the remaining share."""
    y = Dropout(SHARE).forward(x, stream=RowStream(1))
    assert y.dtype == x.dtype
    kept = y != 0
    assert_allclose(y[kept], x[kept] / (1 - SHARE), rtol=1e-6)
    deviation = np.sqrt(SHARE * (1 - SHARE) / x.size)
    assert abs(np.mean(~kept) - SHARE) < 4 * deviation
    by_feature = np.mean(~kept, axis=0)
    assert np.all(np.abs(by_feature - SHARE) < 5 * np.sqrt(SHARE * (1 - SHARE) / len(x)))


def test_the_derivative_is_zero_where_the_input_was_left_out(x):
    """<y, dy> = <x, dx>, since the layer is linear for given zeros."""
    layer = Dropout(SHARE)
    y, tape = recorded(layer, x, RowStream(1))
    dy = np.random.default_rng(2).standard_normal(y.shape).astype(x.dtype)
    dx, _ = layer.backward(tape, dy)
    assert_array_equal(dx == 0, y == 0)
    assert_allclose(np.sum(y * dy, dtype=float), np.sum(x * dx, dtype=float), rtol=1e-4)


def test_the_derivative_of_what_passes_is_what_comes_back(x):
    layer = Dropout()
    _, tape = recorded(layer, x)
    assert layer.backward(tape, x)[0] is x


@pytest.mark.parametrize("share", [-0.1, 1.0, "half"])
def test_a_share_that_leaves_nothing_is_refused(share, x):
    with pytest.raises(ValueError, match="The 'share' parameter of Dropout must be a float in"):
        Dropout(share).fit(x)
