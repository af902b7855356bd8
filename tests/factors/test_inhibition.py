"""Lateral inhibition compared with its definition, brute force and optimality conditions."""

import itertools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog
from sklearn.model_selection import GridSearchCV

from sklearn_ebm import PSD, InhibitionPenalty, SparseCoder, sparse_encode
from sklearn_ebm.backends import numpy
from sklearn_ebm.factors import LinearDecoder, SparseEnergy
from sklearn_ebm.factors.penalties._strengths import projected_strength
from sklearn_ebm.solvers._proximal import ista

ALPHA = 0.5
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((15, 6))
ATOMS = RANDOM.standard_normal((7, 6))
ATOMS /= np.linalg.norm(ATOMS, axis=1, keepdims=True)
STRENGTH = np.triu(RANDOM.uniform(0, 2, (7, 7)), 1)
STRENGTH += STRENGTH.T
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])


def energy(code, strength=STRENGTH):
    size = np.abs(code)
    return np.sum((X - code @ ATOMS) ** 2, axis=1) / 2 + ALPHA / 2 * np.sum(
        size @ strength * size, axis=1
    )


def encode(positive=False, strength=STRENGTH, **options):
    options = {"tol": 1e-12, "max_iter": 50_000, **options}
    penalty = InhibitionPenalty(strength)
    return sparse_encode(X, ATOMS, ALPHA, penalty=penalty, positive=positive, **options)


def test_value_and_gradient_are_those_of_the_definition():
    code = RANDOM.standard_normal((4, 7))
    factor = InhibitionPenalty(STRENGTH).resolve(7, ALPHA)
    for row, value in zip(code, factor.value(code), strict=True):
        pairs = itertools.product(range(7), repeat=2)
        expected = sum(STRENGTH[i, j] * abs(row[i]) * abs(row[j]) for i, j in pairs) / 2
        assert_allclose(value, ALPHA * expected, rtol=1e-13)


@pytest.mark.parametrize("torus", [True, False], ids=["torus", "flat"])
@pytest.mark.parametrize("outer_radius", [None, 2.0])
def test_strengths_of_a_map_are_a_ring_around_each_component(torus, outer_radius):
    penalty = InhibitionPenalty(
        map_shape=(4, 5), inner_radius=1.0, outer_radius=outer_radius, torus=torus
    )
    strength = penalty.strengths(20)
    for i, j in itertools.product(range(20), repeat=2):
        steps = np.abs(np.subtract(divmod(i, 5), divmod(j, 5)))
        steps = np.minimum(steps, np.array([4, 5]) - steps) if torus else steps
        distance = np.hypot(*steps)
        assert strength[i, j] == (1 < distance <= (outer_radius or np.inf))


def ancestors(node, branching):
    """Return the path from a node to the root of a tree with the same number of children."""
    path = [node]
    while path[-1] > 0:
        path.append((path[-1] - 1) // branching)
    return path


@pytest.mark.parametrize(("branching", "n_nodes"), [(1, 6), (2, 12), (3, 13), (5, 40)])
def test_strengths_of_a_tree_are_the_lengths_of_paths_minus_one(branching, n_nodes):
    """The path leads over the lowest common ancestor; the strength on an edge is zero."""
    strength = InhibitionPenalty(structure="tree", branching=branching).strengths(n_nodes)
    for i, j in itertools.combinations(range(n_nodes), 2):
        up, down = (ancestors(node, branching) for node in (i, j))
        length = len({*up} ^ {*down})  # all nodes of the path but the common ancestor
        assert strength[i, j] == strength[j, i] == length - 1
    assert not np.any(np.diag(strength))


def test_levels_of_a_tree_may_have_different_numbers_of_children():
    """The root has 2 children, each of them has 3, and each of these has 1."""
    strength = InhibitionPenalty(structure="tree", branching=(2, 3, 1)).strengths(15)
    n_edges = np.sum(strength == 0, axis=1) - 1
    assert n_edges.tolist() == [2, *[4] * 2, *[2] * 6, *[1] * 6]
    assert strength.max() == 5  # from leaf to leaf over the root
    same = InhibitionPenalty(structure="tree", branching=(5, 5))
    assert_array_equal(
        same.strengths(31), InhibitionPenalty(structure="tree", branching=5).strengths(31)
    )


def symmetric(n_components, seed=0):
    matrix = np.random.default_rng(seed).normal(0.5, 0.4, (n_components, n_components))
    return (matrix + matrix.T) / 2


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_projected_strengths_meet_the_conditions_of_the_closest_matrix(share):
    """T = clip(S_ij + u_i + u_j, 0, 2), with row sums as required: the problem is convex."""
    strength, total = symmetric(12), share * 2 * 11
    result = projected_strength(strength, total, 2.0)
    assert_array_equal(result, result.T)
    assert_allclose(result.sum(axis=1), total, rtol=1e-9)
    i, j = np.triu_indices(12, 1)
    change, value = (result - strength)[i, j], result[i, j]
    is_free = (value > 0) & (value < 2)
    assert 10 < is_free.sum()
    sums = np.zeros((len(i), 12))
    sums[np.arange(len(i)), i] = sums[np.arange(len(i)), j] = 1
    u = np.linalg.lstsq(sums[is_free], change[is_free])[0]
    multiplier = change - sums @ u
    assert_allclose(multiplier[is_free], 0, atol=1e-8)
    assert np.all(multiplier[value <= 0] >= -1e-8)
    assert np.all(multiplier[value >= 2] <= 1e-8)


def test_strengths_that_meet_the_limits_are_their_own_projection():
    strength = projected_strength(symmetric(9), 4.0, 1.0)
    assert_allclose(projected_strength(strength, 4.0, 1.0), strength, atol=1e-9)


def test_learned_strengths_reach_the_least_penalty_of_the_codes_that_they_learn_from():
    """A projected gradient step on a linear function never increases it; the least is known."""
    factor = InhibitionPenalty(structure="learned", total=3.0).resolve(7, ALPHA)
    code = RANDOM.laplace(size=(40, 7)) * (RANDOM.random((40, 7)) < 0.3)
    weight = RANDOM.uniform(1, 2, 40)
    together, (i, j) = factor.moment(code, weight), np.triu_indices(7, 1)
    rows = np.array([(i == row) | (j == row) for row in range(7)], dtype=float)
    best = linprog(ALPHA * together[i, j], A_eq=rows, b_eq=np.full(7, 3.0), bounds=(0, 1))
    penalties = [weight @ factor.value(code)]
    for _ in range(500):
        factor = factor.updated(together)
        penalties.append(weight @ factor.value(code))
    assert np.all((factor.learned >= 0) & (factor.learned <= 1))
    assert_allclose(factor.learned.sum(axis=1), 3.0, rtol=1e-9)
    assert np.all(np.diff(penalties) <= 1e-9)
    assert_allclose(penalties[-1], best.fun, rtol=0.01)  # steps are short at the end
    assert penalties[-1] < 0.8 * penalties[0]


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_learning_of_strengths_does_not_depend_on_the_scale_of_codes(scale):
    factor = InhibitionPenalty(structure="learned").resolve(7, ALPHA)
    code, weight = RANDOM.laplace(size=(40, 7)), np.ones(40)
    learned = factor.updated(factor.moment(code, weight)).learned
    scaled = factor.updated(factor.moment(scale * code, weight)).learned
    assert_allclose(scaled, learned, rtol=1e-6)


def test_codes_without_pairs_change_no_strength():
    factor = InhibitionPenalty(structure="learned").resolve(7, ALPHA)
    assert factor.updated(factor.moment(np.eye(7), np.ones(7))) is factor


def inference(positive, alpha=ALPHA):
    factor = InhibitionPenalty(STRENGTH).resolve(7, alpha, positive)
    return SparseEnergy(LinearDecoder(ATOMS), factor).problem(X)


@signs
@pytest.mark.parametrize("alpha", [ALPHA, 100 * ALPHA])
def test_no_step_raises_the_energy(positive, alpha):
    """Proximal steps, which are short for strong inhibition."""
    problem, code = inference(positive, alpha), np.zeros((15, 7))
    energies = [problem.energy(code)]
    for _ in range(200):
        code = ista(problem, code, tol=0, max_iter=1, backend=numpy)[0]
        energies.append(problem.energy(code))
    assert np.all(np.diff(energies, axis=0) <= 1e-13)
    assert np.all(energies[-1] < energies[0])


@signs
def test_codes_meet_the_conditions_of_a_minimum(positive):
    """q_j = alpha sign(z_j) (|z| S)_j if z_j is not zero, else |q_j| <= alpha (|z| S)_j."""
    code = encode(positive)
    assert_allclose(inference(positive).energy(code), energy(code), rtol=1e-12)
    q = (X - code @ ATOMS) @ ATOMS.T
    thresholds = ALPHA * np.abs(code) @ STRENGTH
    on = code != 0
    assert 0.1 < on.mean() < 0.6
    assert_allclose(q[on], (np.sign(code) * thresholds)[on], atol=1e-10)
    excess = (q if positive else np.abs(q)) - thresholds
    assert np.all(excess[~on] <= 1e-10)
    assert not positive or code.min() >= 0


def global_minimum(x):
    """Find the minimum by enumeration of all supports and signs: the energy is then quadratic."""
    best = np.sum(x**2) / 2
    for signs in itertools.product([-1, 0, 1], repeat=7):
        on = np.flatnonzero(signs)
        if len(on) == 0:
            continue
        sign = np.array(signs)[on]
        hessian = ATOMS[on] @ ATOMS[on].T + ALPHA * STRENGTH[np.ix_(on, on)] * np.outer(sign, sign)
        if np.linalg.eigvalsh(hessian)[0] <= 1e-9:
            continue
        code = np.linalg.solve(hessian, ATOMS[on] @ x)
        if np.all(code * sign > 0):
            best = min(best, np.sum(x**2) / 2 - ATOMS[on] @ x @ code / 2)
    return best


def test_codes_are_close_to_the_least_energy_of_all_supports():
    """The energy of local minima may be higher, but not lower, and most are close."""
    least = np.array([global_minimum(x) for x in X[:6]])
    excess = energy(encode())[:6] - least
    half_norm = np.sum(X[:6] ** 2, axis=1) / 2
    assert np.all(excess >= -1e-10)
    assert np.median(excess / half_norm) < 0.05


def test_without_strength_codes_are_least_squares():
    code = encode(strength=np.zeros((7, 7)))
    assert_allclose(code @ ATOMS, X, atol=1e-9)  # seven atoms span six features


def test_codes_scale_with_the_data():
    """E(c x, c z) = c^2 E(x, z): alpha has no unit."""
    penalty, options = InhibitionPenalty(STRENGTH), {"tol": 1e-12, "max_iter": 50_000}
    code = sparse_encode(8 * X, ATOMS, ALPHA, penalty=penalty, **options)
    assert_allclose(code, 8 * encode(), atol=1e-10)


@pytest.mark.parametrize("kind", [SparseCoder, PSD])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_components_that_inhibit_are_rarely_on_together(patches, kind):
    """The share of active pairs that inhibit each other is lower than among all pairs."""
    penalty = InhibitionPenalty(map_shape=(6, 6), inner_radius=1.5)
    model = kind(36, penalty=penalty, alpha=ALPHA, max_iter=5, tol=0, random_state=0)
    if kind is PSD:
        model.set_params(inference="optimal")
    on = model.fit(patches).transform(patches) != 0
    together = (on.T.astype(float) @ on) * (1 - np.eye(36))
    strength = penalty.strengths(36)
    share = np.sum(together * strength) / np.sum(together)
    assert np.any(on)
    assert share < 0.8 * strength.sum() / (36 * 35)


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_a_grid_search_takes_the_radius():
    data = RANDOM.standard_normal((60, 8))
    model = SparseCoder(9, penalty=InhibitionPenalty(map_shape=(3, 3)), max_iter=2, tol=0)
    search = GridSearchCV(model, {"penalty__inner_radius": [0.0, 1.0]}, cv=2).fit(data)
    assert search.best_params_ == {"penalty__inner_radius": 1.0}  # lower energy


def test_other_solvers_and_certificates_are_refused():
    with pytest.raises(
        ValueError, match=r"InhibitionPenalty is not convex[.] Use solver='inhibited_cd'"
    ):
        encode(solver="fista")
    _, gap = encode(return_gap=True)
    assert np.all(np.isnan(gap))


@pytest.mark.parametrize(
    "penalty", [InhibitionPenalty(STRENGTH), InhibitionPenalty(structure="learned")]
)
def test_a_stored_factor_is_the_same(penalty):
    factor = penalty.resolve(7, ALPHA, True)
    value = factor.value(X @ ATOMS.T)
    assert_array_equal(pickle.loads(pickle.dumps(factor)).value(X @ ATOMS.T), value)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"strength": np.ones((7, 7))}, "zeros on the diagonal, got up to 1"),
        ({"strength": -STRENGTH}, "non-negative and finite, got entries from -"),
        ({"strength": np.full((7, 7), np.nan)}, "strength must be non-negative and finite"),
        ({"strength": np.triu(STRENGTH)}, "must be symmetric, got entries that differ from their"),
        ({"strength": STRENGTH[:6, :6]}, r"shape \(7, 7\) for n_components=7, got \(6, 6\)"),
        ({"strength": "all"}, "strength must be an array of numbers"),
        ({"structure": "ring"}, "structure must be 'map', 'tree' or 'learned', got 'ring'"),
        ({"structure": ["map"]}, r"structure must be 'map', 'tree' or 'learned', got \['map'\]"),
        ({}, "map_shape must be a pair of positive integers if structure='map'.* got None"),
        ({"map_shape": (2, 4)}, "must have a product of n_components=7, got .* product of 8"),
        ({"map_shape": (1, 7), "inner_radius": -1}, "inner_radius must be a non-negative number"),
        ({"map_shape": (1, 7), "outer_radius": "wide"}, "outer_radius must be a non-negative"),
        ({"map_shape": (1, 7), "inner_radius": 9}, "at a distance above inner_radius=9"),
        ({"structure": "tree", "branching": 0}, "branching must be a positive integer or a tuple"),
        ({"structure": "tree", "branching": (2, 0.5)}, r"of positive integers, got \(2, 0.5\)"),
        ({"structure": "tree", "branching": True}, "branching must be a positive integer"),
        ({"structure": "tree", "branching": "two"}, "branching must be a positive integer"),
        ({"structure": "tree", "branching": ()}, r"branching must be .*, got \(\)"),
        ({"structure": "tree", "branching": (2, 3)}, "n_components=7 nodes, got a tree of 9 nodes"),
        ({"structure": "tree", "branching": (2, 1)}, "n_components=7 nodes, got a tree of 5 nodes"),
        ({"structure": "learned", "largest": 0}, "largest must be a positive number, got 0"),
        ({"structure": "learned", "largest": np.inf}, "largest must be a positive number, got inf"),
        ({"structure": "learned", "total": 7}, r"at most largest \* .* = 6, got 7"),
        ({"structure": "learned", "total": "all"}, "total must be a positive number"),
    ],
)
def test_invalid_parameters_are_refused_by_name(parameters, words):
    with pytest.raises(ValueError, match=words):
        InhibitionPenalty(**parameters).resolve(7, ALPHA)


@pytest.mark.parametrize(("structure", "fewest"), [("tree", 3), ("learned", 2)])
def test_fewer_components_than_can_inhibit_each_other_are_refused(structure, fewest):
    penalty = InhibitionPenalty(structure=structure)
    assert penalty.strengths(fewest).any()
    with pytest.raises(ValueError, match=f"requires at least {fewest} components"):
        penalty.strengths(fewest - 1)
