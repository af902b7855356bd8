"""Weights of the L1 penalty: a lasso with rescaled features, for every solver."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Lasso

from sklearn_ebm import ConvPSD, ConvSparseCoder, L1Penalty, SparseCoder, sparse_encode
from sklearn_ebm.backends import numba
from sklearn_ebm.factors import (
    ConvolutionalDecoder,
    LinearDecoder,
    SparseEnergy,
    at_every_position,
    resolve_penalty,
)
from sklearn_ebm.metrics import duality_gap
from sklearn_ebm.solvers import solve_lasso
from tests.registries.solvers import CONVOLUTIONAL_LASSO_SOLVERS, LASSO_SOLVERS

ALPHA = 0.4
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((8, 12))
ATOMS = RANDOM.standard_normal((20, 12))
ATOMS /= np.linalg.norm(ATOMS, axis=1, keepdims=True)
WEIGHTS = RANDOM.uniform(0.3, 3, 20)
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])
TOL = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 1e-5}


@pytest.mark.parametrize("solver", LASSO_SOLVERS)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@signs
def test_codes_are_those_of_a_lasso_with_rescaled_features(solver, backend, positive, dtype):
    """The lasso of scikit-learn in the variables w_j z_j has the atoms d_j / w_j.

    Energies differ by at most the gaps: 1e-13, or 1e-5, of half norms of about 6.
    """
    options = {"penalty": L1Penalty(WEIGHTS), "positive": positive}
    code, gap = sparse_encode(
        X.astype(dtype), ATOMS.astype(dtype), ALPHA, solver=solver, backend=backend, tol=TOL[dtype],
        max_iter=100_000, return_gap=True, **options,
    )  # fmt: skip
    assert code.dtype == dtype
    assert np.all(gap <= TOL[dtype])
    assert np.all(duality_gap(X, code, ATOMS, ALPHA, **options) <= 3 * TOL[dtype])
    model = Lasso(
        alpha=ALPHA / 12, fit_intercept=False, positive=positive, tol=1e-14, max_iter=100_000
    )
    best = np.array([model.fit((ATOMS / WEIGHTS[:, None]).T, x).coef_ for x in X]) / WEIGHTS

    def energy(z):
        return np.sum((X - z @ ATOMS) ** 2, axis=1) / 2 + ALPHA * np.abs(z) @ WEIGHTS

    assert np.all(np.abs(energy(code) - energy(best)) <= TOL[dtype] * 30)
    if dtype == np.float64:
        assert_allclose(code, best, atol=1e-5)  # the smallest curvature of a support is above 0.01


def test_a_warm_start_is_in_the_units_of_codes():
    options = {"penalty": L1Penalty(WEIGHTS), "tol": 1e-12, "return_gap": True}
    code, _ = sparse_encode(X, ATOMS, ALPHA, **options)
    again, gap = sparse_encode(X, ATOMS, ALPHA, init=code, max_iter=1, **options)
    assert_allclose(again, code, atol=1e-5)
    assert np.all(gap <= 1e-12)


def test_missing_values_leave_the_problem_of_the_observed_features():
    holes = np.random.default_rng(1).uniform(size=X.shape) < 0.3
    options = {"penalty": L1Penalty(WEIGHTS), "tol": 1e-12, "max_iter": 100_000}
    code = sparse_encode(np.where(holes, np.nan, X), ATOMS, ALPHA, missing_values=np.nan, **options)
    for x, z, seen in zip(X, code, ~holes, strict=True):
        gap = duality_gap(x[None, seen], z[None], ATOMS[:, seen], ALPHA, penalty=options["penalty"])
        assert gap[0] <= 1e-11


@pytest.mark.parametrize("solver", CONVOLUTIONAL_LASSO_SOLVERS)
@pytest.mark.parametrize("is_masked", [False, True], ids=["observed", "masked"])
def test_maps_have_one_weight_each(solver, is_masked):
    """Convolutions written as a matrix of shifted filters, each with the weight of its map."""
    random = np.random.default_rng(2)
    kernels, weights = random.standard_normal((3, 2, 2, 1)), np.array([0.5, 1.0, 2.0])
    decoder = ConvolutionalDecoder(kernels / 2, (3, 4))
    mask = (random.uniform(size=X.shape) < 0.8).astype(float) if is_masked else None
    data = X if mask is None else X * mask
    factor = at_every_position(resolve_penalty(L1Penalty(weights), 3, ALPHA), 3)
    problem = SparseEnergy(decoder, factor).problem(data, mask=mask)
    solution = solve_lasso(problem, solver=solver, tol=1e-10, max_iter=50_000, backend=numba)
    atoms = decoder.decode(np.eye(decoder.code_size))
    each = np.tile(weights, decoder.code_size // 3)
    plain = resolve_penalty(L1Penalty(each), decoder.code_size, ALPHA)
    matrix = SparseEnergy(LinearDecoder(atoms), plain).problem(data, mask=mask)
    assert np.all(matrix.relative_gap(solution.code) <= 2e-10)
    assert np.all(problem.relative_gap(solution.code) <= 2e-10)


def test_a_prediction_term_falls_back_to_steps_without_a_rule():
    weights = [0.5, 1.0, 2.0]
    settings = {"kernel_size": 2, "inference": "optimal", "random_state": 0, "max_iter": 1}
    model = ConvPSD(3, alpha=0.2, penalty=L1Penalty(weights), tol=0, code_tol=1e-8, **settings)
    data = X.reshape(8, 3, 4)
    code = model.fit(data).transform(data)
    assert np.all(model.duality_gap(data, code) <= 2e-8)
    model.set_params(solver="local_cd")
    with pytest.raises(ValueError, match=r"solver='local_cd' requires .* Use solver='fista'"):
        model.transform(data)


def test_equal_weights_are_a_factor_of_alpha():
    """Powers of two are exact, and codes in the units of the solver differ by rounding only."""
    code = sparse_encode(X, ATOMS, ALPHA, penalty=L1Penalty(np.full(20, 2.0)), tol=1e-12)
    assert_allclose(code, sparse_encode(X, ATOMS, 2 * ALPHA, tol=1e-12), atol=1e-5)
    options = {"alpha": 0.3, "max_iter": 2, "tol": 0, "random_state": 0}
    maps = ConvSparseCoder(2, kernel_size=2, penalty=L1Penalty([1.0, 1.0]), **options)
    plain = ConvSparseCoder(2, kernel_size=2, **options).fit(X.reshape(8, 3, 4))
    assert_allclose(maps.fit(X.reshape(8, 3, 4)).components_, plain.components_, atol=1e-6)


def test_a_heavy_atom_is_used_less():
    weights = np.ones(6)
    shares = []
    for weights[2] in (0.2, 1.0, 5.0):
        coder = SparseCoder(dictionary=ATOMS[:6], alpha=0.3, penalty=L1Penalty(weights.copy()))
        shares.append(np.abs(coder.fit(X).transform(X)[:, 2]).sum())
    assert shares[0] > shares[1] > shares[2]


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0, 2.0], r"weights must have the shape \(n_components,\) = \(20,\) or .* \(2,\)\."),
        (2.0, r"weights must have the shape"),
        (np.arange(20.0), "weights must be positive numbers .*, got values from 0.0 to 19.0"),
        (np.full(20, 1e-16), r"weights must be positive numbers from 1e-15 to 1e\+15"),
        (np.full(20, 1e16), r"weights must be positive numbers from 1e-15 to 1e\+15"),
        (-np.ones(20), "weights must be positive numbers"),
        (np.full(20, np.nan), "weights must be positive numbers"),
    ],
)
def test_other_weights_are_refused(weights, words):
    with pytest.raises(ValueError, match=words):
        sparse_encode(X, ATOMS, ALPHA, penalty=L1Penalty(weights))


def test_weights_are_part_of_the_value_of_a_penalty():
    assert L1Penalty([1.0, 2.0]) == L1Penalty(np.array([1.0, 2.0]))
    assert L1Penalty([1.0, 2.0]) != L1Penalty()
    assert_array_equal(L1Penalty([1.0, 2.0]).weights, [1, 2])
