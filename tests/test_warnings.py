"""Warnings point to the line of the user's code for every kind of call."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ebm import SparseCoder, sparse_encode

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
