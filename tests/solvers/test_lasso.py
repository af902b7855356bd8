"""Every solver of the registry, on problems with and without a Gram matrix."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.factors import L1, LinearDecoder, SparseEnergy
from sklearn_ebm.factors.problems import GramProblem, largest_eigenvalue
from sklearn_ebm.solvers import (
    CONVOLUTION_SOLVERS,
    MATRIX_SOLVERS,
    SOLVERS,
    Outcome,
    solve_lasso,
)
from sklearn_ebm.solvers._proximal import fista, ista
from tests.registries.solvers import LASSO_SOLVERS

ALPHA = 1.0
solvers = pytest.mark.parametrize("solver", LASSO_SOLVERS)
backends = pytest.mark.parametrize("backend", [numpy, numba], ids=["numpy", "numba"])


@pytest.fixture
def problem(patches, dictionary):
    return SparseEnergy(LinearDecoder(dictionary), L1(ALPHA)).problem(patches[:20])


@pytest.fixture
def masked_problem(patches, dictionary):
    mask = (np.random.default_rng(0).uniform(size=(20, 64)) < 0.8).astype(float)
    return SparseEnergy(LinearDecoder(dictionary), L1(ALPHA)).problem(
        patches[:20] * mask, mask=mask
    )


@solvers
@backends
def test_solution_carries_codes_and_their_certificate(problem, solver, backend):
    solution = solve_lasso(problem, solver=solver, tol=1e-6, max_iter=5000, backend=backend)
    assert solution.outcome is Outcome.CONVERGED
    assert np.all(solution.gap <= 1e-6)
    assert_allclose(solution.gap, problem.relative_gap(solution.code), rtol=1e-3, atol=1e-12)
    assert 0 < solution.n_iter <= 5000


@solvers
@backends
def test_a_warm_start_needs_fewer_iterations_and_ends_at_the_same_optimum(problem, solver, backend):
    options = {"solver": solver, "tol": 1e-6, "max_iter": 5000, "backend": backend}
    cold = solve_lasso(problem, **options)
    nearby = cold.code * 1.01
    warm = solve_lasso(problem, code=nearby, warm=True, **options)
    assert warm.n_iter < cold.n_iter
    assert warm.code is nearby  # in place
    # 1/2 mu d^2 <= 1e-6 * 32 with mu about 0.05 on the supports.
    assert_allclose(warm.code, cold.code, atol=0.08)
    assert np.all(np.abs(problem.energy(warm.code) - problem.energy(cold.code)) <= 64e-6)


@solvers
@backends
def test_what_the_buffer_holds_does_not_matter_to_a_cold_start(problem, solver, backend):
    options = {"solver": solver, "tol": 1e-6, "max_iter": 5000, "backend": backend}
    expected = solve_lasso(problem, **options)
    buffer = np.full_like(problem.correlation, 1e30)
    assert_array_equal(solve_lasso(problem, code=buffer, **options).code, expected.code)
    assert_array_equal(buffer, expected.code)


@solvers
def test_a_start_outside_of_the_penalty_s_domain_is_brought_into_it(patches, dictionary, solver):
    energy = SparseEnergy(LinearDecoder(dictionary), L1(ALPHA, positive=True))
    problem = energy.problem(patches[:20])
    start = -np.ones_like(problem.correlation)
    solution = solve_lasso(
        problem, solver=solver, code=start, warm=True, tol=1e-6, max_iter=5000, backend=numba
    )
    assert np.all(solution.code >= 0)
    assert np.all(problem.relative_gap(solution.code) <= 1.01e-6)


@solvers
@backends
def test_too_few_iterations_are_told(problem, solver, backend):
    solution = solve_lasso(problem, solver=solver, tol=1e-9, max_iter=2, backend=backend)
    assert solution.outcome is Outcome.MAX_ITER
    assert np.any(solution.gap > 1e-9)
    assert np.all(np.isfinite(solution.code))


def test_rounding_is_distinguished_from_too_few_iterations(patches, dictionary):
    energy = SparseEnergy(LinearDecoder(dictionary.astype(np.float32)), L1(ALPHA))
    problem = energy.problem(patches[:20].astype(np.float32))
    solution = solve_lasso(problem, solver="active_set", tol=1e-13, backend=numba)
    assert solution.outcome is Outcome.PRECISION


def test_too_few_iterations_are_not_blamed_on_the_type_alone():
    """Nearly identical atoms require many steps in single precision, but codes converge."""
    random = np.random.default_rng(0)
    atoms = random.standard_normal((30, 40))
    atoms = np.vstack([atoms, atoms[:10] + 1e-5 * random.standard_normal((10, 40))])
    atoms = (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(np.float32)
    X = random.standard_normal((20, 40)).astype(np.float32)
    mask = (random.random(X.shape) > 0.1).astype(np.float32)
    problem = SparseEnergy(LinearDecoder(atoms), L1(4e-4)).problem(X * mask, mask=mask)
    few, many = (
        solve_lasso(problem, solver="fista", tol=1e-4, max_iter=max_iter, backend=numba)
        for max_iter in (1_000, 100_000)
    )
    assert few.outcome is Outcome.MAX_ITER_OR_PRECISION
    assert np.sum(many.gap > 1e-4) < np.sum(few.gap > 1e-4)


@pytest.mark.parametrize("value", [np.nan, 2e-4])
def test_a_gap_that_is_not_small_is_not_converged_even_as_nan(problem, monkeypatch, value):
    def broken(lasso, code, tol, max_iter):
        return np.full(len(code), value), 3

    monkeypatch.setattr(numba, "coordinate_descent", broken)
    solution = solve_lasso(problem, solver="cd", tol=1e-4, backend=numba)
    assert solution.outcome is Outcome.PRECISION


@pytest.mark.parametrize("alpha", [0.1, 1e-2, 1e-4])
def test_more_atoms_than_features_are_solved_where_an_active_set_stalls(alpha):
    """At a small alpha the optimum uses as many atoms as there are features, and is not unique."""
    random = np.random.default_rng(0)
    atoms = random.standard_normal((12, 8))
    X = random.standard_normal((60, 8))
    problem = SparseEnergy(LinearDecoder(atoms), L1(alpha)).problem(X)
    solution = solve_lasso(problem, solver="active_set", tol=1e-4, max_iter=5000, backend=numba)
    assert solution.outcome is Outcome.CONVERGED
    assert np.all(problem.relative_gap(solution.code) <= 1.01e-4)


@pytest.mark.parametrize("solver", ["auto", "fista", "ista"])
@backends
def test_masked_problems_are_solved_without_a_gram_matrix(masked_problem, solver, backend):
    options = {"tol": 1e-6, "max_iter": 20_000, "backend": backend}
    solution = solve_lasso(masked_problem, solver=solver, **options)
    assert solution.outcome is Outcome.CONVERGED
    assert np.all(masked_problem.relative_gap(solution.code) <= 1e-6)


@pytest.mark.parametrize("solver", [name for name in SOLVERS if "gram" in SOLVERS[name].requires])
def test_solvers_name_the_missing_capability_and_an_alternative(masked_problem, solver):
    words = f"solver='{solver}' requires a Hessian that .* missing values, .*Use solver='fista'"
    with pytest.raises(ValueError, match=words):
        solve_lasso(masked_problem, solver=solver, backend=numpy)


@pytest.mark.parametrize("solver", sorted({*CONVOLUTION_SOLVERS} - {*MATRIX_SOLVERS}))
def test_solvers_of_images_need_a_convolution(problem, solver):
    words = f"solver='{solver}' requires a convolutional decoder. Use solver='active_set'"
    with pytest.raises(ValueError, match=words):
        solve_lasso(problem, solver=solver, backend=numpy)


class NoFusedKernels:
    """A backend that fuses only the proximal step."""

    name = "bare"
    proximal_step = staticmethod(numpy.proximal_step)


def test_auto_takes_what_backend_and_problem_allow(problem):
    solution = solve_lasso(problem, tol=1e-4, backend=NoFusedKernels)
    expected, _, _ = fista(problem, tol=1e-4, max_iter=1000, backend=numpy)
    assert_array_equal(solution.code, expected)
    with pytest.raises(ValueError, match="solver='cd' is not available with backend='bare'"):
        solve_lasso(problem, solver="cd", backend=NoFusedKernels)


@pytest.mark.parametrize("accelerated", [False, True])
def test_a_penalty_with_a_prox_alone_works_on_every_backend(problem, accelerated):
    """A rule for fused kernels is optional."""

    class Plain:
        prox = staticmethod(problem.penalty.prox)

    random = np.random.default_rng(0)
    product, correlation, code, ahead = random.standard_normal((4, *problem.correlation.shape))
    results = []
    for backend, penalty in ((numba, Plain), (numpy, problem.penalty)):
        arrays = code.copy(), ahead.copy(), np.ones(len(code)) if accelerated else None
        backend.proximal_step(product, correlation, *arrays, 0.1, penalty)
        results.append(arrays[:2])
    assert_array_equal(*results)


def batched(method):
    return lambda problem: method(problem, tol=1e-5, max_iter=5000, backend=numpy)


def fused(solver):
    def solve(problem):
        solution = solve_lasso(problem, solver=solver, tol=1e-5, max_iter=5000, backend=numba)
        return solution.code, solution.gap, solution.n_iter

    return solve


@pytest.mark.parametrize("solve", [batched(fista), batched(ista), fused("fista"), fused("ista")])
def test_converged_samples_leave_the_batch_and_keep_their_codes(problem, solve):
    """The iterations of a row are the same alone and in a batch."""
    code, _, n_iter = solve(problem)
    alone = [solve(problem.rows(np.array([n]))) for n in range(20)]
    assert n_iter == max(one[2] for one in alone)
    assert len({one[2] for one in alone}) > 1
    for row, one in zip(code, alone, strict=True):
        assert_allclose(row, one[0][0], atol=1e-12)


def test_plain_steps_never_raise_the_energy(problem):
    energies = [
        problem.energy(solve_lasso(problem, solver="ista", tol=0.0, max_iter=n, backend=numpy).code)
        for n in range(1, 30)
    ]
    assert np.all(np.diff(energies, axis=0) <= 1e-12)


def test_largest_eigenvalue_is_bounded_from_above_and_closely(dictionary):
    gram = dictionary @ dictionary.T
    exact = np.linalg.eigvalsh(gram)[-1]
    assert exact <= largest_eigenvalue(gram) <= 1.03 * exact


@pytest.mark.parametrize("n_atoms", [24, 200])
def test_largest_eigenvalue_is_no_smaller_where_others_are_near(n_atoms):
    """The largest eigenvalues of random atoms are close together: power iteration is too low."""
    rows = np.random.default_rng(0).standard_normal((n_atoms, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    exact = np.linalg.eigvalsh(rows @ rows.T)[-1]
    assert exact <= largest_eigenvalue(rows @ rows.T) <= 1.03 * exact


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_largest_eigenvalue_scales_where_squares_leave_float32(dictionary, scale):
    gram = (dictionary @ dictionary.T).astype(np.float32)
    scaled = largest_eigenvalue(gram * np.float32(scale**2))
    assert_allclose(scaled, scale**2 * largest_eigenvalue(gram), rtol=1e-4)


def test_gaps_are_relative_to_one_where_the_data_have_no_norm(problem):
    nothing = GramProblem(
        problem.gram, 0 * problem.correlation, 0 * problem.half_norm, problem.penalty, lambda: 1.0
    )
    assert_array_equal(nothing.unit, 1)
    for solver in LASSO_SOLVERS:
        solution = solve_lasso(nothing, solver=solver, backend=numba)
        assert_array_equal(solution.code, 0)
        assert_array_equal(solution.gap, 0)
