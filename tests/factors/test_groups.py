"""Group penalties and pools compared with their definitions: sums, slopes, duality, brute force."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from sklearn_ebm.backends import numba
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.factors import (
    L1,
    DisjointGroupNorm,
    GroupNorm,
    Pools,
    group_norm,
    pools_of_groups,
    pools_of_map,
)
from sklearn_ebm.factors.problems import GramProblem
from sklearn_ebm.solvers._proximal import feasible, fista

ALPHA = 0.7
N_COMPONENTS = 9
N_SAMPLES = 20
PROX_ROUNDINGS = 100  # relative gap of a proximal step without a closed form
DISJOINT = pools_of_groups([[4], [7, 0, 2], [1, 3, 8, 6, 5]], N_COMPONENTS, np.array([1, 0.5, 2]))
SINGLE = pools_of_groups([[j] for j in reversed(range(N_COMPONENTS))], N_COMPONENTS)
CHAIN = pools_of_groups([[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 8], [8, 0]], N_COMPONENTS)
WINDOWS = pools_of_map((3, 3), (2, 2))


def random_pools():
    """Each component is in some of five pools, with a different weight in each."""
    random = np.random.default_rng(0)
    weights = random.uniform(0.2, 2, (5, N_COMPONENTS))
    weights[random.random(weights.shape) < 0.4] = 0
    assert weights.any(axis=0).all()
    return Pools(weights)


PENALTIES = {
    "disjoint": (DisjointGroupNorm, DISJOINT),
    "disjoint, as if not": (GroupNorm, DISJOINT),
    "chain": (GroupNorm, CHAIN),
    "windows": (GroupNorm, WINDOWS),
    "random weights": (GroupNorm, random_pools()),
}
OVERLAPPING = [name for name in PENALTIES if "disjoint" not in name]
signs = pytest.mark.parametrize("positive", [False, True], ids=["signed", "positive"])
penalties = pytest.mark.parametrize("name", PENALTIES)
overlapping = pytest.mark.parametrize("name", OVERLAPPING)


def make(name, positive=False, alpha=ALPHA):
    kind, pools = PENALTIES[name]
    return kind(alpha, pools, positive)


def weights_of(name):
    return PENALTIES[name][1].weights


def proximal_point(penalty, value, step_size):
    """Return argmin_z 1/2 ||z - value||^2 + step_size * penalty(z), by majorants if necessary."""
    if hasattr(penalty, "prox"):
        return penalty.prox(value, step_size)
    scaled = type(penalty)(penalty.alpha * step_size, penalty.pools, penalty.positive)
    value = np.maximum(value, 0) if penalty.positive else value
    identity, half_norm = np.eye(value.shape[1], dtype=value.dtype), np.sum(value**2, axis=1) / 2
    problem = GramProblem(identity, value, half_norm, scaled, lambda: 1.0)
    tol = PROX_ROUNDINGS * np.finfo(value.dtype).eps
    return fista(problem, tol=tol, max_iter=10_000, backend=reference)[0]


def draw(dtype=np.float64, positive=False, seed=0):
    """Return codes with small last entries, so that a proximal step leaves few pools on."""
    random = np.random.default_rng(seed)
    code = (
        random.standard_normal((N_SAMPLES, N_COMPONENTS)) * np.linspace(3, 0.1, N_SAMPLES)[:, None]
    )
    return (np.abs(code) if positive else code).astype(dtype)


def pools_off(code, weights):
    """Return codes without the components of one pool, which is different in each row."""
    code = code.copy()
    for row, pool in zip(code, np.arange(len(code)) % len(weights), strict=True):
        row[weights[pool] > 0] = 0
    return code


# Values and slopes


def value_by_definition(code, weights):
    """Return alpha sum_g sqrt(sum_j w_gj z_j^2), term by term."""
    pools = range(len(weights))
    norms = [sum(w * z * z for w, z in zip(weights[g], code, strict=True)) ** 0.5 for g in pools]
    return ALPHA * sum(norms)


@penalties
def test_value_is_the_sum_of_the_pooled_features(name, dtype):
    code = draw(dtype)
    value = make(name).value(code)
    assert value.dtype == dtype
    expected = [value_by_definition(row, weights_of(name)) for row in code.astype(float)]
    assert_allclose(value, expected, rtol=20 * np.finfo(dtype).eps)  # sums of about ten terms


@penalties
def test_gradient_is_the_slope_of_the_value(name):
    code, penalty = draw(), make(name)
    step = 1e-6
    for j in range(N_COMPONENTS):
        moved = step * np.eye(N_COMPONENTS)[j]
        slope = (penalty.value(code + moved) - penalty.value(code - moved)) / (2 * step)
        # Third derivatives are below 1 / min ||z||^2 < 1e3, times step^2; rounding 1e-15 / step.
        assert_allclose(penalty.gradient(code)[:, j], slope, atol=1e-8)


@penalties
def test_gradient_is_a_subgradient_where_pools_are_off(name, dtype):
    """penalty(y) >= penalty(z) + gradient(z) (y - z) for every y, and zero at zero."""
    code, penalty = pools_off(draw(dtype), weights_of(name)), make(name)
    gradient = penalty.gradient(code)
    assert gradient.dtype == dtype
    for seed in range(10):
        other = draw(dtype, seed=seed)
        plane = penalty.value(code) + np.sum(gradient * (other - code), axis=1)
        assert np.all(penalty.value(other) >= plane - 100 * np.finfo(dtype).eps)
    assert_array_equal(penalty.gradient(np.zeros_like(code)), 0)


@penalties
def test_a_norm_is_code_times_gradient(name, dtype):
    code, penalty = pools_off(draw(dtype), weights_of(name)), make(name)
    along = np.sum(code * penalty.gradient(code), axis=1)
    assert_allclose(along, penalty.value(code), rtol=20 * np.finfo(dtype).eps)


# Proximal operators


def dual_point(value, weights, radius, positive):
    """Return u_g of norm up to `radius` whose sum_g sqrt(w_g) u_g is removed by the proximal step.

    Accelerated projected ascent on 1/2 ||v||^2 - 1/2 ||z||^2, with z = v - sum_g sqrt(w_g) u_g, or
    its positive part for non-negative codes.
    """
    root = np.sqrt(weights)
    step_size = 1 / weights.sum(axis=0).max()
    point = ahead = np.zeros((len(value), *root.shape))
    before = np.inf
    for n in range(20_000):  # fewer would only prove less: any point is a lower bound
        rest = leftover(value, root, ahead, positive)
        if np.abs(rest - before).max() < 1e-12:
            break
        moved, before = ahead + step_size * root * rest[:, None], rest
        norms = np.linalg.norm(moved, axis=2, keepdims=True)
        moved *= radius / np.maximum(norms, radius)
        restart = np.sum((ahead - moved) * (moved - point), axis=(1, 2), keepdims=True) > 0
        ahead = moved + np.where(restart, 0, n / (n + 3)) * (moved - point)
        point = moved
    return point


def leftover(value, root, point, positive):
    rest = value - np.sum(root * point, axis=1)
    return np.maximum(rest, 0) if positive else rest


@signs
@penalties
def test_prox_costs_what_a_dual_point_proves_to_be_least(name, dtype, positive):
    """1/2 ||z - v||^2 + t penalty(z) equals the dual value, so that it is the minimum."""
    step_size, weights, penalty = 0.6, weights_of(name), make(name, positive)
    value = draw(dtype)
    code = proximal_point(penalty, value, step_size)
    assert code.dtype == dtype
    assert not positive or code.min() >= 0
    v, z = value.astype(float), code.astype(float)
    point = dual_point(v, weights, step_size * ALPHA, positive)
    assert np.linalg.norm(point, axis=2).max() <= step_size * ALPHA * (1 + 1e-12)
    cost = np.sum((z - v) ** 2, axis=1) / 2 + step_size * make(name).value(z)
    least = np.sum(v**2 - leftover(v, np.sqrt(weights), point, positive) ** 2, axis=1) / 2
    # Twice the gap of the step, for sums in its dtype; the ascent is accurate to ten digits.
    allowed = 2 * PROX_ROUNDINGS * np.finfo(dtype).eps + 1e-11
    assert np.all(cost - least <= allowed * np.sum(v**2, axis=1) / 2)


@signs
def test_prox_of_disjoint_groups_shortens_each(dtype, positive):
    """z_g max(0, 1 - t alpha v_g / ||z_g||) (Yuan & Lin 2006), or of the positive part."""
    value = draw(dtype)
    expected = np.maximum(value, 0) if positive else value.copy()
    for members, weight in zip([[4], [7, 0, 2], [1, 3, 8, 6, 5]], [1, 0.5, 2], strict=True):
        norm = np.linalg.norm(expected[:, members], axis=1)
        threshold = 0.6 * ALPHA * weight
        share = np.where(norm > threshold, 1 - threshold / np.maximum(norm, threshold), 0)
        expected[:, members] *= share[:, None]
    code = DisjointGroupNorm(ALPHA, DISJOINT, positive).prox(value, 0.6)
    assert code.dtype == dtype
    assert_allclose(code, expected, atol=10 * np.finfo(dtype).eps)
    assert_array_equal(code == 0, expected == 0)
    # 1/2 ||z - z*||^2 is at most the gap of the iterative step.
    iterative = proximal_point(GroupNorm(ALPHA, DISJOINT, positive), value, 0.6)
    radius = np.sqrt(2 * PROX_ROUNDINGS * np.finfo(dtype).eps) * np.linalg.norm(value, axis=1)
    assert np.all(np.linalg.norm(iterative - expected, axis=1) <= radius)


@penalties
def test_prox_turns_whole_pools_off_exactly(name, dtype):
    """Few pools are on, and zeros are exact."""
    code = proximal_point(make(name), draw(dtype), 1.0)
    is_on = make(name).pools.norms(code) > 0
    assert 0.1 < is_on.mean() < 0.9
    assert np.all(make(name).pools.norms(code)[is_on] > 1e-4)


@penalties
def test_a_step_of_length_zero_only_makes_codes_feasible(name, dtype):
    value = draw(dtype)
    assert_array_equal(feasible(make(name), value), value)
    assert_array_equal(feasible(make(name, positive=True), value), np.maximum(value, 0))


@penalties
def test_no_rows_give_no_rows(name, dtype):
    nothing = np.zeros((0, N_COMPONENTS), dtype)
    penalty = make(name)
    assert feasible(penalty, nothing).shape == penalty.gradient(nothing).shape == nothing.shape
    assert penalty.value(nothing).shape == penalty.dual_norm(nothing, nothing).shape == (0,)


@signs
@pytest.mark.parametrize("kind", [DisjointGroupNorm, GroupNorm])
def test_groups_of_one_are_the_l1_norm(kind, dtype, positive):
    groups, entries = kind(ALPHA, SINGLE, positive), L1(ALPHA, positive)
    code, value = pools_off(draw(dtype, positive), SINGLE.weights), draw(dtype, seed=1)
    rounding = 20 * np.finfo(dtype).eps
    assert_allclose(groups.value(code), entries.value(code), rtol=rounding)
    assert_allclose(groups.gradient(code), entries.gradient(code), rtol=rounding)
    assert_allclose(groups.dual_norm(value, code), entries.dual_norm(value), rtol=rounding)
    radius = np.sqrt(2 * PROX_ROUNDINGS * np.finfo(dtype).eps) * np.linalg.norm(value, axis=1)
    distance = np.linalg.norm(proximal_point(groups, value, 0.6) - entries.prox(value, 0.6), axis=1)
    assert np.all(distance <= (rounding if kind is DisjointGroupNorm else radius))


# Majorants


def least_norms(penalty, code, neglected):
    """Return eta_g = ||z_g||, or the width below which a pool's energy is neglected."""
    width = neglected / (ALPHA * penalty.pools.n_pools)
    return np.maximum(penalty.pools.norms(code), width[:, None])


def squares(penalty, code, other, neglected):
    """Return alpha/2 sum_g (||y_g||^2 / eta_g + eta_g), by a step of size one."""
    weight = 1 / penalty.majorant(code, neglected).prox(np.ones_like(code), 1.0) - 1
    eta = least_norms(penalty, code, neglected)
    return (np.sum(weight * other**2, axis=1) + ALPHA * eta.sum(axis=1)) / 2


@overlapping
def test_squares_touch_the_penalty_where_they_are_made(name):
    """Pools below the width exceed the penalty by alpha (width - ||z_g||)^2 / 2 width."""
    penalty, neglected = make(name), np.full(N_SAMPLES, 1e-3)
    code = draw()
    assert_allclose(squares(penalty, code, code, neglected), penalty.value(code), rtol=1e-13)
    for narrow in (pools_off(code, weights_of(name)), 1e-5 * code, 0 * code):
        excess = squares(penalty, narrow, narrow, neglected) - penalty.value(narrow)
        assert np.all(excess >= -1e-12)
        assert np.all(excess <= neglected / 2 * (1 + 1e-12))
    assert excess.max() > 0.49e-3  # for zeros, the bound is reached


@overlapping
def test_squares_are_above_the_penalty_everywhere(name):
    penalty, neglected = make(name), np.linspace(1e-6, 1, N_SAMPLES)
    code = pools_off(draw(), weights_of(name))
    for seed in range(1, 20):
        for other in (draw(seed=seed), 1e-3 * draw(seed=seed), code + 1e-3 * draw(seed=seed)):
            above = squares(penalty, code, other, neglected)
            assert np.all(above >= penalty.value(other) * (1 - 1e-12))


@signs
@overlapping
def test_prox_of_squares_divides_what_is_feasible(name, dtype, positive):
    """(1 + t alpha sum_g w_gj / eta_g) z_j = v_j, or its positive part."""
    penalty, neglected = make(name, positive), np.full(N_SAMPLES, 1e-3, dtype)
    touched = pools_off(draw(dtype), weights_of(name))
    value = draw(dtype, seed=1)
    code = penalty.majorant(touched, neglected).prox(value, 0.6)
    assert code.dtype == dtype
    weight = ALPHA * (1 / least_norms(penalty, touched, neglected)) @ weights_of(name)
    feasible = np.maximum(value, 0) if positive else value
    assert_allclose(code * (1 + 0.6 * weight), feasible, rtol=20 * np.finfo(dtype).eps)


@overlapping
def test_settling_turns_narrow_pools_off_and_touches_nothing_else(name, dtype):
    penalty, weights = make(name), weights_of(name)
    neglected = np.full(N_SAMPLES, 1e-3, dtype)
    code = pools_off(draw(dtype), weights) + 1e-6 * draw(dtype, seed=1)
    settled, eta = penalty.settled(code, neglected)
    assert settled.dtype == eta.dtype == dtype
    narrow = penalty.pools.norms(code) < 1e-3 / (ALPHA * len(weights))
    assert 0 < narrow.mean() < 1
    is_off = np.array([(weights[row] > 0).any(axis=0) for row in narrow])
    assert_array_equal(settled, np.where(is_off, 0, code))
    assert_array_equal(eta[~narrow], penalty.pools.norms(code)[~narrow])
    assert np.all(eta[narrow] >= penalty.pools.norms(code)[narrow])


def test_settling_saves_hardly_more_than_is_neglected():
    """||z_off|| in a pool is at most the width times the root of the number of pools that are off.

    This holds if a component has the same weight in each of its pools.
    """
    penalty, neglected = make("chain"), np.full(N_SAMPLES, 0.5)
    code = draw()
    settled, _ = penalty.settled(code, neglected)
    saved = penalty.value(code) - penalty.value(settled)
    assert np.any(saved > 0)
    assert np.all(saved >= 0)
    assert np.all(saved <= neglected * CHAIN.n_pools**0.5)


# Dual norms


def best_ratio(correlation, weights):
    """Return q z / penalty(z), the maximum over z_j = q_j / sum_g w_gj exp(-t_g) and t."""

    def negative_ratio(logarithm):
        z = correlation / (np.exp(-logarithm) @ weights)
        return -(correlation @ z) / (ALPHA * np.sum(np.sqrt(weights @ z**2)))

    starts = np.random.default_rng(0).standard_normal((2, len(weights)))
    bounds = [(-15, 15)] * len(weights)  # beyond these bounds, parts of pools are negligible
    return -min(minimize(negative_ratio, start, bounds=bounds).fun for start in starts)


@signs
@penalties
def test_dual_norm_bounds_correlations_with_any_code(name, dtype, positive):
    """q z <= dual_norm(q) penalty(z) for all codes, or for non-negative ones."""
    penalty, correlation = make(name, positive), draw(dtype)
    bound = penalty.dual_norm(correlation, np.zeros_like(correlation))
    assert bound.dtype == dtype
    for seed in range(1, 30):
        code = draw(dtype, positive, seed)
        for some in (code, pools_off(code, weights_of(name)), code * (np.abs(code) > 1)):
            for aligned in (some, np.where(correlation > 0, np.abs(some), 0)):
                along = np.sum(correlation * aligned, axis=1)
                above = bound * penalty.value(aligned) * (1 + 20 * np.finfo(dtype).eps)
                assert np.all(along <= above)


@signs
@penalties
def test_dual_norm_is_reached_by_some_code(name, positive):
    """Approximately, if it is computed by iteration: an excess delays the certificate."""
    correlation = draw()[:6]
    bound = make(name, positive).dual_norm(correlation, np.zeros_like(correlation))
    for q, upper in zip(correlation, bound, strict=True):
        lower = best_ratio(np.maximum(q, 0) if positive else q, weights_of(name))
        assert lower * (1 - 1e-12) <= upper <= lower * (1 + 1e-3)


@signs
def test_dual_norm_of_disjoint_groups_is_reached_exactly(positive):
    """For codes in the group with the largest correlations, parallel to them."""
    penalty, correlation = DisjointGroupNorm(ALPHA, DISJOINT, positive), draw()
    q = np.maximum(correlation, 0) if positive else correlation
    ratios = []
    for row in DISJOINT.membership:
        along, cost = np.sum(q * q * row, axis=1), penalty.value(q * row)
        ratios.append(along / np.where(cost > 0, cost, 1))
    assert_allclose(penalty.dual_norm(correlation), np.max(ratios, axis=0), rtol=1e-13)


@penalties
def test_dual_norm_grows_with_correlations_and_falls_with_alpha(name):
    correlation, zero = draw(), np.zeros((N_SAMPLES, N_COMPONENTS))
    bound = make(name).dual_norm(correlation, zero)
    assert_allclose(make(name).dual_norm(3 * correlation, zero), 3 * bound, rtol=1e-12)
    assert_allclose(make(name, alpha=2 * ALPHA).dual_norm(correlation, zero), bound / 2, rtol=1e-12)
    assert_array_equal(make(name).dual_norm(zero, zero), 0)


@signs
@overlapping
def test_any_split_bounds_the_dual_norm_from_above(name, positive):
    """For any code or eta: a poor one costs steps, but the certificate is valid."""
    penalty, correlation = make(name, positive), draw()
    closest = penalty.dual_norm(correlation, np.zeros_like(correlation))
    random = np.random.default_rng(1)
    eta = random.uniform(1e-8, 1, (N_SAMPLES, penalty.pools.n_pools))
    for bound in (
        penalty.dual_norm(correlation, draw(seed=1), eta),
        penalty.dual_norm(correlation, draw(seed=1)),
        penalty.dual_norm(correlation, pools_off(draw(), weights_of(name))),
    ):
        assert np.all(bound >= closest * (1 - 1e-3))  # this close to the dual norm


@signs
@overlapping
def test_dual_norm_is_one_at_the_residual_of_a_proximal_step(name, positive):
    """(v - z) / t is a subgradient at z = prox(v) != 0, whose dual norm is one."""
    penalty, value = make(name, positive), draw()
    code = proximal_point(penalty, value, 0.6)
    is_on = code.any(axis=1)
    assert is_on.sum() > 5
    bound = penalty.dual_norm((value - code) / 0.6, code)[is_on]
    assert_allclose(bound, 1, rtol=1e-3)
    assert np.all(bound >= 1 - 1e-6)  # prox is within 1e-7 of the minimum


# Pools


def test_groups_become_rows_of_ones_times_their_factors_squared():
    pools = pools_of_groups([[2, 0], [1, 2]], 4, np.array([3.0, 0.5]))
    assert_array_equal(pools.weights, [[9, 0, 9, 0], [0, 0.25, 0.25, 0]])
    assert_allclose(pools.norms(np.array([[3.0, 1.0, 4.0, 7.0]])), [[15, 17**0.5 / 2]])
    assert_array_equal(pools.spread(np.array([[1.0, 4.0]])), [[9, 1, 10, 0]])


def test_pools_are_disjoint_where_each_component_has_one_and_each_pool_one_weight():
    assert DISJOINT.is_disjoint
    assert SINGLE.is_disjoint
    assert not CHAIN.is_disjoint
    assert not Pools(np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])).is_disjoint
    assert not Pools(np.array([[1.0, 1.0, 0.0]])).is_disjoint  # a component is in no pool
    assert type(group_norm(ALPHA, DISJOINT)) is DisjointGroupNorm
    assert type(group_norm(ALPHA, CHAIN)) is GroupNorm
    assert group_norm(ALPHA, CHAIN, positive=True).positive


def test_lists_of_members_say_what_the_weights_say():
    rule = DisjointGroupNorm(ALPHA, DISJOINT).group_rule(draw(np.float32))
    assert rule.threshold.dtype == rule.membership.dtype == np.float32
    assert_allclose(rule.threshold, ALPHA * np.array([1, 0.5, 2]), rtol=1e-6)
    for group, members in enumerate(np.split(rule.members, rule.starts[1:-1])):
        assert_array_equal(np.sort(members), np.flatnonzero(rule.membership[group]))
    assert rule.starts[0] == 0
    assert rule.starts[-1] == N_COMPONENTS


@penalties
def test_pickles_hold_the_weights_alone_and_give_the_same(name, dtype):
    pools = Pools(weights_of(name))
    fresh = pickle.dumps(pools)
    norms, is_disjoint = pools.norms(draw(dtype)), pools.is_disjoint
    stored = pickle.dumps(pools)
    assert stored == fresh  # without the cached casts
    again = pickle.loads(stored)
    assert_array_equal(again.norms(draw(dtype)), norms)
    assert again.is_disjoint == is_disjoint


@signs
@penalties
def test_a_stored_penalty_is_the_same(name, positive):
    penalty = make(name, positive).on(numba) if name == "windows" else make(name, positive)
    again = pickle.loads(pickle.dumps(penalty))
    assert type(again) is type(penalty)
    assert_allclose(again.value(draw()), penalty.value(draw()), rtol=1e-14)
    assert_allclose(again.gradient(draw()), penalty.gradient(draw()), rtol=1e-13)


# Windows on maps

SHAPES = [((4, 6), (3, 2)), ((5, 5), (5, 5)), ((7, 1), (3, 1)), ((8, 8), (4, 3)), ((6, 9), (1, 4))]
shapes = pytest.mark.parametrize(("map_shape", "pool_shape"), SHAPES)
edges = pytest.mark.parametrize("torus", [True, False], ids=["torus", "cut"])


def places(map_shape, pool_shape, corner, torus):
    """Return the components of a window, given its corner, by rows of the map."""
    rows, columns = map_shape
    inside = []
    for i in range(corner[0], corner[0] + pool_shape[0]):
        for j in range(corner[1], corner[1] + pool_shape[1]):
            if torus or (0 <= i < rows and 0 <= j < columns):
                inside.append(i % rows * columns + j % columns)
    return sorted(inside)


@shapes
@edges
@pytest.mark.parametrize("shape", ["uniform", "gaussian"])
def test_windows_are_at_every_place_of_the_map(map_shape, pool_shape, torus, shape):
    """On a torus, windows start there and wrap; otherwise they are centred there and cut."""
    pools = pools_of_map(map_shape, pool_shape, shape=shape, torus=torus)
    assert pools.n_pools == map_shape[0] * map_shape[1]
    back = (0, 0) if torus else [(width - 1) // 2 for width in pool_shape]
    for row, begin in zip(pools.weights, np.ndindex(map_shape), strict=True):
        corner = np.subtract(begin, back)
        expected = places(map_shape, pool_shape, corner, torus)
        assert_array_equal(np.flatnonzero(row), expected)


@edges
@pytest.mark.parametrize("size", range(1, 13))
def test_windows_leave_no_component_out(size, torus):
    for width in range(1, size + 1):
        for stride in range(1, width + 1):
            pools = pools_of_map((size, 1), (width, 1), (stride, 1), torus=torus)
            assert pools.weights.any(axis=0).all()
            assert pools.weights.any(axis=1).all()
            assert pools.n_pools == -(-size // stride)


@shapes
@edges
@pytest.mark.parametrize("shape", ["uniform", "gaussian"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (3, 2)])
def test_a_map_that_is_on_everywhere_costs_its_l1_norm(map_shape, pool_shape, torus, shape, stride):
    stride = tuple(np.minimum(stride, pool_shape))
    penalty = GroupNorm(ALPHA, pools_of_map(map_shape, pool_shape, stride, shape, torus))
    code = np.full((1, map_shape[0] * map_shape[1]), -2.5)
    assert_allclose(penalty.value(code), L1(ALPHA).value(code), rtol=1e-13)


@edges
def test_uniform_windows_side_by_side_are_disjoint_groups(torus):
    pools = pools_of_map((4, 6), (2, 3), (2, 3), shape="uniform", torus=torus)
    assert pools.is_disjoint
    assert_array_equal(np.flatnonzero(pools.weights[1]), [3, 4, 5, 9, 10, 11])
    assert not pools_of_map((4, 6), (2, 3), (2, 3)).is_disjoint  # their weights are not even


def test_weights_fall_to_the_edges_by_two_standard_deviations():
    """For a window of 5 x 7, the distances of the edges from the centre are 2.5 and 3.5."""
    pools = pools_of_map((9, 11), (5, 7))
    window = pools.weights[0].reshape(9, 11)[:5, :7]
    for i, j in np.ndindex(5, 7):
        squares = ((i - 2) / (2.5 / 2)) ** 2 + ((j - 3) / (3.5 / 2)) ** 2
        assert_allclose(window[i, j] / window[2, 3], np.exp(-squares / 2), rtol=1e-12)
