"""Coordinate descent for lateral inhibition, beyond parity: the energy, and which minimum it finds.

The energy of these problems is not convex, so that results depend on the order of the steps.
"""

import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends import to_host
from sklearn_ebm.backends._inhibition import InhibitionRule, extrapolated, stationarity
from sklearn_ebm.backends._problems import Lasso
from sklearn_ebm.factors.penalties._strengths import map_distances

N_ROWS, MAP = 25, (5, 8)
N_ATOMS = 40
N_CALLS = 100  # of N_ROWS * N_ATOMS steps each


@pytest.fixture(params=["numpy", "numba", pytest.param("cupy", marks=pytest.mark.gpu), "host"])
def backend(request):
    if request.param == "host":
        return request.getfixturevalue("cupy_on_host")(max_threads=7)
    if request.param == "cupy":
        request.getfixturevalue("cupy")
    return importlib.import_module(f"sklearn_ebm.backends.{request.param}")


@pytest.fixture(params=[False, True], ids=["signed", "positive"])
def positive(request):
    return request.param


class Problem:
    """Patches, random atoms, and inhibition of all but neighbours on a map."""

    def __init__(self, patches, dictionary, positive, dtype=np.float64, alpha=0.3):
        self.X, self.atoms = (array.astype(dtype) for array in (patches, dictionary))
        self.strength = (alpha * (map_distances(MAP, torus=True) > 1)).astype(dtype)
        self.positive = positive

    def lasso(self, convert=np.asarray):
        gram, correlation = self.atoms @ self.atoms.T, self.X @ self.atoms.T
        half_norm = (self.X * self.X).sum(axis=1) / 2
        rule = InhibitionRule(convert(self.strength), self.positive)
        return Lasso(convert(gram), convert(correlation), convert(half_norm), rule)

    def energy(self, code):
        """Return the energies by definition, in double precision."""
        X, atoms, strength = (
            array.astype(np.float64) for array in (self.X, self.atoms, self.strength)
        )
        code = to_host(code).astype(np.float64)
        size = np.abs(code)
        return (
            np.sum((X - code @ atoms) ** 2, axis=1) / 2 + ((size @ strength) * size).sum(axis=1) / 2
        )


def test_no_call_raises_the_energy_by_more_than_rounding(
    backend, patches, dictionary, positive, dtype
):
    """100,000 steps of sweeps, and as many greedy ones, that continue beyond convergence."""
    problem = Problem(patches[:N_ROWS], dictionary[:N_ATOMS], positive, dtype)
    lasso = problem.lasso(backend.to_device)
    code = backend.to_device(np.zeros((N_ROWS, N_ATOMS), dtype))
    before = problem.energy(code)
    rounding = 8 * np.finfo(dtype).eps * before
    for _ in range(N_CALLS):
        backend.inhibited_descent(lasso, code, 0.0, 1)
        after = problem.energy(code)
        assert np.all(after <= before + rounding)
        before = after
    assert np.all(after < np.sum(problem.X**2, axis=1) / 2)


def test_all_backends_find_the_same_minima(backend, patches, dictionary, positive):
    problem = Problem(patches[:N_ROWS], dictionary[:N_ATOMS], positive)
    expected, code = np.zeros((2, N_ROWS, N_ATOMS))
    options = {"tol": 1e-10, "max_iter": 20_000}
    reference.inhibited_descent(problem.lasso(), expected, **options)
    code = backend.to_device(code)
    lasso = problem.lasso(backend.to_device)
    measure, _ = backend.inhibited_descent(lasso, code, **options)
    assert_allclose(to_host(code), expected, atol=1e-7)
    assert np.all(to_host(measure) <= 1e-10)
    assert_allclose(to_host(measure), stationarity(problem.lasso(), to_host(code)), atol=1e-13)
    hessian = problem.lasso().gram - np.linalg.norm(problem.strength, 2) * np.eye(N_ATOMS)
    assert np.linalg.eigvalsh(hessian)[0] < 0  # there may be several minima


def test_atoms_of_norm_zero_are_off(backend, patches, dictionary, positive):
    problem = Problem(patches[:3], dictionary[:N_ATOMS], positive)
    problem.atoms[[0, 5]] = 0
    code = backend.to_device(np.ones((3, N_ATOMS)))
    backend.inhibited_descent(problem.lasso(backend.to_device), code, 1e-6, 1000)
    assert not np.any(to_host(code)[:, [0, 5]])
    assert np.any(to_host(code))


def test_a_sample_of_zeros_has_a_code_of_zeros(backend, dictionary, positive):
    problem = Problem(np.zeros((2, dictionary.shape[1])), dictionary[:N_ATOMS], positive)
    code = backend.to_device(np.zeros((2, N_ATOMS)))
    measure, n_iter = backend.inhibited_descent(problem.lasso(backend.to_device), code, 1e-6, 9)
    assert not np.any(to_host(code))
    assert not np.any(to_host(measure))
    assert n_iter == 0


def test_codes_move_on_to_the_least_energy_along_their_change(patches, dictionary, positive):
    """No step without a change of signs has a lower energy; half of the codes go in each sense."""
    problem = Problem(patches[:N_ROWS], dictionary[:N_ATOMS], positive)
    lasso, random = problem.lasso(), np.random.default_rng(0)
    code = np.zeros((N_ROWS, N_ATOMS))
    reference.inhibited_descent(lasso, code, 1e-3, 20)
    before = code * random.uniform(0.9, 1.1, code.shape)
    moved = extrapolated(lasso, code, before)
    reached, change = problem.energy(moved), code - before
    assert_allclose(np.sign(moved) * (moved != 0), np.sign(code) * (moved != 0))
    for step in np.linspace(0, 5, 200):
        tried = code + step * change
        keeps_signs = np.all(np.sign(tried) == np.sign(code), axis=1)
        assert np.all(reached[keeps_signs] <= problem.energy(tried)[keeps_signs] + 1e-10)
    assert np.any(moved != code)


def test_codes_whose_signs_have_changed_do_not_move_on(patches, dictionary):
    problem = Problem(patches[:2], dictionary[:N_ATOMS], False)
    code = np.zeros((2, N_ATOMS))
    code[:, :3] = 1.0
    before = 0.9 * code
    before[:, 3] = 0.1  # is off afterwards
    assert_allclose(extrapolated(problem.lasso(), code, before), code)


def test_similar_atoms_take_few_sweeps(backend, patches, dictionary):
    """The energy is flat along the difference of two atoms with an angle of 6 degrees.

    Sweeps alone, without moving on, take more than 1,000.
    """
    problem = Problem(patches[:N_ROWS], dictionary[:N_ATOMS], False)
    problem.atoms[1] = problem.atoms[0] + 0.1 * problem.atoms[1]
    problem.atoms /= np.linalg.norm(problem.atoms, axis=1, keepdims=True)
    problem.strength[:2, :2] = 0
    problem.X = 3 * (problem.atoms[0] + problem.atoms[1]) + 0.01 * problem.X
    code = backend.to_device(np.zeros((N_ROWS, N_ATOMS)))
    _, n_iter = backend.inhibited_descent(problem.lasso(backend.to_device), code, 1e-8, 20_000)
    assert np.any(np.all(to_host(code)[:, :2] != 0, axis=1))
    assert n_iter < 200
