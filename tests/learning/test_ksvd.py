"""K-SVD: each atom and its coefficients are the best ones for the samples that use it."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from sklearn_ebm import L0Penalty, SparseCoder
from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.learning._first_atoms import unit_rows
from sklearn_ebm.learning._ksvd import POWER_STEPS

KINDS = ["ksvd", "approximate_ksvd"]
kinds = pytest.mark.parametrize("optimizer", KINDS)


@pytest.fixture
def planted():
    """Samples of three atoms each, as in Aharon et al. (2006), section V-A, without noise."""
    rng = np.random.default_rng(0)
    atoms = unit_rows(rng.standard_normal((50, 20)))
    code = np.zeros((1500, 50))
    for row in code:
        row[rng.choice(50, 3, replace=False)] = rng.standard_normal(3)
    return atoms, code @ atoms


@pytest.mark.parametrize("backend", [numpy, numba])
def test_one_atom_and_its_coefficients_are_the_leading_singular_vectors(backend):
    rng = np.random.default_rng(0)
    X, code = rng.standard_normal((40, 9)), np.zeros((40, 3))
    code[10:30, 1] = rng.standard_normal(20)
    dictionary, weight = unit_rows(rng.standard_normal((3, 9))), np.ones(40)
    residual = X - code @ dictionary
    others = dictionary[[0, 2]].copy()
    backend.update_atoms_by_svd(dictionary, residual, code, weight, 10 * POWER_STEPS)
    left, singular, right = np.linalg.svd(X[10:30], full_matrices=False)
    assert abs(dictionary[1] @ right[0]) == pytest.approx(1, abs=1e-7)
    assert_allclose(np.abs(code[10:30, 1]), np.abs(left[:, 0] * singular[0]), atol=1e-5)
    assert_allclose(residual, X - code @ dictionary, atol=1e-12)
    assert_allclose(dictionary[[0, 2]], others)


@pytest.mark.parametrize("n_steps", [1, POWER_STEPS])
def test_a_sweep_never_increases_the_weighted_error(n_steps):
    rng = np.random.default_rng(1)
    code = rng.standard_normal((60, 12)) * (rng.random((60, 12)) < 0.3)
    dictionary, X = unit_rows(rng.standard_normal((12, 9))), rng.standard_normal((60, 9))
    weight, residual = rng.uniform(0, 3, 60), X - code @ dictionary
    errors = [np.sum(weight * np.sum(residual**2, axis=1))]
    for _ in range(5):
        numba.update_atoms_by_svd(dictionary, residual, code, weight, n_steps)
        errors.append(np.sum(weight * np.sum((X - code @ dictionary) ** 2, axis=1)))
    assert np.all(np.diff(errors) <= 1e-12 * errors[0])
    assert errors[-1] < 0.9 * errors[0]


@pytest.mark.parametrize("backend", [numpy, numba])
def test_sparse_codes_give_the_same_as_dense_ones(backend):
    rng = np.random.default_rng(2)
    code = rng.standard_normal((30, 7)) * (rng.random((30, 7)) < 0.3)
    dictionary, weight = unit_rows(rng.standard_normal((7, 5))), rng.uniform(0, 3, 30)
    residual, rows = rng.standard_normal((30, 5)), sparse.csr_array(code)
    others = dictionary.copy(), residual.copy()
    backend.update_atoms_by_svd(dictionary, residual, code, weight, 3)
    backend.update_atoms_by_svd(*others, rows, weight, 3)
    assert_allclose(others[0], dictionary)
    assert_allclose(others[1], residual, atol=1e-14)
    assert_allclose(rows.toarray(), code, atol=1e-14)


@kinds
def test_atoms_of_planted_codes_are_recovered(planted, optimizer):
    """80 passes recover nine of ten atoms in the paper; an atom is recovered if |d d'| > 0.99."""
    atoms, X = planted
    coder = SparseCoder(
        50, penalty=L0Penalty(3), optimizer=optimizer, max_iter=80, tol=0, random_state=0
    ).fit(X)
    found = np.abs(coder.components_ @ atoms.T).max(axis=0) > 0.99
    assert found.mean() > 0.8  # 0.86 to 0.94, depending on the seed


@kinds
def test_weights_are_repetitions(planted, optimizer):
    X, weight = planted[1][:80], np.random.default_rng(0).integers(1, 4, 80)
    options = {
        "penalty": L0Penalty(2), "optimizer": optimizer, "max_iter": 3, "tol": 0,
        "dictionary_init": planted[1][80:90],
    }  # fmt: skip
    weighted = SparseCoder(10, **options).fit(X, sample_weight=weight)
    repeated = SparseCoder(10, **options).fit(np.repeat(X, weight, axis=0))
    assert_allclose(weighted.components_, repeated.components_, atol=1e-8)  # order of sums


@kinds
def test_all_samples_are_one_batch_and_unused_atoms_are_replaced(planted, optimizer):
    X = planted[1][:300].copy()
    X[:, -1] = 0
    start = np.vstack([X[:10], np.eye(20)[-1:]])  # the last atom is orthogonal to all samples
    coder = SparseCoder(
        11, penalty=L0Penalty(2), optimizer=optimizer, max_iter=4, tol=0, dictionary_init=start
    ).fit(X)
    assert coder.n_replaced_ == 1
    assert np.all(coder.usage_ > 0)
    assert_allclose(np.linalg.norm(coder.components_, axis=1), 1, rtol=1e-12)


def test_learning_goes_on_after_pickling(planted):
    X = planted[1][:300]
    options = {"penalty": L0Penalty(2), "optimizer": "ksvd", "max_iter": 2, "tol": 0}
    coder = SparseCoder(10, warm_start=True, random_state=0, **options).fit(X)
    copy = pickle.loads(pickle.dumps(coder))
    assert_allclose(copy.fit(X).components_, coder.fit(X).components_)


def test_parameters_that_do_not_suit_are_refused(planted):
    X = planted[1][:100]
    with pytest.raises(ValueError, match=r"optimizer='ksvd' requires penalty=L0Penalty"):
        SparseCoder(8, optimizer="ksvd").fit(X)
    holes = np.where(X > 1, np.nan, X)
    coder = SparseCoder(8, penalty=L0Penalty(2), optimizer="ksvd", missing_values=np.nan)
    with pytest.raises(ValueError, match=r"does not support missing values"):
        coder.fit(holes)
    coder = SparseCoder(8, penalty=L0Penalty(2), random_state=0, warm_start=True).fit(X)
    with pytest.raises(ValueError, match="optimizer"):
        coder.set_params(optimizer="ksvd").fit(X)


@kinds
@pytest.mark.parametrize(
    ("dtype", "exponent"), [(np.float32, 35), (np.float32, -40), (float, -300)]
)
def test_learning_does_not_depend_on_the_unit(planted, optimizer, dtype, exponent):
    X, unit = planted[1][:300].astype(dtype), dtype(2.0**exponent)
    options = {"penalty": L0Penalty(3), "optimizer": optimizer, "max_iter": 3, "tol": 0}
    plain, scaled = (
        SparseCoder(20, random_state=0, **options).fit(factor * X) for factor in (dtype(1), unit)
    )
    tolerance = 1e-3 if dtype is np.float32 else 1e-9  # units of residuals are not powers of two
    assert_allclose(scaled.components_, plain.components_, atol=tolerance)
