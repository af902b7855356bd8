"""Weights of the L1 penalty for each sample and component: a lasso of its own for each sample."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_ebm import (
    PSD,
    ConvSparseCoder,
    L1Penalty,
    LISTAEncoder,
    SparseCoder,
    alpha_max,
    alpha_path,
    sparse_encode,
)
from sklearn_ebm.metrics import duality_gap
from sklearn_ebm.solvers import _inference, _lasso
from tests.registries.solvers import LASSO_SOLVERS

ALPHA = 0.4
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((8, 12))
ATOMS = RANDOM.standard_normal((20, 12))
ATOMS /= np.linalg.norm(ATOMS, axis=1, keepdims=True)
WEIGHTS = RANDOM.uniform(0.3, 3, (8, 20))
PENALTY = L1Penalty(WEIGHTS)
TOL = {np.dtype(np.float64): 1e-13, np.dtype(np.float32): 1e-5}
CLOSE = 1e-5  # of codes whose gap is 1e-13: the smallest curvature of a support is above 0.01
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])
backends = pytest.mark.parametrize("backend", ["numpy", "numba"])


def each_by_itself(X, weights, **options):
    """Return the code of each sample for weights of components, from a call for this sample."""
    options = {"tol": 1e-13, "max_iter": 100_000, **options}
    return np.concatenate([
        sparse_encode(X[n : n + 1], ATOMS, ALPHA, penalty=L1Penalty(weights[n]), **options)
        for n in range(len(weights))
    ])  # fmt: skip


@pytest.mark.parametrize("solver", LASSO_SOLVERS)
@backends
@signs
def test_each_code_is_that_of_a_call_with_the_weights_of_the_sample(
    solver, backend, positive, dtype
):
    tol = TOL[dtype]
    options = {"penalty": PENALTY, "positive": positive}
    code, gap = sparse_encode(
        X.astype(dtype), ATOMS.astype(dtype), ALPHA, solver=solver, backend=backend, tol=tol,
        max_iter=100_000, return_gap=True, **options,
    )  # fmt: skip
    assert code.dtype == dtype
    assert np.all(gap <= tol)
    assert np.all(duality_gap(X, code, ATOMS, ALPHA, **options) <= 3 * tol)
    if dtype == np.float64:
        assert_allclose(code, each_by_itself(X, WEIGHTS, positive=positive), atol=CLOSE)


@signs
def test_codes_meet_the_optimality_conditions_of_the_weighted_lasso(positive):
    code = sparse_encode(X, ATOMS, ALPHA, penalty=PENALTY, positive=positive, tol=1e-14)
    q = (X - code @ ATOMS) @ ATOMS.T
    on, limit = code != 0, ALPHA * WEIGHTS
    assert 0 < on.mean() < 0.6
    assert_allclose(q[on], (limit * np.sign(code))[on], atol=1e-6)
    assert np.all((q if positive else np.abs(q))[~on] <= limit[~on] + 1e-6)


@signs
def test_codes_are_those_of_spams(positive):
    spams = pytest.importorskip("spams")
    columns, atoms, weights = (np.asfortranarray(rows.T) for rows in (X, ATOMS, WEIGHTS))
    expected = spams.lassoWeighted(
        columns, D=atoms, W=weights, lambda1=ALPHA, mode=2, pos=positive, numThreads=1
    )
    code = sparse_encode(X, ATOMS, ALPHA, penalty=PENALTY, positive=positive, tol=1e-13)
    assert_allclose(code, expected.T.toarray(), atol=CLOSE)


def test_pieces_of_the_samples_take_their_own_weights(monkeypatch):
    """Two pieces of rows, of which the second has fewer; sparse output, and a warm start."""
    monkeypatch.setattr(_inference, "SMALL_PIECE", 1)
    monkeypatch.setattr(_inference, "LARGE_PIECE", 1)
    random = np.random.default_rng(1)
    many, weights = random.standard_normal((100, 12)), random.uniform(0.3, 3, (100, 20))
    options = {"penalty": L1Penalty(weights), "tol": 1e-13}
    code = sparse_encode(many, ATOMS, ALPHA, **options)
    assert_allclose(code, each_by_itself(many, weights), atol=CLOSE)
    rows = sparse_encode(many, ATOMS, ALPHA, sparse_output=True, **options)
    assert_array_equal(rows.toarray(), code)
    again = sparse_encode(many, ATOMS, ALPHA, init=code, max_iter=1, **options)
    assert_allclose(again, code, atol=CLOSE)
    largest = alpha_max(many, ATOMS, penalty=options["penalty"], per_sample=True)
    expected = np.max(np.abs(many @ ATOMS.T) / weights, axis=1)
    assert_allclose(largest, expected, rtol=1e-13)


@signs
def test_late_samples_keep_their_weights(positive, monkeypatch):
    """Feature-sign search continues with all samples, here with each atom and its double.

    The heavier of two equal atoms is not used.
    """
    monkeypatch.setattr(_lasso, "ROUNDS", 1)
    weights = np.concatenate([WEIGHTS, 1.1 * WEIGHTS], axis=1)
    options = {"penalty": L1Penalty(weights), "positive": positive, "tol": 1e-13}
    code = sparse_encode(X, np.concatenate([ATOMS, ATOMS]), ALPHA, **options)
    assert not code[:, 20:].any()
    assert_allclose(code[:, :20], each_by_itself(X, WEIGHTS, positive=positive), atol=CLOSE)


@signs
def test_sparse_samples_and_missing_values_keep_their_weights(positive):
    holes = np.random.default_rng(1).uniform(size=X.shape) < 0.3
    options = {"penalty": PENALTY, "positive": positive, "tol": 1e-13, "max_iter": 100_000}
    code = sparse_encode(sparse.csr_array(np.where(holes, 0, X)), ATOMS, ALPHA, **options)
    alone = {"positive": positive}
    assert_allclose(code, each_by_itself(np.where(holes, 0, X), WEIGHTS, **alone), atol=CLOSE)
    missing = {"missing_values": np.nan, "positive": positive}
    data = np.where(holes, np.nan, X)
    code = sparse_encode(data, ATOMS, ALPHA, missing_values=np.nan, **options)
    assert_allclose(code, each_by_itself(data, WEIGHTS, **missing), atol=CLOSE)
    assert np.all(duality_gap(data, code, ATOMS, ALPHA, penalty=PENALTY, **missing) <= 1e-12)


def test_gaps_of_sparse_samples_are_those_of_dense_ones():
    code = 1.1 * sparse_encode(X, ATOMS, ALPHA, penalty=PENALTY)
    gap = duality_gap(X, code, ATOMS, ALPHA, penalty=PENALTY)
    assert np.all(gap > 1e-4)
    assert_array_equal(duality_gap(sparse.csr_array(X), code, ATOMS, ALPHA, penalty=PENALTY), gap)


@backends
@pytest.mark.parametrize("solver", ["active_set", "cd"])
def test_a_path_has_the_codes_of_each_alpha(backend, solver):
    options = {"penalty": PENALTY, "tol": 1e-13, "backend": backend, "solver": solver}
    alphas, code, gap = alpha_path(X, ATOMS, n_alphas=5, eps=0.1, **options)
    assert np.all(gap <= 1e-13)
    assert_allclose(alphas[0], alpha_max(X, ATOMS, penalty=PENALTY), rtol=1e-13)
    assert not code[..., 0].any()
    for k, alpha in enumerate(alphas):
        assert_allclose(code[..., k], sparse_encode(X, ATOMS, alpha, **options), atol=CLOSE)


def test_a_sample_that_is_tiny_is_judged_by_its_own_weights():
    """Its code is zero if alpha w_j is larger than all correlations, about 1e-145."""
    tiny, weights = np.concatenate([X[:1], 1e-147 * X[1:2]]), np.ones((2, 20))
    code = sparse_encode(tiny, ATOMS, 1e-139, penalty=L1Penalty(weights), tol=1e-3)
    assert not code[1].any()
    weights[1] = 1e-12
    with pytest.raises(ValueError, match="their squares underflow"):
        sparse_encode(tiny, ATOMS, 1e-139, penalty=L1Penalty(weights), tol=1e-3)


MODELS = {
    "SparseCoder": (SparseCoder(20), X),
    "PSD": (PSD(20), X),
    "LISTAEncoder": (LISTAEncoder(dictionary=ATOMS), X),
    "ConvSparseCoder": (ConvSparseCoder(20, kernel_size=2), X.reshape(8, 3, 4)),
}


@pytest.mark.parametrize(("model", "data"), MODELS.values(), ids=MODELS)
def test_models_refuse_weights_of_samples(model, data):
    with pytest.raises(ValueError, match=r"in a model, .*\(8, 20\)\. Pass .* to sparse_encode\."):
        model.set_params(penalty=PENALTY).fit(data)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (WEIGHTS[:5], r"one row for each of the 8 samples, got an array of shape \(5, 20\)"),
        (WEIGHTS[:, :5], r"weights must have the shape .*\(8, 5\)"),
        (WEIGHTS[None], r"weights must have the shape .*\(1, 8, 20\)"),
        (WEIGHTS[:0], r"weights must have the shape .*\(0, 20\)"),
        (-WEIGHTS, "weights must be positive numbers"),
        (np.where(WEIGHTS > 2, np.nan, WEIGHTS), "weights must be positive numbers"),
        (1e-16 * WEIGHTS, "weights must be positive numbers from 1e-15 to 1e.15"),
        (1e16 * WEIGHTS, "weights must be positive numbers from 1e-15 to 1e.15"),
        ([["a"] * 20] * 8, "weights must be an array of numbers"),
        ([[1.0] * 20, [1.0]], "weights must be an array of numbers"),
        (WEIGHTS * (1 + 1j), "weights must be an array of numbers"),
        (sparse.csr_array(WEIGHTS), "weights must be an array of numbers"),
    ],
)
@pytest.mark.parametrize("function", [sparse_encode, alpha_max, alpha_path, duality_gap])
def test_other_weights_are_refused(function, weights, words):
    arguments = {
        sparse_encode: (X, ATOMS, ALPHA),
        duality_gap: (X, np.zeros((8, 20)), ATOMS, ALPHA),
    }.get(function, (X, ATOMS))
    with pytest.raises(ValueError, match=words):
        function(*arguments, penalty=L1Penalty(weights))
