"""Optimizers compared with their formulas."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import resolve_backend
from sklearn_ebm.backends.numba import _launcher
from sklearn_ebm.backends.numba._adam import SMALLEST_PIECE
from sklearn_ebm.learning._optimizers import OPTIMIZERS

RATE = 0.1
backends = pytest.mark.parametrize("backend", ["numpy", "numba"])
optimizers = pytest.mark.parametrize("name", OPTIMIZERS)


def start(dtype=float):
    random = np.random.default_rng(0)
    return {
        "weights": random.standard_normal((4, 3)).astype(dtype),
        "bias": random.standard_normal(3).astype(dtype),
    }


def gradients(parameters, n_steps):
    random = np.random.default_rng(1)
    return [
        {
            name: random.standard_normal(value.shape).astype(value.dtype)
            for name, value in parameters.items()
        }
        for _ in range(n_steps)
    ]


def after(name, backend, n_steps=5, rates=None, dtype=float, **options):
    """Return the parameters after some steps, and their gradients."""
    parameters = start(dtype)
    made = gradients(parameters, n_steps)
    optimizer = OPTIMIZERS[name](parameters, **options)
    for gradient, rate in zip(made, rates or [RATE] * n_steps, strict=True):
        optimizer.step(gradient, resolve_backend(backend, parameters["weights"]), rate)
    return parameters, made


@backends
def test_adam_follows_its_algorithm(backend):
    """Kingma & Ba 2015, as at the end of section 2: epsilon is added to the biased root."""
    parameters, made = after("adam", backend, epsilon=1e-8)
    for name, value in start().items():
        first = second = np.zeros_like(value)
        for n, gradient in enumerate((each[name] for each in made), 1):
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            rate = RATE * np.sqrt(1 - 0.999**n) / (1 - 0.9**n)
            value = value - rate * first / (np.sqrt(second) + 1e-8)
        assert_allclose(parameters[name], value, rtol=1e-10)


def test_threads_share_the_entries_of_a_large_parameter(monkeypatch):
    """Each entry moves on its own, so the result is the same, bit for bit."""
    random = np.random.default_rng(0)
    shape = 5, SMALLEST_PIECE
    first, gradient = random.standard_normal(shape), random.standard_normal(shape)
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(_launcher, "n_threads", lambda count=threads: count)
        parameters = {"weights": first.copy()}
        optimizer = OPTIMIZERS["adam"](parameters)
        optimizer.step({"weights": gradient}, resolve_backend("numba", first), RATE)
        results.append(parameters["weights"])
    assert_array_equal(*results)
    assert_allclose(first - results[0], RATE * np.sign(gradient), rtol=1e-6)  # of a first step


@backends
def test_the_epsilon_of_adam_holds_back_steps_of_small_gradients(backend):
    """The first step is rate g / (|g| + epsilon'), with epsilon' = epsilon / sqrt(1 - 0.999)."""
    parameters = {"weights": np.zeros((1, 3))}
    gradient = {"weights": np.array([[1e-8, 1e-3, 10.0]])}
    optimizer = OPTIMIZERS["adam"](parameters, epsilon=1e-8)
    optimizer.step(gradient, resolve_backend(backend, parameters["weights"]), RATE)
    small, middle, large = -parameters["weights"][0] / RATE
    assert small < 0.6
    assert_allclose([middle, large], 1, rtol=1e-3)


@backends
def test_gradient_descent_keeps_a_share_of_its_last_step(backend):
    parameters, made = after("sgd", backend, momentum=0.5)
    for name, value in start().items():
        velocity = 0
        for gradient in (each[name] for each in made):
            velocity = 0.5 * velocity - RATE * gradient
            value = value + velocity
        assert_allclose(parameters[name], value, rtol=1e-12)


@backends
@optimizers
def test_parameters_change_in_place_and_keep_their_type(backend, name, dtype):
    parameters = start(dtype)
    held = dict(parameters)
    optimizer = OPTIMIZERS[name](parameters, decay=0.1)
    optimizer.step(
        gradients(parameters, 1)[0], resolve_backend(backend, parameters["weights"]), RATE
    )
    for key, value in held.items():
        assert parameters[key] is value
        assert value.dtype == dtype
        assert np.all(value != start(dtype)[key])


@optimizers
def test_a_scale_is_a_factor_of_the_learning_rate(name):
    """Steps are proportional to the rate; with zero, parameters are bit-identical."""
    whole, _ = after(name, "numpy")
    scaled, _ = after(name, "numpy", scales={"weights": 0.25, "bias": 0.0})
    begun = start()
    moved = (whole["weights"] - begun["weights"], scaled["weights"] - begun["weights"])
    assert_allclose(moved[1], moved[0] / 4, rtol=1e-9)
    assert_array_equal(scaled["bias"], begun["bias"])


@optimizers
def test_units_are_those_that_a_parameter_would_be_measured_in(name):
    """With p = 8 q, the gradient by q is 8 times that by p; both converge to the same value."""
    ends = []
    for unit in (1.0, 8.0):
        parameters = {key: value * unit for key, value in start().items()}
        optimizer = OPTIMIZERS[name](parameters, decay=0.5, units={"weights": unit})
        for gradient in gradients(start(), 3):
            by_unit = {key: value / unit for key, value in gradient.items()}
            optimizer.step(by_unit, resolve_backend("numpy", parameters["weights"]), RATE)
        ends.append(parameters["weights"] / unit)
    assert_allclose(*ends, rtol=1e-9)


@optimizers
def test_a_rate_of_zero_changes_nothing_in_the_first_step(name):
    parameters, _ = after(name, "numpy", n_steps=1, rates=[0.0], decay=0.5)
    for key, value in start().items():
        assert_array_equal(parameters[key], value)


@optimizers
def test_weights_decay_apart_from_the_gradient_and_biases_do_not(name):
    """Without gradients, weights shrink by 1 - rate scale decay per step; biases do not change."""
    parameters = start()
    optimizer = OPTIMIZERS[name](parameters, {"weights": 0.5}, decay=2.0)
    nothing = {key: np.zeros_like(value) for key, value in parameters.items()}
    for rate in (RATE, RATE / 4):
        optimizer.step(nothing, resolve_backend("numpy", parameters["weights"]), rate)
    begun = start()
    shrunk = begun["weights"] * (1 - RATE * 0.5 * 2) * (1 - RATE * 0.5 * 0.25 * 2)
    assert_allclose(parameters["weights"], shrunk, rtol=1e-12)
    assert_array_equal(parameters["bias"], begun["bias"])


@backends
@optimizers
@pytest.mark.parametrize(
    "view", [np.asfortranarray, lambda value: np.repeat(value, 2, axis=-1)[..., ::2]]
)
def test_the_layout_of_a_parameter_makes_no_difference(backend, name, view):
    """Flat arrays of parameters that are not contiguous would be copies, which no step changes."""
    expected, _ = after(name, backend)
    parameters = {key: view(value) for key, value in start().items()}
    optimizer = OPTIMIZERS[name](parameters)
    for gradient in gradients(parameters, 5):
        optimizer.step(gradient, resolve_backend(backend, parameters["weights"]), RATE)
    for key, value in expected.items():
        assert_allclose(parameters[key], value, rtol=1e-12)
