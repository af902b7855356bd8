"""Inference with lateral inhibition: missing values, predictions, precision and starts."""

import array_api_strict as xp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm import InhibitionPenalty, sparse_encode
from sklearn_ebm.backends import numba
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.factors import LinearDecoder, SparseEnergy
from sklearn_ebm.factors.penalties._inhibition import Inhibition
from sklearn_ebm.solvers import Criterion, Outcome, solve_lasso

ALPHA = 0.3
N_ATOMS, MAP = 30, (5, 6)
PENALTY = InhibitionPenalty(map_shape=MAP, inner_radius=1.0)
EXACT = {"tol": 1e-10, "max_iter": 50_000}


@pytest.fixture
def X(patches):
    return patches[:12]


@pytest.fixture
def atoms(dictionary):
    return dictionary[:N_ATOMS]


def encode(X, atoms, **options):
    return sparse_encode(X, atoms, ALPHA, penalty=PENALTY, **{**EXACT, **options})


def violations(X, code, atoms, mask=1.0, beta=0.0, prediction=0.0):
    """Return the largest violation of the first-order conditions of each sample."""
    q = ((X - code @ atoms) * mask) @ atoms.T + beta * (prediction - code)
    thresholds = ALPHA * np.abs(code) @ PENALTY.strengths(N_ATOMS)
    away = np.abs(q - np.sign(code) * thresholds)
    return np.where(code != 0, away, np.maximum(np.abs(q) - thresholds, 0)).max(axis=1)


def energy(X, code, atoms):
    size = np.abs(code)
    inhibition = ALPHA / 2 * np.sum(size @ PENALTY.strengths(N_ATOMS) * size, axis=1)
    return np.sum((X - code @ atoms) ** 2, axis=1) / 2 + inhibition


def test_codes_with_missing_values_are_those_of_the_observed_features(X, atoms):
    mask = np.random.default_rng(0).random(X.shape) < 0.7
    code = encode(np.where(mask, X, np.nan), atoms, missing_values=np.nan)
    for x, z, observed in zip(X, code, mask, strict=True):
        part, own = x[None, observed], atoms[:, observed]
        assert_allclose(z, encode(part, own)[0], atol=1e-8)
    assert np.all(violations(X, code, atoms, mask) <= 1e-9)


def test_codes_with_a_prediction_meet_the_conditions(X, atoms):
    prediction = np.random.default_rng(1).standard_normal((len(X), N_ATOMS))
    problem = SparseEnergy(LinearDecoder(atoms), PENALTY.resolve(N_ATOMS, ALPHA), beta=0.5).problem(
        X, prediction
    )
    solution = solve_lasso(problem, backend=numba, **EXACT)
    assert solution.outcome is Outcome.CONVERGED
    assert solution.criterion is Criterion.STATIONARITY
    assert np.all(violations(X, solution.code, atoms, 1.0, 0.5, prediction) <= 1e-9)


@pytest.mark.parametrize("tol", [1e-4, 1e-6])
def test_codes_in_single_precision_reach_what_double_precision_reaches(X, atoms, tol):
    """Below the resolution of single precision, samples are continued in double precision."""
    options = {"tol": tol, "max_iter": 5000}
    code = encode(X.astype(np.float32), atoms.astype(np.float32), **options)
    assert code.dtype == np.float32
    # The codes are rounded, with an error of about 1e-7 of the size of correlations.
    measure = violations(X, code, atoms) / np.abs(X @ atoms.T).max(axis=1)
    assert np.all(measure <= tol + 1e-6)
    assert_allclose(energy(X, code, atoms), energy(X, encode(X, atoms), atoms), rtol=1e-4)


def test_a_start_is_not_left_for_a_worse_code(X, atoms):
    start = encode(X, atoms) + 0.01 * np.random.default_rng(2).standard_normal((len(X), N_ATOMS))
    code = encode(X, atoms, init=start)
    assert np.all(energy(X, code, atoms) <= energy(X, start, atoms))
    assert np.all(violations(X, code, atoms) <= 1e-9)


def test_proximal_steps_find_the_same_codes_if_the_energy_is_convex(X, atoms):
    """It is if alpha times the largest eigenvalue of S is at most the least one of D D'."""
    strength = PENALTY.strengths(N_ATOMS)
    curvature = np.linalg.eigvalsh(atoms @ atoms.T)[0]
    alpha = 0.9 * curvature / np.linalg.eigvalsh(strength)[-1]
    codes = [
        sparse_encode(X, atoms, alpha, penalty=PENALTY, solver=solver, tol=tol, max_iter=50_000)
        for solver, tol in (("inhibited_cd", 1e-12), ("ista", 1e-14))
    ]
    # 1/2 (curvature / 10) ||z - z*||^2 is at most the excess of the energy
    assert_allclose(*codes, atol=1e-4)


def test_strict_arrays_have_the_codes_of_numpy(X, atoms):
    def solution(convert):
        factor = Inhibition(ALPHA, convert(PENALTY.strengths(N_ATOMS)))
        energy = SparseEnergy(LinearDecoder(convert(atoms)), factor)
        return solve_lasso(energy.problem(convert(X[:4])), tol=1e-4, backend=reference)

    strict, expected = solution(lambda array: xp.asarray(array.copy())), solution(np.asarray)
    assert strict.n_iter == expected.n_iter
    assert type(strict.code) is type(xp.asarray(0.0))
    assert_allclose(np.asarray(strict.code), expected.code, rtol=0, atol=1e-10)
    assert_allclose(np.asarray(strict.measure), expected.measure, rtol=0, atol=1e-10)


def test_codes_that_do_not_converge_are_reported_with_their_violation(X, atoms):
    with pytest.warns(ConvergenceWarning, match=r"They violate the first-order conditions by up"):
        code, gap = encode(X, atoms, max_iter=1, return_gap=True)
    assert np.any(violations(X, code, atoms) > 1e-3)
    assert np.all(np.isnan(gap))


def test_joint_codes_are_refused(X, atoms):
    with pytest.raises(ValueError, match="InhibitionPenalty"):
        encode(X, atoms, groups=np.arange(len(X)) // 2)


def test_functions_refuse_strengths_that_only_models_learn(X, atoms):
    penalty = InhibitionPenalty(structure="learned")
    with pytest.raises(ValueError, match="structure='learned' requires a model"):
        sparse_encode(X, atoms, ALPHA, penalty=penalty)


def test_strengths_are_learned_from_strict_arrays(X, atoms):
    """Moments are computed on the device of the codes; strengths are updated on the host."""
    factor = InhibitionPenalty(structure="learned").resolve(N_ATOMS, ALPHA)
    code, weight = encode(X, atoms), np.linspace(1, 2, len(X))
    learned = factor.updated(factor.moment(code, weight))
    strict = factor.updated(factor.moment(xp.asarray(code), xp.asarray(weight)))
    assert_allclose(strict.learned, learned.learned, atol=1e-12)
    value = strict.value(xp.asarray(code))
    assert type(value) is type(xp.asarray(0.0))
    assert_allclose(np.asarray(value), learned.value(code), rtol=1e-12)
