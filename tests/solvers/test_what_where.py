"""Codes of windows of frames that share gating units: alternation between two convex problems."""

import itertools
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm import sparse_encode
from sklearn_ebm.backends import numba
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.factors import L1, LinearDecoder, SparseEnergy
from sklearn_ebm.factors.penalties import _what_where
from sklearn_ebm.factors.penalties._what_where import Gated, Product, unit_rows_of
from sklearn_ebm.solvers import solve_lasso
from sklearn_ebm.solvers._inference import infer

ALPHA, GAMMA, SIZE = 0.5, 1.5, 3
K, N_WHAT = 30, 6
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((8, SIZE, 20)).cumsum(axis=1).reshape(-1, 20)
ATOMS = unit_rows_of(RANDOM.standard_normal((K, 20)))
GATES = unit_rows_of(RANDOM.exponential(size=(N_WHAT, K)) * (RANDOM.random((N_WHAT, K)) < 0.4))
POOLS = np.repeat(np.eye(N_WHAT), K // N_WHAT, axis=1)
PENALTIES = {
    "gated": Gated(ALPHA, GATES, SIZE, GAMMA),
    "product": Product(ALPHA, POOLS, SIZE),
}
penalties = pytest.mark.parametrize("name", PENALTIES)
backends = pytest.mark.parametrize("backend", [reference, numba], ids=lambda each: each.name)


@pytest.fixture(autouse=True)
def exact_units(monkeypatch):
    """Compute gating units more accurately than models do."""
    monkeypatch.setattr(_what_where, "TOL", 1e-9)


def codes(penalty, data=X, atoms=ATOMS, beta=0.0, prediction=None, max_iter=100, tol=1e-8,
          backend=reference, mask=None):  # fmt: skip
    energy = SparseEnergy(LinearDecoder(atoms), penalty, beta)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return infer(energy, data, solver="auto", tol=tol, max_iter=max_iter, backend=backend,
                     prediction=prediction, mask=mask)[0]  # fmt: skip


def energy_of(code, what, penalty, data=X):
    """Return E of each window from its definition."""
    misfit = ((data - code @ ATOMS) ** 2).sum(axis=1).reshape(-1, SIZE).sum(axis=1) / 2
    where = code.reshape(-1, SIZE, K) / penalty.gain(what)[:, None, :]
    cost = {Gated: GAMMA * ALPHA**2, Product: ALPHA}[type(penalty)]
    return misfit + ALPHA * where.sum(axis=(1, 2)) + cost * what.sum(axis=1)


# ------------------------------------------------------------------------------------ gating units
@backends
def test_gating_units_meet_the_first_order_conditions(backend, dtype):
    activity = (RANDOM.exponential(3, (50, K)) * (RANDOM.random((50, K)) < 0.5)).astype(dtype)
    gates, units = GATES.astype(dtype), np.empty((50, N_WHAT), dtype)
    backend.gate_units(activity, gates, units, 1e-4)
    slope = 1 - (activity * np.exp(-units @ gates)) @ gates.T
    assert units.dtype == dtype
    assert units.min() == 0 < (units > 0).mean() < 1
    assert np.all(abs(slope[units > 0]) <= 2e-4)  # the kernel updates sums with rounding errors
    assert np.all(slope >= -2e-4)


@backends
def test_gating_units_have_the_lowest_energy(backend):
    activity = RANDOM.exponential(3, (5, K))
    units = np.empty((5, N_WHAT))
    backend.gate_units(activity, GATES, units, 1e-8)
    for s, u in zip(activity, units, strict=True):

        def total(u, s=s):
            return s @ np.exp(-u @ GATES) + u.sum()

        best = minimize(total, np.ones(N_WHAT), bounds=[(0, None)] * N_WHAT, tol=1e-12).fun
        assert total(u) <= best + 1e-8


@backends
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e4])
def test_gating_units_of_extreme_activities(backend, scale):
    activity = np.full((3, K), scale)
    activity[1] = 0
    units = np.empty((3, N_WHAT))
    backend.gate_units(activity, GATES, units, 1e-8)
    assert_array_equal(units[1], 0)
    slope = 1 - (activity * np.exp(-units @ GATES)) @ GATES.T
    assert np.all(np.where(units > 0, abs(slope), np.maximum(-slope, 0)) <= 1e-6)


@backends
def test_equal_gates_share_their_activity(backend):
    """The minimum is not unique; the energy is that of one unit."""
    units, one = np.empty((4, 3)), np.empty((4, 1))
    activity = RANDOM.exponential(3, (4, K))
    backend.gate_units(activity, np.repeat(GATES[:1], 3, axis=0), units, 1e-8)
    backend.gate_units(activity, GATES[:1], one, 1e-8)
    assert_allclose(units.sum(axis=1), one[:, 0], rtol=1e-6)


@penalties
def test_the_value_is_a_minimum_over_what(name):
    penalty, code = PENALTIES[name], abs(RANDOM.standard_normal((4 * SIZE, K)))
    activity = penalty.activity(code)
    what = penalty.what(activity)
    for change in (-0.01, 0.01):
        moved = np.maximum(what + change * RANDOM.random(what.shape), 0)
        higher = ALPHA * (activity / penalty.gain(moved)).sum(axis=1)
        assert np.all(penalty.value(code) <= higher + penalty.cost * moved.sum(axis=1))


def test_a_product_is_a_sum_of_square_roots_over_pools_and_time():
    code = 5 + abs(RANDOM.standard_normal((4 * SIZE, K)))
    pools = code.reshape(4, SIZE, N_WHAT, -1).sum(axis=(1, 3))
    epsilon = _what_where.EPSILON * ALPHA ** (1 / 3)
    expected = ALPHA * (2 * np.sqrt(pools) - epsilon).sum(axis=1)
    assert_allclose(PENALTIES["product"].value(code), expected)


# ----------------------------------------------------------------------------------------- windows
@penalties
@backends
def test_the_energy_never_rises(name, backend):
    """More alternations lower the energy of every window, or leave it."""
    penalty = PENALTIES[name].on(backend)
    energies = []
    for max_iter in (0, 1, 2, 3, 5, 8):
        code = codes(penalty, max_iter=max_iter, backend=backend)
        energies.append(energy_of(code, penalty.what(penalty.activity(code)), penalty))
    assert np.all(np.diff(energies, axis=0) <= 1e-12 * np.array(energies[:-1]))
    assert np.all(energies[-1] < energies[0])


@penalties
def test_alternations_of_many_windows_lower_the_energy(name):
    """Each half step, over thousands of windows: z given u, and u given z."""
    penalty = PENALTIES[name].on(numba)
    data = np.random.default_rng(1).standard_normal((1200 * SIZE, 20)) * 1.5
    code = np.zeros((len(data), K))
    what = np.zeros((1200, N_WHAT)) if name == "gated" else np.ones((1200, N_WHAT))
    last = np.full(1200, np.inf)
    for _ in range(3):
        weights = np.repeat(1 / penalty.gain(what), SIZE, axis=0)
        problem = SparseEnergy(LinearDecoder(ATOMS), L1(ALPHA, True)).problem(data)
        tangent = _what_where.SampleWeightedL1(ALPHA, weights, True)
        solve_lasso(problem.with_penalty(tangent), code=code, tol=1e-9, backend=numba)
        after_code = energy_of(code, what, penalty, data)
        what = penalty.what(penalty.activity(code))
        after_what = energy_of(code, what, penalty, data)
        assert np.all(after_code <= last + 1e-7)  # the gap of the lasso: 1e-9 of about 20
        assert np.all(after_what <= after_code + 1e-12)
        last = after_what


@penalties
@backends
def test_codes_are_certified_given_what(name, backend, dtype):
    """At the end, z is the optimal code of the weighted lasso of its own gating units."""
    penalty, tol = PENALTIES[name].on(backend), 1e-6 if dtype == np.float64 else 1e-3
    code = codes(penalty, X.astype(dtype), ATOMS.astype(dtype), tol=tol, backend=backend)
    assert code.dtype == dtype
    assert code.min() >= 0
    assert 0 < (code > 0).mean() < 0.6
    code = code.astype(np.float64)
    weights = np.repeat(1 / penalty.gain(penalty.what(penalty.activity(code))), SIZE, axis=0)
    energy = SparseEnergy(LinearDecoder(ATOMS), L1(ALPHA, True)).problem(X)
    gap = energy.with_penalty(_what_where.SampleWeightedL1(ALPHA, weights, True)).relative_gap(code)
    half_norm = (X**2).sum(axis=1) / 2
    of_windows = (gap * half_norm).reshape(-1, SIZE).sum(axis=1)
    assert np.all(of_windows <= 2 * tol * half_norm.reshape(-1, SIZE).sum(axis=1))


@pytest.mark.parametrize("gamma", [1e6])
def test_units_that_are_too_costly_leave_sparse_coding(gamma):
    """Without gating units, E is that of the lasso with non-negative codes."""
    code = codes(Gated(ALPHA, GATES, SIZE, gamma), tol=1e-10)
    assert_allclose(code, sparse_encode(X, ATOMS, ALPHA, positive=True, tol=1e-10), atol=1e-6)


def test_gates_of_zero_leave_sparse_coding():
    code = codes(Gated(ALPHA, 0 * GATES, SIZE, GAMMA), tol=1e-10)
    assert_allclose(code, sparse_encode(X, ATOMS, ALPHA, positive=True, tol=1e-10), atol=1e-6)


@penalties
def test_codes_reach_the_best_energy_of_two_components(name):
    """All codes on a grid of two components and two frames."""
    kind, atoms = PENALTIES[name], np.eye(2)
    gates = np.array([[1.0, 0.0]]) if name == "gated" else np.ones((1, 2))
    penalty = kind._with(gates=gates, group_size=2)
    data = np.array([[2.5, 0.2], [1.5, 0.4]])
    grid = np.linspace(0, 3, 16)
    every = np.array([*itertools.product(grid, repeat=4)])
    misfit = ((data.ravel() - every) ** 2).sum(axis=1) / 2
    lowest = (misfit + penalty.value(every)).min()
    code = codes(penalty, data, atoms)
    reached = ((data - code) ** 2).sum() / 2 + penalty.value(code.reshape(1, 4))[0]
    assert reached <= lowest + 1e-6


@penalties
@backends
def test_missing_sparse_and_predicted_values(name, backend):
    penalty = PENALTIES[name].on(backend)
    plain = codes(penalty, backend=backend)
    assert_allclose(codes(penalty, sparse.csr_array(X), backend=backend), plain, atol=1e-6)
    mask = np.ones_like(X)
    assert_allclose(codes(penalty, mask=mask, backend=backend), plain, atol=1e-4)
    near = codes(penalty, beta=1e6, prediction=lambda x: np.full((len(x), K), 0.25),
                 backend=backend)  # fmt: skip
    assert_allclose(near, 0.25, atol=1e-4)


@penalties
def test_codes_are_proportional_to_the_scale_of_the_data(name):
    scale = 8.0
    alpha = ALPHA * scale ** (1 if name == "gated" else 1.5)
    scaled = codes(PENALTIES[name]._with(alpha=alpha), scale * X)
    assert_allclose(scaled, scale * codes(PENALTIES[name]), atol=1e-5)


@backends
def test_windows_of_one_frame_are_samples(backend):
    penalty = PENALTIES["gated"]._with(group_size=1)
    together = codes(penalty, backend=backend)
    apart = np.concatenate([codes(penalty, X[n : n + 1], backend=backend) for n in range(6)])
    assert_allclose(together[:6], apart, atol=1e-9)


def test_a_step_on_the_gates_lowers_the_penalty():
    penalty, code = PENALTIES["gated"], abs(RANDOM.standard_normal((100 * SIZE, K)))
    updated = penalty.updated(penalty.moment(code, np.ones(len(code))))
    assert updated.value(code).sum() < penalty.value(code).sum()
    assert_allclose(np.linalg.norm(updated.gates, axis=1), 1)


def test_the_moment_of_the_gates_is_a_gradient():
    """By the envelope theorem, u may be held fixed."""
    penalty, code = PENALTIES["gated"], abs(RANDOM.standard_normal((5 * SIZE, K)))
    weight = np.repeat(RANDOM.random(5), SIZE)
    moment, step = penalty.moment(code, weight), 1e-5
    for g, i in [(0, 0), (2, 7), (5, 29)]:
        change = np.zeros_like(GATES)
        change[g, i] = step
        up, down = (penalty._with(gates=GATES + sign * change).value(code) for sign in (1, -1))
        slope = weight[::SIZE] @ (up - down) / (2 * step)
        assert_allclose(slope, -ALPHA * moment[g, i], rtol=1e-4, atol=1e-7)
