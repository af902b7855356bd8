"""A warning after fit tells that codes are too sparse or too dense, with the remedy."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.preprocessing import scale

from sklearn_ebm import (
    PSD,
    ConvPSD,
    ConvSparseCoder,
    GroupSparsePSD,
    L0Penalty,
    LISTAEncoder,
    SparseCoder,
    ZCAWhitener,
)

DIGITS = load_digits()
X = scale(DIGITS.data)[:300]
DATA = {
    "raw": DIGITS.data[:300],
    "scaled": X,
    "whitened": ZCAWhitener().fit_transform(DIGITS.data[:300]),
}
QUICK = {"max_iter": 2, "tol": 0, "random_state": 0}
MODELS = [
    SparseCoder(64, **QUICK),
    SparseCoder(300, **QUICK),
    SparseCoder(300, penalty=L0Penalty(1), **QUICK),  # users chose this number
    PSD(64, **QUICK),
    GroupSparsePSD(map_shape=(8, 8), **QUICK),  # codes are dense in large overlapping pools
    ConvSparseCoder(32, kernel_size=5, **QUICK),
    ConvPSD(8, kernel_size=5, **QUICK),
    LISTAEncoder(64, **QUICK),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("name", DATA)
def test_default_models_do_not_warn(model, name):
    data = DATA[name]
    if type(model).__name__.startswith("Conv"):
        data = data[:40].reshape(-1, 8, 8)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*of the entries of the codes")
        model.fit(data)


@pytest.mark.parametrize("kind", [SparseCoder, PSD])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_hardly_sparse_codes_and_hardly_any_code_have_a_remedy(kind):
    with pytest.warns(UserWarning, match=r"\d+\.\d+% of .* alpha_=1e-08.* Increase alpha"):
        kind(32, alpha=1e-8, **QUICK).fit(X)
    largest = np.linalg.norm(X, axis=1).max()
    with pytest.warns(UserWarning, match=r"Only 0\.\d+% .* Lower alpha.*relative_alpha=True"):
        SparseCoder(200, alpha=0.8 * largest, **QUICK).fit(X)


def test_convolutional_codes_are_hardly_sparse_with_a_tiny_alpha():
    images = X[:20].reshape(-1, 8, 8)
    with pytest.warns(UserWarning, match="Increase alpha"):
        ConvPSD(10, kernel_size=3, alpha=1e-8, crop_size="patch", **QUICK).fit(images)


def test_all_components_may_be_needed_if_there_are_few():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*of the entries of the codes")
        SparseCoder(3, alpha=1e-6, **QUICK).fit(X)
