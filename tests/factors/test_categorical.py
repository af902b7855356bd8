"""Categorical units: the softmax of each feature, draws from it, and one-hot columns of codes."""

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp, softmax

from sklearn_ebm.backends._random import Key
from sklearn_ebm.factors import OneHot
from sklearn_ebm.factors.units import BernoulliUnits, CategoricalUnits
from sklearn_ebm.inputs._categories import Categories

SIZES = (3, 1, 5, 2, 3)
FIRST = np.cumsum(SIZES) - SIZES
backends = pytest.mark.parametrize("name", ["numpy", "numba"])


def units_of(sizes=SIZES, dtype=float):
    bias = np.random.default_rng(0).normal(0, 1, sum(sizes)).astype(dtype)
    return CategoricalUnits(bias, categories=Categories(sizes))


def some_field(n_rows=6, sizes=SIZES, dtype=float):
    return np.random.default_rng(1).normal(0, 2, (n_rows, sum(sizes))).astype(dtype)


def some_codes(n_rows=6, sizes=SIZES):
    return np.random.default_rng(2).integers(sizes, size=(n_rows, len(sizes))).astype(float)


def by_feature(rows, sizes=SIZES):
    return np.split(rows, np.cumsum(sizes)[:-1], axis=1)


@pytest.mark.parametrize("sizes", [SIZES, (4, 4, 4), (1,)])
def test_means_are_the_softmax_of_each_feature(sizes):
    units, field = units_of(sizes), some_field(sizes=sizes)
    expected = [softmax(part, axis=1) for part in by_feature(field + units.bias, sizes)]
    assert_allclose(units.mean(field.copy()), np.concatenate(expected, axis=1), rtol=1e-13)


def test_the_log_partition_is_the_sum_over_all_states_of_the_features():
    units, field = units_of(), some_field()
    expected = sum(logsumexp(part, axis=1) for part in by_feature(field + units.bias))
    assert_allclose(units.log_partition(field), expected, rtol=1e-13)


def test_fields_beyond_the_range_of_exponents_have_finite_means():
    units, field = units_of(), 1e4 * some_field()
    assert np.all(np.isfinite(units.log_partition(field)))
    mean = units.mean(field.copy())
    assert_allclose(np.add.reduceat(mean, FIRST, axis=1), 1.0, rtol=1e-12)


@backends
def test_frequencies_of_draws_are_the_probabilities(name):
    """40,000 draws of one field: the standard error is at most 0.5 / 200 = 0.0025."""
    units = units_of().on(importlib.import_module(f"sklearn_ebm.backends.{name}"))
    field = np.repeat(some_field(1), 40_000, axis=0)
    for scale in (1.0, 0.5):
        drawn = units.sample(field.copy(), Key((1, 2), 3), scale)
        assert_array_equal(np.add.reduceat(drawn, FIRST, axis=1), 1.0)
        expected = units.mean(scale * field[:1])[0]
        assert_allclose(drawn.mean(axis=0), expected, atol=0.012)


def test_draws_are_the_same_with_each_backend_and_in_pieces():
    numba, numpy = (
        importlib.import_module(f"sklearn_ebm.backends.{n}") for n in ("numba", "numpy")
    )
    field, key = some_field(130), Key((1, 2), 3)
    expected = units_of().on(numpy).sample(field.copy(), key)
    units = units_of().on(numba)
    assert_array_equal(units.sample(field.copy(), key), expected)
    piece = units.sample(field[70:].copy(), key.from_row(70))
    assert_array_equal(piece, expected[70:])


def test_two_categories_are_a_binary_unit_with_the_difference_of_the_columns():
    units, field = units_of((2, 2, 2)), some_field(sizes=(2, 2, 2))
    binary = BernoulliUnits(units.bias[1::2] - units.bias[::2])
    mean = units.mean(field.copy())
    assert_allclose(mean[:, 1::2], binary.mean(field[:, 1::2] - field[:, ::2]), rtol=1e-12)


def test_single_precision_is_kept():
    units, field = units_of(dtype=np.float32), some_field(dtype=np.float32)
    for values in (
        units.mean(field.copy()),
        units.sample(field.copy(), Key((1, 2), 3), np.float64(0.5)),
        units.log_partition(field),
        units.value(field),
    ):
        assert values.dtype == np.float32


# One-hot columns of codes


def test_codes_are_encoded_and_decoded():
    categories, codes = Categories(SIZES), some_codes()
    states, observed = categories.encode(codes)
    assert observed is None
    for feature, part in enumerate(by_feature(states)):
        assert_array_equal(part, np.eye(SIZES[feature])[codes[:, feature].astype(int)])
    assert_array_equal(categories.decode(states), codes)


def test_masks_cover_all_columns_of_a_feature():
    mask = np.round(np.random.default_rng(3).random((6, len(SIZES))))
    codes = np.where(mask, some_codes(), 77.0)  # unobserved codes may have any value
    states, observed = Categories(SIZES).encode(codes, mask)
    assert_array_equal(observed, np.repeat(mask, SIZES, axis=1))
    expected, _ = Categories(SIZES).encode(some_codes())
    assert_array_equal(states * observed, expected * observed)


def test_a_network_reads_codes_with_missing_values():
    categories, values = Categories(SIZES), np.random.default_rng(4).random(sum(SIZES))
    module, x = OneHot(categories, np.nan, values), some_codes()
    states, _ = categories.encode(x)
    assert_array_equal(OneHot(categories).forward(x), states)
    x[2, 1] = x[3, 2] = np.nan
    observed = np.repeat(~np.isnan(x), SIZES, axis=1)
    assert_array_equal(module.forward(x), np.where(observed, states, values))
    dx, gradients = module.backward(None, states)
    assert_array_equal(dx, np.zeros_like(x))
    assert gradients == {}
    assert module.backward(None, states, input_gradient=False) == (None, {})
