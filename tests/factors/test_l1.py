"""The L1 penalty compared with its definition; see also `tests/contracts/test_penalties.py`."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_ebm.factors import L1


@pytest.mark.parametrize("positive", [False, True])
def test_prox_of_what_is_below_the_threshold_is_exactly_zero(dtype, positive):
    below = np.linspace(-0.6, 0.6, 50, dtype=dtype)
    shrunk = L1(alpha=np.float64(1.5), positive=positive).prox(below, np.float64(0.4))
    assert_array_equal(shrunk, np.zeros_like(below))


@pytest.mark.parametrize("positive", [False, True])
def test_numpy_numbers_in_parameters_promote_nothing(dtype, positive):
    penalty = L1(alpha=np.float64(1.5), positive=positive)
    code = np.ones((2, 3), dtype=dtype)
    assert penalty.prox(code, np.float64(0.4)).dtype == dtype
    assert L1(float(penalty.alpha)).value(code).dtype == dtype


def test_value_is_one_weighted_norm_a_row():
    assert_array_equal(L1(2.0).value(np.array([[1.0, -3.0], [0.0, 0.5]])), [8.0, 1.0])


def test_gradient_is_the_slope_and_zero_at_zero(dtype):
    code = np.array([[1.0, -3.0, 0.0], [-0.5, 0.0, 2.0]], dtype=dtype)
    gradient = L1(2.0).gradient(code)
    assert gradient.dtype == dtype
    assert_array_equal(gradient, [[2.0, -2.0, 0.0], [-2.0, 0.0, 2.0]])
