"""Warnings point to the line of the user's code, and their numbers show what they claim."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ebm import SparseCoder, sparse_encode
from sklearn_ebm._warnings import distinct
from sklearn_ebm.learning._policies import RelativeChange
from sklearn_ebm.solvers._solution import Criterion, Outcome

X = np.random.default_rng(0).standard_normal((30, 6))
ATOMS = np.eye(6)
HASTY = {"alpha": 0.1, "code_max_iter": 1, "code_tol": 0, "solver": "ista"}
CALLS = {
    "function": lambda: sparse_encode(X, ATOMS + 0.1, 0.1, max_iter=1, solver="ista"),
    "fit": lambda: SparseCoder(3, max_iter=1, tol=1e-9).fit(X),
    "fit_transform": lambda: SparseCoder(3, max_iter=1, tol=1e-9).fit_transform(X),
    "pipeline": lambda: make_pipeline(StandardScaler(), SparseCoder(3, max_iter=1, tol=1e-9)).fit(
        X
    ),
    "transform": lambda: SparseCoder(dictionary=ATOMS + 0.1, **HASTY).fit(X).transform(X),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_warning_points_at_the_caller(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[name]()
    caught = [warning for warning in caught if warning.category is ConvergenceWarning]
    assert caught
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        (2e-3, 1e-3, ("2.0e-03", "1.0e-03")),
        (1.04e-3, 1e-3, ("1.04e-03", "1.00e-03")),
        (1.00004e-3, 1e-3, ("1.00004e-03", "1.00000e-03")),
        (0.1, 0.0, ("1.0e-01", "0.0e+00")),
        (np.nan, 1e-3, ("nan", "1.0e-03")),
        (np.inf, 1e-3, ("inf", "1.0e-03")),
        (1e-3, 1e-3, ("1.0e-03", "1.0e-03")),
    ],
)
def test_two_numbers_have_the_fewest_digits_that_tell_them_apart(value, limit, expected):
    assert distinct(value, limit) == expected


@pytest.mark.parametrize("limit", [1e-3, 1 / 3, 1e-300])
def test_neighbouring_numbers_are_told_apart(limit):
    value, shown_limit = distinct(np.nextafter(limit, 1), limit)
    assert float(value) > float(shown_limit)


def test_messages_show_that_a_number_exceeds_its_limit():
    change = RelativeChange(1e-3)
    change.change = 1.0004e-3
    plan = SimpleNamespace(max_iter=5)
    assert "is 1.0004e-03 > tol=1.0000e-03." in change.message(plan)
    numbers = {"n_late": 1, "n_samples": 2, "max_iter": 5, "dtype": "float32"}
    message = Outcome.MAX_ITER.message(Criterion.GAP, measure=1.004e-3, tol=1e-3, **numbers)
    assert "up to 1.004e-03 of 1/2 ||x||^2, above tol=1.000e-03." in message
