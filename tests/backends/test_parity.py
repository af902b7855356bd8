"""Every kernel of every backend against the readable reference.

A new kernel is one entry of `CASES`, a new backend one of `BACKENDS`. The CUDA kernels run twice:
on a device where there is one, and compiled as C++, with blocks of any number of threads and the
threads in either order.
"""

import importlib
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import new_matrix, to_host
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._certificate import lasso_gap
from sklearn_ebm.backends._groups import GroupSoftThreshold
from sklearn_ebm.backends._problems import Lasso
from sklearn_ebm.backends._rules import PositiveSoftThreshold, SoftThreshold
from sklearn_ebm.backends.cupy._pieces import PIECES_AT_ONCE
from sklearn_ebm.factors import pools_of_groups, pools_of_map
from sklearn_ebm.factors.penalties import L1
from sklearn_ebm.factors.penalties._group import GroupMajorant
from tests.backends import convolutions, layers, maps
from tests.backends.draws import (
    N_ATOMS,
    draw_greedy_gradient,
    draw_greedy_steps,
    draw_unrolled_gradient,
    draw_unrolled_step,
    normal,
    sparse,
)

HOST = {  # threads in a block, at most, and whether they take turns backwards
    "cupy as C++, 1 thread": {"max_threads": 1},
    "cupy as C++, 5 threads": {"max_threads": 5},
    "cupy as C++": {},
    "cupy as C++, backwards": {"backwards": True},
}
MACHINES = ["numba", pytest.param("cupy", marks=pytest.mark.gpu)]
BACKENDS = [*MACHINES, *HOST]
N_FEATURES = 53
N_ROWS = 9
GROUP_SIZES = [1, 9, 3, 1, 12, 4, 7]  # of all atoms together; below, at and above fours
ROUNDINGS = 64  # of the size of the largest result: what sums over so many terms may differ by


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param in HOST:
        return request.getfixturevalue("cupy_on_host")(**HOST[request.param])
    if request.param == "cupy":
        request.getfixturevalue("cupy")
    return importlib.import_module(f"sklearn_ebm.backends.{request.param}")


def dense_certificate(lasso, code):
    """Relative gap of each row, and the smallest curvature of the energy."""
    return lasso_gap(lasso, code), np.linalg.eigvalsh(lasso.gram)[0]


class Case(NamedTuple):
    """A kernel, how its arguments are drawn, and which of them it replaces."""

    kernel: str
    draw: Any  # (rng, dtype, n_rows, **options) -> dict, in the order of the signature
    replaced: tuple
    options: Any = {}
    smallest: int = 0  # number of rows
    certificate: Any = dense_certificate  # (lasso, code) -> (gap, curvature), of a minimizer


def _unit_rows(rng, dtype, n_rows):
    rows = rng.standard_normal((n_rows, N_FEATURES))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


def draw_step(rng, dtype, n_rows, accelerated, positive, n_atoms=N_ATOMS):
    shape = (n_rows, n_atoms)
    product, correlation, code = (normal(rng, dtype, *shape) for _ in range(3))
    ahead = np.where(np.arange(n_rows) % 2, 1, -1).astype(dtype)  # of the minimum: half overshoot
    return {
        "product": product,
        "correlation": correlation,
        "code": code,
        "extrapolated": code + ahead[:, None] * (product - correlation),
        "momentum": rng.uniform(1, 5, n_rows).astype(dtype) if accelerated else None,
        "step_size": 0.3,
        "penalty": L1(np.float64(0.7), positive),  # a grid's np.float64 must not promote
    }


def draw_majorized_step(rng, dtype, n_rows, windows, **how):
    pools = pools_of_map(*windows)
    arguments = draw_step(rng, dtype, n_rows, n_atoms=pools.n_components, **how)
    width = rng.uniform(0.1, 1, (n_rows, 1)).astype(dtype)  # some pools are narrower, some wider
    touch = arguments["extrapolated"].copy()
    arguments["penalty"] = GroupMajorant(np.float64(0.7), pools, touch, width, how["positive"])
    return arguments


def draw_code_of_pools(rng, dtype, n_rows, pools):
    code = normal(rng, dtype, n_rows, pools.n_components)
    return {"code": code, "pools": pools, "result": np.full((n_rows, pools.n_pools), np.nan, dtype)}


def draw_values_of_pools(rng, dtype, n_rows, pools):
    values = normal(rng, dtype, n_rows, pools.n_pools)
    result = np.full((n_rows, pools.n_components), np.nan, dtype)
    return {"values": values, "pools": pools, "result": result}


def draw_lasso(rng, dtype, n_rows, rule, **settings):
    dictionary = _unit_rows(rng, dtype, N_ATOMS)
    X = 5 * normal(rng, dtype, n_rows, N_FEATURES)
    lasso = Lasso(dictionary @ dictionary.T, X @ dictionary.T, (X * X).sum(axis=1) / 2, rule)
    code = normal(rng, dtype, n_rows, N_ATOMS) * (rng.random((n_rows, N_ATOMS)) < 0.2)
    tol = 100 * np.finfo(dtype).eps  # the gap is a sum of rounded terms as well
    return {
        "lasso": lasso,
        "code": np.abs(code).astype(dtype),
        "tol": float(tol),
        "max_iter": 1000,
        **settings,
    }


def draw_groups(rng, dtype, n_rows, positive):
    sizes = np.array(GROUP_SIZES)
    members = rng.permutation(N_ATOMS)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    membership = np.zeros((len(sizes), N_ATOMS), dtype)
    membership[np.repeat(np.arange(len(sizes)), sizes), members] = 1
    threshold = (rng.uniform(1, 2.2, len(sizes)) * np.sqrt(sizes)).astype(dtype)
    rule = GroupSoftThreshold(threshold, membership, members, starts, positive)
    return draw_lasso(rng, dtype, n_rows, rule)


def draw_descent(rng, dtype, n_rows, rule, accelerated):
    arguments = draw_lasso(rng, dtype, n_rows, rule)
    lipschitz = float(np.linalg.norm(arguments["lasso"].gram, 2))
    steps = {"max_iter": 100_000, "lipschitz": lipschitz, "accelerated": accelerated}
    return {**arguments, **steps}


def draw_atoms(rng, dtype, n_rows):
    dictionary = _unit_rows(rng, dtype, n_rows)
    code = normal(rng, dtype, 500, n_rows)
    code[:, 1::7] = 0  # unused atoms stay where they are
    X = code @ dictionary + normal(rng, dtype, 500, N_FEATURES)
    return {
        "dictionary": _unit_rows(rng, dtype, n_rows),
        "code_moment": code.T @ code,
        "cross_moment": code.T @ X,
    }


def draw_moments(rng, dtype, n_rows, density):
    code = sparse(rng, dtype, n_rows, density)
    return {
        "code_moment": normal(rng, dtype, N_ATOMS, N_ATOMS),
        "cross_moment": normal(rng, dtype, N_ATOMS, N_FEATURES),
        "code": code,
        "X": normal(rng, dtype, n_rows, N_FEATURES),
        "weight": rng.uniform(0, 2, n_rows).astype(dtype),
    }


def draw_quadratic(rng, dtype, n_rows, density):
    atoms = _unit_rows(rng, dtype, N_ATOMS)
    correlation = normal(rng, dtype, n_rows, N_ATOMS)
    return {
        "gram": atoms @ atoms.T,
        "correlation": correlation,
        "code": sparse(rng, dtype, n_rows, density),
    }


def draw_gaps(rng, dtype, n_rows):
    return {
        "code": sparse(rng, dtype, n_rows, 0.3),
        "gap": normal(rng, dtype, n_rows),
        "unit": normal(rng, dtype, n_rows) ** 2 + dtype.type(0.1),
        "roundings": 1e-3,
        "largest_atom": 0.9,
        "dual_norm": 2.5,
    }


def draw_preactivation(rng, dtype, n_rows, parameters):
    preactivation = 3 * normal(rng, dtype, n_rows, N_ATOMS)
    return {
        "preactivation": preactivation,
        "bias": normal(rng, dtype, N_ATOMS),
        **{name: rng.uniform(*ends, N_ATOMS).astype(dtype) for name, ends in parameters.items()},
    }


def draw_slopes(rng, dtype, n_rows, parameters, forward=None):
    """Some units are off, and one preactivation of each is zero."""
    arguments = draw_preactivation(rng, dtype, n_rows, parameters)
    product, *parameters = arguments.values()
    product[:1] = -parameters[0]
    code = sparse(rng, dtype, n_rows, 0.6)
    if forward is not None:
        code = getattr(reference, forward)(product.copy(), *parameters)
    return {
        "product": None if forward is None else product,
        "code": code,
        "gradient": normal(rng, dtype, n_rows, N_ATOMS),
        "parameters": tuple(parameters),
        "result": np.full_like(code, np.nan),
        "sums": np.full((len(parameters), N_ATOMS), np.nan, dtype),
    }


def draw_adam(rng, dtype, n_rows):
    parameter, gradient, first = (normal(rng, dtype, n_rows, N_ATOMS) for _ in range(3))
    return {
        "parameter": parameter,
        "gradient": gradient,
        "first": first,
        "second": first * first,
        "rate": 0.1,
        "constants": (0.9, 0.999, 1e-8),
    }


def _step_case(accelerated, positive):
    replaced = ("code", "extrapolated", *(("momentum",) if accelerated else ()))
    options = {"accelerated": accelerated, "positive": positive}
    return Case("proximal_step", draw_step, replaced, options)


def _majorized_case(windows, accelerated=True, positive=False):
    replaced = ("code", "extrapolated", *(("momentum",) if accelerated else ()))
    options = {"windows": windows, "accelerated": accelerated, "positive": positive}
    return Case("proximal_step", draw_majorized_step, replaced, options)


def _pool_cases(name, pools):
    return {
        f"norms, {name}": Case("pool_norms", draw_code_of_pools, ("result",), {"pools": pools}),
        f"spread, {name}": Case("pool_spread", draw_values_of_pools, ("result",), {"pools": pools}),
    }


def _encoder_case(kernel, **parameters):
    return Case(kernel, draw_preactivation, ("preactivation",), {"parameters": parameters})


def _slopes_case(kernel, forward=None, **parameters):
    options = {"parameters": parameters, "forward": forward}
    return Case(kernel, draw_slopes, ("result", "sums"), options)


def _descent_case(rule, accelerated):
    options = {"rule": rule, "accelerated": accelerated}
    return Case("proximal_gradient", draw_descent, ("code",), options)


def _ascent_case(density, replaced=("weights", "velocity"), **options):
    return Case("ascend", layers.draw_ascent, replaced, {"density": density, **options})


LAYERS = {  # kernels of two layers of units
    "mean": Case("bernoulli_mean", layers.draw_fields, ("field",)),
    "mean, scaled": Case("bernoulli_mean", layers.draw_fields, ("field",), {"scale": 0.3}),
    "draws": Case(
        "bernoulli_sample", layers.draw_fields, ("field",), {"scale": 1.0, "key": layers.KEYS[0]}
    ),
    "draws, and means": Case(
        "bernoulli_sample",
        layers.draw_fields,
        ("field", "mean"),
        {"scale": 0.3, "key": layers.KEYS[1], "mean": True},
    ),
    "softplus": Case("softplus_sums", layers.draw_fields, ()),
    "softplus, scaled": Case("softplus_sums", layers.draw_fields, (), {"scale": 0.3}),
    "softplus, long rows": Case("softplus_sums", layers.draw_fields, (), {"n_units": 1100}),
    "uniform": Case("uniform", layers.draw_uniform, ("result",)),
    "normal": Case("add_normal", layers.draw_normal, ("mean",)),
    "normal, odd": Case("add_normal", layers.draw_normal, ("mean",), {"n_columns": 67}),
    "project, few on": Case("project", layers.draw_projection, ("result",), {"density": 0.1}),
    "project, most on": Case("project", layers.draw_projection, ("result",), {"density": 0.9}),
    "ascend, few on": _ascent_case(0.1),
    "ascend, few on, momentum, decay": _ascent_case(0.1, momentum=0.9, decay=0.5),
    "ascend, most on": _ascent_case(0.9, momentum=0.9, decay=0.5),
    "ascend elsewhere": _ascent_case(0.1, ("velocity", "result"), momentum=0.95, result=np.nan),
    "Gibbs": Case("gibbs_step", layers.draw_gibbs_step, ("visible", "hidden")),
    "Gibbs, and means": Case(
        "gibbs_step", layers.draw_gibbs_step, ("visible", "hidden", "mean"), {"mean": np.nan}
    ),
}

IMAGES = {name: Case(*parts) for name, parts in {**maps.CASES, **convolutions.CASES}.items()}
CONVOLUTIONAL_MINIMIZERS = {
    name: Case(*parts, certificate=convolutions.certificate)
    for name, parts in convolutions.MINIMIZERS.items()
}

# Rows and columns that are whole vectors or fours of rows, and that are not.
SMALL_TORUS = ((5, 7), (3, 2))
LONG_TORUS = ((4, 20), (2, 6), (2, 3), "uniform")
CUT_MAP = ((9, 6), (4, 4), (2, 1), "gaussian", False)

CASES = {
    "FISTA, windows": _majorized_case(SMALL_TORUS),
    "FISTA, positive, windows": _majorized_case(LONG_TORUS, positive=True),
    "ISTA, cut windows": _majorized_case(CUT_MAP, accelerated=False),
    **_pool_cases("windows", pools_of_map(*SMALL_TORUS)),
    **_pool_cases("long windows", pools_of_map(*LONG_TORUS)),
    **_pool_cases("cut windows", pools_of_map(*CUT_MAP)),
    **_pool_cases("groups", pools_of_groups([[0, 1], [2, 1, 3], [4]], 5, np.array([1, 0.5, 2]))),
    "ISTA": _step_case(accelerated=False, positive=False),
    "ISTA, positive": _step_case(accelerated=False, positive=True),
    "FISTA": _step_case(accelerated=True, positive=False),
    "FISTA, positive": _step_case(accelerated=True, positive=True),
    "add_moments": Case(
        "add_moments", draw_moments, ("code_moment", "cross_moment"), {"density": 0.1}
    ),
    "add_moments, most on": Case(
        "add_moments", draw_moments, ("code_moment", "cross_moment"), {"density": 0.9}
    ),
    "quadratic": Case("quadratic", draw_quadratic, (), {"density": 0.1}),
    "quadratic, most on": Case("quadratic", draw_quadratic, (), {"density": 0.9}),
    "gap with rounding": Case("gap_with_rounding", draw_gaps, ()),
    "update_atoms": Case("update_atoms", draw_atoms, ("dictionary",), smallest=1),
    "adam": Case("adam_step", draw_adam, ("parameter", "first", "second")),
    "unrolled step, first": Case("unrolled_step", draw_unrolled_step, ("code",), {"density": 0}),
    "unrolled step, few on": Case("unrolled_step", draw_unrolled_step, ("code",), {"density": 0.1}),
    "unrolled step, most on": Case(
        "unrolled_step", draw_unrolled_step, ("code",), {"density": 0.9}
    ),
    "unrolled step, backward": Case(
        "unrolled_step_backward",
        draw_unrolled_gradient,
        ("gradient", "base_gradient", "threshold_gradient"),
    ),
    "greedy steps": Case(
        "greedy_steps", draw_greedy_steps, ("state", "code", "chosen", "change", "sign")
    ),
    "greedy steps, backward": Case(
        "greedy_steps_backward",
        draw_greedy_gradient,
        ("gradient", "lateral_gradient", "threshold_gradient"),
    ),
    "shrink": _encoder_case("shrink_preactivation", threshold=(0, 2)),
    "tanh": _encoder_case("tanh_preactivation", gain=(0.5, 2)),
    "smooth_shrink": _encoder_case("smooth_shrink_preactivation", slope=(1, 20), location=(0, 1)),
    "shrink, backward": _slopes_case("shrink_backward", threshold=(0, 2)),
    "tanh, backward": _slopes_case("tanh_backward", "tanh_preactivation", gain=(0.5, 2)),
    "logistic, backward": _slopes_case("logistic_backward"),
    "smooth_shrink, backward": _slopes_case(
        "smooth_shrink_backward", "smooth_shrink_preactivation", slope=(1, 20), location=(0, 1)
    ),
    **LAYERS,
    **IMAGES,
}
MINIMIZERS = {  # what they find is told by the problem, the way to it is their own
    "coordinate_descent": Case(
        "coordinate_descent", draw_lasso, ("code",), {"rule": SoftThreshold(1.0)}
    ),
    "coordinate_descent, positive": Case(
        "coordinate_descent", draw_lasso, ("code",), {"rule": PositiveSoftThreshold(1.0)}
    ),
    "active_set": Case("active_set", draw_lasso, ("code",), {"rule": SoftThreshold(1.0)}),
    "active_set, positive": Case(
        "active_set", draw_lasso, ("code",), {"rule": PositiveSoftThreshold(1.0)}
    ),
    "feature_sign": Case("feature_sign", draw_lasso, ("code",), {"rule": SoftThreshold(1.0)}),
    "feature_sign, positive": Case(
        "feature_sign", draw_lasso, ("code",), {"rule": PositiveSoftThreshold(1.0)}
    ),
    "ISTA": _descent_case(SoftThreshold(1.0), accelerated=False),
    "FISTA": _descent_case(SoftThreshold(1.0), accelerated=True),
    "FISTA, positive": _descent_case(PositiveSoftThreshold(1.0), accelerated=True),
    "active_set, cold": Case(
        "active_set", draw_lasso, ("code",), {"rule": SoftThreshold(1.0), "warm": False}
    ),
    "block_descent": Case("block_descent", draw_groups, ("code",), {"positive": False}),
    "block_descent, positive": Case("block_descent", draw_groups, ("code",), {"positive": True}),
    **CONVOLUTIONAL_MINIMIZERS,
}


def mapped(function, arguments, names=None):
    """The arguments with their arrays replaced by function(array); `names` limits it."""
    return {
        name: _mapped_one(function, value) if names is None or name in names else value
        for name, value in arguments.items()
    }


def _mapped_one(function, value):
    if isinstance(value, GroupMajorant):
        code, width = function(value.code), function(value.width)
        return GroupMajorant(value.alpha, value.pools, code, width, value.positive)
    if hasattr(value, "_fields"):  # a bundle: a problem, or its rule
        return type(value)(*(_mapped_one(function, field) for field in value))
    if isinstance(value, tuple):
        return tuple(_mapped_one(function, one) for one in value)
    return function(value) if isinstance(value, np.ndarray) else value


def widened(array):
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def on_disk(folder):
    """Function that stores an array and maps it into memory, read-only."""

    def store(array):
        path = folder / f"{len(list(folder.iterdir()))}.npy"
        np.save(path, array)
        return np.load(path, mmap_mode="r")

    return store


def prepared(case, dtype, n_rows):
    return case.draw(np.random.default_rng(0), dtype, n_rows, **case.options)


def stored(case, arguments, folder):
    """The same arguments, with the inputs on disk."""
    inputs = [name for name in arguments if name not in case.replaced]
    return mapped(on_disk(folder), arguments, inputs)


def called(backend, case, arguments):
    """What the kernel left in the arguments that it replaces, and what it returned.

    All other arguments must be what they were.
    """
    inputs = [name for name in arguments if name not in case.replaced]
    given = arrays_of(mapped(np.copy, arguments, inputs), inputs)
    arguments = mapped(np.copy, arguments, case.replaced)
    on_device = mapped(backend.to_device, arguments)
    before = {name: on_device[name] for name in case.replaced}
    returned = getattr(backend, case.kernel)(*on_device.values())
    for array, original in zip(arrays_of(on_device, inputs), given, strict=True):
        assert_array_equal(to_host(array), original)
    return before, returned


def arrays_of(arguments, names):
    """The arrays in some of the arguments."""
    found = []

    def keep(array):
        found.append(array)
        return array

    mapped(keep, arguments, names)
    return found


def assert_lives_on(backend, array, dtype):
    assert array.dtype == dtype
    assert type(array) is type(backend.to_device(np.zeros(1)))


def on_disk_too(test):
    """One backend of each kind; Numba compiles a kernel anew for read-only arrays, so one type."""
    for name, values, more in (
        ("backend", ["numba", "cupy as C++"], []),
        ("dtype", [np.dtype(np.float32)], [np.dtype(np.float64)]),
        ("n_rows", [N_ROWS], [1]),
    ):
        cases = [*values, *(pytest.param(value, marks=pytest.mark.exhaustive) for value in more)]
        test = pytest.mark.parametrize(name, cases, indirect=name == "backend")(test)
    return test


@pytest.mark.parametrize("backend", MACHINES, indirect=True)
@pytest.mark.parametrize("n_rows", [0, 1, N_ROWS])
@pytest.mark.parametrize("name", CASES)
def test_kernel_agrees_with_the_reference(backend, name, dtype, n_rows):
    assert_kernel_agrees(backend, name, dtype, n_rows)


@pytest.mark.pairwise("backend", "dtype", "n_rows")
@pytest.mark.parametrize("backend", HOST, indirect=True)
@pytest.mark.parametrize("n_rows", [N_ROWS, 1, 0])
@pytest.mark.parametrize("name", CASES)
def test_device_kernel_agrees_with_the_reference_on_the_host(backend, name, dtype, n_rows):
    assert_kernel_agrees(backend, name, dtype, n_rows)


def assert_kernel_agrees(backend, name, dtype, n_rows):
    if n_rows < CASES[name].smallest:
        pytest.skip("there is no dictionary without atoms")
    case, arguments = CASES[name], prepared(CASES[name], dtype, n_rows)
    theirs = called(reference, case, arguments)
    assert_agree(backend, case, dtype, called(backend, case, arguments), theirs)


@on_disk_too
@pytest.mark.parametrize("name", CASES)
def test_kernel_takes_arrays_on_disk(backend, name, dtype, n_rows, tmp_path):
    case, arguments = CASES[name], prepared(CASES[name], dtype, n_rows)
    theirs = called(reference, case, arguments)
    ours = called(backend, case, stored(case, arguments, tmp_path))
    assert_agree(backend, case, dtype, ours, theirs)


def assert_agree(backend, case, dtype, ours, theirs):
    """Within rounding, which draws of zeros and ones must not show at all."""
    (result, returned), (expected, expected_return) = ours, theirs
    for key in case.replaced:
        kept = expected[key].dtype if expected[key].dtype.kind == "i" else dtype
        assert_lives_on(backend, result[key], kept)
        scale = np.abs(expected[key]).max(initial=1)
        atol = ROUNDINGS * np.finfo(dtype).eps * scale
        assert_allclose(to_host(result[key]), expected[key], rtol=0, atol=atol)
    if expected_return is None:
        assert returned is None
    elif isinstance(expected_return, float):
        assert isinstance(returned, float)
        assert returned == pytest.approx(
            expected_return, rel=ROUNDINGS * float(np.finfo(dtype).eps)
        )
    elif not case.replaced:
        assert_lives_on(backend, returned, dtype)
        atol = ROUNDINGS * np.finfo(dtype).eps * np.abs(expected_return).max(initial=1)
        assert_allclose(to_host(returned), expected_return, rtol=0, atol=atol)
    else:
        assert returned is result[case.replaced[0]]  # in place, and handed on


def rows_apart(array):
    if array.ndim < 2:
        return array
    matrix = new_matrix(array.shape, array)
    matrix[...] = array
    return matrix


@pytest.mark.parametrize("name", LAYERS)
def test_layers_may_have_their_rows_apart_and_what_is_read_its_columns_in_one_piece(name, dtype):
    backend, case = importlib.import_module("sklearn_ebm.backends.numba"), LAYERS[name]
    arguments = mapped(np.asfortranarray, prepared(case, dtype, N_ROWS))
    theirs = called(reference, case, arguments)
    for key in {*case.replaced, "weights"} & {*arguments}:
        arguments[key] = rows_apart(arguments[key])
    before = {key: arguments[key] for key in case.replaced}
    returned = getattr(backend, case.kernel)(*arguments.values())
    assert_agree(backend, case, dtype, (before, returned), theirs)


@pytest.mark.parametrize("n_rows", [0, 1, N_ROWS])
@pytest.mark.parametrize("name", MINIMIZERS)
def test_minimizer_finds_what_the_reference_finds(backend, name, dtype, n_rows):
    """Within 1/2 mu ||z - z*||^2 <= E(z) - E(z*) <= gap, mu the smallest curvature if positive."""
    arguments = prepared(MINIMIZERS[name], dtype, n_rows)
    assert_finds_the_minimum(backend, name, dtype, arguments, arguments)


@on_disk_too
@pytest.mark.parametrize("name", MINIMIZERS)
def test_minimizer_takes_arrays_on_disk(backend, name, dtype, n_rows, tmp_path):
    arguments = prepared(MINIMIZERS[name], dtype, n_rows)
    on_disk = stored(MINIMIZERS[name], arguments, tmp_path)
    assert_finds_the_minimum(backend, name, dtype, on_disk, arguments)


def assert_finds_the_minimum(backend, name, dtype, arguments, in_memory):
    case = MINIMIZERS[name]
    if getattr(backend, case.kernel) is None:
        pytest.skip(f"{backend.name} has no {case.kernel}, and says so by None")
    lasso, tol = arguments["lasso"], arguments["tol"]
    expected, _ = called(reference, case, in_memory)
    result, (gap, n_iter) = called(backend, case, arguments)
    n_rows = len(result["code"])
    assert_lives_on(backend, result["code"], dtype)
    assert type(gap) is type(result["code"])
    assert gap.shape == (n_rows,)
    assert bool((gap <= tol).all())
    assert isinstance(n_iter, int)
    assert n_iter < arguments["max_iter"]
    code = to_host(result["code"])
    double = _mapped_one(widened, lasso)
    true_gap, curvature = case.certificate(double, code)
    assert np.all(true_gap <= 2 * tol)  # what was certified in `dtype` holds in double precision
    difference = (code - expected["code"]).reshape(n_rows, np.prod(code.shape[1:]))
    square = np.sum(difference**2, axis=1)
    # each of the two is within its radius of the minimum
    assert np.all(curvature * square <= 4 * (2 * (2 * tol) * double.half_norm))
    if "positive" in name:
        assert np.all(code >= 0)


@pytest.mark.parametrize("name", ["FISTA", "FISTA, positive"])
def test_steps_that_restart_and_steps_that_do_not_are_both_drawn(name, dtype):
    expected, _ = called(reference, CASES[name], prepared(CASES[name], dtype, N_ROWS))
    restarted = expected["momentum"] == 1
    assert 0 < restarted.sum() < N_ROWS


@pytest.mark.parametrize("name", ["block_descent", "block_descent, positive"])
def test_groups_that_are_on_and_groups_that_are_off_are_both_drawn(name, dtype):
    arguments = prepared(MINIMIZERS[name], dtype, N_ROWS)
    expected, _ = called(reference, MINIMIZERS[name], arguments)
    is_on = (expected["code"] != 0) @ arguments["lasso"].rule.membership.T > 0
    assert np.all(is_on.any(axis=0))  # each group in some rows
    assert is_on.mean() < 0.9


@pytest.mark.parametrize("name", [*reference.__all__])
def test_backend_offers_every_name_of_the_reference(backend, name):
    assert hasattr(backend, name)


@pytest.mark.parametrize("n_rows", [0, 1, 4, 9, 1000])
def test_pieces_cover_the_rows_once_and_begin_at_multiples(backend, n_rows):
    pieces = []  # appending is safe from several threads
    backend.map_pieces(lambda first, last: pieces.append((first, last)), n_rows, 4)
    step = 4 * PIECES_AT_ONCE if backend.name == "cupy" else 4
    expected = [(first, min(first + step, n_rows)) for first in range(0, n_rows, step)]
    assert sorted(pieces) == expected


def test_every_kernel_of_the_reference_is_registered():
    kernels = {case.kernel for case in (*CASES.values(), *MINIMIZERS.values())}
    others = {"map_pieces", "name", "to_device"}
    loops = {"contrastive_steps"}  # whose reference is a solver's: see tests/solvers
    assert kernels == set(reference.__all__) - others - loops


def test_a_gap_that_is_not_a_number_stays_so(backend, dtype):
    arguments = prepared(CASES["gap with rounding"], dtype, N_ROWS)
    arguments["gap"] = np.where(np.arange(N_ROWS) == 3, np.nan, arguments["gap"])
    _, bound = called(backend, CASES["gap with rounding"], arguments)
    assert np.flatnonzero(np.isnan(to_host(bound))).tolist() == [3]


@pytest.mark.parametrize("windows", [SMALL_TORUS, CUT_MAP], ids=["torus", "cut"])
def test_norms_may_take_the_place_of_codes(backend, windows, dtype):
    pools = pools_of_map(*windows[:2], (1, 1), *windows[3:])
    code = draw_code_of_pools(np.random.default_rng(0), dtype, N_ROWS, pools)["code"]
    expected = pools.norms(code)
    in_place = backend.to_device(code.copy())
    backend.pool_norms(in_place, pools, in_place)
    assert_allclose(to_host(in_place), expected, rtol=ROUNDINGS * np.finfo(dtype).eps)
