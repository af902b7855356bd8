"""Codes with few non-zero entries by orthogonal matching pursuit."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import orthogonal_mp

from sklearn_ebm import L0Penalty, SparseCoder, sparse_encode
from sklearn_ebm.learning._first_atoms import unit_rows

backends = pytest.mark.parametrize("backend", ["numpy", "numba"])
selections = pytest.mark.parametrize("optimized", [False, True])
N_ATOMS = 37  # not a multiple of vectors


@pytest.fixture
def dictionary():
    return unit_rows(np.random.default_rng(0).standard_normal((N_ATOMS, 20)))


@pytest.fixture
def X():
    return np.random.default_rng(1).standard_normal((70, 20))


def pursued(X, dictionary, *args, backend="numba", **limits):
    return sparse_encode(X, dictionary, penalty=L0Penalty(*args, **limits), backend=backend)


@backends
@pytest.mark.parametrize("limit", [{"n_nonzero_coefs": 5}, {"tol": 2.5}, {"tol": 1e-20}])
def test_codes_are_those_of_scikit_learn(X, dictionary, backend, limit):
    code = pursued(X, dictionary, **limit, backend=backend)
    expected = orthogonal_mp(dictionary.T, X.T, **limit).T
    assert_array_equal(code != 0, expected != 0)
    assert_allclose(code, expected, atol=1e-10)  # coherent supports magnify rounding


@backends
@selections
def test_residuals_are_orthogonal_to_the_support_and_within_the_limits(
    X, dictionary, backend, optimized
):
    code = pursued(X, dictionary, 6, tol=3.0, optimized=optimized, backend=backend)
    residual = X - code @ dictionary
    assert_allclose((residual @ dictionary.T)[code != 0], 0, atol=1e-12)
    size, error = np.count_nonzero(code, axis=1), np.sum(residual**2, axis=1)
    assert np.all((size == 6) | (error <= 3.0))
    assert np.all(size <= 6)
    assert 0 < np.mean(error <= 3.0) < 1  # both limits end some of the codes


@backends
def test_the_optimized_pursuit_adds_the_atom_that_leaves_the_smallest_error(X, dictionary, backend):
    sizes = [pursued(X[:10], dictionary, k, optimized=True, backend=backend) for k in range(1, 5)]
    for before, after in itertools.pairwise([np.zeros_like(sizes[0]), *sizes]):
        for x, old, new in zip(X, before, after, strict=False):
            support = np.flatnonzero(old)
            assert {*support} < {*np.flatnonzero(new)}
            errors = [
                least_error(x, dictionary[[*support, j]])
                for j in range(N_ATOMS)
                if j not in support
            ]
            assert np.sum((x - new @ dictionary) ** 2) == pytest.approx(min(errors), rel=1e-10)


def least_error(x, atoms):
    coefficients, *_ = np.linalg.lstsq(atoms.T, x, rcond=None)
    return np.sum((x - coefficients @ atoms) ** 2)


@selections
def test_the_best_support_is_found_if_it_explains_the_sample(optimized):
    """Two of twelve atoms: the optimum of all pairs, by brute force. Their coherence is below 1/3,
    for which recovery is guaranteed (Tropp 2004, theorem 3.1)."""
    rng = np.random.default_rng(0)
    dictionary = unit_rows(np.vstack([np.eye(8), rng.choice([-1.0, 1.0], (4, 8))]))
    dictionary = dictionary[[0, 3, 5, 8]]
    assert np.abs(dictionary @ dictionary.T - np.eye(4)).max() < 0.36
    pairs = [*itertools.combinations(range(4), 2)]
    X = np.array([[3.0, -1.0] @ dictionary[[*pair]] for pair in pairs])
    code = pursued(X, dictionary, 2, optimized=optimized)
    for x, z in zip(X, code, strict=True):
        errors = {pair: least_error(x, dictionary[[*pair]]) for pair in pairs}
        assert tuple(np.flatnonzero(z)) == min(errors, key=errors.get)


@backends
def test_atoms_of_any_norm_have_the_same_supports(X, dictionary, backend):
    norms = np.geomspace(0.1, 10, N_ATOMS)
    code = pursued(X, norms[:, None] * dictionary, 4, backend=backend)
    assert_allclose(code * norms, pursued(X, dictionary, 4), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("exponent", [-80, -40, 40])
def test_codes_do_not_depend_on_the_unit(X, dictionary, dtype, exponent):
    X, dictionary = X.astype(dtype), dictionary.astype(dtype)
    scale = dtype(2.0**exponent)
    code, scaled = (pursued(unit * X, dictionary, 4) for unit in (dtype(1), scale))
    assert scaled.dtype == dtype
    # Tiny samples in single precision are computed in double precision.
    assert_allclose(scaled / scale, code, atol=1e-5 if dtype == np.float32 else 1e-12)


@backends
@selections
def test_atoms_in_the_span_of_the_support_are_not_added(X, backend, optimized):
    """Twenty atoms in a subspace of three dimensions, two of them equal and one zero."""
    rng = np.random.default_rng(2)
    dictionary = rng.standard_normal((20, 3)) @ rng.standard_normal((3, 20))
    dictionary[5] = dictionary[6]
    code = pursued(X, unit_rows(dictionary), 10, optimized=optimized, backend=backend)
    assert np.count_nonzero(code, axis=1).max() == 3
    projection = np.linalg.pinv(dictionary) @ dictionary
    assert_allclose(code @ unit_rows(dictionary), X @ projection, atol=1e-10)


def test_samples_of_zeros_have_codes_of_zeros(dictionary):
    assert not pursued(np.zeros((3, 20)), dictionary, 4).any()


def test_the_number_of_iterations_does_not_limit_supports(X, dictionary):
    code = sparse_encode(X, dictionary, penalty=L0Penalty(6), max_iter=2)
    assert_array_equal(code, pursued(X, dictionary, 6))


@backends
@selections
def test_missing_values_are_left_out_sample_by_sample(X, dictionary, backend, optimized):
    """A sample has the code of its observed features, and complete samples keep theirs."""
    holes = np.where(np.random.default_rng(3).random(X.shape) < 0.2, np.nan, X)
    holes[::2] = X[::2]
    penalty = L0Penalty(4, tol=1.0, optimized=optimized)
    code = sparse_encode(holes, dictionary, penalty=penalty, missing_values=np.nan, backend=backend)
    for x, z in zip(holes, code, strict=True):
        seen = ~np.isnan(x)
        alone = sparse_encode(x[None, seen], dictionary[:, seen], penalty=penalty)
        assert_allclose(z, alone[0], atol=1e-12)


def test_hard_thresholding_ends_at_least_squares_on_its_support(X, dictionary):
    code = sparse_encode(
        X, dictionary, penalty=L0Penalty(4), solver="ista", tol=1e-12, max_iter=5000
    )
    assert np.all(np.count_nonzero(code, axis=1) <= 4)
    assert_allclose(((X - code @ dictionary) @ dictionary.T)[code != 0], 0, atol=1e-4)


def test_limits_of_the_error_hold_in_single_precision():
    """A large mean, of which ||x||^2 mostly consists, leaves few digits of the rest."""
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((20, 30)) + 100).astype(np.float32)
    atoms = unit_rows(np.vstack([np.ones((1, 30)), rng.standard_normal((60, 30))]))
    code = pursued(X, atoms.astype(np.float32), tol=1.0).astype(float)
    error = np.sum((X - code @ atoms.astype(np.float32)) ** 2, axis=1)
    assert np.all(error <= 1.01)  # codes are rounded


@pytest.mark.parametrize(
    ("penalty", "options", "message"),
    [
        (L0Penalty(), {}, "requires n_nonzero_coefs or tol"),
        (L0Penalty(3, optimized="no"), {}, "optimized must be True or False, got 'no'"),
        (L0Penalty(0), {}, "n_nonzero_coefs must be an integer from 1 to .* 37, got 0"),
        (L0Penalty(2.0), {}, "n_nonzero_coefs must be an integer"),
        (L0Penalty(38), {}, "n_nonzero_coefs must be an integer from 1 to .* 37, got 38"),
        (L0Penalty(tol=-1), {}, "tol must be a non-negative number or None, got -1"),
        (L0Penalty(tol=np.nan), {}, "tol must be a non-negative number"),
        (
            L0Penalty(2),
            {"positive": True},
            "positive=True requires a .*; L0Penalty is not",
        ),
        (L0Penalty(2), {"alpha": 0.5}, "alpha must not be set with L0Penalty"),
        (L0Penalty(2), {"solver": "fista"}, "'fista' requires a convex .* Use solver='omp'"),
        (L0Penalty(tol=1.0), {"solver": "ista"}, "'ista' requires a proximal .* Use solver='omp'"),
        ("l1", {"alpha": 0.5, "solver": "omp"}, "'omp' requires an L0Penalty .* got L1Penalty"),
        ("l1", {}, "alpha must be a positive number, got None"),
    ],
)
def test_parameters_that_do_not_suit_are_refused(X, dictionary, penalty, options, message):
    with pytest.raises(ValueError, match=message):
        sparse_encode(X, dictionary, penalty=penalty, **options)


def test_models_refuse_a_weight_before_and_after_fit(X):
    with pytest.raises(ValueError, match="alpha must not be set with L0Penalty"):
        SparseCoder(8, alpha=0.5, penalty=L0Penalty(2)).fit(X)
    coder = SparseCoder(8, penalty=L0Penalty(2), max_iter=2, tol=0, random_state=0).fit(X)
    assert coder.alpha_ == pytest.approx(np.sqrt(np.mean(X**2)))  # for another penalty
    with pytest.raises(ValueError, match="alpha must not be set with L0Penalty"):
        coder.set_params(alpha=0.5).transform(X)
    code = coder.set_params(alpha="scale", penalty__n_nonzero_coefs=3).transform(X)
    assert np.all(np.count_nonzero(code, axis=1) == 3)
