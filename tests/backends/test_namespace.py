"""Conversions of arrays: the same values as SciPy's own."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from sklearn_ebm.backends import to_csr


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
