"""Every penalty of the registry satisfies the contract `sklearn_ebm.protocols.Penalty`."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm import GroupPenalty, InhibitionPenalty, L1Penalty, SparseCoder, sparse_encode
from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.factors import at_every_position, resolve_penalty
from sklearn_ebm.factors.penalties._specification import PenaltySpecification
from sklearn_ebm.factors.problems import GramProblem
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers import solve_lasso
from tests.contracts.penalties import (
    ALPHA,
    CASES,
    N_COMPONENTS,
    PENALTIES,
    POSITIVE,
    ElasticNet,
    PlainL1,
    make,
)

STEP = 0.6
N_ROWS = 12
ROUNDING = 1e-12  # sums of ten float64 numbers of size ten
SMOOTHING = 1e-6  # relative gap of iterative proximal steps
cases = pytest.mark.parametrize(("name", "positive"), CASES)
names = pytest.mark.parametrize("name", PENALTIES)
specifications = pytest.mark.parametrize(
    "penalty",
    [penalty for penalty in PENALTIES.values() if offers(penalty, "get_params")],
    ids=repr,
)


def draw(seed=0, n_rows=N_ROWS):
    """Return codes of decreasing size, so that a proximal step sets some components to zero."""
    random = np.random.default_rng(seed)
    return random.standard_normal((n_rows, N_COMPONENTS)) * np.linspace(4, 0.1, n_rows)[:, None]


def having(capability):
    """Return the cases whose factor has a capability."""
    return pytest.mark.parametrize(
        ("name", "positive"), [case for case in CASES if offers(make(*case), capability)]
    )


def proximal_point(penalty, value):
    """Return argmin_z 1/2 ||z - value||^2 + STEP penalty(z), by majorants if necessary."""
    if offers(penalty, "prox"):
        return penalty.prox(value, STEP)
    half_norm = np.sum(value**2, axis=1) / 2 / STEP
    identity = np.eye(N_COMPONENTS) / STEP
    problem = GramProblem(identity, value / STEP, half_norm, penalty, lambda: 1 / STEP)
    options = {"tol": SMOOTHING, "max_iter": 20_000, "backend": numpy}
    return solve_lasso(problem, **options).code


def candidates(code, positive):
    """Yield codes near and far, with some components set to zero, scaled or moved."""
    yield 0 * code
    for j in range(N_COMPONENTS):
        for change in (-code[:, j], 0.1, -0.1, 1e-3, -1e-3):
            moved = code.copy()
            moved[:, j] += change
            yield np.maximum(moved, 0) if positive else moved
    for seed in range(1, 6):
        for size in (1, 1e-2):
            moved = code + size * draw(seed)
            yield np.maximum(moved, 0) if positive else moved


@names
def test_value_is_zero_at_zero_and_never_negative_row_by_row(name):
    penalty, code = make(name), draw()
    value = penalty.value(code)
    assert value.shape == (N_ROWS,)
    assert np.all(value > 0)
    assert_array_equal(penalty.value(0 * code), 0)
    assert_allclose(penalty.value(code[3:5]), value[3:5], rtol=ROUNDING)
    assert_allclose(make(name, alpha=3 * ALPHA).value(code), 3 * value, rtol=ROUNDING)


@cases
def test_prox_costs_no_more_than_any_other_code(name, positive):
    penalty, value = make(name, positive), draw()

    def cost(code):
        return np.sum((code - value) ** 2, axis=1) / 2 + STEP * penalty.value(code)

    code = proximal_point(penalty, value)
    assert not positive or code.min() >= 0
    allowed = ROUNDING + SMOOTHING * np.sum(value**2, axis=1) / 2
    for other in candidates(code, positive):
        assert np.all(cost(code) <= cost(other) + allowed)
    assert np.any(code == 0) or name == "bounded conjugate"  # it has no kink


@having("prox")
def test_prox_of_length_zero_is_the_closest_feasible_code(name, positive):
    code, penalty = draw(), make(name, positive)
    expected = np.maximum(code, 0) if positive else code
    is_allowed = np.isfinite(penalty.value(expected))
    projected = penalty.prox(code, 0.0)
    assert_array_equal(projected[is_allowed], expected[is_allowed])
    assert np.all(np.isfinite(penalty.value(projected)))
    if offers(penalty, "limit_rule"):  # magnitudes of outside codes are reduced by the same number
        reduced = np.where(projected != 0, np.abs(expected - projected), 0)
        least = np.where(projected != 0, reduced, np.inf).min(axis=1)
        assert_allclose(reduced.max(axis=1)[~is_allowed], least[~is_allowed], atol=ROUNDING)
        assert_allclose(np.abs(projected).sum(axis=1)[~is_allowed], penalty.limit, rtol=ROUNDING)
        return
    largest = -np.sort(-np.abs(code), axis=1)[:, :2]  # of the only penalty that limits their number
    rest = np.sum(code**2, axis=1) - np.sum(largest**2, axis=1)
    distance = np.sum((projected - expected) ** 2, axis=1)
    assert_allclose(distance, np.where(is_allowed, 0, rest), atol=ROUNDING)


@having("gradient")
def test_gradient_is_the_slope_of_the_value(name, positive):
    code, penalty, step = draw(), make(name, positive), 1e-6
    for j in range(N_COMPONENTS):
        moved = step * np.eye(N_COMPONENTS)[j]
        slope = (penalty.value(code + moved) - penalty.value(code - moved)) / (2 * step)
        # Third derivatives are below 1 / min ||z||^2 < 1e4, times step^2; rounding 1e-15 / step.
        assert_allclose(penalty.gradient(code)[:, j], slope, atol=1e-7)


@having("dual_norm")
def test_dual_norm_bounds_products_and_is_reached(name, positive):
    """z q' <= penalty(z) dual_norm(q); the residual of a proximal step reaches it."""
    penalty, value = make(name, positive), draw()
    code = proximal_point(penalty, value)
    q = (value - code) / STEP
    bound = penalty.dual_norm(q, code)
    for seed in range(10):
        other = np.abs(draw(seed)) if positive else draw(seed)
        assert np.all(np.sum(other * q, axis=1) <= penalty.value(other) * bound * (1 + 1e-9))
    # Without a closed-form step, code and bound are results of iterations.
    assert_allclose(bound[code.any(axis=1)], 1, rtol=1e-9 if offers(penalty, "prox") else 1e-2)


@having("conjugate")
def test_conjugate_bounds_products_and_is_reached(name, positive):
    """z q' <= penalty(z) + conjugate(q) (Fenchel), with equality for a proximal residual."""
    penalty, value = make(name, positive), draw()
    code = penalty.prox(value, STEP)
    q = (value - code) / STEP * (1 - 1e-14)  # rounding must not leave the domain of the conjugate
    conjugate = penalty.conjugate(q)
    for seed in range(10):
        other = np.abs(draw(seed)) if positive else draw(seed)
        bound = penalty.value(other) + conjugate
        assert np.all(np.sum(other * q, axis=1) <= bound + ROUNDING)
    assert_allclose(np.sum(code * q, axis=1), penalty.value(code) + conjugate, atol=1e-11)


@having("majorant")
def test_majorant_lies_above_and_its_steps_lower_the_energy(name, positive):
    """A step on the majorant decreases 1/2 ||z - v||^2 + penalty(z), up to the tolerance."""
    penalty, value = make(name, positive), draw()
    neglected = np.full(N_ROWS, 1e-9)

    def energy(code):
        return np.sum((code - value) ** 2, axis=1) / 2 + penalty.value(code)

    code = np.maximum(value, 0) if positive else value
    for _ in range(20):
        majorant = penalty.majorant(code, neglected)
        lipschitz = 1 + majorant.curvature
        updated = majorant.prox(code - (code - value) / lipschitz, 1 / lipschitz)
        assert np.all(energy(updated) <= energy(code) + neglected)
        code = updated


@cases
@pytest.mark.parametrize("backend", [numpy, numba], ids=["numpy", "numba"])
@pytest.mark.parametrize("accelerated", [False, True])
def test_a_step_is_the_same_on_every_backend(name, positive, backend, accelerated, dtype):
    """Fused or not: z = prox(y - t (product - correlation)), as in the reference."""
    penalty = make(name, positive)
    product, correlation, code, ahead = (draw(seed).astype(dtype) for seed in range(4))
    step = penalty
    if not offers(penalty, "prox"):
        step = penalty.majorant(ahead, np.full(N_ROWS, 1e-3, dtype))
    expected = step.prox(ahead - STEP * (product - correlation), STEP)
    momentum = np.ones(N_ROWS, dtype) if accelerated else None
    backend.proximal_step(product, correlation, code, ahead, momentum, STEP, step)
    assert code.dtype == ahead.dtype == dtype
    assert_allclose(code, expected, atol=20 * np.finfo(dtype).eps)  # numbers of size four


@cases
def test_single_precision_stays_single(name, positive):
    penalty, code = make(name, positive), draw().astype(np.float32)
    assert penalty.value(code).dtype == np.float32
    for method in ("gradient", "dual_norm", "conjugate"):
        if offers(penalty, method):
            arguments = [code, code] if method == "dual_norm" else [code]
            assert getattr(penalty, method)(*arguments).dtype == np.float32
    step = penalty
    if not offers(penalty, "prox"):
        step = penalty.majorant(code, np.full(N_ROWS, 1e-3, np.float32))
    assert step.prox(code, STEP).dtype == np.float32


@cases
def test_maps_pay_the_penalty_at_every_position(name, positive):
    """Values and conjugates are sums, and dual norms are maxima; each position is independent."""
    penalty = make(name, positive)
    maps, n_positions = at_every_position(penalty, N_COMPONENTS), 4
    positions = draw(n_rows=3 * n_positions)
    rows = positions.reshape(3, -1)

    def by_sample(values):
        return values.reshape(3, n_positions)

    assert_allclose(maps.value(rows), by_sample(penalty.value(positions)).sum(axis=1), rtol=1e-12)
    if offers(penalty, "prox"):
        expected = penalty.prox(positions, STEP).reshape(rows.shape)
        assert_array_equal(maps.prox(rows, STEP), expected)
    if offers(penalty, "conjugate"):
        expected = by_sample(penalty.conjugate(positions)).sum(axis=1)
        assert_allclose(maps.conjugate(rows), expected, rtol=1e-12)
    if offers(penalty, "dual_norm"):
        zeros = 0 * positions
        expected = by_sample(penalty.dual_norm(positions, zeros)).max(axis=1)
        assert_allclose(maps.dual_norm(rows, 0 * rows), expected, rtol=1e-12)
    if offers(penalty, "majorant"):
        neglected = np.full(len(positions), 1e-3)
        expected = penalty.majorant(positions, neglected).prox(positions, STEP)
        majorant = maps.majorant(rows, n_positions * neglected[:3])
        assert_array_equal(majorant.prox(rows, STEP), expected.reshape(rows.shape))


# Specifications


@specifications
def test_a_specification_is_a_value(penalty):
    """Clones and pickles are equal if equality is by value, and have the same parameters."""
    for copy in (clone(penalty), pickle.loads(pickle.dumps(penalty))):
        assert copy is not penalty
        assert repr(copy) == repr(penalty)
        assert copy.get_params().keys() == penalty.get_params().keys()
        if isinstance(penalty, PenaltySpecification):
            assert copy == penalty
            assert hash(copy) == hash(penalty)


@pytest.mark.parametrize(
    "other",
    [GroupPenalty(3), GroupPenalty([[0, 1], [2, 3]]), GroupPenalty(2, torus=False), L1Penalty(), 2],
    ids=repr,
)
def test_other_parameters_make_another_penalty(other):
    assert GroupPenalty(2) != other
    assert GroupPenalty(np.array([[0, 1], [2, 3]])) == GroupPenalty([(0, 1), range(2, 4)])


@pytest.mark.parametrize("penalty", [L1Penalty(), GroupPenalty(2)], ids=repr)
def test_a_penalty_is_immutable_and_says_what_to_do(penalty):
    words = r"is immutable. Create a new .*set_params\(penalty__groups="
    for change in (
        lambda: setattr(penalty, "groups", 3),
        lambda: delattr(penalty, "groups"),
        lambda: penalty.set_params(groups=3),
    ):
        with pytest.raises(AttributeError, match=words):
            change()


def test_parameters_of_a_penalty_are_set_on_a_model_by_a_new_penalty():
    """Another model with the same penalty is unchanged; names are checked."""
    shared = GroupPenalty(2)
    one, other = SparseCoder(penalty=shared), SparseCoder(penalty=shared)
    one.set_params(penalty__groups=3, alpha=2.0)
    assert (one.penalty, one.alpha) == (GroupPenalty(3), 2.0)
    assert other.penalty is shared
    assert shared.groups == 2
    one.set_params(penalty=GroupPenalty(map_shape=(2, 3)), penalty__torus=False)
    assert one.penalty == GroupPenalty(map_shape=(2, 3), torus=False)
    for penalty in (shared, "l1", PlainL1()):
        with pytest.raises(ValueError, match="Invalid parameter 'pools' for penalty "):
            SparseCoder(penalty=penalty).set_params(penalty__pools=3)


@pytest.mark.parametrize("name", sorted({*PENALTIES} - POSITIVE))
def test_a_penalty_that_cannot_be_positive_is_refused(name):
    with pytest.raises(
        ValueError, match=r"positive=True requires .* is not such .* Set positive=F"
    ):
        make(name, positive=True)


def test_a_class_is_not_a_penalty():
    with pytest.raises(ValueError, match="must be an instance, got the class ElasticNet"):
        resolve_penalty(ElasticNet, N_COMPONENTS, ALPHA)


# Degree, and results that do not fit the contract


@names
def test_a_degree_is_the_power_of_the_scale_of_codes(name):
    penalty = make(name)
    degree = getattr(PENALTIES[name], "degree", 1)
    if degree is None or name in ("conjugate", "bounded conjugate", "not convex"):
        pytest.skip("a sum of terms of two degrees, or of degree 0")
    assert_allclose(penalty.value(3 * draw()), 3.0**degree * penalty.value(draw()), rtol=ROUNDING)


@pytest.mark.parametrize("scale", [2.0**-10, 2.0**10])  # scaling by them rounds nothing
@pytest.mark.parametrize("penalty", ["l1", InhibitionPenalty(map_shape=(2, 3), inner_radius=1.0)])
def test_codes_of_the_automatic_alpha_are_proportional_to_the_data(penalty, scale):
    X = np.random.default_rng(0).standard_normal((40, 5))
    coder = SparseCoder(N_COMPONENTS, penalty=penalty, max_iter=2, tol=0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        code = coder.fit(X).transform(X)
        scaled = coder.fit(scale * X).transform(scale * X)
    assert_allclose(scaled, scale * code, rtol=1e-12)


BAD_RESULTS = {
    "value": [lambda code: np.abs(code).sum(), lambda code: code[:, 0] * np.nan],
    "prox": [
        lambda code, step_size: code[:, :1],
        lambda code, step_size: code[:1],
        lambda code, step_size: np.full_like(code, np.nan),
        lambda code, step_size: None,
    ],
    "dual_norm": [
        lambda correlation: np.abs(correlation).max(),
        lambda correlation: -np.abs(correlation).max(axis=1),
        lambda correlation: correlation[:, 0] * np.nan,
    ],
    "conjugate": [lambda correlation: np.abs(correlation).sum()],
}


@pytest.mark.parametrize(
    ("method", "result"),
    [(method, result) for method, results in BAD_RESULTS.items() for result in results],
)
def test_results_that_are_no_numbers_of_the_rows_are_refused_by_name(method, result):
    penalty = PlainL1()
    setattr(penalty, method, result)
    with pytest.raises(ValueError, match=rf"PlainL1\.{method} (must return|returned)"):
        sparse_encode(draw(), np.eye(N_COMPONENTS), alpha=0.1, penalty=penalty)


@pytest.mark.parametrize("solver", ["ista", "fista"])
def test_codes_that_no_longer_move_have_converged(solver, recwarn):
    """One large step can be followed by none, if the penalty outweighs the data."""
    X = np.random.default_rng(0).standard_normal((50, 8))
    dictionary = np.random.default_rng(1).standard_normal((N_COMPONENTS, 8))
    penalty = type("Square", (), {
        "value": staticmethod(lambda code: 1e4 * (code**2).sum(axis=1)),
        "prox": staticmethod(lambda code, step_size: code / (1 + 2e4 * step_size)),
    })()  # fmt: skip
    code = sparse_encode(X, dictionary, alpha=1.0, penalty=penalty, solver=solver)
    expected = np.linalg.solve(
        dictionary @ dictionary.T + 2e4 * np.eye(N_COMPONENTS), dictionary @ X.T
    ).T
    assert_allclose(code, expected, rtol=1e-9, atol=1e-14)
    assert not recwarn.list
