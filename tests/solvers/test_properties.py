"""Properties of sparse codes for every dictionary, in any batch, at any scale and from any start.

Gaps are recomputed in double precision by `duality_gap`, independently of solvers. Codes are
compared only by their energies: near a flat optimum, rounding that depends on the batch selects
among codes that are equally good. A solver may stop before it reaches `tol` if it issues a
warning, but the gaps that it claims must always be true.

`--examples N` draws N cases for each property instead of one of each kind.
"""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path_gram

from sklearn_ebm import sparse_encode
from sklearn_ebm.factors import resolve_penalty
from sklearn_ebm.metrics import duality_gap
from tests.registries.solvers import LASSO_SOLVERS
from tests.solvers import difficult

pytestmark = pytest.mark.no_cover  # other tests run the same lines in less time

MOST = 3000  # ISTA would require many more on most of these problems


@pytest.fixture
def seeds(request):
    """Numbers of the cases that a test draws: each kind of dictionary is equally frequent."""
    n_kinds = len(difficult.DICTIONARIES)
    return range(request.config.getoption("--examples") or n_kinds)


def encode(case, X=None, alpha=None, **options):
    """Return codes, gaps, and whether there was a warning that some gaps are above tol."""
    X = case.X if X is None else X
    alpha = case.alpha if alpha is None else alpha
    settings = {"tol": case.tol, "positive": case.positive, "max_iter": MOST, **options}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        code, gap = sparse_encode(X, case.dictionary, alpha, return_gap=True, **settings)
    others = [each.message for each in caught if each.category is not ConvergenceWarning]
    assert not others
    return code, gap, bool(caught)


def true_gap(case, code, X=None, alpha=None, **options):
    X = case.X if X is None else X
    alpha = case.alpha if alpha is None else alpha
    return duality_gap(X, code, case.dictionary, alpha, positive=case.positive, **options)


def assert_certified(case, gap, true, was_warned):
    """Assert that claims are true to 5 %, and at most tol unless there was a warning."""
    assert np.all(gap >= true / 1.05 - case.rounding), (gap.max(), true.max())
    assert np.all(gap <= true * 1.05 + case.rounding), (gap.max(), true.max())
    assert was_warned or np.all(true <= 1.05 * case.tol + case.rounding), true.max()


@pytest.mark.parametrize("solver", LASSO_SOLVERS)
def test_claimed_gaps_are_true(solver, seeds):
    for seed in seeds:
        _, case = difficult.draw(seed)
        code, gap, was_warned = encode(case, solver=solver)
        assert np.all(np.isfinite(code))
        assert_certified(case, gap, true_gap(case, code), was_warned)


def test_the_default_solver_certifies_every_sample_in_double_precision(seeds):
    """For any start."""
    for seed in seeds:
        rng, case = difficult.draw(seed)
        case = case._replace(
            X=case.X.astype(np.float64), dictionary=case.dictionary.astype(np.float64), tol=1e-6
        )
        code, _, was_warned = encode(case)
        assert not was_warned, seed
        _, _, was_warned = encode(case, init=difficult.draw_start(rng, case, code))
        assert not was_warned, seed
        assert np.all(true_gap(case, code) <= 1.05e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [1e-3, 1e-6], ids=["ridge", "nearly least squares"])
def test_a_start_on_all_of_many_dependent_atoms_is_certified(dtype, penalty):
    """The Hessian of its support is numerically singular, so that Newton steps are huge."""
    rng = np.random.default_rng(0)
    atoms = difficult.peaks_of_two_widths(192, 128)
    X = (rng.uniform(size=(60, 192)) * (rng.uniform(size=(60, 192)) < 0.05)) @ atoms
    X += 0.01 * rng.standard_normal(X.shape)
    gram = atoms @ atoms.T
    start = X @ atoms.T @ np.linalg.inv(gram + penalty * np.eye(192))
    X, atoms, start = (array.astype(dtype) for array in (X, atoms, start))
    for alpha in (0.1, 1e-2, 1e-3):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            code = sparse_encode(X, atoms, alpha, init=start)
        assert duality_gap(X, code, atoms, alpha).max() <= 1.01e-4


def test_gaps_that_are_not_returned_are_as_small(seeds):
    """Without `return_gap`, only doubtful gaps are computed in double precision."""
    for seed in seeds:
        _, case = difficult.draw(seed)
        options = {"tol": case.tol, "positive": case.positive, "max_iter": MOST}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            code = sparse_encode(case.X, case.dictionary, case.alpha, **options)
        assert_certified(case, true_gap(case, code), true_gap(case, code), bool(caught))


@pytest.mark.parametrize("solver", LASSO_SOLVERS)
def test_a_sample_has_the_same_energy_alone_and_in_any_order(solver, seeds):
    for seed in seeds:
        rng, case = difficult.draw(seed, smallest_share=1e-4)
        code, gap, _ = encode(case, solver=solver)
        order = rng.permutation(len(case.X))
        shuffled, shuffled_gap, _ = encode(case, case.X[order], solver=solver)
        row = int(rng.integers(len(case.X)))
        alone, alone_gap, _ = encode(case, case.X[row : row + 1], solver=solver)
        other, other_gap = np.empty_like(code), np.empty_like(gap)
        other[order], other_gap[order] = shuffled, shuffled_gap
        allowed = np.maximum(gap, other_gap) * 1.05 + 2 * case.rounding
        difference = case.share_of(case.energy(code) - case.energy(other))
        assert np.all(np.abs(difference) <= allowed)
        other[row], other_gap[row] = alone[0], alone_gap[0]
        difference = case.share_of(case.energy(code) - case.energy(other))[row]
        assert abs(difference) <= max(gap[row], other_gap[row]) * 1.05 + 2 * case.rounding


@pytest.mark.parametrize("solver", LASSO_SOLVERS)
def test_scaling_data_and_alpha_scales_codes(solver, seeds):
    for seed in seeds:
        rng, case = difficult.draw(seed, smallest_share=1e-4)
        powers = 40 if case.dtype == np.float64 else 20  # powers of two: 1e12 and 1e6
        scale = 2.0 ** rng.integers(-powers, powers + 1)
        code, gap, _ = encode(case, solver=solver)
        X = case.X * case.dtype.type(scale)
        scaled, scaled_gap, was_warned = encode(case, X, case.alpha * scale, solver=solver)
        true = true_gap(case, scaled.astype(np.float64) / scale)
        assert_certified(case, scaled_gap, true, was_warned)
        difference = case.share_of(case.energy(code) - case.energy(scaled / scale))
        allowed = np.maximum(gap, scaled_gap) * 1.05 + 2 * case.rounding
        assert np.all(np.abs(difference) <= allowed)


@pytest.mark.parametrize("solver", LASSO_SOLVERS)
def test_every_start_ends_at_the_energy_of_a_cold_start(solver, seeds):
    for seed in seeds:
        rng, case = difficult.draw(seed, smallest_share=1e-4)
        code, gap, _ = encode(case, solver=solver)
        start = difficult.draw_start(rng, case, code)
        warm, warm_gap, was_warned = encode(case, solver=solver, init=start)
        assert_certified(case, warm_gap, true_gap(case, warm), was_warned)
        difference = case.share_of(case.energy(code) - case.energy(warm))
        assert np.all(np.abs(difference) <= np.maximum(gap, warm_gap) * 1.05 + 2 * case.rounding)
        assert np.all(case.energy(warm) <= case.half_norm * (1 + 1e-6))  # the energy of zero


def test_energies_are_never_above_those_of_lars(seeds):
    """LARS may fail on these dictionaries; its energy is then higher."""
    for seed in seeds:
        _, case = difficult.draw(seed)
        X, atoms = case.X.astype(np.float64), case.dictionary.astype(np.float64)
        code, _, was_warned = encode(case)
        lars = np.zeros(code.shape)
        for row in range(1, len(X)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _, _, path = lars_path_gram(
                    atoms @ X[row], atoms @ atoms.T, n_samples=1, alpha_min=case.alpha,
                    method="lasso", positive=case.positive, max_iter=500,
                )  # fmt: skip
            lars[row] = path[:, -1]
        excess = case.share_of(case.energy(code) - case.energy(lars))
        assert was_warned or np.all(excess <= 1.05 * case.tol + case.rounding)


@pytest.mark.parametrize("overlapping", [False, True], ids=["disjoint", "overlapping"])
def test_claims_hold_for_groups(overlapping, seeds):
    """The dual norm of overlapping groups has an upper bound, so that claims may be loose."""
    for seed in seeds:
        rng, case = difficult.draw(seed, smallest_share=1e-3)
        n_components = len(case.dictionary)
        if n_components < 3:
            continue
        case = case._replace(tol=max(case.tol, 1e-4))
        penalty = difficult.draw_groups(rng, n_components, overlapping)
        factor = resolve_penalty(penalty, n_components, case.alpha, case.positive)
        code, gap, was_warned = encode(case, penalty=penalty)
        start = 10 ** rng.uniform(-2, 12) * rng.standard_normal(code.shape)
        warm, warm_gap, _ = encode(case, penalty=penalty, init=start)
        if overlapping:
            assert was_warned or np.all(gap <= 1.05 * case.tol)
        else:
            assert_certified(case, gap, true_gap(case, code, penalty=penalty), was_warned)
        energies = [
            case._replace(alpha=0).energy(z) + factor.value(z.astype(np.float64))
            for z in (code, warm)
        ]
        difference = np.abs(case.share_of(energies[0] - energies[1]))
        assert np.all(difference <= np.maximum(gap, warm_gap) * 1.05 + 20 * case.rounding)


@pytest.mark.parametrize("solver", ["fista", "ista"])
def test_claims_hold_for_samples_with_missing_values(solver, seeds):
    """A sample with missing features is equivalent to atoms without them."""
    for seed in seeds:
        rng, case = difficult.draw(seed, smallest_share=1e-4)
        is_missing = rng.uniform(size=case.X.shape) < 0.25
        is_missing[:, 0] = False
        X = np.where(is_missing, np.nan, case.X).astype(case.dtype)
        code, gap, was_warned = encode(case, X, solver=solver, missing_values=np.nan)
        true = [
            duality_gap(
                np.where(gone, 0, x)[None], z[None], case.dictionary * ~gone, case.alpha,
                positive=case.positive,
            )[0]
            for x, z, gone in zip(case.X, code, is_missing, strict=True)
        ]  # fmt: skip
        assert_certified(case, gap, np.array(true), was_warned)
