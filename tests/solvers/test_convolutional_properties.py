"""Properties of convolutional solvers: true certificates, scaling, starts, batches and stopping.

Problems are drawn at random with all borders, with masks, predictions, positive codes, several
channels, filters that do not read all of them, filters of any norm, and alpha from 1e-6 to 1 times
the smallest value for which all codes are zero.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.factors import L1, ConvolutionalDecoder, SparseEnergy
from sklearn_ebm.solvers import Outcome, solve_lasso
from tests.registries.image_models import dense_dictionary, unit_kernels
from tests.registries.solvers import CONVOLUTIONAL_LASSO_SOLVERS

pytestmark = pytest.mark.no_cover  # other tests run the same lines in less time

N_PROBLEMS = 6  # for each solver and type
SLACK = {np.dtype(np.float32): 1e-7, np.dtype(np.float64): 1e-12}  # of 1/2 ||x||^2, for rounding
LARGEST_START = {np.dtype(np.float32): 1e6, np.dtype(np.float64): 1e11}
solvers = pytest.mark.parametrize("solver", CONVOLUTIONAL_LASSO_SOLVERS)


class Drawn(NamedTuple):
    """The parts of a problem, in one dtype."""

    kernels: Any
    shape: tuple
    border: str
    X: Any
    alpha: float
    positive: bool = False
    mask: Any = None
    prediction: Any = None
    ridge: float = 0.0

    def problem(self):
        decoder = ConvolutionalDecoder(self.kernels, self.shape, self.border)
        energy = SparseEnergy(decoder, L1(self.alpha, positive=self.positive), self.ridge)
        return energy.problem(self.X, self.prediction, self.mask)

    def images(self, index):
        """Return the problem of some of the images."""
        parts = {
            name: None if getattr(self, name) is None else getattr(self, name)[index]
            for name in ("X", "mask", "prediction")
        }
        return self._replace(**parts)

    def gap(self, code):
        """Return the duality gap by its definition, with D as a matrix, in double precision."""
        X, code = self.X.astype(float), code.astype(float)
        atoms = dense_dictionary(self.kernels.astype(float), self.shape, self.border)
        mask = 1.0 if self.mask is None else self.mask
        aim = np.zeros_like(code) if self.prediction is None else self.prediction.astype(float)
        residual, off = mask * (X - code @ atoms), aim - code
        q = residual @ atoms.T + self.ridge * off
        top = np.max(q if self.positive else np.abs(q), axis=1, keepdims=True)
        scale = np.minimum(1, self.alpha / np.maximum(top, 1e-300))
        misfit = np.sum(residual**2, axis=1) + self.ridge * np.sum(off**2, axis=1)
        unit = np.sum(X**2, axis=1) + self.ridge * np.sum(aim**2, axis=1)
        slack = np.sum(np.abs(code) * self.alpha - scale * code * q, axis=1)
        return (misfit * (1 - scale[:, 0]) ** 2 + 2 * slack) / unit


def draw(random, dtype, **options):
    """Draw a small problem of one to three images."""
    height, width, n_channels = random.integers((1, 4, 1), (9, 11, 4))
    size = random.integers(1, (min(4, height) + 1, 5))
    n_components, n_samples = random.integers(1, (9, 4))
    border = random.choice(list(BORDERS))
    kernels = unit_kernels(random, n_components, *size, n_channels)
    if n_channels > 1 and random.random() < 0.5:
        kernels[::2, ..., 0] = 0  # as with a table of connections
    if random.random() < 0.3:
        kernels *= 10.0 ** random.uniform(-3, 3, (n_components, 1, 1, 1))
    X = random.standard_normal((n_samples, height * width * n_channels))
    mask = prediction = None
    if random.random() < 0.4:
        mask = (random.random(X.shape) < random.uniform(0.3, 1)).astype(dtype)
        X *= mask
    shape = (int(height), int(width), int(n_channels))
    decoder = ConvolutionalDecoder(kernels, shape, border)
    top = np.abs(decoder.correlate(X)).max()
    ridge = 10.0 ** random.uniform(-2, 1) if random.random() < 0.4 else 0.0
    if ridge:
        prediction = random.standard_normal((n_samples, decoder.code_size)).astype(dtype)
    drawn = Drawn(
        kernels.astype(dtype), shape, border, X.astype(dtype),
        alpha=float(top) * 10.0 ** random.uniform(-6, 0), positive=random.random() < 0.3,
        mask=mask, prediction=prediction, ridge=ridge,
    )  # fmt: skip
    return drawn._replace(**options)


def draw_start(random, drawn):
    """Draw a start of any size and sparsity, or None for a cold start."""
    if random.random() < 0.5:
        return None
    shape = len(drawn.X), drawn.problem().decoder.code_size
    most = LARGEST_START[drawn.X.dtype]
    size = 10.0 ** random.uniform(-3, np.log10(most))
    start = size * random.standard_normal(shape) * (random.random(shape) < random.random())
    return start.astype(drawn.X.dtype)


def solve(drawn, solver, start=None, backend=numba, tol=1e-6, max_iter=1000, **options):
    return solve_lasso(
        drawn.problem(), solver=solver, code=start, warm=start is not None, tol=tol,
        max_iter=max_iter, backend=backend, **options,
    )  # fmt: skip


def ordinary(random, dtype=np.float64, n_samples=3, shape=(12, 11, 1), **options):
    """Return a problem with sparse codes."""
    kernels = unit_kernels(random, 6, 4, 3, shape[2]).astype(dtype)
    X = random.standard_normal((n_samples, np.prod(shape))).astype(dtype)
    return Drawn(kernels, shape, "full", X, alpha=1.0)._replace(**options)


def assert_true(gap, drawn, code):
    """Assert that gaps agree with the definition up to 5 % and rounding errors."""
    true, slack = drawn.gap(code), SLACK[code.dtype]
    assert np.all(gap >= true / 1.05 - slack)
    assert np.all(gap <= true * 1.05 + slack)


@solvers
def test_claimed_gaps_are_those_of_the_codes(solver, dtype):
    random = np.random.default_rng(0)
    for _ in range(N_PROBLEMS):
        drawn = draw(random, dtype)
        start = draw_start(random, drawn)
        tol, max_iter = 10.0 ** random.uniform(-9, -1), int(random.choice([1, 30, 300]))
        solution = solve(drawn, solver, start, tol=tol, max_iter=max_iter, certify=True)
        assert_true(solution.gap, drawn, solution.code)
        assert (solution.outcome is Outcome.CONVERGED) == np.all(solution.gap <= tol)


@pytest.mark.parametrize("backend", [numpy, numba], ids=["numpy", "numba"])
def test_descent_itself_claims_true_gaps(backend, dtype):
    """After huge starts, a residual that is updated in place has large rounding errors."""
    random = np.random.default_rng(1)
    for _ in range(N_PROBLEMS if backend is numba else 2):
        drawn = draw(random, dtype)
        problem = drawn.problem()
        code = LARGEST_START[np.dtype(dtype)] * random.standard_normal(problem.new_code().shape)
        code = np.abs(code).astype(dtype)
        maps = problem.decoder.as_maps(code)
        gap, _ = backend.local_descent(problem.as_local_lasso(), maps, 1e-3, 12)
        assert_true(gap, drawn, code)


@solvers
def test_codes_have_the_scale_of_the_images(solver, dtype):
    """z(c x, c alpha) = c z(x, alpha), exactly for powers of two."""
    random = np.random.default_rng(2)
    exponents = (-20, 20) if dtype == np.float32 else (-40, 40)
    for _ in range(3):
        drawn = draw(random, dtype)
        code = solve(drawn, solver, tol=1e-4, max_iter=200).code
        for factor in np.exp2(exponents).astype(dtype):
            aim = None if drawn.prediction is None else factor * drawn.prediction
            scaled = drawn._replace(
                X=factor * drawn.X, alpha=float(factor) * drawn.alpha, prediction=aim
            )
            again = solve(scaled, solver, tol=1e-4, max_iter=200).code
            assert_array_equal(again, factor * code)


@solvers
def test_codes_have_the_inverse_scale_of_the_kernels(solver):
    """z(c D, c alpha) = z(D, alpha) / c, after the same number of iterations."""
    drawn = ordinary(np.random.default_rng(0))
    solution = solve(drawn, solver, tol=1e-3)
    for factor in (2.0**-10, 2.0**10):
        scaled = drawn._replace(kernels=factor * drawn.kernels, alpha=factor * drawn.alpha)
        again = solve(scaled, solver, tol=1e-3)
        # FFTs and eigenvalues are not exactly homogeneous.
        assert_allclose(again.code * factor, solution.code, rtol=1e-12, atol=1e-14)
        assert again.n_iter == solution.n_iter


@solvers
def test_an_image_that_does_not_end_leaves_the_others_alone(solver):
    """The second image has a small relative alpha and needs more than max_iter iterations."""
    drawn = ordinary(np.random.default_rng(0), n_samples=4, shape=(8, 7, 1))
    drawn.X[1] *= 1e3
    drawn.X[2] = 0
    tol, max_iter = (1e-4, 2000) if solver == "ista" else (1e-6, 400)
    settings = {"tol": tol, "max_iter": max_iter}
    together = solve(drawn, solver, **settings)
    assert (together.gap > tol).tolist() == [False, True, False, False]
    alone = [solve(drawn.images([n]), solver, **settings) for n in range(4)]
    backwards = solve(drawn.images(slice(None, None, -1)), solver, **settings)
    for others in (np.concatenate([solution.code for solution in alone]), backwards.code[::-1]):
        assert_allclose(others[[0, 2, 3]], together.code[[0, 2, 3]], atol=1e-9)
        # Rounding depends on the batch; hundreds of steps amplify it in unconverged codes.
        assert_allclose(others[1], together.code[1], atol=1e-4 * np.abs(together.code).max())


@solvers
def test_the_limit_of_the_type_is_noticed(solver, dtype):
    """tol=0 cannot be reached. The prediction term makes all solvers converge fast."""
    random = np.random.default_rng(0)
    for size in (1.0, 1e12 if dtype == np.float32 else 1e30):
        drawn = ordinary(random, dtype, shape=(8, 7, 1), ridge=0.5)
        prediction = random.standard_normal(drawn.problem().new_code().shape).astype(dtype)
        drawn = drawn._replace(
            X=dtype.type(size) * drawn.X, prediction=dtype.type(0.1 * size) * prediction
        )
        solution = solve(drawn, solver, tol=0, max_iter=5000)
        assert solution.outcome is Outcome.PRECISION
        assert solution.n_iter < 2500
        assert_true(solution.gap, drawn, solution.code)


@pytest.mark.parametrize("share", [1e-3, 1e-6, 1e-12, 1e-30])
def test_hardly_any_penalty_takes_few_rounds(share):
    """Descent checks the gap every ten rounds, even if no tile is at rest."""
    drawn = ordinary(np.random.default_rng(0))
    solution = solve(drawn._replace(alpha=3 * share), "local_cd", tol=1e-2)
    assert solution.outcome is Outcome.CONVERGED
    assert solution.n_iter <= 30


@pytest.mark.parametrize("backend", [numpy, numba], ids=["numpy", "numba"])
def test_codes_without_observed_pixels_are_zero(backend):
    """Only the penalty depends on them, so that their optimum is zero for any start."""
    drawn = ordinary(np.random.default_rng(0), n_samples=1, shape=(8, 14, 1))
    mask = np.ones((1, 8, 14))
    mask[:, :, 6:] = 0
    drawn = drawn._replace(X=drawn.X * mask.reshape(1, -1), mask=mask.reshape(1, -1))
    problem = drawn.problem()
    code = np.full(problem.new_code().shape, 3.0)
    maps = problem.decoder.as_maps(code)
    backend.local_descent(problem.as_local_lasso(), maps, 1e-3, 3)
    assert_array_equal(maps[:, :, 8:], 0)  # filters are three pixels wide and end at their position
    assert np.any(maps[:, :, :8])
