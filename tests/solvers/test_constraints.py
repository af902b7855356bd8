"""Codes with a limited L1 norm, or with the least L1 norm for a limited error."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm import L1Constraint, SparseCoder, sparse_encode
from sklearn_ebm.learning._first_atoms import unit_rows
from sklearn_ebm.metrics import duality_gap

backends = pytest.mark.parametrize("backend", ["numpy", "numba"])
signs = pytest.mark.parametrize("positive", [False, True])
N_ATOMS, NORM, TOL = 37, 3.0, 8.0  # the number is not a multiple of vectors
limits = pytest.mark.parametrize("limit", [{"norm": NORM}, {"tol": TOL}], ids=["norm", "tol"])


@pytest.fixture
def dictionary():
    return unit_rows(np.random.default_rng(0).standard_normal((N_ATOMS, 20)))


@pytest.fixture
def X(dictionary):
    """Samples of the atoms' cone, so that errors can also be reached by non-negative codes."""
    rng = np.random.default_rng(1)
    return rng.exponential(size=(30, N_ATOMS)) @ dictionary / 2


def constrained(X, dictionary, limit, **options):
    return sparse_encode(X, dictionary, penalty=L1Constraint(**limit), **options)


def error(X, code, dictionary):
    return np.sum((X - code.astype(float) @ dictionary) ** 2, axis=1)


def optimum(x, dictionary, norm, positive):
    """Return the least 1/2 ||r||^2 of codes with ||z||_1 <= norm, by non-negative least squares.

    A row of large weight enforces that z+, z- and a slack variable sum to the norm.
    """
    atoms = dictionary if positive else np.vstack([dictionary, -dictionary])
    weight = 1e4
    design = np.vstack(
        [np.hstack([atoms.T, np.zeros((len(x), 1))]), weight * np.ones(len(atoms) + 1)]
    )
    parts, _ = nnls(design, np.append(x, weight * norm), maxiter=10_000)
    code = parts[:-1] if positive else parts[:N_ATOMS] - parts[N_ATOMS:-1]
    return np.sum((x - code @ dictionary) ** 2) / 2


@backends
@signs
def test_codes_of_a_norm_have_the_least_error(X, dictionary, backend, positive):
    code = constrained(
        X[:5], dictionary, {"norm": NORM}, positive=positive, tol=1e-10, backend=backend
    )
    assert np.all(np.abs(code).sum(axis=1) <= NORM * (1 + 1e-12))
    best = [optimum(x, dictionary, NORM, positive) for x in X[:5]]
    assert_allclose(error(X[:5], code, dictionary) / 2, best, rtol=1e-6)  # of the weight


@backends
@signs
@limits
def test_optimality_conditions_hold_with_one_weight_for_each_sample(
    X, dictionary, backend, positive, limit
):
    """q_j = alpha sign(z_j) on the support and |q_j| <= alpha elsewhere (Karush-Kuhn-Tucker)."""
    code = constrained(X, dictionary, limit, positive=positive, tol=1e-11, backend=backend)
    q = (X - code @ dictionary) @ dictionary.T
    magnitude = q if positive else np.abs(q)
    alpha = magnitude.max(axis=1, keepdims=True)
    assert np.all(alpha > 0)
    gap = np.where(code != 0, np.abs(q - alpha * np.sign(code)) * np.abs(code), 0)
    assert_allclose(gap, 0, atol=1e-8)
    assert not positive or code.min() >= 0
    if "norm" in limit:
        assert_allclose(np.abs(code).sum(axis=1), NORM, rtol=1e-9)
    else:
        assert_allclose(error(X, code, dictionary), TOL, rtol=1e-9)


@signs
@limits
def test_codes_are_those_of_spams(X, dictionary, positive, limit):
    spams = pytest.importorskip("spams")
    mode, value = (0, NORM) if "norm" in limit else (1, TOL)
    columns, atoms = np.asfortranarray(X.T), np.asfortranarray(dictionary.T)
    expected = spams.lasso(columns, D=atoms, lambda1=value, mode=mode, pos=positive).T.toarray()
    code = constrained(X, dictionary, limit, positive=positive, tol=1e-12)
    assert_allclose(code, expected, atol=1e-6)


@limits
def test_a_constraint_is_a_penalty_with_its_own_weight(X, dictionary, limit):
    code = constrained(X, dictionary, limit, tol=1e-12)
    for x, z in zip(X[:5], code, strict=False):
        alpha = np.abs((x - z @ dictionary) @ dictionary.T).max()
        assert_allclose(sparse_encode(x[None], dictionary, alpha, tol=1e-12)[0], z, atol=1e-6)


@limits
@pytest.mark.parametrize("missing", [None, np.nan], ids=["observed", "missing"])
def test_gaps_bound_the_distance_from_the_optimum(X, dictionary, limit, missing, dtype):
    if missing is not None:
        X = np.where(np.random.default_rng(2).random(X.shape) < 0.1, missing, X)
    data, atoms = X.astype(dtype), dictionary.astype(dtype)
    options = {"missing_values": missing}
    code, gap = constrained(data, atoms, limit, return_gap=True, **options)
    best = constrained(X, dictionary, limit, tol=1e-10, **options)
    assert code.dtype == dtype
    assert np.all(gap <= 1e-4)

    def objective(code):
        if "tol" in limit:
            return np.abs(code).sum(axis=1)
        return np.nansum((X - code @ dictionary) ** 2, axis=1) / 2

    unit = objective(best) if "tol" in limit else np.nansum(X**2, axis=1) / 2
    rounding = 20 * np.finfo(dtype).eps  # of data and atoms
    assert np.all(objective(code.astype(float)) - objective(best) <= (gap + rounding) * unit)
    true = duality_gap(data, code, atoms, 1.0, penalty=L1Constraint(**limit), **options)
    assert_allclose(true, gap, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("solver", ["fista", "ista"])
@signs
def test_projected_steps_reach_the_same_error(X, dictionary, solver, positive):
    options = {"positive": positive, "tol": 1e-8}
    exact = constrained(X, dictionary, {"norm": NORM}, **options)
    code = constrained(X, dictionary, {"norm": NORM}, solver=solver, max_iter=20_000, **options)
    assert_allclose(error(X, code, dictionary), error(X, exact, dictionary), rtol=1e-6)


@backends
def test_limits_that_do_not_bind(X, dictionary, backend):
    few = dictionary[:9]
    expected = np.linalg.lstsq(few.T, X.T)[0].T
    code = constrained(X, few, {"norm": 1e4}, tol=1e-9, backend=backend)
    assert_allclose(code, expected, atol=1e-5)  # least squares
    assert not constrained(X, few, {"tol": 1e4}, backend=backend).any()


@backends
def test_an_error_that_no_code_reaches_is_reported(X, dictionary, backend):
    few = dictionary[:9]
    expected = np.linalg.lstsq(few.T, X.T)[0].T
    with pytest.warns(
        ConvergenceWarning, match="no code has an error as small as the penalty's tol"
    ):
        code, gap = constrained(X, few, {"tol": 1e-3}, return_gap=True, backend=backend)
    assert_allclose(code, expected, atol=1e-6)
    assert np.all(gap > 1)


@backends
@limits
def test_samples_of_zeros_have_codes_of_zeros(dictionary, backend, limit):
    code, gap = constrained(np.zeros((3, 20)), dictionary, limit, return_gap=True, backend=backend)
    assert_array_equal(code, 0)
    assert_array_equal(gap, 0)


@limits
def test_initial_codes_are_not_used(X, dictionary, limit):
    start = np.full((len(X), N_ATOMS), 9.0)
    code = constrained(X, dictionary, limit, init=start)
    assert_array_equal(code, constrained(X, dictionary, limit))


@limits
def test_models_learn_with_a_constraint(X, limit):
    coder = SparseCoder(12, penalty=L1Constraint(**limit), max_iter=3, tol=0, random_state=0)
    code = coder.fit(X).transform(X)
    exact = constrained(X, coder.components_, limit)
    assert_allclose(code, exact, atol=1e-12)
    assert_allclose(coder.energy(X), error(X, code, coder.components_) / 2, rtol=1e-10)
    assert coder.duality_gap(X, code).max() <= 1e-4


@pytest.mark.parametrize(
    ("limit", "options", "message"),
    [
        ({}, {}, "requires either norm or tol, got norm=None and tol=None"),
        ({"norm": 1.0, "tol": 1.0}, {}, "requires either norm or tol, got norm=1.0 and tol=1.0"),
        ({"norm": 0.0}, {}, "norm must be a positive number or None, got 0.0"),
        ({"norm": "1"}, {}, "norm must be a positive number or None, got '1'"),
        ({"tol": -1.0}, {}, "tol must be a non-negative number or None, got -1.0"),
        ({"tol": np.nan}, {}, "tol must be a non-negative number"),
        ({"norm": 1.0}, {"alpha": 0.5}, "alpha must not be set with L1Constraint"),
        ({"norm": 1.0}, {"solver": "cd"}, "'cd' requires a separable .* Use solver='constrained'"),
        ({"tol": 1.0}, {"solver": "fista"}, "requires a proximal .* Use solver='constrained'"),
    ],
)
def test_parameters_that_do_not_suit_are_refused(X, dictionary, limit, options, message):
    with pytest.raises(ValueError, match=message):
        constrained(X, dictionary, limit, **options)


def test_other_penalties_and_learners_are_refused(X, dictionary):
    with pytest.raises(ValueError, match="'constrained' requires an L1Constraint"):
        sparse_encode(X, dictionary, 0.5, solver="constrained")
    with pytest.raises(ValueError, match=r"requires penalty=L0Penalty"):
        SparseCoder(8, penalty=L1Constraint(1.0), optimizer="ksvd").fit(X)
