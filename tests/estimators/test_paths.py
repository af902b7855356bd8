"""Codes for a sequence of alphas, compared with single calls and with scikit-learn's path."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path, lasso_path

from sklearn_ebm import (
    ElasticNetPenalty,
    GroupPenalty,
    InhibitionPenalty,
    L1Penalty,
    alpha_max,
    alpha_path,
    sparse_encode,
)
from sklearn_ebm.backends import numba
from sklearn_ebm.factors import L1, LinearDecoder, SparseEnergy, resolve_penalty

PENALTIES = {
    "l1": "l1",
    "weights": L1Penalty(np.linspace(0.5, 2, 96)),
    "elastic net": ElasticNetPenalty(0.6),
    "groups": GroupPenalty(4),
}
penalties = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])


@pytest.fixture(scope="module")
def X(patches):
    return patches[:40]


def energy(X, code, atoms, alpha, penalty="l1"):
    factor = resolve_penalty(penalty, len(atoms), alpha)
    return np.sum((X - code @ atoms) ** 2, axis=1) / 2 + factor.value(code)


# The largest alpha


@penalties
@signs
def test_alpha_max_is_the_smallest_alpha_without_codes(X, dictionary, dtype, penalty, positive):
    """A thousandth below it, the gap of zeros is (1e-3)^2, so that tol must be smaller."""
    X, atoms = X.astype(dtype), dictionary.astype(dtype)
    options = {"penalty": penalty, "positive": positive}
    largest = alpha_max(X, atoms, **options)
    each = alpha_max(X, atoms, per_sample=True, **options)
    assert isinstance(largest, float)
    assert each.shape == (len(X),)
    assert each.dtype == dtype
    assert largest == each.max()
    assert not np.any(sparse_encode(X, atoms, largest, **options))
    for x, alpha in zip(X[:5], each[:5], strict=True):
        tight = {"tol": 1e-7, "max_iter": 10_000, **options}
        assert not np.any(sparse_encode(x[None], atoms, alpha, **tight))
        assert np.any(sparse_encode(x[None], atoms, 0.999 * alpha, **tight))


def test_alpha_max_of_the_l1_penalty_is_the_largest_correlation(X, dictionary):
    largest = np.abs(X @ dictionary.T).max(axis=1)
    each = alpha_max(X, dictionary, per_sample=True)
    assert np.all((each >= largest) & (each <= largest * (1 + 1e-13)))  # rounded up
    ratio = alpha_max(X, dictionary, penalty=ElasticNetPenalty(0.25)) / largest.max()
    assert_allclose(ratio, 4, rtol=1e-13)
    holes = np.random.default_rng(0).uniform(size=X.shape) < 0.2
    hidden = alpha_max(np.where(holes, np.nan, X), dictionary, missing_values=np.nan)
    assert_allclose(hidden, alpha_max(np.where(holes, 0, X), dictionary), rtol=1e-13)


def test_alpha_max_is_zero_if_no_code_helps():
    assert alpha_max(np.zeros((2, 3)), np.eye(3)) == 0
    assert alpha_max(-np.ones((2, 3)), np.eye(3), positive=True) == 0


# The path


@penalties
@signs
def test_codes_of_a_path_are_those_of_single_calls(X, dictionary, penalty, positive):
    """Both have gaps of at most tol, so that energies differ by at most tol times 1/2 ||x||^2."""
    options = {"penalty": penalty, "positive": positive, "tol": 1e-6, "max_iter": 20_000}
    alphas, code, gap = alpha_path(X, dictionary, n_alphas=8, **options)
    assert code.shape == (len(X), len(dictionary), 8)
    assert gap.shape == (len(X), 8)
    assert np.all(gap <= 1e-6)
    assert_array_equal(code[:, :, 0], 0)
    assert_allclose(alphas[1:] / alphas[:-1], 1e-2 ** (1 / 7), rtol=1e-12)
    assert alphas[0] == alpha_max(X, dictionary, penalty=penalty, positive=positive)
    for k, alpha in enumerate(alphas):
        single = sparse_encode(X, dictionary, alpha, **options)
        difference = np.abs(
            energy(X, code[:, :, k], dictionary, alpha, penalty)
            - energy(X, single, dictionary, alpha, penalty)
        )
        assert np.all(difference <= 1.01e-6 * np.sum(X**2, axis=1) / 2)


@pytest.mark.parametrize("solver", ["auto", "cd", "fista"])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_every_solver_follows_the_same_path(X, dictionary, solver, backend, dtype):
    X, atoms = X[:6].astype(dtype), dictionary[:30].astype(dtype)
    options = {"n_alphas": 6, "tol": 1e-5, "max_iter": 20_000}
    alphas, code, gap = alpha_path(X, atoms, solver=solver, backend=backend, **options)
    assert code.dtype == dtype
    assert np.all(gap <= 1e-5)
    _, sparse_code, _ = alpha_path(
        X, atoms, solver=solver, backend=backend, sparse_output=True, **options
    )
    for k, alpha in enumerate(alphas):
        assert sparse.issparse(sparse_code[k])
        assert_array_equal(sparse_code[k].toarray(), code[:, :, k])
        best = sparse_encode(X.astype(float), atoms.astype(float), alpha, tol=1e-12)
        excess = energy(X, code[:, :, k], atoms, alpha) - energy(X, best, atoms, alpha)
        rounding = 10 * np.finfo(dtype).eps  # of energies
        assert np.all(excess <= (1e-5 + rounding) * np.sum(X**2, axis=1) / 2)


def test_a_path_of_one_sample_is_that_of_scikit_learn(X, dictionary):
    """scikit-learn divides the misfit by the number of features."""
    x, n_features = X[3], X.shape[1]
    alphas, code, _ = alpha_path(x[None], dictionary, n_alphas=10, tol=1e-13)
    theirs, path, _ = lasso_path(
        dictionary.T, x, alphas=alphas / n_features, tol=1e-14, max_iter=100_000
    )
    assert_allclose(theirs * n_features, alphas, rtol=1e-12)
    # 1/2 mu d^2 <= 1e-13 * 32, with a curvature of a support above 0.01
    assert_allclose(code[0], path, atol=3e-5)


def test_missing_values_leave_the_path_of_the_observed_features(X, dictionary):
    holes = np.random.default_rng(0).uniform(size=X[:4].shape) < 0.2
    data, options = np.where(holes, np.nan, X[:4]), {"missing_values": np.nan, "max_iter": 20_000}
    alphas, code, gap = alpha_path(data, dictionary[:40], n_alphas=4, **options)
    assert np.all(gap <= 1e-4)
    for x, z, seen in zip(data, code, ~holes, strict=True):
        alone = sparse_encode(x[None, seen], dictionary[:40, seen], alphas[-1], tol=1e-10)
        atoms, x = dictionary[:40, seen], x[None, seen]
        excess = energy(x, z[None, :, -1], atoms, alphas[-1]) - energy(x, alone, atoms, alphas[-1])
        assert excess[0] <= 1.01e-4 * np.sum(x**2) / 2


def test_nearly_dependent_atoms_do_not_end_a_path(dtype):
    """The active set refuses such atoms, and other solvers continue."""
    random = np.random.default_rng(0)
    atoms = random.standard_normal((20, 16))
    atoms = np.vstack([atoms, atoms[:8] + 1e-4 * random.standard_normal((8, 16)), atoms[8:12]])
    X = random.standard_normal((30, 16)).astype(dtype)
    _, _, gap = alpha_path(X, atoms.astype(dtype), eps=1e-3, tol=1e-4)
    assert np.all(gap <= 1e-4)


@pytest.mark.parametrize("ridge", [0.0, 0.1, 1.0])
def test_a_search_along_a_path_needs_few_rounds(patches, dictionary, ridge):
    """The support moves to its minimum before atoms join; from zero, a search takes 10 rounds.

    Ridges decrease with the thresholds, and the inverse of an earlier Hessian remains in use. With
    it, few searches may settle above the tolerance, and another solver continues.
    """
    problem = SparseEnergy(LinearDecoder(dictionary), L1(1.0)).problem(patches[:100])
    alphas = alpha_max(patches[:100], dictionary) * np.geomspace(1, 0.05, 20)
    code = np.empty((20, 100, len(dictionary)))
    gap, rounds = numba.active_set_path(problem.as_lasso(), alphas, ridge * alphas, code, 1e-4, 24)
    is_certified = gap <= 1e-4
    assert np.mean(is_certified) >= (0.998 if ridge else 1)
    assert np.max(rounds) <= (10 if ridge else 6)
    for k in (7, 12, 19):  # after steps with the first inverse and with later ones
        factor = ElasticNetPenalty(1 / (1 + ridge)).resolve(96, alphas[k] * (1 + ridge))
        exact = SparseEnergy(problem.source.decoder, factor).problem(patches[:100])
        assert np.all(exact.certificate(code[k])[is_certified[k]] <= 1.01e-4)


@pytest.mark.parametrize("positive", [False, True])
def test_a_path_of_the_elastic_net_is_that_of_scikit_learn(X, dictionary, positive):
    """scikit-learn divides the misfit by the number of features."""
    x, n_features = X[3], X.shape[1]
    penalty = ElasticNetPenalty(0.7)
    alphas, code, _ = alpha_path(
        x[None], dictionary, n_alphas=25, penalty=penalty, positive=positive, tol=1e-13
    )
    _, path, _ = enet_path(
        dictionary.T, x, l1_ratio=0.7, alphas=alphas / n_features, tol=1e-14, max_iter=100_000,
        positive=positive,
    )  # fmt: skip
    assert_allclose(code[0], path, atol=3e-5)


def test_weights_of_samples_are_copied_once(X, dictionary, monkeypatch):
    """Each resolution copies them, which took as long as the path."""
    calls, resolve = [], L1Penalty.resolve

    def counted(self, *arguments):
        calls.append(arguments)
        return resolve(self, *arguments)

    monkeypatch.setattr(L1Penalty, "resolve", counted)
    penalty = L1Penalty(np.random.default_rng(0).uniform(0.5, 2, (len(X), len(dictionary))))
    alphas, code, _ = alpha_path(X, dictionary, alphas=[4, 2, 1, 0.5], penalty=penalty)
    assert len(calls) == 1
    for k, alpha in enumerate(alphas):
        single = sparse_encode(X, dictionary, alpha, penalty=penalty, tol=1e-10)
        value = alpha * np.sum(penalty.weights * (abs(code[:, :, k]) - abs(single)), axis=1)
        errors = [np.sum((X - z @ dictionary) ** 2, axis=1) for z in (code[:, :, k], single)]
        assert np.all((errors[0] - errors[1]) / 2 + value <= 1.01e-4 * np.sum(X**2, axis=1) / 2)


def test_lists_are_arrays(X, dictionary):
    expected = alpha_path(X[:3], dictionary, n_alphas=3)
    results = alpha_path(X[:3].tolist(), dictionary.tolist(), n_alphas=np.int8(3))
    for result, wanted in zip(results, expected, strict=True):
        assert_array_equal(result, wanted)
    given = alpha_path(X[:3], dictionary, alphas=expected[0].tolist()[::-1])
    assert_array_equal(given[1], expected[1])


def test_given_alphas_are_sorted(X, dictionary):
    given = [0.5, 4.0, 1.0]
    alphas, code, _ = alpha_path(X, dictionary, alphas=given)
    assert_array_equal(alphas, [4, 1, 0.5])
    assert given == [0.5, 4.0, 1.0]
    n_on = np.count_nonzero(code, axis=(0, 1))
    assert n_on[0] < n_on[1] < n_on[2]


def test_a_path_warns_of_codes_that_did_not_converge(X, dictionary):
    options = {"alphas": [1.0, 0.1], "solver": "ista", "max_iter": 1}
    with pytest.warns(ConvergenceWarning, match=r"of 80 codes did not converge in max_iter=1"):
        _, _, gap = alpha_path(X, dictionary, **options)
    assert np.all(gap.max(axis=0) > 1e-4)


def test_a_penalty_without_a_dual_norm_requires_alphas(X, dictionary):
    atoms = dictionary[:6]
    penalty = InhibitionPenalty(map_shape=(2, 3), inner_radius=1.0)
    for function in (alpha_max, alpha_path):
        with pytest.raises(ValueError, match=r"requires a penalty with `dual_norm`; InhibitionPen"):
            function(X, atoms, penalty=penalty)
    _, code, gap = alpha_path(X, atoms, alphas=[1.0, 0.1], penalty=penalty, tol=1e-3)
    assert np.any(code)
    assert np.all(np.isnan(gap))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"alphas": []}, "alphas must be positive numbers, at least one"),
        ({"alphas": [1.0, 0.0]}, "alphas must be positive numbers"),
        ({"alphas": [1.0, np.nan]}, "alphas must be positive numbers"),
        ({"alphas": ["a"]}, "alphas must be an array of numbers"),
        ({"alphas": [[1.0, 2.0], [1.0]]}, "alphas must be an array of numbers"),
        ({"alphas": [1.0, 1e-200]}, "alpha=1e-200 is too small"),
        ({"n_alphas": 0}, "The 'n_alphas' parameter of alpha_path must be"),
        ({"eps": 1.0}, "The 'eps' parameter of alpha_path must be"),
        ({"eps": 0}, "The 'eps' parameter of alpha_path must be"),
        ({"X": np.full((2, 64), np.nan)}, r"(?s)Input X contains NaN.*missing_values=np.nan"),
        ({"X": np.zeros((2, 64))}, "X must not be orthogonal to all atoms"),
        ({"X": np.ones((2, 3))}, "dictionary"),
        ({"solver": "block_cd"}, "solver='block_cd' requires a penalty on disjoint groups"),
    ],
)
def test_bad_arguments_of_a_path_are_refused(X, dictionary, options, words):
    arguments = {"X": X, "dictionary": dictionary, **options}
    with pytest.raises(ValueError, match=words):
        alpha_path(**arguments)
    if "X" in options and "orthogonal" not in words:
        with pytest.raises(ValueError, match=words):
            alpha_max(options["X"], dictionary)
