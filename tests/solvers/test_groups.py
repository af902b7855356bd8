"""Codes with group penalties: certificates, the optimum of another minimiser, and exact zeros.

Every problem is a regression of [x, sqrt(beta) f(x)] on the atoms [D, sqrt(beta) I], without the
columns that a mask excludes. The tests use this form, one sample at a time.
"""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from sklearn_ebm import GroupPenalty, sparse_encode
from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.factors import L1, LinearDecoder, SparseEnergy
from sklearn_ebm.metrics import duality_gap
from sklearn_ebm.solvers import Outcome, _lasso, solve_lasso
from tests.registries.solvers import GROUP_SOLVERS, OVERLAP_SOLVERS

N_SAMPLES = 4  # the duality gap of overlapping pools is computed by iteration, sample by sample
N_ATOMS = 96
BETA = 0.5  # weight of the prediction; the curvature of the energy is at least as large
TIGHT = {np.dtype(np.float64): 1e-7, np.dtype(np.float32): 3e-5}
DISJOINT = np.split(np.random.default_rng(0).permutation(N_ATOMS), [1, 4, 16, 20, 50, 57, 58, 80])
CHAIN = [np.arange(first, first + 7) % N_ATOMS for first in range(0, N_ATOMS, 5)]
PENALTIES = {
    "disjoint": GroupPenalty(DISJOINT, pool_weights=np.linspace(0.5, 2, len(DISJOINT))),
    "chain": GroupPenalty(CHAIN),
    "torus": GroupPenalty(map_shape=(8, 12), pool_shape=(3, 4)),
    "cut windows": GroupPenalty(map_shape=(12, 8), pool_shape=(4, 4), pool_stride=2, torus=False),
}
ALPHA = {"disjoint": 1.5, "chain": 1.5, "torus": 0.7, "cut windows": 0.7}  # patches have norm 8
TERMS = ["data", "prediction", "masked", "masked, prediction"]
BACKENDS = {"numpy": numpy, "numba": numba}
penalties = pytest.mark.parametrize("penalty", PENALTIES)
terms = pytest.mark.parametrize("term", TERMS)
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])
backends = pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
fitting = pytest.mark.parametrize(  # all solvers that a penalty supports
    ("penalty", "solver"),
    [
        (penalty, solver)
        for penalty in PENALTIES
        for solver in (GROUP_SOLVERS if penalty == "disjoint" else OVERLAP_SOLVERS)
    ],
)


class Case(NamedTuple):
    """A problem, and the equivalent regression of each sample."""

    problem: object
    data: list
    atoms: list
    alpha: float

    def gaps(self, code, penalty, positive=False):
        """Return duality gaps by their definition, in double precision."""
        options = {"alpha": self.alpha, "positive": positive, "penalty": PENALTIES[penalty]}
        rows = zip(self.data, code, self.atoms, strict=True)
        return np.array([duality_gap(x[None], z[None], D, **options)[0] for x, z, D in rows])


@pytest.fixture
def build(patches, dictionary):
    """Return a function that makes a `Case`."""

    def build(penalty, term="data", positive=False, dtype=np.float64, alpha=None, X=None):
        random = np.random.default_rng(0)
        X = patches[:N_SAMPLES] if X is None else X
        prediction = random.standard_normal((N_SAMPLES, N_ATOMS)) if "prediction" in term else None
        mask = (random.random(X.shape) < 0.8).astype(float) if "masked" in term else None
        root = 0 if prediction is None else BETA**0.5
        observed = np.ones_like(X) if mask is None else mask
        ahead = np.zeros((N_SAMPLES, N_ATOMS)) if prediction is None else prediction
        atoms = [np.hstack([dictionary * row, root * np.eye(N_ATOMS)]) for row in observed]
        decoder = LinearDecoder(dictionary.astype(dtype))
        alpha = ALPHA[penalty] if alpha is None else alpha
        factor = PENALTIES[penalty].resolve(N_ATOMS, alpha, positive)
        cast = [
            None if array is None else array.astype(dtype)
            for array in (X * observed, prediction, mask)
        ]
        problem = SparseEnergy(decoder, factor, beta=BETA).problem(*cast)
        return Case(problem, list(np.hstack([X * observed, root * ahead])), atoms, alpha)

    return build


def energy(z, x, atoms, weights, alpha):
    """Return 1/2 ||x - z D||^2 + alpha sum_g sqrt(sum_j w_gj z_j^2)."""
    return np.sum((x - z @ atoms) ** 2) / 2 + alpha * np.sum(np.sqrt(weights @ z**2))


def minimum(x, atoms, weights, alpha, positive):
    """Minimise by a bounded quasi-Newton method, with norms smoothed by decreasing widths."""

    def smooth(z, width):
        residual = z @ atoms - x
        norms = np.sqrt(weights @ z**2 + width**2)
        slope = residual @ atoms.T + alpha * z * ((1 / norms) @ weights)
        return np.sum(residual**2) / 2 + alpha * norms.sum(), slope

    z = np.full(len(atoms), 0.01)
    bounds = [(0 if positive else None, None)] * len(z)
    for width in 10.0 ** -np.arange(1, 5):
        z = minimize(smooth, z, width, jac=True, bounds=bounds, options={"maxiter": 3000}).x
    return energy(z, x, atoms, weights, alpha)


@pytest.mark.pairwise
@penalties
@terms
@signs
@backends
def test_gaps_are_small_and_hold_by_their_definition(
    build, penalty, term, positive, dtype, backend
):
    case, tol = build(penalty, term, positive, dtype), TIGHT[dtype]
    solution = solve_lasso(case.problem, tol=tol, max_iter=20_000, backend=backend)
    assert solution.outcome is Outcome.CONVERGED
    assert solution.code.dtype == dtype
    assert np.all(solution.gap <= tol)
    assert not positive or solution.code.min() >= 0
    rounding = 100 * np.finfo(dtype).eps  # of sums over all components
    gaps = case.gaps(solution.code, penalty, positive)
    # The definition's bound of a dual norm is computed independently, and may be closer or larger.
    assert np.all(gaps <= 1.1 * tol + rounding)
    if penalty == "disjoint":
        assert_allclose(solution.gap, gaps, rtol=1e-3, atol=rounding)


@pytest.mark.pairwise
@penalties
@terms
@signs
def test_codes_cost_what_another_minimiser_finds(build, penalty, term, positive):
    case = build(penalty, term, positive)
    solution = solve_lasso(case.problem, tol=1e-8, max_iter=20_000, backend=numba)
    weights, alpha = PENALTIES[penalty].pools(N_ATOMS).weights, ALPHA[penalty]
    for x, z, atoms in zip(case.data[:2], solution.code, case.atoms, strict=False):
        ours = energy(z, x, atoms, weights, alpha)
        theirs = minimum(x, atoms, weights, alpha, positive)
        assert ours <= theirs + 1e-8 * np.sum(x**2) / 2
        # The other minimum is smoothed by 1e-4 per pool, with a relative tolerance of 2e-9.
        assert theirs <= ours + 1e-4 * alpha * len(weights) + 1e-6 * ours


@pytest.mark.pairwise
@fitting
@signs
@backends
def test_all_solvers_find_the_same_codes(build, penalty, solver, positive, backend):
    """1/2 beta ||z - z*||^2 <= E(z) - E(z*) <= gap, for both of them."""
    case = build(penalty, "prediction", positive)
    expected = solve_lasso(case.problem, solver="fista", tol=1e-8, max_iter=20_000, backend=numpy)
    options = {"solver": solver, "tol": 1e-8, "max_iter": 20_000, "backend": backend}
    solution = solve_lasso(case.problem, **options)
    assert solution.outcome is Outcome.CONVERGED
    radius = np.sqrt(2 * 1e-8 * case.problem.half_norm / BETA)
    assert np.all(np.linalg.norm(solution.code - expected.code, axis=1) <= 2 * radius)


@pytest.mark.pairwise
@fitting
@backends
def test_whole_pools_are_exactly_off(build, dictionary, penalty, solver, backend, dtype):
    """For data that equal an atom, a component and its neighbours are on."""
    case = build(penalty, dtype=dtype, X=8 * dictionary[40 : 40 + N_SAMPLES])
    options = {"solver": solver, "tol": TIGHT[dtype], "max_iter": 20_000, "backend": backend}
    code = solve_lasso(case.problem, **options).code
    pools = PENALTIES[penalty].pools(N_ATOMS)
    norms = pools.norms(code)
    assert 0.1 < np.mean(norms == 0) < 0.95
    # In disjoint pools, all components are on or off.
    if penalty == "disjoint":
        assert_array_equal((code != 0) @ pools.membership.T, (norms > 0) * np.diff(pools.starts))


@pytest.mark.pairwise
@fitting
@signs
@backends
def test_nothing_is_on_above_alpha_max(build, penalty, solver, positive, backend):
    """At s alpha_max, z c <= penalty(z) / s, and (1 - 1/s) penalty(z) <= E(z) - E(0) <= gap.

    alpha_max is the dual norm of the correlations, or a bound of it for overlapping pools. Codes
    are exactly zero for disjoint groups, and for others if an even split of the correlations proves
    it: a component is in at most twelve pools.
    """
    one = build(penalty, positive=positive, alpha=1.0).problem
    alpha_max = one.penalty.dual_norm(one.correlation, np.zeros_like(one.correlation))[3]

    def only(factor):
        alpha = factor * alpha_max
        return build(penalty, positive=positive, alpha=alpha).problem.rows(np.array([3]))

    options = {"solver": solver, "tol": 1e-7, "max_iter": 20_000, "backend": backend}
    above, far_above = solve_lasso(only(1.01), **options), solve_lasso(only(12.0), **options)
    allowed = 1e-7 * one.half_norm[3] if penalty != "disjoint" else 0
    assert (1 - 1 / 1.01) * only(1.01).penalty.value(above.code) <= allowed
    assert_array_equal(far_above.code, 0)
    assert solve_lasso(only(0.99), **options).code.any()


@pytest.mark.pairwise
@fitting
@backends
def test_a_start_changes_the_way_but_not_the_optimum(build, penalty, solver, backend):
    case = build(penalty, "prediction")
    options = {"solver": solver, "tol": 1e-8, "max_iter": 20_000, "backend": backend}
    cold = solve_lasso(case.problem, **options)
    radius = np.sqrt(2 * 1e-8 * case.problem.half_norm / BETA)
    starts = {"zeros": 0 * cold.code, "nearby": 1.001 * cold.code, "others": cold.code[::-1].copy()}
    n_iter = {}
    for name, start in starts.items():
        warm = solve_lasso(case.problem, code=start, warm=True, **options)
        assert warm.code is start  # in place
        assert warm.outcome is Outcome.CONVERGED
        assert np.all(np.linalg.norm(warm.code - cold.code, axis=1) <= 2 * radius)
        n_iter[name] = warm.n_iter
    assert n_iter["nearby"] < cold.n_iter
    assert n_iter["zeros"] == cold.n_iter


@backends
def test_a_start_that_is_good_enough_is_settled(build, backend):
    """Pools that are almost off are set to zero: the gap is computed without them."""
    problem = build("chain").problem
    optimum = solve_lasso(problem, tol=1e-6, max_iter=5000, backend=backend).code
    is_off = optimum == 0
    assert np.any(is_off)
    start = np.where(is_off, 1e-9, optimum)
    solution = solve_lasso(problem, code=start, warm=True, tol=0.5, backend=backend)
    assert solution.n_iter == 0
    assert_array_equal(solution.code[is_off], 0)


@backends
@signs
@pytest.mark.parametrize("penalty", ["chain", "torus", "cut windows"])
@pytest.mark.parametrize("alpha", [1e-3, 1e-8])
def test_codes_are_not_set_to_zero_if_alpha_is_tiny(build, penalty, positive, backend, alpha):
    """No norm matters for the penalty then, but codes matter for the reconstruction."""
    case = build(penalty, positive=positive, alpha=alpha, term="prediction")
    solution = solve_lasso(case.problem, tol=1e-3, max_iter=2000, backend=backend)
    assert solution.outcome is Outcome.CONVERGED
    assert np.all(case.gaps(solution.code, penalty, positive=positive) <= 1.1e-3)
    assert np.all(np.any(solution.code != 0, axis=1))


@fitting
def test_a_start_outside_of_the_penalty_s_domain_is_brought_into_it(build, penalty, solver):
    case = build(penalty, positive=True)
    start = -np.ones((N_SAMPLES, N_ATOMS))
    options = {"solver": solver, "tol": 1e-6, "max_iter": 20_000, "backend": numba}
    code = solve_lasso(case.problem, code=start, warm=True, **options).code
    assert np.all(code >= 0)
    assert np.all(case.gaps(code, penalty, positive=True) <= 1.1e-6)


@pytest.mark.pairwise
@fitting
@backends
def test_what_the_buffer_holds_does_not_matter_to_a_cold_start(build, penalty, solver, backend):
    problem = build(penalty).problem
    options = {"solver": solver, "tol": 1e-5, "max_iter": 20_000, "backend": backend}
    expected = solve_lasso(problem, **options)
    buffer = np.full_like(problem.correlation, 1e30)
    assert_array_equal(solve_lasso(problem, code=buffer, **options).code, expected.code)
    assert_array_equal(buffer, expected.code)


@pytest.mark.pairwise
@fitting
@backends
def test_too_few_iterations_are_told(build, penalty, solver, backend):
    case = build(penalty)
    options = {"solver": solver, "tol": 1e-9, "max_iter": 3, "backend": backend}
    solution = solve_lasso(case.problem, **options)
    assert solution.outcome is Outcome.MAX_ITER
    assert np.any(solution.gap > 1e-9)
    gaps = case.gaps(solution.code, penalty)
    assert np.all(solution.gap >= 0.99 * gaps)  # at least what the definition certifies


@backends
def test_too_few_steps_after_the_sweeps_are_told_as_well(build, monkeypatch, backend):
    monkeypatch.setattr(_lasso, "PATIENT_SWEEPS", 1)
    problem = build("disjoint").problem
    solution = solve_lasso(problem, tol=1e-9, max_iter=40, backend=backend)
    assert solution.outcome is Outcome.MAX_ITER
    assert solution.n_iter == 40


@pytest.mark.parametrize("solver", ["block_cd", "fista"])
@backends
def test_a_tolerance_below_rounding_leaves_a_gap_of_rounding(build, solver, backend):
    problem = build("disjoint", dtype=np.float32).problem
    solution = solve_lasso(problem, solver=solver, tol=1e-13, max_iter=1000, backend=backend)
    assert solution.outcome is not Outcome.CONVERGED
    assert np.all(np.abs(solution.gap) < 100 * np.finfo(np.float32).eps)  # of sums over all atoms


@backends
def test_sweeps_that_end_early_are_finished_by_steps_on_all_groups(build, monkeypatch, backend):
    monkeypatch.setattr(_lasso, "PATIENT_SWEEPS", 1)
    case = build("disjoint", positive=True)
    solution = solve_lasso(case.problem, tol=1e-8, max_iter=20_000, backend=backend)
    assert solution.outcome is Outcome.CONVERGED
    assert np.all(case.gaps(solution.code, "disjoint", positive=True) <= 1.1e-8)


@pytest.mark.pairwise
@pytest.mark.parametrize("alpha", [0.1, 1e-3])
@penalties
@backends
def test_small_weights_leave_most_groups_on_and_are_solved(build, penalty, alpha, backend):
    case = build(penalty, alpha=alpha)
    solution = solve_lasso(case.problem, tol=1e-4, max_iter=20_000, backend=backend)
    assert solution.outcome is Outcome.CONVERGED
    assert np.mean(solution.code != 0) > 0.5
    assert np.all(case.gaps(solution.code, penalty) <= 1.1e-4)


@pytest.mark.pairwise
@pytest.mark.parametrize("solver", GROUP_SOLVERS)
@signs
@backends
def test_groups_of_one_give_the_codes_of_the_lasso(patches, dictionary, solver, positive, backend):
    X, singles = patches[:N_SAMPLES], GroupPenalty(1).resolve(N_ATOMS, 1.0, positive)
    prediction = np.random.default_rng(0).standard_normal((N_SAMPLES, N_ATOMS))
    options = {"tol": 1e-8, "max_iter": 20_000, "backend": backend}
    code, expected = (
        solve_lasso(
            SparseEnergy(LinearDecoder(dictionary), factor, BETA).problem(X, prediction),
            solver=name,
            **options,
        ).code
        for factor, name in ((singles, solver), (L1(1.0, positive), "cd"))
    )
    half_norms = (np.sum(X**2, axis=1) + BETA * np.sum(prediction**2, axis=1)) / 2
    radius = np.sqrt(2 * 1e-8 * half_norms / BETA)
    assert np.all(np.linalg.norm(code - expected, axis=1) <= 2 * radius)


@pytest.mark.pairwise
@fitting
@backends
def test_data_without_any_norm_have_codes_of_zeros(build, penalty, solver, backend):
    problem = build(penalty).problem
    problem.correlation[:] = 0
    problem.half_norm[:] = 0
    solution = solve_lasso(problem, solver=solver, backend=backend)
    assert_array_equal(solution.code, 0)
    assert_array_equal(solution.gap, 0)


@signs
@pytest.mark.parametrize("penalty", ["chain", "torus"])
def test_plain_steps_on_squares_never_raise_the_smoothed_energy(build, penalty, positive):
    """A pool below its width has the penalty (||z_g||^2 / width + width) / 2."""
    case = build(penalty, positive=positive)
    problem, alpha = case.problem, case.problem.penalty.alpha  # scaled, like its pools
    neglected = 1e-2 * problem.half_norm
    width = (neglected / (alpha * problem.penalty.pools.n_pools))[:, None]
    code = np.zeros((N_SAMPLES, N_ATOMS))
    energies = []
    for _ in range(60):
        squares = problem.penalty.majorant(code, neglected)
        ahead = code - (problem.product(code) - problem.correlation) / problem.lipschitz
        code = squares.prox(ahead, 1 / problem.lipschitz)
        norms = problem.penalty.pools.norms(code)
        rounded = np.where(norms < width, (norms**2 / width + width) / 2, norms)
        smooth = problem.energy(code) - problem.penalty.value(code) + alpha * rounded.sum(axis=1)
        energies.append(smooth)
    assert np.all(np.diff(energies, axis=0) <= 1e-12)
    assert np.all(energies[-1] < energies[0])


@pytest.mark.parametrize("solver", ["active_set", "cd"])
@penalties
def test_solvers_of_single_entries_refuse_groups(build, penalty, solver):
    words = f"solver='{solver}' requires a separable penalty; GroupPenalty is not separable. Use"
    with pytest.raises(ValueError, match=words):
        solve_lasso(build(penalty).problem, solver=solver, backend=numpy)


@pytest.mark.parametrize("penalty", ["chain", "torus", "cut windows"])
def test_block_descent_refuses_groups_that_overlap(build, penalty):
    words = "solver='block_cd' requires a penalty on disjoint groups.* Use solver='fista'"
    with pytest.raises(ValueError, match=words):
        solve_lasso(build(penalty).problem, solver="block_cd", backend=numpy)


def test_block_descent_refuses_single_entries(patches, dictionary):
    problem = SparseEnergy(LinearDecoder(dictionary), L1(1.0)).problem(patches[:2])
    with pytest.raises(ValueError, match="solver='block_cd' requires a penalty on disjoint groups"):
        solve_lasso(problem, solver="block_cd", backend=numpy)


@pytest.mark.parametrize(
    ("penalty", "term", "chosen"),
    [
        ("disjoint", "data", "block_cd"),
        ("disjoint", "masked", "fista"),
        ("chain", "data", "fista"),
        ("torus", "masked", "fista"),
    ],
)
@backends
def test_auto_takes_the_fastest_that_penalty_and_data_allow(build, penalty, term, chosen, backend):
    problem = build(penalty, term).problem
    code = solve_lasso(problem, backend=backend).code
    assert_array_equal(code, solve_lasso(problem, solver=chosen, backend=backend).code)
    others = [name for name in GROUP_SOLVERS if name != chosen]
    assert others  # each of them has other iterations
    for other in others if chosen == "block_cd" else ["ista"]:
        assert np.any(code != solve_lasso(problem, solver=other, backend=backend).code)


@pytest.mark.parametrize("groups", [CHAIN, DISJOINT], ids=["chain", "disjoint"])
@pytest.mark.parametrize("exponent", [-49, -33, 33, 49])
def test_alpha_and_weights_may_share_any_power_of_two(patches, dictionary, groups, exponent):
    """Only the product matters; squares of extreme weights reach the limits of float32."""
    X, dictionary = patches[:4].astype(np.float32), dictionary.astype(np.float32)
    weights = np.full(len(groups), 2.0**exponent)
    plain, shared = (
        sparse_encode(X, dictionary, alpha, penalty=penalty, return_gap=True)
        for alpha, penalty in (
            (1.5, GroupPenalty(groups)),
            (1.5 / 2.0**exponent, GroupPenalty(groups, pool_weights=weights)),
        )
    )
    assert_array_equal(shared[0], plain[0])
    assert_array_equal(shared[1], plain[1])
    assert plain[1].max() <= 1e-4


def test_gap_of_shared_weights_is_that_of_the_product(patches, dictionary):
    zeros = np.zeros((4, N_ATOMS))
    weights = np.full(len(CHAIN), 2.0**-40)
    gap = duality_gap(
        patches[:4], zeros, dictionary, 2.0**40, penalty=GroupPenalty(CHAIN, pool_weights=weights)
    )
    plain = duality_gap(patches[:4], zeros, dictionary, 1.0, penalty=GroupPenalty(CHAIN))
    assert_array_equal(gap, plain)


@pytest.mark.pairwise
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("penalty", ["l1", GroupPenalty(8), GroupPenalty(CHAIN)], ids=str)
@pytest.mark.parametrize("missing_values", [None, np.nan], ids=["observed", "missing"])
@pytest.mark.parametrize("alpha", [1.5, 1e-9])
def test_the_largest_starts_are_dropped_without_a_warning(
    patches, dictionary, dtype, penalty, missing_values, alpha
):
    """Their energy overflows. Codes are the same as for a start at zero."""
    X = patches[:3].astype(dtype)
    if missing_values is not None:
        X[0, 0] = np.nan
    options = {"penalty": penalty, "missing_values": missing_values, "tol": 1e9}
    expected = sparse_encode(X, dictionary.astype(dtype), alpha, **options, init=np.zeros((3, 96)))
    for size in (0.6 * np.sqrt(np.finfo(dtype).max), 1e-4 * np.finfo(dtype).max):
        init = np.full((3, N_ATOMS), size, dtype)
        init[1, ::7] = 0
        code = sparse_encode(X, dictionary.astype(dtype), alpha, init=init, **options)
        assert_array_equal(code, expected)
