"""Validation of arrays of other libraries on their own device."""

import re

import array_api_strict as xp
import numpy as np
import pandas as pd
import pytest
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_ebm import SparseCoder
from sklearn_ebm.inputs._checks import check_dictionary, largest_value
from sklearn_ebm.inputs._rows import check_rows, split_missing

X = np.arange(12.0).reshape(4, 3)


class OnDevice(SparseCoder):
    """A coder for arrays of another library, in place of CuPy's."""

    _reads_any_library = True


def with_entry(value):
    changed = X.copy()
    changed[1, 2] = value
    return xp.asarray(changed)


def test_missing_values_pass_where_they_are_allowed_and_infinities_never():
    assert check_rows(OnDevice(), with_entry(np.nan), reset=True, allow_nan=True).shape == (4, 3)
    with pytest.raises(ValueError, match=r"(?s)Input X contains NaN\..*missing_values=np.nan"):
        check_rows(OnDevice(), with_entry(np.nan), reset=True)
    with pytest.raises(ValueError, match="Input X contains infinity"):
        check_rows(OnDevice(), with_entry(np.inf), reset=True, allow_nan=True)


@pytest.mark.parametrize(("degree", "power"), [(2, 2), (4, 4)])
def test_powers_of_the_largest_value_stay_in_the_range_of_the_type(dtype, degree, power):
    largest = np.full(10_000, largest_value(dtype, degree), dtype=dtype)
    smallest = 1 / largest
    with np.errstate(all="raise"):
        assert np.isfinite(np.sum(largest**power))
        assert np.all(smallest**power > np.finfo(dtype).smallest_normal)


def test_a_mask_is_one_where_a_feature_is_observed():
    filled, mask = split_missing(np.array([[1.0, np.nan], [3.0, 4.0]]), np.nan)
    assert filled.tolist() == [[1, 0], [3, 4]]
    assert mask.tolist() == [[1, 0], [1, 1]]
    assert split_missing(X, np.nan)[1] is None
    assert split_missing(X, None)[1] is None


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_number_can_stand_for_missing_values(value):
    filled, mask = split_missing(X, value)
    assert np.array_equal(mask == 0, value == X)
    assert np.all(filled[mask == 0] == 0)


def test_a_dictionary_takes_the_type_of_the_data(dtype):
    atoms = check_dictionary([[1, 2, 3]], 1, 3, dtype)
    assert atoms.dtype == dtype
    assert check_array(atoms) is atoms


LARGEST = np.finfo(np.float32).max / 2


@pytest.mark.parametrize(
    "rows",
    [
        X,
        X.astype(np.float32),
        np.full_like(X, LARGEST, dtype=np.float32),  # finite, but the sum is not
        X[:0],
        X[:, :2],
        X[0],
        np.where(X == 5, np.nan, X),
        np.where(X == 5, np.inf, X),
        np.asarray([[np.inf, -np.inf, 0.0]]),
        X.astype(">f8"),
        X.astype(np.int64),
        X.astype(complex),
        np.ma.masked_array(X),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")
def test_a_fitted_model_takes_and_refuses_what_scikit_learn_does(rows):
    model = SparseCoder(2, alpha=1.0, max_iter=1, tol=0, random_state=0).fit(X)
    try:
        expected = validate_data(model, rows, reset=False, dtype=[np.float64, np.float32])
    except ValueError as error:
        message = re.escape(str(error).splitlines()[0])
        with pytest.raises(ValueError, match=message):
            check_rows(model, rows, reset=False)
        return
    checked = check_rows(model, rows, reset=False)
    np.testing.assert_array_equal(checked, expected)
    assert checked.dtype == np.dtype(expected.dtype.newbyteorder("="))


def test_a_model_fitted_to_a_frame_warns_of_arrays_without_names():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = SparseCoder(2, alpha=1.0, max_iter=1, tol=0, random_state=0).fit(frame)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.transform(X)
