"""All encoders of the registry: gradients, kernels, constraints, initial parameters."""

import importlib
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.factors import ENCODERS, L1, UNROLLED_ENCODERS, LinearDecoder, SparseEnergy, Tape
from sklearn_ebm.factors.encoders import Scale, ShrinkageEncoder, SmoothShrinkageEncoder
from sklearn_ebm.factors.encoders._smooth_shrinkage import SMALLEST_SLOPE
from sklearn_ebm.solvers._proximal import ista

N_SAMPLES, N_FEATURES, N_COMPONENTS = 7, 5, 4
ALLOWED_FROM = {"threshold": 0, "location": 0, "slope": SMALLEST_SLOPE}
FAR = 1e4  # exp of it, or of it times a slope, overflows in both dtypes


class Form(NamedTuple):
    """An encoder of the registry, and the options of its architecture."""

    name: str
    options: dict

    def first(self, dictionary, lipschitz, alpha):
        return ENCODERS[self.name].from_dictionary(dictionary, lipschitz, alpha, **self.options)


def unfolded(name):
    """Forms of an unrolled encoder; greedy coordinate descent is always tied."""
    ties = (True,) if name == "lcod" else (True, False)
    return [Form(name, {"n_steps": n, "tied": tied}) for tied in ties for n in (0, 1, 3)]


FORMS = [
    form
    for name in ENCODERS
    for form in (unfolded(name) if name in UNROLLED_ENCODERS else [Form(name, {})])
]
forms = pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.name} {form.options}")
backends = pytest.mark.parametrize("backend", ["numpy", "numba"])


def _module(backend):
    return importlib.import_module(f"sklearn_ebm.backends.{backend}")


@pytest.fixture
def X():
    return np.random.default_rng(1).standard_normal((N_SAMPLES, N_FEATURES))


def _make(form, dtype=np.float64):
    """Return an encoder with generic parameters near its initial ones, without zero gradients."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((N_COMPONENTS, N_FEATURES)) / N_FEATURES**0.5
    encoder = form.first(rows, lipschitz=1.5, alpha=0.4)
    for value in encoder.parameters.values():
        value += 0.1 * random.uniform(size=value.shape)
    return encoder.astype(np.dtype(dtype))


@forms
@pytest.mark.parametrize("n_samples", [0, 1, 3000])
def test_fused_codes_are_those_of_the_reference(form, dtype, n_samples):
    encoder = _make(form, dtype)
    X = np.random.default_rng(3).standard_normal((n_samples, N_FEATURES)).astype(dtype)
    X.setflags(write=False)
    fused = encoder.on(_module("numba")).forward(X)
    expected = encoder.on(reference).forward(X)
    assert fused.dtype == expected.dtype == dtype
    # Both round the same few operations on numbers of size one (10 in the smooth shrinkage).
    assert_allclose(fused, expected, rtol=0, atol=50 * np.finfo(dtype).eps)


@forms
def test_fused_gradients_are_those_of_the_reference(form, dtype):
    encoder = _make(form, dtype)
    rng = np.random.default_rng(4)
    X = rng.standard_normal((5000, N_FEATURES)).astype(dtype)  # several pieces
    code_gradient = np.asfortranarray(rng.standard_normal((5000, N_COMPONENTS)).astype(dtype))

    def gradients_on(backend):
        tape = Tape()
        encoder.on(backend).forward(X, tape)
        return encoder.backward(tape, code_gradient)

    dx, gradients = gradients_on(_module("numba"))
    expected_dx, expected = gradients_on(reference)
    tolerance = 500 * np.finfo(dtype).eps  # of exponentials of numbers up to 50
    assert_allclose(dx, expected_dx, rtol=0, atol=tolerance * np.abs(expected_dx).max())
    assert {*gradients} == {*expected}
    for name, gradient in gradients.items():
        scale = np.abs(expected[name]).max(initial=1)
        assert_allclose(gradient, expected[name], rtol=0, atol=tolerance * scale, err_msg=name)


@forms
def test_project_keeps_the_constraints_and_moves_nothing_else(form):
    encoder = _make(form)
    for value in encoder.parameters.values():
        value -= 20 * (np.arange(value.size) % 2).reshape(value.shape)  # every second one far below
    before = {name: value.copy() for name, value in encoder.parameters.items()}
    encoder.project()
    for name, value in encoder.parameters.items():
        assert_array_equal(value, np.maximum(before[name], ALLOWED_FROM.get(name, -np.inf)), name)


@forms
def test_filters_are_what_each_component_looks_for(form, X):
    """The encoder depends on X only through its filters: on their responses, W is the identity."""
    if not form.options.get("tied", True):
        form = Form(form.name, {**form.options, "n_steps": 0})  # later steps have their own weights
    encoder = _make(form)
    repeats = encoder.parameters["weights"].shape[:-2]  # none, or one for untied weights
    weights = np.broadcast_to(np.eye(N_COMPONENTS), (*repeats, N_COMPONENTS, N_COMPONENTS))
    on_responses = type(encoder)({**encoder.parameters, "weights": weights}, **encoder.settings)
    response = X @ encoder.filters.T
    codes = on_responses.on(reference).forward(response)
    assert_array_equal(codes, encoder.on(reference).forward(X))


@backends
def test_smooth_shrinkage_never_overflows(dtype, backend):
    u = np.array([-FAR, -1.0, 0.0, 1.0, FAR], dtype=dtype)[:, None]
    one = np.ones(1, dtype=dtype)
    parameters = {"weights": one[:, None], "bias": 0 * one, "slope": 100 * one, "location": one}
    encoder = SmoothShrinkageEncoder(parameters)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        tape = Tape()
        code = encoder.on(_module(backend)).forward(u, tape)
        input_gradient, gradients = encoder.backward(tape, np.ones_like(code))
    # For large |u| it is sign(u) (|u| - location); at |u| = location, log(2) / slope is added.
    expected = [1 - FAR, -np.log(2) / 100, 0, np.log(2) / 100, FAR - 1]
    assert_allclose(code[:, 0], expected, rtol=1e-4, atol=10 * np.finfo(dtype).eps)
    # Rounding of the logarithm 1e6, exponentiated: 0.12 in float32.
    assert_allclose(input_gradient[:, 0], [1, 0.5, 0, 0.5, 1], atol=0.15)
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients.values())


def test_smooth_shrinkage_is_the_formula_of_the_paper():
    u, slope, location = np.linspace(-3, 3, 41)[:, None], 2.0, 0.7
    total = np.exp(slope * location) + np.exp(slope * np.abs(u)) - 1
    expected = np.sign(u) * (np.log(total) / slope - location)
    one = np.ones(1)
    code = reference.smooth_shrink_preactivation(u.copy(), 0 * one, slope * one, location * one)
    assert_allclose(code, expected, atol=1e-13)


def test_first_shrinkage_encoder_is_the_first_ista_step(patches, dictionary):
    decoder, penalty = LinearDecoder(dictionary), L1(1.0)
    encoder = ShrinkageEncoder.from_dictionary(dictionary, decoder.lipschitz, penalty.alpha)
    problem = SparseEnergy(decoder, penalty).problem(patches)
    code, _, _ = ista(problem, tol=0.0, max_iter=1, backend=reference)
    assert_allclose(encoder.forward(patches), code, atol=1e-13)
    assert 0.01 < np.mean(code != 0) < 0.9  # neither all zero nor all non-zero


@forms
def test_first_parameters_are_allowed_and_own_their_memory(form, dictionary):
    encoder = form.first(dictionary, lipschitz=4.0, alpha=1.0)
    before = {name: value.copy() for name, value in encoder.parameters.items()}
    encoder.project()
    for name, value in encoder.parameters.items():
        assert_array_equal(value, before[name])
        assert not np.shares_memory(value, dictionary)


def _in_units(form, dictionary, unit, norm=1.0):
    """Return the initial encoder for data in another unit, and atoms of another norm."""
    rows = norm * dictionary
    lipschitz, scale = LinearDecoder(rows).lipschitz, Scale.of(rows, unit)
    return ENCODERS[form.name].from_dictionary(
        rows, lipschitz, unit * norm * 0.4, scale=scale, **form.options
    )


@forms
@pytest.mark.parametrize(("unit", "norm"), [(2.0**20, 1.0), (2.0**-20, 1.0), (1.0, 2.0**10)])
def test_parameters_in_proportion_to_their_units_give_codes_in_proportion(
    form, patches, dictionary, unit, norm
):
    """Codes scale with the data and with the inverse norm of atoms; so do trained parameters."""
    plain, scaled = _in_units(form, dictionary, 1.0), _in_units(form, dictionary, unit, norm)
    for name, value in plain.parameters.items():
        ratio = scaled.scales.get(name, 1.0) / plain.scales.get(name, 1.0)
        value += (
            0.01 * plain.scales.get(name, 1.0) * np.cos(np.arange(value.size)).reshape(value.shape)
        )
        scaled.parameters[name][...] = ratio * value
    code = scaled.forward(unit * patches[:20])
    assert_allclose(code, unit / norm * plain.forward(patches[:20]), rtol=1e-9)


@forms
def test_first_parameters_are_in_proportion_to_their_units(form, dictionary):
    plain, scaled = _in_units(form, dictionary, 1.0), _in_units(form, dictionary, 2.0**-20, 2.0**5)
    for name, value in plain.parameters.items():
        ratio = scaled.scales.get(name, 1.0) / plain.scales.get(name, 1.0)
        assert_allclose(scaled.parameters[name], ratio * value, rtol=1e-9, err_msg=name)
        tuned, expected = (each.rescaled().scales.get(name, 1.0) for each in (scaled, plain))
        assert_allclose(tuned / expected, ratio, rtol=1e-9)


@forms
def test_tuning_measures_weights_by_the_size_that_they_have(form, dictionary):
    """Weights are twice as large, and so are their units; an unrolled encoder keeps its units."""
    encoder = _in_units(form, dictionary, 1.0)
    before = encoder.rescaled().scales
    encoder.parameters["weights"] *= 2
    factor = 1.0 if form.name in UNROLLED_ENCODERS else 2.0
    for name, unit in encoder.rescaled().scales.items():
        expected = unit if name in encoder.apart else factor * before[name]
        assert_allclose(unit, expected, rtol=1e-12, err_msg=name)
