"""The duality gap compared with its definition, brute force and weak duality."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize

from sklearn_ebm import GroupPenalty, sparse_encode
from sklearn_ebm.metrics import duality_gap

ALPHA = 0.4
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    X = random.standard_normal((6, 4))
    atoms = random.standard_normal((5, 4))
    code = random.standard_normal((6, 5)) * (random.random((6, 5)) < 0.5)
    return X, code, atoms


def energy(x, z, atoms):
    return np.sum((x - z @ atoms) ** 2) / 2 + ALPHA * np.sum(np.abs(z))


def minimum(x, atoms, positive):
    """Compute the minimum by a bounded program in positive and negative parts, without duals."""
    both = atoms if positive else np.vstack([atoms, -atoms])
    found = minimize(
        lambda z: np.sum((x - z @ both) ** 2) / 2 + ALPHA * z.sum(),
        np.zeros(len(both)),
        jac=lambda z: (z @ both - x) @ both.T + ALPHA,
        bounds=[(0, None)] * len(both),
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000},
    )
    return found.fun


@signs
def test_gap_bounds_what_a_better_code_could_save(problem, positive):
    X, code, atoms = problem
    code = np.abs(code) if positive else code
    gap = duality_gap(X, code, atoms, ALPHA, positive)
    for x, z, bound in zip(X, code, gap, strict=True):
        saving = energy(x, z, atoms) - minimum(x, atoms, positive)
        assert 0 < saving <= bound * np.sum(x**2) / 2


@signs
def test_dual_point_is_feasible_and_its_value_below_every_energy(problem, positive):
    """Weak duality: D(theta) = 1/2 ||x||^2 - 1/2 ||x - theta||^2 <= E(x, z) for all z."""
    X, code, atoms = problem
    code = np.abs(code) if positive else code
    gap = duality_gap(X, code, atoms, ALPHA, positive)
    random = np.random.default_rng(1)
    for x, z, bound in zip(X, code, gap, strict=True):
        dual_value = energy(x, z, atoms) - bound * np.sum(x**2) / 2
        for other in random.standard_normal((100, len(atoms))):
            other = np.abs(other) if positive else other
            assert dual_value <= energy(x, other * random.random(), atoms)


@signs
def test_gap_is_the_difference_of_primal_and_dual_values(problem, positive):
    X, code, atoms = problem
    code = np.abs(code) if positive else code
    for x, z, gap in zip(X, code, duality_gap(X, code, atoms, ALPHA, positive), strict=True):
        residual = x - z @ atoms
        correlation = atoms @ residual
        largest = correlation.max() if positive else np.abs(correlation).max()
        theta = residual * min(1, ALPHA / largest) if largest > 0 else residual
        assert (atoms @ theta if positive else np.abs(atoms @ theta)).max() <= ALPHA + 1e-12
        dual = np.sum(x**2) / 2 - np.sum((x - theta) ** 2) / 2
        assert_allclose(gap, (energy(x, z, atoms) - dual) / (np.sum(x**2) / 2), rtol=1e-12)


def test_gap_is_zero_at_the_optimum_and_only_there():
    """With orthonormal atoms the optimum is the soft threshold of x."""
    X = np.array([[3.0, -0.2, 1.0]])
    optimum = np.array([[2.6, 0.0, 0.6]])
    assert_allclose(duality_gap(X, optimum, np.eye(3), ALPHA), 0, atol=1e-15)
    # E - E* = 1/2 delta^2 if support and signs are unchanged; the gap is larger.
    nearby = optimum + np.array([0.1, 0, 0])
    assert duality_gap(X, nearby, np.eye(3), ALPHA)[0] > 0.005 / 5.02


def test_zero_codes_are_optimal_from_alpha_max_on(problem):
    X, _, atoms = problem
    alpha_max = np.abs(X @ atoms.T).max()
    zero = np.zeros((6, 5))
    assert_array_equal(duality_gap(X, zero, atoms, alpha_max), 0)
    assert np.max(duality_gap(X, zero, atoms, 0.9 * alpha_max)) > 0


def test_a_sample_of_zeros_has_no_gap_with_a_code_of_zeros(problem):
    _, _, atoms = problem
    assert_array_equal(duality_gap(np.zeros((1, 4)), np.zeros((1, 5)), atoms, ALPHA), 0)
    assert duality_gap(np.zeros((1, 4)), np.ones((1, 5)), atoms, ALPHA)[0] > 0


def test_sparse_codes_lists_and_float32_are_taken_in_double_precision(problem):
    X, code, atoms = problem
    expected = duality_gap(X, code, atoms, ALPHA)
    assert_array_equal(duality_gap(X, sparse.csr_array(code), atoms, ALPHA), expected)
    assert_array_equal(duality_gap(X.tolist(), code.tolist(), atoms.tolist(), ALPHA), expected)
    narrow = duality_gap(*(array.astype(np.float32) for array in problem), np.float32(ALPHA))
    assert narrow.dtype == np.float64
    assert_allclose(narrow, expected, rtol=1e-5)  # inputs were rounded, sums were not


# Groups of components

GROUPS = {  # of the five atoms
    "disjoint": GroupPenalty([[3, 0], [1], [2, 4]], pool_weights=[1.0, 0.5, 2.0]),
    "chain": GroupPenalty([[0, 1], [1, 2, 3], [3, 4], [4, 0]]),
    "windows": GroupPenalty(map_shape=(5, 1), pool_shape=(3, 1)),
}
groups = pytest.mark.parametrize("penalty", GROUPS.values(), ids=GROUPS)


def group_energy(x, z, atoms, penalty):
    norms = np.sqrt(penalty.pools(5).weights @ z**2)
    return np.sum((x - z @ atoms) ** 2) / 2 + ALPHA * norms.sum()


def group_minimum(x, atoms, penalty, positive):
    """Minimise with norms sqrt(... + width^2), which are upper bounds, for decreasing widths."""

    def smooth(z, width):
        norms = np.sqrt(weights @ z**2 + width**2)
        slope = (z @ atoms - x) @ atoms.T + ALPHA * z * ((1 / norms) @ weights)
        return np.sum((x - z @ atoms) ** 2) / 2 + ALPHA * norms.sum(), slope

    z, weights = np.full(5, 0.1), penalty.pools(5).weights
    options = {"jac": True, "bounds": [(0 if positive else None, None)] * 5}
    options["options"] = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000}
    for width in 10.0 ** -np.arange(1, 8):
        z = minimize(smooth, z, width, **options).x
    return z


@pytest.fixture(scope="module")
def group_minima():
    """Return a function from a problem, a penalty and a sign to the best codes, cached."""
    found = {}

    def best(problem, penalty, positive):
        X, _, atoms = problem
        key = id(penalty), positive
        if key not in found:
            found[key] = np.array([group_minimum(x, atoms, penalty, positive) for x in X])
        return found[key].copy()

    return best


@groups
@signs
def test_gap_of_groups_bounds_what_a_better_code_could_save(
    problem, penalty, positive, group_minima
):
    X, code, atoms = problem
    code = np.abs(code) if positive else code
    best = group_minima(problem, penalty, positive)
    for others in (code, 0 * code, best + 0.1 * code, best + 0.01 * code):
        gap = duality_gap(X, others, atoms, ALPHA, positive, penalty)
        for x, z, least, bound in zip(X, others, best, gap, strict=True):
            saving = group_energy(x, z, atoms, penalty) - group_energy(x, least, atoms, penalty)
            assert -1e-6 <= saving <= bound * np.sum(x**2) / 2 + 1e-6


@groups
@signs
def test_gap_of_groups_is_zero_at_the_optimum(problem, penalty, positive, group_minima):
    """If pools are off, the minimum has an error of 1e-6, to which the dual norm is sensitive."""
    X, _, atoms = problem
    best = group_minima(problem, penalty, positive)
    best[np.abs(best) < 1e-5] = 0
    assert best.any()
    assert np.all(duality_gap(X, best, atoms, ALPHA, positive, penalty) < 1e-4)


@groups
def test_gap_of_groups_is_exact_where_nothing_is_on(problem, penalty):
    """D(theta) of theta = s x is 1/2 (1 - (1 - s)^2) ||x||^2: the gap of zeros is (1 - s)^2."""
    X, _, atoms = problem
    zeros = np.zeros((6, 5))
    gap = duality_gap(X, zeros, atoms, ALPHA, penalty=penalty)
    scale = 1 - np.sqrt(gap)
    assert np.all((scale > 0) & (scale < 1))
    # 1 / s is the dual norm over alpha: for an alpha larger by 1 / s, zeros are optimal.
    for x, s in zip(X, scale, strict=True):
        enough = duality_gap(x[None], zeros[:1], atoms, ALPHA / s * (1 + 1e-12), penalty=penalty)
        assert_array_equal(enough, 0)


def test_groups_of_one_have_the_gap_of_the_l1_norm(problem):
    X, code, atoms = problem
    singles = duality_gap(X, code, atoms, ALPHA, penalty=GroupPenalty(1))
    assert_allclose(singles, duality_gap(X, code, atoms, ALPHA), rtol=1e-12)


# Input types

PENALTIES = {"l1": "l1", **GROUPS}
any_penalty = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)


@any_penalty
@pytest.mark.parametrize("size", [-1060, -565, -200, 200, 531, 1000])
@pytest.mark.filterwarnings("error")
def test_units_of_data_do_not_matter(problem, penalty, size):
    """Powers of two are exact, and the smallest resulting numbers have 14 bits."""
    X, code, atoms = problem
    code[2] = 0
    expected = duality_gap(X, code, atoms, ALPHA, penalty=penalty)
    X, code, alpha = np.ldexp(X, size), np.ldexp(code, size), np.ldexp(ALPHA, size)
    rtol = 1e-2 if size == -1060 else 0
    assert_allclose(duality_gap(X, code, atoms, alpha, penalty=penalty), expected, rtol=rtol)


@any_penalty
@pytest.mark.parametrize("size", [-600, 600])
@pytest.mark.filterwarnings("error")
def test_units_of_atoms_do_not_matter(problem, penalty, size):
    X, code, atoms = problem
    expected = duality_gap(X, code, atoms, ALPHA, penalty=penalty)
    code, atoms, alpha = np.ldexp(code, -size), np.ldexp(atoms, size), np.ldexp(ALPHA, size)
    assert_array_equal(duality_gap(X, code, atoms, alpha, penalty=penalty), expected)


@any_penalty
@pytest.mark.filterwarnings("error")
def test_samples_have_units_of_their_own_and_gaps_beyond_numbers_are_infinite(problem, penalty):
    X, code, atoms = problem
    code[0] = 0
    X[0] *= 1e-200  # far below alpha, so that a code of zeros is optimal
    code[1, 0] = 1e300
    gap = duality_gap(X, code, atoms, ALPHA, penalty=penalty)
    assert gap[0] == 0
    assert gap[1] == np.inf
    assert_array_equal(gap[2:], duality_gap(X[2:], code[2:], atoms, ALPHA, penalty=penalty))
    tiny = np.full_like(code[:1], 1e-300)
    # For a penalty alpha v |z| with v near one, and half norms near one.
    assert 1e-2 < duality_gap(X[2:3], tiny, atoms, 1e300, penalty=penalty)[0] < 1e2


@any_penalty
def test_a_code_that_is_not_feasible_has_an_infinite_gap(problem, penalty):
    X, code, atoms = problem
    code = np.abs(code)
    code[1, 3] = -1e-300
    code[2, 3] = -0.0
    gap = duality_gap(X, code, atoms, ALPHA, positive=True, penalty=penalty)
    assert_array_equal(np.isinf(gap), np.arange(6) == 1)


@pytest.mark.pairwise
@any_penalty
@signs
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("missing_values", [np.nan, 0.1])
def test_missing_values_do_not_enter_the_misfit(problem, penalty, positive, dtype, missing_values):
    """The gap equals that of the observed features, and agrees with `sparse_encode`."""
    X, _, atoms = problem
    X = X.astype(dtype)
    hidden = np.random.default_rng(2).random(X.shape) < 0.3
    X[hidden] = missing_values
    options = {"penalty": penalty, "positive": positive}
    code, claimed = sparse_encode(
        X, atoms, ALPHA, missing_values=missing_values, return_gap=True, **options
    )
    atoms = atoms.astype(dtype)
    gap = duality_gap(X, code, atoms, ALPHA, missing_values=missing_values, **options)
    for x, z, seen, bound in zip(X, code, ~hidden, gap, strict=True):
        alone = duality_gap(x[None, seen], z[None], atoms[:, seen], ALPHA, **options)
        assert_allclose(bound, alone[0], rtol=1e-9, atol=1e-14)
    # Solvers bound the dual norm of overlapping groups with fewer iterations, and less tightly.
    assert np.all(gap <= 1.05 * claimed + (1e-12 if dtype is np.float64 else 1e-7))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"alpha": 0}, "The 'alpha' parameter of duality_gap must be a float in the range"),
        ({"alpha": -1.0}, "The 'alpha' parameter of duality_gap must be a float in the range"),
        ({"alpha": np.nan}, "The 'alpha' parameter of duality_gap must be a float in the range"),
        ({"alpha": np.inf}, "The 'alpha' parameter of duality_gap must be a float in the range"),
        ({"positive": "yes"}, "The 'positive' parameter of duality_gap"),
        ({"penalty": "l2"}, "The 'penalty' parameter of duality_gap"),
        ({"missing_values": "NaN"}, "The 'missing_values' parameter of duality_gap"),
        ({"X": np.ones(4)}, "Expected 2D array, got 1D array"),
        ({"X": np.full((6, 4), np.nan)}, "missing_values=np.nan. Set this parameter"),
        ({"X": np.full((6, 4), np.inf)}, "Input X contains infinity"),
        ({"X": np.ones((6, 3))}, "dictionary has 4 features, but X has 3 features"),
        ({"code": np.ones((1, 5))}, "inconsistent numbers of samples"),
        ({"code": np.ones((6, 4))}, "code has 4 components, but dictionary has 5 rows"),
        ({"code": np.full((6, 5), np.nan)}, "Input code contains NaN"),
        ({"dictionary": np.full((5, 4), np.nan)}, "Input dictionary contains NaN"),
        (
            {"X": np.full((6, 4), 7.0), "missing_values": 7},
            "Each sample must have at least one observed feature, got none in sample 0",
        ),
    ],
)
def test_invalid_arguments_are_refused(problem, changed, message):
    arrays = dict(zip(("X", "code", "dictionary"), problem, strict=True))
    with pytest.raises(ValueError, match=message):
        duality_gap(**{**arrays, "alpha": ALPHA, **changed})
