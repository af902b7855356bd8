"""Codes of groups of samples that share a support."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso

from sklearn_ebm import (
    ElasticNetPenalty,
    GroupPenalty,
    L0Penalty,
    L1Constraint,
    L1Penalty,
    alpha_max,
    sparse_encode,
)
from sklearn_ebm.learning._first_atoms import unit_rows
from sklearn_ebm.metrics import duality_gap

N_ATOMS, N_SAMPLES, ALPHA = 37, 23, 1.0  # the number of atoms is not a multiple of vectors
LABELS = np.random.default_rng(2).integers(-2, 4, N_SAMPLES)  # groups of several sizes, not sorted
WEIGHTS = np.random.default_rng(3).uniform(0.5, 2, N_ATOMS)
backends = pytest.mark.parametrize("backend", ["numpy", "numba"])
solvers = pytest.mark.parametrize("solver", ["block_cd", "fista", "ista"])
signs = pytest.mark.parametrize("positive", [False, True])
penalties = pytest.mark.parametrize(
    "penalty", ["l1", L1Penalty(WEIGHTS), ElasticNetPenalty(0.7)], ids=["l1", "weights", "elastic"]
)


@pytest.fixture
def dictionary():
    return unit_rows(np.random.default_rng(0).standard_normal((N_ATOMS, 20)))


@pytest.fixture
def X():
    return np.random.default_rng(1).standard_normal((N_SAMPLES, 20))


def each_group(labels=LABELS):
    return [labels == label for label in np.unique(labels)]


def supports(code):
    return [np.flatnonzero((code[rows] != 0).any(axis=0)) for rows in each_group()]


@solvers
@backends
@signs
@penalties
@pytest.mark.pairwise("solver", "backend", "positive", "penalty")
def test_codes_meet_the_optimality_conditions(X, dictionary, solver, backend, positive, penalty):
    """Q_j = alpha w_j Z_j / ||Z_j|| + ridge Z_j on the support, ||Q_j|| <= alpha w_j elsewhere."""
    code = sparse_encode(
        X, dictionary, ALPHA, penalty=penalty, positive=positive, groups=LABELS, solver=solver,
        tol=1e-13, max_iter=20_000, backend=backend,
    )  # fmt: skip
    weights = getattr(penalty, "weights", None)
    weights = np.ones(N_ATOMS) if weights is None else weights
    share = getattr(penalty, "l1_ratio", 1.0)
    q = (X - code @ dictionary) @ dictionary.T - ALPHA * (1 - share) * code
    for rows in each_group():
        norm, limit = np.linalg.norm(code[rows], axis=0), ALPHA * share * weights
        on = norm > 0
        slope = q[rows] - np.where(on, limit * code[rows] / np.where(on, norm, 1), 0)
        if positive:  # entries at zero may have a negative slope
            slope = np.where(code[rows] > 0, slope, np.maximum(slope, 0))
        assert_allclose(slope[:, on], 0, atol=1e-5)  # distances are like the root of the gap
        assert np.all(np.linalg.norm(slope, axis=0)[~on] <= limit[~on] * (1 + 1e-6))
        assert 0 < on.sum() < N_ATOMS


@backends
@penalties
def test_groups_of_one_sample_have_ordinary_codes(X, dictionary, backend, penalty):
    expected = sparse_encode(X, dictionary, ALPHA, penalty=penalty, backend=backend)
    labels = np.random.default_rng(0).permutation(N_SAMPLES)
    code = sparse_encode(X, dictionary, ALPHA, penalty=penalty, groups=labels, backend=backend)
    # the order of rows may change sums in a matrix product
    assert_allclose(code, expected, atol=1e-12)
    expected = sparse_encode(X, dictionary, penalty=L0Penalty(4), backend=backend)
    code = sparse_encode(X, dictionary, penalty=L0Penalty(4), groups=labels, backend=backend)
    assert_allclose(code, expected, atol=1e-12)


@solvers
@backends
@pytest.mark.parametrize("is_alone", [False, True])
def test_each_solver_accepts_groups_of_one_sample(X, dictionary, solver, backend, is_alone):
    """A group of one among larger groups, and groups of one only."""
    options = {"tol": 1e-12, "max_iter": 20_000, "backend": backend}
    alone = sparse_encode(X, dictionary, ALPHA, **options)
    labels = np.arange(N_SAMPLES) if is_alone else np.r_[0, np.ones(N_SAMPLES - 1, int)]
    code = sparse_encode(X, dictionary, ALPHA, groups=labels, solver=solver, **options)
    assert_allclose(code[0], alone[0], atol=1e-4)


def test_the_kernels_for_groups_agree_with_the_ordinary_ones_for_equal_samples(X, dictionary):
    """For m equal samples, ||Z_j|| = sqrt(m) |z_j|, which is the lasso with alpha / sqrt(m)."""
    equal = np.repeat(X[:5], 4, axis=0)
    labels = np.repeat(np.arange(5), 4)
    expected = sparse_encode(X[:5], dictionary, ALPHA / 2, tol=1e-12)
    code = sparse_encode(equal, dictionary, ALPHA, groups=labels, tol=1e-12)
    assert_allclose(code, np.repeat(expected, 4, axis=0), atol=1e-5)
    for optimized in (False, True):
        penalty = L0Penalty(4, optimized=optimized)
        expected = sparse_encode(X[:5], dictionary, penalty=penalty)
        code = sparse_encode(equal, dictionary, penalty=penalty, groups=labels)
        assert_allclose(code, np.repeat(expected, 4, axis=0), atol=1e-12)


@backends
def test_energies_are_those_of_the_multi_task_lasso(X, dictionary, backend):
    code = sparse_encode(X, dictionary, ALPHA, groups=LABELS, tol=1e-10, backend=backend)
    for rows in each_group():
        model = MultiTaskLasso(
            alpha=ALPHA / X.shape[1], fit_intercept=False, tol=1e-12, max_iter=10_000
        ).fit(dictionary.T, X[rows].T)
        assert_allclose(code[rows], model.coef_, atol=1e-4)


@backends
@signs
@penalties
def test_gaps_bound_the_distance_from_the_least_energy(X, dictionary, backend, positive, penalty):
    options = {"penalty": penalty, "positive": positive, "groups": LABELS}

    def energies(code):
        share = getattr(penalty, "l1_ratio", 1.0)
        weights = getattr(penalty, "weights", None)
        weights = 1.0 if weights is None else weights
        value = np.empty(N_SAMPLES)
        for rows in each_group():
            norms = np.sum(weights * np.linalg.norm(code[rows], axis=0))
            squares = np.sum((X[rows] - code[rows] @ dictionary) ** 2) / 2
            ridge = ALPHA * (1 - share) / 2 * np.sum(code[rows] ** 2)
            value[rows] = (squares + ALPHA * share * norms + ridge) / np.sum(X[rows] ** 2) * 2
        return value

    best = energies(sparse_encode(X, dictionary, ALPHA, tol=1e-12, **options))
    code, gap = sparse_encode(
        X, dictionary, ALPHA, tol=1e-2, return_gap=True, backend=backend, **options
    )
    assert np.all(gap <= 1e-2)
    assert np.all(energies(code) - best <= gap + 1e-12)
    assert gap.max() > 1e-4  # the codes are not exact
    assert_allclose(duality_gap(X, code, dictionary, ALPHA, **options), gap, rtol=1e-6)
    for rows in each_group():
        assert len(np.unique(gap[rows])) == 1


@penalties
def test_alpha_max_is_the_smallest_alpha_with_codes_of_zeros(X, dictionary, penalty):
    if not isinstance(penalty, str) and penalty.get_params().get("l1_ratio"):
        penalty = "l1"
    options = {"penalty": penalty, "groups": LABELS}
    largest = alpha_max(X, dictionary, per_sample=True, **options)
    assert alpha_max(X, dictionary, **options) == largest.max()
    for rows in each_group():
        inside = {"penalty": penalty, "groups": LABELS[rows]}
        (alpha,) = np.unique(largest[rows])
        assert not sparse_encode(X[rows], dictionary, alpha, **inside).any()
        assert sparse_encode(X[rows], dictionary, 0.99 * alpha, tol=1e-8, **inside).any()


def pursued(X, dictionary, most, limit, optimized):
    """Return the code of one group by least squares in each step."""
    support, residual, code = [], X, np.zeros((len(X), len(dictionary)))
    while len(support) < most and np.mean(np.sum(residual**2, axis=1)) > limit:
        outside = dictionary
        if support and optimized:
            basis, _ = np.linalg.qr(dictionary[support].T)
            outside = dictionary - dictionary @ basis @ basis.T
        square = np.maximum(np.sum(outside**2, axis=1), 1e-12)
        score = np.sum((residual @ dictionary.T) ** 2, axis=0) / square
        score[support] = -1
        support.append(int(np.argmax(score)))
        solution = np.linalg.lstsq(dictionary[support].T, X.T, rcond=None)[0].T
        residual = X - solution @ dictionary[support]
        code[:, support] = solution
    return code


@backends
@pytest.mark.parametrize("optimized", [False, True])
@pytest.mark.parametrize("limits", [{"n_nonzero_coefs": 5}, {"tol": 6.0}], ids=["number", "error"])
def test_pursuit_adds_the_best_atom_of_the_group(X, dictionary, backend, optimized, limits):
    penalty = L0Penalty(optimized=optimized, **limits)
    code = sparse_encode(X, dictionary, penalty=penalty, groups=LABELS, backend=backend)
    most, limit = limits.get("n_nonzero_coefs", N_ATOMS), limits.get("tol", 0.0)
    for rows in each_group():
        expected = pursued(X[rows], dictionary, most, limit, optimized)
        assert_allclose(code[rows], expected, atol=1e-10)


@pytest.mark.parametrize("penalty", ["l1", L0Penalty(5)], ids=["l1", "l0"])
@pytest.mark.parametrize(
    "relabelled",
    [
        lambda labels: [f"person {label}" for label in labels],
        lambda labels: labels.astype(float) / 2,
        lambda labels: np.array([f"{label}" for label in labels], dtype=object),
    ],
    ids=["strings", "floats", "objects"],
)
def test_labels_only_define_groups(X, dictionary, penalty, relabelled):
    options = {"alpha": None if penalty != "l1" else ALPHA, "penalty": penalty, "tol": 1e-10}
    code = sparse_encode(X, dictionary, groups=LABELS, **options)
    other = sparse_encode(X, dictionary, groups=relabelled(LABELS), **options)
    assert_allclose(other, code, atol=1e-4)


@pytest.mark.parametrize("penalty", ["l1", L0Penalty(5)], ids=["l1", "l0"])
def test_codes_are_permuted_with_the_samples(X, dictionary, penalty):
    alpha = None if penalty != "l1" else ALPHA
    order = np.random.default_rng(4).permutation(N_SAMPLES)
    options = {"penalty": penalty, "tol": 1e-10, "return_gap": True}
    code, gap = sparse_encode(X, dictionary, alpha, groups=LABELS, **options)
    other, other_gap = sparse_encode(X[order], dictionary, alpha, groups=LABELS[order], **options)
    assert_allclose(other, code[order], atol=1e-4)
    assert other_gap.shape == gap.shape


@backends
def test_sparse_data_and_sparse_output_and_starts_give_the_same_codes(X, dictionary, backend):
    X = np.where(np.abs(X) > 0.5, X, 0)
    options = {"groups": LABELS, "tol": 1e-10, "backend": backend}
    code = sparse_encode(X, dictionary, ALPHA, **options)
    of_sparse = sparse_encode(sparse.csr_array(X), dictionary, ALPHA, **options)
    assert_allclose(of_sparse, code, atol=1e-4)
    gap = duality_gap(X, code, dictionary, ALPHA, groups=LABELS)
    gap_of_sparse = duality_gap(sparse.csr_array(X), code, dictionary, ALPHA, groups=LABELS)
    assert_allclose(gap_of_sparse, gap, atol=1e-14)
    in_csr = sparse_encode(X, dictionary, ALPHA, sparse_output=True, **options)
    assert in_csr.format == "csr"
    assert_array_equal(in_csr.toarray(), code)
    start = np.random.default_rng(5).standard_normal(code.shape)
    assert_allclose(sparse_encode(X, dictionary, ALPHA, init=start, **options), code, atol=1e-4)


@pytest.mark.parametrize("penalty", ["l1", L0Penalty(5)], ids=["l1", "l0"])
@backends
def test_single_precision_is_preserved_and_its_gaps_are_true(X, dictionary, backend, penalty):
    alpha = None if penalty != "l1" else ALPHA
    options = {"penalty": penalty, "groups": LABELS, "backend": backend}
    code = sparse_encode(X.astype(np.float32), dictionary, alpha, tol=1e-5, **options)
    assert code.dtype == np.float32
    if penalty == "l1":
        true = duality_gap(
            X.astype(np.float32), code, dictionary.astype(np.float32), ALPHA, groups=LABELS
        )
        assert np.all(true <= 1e-5)


@pytest.mark.filterwarnings("error")
def test_missing_values_are_ignored(X, dictionary):
    """Features that are missing in all samples have no effect on the codes."""
    holes = X.copy()
    holes[:, :3] = np.nan
    options = {"groups": LABELS, "tol": 1e-8, "max_iter": 10_000}
    code = sparse_encode(holes, dictionary, ALPHA, missing_values=np.nan, **options)
    assert_allclose(code, sparse_encode(X[:, 3:], dictionary[:, 3:], ALPHA, **options), atol=1e-3)
    gap = duality_gap(holes, code, dictionary, ALPHA, missing_values=np.nan, groups=LABELS)
    assert np.all(gap <= 1.01e-8)
    with pytest.raises(ValueError, match="L0Penalty with groups requires complete samples"):
        sparse_encode(holes, dictionary, penalty=L0Penalty(2), missing_values=np.nan, groups=LABELS)


@backends
def test_equal_atoms_and_samples_of_zeros_converge(X, dictionary, backend):
    dictionary = np.vstack([dictionary, dictionary[:9]])
    X[LABELS == 1] = 0
    code, gap = sparse_encode(
        X, dictionary, 0.3, groups=LABELS, tol=1e-8, return_gap=True, backend=backend
    )
    assert np.all(gap <= 1e-8)
    assert not code[LABELS == 1].any()


def test_too_few_iterations_are_reported_once_for_all_sizes_of_groups(X, dictionary):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sparse_encode(X, dictionary, 0.1, groups=LABELS, max_iter=1, tol=1e-9)
    assert [each.category for each in caught] == [ConvergenceWarning]
    assert "max_iter=1" in str(caught[0].message)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (LABELS[:-1], "inconsistent numbers of samples"),
        (np.ones((N_SAMPLES, 1)), "groups must have shape"),
        (np.full(N_SAMPLES, np.nan), "groups contains NaN"),
        ([None, *range(N_SAMPLES - 1)], "groups"),
        (3, "The 'groups' parameter"),
    ],
    ids=["too few", "matrix", "nan", "types", "number"],
)
@pytest.mark.parametrize(
    "function",
    [
        lambda X, dictionary, groups: sparse_encode(X, dictionary, ALPHA, groups=groups),
        lambda X, dictionary, groups: alpha_max(X, dictionary, groups=groups),
        lambda X, dictionary, groups: duality_gap(
            X, np.zeros((len(X), N_ATOMS)), dictionary, ALPHA, groups=groups
        ),
    ],
    ids=["sparse_encode", "alpha_max", "duality_gap"],
)
def test_bad_labels_are_refused(X, dictionary, function, groups, message):
    with pytest.raises(ValueError, match=message):
        function(X, dictionary, groups)


def test_weights_of_samples_are_refused(X, dictionary):
    """The message names the difference from the L1 penalty that it recommends."""
    penalty = L1Penalty(np.ones((N_SAMPLES, N_ATOMS)))
    with pytest.raises(ValueError, match="L1Penalty with weights for each sample does not define"):
        sparse_encode(X, dictionary, ALPHA, penalty=penalty, groups=LABELS)


@pytest.mark.parametrize(
    "penalty", [GroupPenalty(groups=[[0, 1], [2]]), L1Constraint(norm=1.0)], ids=["group", "limit"]
)
@pytest.mark.parametrize("groups", [LABELS, np.arange(N_SAMPLES)], ids=["several", "one"])
def test_other_penalties_are_refused(X, penalty, groups):
    alpha = ALPHA if isinstance(penalty, GroupPenalty) else None
    with pytest.raises(ValueError, match="groups requires a penalty with `jointly`"):
        sparse_encode(X, np.eye(3, 20), alpha, penalty=penalty, groups=groups)


def as_columns(array):
    return np.asfortranarray(array.T)


def test_codes_are_those_of_spams(X, dictionary):
    """SPAMS penalises lambda1 sqrt(m) ||Z_j|| and the error without the factor 1/2."""
    spams = pytest.importorskip("spams")
    X, starts = X[:20], np.arange(0, 20, 4, dtype=np.int32)
    labels = np.repeat(np.arange(5), 4)
    zeros = np.zeros((N_ATOMS, 20), order="F")
    given = as_columns(X), as_columns(dictionary)
    theirs = spams.l1L2BCD(
        *given, zeros, starts, lambda1=2 * ALPHA / np.sqrt(4), mode=2, itermax=10_000, tol=1e-10,
        numThreads=1,
    )  # fmt: skip
    code = sparse_encode(X, dictionary, ALPHA, groups=labels, tol=1e-10)
    assert_allclose(code, theirs.T, atol=1e-4)
    for limits, arguments in (({"n_nonzero_coefs": 5}, (5, 0.0)), ({"tol": 6.0}, (20, 6.0))):
        theirs = spams.somp(*given, starts, *arguments, 1)
        theirs = theirs.toarray() if sparse.issparse(theirs) else theirs
        penalty = L0Penalty(optimized=True, **limits)
        code = sparse_encode(X, dictionary, penalty=penalty, groups=labels)
        assert_allclose(code, theirs.T, atol=1e-8)
