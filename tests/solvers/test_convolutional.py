"""Codes of images compared with definitions: D as a matrix, optimality, certificates, SPORCO."""

from typing import Any, NamedTuple

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.factors import L1, ConvolutionalDecoder, SparseEnergy
from sklearn_ebm.solvers import Outcome, solve_lasso
from tests.registries.image_models import SHAPE, SIZE, borders, dense_dictionary, unit_kernels
from tests.registries.solvers import CONVOLUTIONAL_LASSO_SOLVERS

N_SAMPLES = 3
ALPHA = 1.0  # for pixels of unit variance, filters of norm one: some per cent of the codes are on
TOL = 1e-9
MAX_ITER = 50_000  # of ISTA, without a ridge
OPTIONS = {  # of problems: unobserved pixels, ridge, sign
    "plain": {},
    "masked": {"masked": True},
    "predicted": {"ridge": 0.5},
    "positive": {"positive": True},
    "all": {"masked": True, "ridge": 0.5, "positive": True},
}
solvers = pytest.mark.parametrize("solver", CONVOLUTIONAL_LASSO_SOLVERS)
backends = pytest.mark.parametrize("backend", [numpy, numba], ids=["numpy", "numba"])
options = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


class Case(NamedTuple):
    """A problem and the arrays of its definition."""

    problem: Any
    atoms: Any
    X: Any
    mask: Any
    prediction: Any
    ridge: float

    def residual(self, code):
        return self.mask * (self.X - code @ self.atoms)

    def correlation(self, code):
        """Return minus the slope of the smooth terms."""
        return self.residual(code) @ self.atoms.T + self.ridge * (self.prediction - code)

    def smooth(self, code):
        error = self.ridge * np.sum((self.prediction - code) ** 2, axis=1)
        return (np.sum(self.residual(code) ** 2, axis=1) + error) / 2

    def energy(self, code):
        return self.smooth(code) + ALPHA * np.sum(np.abs(code), axis=1)

    @property
    def unit(self):
        """Return the energy of zero codes."""
        return self.smooth(np.zeros_like(self.prediction))


def new_case(border, masked=False, ridge=0.0, positive=False, dtype=np.float64, shape=SHAPE):
    random = np.random.default_rng(0)
    kernels = unit_kernels(random, *SIZE, shape[2])
    atoms = dense_dictionary(kernels, shape, border)
    X = random.standard_normal((N_SAMPLES, atoms.shape[1]))
    mask = (random.random(X.shape) < 0.8).astype(float) if masked else np.ones_like(X)
    prediction = random.standard_normal((N_SAMPLES, atoms.shape[0])) if ridge else 0
    prediction = prediction * (random.random((N_SAMPLES, atoms.shape[0])) < 0.1)
    decoder = ConvolutionalDecoder(kernels.astype(dtype), shape, border)
    X, mask, prediction = ((array).astype(dtype) for array in (X * mask, mask, prediction))
    energy = SparseEnergy(decoder, L1(ALPHA, positive=positive), ridge)
    problem = energy.problem(X, prediction if ridge else None, mask if masked else None)
    return Case(problem, atoms, X, mask, prediction, ridge)


def solve(problem, solver="fista", backend=numba, tol=TOL, max_iter=MAX_ITER, **more):
    return solve_lasso(problem, solver=solver, tol=tol, max_iter=max_iter, backend=backend, **more)


@options
@borders
def test_energies_and_products_are_those_of_the_definition(border, options):
    case = new_case(border, **options)
    code = np.random.default_rng(1).standard_normal(case.prediction.shape)
    for problem in (case.problem, case.problem.on(numba), case.problem.in_fourier_domain()):
        # sums of some hundred products of size one
        slope = problem.correlation - problem.product(code)
        assert_allclose(slope, case.correlation(code), atol=1e-11)
        assert_allclose(problem.half_norm, case.unit, rtol=1e-13)
        if not options.get("positive"):
            assert_allclose(problem.energy(code), case.energy(code), rtol=1e-13)


def assert_optimal(case, code, positive, tol):
    """Assert the optimality conditions up to the bounds implied by a relative gap of `tol`.

    With s = min(1, alpha / max |q|), the gap is (1 - s)^2 times the smooth terms, plus the sum of
    z_j (alpha sign(z_j) - s q_j); all terms are non-negative.
    """
    q = case.correlation(code)
    size = q if positive else np.abs(q)
    scale = np.minimum(1, ALPHA / size.max(axis=1))
    allowed = tol * case.unit
    assert np.all((1 - scale) ** 2 * case.smooth(code) <= 1.01 * allowed)
    assert np.all(1 - scale <= 30 * tol**0.5)  # the smooth terms are above a thousandth of the unit
    on = code != 0
    slack = ALPHA * np.sign(code) - scale[:, None] * q
    assert np.all((np.abs(slack) * np.abs(code))[on] <= 1.01 * allowed.max())
    assert 0.01 < on.mean() < 0.5  # neither all zero nor all non-zero
    if positive:
        assert np.all(code >= 0)


@pytest.mark.pairwise
@options
@solvers
@borders
def test_codes_meet_the_lasso_optimality_conditions(border, solver, options):
    case = new_case(border, **options)
    solution = solve(case.problem, solver)
    assert solution.outcome is Outcome.CONVERGED
    assert_optimal(case, solution.code, options.get("positive", False), TOL)


@solvers
def test_codes_keep_the_type_of_the_images(solver, dtype):
    case = new_case("full", masked=True, ridge=0.5, dtype=dtype)
    tol = 1e-5
    solution = solve(case.problem, solver, tol=tol)
    assert solution.outcome is Outcome.CONVERGED
    assert solution.code.dtype == dtype
    wide = case._replace(
        **{name: getattr(case, name).astype(float) for name in ("X", "mask", "prediction")}
    )
    # Gaps are sums of a thousand numbers in the dtype of the images.
    assert_optimal(wide, solution.code.astype(float), False, tol + 100 * np.finfo(dtype).eps)


@pytest.mark.no_cover
@pytest.mark.each_value
@options
@borders
def test_all_solvers_and_backends_end_at_the_same_energy(border, options):
    """Each is within the gap of the minimum; the slow reference of descent is run only once."""
    case = new_case(border, **options)
    tol = 1e-6
    energies = [
        case.energy(solve(case.problem, solver, backend, tol).code)
        for solver in CONVOLUTIONAL_LASSO_SOLVERS
        for backend in (numpy, numba)
        if border == "same" or (solver, backend) != ("local_cd", numpy)
    ]
    lowest = np.min(energies, axis=0)
    assert np.all(energies - lowest <= tol * case.unit)


@pytest.mark.each_value
@options
@borders
def test_the_gap_is_at_least_the_distance_from_the_least_energy(border, options):
    case = new_case(border, **options)
    least = case.energy(solve(case.problem, tol=1e-11).code)
    random = np.random.default_rng(1)
    codes = {n: solve(case.problem, "ista", max_iter=n).code for n in (1, 10, 100, 1000)}
    codes["zero"] = np.zeros_like(codes[1])
    codes["random"] = np.abs(random.standard_normal(codes[1].shape))
    gaps = {key: case.problem.relative_gap(code) for key, code in codes.items()}
    for key, code in codes.items():
        distance = (case.energy(code) - least) / case.unit
        assert np.all(distance <= gaps[key] + 1e-11), key
        assert np.all(gaps[key] >= -1e-14), key
    assert np.all(gaps[1000] < 1e-2 * gaps[1])  # the gap decreases with this distance


@solvers
@backends
def test_solution_carries_the_certificate_of_its_codes(solver, backend):
    problem = new_case("full").problem
    solution = solve(problem, solver, backend, tol=1e-4)
    assert np.all(solution.gap <= 1e-4)
    assert_allclose(solution.gap, problem.relative_gap(solution.code), rtol=1e-6, atol=1e-12)
    assert 0 < solution.n_iter < MAX_ITER


@solvers
@backends
def test_too_few_iterations_are_told(solver, backend):
    problem = new_case("full").problem
    solution = solve(problem, solver, backend, max_iter=2)
    assert solution.outcome is Outcome.MAX_ITER
    assert solution.n_iter == 2
    assert np.all(solution.gap > TOL)
    assert np.all(np.isfinite(solution.code))


@solvers
@backends
def test_a_cold_start_overwrites_and_a_warm_one_goes_on(solver, backend):
    problem = new_case("same", ridge=0.5).problem
    cold = solve(problem, solver, backend, tol=1e-6)
    buffer = np.full_like(cold.code, 1e30)
    again = solve(problem, solver, backend, tol=1e-6, code=buffer)
    assert again.code is buffer
    assert_array_equal(buffer, cold.code)
    warm = solve(problem, solver, backend, tol=1e-6, code=1.001 * cold.code, warm=True)
    assert warm.n_iter < cold.n_iter
    assert np.all(np.abs(problem.energy(warm.code) - problem.energy(cold.code))
                  <= 1e-6 * problem.unit)  # fmt: skip


@solvers
def test_images_do_not_disturb_each_other(solver):
    """The iterations of an image are the same alone and in a batch."""
    problem = new_case("full", masked=True, ridge=0.5).problem
    together = solve(problem, solver, tol=1e-4)
    for n in range(N_SAMPLES):
        alone = solve(problem.rows(np.array([n])), solver, tol=1e-4)
        assert_allclose(alone.code[0], together.code[n], atol=1e-12)


@solvers
def test_images_without_anything_in_them_have_zero_codes(solver):
    problem = new_case("full").problem
    problem = SparseEnergy(problem.decoder, problem.penalty).problem(np.zeros((2, np.prod(SHAPE))))
    solution = solve(problem, solver)
    assert_array_equal(solution.code, 0)
    assert_array_equal(solution.gap, 0)


@solvers
@borders
def test_a_lone_kernel_is_found_alone_wherever_it_is(border, solver):
    """For c d_k, the code is c - alpha at its position and zero elsewhere, also in a corner.

    The residual alpha d_k has a product of at most alpha with any other filter of norm one, and
    filters that are cut by an edge have a lower norm. The energy is alpha c - alpha^2 / 2.
    """
    random = np.random.default_rng(0)
    height, width, n_channels = SHAPE
    kernels = unit_kernels(random, *SIZE, n_channels)
    places = list(np.ndindex(height - SIZE[1] + 1, width - SIZE[2] + 1))
    images = np.zeros((len(places), *SHAPE))
    (top, left), size = BORDERS[border](SIZE[1:]).before, 10.0
    decoder = ConvolutionalDecoder(kernels, SHAPE, border)
    expected = np.zeros((len(places), *decoder.map_shape))
    for n, (y, x) in enumerate(places):
        images[n, y : y + SIZE[1], x : x + SIZE[2]] = size * kernels[n % SIZE[0]]
        expected[n, y + top, x + left, n % SIZE[0]] = size - ALPHA
    problem = SparseEnergy(decoder, L1(ALPHA)).problem(images.reshape(len(places), -1))
    code = solve(problem, solver, tol=1e-10).code
    assert_allclose(problem.energy(code), ALPHA * size - ALPHA**2 / 2, rtol=1e-8)
    # 1/2 (z - z*) H (z - z*) is at most the gap, 1e-10 times 50; H is singular only elsewhere.
    assert_allclose(code, expected.reshape(code.shape), atol=1e-3)


@pytest.mark.parametrize("solver", ["fista", "fista_fft", "ista"])
def test_codes_on_a_torus_move_with_the_image(solver):
    """Steps on all positions are equivariant to shifts."""
    case = new_case("circular", ridge=0.1)
    X = case.X.reshape(N_SAMPLES, *SHAPE)
    maps = case.prediction.reshape(N_SAMPLES, *SHAPE[:2], -1)
    code = solve(case.problem, solver).code.reshape(maps.shape)
    energy = SparseEnergy(case.problem.decoder, L1(ALPHA), 0.1)
    for shift in ((1, 0), (-3, 4)):
        images, aims = (
            np.roll(array, shift, axis=(1, 2)).reshape(N_SAMPLES, -1) for array in (X, maps)
        )
        moved = solve(energy.problem(images, aims), solver).code.reshape(maps.shape)
        assert_allclose(moved, np.roll(code, shift, axis=(1, 2)), atol=1e-10)


PHOTOGRAPH_ALPHA = 1.0


@pytest.fixture(scope="module")
def photograph():
    """(16, 16) grey pixels of unit variance without low frequencies."""
    from scipy.ndimage import gaussian_filter
    from sklearn.datasets import load_sample_image

    grey = load_sample_image("china.jpg").mean(axis=2)[180:196, 300:316]
    detail = grey - gaussian_filter(grey, 3)
    return detail / detail.std()


@pytest.fixture(scope="module")
def codes_of_sporco(photograph):
    """Return filters and the final maps (16, 16, 6) of ADMM, which stops by its residuals."""
    cbpdn = pytest.importorskip("sporco.admm.cbpdn")
    kernels = unit_kernels(np.random.default_rng(0), 6, 5, 5)
    # With an adaptive penalty parameter, it diverges near the end.
    settings = {"MaxMainIter": 1000, "RelStopTol": 1e-6, "rho": 1.0, "AutoRho": {"Enabled": False}}
    solver = cbpdn.ConvBPDN(
        np.moveaxis(kernels[..., 0], 0, 2), photograph, PHOTOGRAPH_ALPHA,
        cbpdn.ConvBPDN.Options(settings),
    )  # fmt: skip
    maps = np.squeeze(solver.solve())
    assert solver.k < 1000
    return kernels, maps


@solvers
def test_circular_codes_are_those_of_sporco(photograph, codes_of_sporco, solver):
    kernels, expected = codes_of_sporco
    decoder = ConvolutionalDecoder(kernels, photograph.shape, "circular")
    problem = SparseEnergy(decoder, L1(PHOTOGRAPH_ALPHA)).problem(photograph.reshape(1, -1))
    code = solve(problem, solver, tol=1e-9).code.reshape(expected.shape)
    assert np.linalg.norm(code - expected) < 1e-4 * np.linalg.norm(expected)
    theirs, ours = (float(problem.energy(each.reshape(1, -1))[0]) for each in (expected, code))
    assert abs(ours - theirs) < 1e-4 * theirs
    assert ours < theirs * (1 + 2e-9)  # according to the gap: half the squares are twice the energy


# Array API standard


@pytest.mark.no_cover
@solvers
@borders
def test_solvers_run_on_any_array_library(border, solver):
    """Strict arrays, as a replacement for a GPU, give the same results as NumPy."""
    case = new_case(border, masked=True, ridge=0.5, shape=(5, 4, 2))

    def strict(array):
        return array_api_strict.asarray(array)

    decoder = case.problem.decoder
    other = ConvolutionalDecoder(strict(decoder.dictionary), decoder.image_shape, border)
    energy = SparseEnergy(other, L1(ALPHA), 0.5)
    problem = energy.problem(strict(case.X), strict(case.prediction), strict(case.mask))
    settings = {"solver": solver, "tol": 1e-2, "max_iter": 1000, "backend": numpy}
    solution, expected = (
        solve_lasso(each.rows(first), **settings)
        for each, first in ((problem, strict(np.arange(1))), (case.problem, np.arange(1)))
    )
    assert type(solution.code) is type(problem.correlation)
    assert solution.n_iter == expected.n_iter
    assert_allclose(np.asarray(solution.code), expected.code, atol=1e-10)
