"""Conversions of arrays and sums of rows: the same values as those of SciPy and NumPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_ebm.backends import absolute_sums, add_multiple, to_csr
from sklearn_ebm.backends._namespace import BLOCK


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_csr_array_is_that_of_scipy(dtype, order):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((40, 7)) * (rng.random((40, 7)) < 0.2)
    rows[:3] = 0
    rows[4, 2], rows[5, 3] = np.nan, -0.0
    rows = np.asarray(rows, dtype=dtype, order=order)
    found, expected = to_csr(rows), sparse.csr_array(rows)
    assert found.has_canonical_format
    for name in ("data", "indices", "indptr"):
        assert_array_equal(getattr(found, name), getattr(expected, name))
        assert getattr(found, name).dtype == getattr(expected, name).dtype


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3, 2)])
def test_csr_array_without_entries(shape):
    found = to_csr(np.zeros(shape))
    assert found.shape == shape
    assert found.nnz == 0


def in_blocks(dtype):
    """Return rows that are divided into two whole blocks and a part of one."""
    n_columns = BLOCK // 8 // np.dtype(dtype).itemsize
    return np.random.default_rng(0).standard_normal((21, n_columns)).astype(dtype)


@pytest.mark.parametrize("n_rows", [0, 1, 21])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_absolute_sums_are_those_of_one_block(dtype, n_rows):
    rows = in_blocks(dtype)[:n_rows]
    sums = absolute_sums(rows)
    assert sums.dtype == dtype
    assert_array_equal(sums, np.sum(np.abs(rows), axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_multiple_is_added_in_place(dtype):
    values = in_blocks(dtype)
    total = values[::-1].copy()
    expected = total + 3.0 * values
    add_multiple(total, 3.0, values)
    assert total.dtype == dtype
    assert_array_equal(total, expected)


def test_sums_on_other_libraries_are_those_on_the_host():
    strict = pytest.importorskip("array_api_strict")
    rows = in_blocks(np.float64)
    total, values = (strict.asarray(array, copy=True) for array in (rows, rows))
    add_multiple(total, 2.0, values)
    assert_array_equal(np.asarray(total), 3 * rows)
    assert_allclose(np.asarray(absolute_sums(values)), absolute_sums(rows), rtol=1e-15)
