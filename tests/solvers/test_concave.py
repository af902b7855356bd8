"""Concave penalties: stationary points by weighted L1 problems, from the code of an L1 penalty."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm import (
    PSD,
    L1Penalty,
    LogSumPenalty,
    LqPenalty,
    SparseCoder,
    alpha_max,
    alpha_path,
    sparse_encode,
)
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.factors import ConvolutionalDecoder, LinearDecoder, SparseEnergy, resolve_penalty
from sklearn_ebm.metrics import duality_gap
from sklearn_ebm.solvers import solve_lasso

ALPHA = 0.5
TOL = 1e-8  # relative gap for the tangent, of half norms of about 12
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((12, 24))
ATOMS = RANDOM.standard_normal((40, 24))
ATOMS /= np.linalg.norm(ATOMS, axis=1, keepdims=True)
PENALTIES = {
    "log, nearly L1": LogSumPenalty(2.0),
    "log": LogSumPenalty(0.2),
    "q = 1/2": LqPenalty(),
    "q = 0.8": LqPenalty(0.8),
}
penalties = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])


def energy(code, penalty, data=X, alpha=ALPHA):
    factor = resolve_penalty(penalty, len(ATOMS), alpha)
    return np.sum((data - code @ ATOMS) ** 2, axis=1) / 2 + factor.value(code)


def assert_stationary(code, penalty, positive=False, data=X, atol=1e-5):
    """|q_j| <= alpha phi'(0) where z_j = 0, and q_j = alpha phi'(|z_j|) sign(z_j) elsewhere."""
    q, on = (data - code @ ATOMS) @ ATOMS.T, code != 0
    assert 0 < on.mean() < 0.5
    assert code.min() >= 0 or not positive
    slope = resolve_penalty(penalty, len(ATOMS), ALPHA).gradient(code)
    assert_allclose(q[on], slope[on], atol=atol)
    at_zero = ALPHA if isinstance(penalty, LogSumPenalty) else np.inf
    assert np.all((q if positive else np.abs(q))[~on] <= at_zero + atol)


@penalties
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@signs
def test_codes_are_stationary_points(penalty, backend, positive, dtype):
    options = {"penalty": penalty, "positive": positive, "backend": backend}
    is_double = dtype == np.float64
    code = sparse_encode(
        X.astype(dtype), ATOMS.astype(dtype), ALPHA, tol=TOL if is_double else 1e-4, **options
    )
    assert code.dtype == dtype
    assert_stationary(code, penalty, positive, atol=1e-5 if is_double else 1e-2)


@penalties
def test_the_energy_never_rises(penalty):
    """Each weighted problem lowers the energy; the limit of their number stops the search."""
    options, energies = {"penalty": penalty, "tol": 1e-6}, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for n_problems in (1, 2, 3, 5, 10, 1000):
            code = sparse_encode(X, ATOMS, ALPHA, max_iter=n_problems, solver="reweighted",
                                 **options)  # fmt: skip
            energies.append(energy(code, penalty))
    assert np.all(np.diff(energies, axis=0) <= 1e-12)
    assert np.all(energies[-1] < energies[0])
    first = resolve_penalty(penalty, 40, ALPHA).first.alpha
    assert np.all(energies[0] < energy(sparse_encode(X, ATOMS, first), penalty))


def test_the_first_codes_of_the_logarithm_are_those_of_the_lasso():
    """An epsilon that is much larger than codes makes the penalty linear."""
    code = sparse_encode(X, ATOMS, ALPHA, penalty=LogSumPenalty(1e8), tol=1e-10)
    assert_allclose(code, sparse_encode(X, ATOMS, ALPHA, tol=1e-10), atol=1e-6)


@penalties
@signs
@pytest.mark.parametrize("step", [0.1, 0.7, 3.0])
def test_prox_is_the_lowest_point_of_a_grid(penalty, positive, step):
    factor = resolve_penalty(penalty, 1, 1.0, positive)
    value, grid = np.linspace(-5, 5, 101), np.linspace(0 if positive else -5, 5, 20_001)
    heights = (grid - value[:, None]) ** 2 / 2 + step * factor.value(grid[:, None])
    point = factor.prox(value[:, None], step)
    height = (point[:, 0] - value) ** 2 / 2 + step * factor.value(point)
    lowest = heights.min(axis=1)
    assert np.all(height <= lowest + 1e-12)
    assert np.all(height >= lowest - 1e-3)  # the grid's own error, of a slope of 5


def test_codes_of_orthonormal_atoms_are_proximal_points_of_the_logarithm():
    """The energy of each component is convex for epsilon > alpha, and has a closed form."""
    epsilon, c = 0.8, RANDOM.standard_normal((20, 6)) * 2
    root = np.sqrt(np.maximum((np.abs(c) + epsilon) ** 2 - 4 * ALPHA * epsilon, 0))
    expected = np.sign(c) * np.maximum((np.abs(c) - epsilon + root) / 2, 0)
    code = sparse_encode(c, np.eye(6), ALPHA, penalty=LogSumPenalty(epsilon), tol=1e-12)
    assert_allclose(code, expected, atol=1e-9)


def test_codes_of_orthonormal_atoms_are_half_thresholds_of_xu():
    """The first L1 problem keeps every component whose optimum is not zero (Xu et al. 2012).

    Their threshold, for ||x - z||^2 + lambda |z|^(1/2), is 54^(1/3)/4 lambda^(2/3).
    """
    least = 54 ** (1 / 3) / 4 * (2 * ALPHA) ** (2 / 3)
    c = np.concatenate([np.linspace(1.001, 5, 200), np.linspace(0, 0.6, 100)]) * least
    code = sparse_encode(c[None], np.eye(300), ALPHA, penalty=LqPenalty(), tol=1e-13)[0]
    phi = np.arccos(2 * ALPHA / 8 * (c[:200] / 3) ** -1.5)
    assert_allclose(code[:200], 2 / 3 * c[:200] * (1 + np.cos(2 * np.pi / 3 - 2 * phi / 3)))
    assert not code[200:].any()


@penalties
@signs
def test_single_precision_reaches_the_default_tolerance(penalty, positive, recwarn):
    """Energies of late iterations differ by less than single precision resolves."""
    random = np.random.default_rng(0)
    data, atoms = (random.standard_normal((n, 10)).astype(np.float32) for n in (200, 16))
    for alpha in (1e-2, 0.5):
        code = sparse_encode(data, atoms, alpha, penalty=penalty, positive=positive)
        assert code.dtype == np.float32
    assert not recwarn.list


@penalties
def test_sparse_output_sparse_samples_and_repeated_calls_have_the_same_codes(penalty):
    options = {"penalty": penalty, "tol": 1e-6}
    code = sparse_encode(X, ATOMS, ALPHA, **options)
    assert_array_equal(sparse_encode(X, ATOMS, ALPHA, **options), code)
    rows = sparse_encode(sparse.csr_array(X), ATOMS, ALPHA, sparse_output=True, **options)
    assert_allclose(rows.toarray(), code, atol=1e-8)


@penalties
@signs
def test_missing_values_leave_the_problem_of_the_observed_features(penalty, positive):
    holes = np.random.default_rng(1).uniform(size=X.shape) < 0.2
    data = np.where(holes, np.nan, X)
    code = sparse_encode(data, ATOMS, ALPHA, penalty=penalty, positive=positive, tol=1e-6,
                         max_iter=20_000, missing_values=np.nan)  # fmt: skip
    for x, z, seen in zip(X, code, ~holes, strict=True):
        q = (x[seen] - z @ ATOMS[:, seen]) @ ATOMS[:, seen].T
        slope = resolve_penalty(penalty, 40, ALPHA).gradient(z[None])[0]
        assert_allclose(q[z != 0], slope[z != 0], atol=1e-4)


@penalties
def test_initial_codes_are_a_start(penalty):
    """From a solution the search does not move; from zero, powers cannot leave zero."""
    code = sparse_encode(X, ATOMS, ALPHA, penalty=penalty, tol=1e-6)
    again = sparse_encode(X, ATOMS, ALPHA, penalty=penalty, tol=1e-6, init=code)
    assert_array_equal(again, code)
    from_zero = sparse_encode(X, ATOMS, ALPHA, penalty=penalty, tol=1e-6, init=0 * code)
    assert from_zero.any() == isinstance(penalty, LogSumPenalty)


@penalties
def test_a_path_has_the_codes_of_each_alpha(penalty):
    alphas, code, gap = alpha_path(X, ATOMS, alphas=[2.0, 1.0, 0.5], penalty=penalty)
    assert np.all(np.isnan(gap))
    for k, alpha in enumerate(alphas):
        assert_array_equal(code[..., k], sparse_encode(X, ATOMS, alpha, penalty=penalty))


@penalties
def test_a_prediction_term_and_convolutions_have_stationary_codes(penalty):
    """The problem as one of a matrix with more features: sqrt(beta) f(x), or shifted filters."""
    random = np.random.default_rng(2)
    factor, prediction = resolve_penalty(penalty, 40, ALPHA), random.standard_normal((12, 40))
    problem = SparseEnergy(LinearDecoder(ATOMS), factor, beta=0.3).problem(X, prediction)
    code = solve_lasso(problem, tol=TOL, backend=reference).code
    q = (X - code @ ATOMS) @ ATOMS.T + 0.3 * (prediction - code)
    assert_allclose(q[code != 0], factor.gradient(code)[code != 0], atol=1e-5)
    decoder = ConvolutionalDecoder(random.standard_normal((3, 2, 2, 1)) / 2, (4, 6))
    problem = SparseEnergy(decoder, factor).problem(X)
    code = solve_lasso(problem, tol=1e-6, max_iter=5000, backend=reference).code
    q = decoder.correlate(X - decoder.decode(code))
    assert 0 < np.mean(code != 0) < 0.5
    assert_allclose(q[code != 0], factor.gradient(code)[code != 0], atol=1e-3)


def test_the_logarithm_recovers_more_supports_than_the_lasso():
    """Noiseless signals with 11 of 80 atoms in 30 dimensions (Candes et al. 2008, section 3.1).

    A small alpha stands for the constraint z D = x: errors are below 1e-4 of the samples' squares.
    """
    random = np.random.default_rng(0)
    atoms = random.standard_normal((80, 30))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    true = np.zeros((60, 80))  # the lasso recovers 29 of them, and the logarithm 53
    for row in true:
        row[random.choice(80, 11, replace=False)] = random.standard_normal(11)
    data = true @ atoms

    def n_recovered(penalty):
        code = sparse_encode(data, atoms, 1e-3, penalty=penalty, tol=1e-6)
        assert np.sum((data - code @ atoms) ** 2, axis=1).max() < 1e-4
        return np.sum(np.abs(code - true).max(axis=1) < 0.05)

    assert n_recovered(LogSumPenalty(0.5)) > 1.5 * n_recovered(L1Penalty()) > 0


@pytest.mark.exhaustive  # compiles for eight seconds
def test_energies_are_not_above_those_of_skglm():
    """Its coordinate descent from zero finds other local minima; energies are summed."""
    skglm = pytest.importorskip("skglm")
    from skglm.datafits import Quadratic
    from skglm.penalties import LogSumPenalty as Peer
    from skglm.solvers import AndersonCD

    epsilon, ours, theirs = 0.8, 0.0, 0.0
    n_features = X.shape[1]
    code = sparse_encode(X, ATOMS, ALPHA, penalty=LogSumPenalty(epsilon), tol=1e-6)
    for n, x in enumerate(X):
        model = skglm.GeneralizedLinearEstimator(
            Quadratic(),
            Peer(ALPHA * epsilon / n_features, epsilon),
            AndersonCD(fit_intercept=False, tol=1e-8),
        )
        coefficients = model.fit(ATOMS.T, x).coef_.ravel()
        ours += energy(code[n : n + 1], LogSumPenalty(epsilon), x[None])[0]
        theirs += energy(coefficients[None], LogSumPenalty(epsilon), x[None])[0]
    assert ours <= theirs


@pytest.mark.parametrize("penalty", [LogSumPenalty(0.5), LqPenalty()], ids=["log", "q"])
@pytest.mark.parametrize("kind", [SparseCoder, PSD])
def test_models_learn_with_concave_penalties(kind, penalty):
    """Codes of the learned atoms are those of `sparse_encode`, and learning lowers the energy."""
    data = np.random.default_rng(0).standard_normal((80, 12))
    model = kind(16, alpha=0.3, penalty=penalty, max_iter=5, tol=0, random_state=0)
    model.fit(data)
    assert model.objective_curve_[-1] < model.objective_curve_[0]
    assert_array_equal(clone(model).fit(data).components_, model.components_)
    with pytest.raises(ValueError, match=rf"{type(penalty).__name__} has no duality gap"):
        model.duality_gap(data, np.zeros((80, 16)))
    if kind is SparseCoder:
        expected = sparse_encode(data, model.components_, 0.3, penalty=penalty)
        assert_allclose(model.transform(data), expected, atol=1e-8)


@penalties
def test_what_needs_a_certificate_or_a_convex_penalty_is_refused(penalty):
    name = type(penalty).__name__
    with pytest.raises(ValueError, match=f"convex penalty .*; {name} has no duality gap"):
        duality_gap(X, np.zeros((12, 40)), ATOMS, ALPHA, penalty=penalty)
    with pytest.raises(ValueError, match="dual_norm"):
        alpha_max(X, ATOMS, penalty=penalty)
    for solver, words in {
        "fista": f"convex penalty; {name} is not convex. Use solver='reweighted'",
        "active_set": f"{name} has no such rule. Use solver='reweighted'",
    }.items():
        with pytest.raises(ValueError, match=words):
            sparse_encode(X, ATOMS, ALPHA, penalty=penalty, solver=solver)
    with pytest.raises(ValueError, match="LogSumPenalty or an LqPenalty, got L1Penalty"):
        sparse_encode(X, ATOMS, ALPHA, solver="reweighted")
    with pytest.raises(ValueError, match="dual_norm"):
        SparseCoder(8, alpha=0.5, relative_alpha=True, penalty=penalty).fit(X)


def test_scale_is_a_weight_of_powers_only():
    with pytest.raises(ValueError, match=r"alpha must be a number for penalty=LogSumPenalty\(\)"):
        SparseCoder(8, penalty=LogSumPenalty()).fit(X)
    model = SparseCoder(8, penalty=LqPenalty(), max_iter=1, tol=0, random_state=0).fit(X)
    assert_allclose(model.alpha_, np.sqrt(np.mean(X**2)) ** 1.5)


@pytest.mark.parametrize("epsilon", [0, -1.0, np.nan, np.inf, None, "1", True])
def test_other_values_of_epsilon_are_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon must be a finite number greater than 0, got"):
        sparse_encode(X, ATOMS, ALPHA, penalty=LogSumPenalty(epsilon))


@pytest.mark.parametrize("epsilon", [1e-45, 9e-16, 2e15])
def test_values_of_epsilon_whose_inverse_overflows_are_refused(epsilon):
    with pytest.raises(ValueError, match=r"epsilon must be a number from 1e-15 to 1e\+15, got"):
        sparse_encode(X, ATOMS, ALPHA, penalty=LogSumPenalty(epsilon))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # 1e-15 is extreme
@pytest.mark.parametrize("epsilon", [1e-15, 1e15])
def test_values_of_epsilon_in_range_do_not_overflow_in_single_precision(epsilon):
    """With a large epsilon, the penalty is the L1 norm."""
    samples, atoms = X.astype(np.float32), ATOMS.astype(np.float32)
    code = sparse_encode(samples, atoms, ALPHA, penalty=LogSumPenalty(epsilon))
    assert np.all(np.isfinite(code))
    if epsilon > 1:
        assert_allclose(code, sparse_encode(samples, atoms, ALPHA), atol=1e-3)


@pytest.mark.parametrize("q", [0, 1, -0.5, 2.0, np.nan, None, True])
def test_other_exponents_are_refused(q):
    with pytest.raises(ValueError, match=r"q must be a .* greater than 0 and less than 1, got"):
        sparse_encode(X, ATOMS, ALPHA, penalty=LqPenalty(q))
