"""CUDA kernels beyond parity: skipped rows, memory layout, and fallback to the reference."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._ascent import Ascent
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.backends._places import Places
from sklearn_ebm.backends._problems import Lasso
from sklearn_ebm.backends._random import Key
from sklearn_ebm.backends._rules import SoftThreshold
from sklearn_ebm.backends.cupy import _convolution, _coordinate_descent, _dictionary, _launch
from sklearn_ebm.factors.penalties import L1

pytestmark = pytest.mark.no_cover  # other tests run the same lines in less time

N_ROWS, N_ATOMS = 6, 40
KEY = Key((0xDEADBEEF, 0xC0FFEE), (5 << 32) + 0xFFFFFFFF, 1000)  # each word has a non-zero part
HOSTS = [{"max_threads": 1}, {"max_threads": 5}, {}]


class Elastic:
    """The penalty |z| + 1/2 z^2 with only a proximal operator."""

    def prox(self, code, step_size):
        return SoftThreshold(step_size).prox(code) / (1 + step_size)


class Unheard(SoftThreshold):
    """A rule without a functor."""


@pytest.fixture
def no_launch(monkeypatch):
    """Return the CuPy backend; every launch raises an error."""
    from sklearn_ebm.backends import cupy as backend

    def load(family):
        raise AssertionError(f"{family} was launched")

    monkeypatch.setattr(_launch, "load", load)
    return backend


@pytest.fixture
def lasso(patches, dictionary):
    atoms, X = dictionary[:N_ATOMS], patches[:N_ROWS]
    rule = SoftThreshold(1.0)
    return Lasso(atoms @ atoms.T, X @ atoms.T, (X * X).sum(axis=1) / 2, rule)


@pytest.fixture
def step_arguments():
    """Return product, correlation, code, extrapolated point and momentum."""
    rng = np.random.default_rng(0)
    return [*rng.standard_normal((4, N_ROWS, N_ATOMS)), rng.uniform(1, 5, N_ROWS)]


def assert_same_call(kernel, arguments, *rest):
    """Assert that both backends leave and return bit-identical results."""
    ours, theirs = kernel
    mine = [argument.copy(order="K") for argument in arguments]
    expected = [argument.copy(order="K") for argument in arguments]
    returned, expected_return = ours(*mine, *rest), theirs(*expected, *rest)
    for array, other in zip(mine, expected, strict=True):
        assert_array_equal(array, other)
    assert (returned is None) == (expected_return is None)


def test_there_is_no_active_set(no_launch):
    assert no_launch.active_set is None


@pytest.mark.parametrize("bytes_shared", [0, _launch.MAX_SHARED_BYTES], ids=["global", "shared"])
def test_sweeps_are_the_reference_s_sweeps(cupy_on_host, monkeypatch, lasso, bytes_shared):
    """Also if the number of sweeps is not a multiple of the interval of checks."""
    monkeypatch.setattr(_launch, "MAX_SHARED_BYTES", bytes_shared)
    n_sweeps = _coordinate_descent.CHECK_EVERY + 1
    code, expected = np.zeros((2, N_ROWS, N_ATOMS))
    gap, n_iter = cupy_on_host().coordinate_descent(lasso, code, 0.0, n_sweeps)
    expected_gap, _ = reference.coordinate_descent(lasso, expected, 0.0, n_sweeps)
    assert n_iter == n_sweeps
    assert_allclose(code, expected, atol=1e-13)  # codes of size ten, with hundreds of roundings
    assert_allclose(gap, expected_gap, atol=1e-13)


def test_rows_that_are_done_are_left_alone(cupy_on_host, lasso):
    backend, code = cupy_on_host(), np.zeros((N_ROWS, N_ATOMS))
    backend.coordinate_descent(lasso, code, 1e-3, 1000)
    code[1:] = 0
    before = code.copy()
    gap, _ = backend.coordinate_descent(lasso, code, 1e-3, 1000)
    assert_array_equal(code[0], before[0])
    assert np.all(code[1:].any(axis=1))
    assert np.all(gap <= 1e-3)
    assert backend.coordinate_descent(lasso, code, 1e-3, 1000)[1] == 0


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("accelerated", [False, True])
def test_a_nan_is_not_hidden_by_the_threshold(cupy_on_host, step_arguments, accelerated, positive):
    product, correlation, code, extrapolated, momentum = step_arguments
    product[2, 3] = np.nan
    cupy_on_host().proximal_step(
        product, correlation, code, extrapolated, momentum if accelerated else None, 0.1,
        L1(1.0, positive),
    )  # fmt: skip
    assert np.isnan(code[2, 3])
    assert not np.isnan(code[3]).any()


def test_penalty_without_a_rule_goes_to_the_reference(no_launch, step_arguments):
    kernels = no_launch.proximal_step, reference.proximal_step
    assert_same_call(kernels, step_arguments, 0.1, Elastic())


def test_rule_without_a_functor_goes_to_the_reference(no_launch, lasso):
    lasso = lasso._replace(rule=Unheard(1.0))
    code, expected = np.zeros((2, N_ROWS, N_ATOMS))
    no_launch.coordinate_descent(lasso, code, 0.0, 2)
    reference.coordinate_descent(lasso, expected, 0.0, 2)
    assert_array_equal(code, expected)
    assert code.any()


def test_codes_in_another_order_go_to_the_reference(no_launch, step_arguments):
    arguments = [*map(np.asfortranarray, step_arguments[:4]), step_arguments[4]]
    assert_same_call((no_launch.proximal_step, reference.proximal_step), arguments, 0.1, L1(1.0))


def test_momentum_of_another_type_goes_to_the_reference(no_launch, step_arguments):
    arguments = [array.astype(np.float32) for array in step_arguments[:4]] + step_arguments[4:]
    assert_same_call((no_launch.proximal_step, reference.proximal_step), arguments, 0.1, L1(1.0))


@pytest.mark.parametrize(
    ("kernel", "n_parameters"),
    [("shrink_preactivation", 2), ("tanh_preactivation", 2), ("smooth_shrink_preactivation", 3)],
)
def test_preactivations_in_another_order_go_to_the_reference(no_launch, kernel, n_parameters):
    rng = np.random.default_rng(0)
    preactivation = np.asfortranarray(rng.standard_normal((N_ROWS, N_ATOMS)))
    parameters = rng.uniform(0.5, 1, (n_parameters, N_ATOMS))
    kernels = getattr(no_launch, kernel), getattr(reference, kernel)
    assert_same_call(kernels, [preactivation, *parameters])


@pytest.mark.parametrize(
    ("module", "limit"), [(_launch, "MAX_SHARED_BYTES"), (_dictionary, "LARGEST_DICTIONARY")]
)
def test_dictionaries_that_are_too_large_go_to_the_reference(
    no_launch, monkeypatch, dictionary, module, limit
):
    monkeypatch.setattr(module, limit, 1000)
    code = np.random.default_rng(0).standard_normal((200, N_ATOMS))
    moments = code.T @ code, code.T @ np.random.default_rng(1).standard_normal((200, 64))
    atoms = dictionary[:N_ATOMS]
    assert_same_call((no_launch.update_atoms, reference.update_atoms), [atoms, *moments])


@pytest.mark.parametrize("n_features", [1, 700, 1500])
def test_atoms_of_any_length_fit_the_threads(cupy_on_host, n_features):
    """Several threads per feature, one thread, and several features per thread."""
    rng = np.random.default_rng(0)
    code = rng.standard_normal((50, 5))
    atoms = rng.standard_normal((5, n_features))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    moments = code.T @ code, code.T @ rng.standard_normal((50, n_features))
    expected = atoms.copy()
    cupy_on_host().update_atoms(atoms, *moments)
    reference.update_atoms(expected, *moments)
    assert_allclose(atoms, expected, atol=1e-13)  # entries below one, sums of five terms


def test_an_atom_that_would_vanish_stays(cupy_on_host, dictionary):
    atoms = dictionary[:1].copy()
    cupy_on_host().update_atoms(atoms, np.ones((1, 1)), np.zeros((1, 64)))  # d + (0 - d) / 1
    assert_array_equal(atoms, dictionary[:1])


def test_parameters_may_be_one_number_for_all(cupy_on_host):
    preactivation = np.random.default_rng(0).standard_normal((N_ROWS, N_ATOMS))
    expected = reference.shrink_preactivation(preactivation.copy(), 0.5, 0.25)
    shrunk = cupy_on_host().shrink_preactivation(preactivation, 0.5, 0.25)
    assert_allclose(shrunk, expected, atol=1e-15)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("n_columns", [1, 16, 37, 64, 65, 1100])
def test_uniform_numbers_are_the_reference_s_to_the_last_bit(cupy_on_host, dtype, n_columns, host):
    """Also if a thread computes several blocks of the counter, and if a group is incomplete."""
    result, expected = np.full((2, N_ROWS, n_columns), np.nan, dtype)
    assert cupy_on_host(**host).uniform(result, KEY) is result
    assert_array_equal(result, reference.uniform(expected, KEY))


def test_normal_numbers_are_made_of_the_fused_uniform_ones(cupy_on_host, no_launch):
    mean, deviation = np.zeros((N_ROWS, N_ATOMS)), np.linspace(1, 2, N_ATOMS)
    with pytest.raises(AssertionError, match="units was launched"):
        no_launch.add_normal(mean, deviation, KEY)
    expected = reference.add_normal(mean.copy(), deviation, KEY)
    assert_array_equal(cupy_on_host().add_normal(mean, deviation, KEY), expected)


@pytest.fixture
def layers(dtype):
    """Fields that determine some units but not others, and biases."""
    rng = np.random.default_rng(0)
    field = 3 * rng.standard_normal((N_ROWS, 150))
    field[:, :4] = 1000, -1000, 90, -90
    return field.astype(dtype), rng.standard_normal(150).astype(dtype)


def roundings_of_odds(dtype):
    """exp(x) multiplies the rounding errors of x, a sum and a product, by x."""
    return 4 * np.log(np.finfo(dtype).max) * np.finfo(dtype).eps


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("wants_mean", [False, True])
def test_draws_are_the_reference_s(cupy_on_host, layers, wants_mean, host):
    """No unit is within rounding of its random number."""
    field, bias = layers
    mean, expected_mean = np.zeros((2, *field.shape), field.dtype) if wants_mean else (None, None)
    expected = reference.bernoulli_sample(field.copy(), bias, 0.7, KEY, expected_mean)
    assert cupy_on_host(**host).bernoulli_sample(field, bias, 0.7, KEY, mean) is field
    assert_array_equal(field, expected)
    assert_array_equal(np.unique(field), [0, 1])
    if wants_mean:
        assert_allclose(mean, expected_mean, rtol=roundings_of_odds(field.dtype))


def test_means_at_the_ends_are_the_reference_s(cupy_on_host, layers):
    """Relative to their size, which is positive even if exponents are clipped."""
    field, bias = layers
    expected = reference.bernoulli_mean(field.copy(), bias, 1.0)
    mean = cupy_on_host().bernoulli_mean(field, bias, 1.0)
    assert_allclose(mean, expected, rtol=roundings_of_odds(field.dtype))
    assert 0 < mean.min()


@pytest.mark.parametrize("host", HOSTS)
def test_softplus_sums_are_the_reference_s(cupy_on_host, layers, host):
    field, bias = layers
    field = np.asfortranarray(field)  # only read, so that any layout is allowed
    sums = cupy_on_host(**host).softplus_sums(field, bias, 0.7)
    assert sums.dtype == field.dtype
    # a sum of size 1000, of 150 terms
    assert_allclose(sums, reference.softplus_sums(field, bias, 0.7),
                    rtol=150 * np.finfo(field.dtype).eps)  # fmt: skip


def test_a_nan_is_no_probability(cupy_on_host, layers):
    field, bias = layers
    field[2, 3] = np.nan
    backend, mean = cupy_on_host(), np.zeros_like(field)
    assert np.isnan(backend.softplus_sums(field, bias)[2])
    backend.bernoulli_sample(field.copy(), bias, 1.0, KEY, mean)
    backend.bernoulli_mean(field, bias)
    for result in (field, mean):
        assert_array_equal(np.argwhere(np.isnan(result)), [[2, 3]])


@pytest.fixture
def ascent(dtype):
    """Return weights, their velocity, and the states of both layers."""
    rng = np.random.default_rng(0)
    left, right = (rng.random((N_ROWS, size)) < 0.5 for size in (7, N_ATOMS))
    weights, velocity = rng.standard_normal((2, 7, N_ATOMS)).astype(dtype)
    share = rng.standard_normal(N_ROWS).astype(dtype)
    return weights, velocity, Ascent(left.astype(dtype), right.astype(dtype), share, 0.1, 0.9, 0.2)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("in_place", [False, True])
def test_ascent_is_the_reference_s(cupy_on_host, ascent, in_place, host):
    weights, velocity, states = ascent
    moved, expected_velocity = weights.copy(), velocity.copy()
    expected = reference.ascend(moved, expected_velocity, states)
    result, before = (None if in_place else np.zeros_like(weights)), weights.copy()
    largest = cupy_on_host(**host).ascend(weights, velocity, states, result)
    tolerance = {"rtol": 0, "atol": 16 * np.finfo(weights.dtype).eps}  # sums of size one
    assert_allclose(velocity, expected_velocity, **tolerance)
    assert_allclose(weights if in_place else result, moved, **tolerance)
    assert_allclose(largest, expected, **tolerance)
    if not in_place:
        assert_array_equal(weights, before)


def test_gibbs_steps_draw_by_fused_kernels(cupy_on_host, no_launch, dtype):
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((7, N_ATOMS)).astype(dtype)
    biases = tuple(rng.standard_normal(size).astype(dtype) for size in weights.shape)
    states = [(rng.random((N_ROWS, size)) < 0.5).astype(dtype) for size in (N_ATOMS, 7)]
    keys, mean = (KEY, KEY._replace(draw=2)), np.zeros((N_ROWS, N_ATOMS), dtype)
    expected, expected_mean = [state.copy() for state in states], mean.copy()
    with pytest.raises(AssertionError, match="units was launched"):
        no_launch.gibbs_step(*(state.copy() for state in states), weights, biases, keys, mean)
    reference.gibbs_step(*expected, weights, biases, keys, expected_mean)
    assert cupy_on_host().gibbs_step(*states, weights, biases, keys, mean) is states[1]
    for state, other in zip(states, expected, strict=True):
        assert_array_equal(state, other)
    assert_allclose(mean, expected_mean, rtol=64 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", ["uniform", "bernoulli_mean", "bernoulli_sample", "ascend"])
def test_rows_that_are_apart_go_to_the_reference(no_launch, layers, ascent, name):
    field, bias = (np.asfortranarray(array) for array in layers)
    weights, velocity, states = ascent
    arguments, rest = {
        "uniform": ([field], (KEY,)),
        "bernoulli_mean": ([field, bias], (0.7,)),
        "bernoulli_sample": ([field, bias], (0.7, KEY)),
        "ascend": ([np.asfortranarray(weights), velocity], (states,)),
    }[name]
    assert_same_call((getattr(no_launch, name), getattr(reference, name)), arguments, *rest)


def test_means_whose_rows_are_apart_go_to_the_reference(no_launch, layers):
    mean = np.zeros_like(layers[0], order="F")
    kernels = no_launch.bernoulli_sample, reference.bernoulli_sample
    assert_same_call(kernels, layers, 0.7, KEY, mean)
    assert mean.any()


def test_sums_in_half_precision_go_to_the_reference(no_launch, layers):
    field, bias = (array.astype(np.float16) for array in layers)
    sums = no_launch.softplus_sums(field, bias)
    assert_array_equal(sums, reference.softplus_sums(field, bias))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["correlate", "synthesize", "correlate_kernels"])
def test_convolutions_fill_a_result_in_any_order_and_of_any_number_of_images(
    no_launch, monkeypatch, name, order
):
    monkeypatch.setattr(_convolution, "WINDOW_NUMBERS", 1000)  # two images at a time
    rng = np.random.default_rng(0)
    images, kernels = rng.standard_normal((5, 6, 7, 2)), rng.standard_normal((3, 3, 2, 2))
    maps, border = rng.standard_normal((5, 6, 7, 3)), BORDERS["same"](kernels.shape[1:])
    first, second, result = {
        "correlate": (images, kernels, maps),
        "synthesize": (maps, kernels, images),
        "correlate_kernels": (maps, images, kernels),
    }[name]
    expected, result = result.copy(), result.copy(order=order)
    assert getattr(no_launch, name)(first, second, border, result) is result
    getattr(reference, name)(first, second, border, expected)
    assert_allclose(result, expected, atol=1e-13)  # of size ten, in another order


@pytest.mark.parametrize("name", ["local_correlate", "local_synthesize", "local_correlate_kernels"])
def test_products_of_local_filters_go_to_the_reference_if_rows_are_apart(no_launch, name):
    rng, places = np.random.default_rng(0), Places(1, (1, 0))
    images, kernels = rng.standard_normal((2, 5, 6, 2)), rng.standard_normal((2, 3, 3, 2, 2))
    maps = rng.standard_normal((2, 3, 5))
    first, second, result = {
        "local_correlate": (images, kernels, maps),
        "local_synthesize": (maps, kernels, images),
        "local_correlate_kernels": (maps, images, kernels),
    }[name]
    expected, result = result.copy(), result.copy(order="F")
    assert getattr(no_launch, name)(first, second, places, result) is result
    getattr(reference, name)(first, second, places, expected)
    assert_allclose(result, expected, atol=1e-13)
