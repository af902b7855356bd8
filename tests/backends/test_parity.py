"""Every kernel of every backend against the readable reference.

Kernels are registered in tests/registries/kernels; a new backend is one entry of `BACKENDS`. The
CUDA kernels run twice: on a device if there is one, and compiled as C++, with blocks of any number
of threads and the threads in either order.
"""

import functools
import importlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sklearn_ebm.backends import new_matrix, to_host
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy._pieces import PIECES_AT_ONCE
from sklearn_ebm.factors import pools_of_map
from sklearn_ebm.factors.penalties._group import GroupMajorant
from tests.registries.kernels.cases import (
    CASES,
    CUT_MAP,
    LAYERS,
    MINIMIZERS,
    N_ROWS,
    PATHS,
    SMALL_TORUS,
)
from tests.registries.kernels.pooling import draw_codes

HOST = {  # maximum number of threads in a block, and whether they run in reverse order
    "cupy as C++, 1 thread": {"max_threads": 1},
    "cupy as C++, 5 threads": {"max_threads": 5},
    "cupy as C++": {},
    "cupy as C++, backwards": {"backwards": True},
}
MACHINES = ["numba", pytest.param("cupy", marks=pytest.mark.gpu)]
BACKENDS = [*MACHINES, *HOST]
REGISTRIES = {"cases": CASES, "minimizers": MINIMIZERS}
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
ROUNDINGS = 64  # relative to the largest result: maximum difference of sums over as many terms


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param in HOST:
        return request.getfixturevalue("cupy_on_host")(**HOST[request.param])
    if request.param == "cupy":
        request.getfixturevalue("cupy")
    return importlib.import_module(f"sklearn_ebm.backends.{request.param}")


def mapped(function, arguments, names=None):
    """Return the arguments with arrays replaced by function(array); `names` restricts it."""
    return {
        name: _mapped_one(function, value) if names is None or name in names else value
        for name, value in arguments.items()
    }


def _mapped_one(function, value):
    if isinstance(value, GroupMajorant):
        code, width = function(value.code), function(value.width)
        return GroupMajorant(value.alpha, value.pools, code, width, value.positive)
    if hasattr(value, "_fields"):  # a bundle: a problem or its rule
        return type(value)(*(_mapped_one(function, field) for field in value))
    if isinstance(value, tuple):
        return tuple(_mapped_one(function, one) for one in value)
    return function(value) if isinstance(value, np.ndarray) else value


def widened(array):
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def on_disk(folder):
    """Return a function that stores an array and maps it into memory, read-only."""

    def store(array):
        path = folder / f"{len(list(folder.iterdir()))}.npy"
        np.save(path, array)
        if array.size > 0:
            return np.load(path, mmap_mode="r")
        array = np.load(path)  # an empty array cannot be mapped
        array.setflags(write=False)
        return array

    return store


def prepared(case, dtype, n_rows):
    return case.draw(np.random.default_rng(0), dtype, n_rows, **case.options)


@functools.cache
def of_the_reference(registry, name, dtype, n_rows):
    """Return arguments and results of the reference, which all backends share."""
    case = REGISTRIES[registry][name]
    arguments = prepared(case, dtype, n_rows)
    return arguments, called(reference, case, arguments)


def stored(case, arguments, storage, folder):
    """Return the arguments, with read-only inputs if they are on disk."""
    if storage == "memory":
        return arguments
    inputs = [name for name in arguments if name not in case.replaced]
    return mapped(on_disk(folder), arguments, inputs)


def called(backend, case, arguments):
    """Return the arguments that the kernel replaces, and its return value.

    It must not change other arguments.
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
    """Return the arrays in some of the arguments."""
    found = []

    def keep(array):
        found.append(array)
        return array

    mapped(keep, arguments, names)
    return found


def assert_lives_on(backend, array, dtype):
    assert array.dtype == dtype
    assert type(array) is type(backend.to_device(np.zeros(1)))


# Numba compiles a kernel for each dtype, and again for read-only arrays: two of the four here.
arrays = pytest.mark.parametrize(
    ("dtype", "storage"),
    [
        (SINGLE, "disk"),
        (DOUBLE, "memory"),
        pytest.param(SINGLE, "memory", marks=pytest.mark.exhaustive),
        pytest.param(DOUBLE, "disk", marks=pytest.mark.exhaustive),
    ],
)


def on_machines(cases):
    """Parametrize by cases, numbers of rows, backends of this machine and arrays."""
    marks = [
        arrays,
        pytest.mark.parametrize("backend", MACHINES, indirect=True),
        pytest.mark.parametrize("n_rows", [0, 1, N_ROWS]),
        pytest.mark.parametrize("name", cases),
    ]
    return decorated_by(marks)


def on_the_host(cases):
    """Parametrize as `on_machines`, by pairs, for device kernels that run on the host."""
    marks = [
        pytest.mark.pairwise("backend", "dtype", "n_rows", "storage"),
        arrays,
        pytest.mark.parametrize("backend", HOST, indirect=True),
        pytest.mark.parametrize("n_rows", [N_ROWS, 1, 0]),
        pytest.mark.parametrize("name", cases),
    ]
    return decorated_by(marks)


def decorated_by(marks):
    return lambda test: functools.reduce(lambda decorated, mark: mark(decorated), marks[::-1], test)


@on_machines(CASES)
def test_kernel_agrees_with_the_reference(backend, name, dtype, n_rows, storage, tmp_path):
    assert_kernel_agrees(backend, name, dtype, n_rows, storage, tmp_path)


@on_the_host(CASES)
def test_device_kernel_agrees_with_the_reference_on_the_host(
    backend, name, dtype, n_rows, storage, tmp_path
):
    assert_kernel_agrees(backend, name, dtype, n_rows, storage, tmp_path)


def assert_kernel_agrees(backend, name, dtype, n_rows, storage, folder):
    if n_rows < CASES[name].smallest:
        pytest.skip("there is no dictionary without atoms")
    case, (arguments, theirs) = CASES[name], of_the_reference("cases", name, dtype, n_rows)
    ours = called(backend, case, stored(case, arguments, storage, folder))
    assert_agree(backend, case, dtype, ours, theirs)


def assert_agree(backend, case, dtype, ours, theirs):
    """Assert that results agree up to rounding; random zeros and ones must be identical."""
    (result, returned), (expected, expected_return) = ours, theirs
    for key in case.replaced:
        kept = expected[key].dtype if expected[key].dtype.kind == "i" else dtype
        assert_lives_on(backend, result[key], kept)
        scale = np.abs(expected[key]).max(initial=1)
        atol = ROUNDINGS * np.finfo(dtype).eps * scale
        assert_allclose(to_host(result[key]), expected[key], rtol=0, atol=atol)
    if expected_return is None:
        assert returned is None
    elif isinstance(expected_return, int):
        assert returned == expected_return
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
        assert returned is result[case.replaced[0]]  # in place, and returned


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


@on_machines(MINIMIZERS)
def test_minimizer_finds_what_the_reference_finds(backend, name, dtype, n_rows, storage, tmp_path):
    assert_minimizer_agrees(backend, name, dtype, n_rows, storage, tmp_path)


@pytest.mark.no_cover
@on_the_host(MINIMIZERS)
def test_device_minimizer_finds_what_the_reference_finds_on_the_host(
    backend, name, dtype, n_rows, storage, tmp_path
):
    assert_minimizer_agrees(backend, name, dtype, n_rows, storage, tmp_path)


def assert_minimizer_agrees(backend, name, dtype, n_rows, storage, folder):
    """Since 1/2 mu ||z - z*||^2 <= E(z) - E(z*) <= gap, with mu the smallest curvature."""
    case = MINIMIZERS[name]
    if getattr(backend, case.kernel) is None:
        pytest.skip(f"{backend.name} has no {case.kernel}, and says so by None")
    arguments, (expected, _) = of_the_reference("minimizers", name, dtype, n_rows)
    lasso, tol = arguments["lasso"], arguments["tol"]
    result, (gap, n_iter) = called(backend, case, stored(case, arguments, storage, folder))
    assert_lives_on(backend, result["code"], dtype)
    assert type(gap) is type(result["code"])
    assert gap.shape == (n_rows,)
    assert bool((gap <= tol).all())
    assert isinstance(n_iter, int)
    assert n_iter < arguments["max_iter"]
    code = to_host(result["code"])
    double = _mapped_one(widened, lasso)
    true_gap, curvature = case.certificate(double, code)
    assert np.all(true_gap <= 2 * tol)  # certified gaps hold in double precision
    difference = (code - expected["code"]).reshape(n_rows, np.prod(code.shape[1:]))
    square = np.sum(difference**2, axis=1)
    # each of the two is within its radius of the minimum
    assert np.all(curvature * square <= 4 * (2 * (2 * tol) * double.half_norm))
    if "positive" in name:
        assert np.all(code >= 0)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("n_rows", [0, 1, N_ROWS])
def test_a_path_has_the_codes_of_each_threshold(backend, name, dtype, n_rows):
    """Gaps are certified for each threshold, so that distances are bounded as for a minimizer."""
    case = PATHS[name]
    if getattr(backend, case.kernel) is None:
        pytest.skip(f"{backend.name} has no {case.kernel}, and says so by None")
    arguments = prepared(case, dtype, n_rows)
    result, (gap, n_iter) = called(backend, case, arguments)
    lasso, tol = _mapped_one(widened, arguments["lasso"]), arguments["tol"]
    assert gap.shape == (len(arguments["thresholds"]), n_rows)
    assert np.all(gap <= tol)
    assert n_iter.shape == (len(arguments["thresholds"]),)
    weights = zip(arguments["thresholds"], arguments["ridges"], strict=True)
    for (threshold, ridge), code in zip(weights, result["code"], strict=True):
        rule = lasso.rule._replace(threshold=threshold)
        gram = lasso.gram + ridge * np.eye(len(lasso.gram))
        true_gap, _ = case.certificate(lasso._replace(gram=gram, rule=rule), code)
        assert np.all(true_gap <= 2 * tol)
        assert np.all(code >= 0) or "positive" not in name


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


@pytest.mark.parametrize("shape", [(0, 5), (4, 0), (1, 1), (7, 16), (9, 45)])
@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_sparse_rows_have_the_entries_of_dense_rows(backend, dtype, shape, share):
    random = np.random.default_rng(0)
    rows = np.where(random.uniform(size=shape) < share, random.standard_normal(shape), 0)
    rows = rows.astype(dtype)
    for layout in (rows, np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2]):
        found, expected = backend.to_csr(backend.to_device(layout)), sparse.csr_array(rows)
        assert found.shape == shape
        assert found.has_canonical_format
        for name in ("data", "indices", "indptr"):
            assert_array_equal(getattr(found, name), getattr(expected, name))
            assert getattr(found, name).dtype == getattr(expected, name).dtype


def test_every_kernel_of_the_reference_is_registered():
    registered = *CASES.values(), *MINIMIZERS.values(), *PATHS.values()
    kernels = {case.kernel for case in registered}
    others = {"map_pieces", "name", "pieces_at_once", "to_csr", "to_device"}
    # compared with single steps in tests/solvers and tests/learning
    loops = {"contrastive_steps", "discriminative_steps"}
    shared = {"flip_factors"}  # the same array functions in all backends
    assert kernels == set(reference.__all__) - others - loops - shared


def test_a_gap_that_is_not_a_number_stays_so(backend, dtype):
    arguments = prepared(CASES["gap with rounding"], dtype, N_ROWS)
    arguments["gap"] = np.where(np.arange(N_ROWS) == 3, np.nan, arguments["gap"])
    _, bound = called(backend, CASES["gap with rounding"], arguments)
    assert np.flatnonzero(np.isnan(to_host(bound))).tolist() == [3]


@pytest.mark.parametrize("windows", [SMALL_TORUS, CUT_MAP], ids=["torus", "cut"])
def test_norms_may_take_the_place_of_codes(backend, windows, dtype):
    pools = pools_of_map(*windows[:2], (1, 1), *windows[3:])
    code = draw_codes(np.random.default_rng(0), dtype, N_ROWS, pools)["code"]
    expected = pools.norms(code)
    in_place = backend.to_device(code.copy())
    backend.pool_norms(in_place, pools, in_place)
    assert_allclose(to_host(in_place), expected, rtol=ROUNDINGS * np.finfo(dtype).eps)
