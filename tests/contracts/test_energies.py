"""Every energy satisfies the contract of `sklearn_ebm.protocols.Energy`."""

import copy
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp

from sklearn_ebm.backends import numba
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import Key
from sklearn_ebm.factors import (
    CONVOLUTIONAL_ENCODERS,
    ENCODERS,
    ENERGIES,
    L1,
    MODEL_ENERGIES,
    BernoulliUnits,
    BilinearEnergy,
    CategoricalUnits,
    ConvolutionalDecoder,
    ExpertEnergy,
    GaussianUnits,
    LinearDecoder,
    ReconstructionEnergy,
    SparseEnergy,
)
from sklearn_ebm.factors.energies._reconstruction import random_values
from sklearn_ebm.factors.units import Standardized
from sklearn_ebm.inputs._categories import Categories
from sklearn_ebm.protocols import offers, require
from sklearn_ebm.solvers import solve_lasso
from tests.differences import finite_differences

N_SAMPLES, N_FEATURES, N_COMPONENTS = 3, 6, 4
IMAGE, KERNELS = (3, 2), (2, 2, 2, 1)
ALPHA, BETA = 0.3, 0.7


class Case(NamedTuple):
    """A factory of an energy in a dtype, samples in float64, a mask, and whether it has codes."""

    make: Callable
    x: Any
    mask: Any = None
    has_code: bool = True

    def energy(self, dtype="float64"):
        return self.make(np.random.default_rng(0), np.dtype(dtype))

    @property
    def options(self):
        return {} if self.mask is None else {"mask": self.mask}

    @property
    def weight(self):
        return np.random.default_rng(3).uniform(-1, 2, len(self.x))

    def inferred(self, energy, x):
        """Return optimal codes, or hidden units between 0 and 1; None for energies of x alone."""
        if not self.has_code:
            return None
        if not offers(energy, "problem"):
            shape = len(x), energy.weights.shape[1]
            return np.random.default_rng(4).uniform(size=shape).astype(x.dtype)
        problem = energy.problem(x, **self.options)
        solver = "active_set" if offers(problem, "gram") else "fista"
        return solve_lasso(
            problem, solver=solver, tol=1e-14, max_iter=20_000, backend=reference
        ).code


def atoms(random, shape):
    rows = random.standard_normal(shape)
    return rows / np.sqrt(np.sum(rows**2, axis=tuple(range(1, rows.ndim)), keepdims=True))


def linear(random, dtype, encoder=None):
    dictionary = atoms(random, (N_COMPONENTS, N_FEATURES)).astype(dtype)
    decoder = LinearDecoder(dictionary)
    if encoder is None:
        return SparseEnergy(decoder, L1(ALPHA))
    f = ENCODERS[encoder].from_dictionary(dictionary, decoder.lipschitz, ALPHA)
    return SparseEnergy(decoder, L1(ALPHA), BETA, f)


def convolutional(random, dtype, encoder=None):
    kernels = atoms(random, KERNELS).astype(dtype)
    decoder = ConvolutionalDecoder(kernels, IMAGE)
    if encoder is None:
        return SparseEnergy(decoder, L1(ALPHA))
    f = CONVOLUTIONAL_ENCODERS[encoder].from_dictionary(
        kernels, decoder.lipschitz, ALPHA, image_shape=IMAGE, border="full"
    )
    return SparseEnergy(decoder, L1(ALPHA), BETA, f)


def machine(random, dtype, kind="bernoulli", coordinates=None):
    bias = random.normal(-0.3, 1, N_FEATURES)
    units = BernoulliUnits(bias)
    if kind == "categorical":
        units = CategoricalUnits(bias, categories=Categories((2, N_FEATURES - 2)))
    if kind == "gaussian":
        units = GaussianUnits(bias, np.log(random.uniform(0.3, 2, N_FEATURES)))
    if coordinates is not None:
        units = GaussianUnits(bias, units.log_variance, coordinates=coordinates)
    weights = random.standard_normal((N_FEATURES, N_COMPONENTS))
    return BilinearEnergy(units, weights, random.standard_normal(N_COMPONENTS)).astype(dtype)


def auto_encoder(random, dtype, activation, loss, is_tied):
    shape = N_FEATURES, N_COMPONENTS
    values = random_values(shape, activation, is_tied, np.random.RandomState(0))
    drawn = {name: value + random.normal(0, 0.3, value.shape) for name, value in values.items()}
    return ReconstructionEnergy.of(drawn, activation, loss).astype(dtype)


def of_input(random, dtype, first, n_components=N_COMPONENTS, exact=False):
    """Return an energy of x alone with parameters that are not those of the start."""
    mean, drawn = random.normal(0, 0.3, N_FEATURES), np.random.RandomState(0)
    energy = first(N_FEATURES, n_components, mean, drawn, exact=exact, scale=1.3)
    for value in energy.parameters.values():
        value += random.normal(0, 0.3, value.shape)
    return energy.astype(dtype)


def made(function, **options):
    return lambda random, dtype: function(random, dtype, **options)


RANDOM = np.random.default_rng(2)
ROWS = RANDOM.standard_normal((N_SAMPLES, N_FEATURES))
IMAGES = RANDOM.standard_normal((2, np.prod(IMAGE)))
ROW_MASK, IMAGE_MASK = ((RANDOM.random(x.shape) < 0.8).astype(float) for x in (ROWS, IMAGES))
PLACED = Standardized(RANDOM.normal(0, 3, N_FEATURES), RANDOM.uniform(0.5, 3, N_FEATURES))
BINARY = ("ising", "rbm")
BINARY_ENERGIES = {
    **{name: {"first": MODEL_ENERGIES[name]} for name in BINARY},
    "rbm, wide": {"first": MODEL_ENERGIES["rbm"], "n_components": 8},
}
FULL = {"precision": 0.7, "bias": True}
INPUT_ENERGIES = {
    **{name: {"first": MODEL_ENERGIES[name]} for name in MODEL_ENERGIES if name not in BINARY},
    "student_t, square": {"first": MODEL_ENERGIES["student_t"], "n_components": None},
    "student_t, quadratic": {"first": ExpertEnergy(**FULL).first},
    "student_t, groups": {"first": ExpertEnergy(groups=3, **FULL).first},
    "student_t, map": {"first": ExpertEnergy(map_shape=(3, 3)).first, "n_components": 9},
    "l2, overlapping": {"first": ExpertEnergy("l2", groups=[[0, 1, 2], [2], [3, 0]]).first},
    "l2, exact": {
        "first": ExpertEnergy("l2", groups=2, bias=True).first,
        "n_components": None,
        "exact": True,
    },
}
CASES = {
    "sparse": Case(linear, ROWS),
    "sparse, masked": Case(linear, ROWS * ROW_MASK, ROW_MASK),
    "sparse, predicted": Case(made(linear, encoder="tanh"), ROWS),
    "sparse, predicted by LISTA": Case(made(linear, encoder="lista"), ROWS),
    "sparse, masked and predicted": Case(made(linear, encoder="tanh"), ROWS * ROW_MASK, ROW_MASK),
    "convolutional": Case(convolutional, IMAGES),
    "convolutional, masked": Case(convolutional, IMAGES * IMAGE_MASK, IMAGE_MASK),
    "convolutional, predicted": Case(made(convolutional, encoder="tanh"), IMAGES),
    "bilinear, bernoulli": Case(machine, (ROWS > 0).astype(float)),
    "bilinear, categorical": Case(made(machine, kind="categorical"), ROWS),
    "bilinear, gaussian": Case(made(machine, kind="gaussian"), ROWS),
    "bilinear, standardized": Case(made(machine, kind="gaussian", coordinates=PLACED), 3 * ROWS),
    "reconstruction, tied": Case(
        made(auto_encoder, activation="sigmoid", loss="cross_entropy", is_tied=True),
        RANDOM.uniform(size=ROWS.shape),
        has_code=False,
    ),
    "reconstruction, untied": Case(
        made(auto_encoder, activation="tanh", loss="squared_error", is_tied=False),
        ROWS,
        has_code=False,
    ),
    **{
        f"of x, {name}": Case(made(of_input, **options), ROWS, has_code=False)
        for name, options in INPUT_ENERGIES.items()
    },
    **{
        f"of binary x, {name}": Case(
            made(of_input, **options), (ROWS > 0).astype(float), has_code=False
        )
        for name, options in BINARY_ENERGIES.items()
    },
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def chosen(*prefixes):
    return [pytest.param(CASES[name], id=name) for name in CASES if name.startswith(prefixes)]


smooth = pytest.mark.parametrize("case", chosen("of x"))
binary = pytest.mark.parametrize("case", chosen("of binary x"))
inputs = pytest.mark.parametrize("case", chosen("of x", "of binary x"))
machines = pytest.mark.parametrize("case", chosen("bilinear"))
backends = pytest.mark.parametrize("backend", [reference, numba], ids=lambda each: each.name)
# Central differences have an error of 1e-9, times weights and sums of a few tens of numbers.
DIFFERENCES = {"rtol": 1e-6, "atol": 1e-7}


def test_every_energy_of_the_package_is_tested():
    assert {type(case.energy()) for case in CASES.values()} == {*ENERGIES.values()}


@cases
@backends
def test_parameter_gradients_are_those_of_finite_differences(case, backend):
    """For fixed z. Weights of samples may be negative, as in contrastive learning."""
    energy, x, weight = case.energy().on(backend), case.x, case.weight
    z = case.inferred(energy, x)
    gradients = energy.parameter_gradients(x, z, weight, **case.options)
    assert gradients.keys() == energy.parameters.keys()
    for name, value in energy.parameters.items():
        expected = finite_differences(lambda: weight @ energy.value(x, z, **case.options), value)
        assert_allclose(gradients[name], expected, **DIFFERENCES, err_msg=name)


@cases
@backends
def test_input_gradients_are_those_of_finite_differences(case, backend):
    """For fixed z. Unobserved features have no derivative through the reconstruction."""
    energy, x = case.energy().on(backend), case.x.copy()
    z = case.inferred(energy, x)
    gradient = energy.input_gradient(x, z, **case.options)
    expected = finite_differences(lambda: energy.value(x, z, **case.options).sum(), x)
    assert_allclose(gradient, expected, **DIFFERENCES)


@smooth
@backends
def test_laplacians_are_sums_of_second_differences(case, backend):
    """Of the gradient: the diagonal of its Jacobian."""
    energy, x = case.energy().on(backend), case.x
    expected = np.zeros(len(x))
    for i in range(N_FEATURES):
        steps = 1e-5 * np.eye(N_FEATURES)[i]
        change = energy.input_gradient(x + steps) - energy.input_gradient(x - steps)
        expected += change[:, i] / 2e-5
    derivatives = energy.derivatives(x)
    assert_allclose(derivatives.laplacian(), expected, **DIFFERENCES)
    assert_array_equal(derivatives.gradient(), energy.input_gradient(x))


@smooth
@backends
@pytest.mark.parametrize("has_laplacian", [True, False])
def test_parameter_gradients_of_derivatives_are_those_of_differences(case, backend, has_laplacian):
    energy, x, random = case.energy().on(backend), case.x, np.random.default_rng(6)
    direction = random.standard_normal(x.shape)
    weight = random.standard_normal(len(x)) if has_laplacian else None

    def total():
        derivatives = energy.derivatives(x)
        value = np.sum(direction * derivatives.gradient())
        return value + weight @ derivatives.laplacian() if has_laplacian else value

    derivatives = energy.derivatives(x)
    gradients = derivatives.parameter_gradients(direction, weight)
    assert gradients.keys() == energy.parameters.keys()
    for name, value in energy.parameters.items():
        expected = finite_differences(total, value)
        assert_allclose(gradients[name], expected, **DIFFERENCES, err_msg=name)
    again = derivatives.parameter_gradients(direction, weight)  # nothing was changed
    for name, gradient in gradients.items():
        assert_array_equal(again[name], gradient)


@binary
@backends
def test_flips_are_differences_of_energies(case, backend):
    energy, x = case.energy().on(backend), case.x
    flips = energy.flips(x)
    changes = flips.changes()
    for i in range(N_FEATURES):
        other = x.copy()
        other[:, i] = 1 - x[:, i]
        assert_allclose(changes[:, i], energy.value(other) - energy.value(x), atol=1e-12)
    weight = np.random.default_rng(6).standard_normal(x.shape)
    gradients = flips.parameter_gradients(weight)
    assert gradients.keys() == energy.parameters.keys()
    for name, value in energy.parameters.items():
        expected = finite_differences(lambda: np.sum(weight * energy.flips(x).changes()), value)
        assert_allclose(gradients[name], expected, **DIFFERENCES, err_msg=name)


@binary
@backends
def test_sweeps_leave_the_distribution_invariant(case, backend):
    """Chains start with exact frequencies of all states, and each state has many chains."""
    energy = case.energy().on(backend)
    states = (np.arange(2**N_FEATURES)[:, None] >> np.arange(N_FEATURES) & 1).astype(float)
    probability = np.exp(-energy.value(states) - energy.log_partition())
    assert_allclose(probability.sum(), 1, rtol=1e-12)
    counts = np.random.default_rng(0).multinomial(20_000, probability)
    x = np.repeat(states, counts, axis=0)
    keys = Key((1, 2), 1), Key((1, 2), 2)
    moved = energy.gibbs_sweep(x.copy(), keys)
    assert {*np.unique(moved)} == {0, 1}
    assert np.mean(moved != x) > 0.05
    after = np.bincount((moved @ 2 ** np.arange(N_FEATURES)).astype(int), minlength=len(states))
    # Both counts have the variance n p, so that the sum of squares has the mean 2 per state.
    expected = 20_000 * probability
    likely = expected > 5
    deviation = (after - counts)[likely] ** 2 / expected[likely]
    assert deviation.mean() < 3
    half = energy.gibbs_sweep(x[7:].copy(), [key.from_row(7) for key in keys])
    assert_array_equal(half, moved[7:])  # draws belong to rows


@inputs
def test_gradients_of_the_partition_function_are_those_of_differences(case):
    energy = case.energy()
    if not offers(energy, "log_partition"):
        return
    gradients = energy.log_partition_gradients()
    assert np.isfinite(energy.log_partition())
    assert gradients.keys() == energy.parameters.keys()
    for name, value in energy.parameters.items():
        expected = finite_differences(energy.log_partition, value)
        assert_allclose(gradients[name], expected, **DIFFERENCES, err_msg=name)


@inputs
def test_copies_and_casts_have_their_own_parameters(case):
    energy, x = case.energy(), case.x
    for other in (energy.copy(), energy.astype("float32").astype("float64")):
        assert_allclose(other.value(x), energy.value(x), rtol=1e-5)
        assert other.scales == energy.scales
        for name, value in other.parameters.items():
            assert not np.shares_memory(value, energy.parameters[name])
    assert energy.astype("float64") is energy
    shared = energy.with_parameters(energy.parameters)
    assert_array_equal(shared.value(x), energy.value(x))
    for name, value in shared.parameters.items():
        assert value is energy.parameters[name]
    assert energy.fits(1e3)
    assert not energy.fits(1e-3)


@inputs
def test_projections_change_no_energy(case):
    """They remove what does not act, such as antisymmetric parts of symmetric matrices."""
    energy, x = case.energy(), case.x
    before = energy.value(x)
    energy.project()
    assert_allclose(energy.value(x), before, atol=1e-12)


@inputs
def test_responses_belong_to_single_samples(case):
    energy, x = case.energy().on(reference), case.x
    assert_allclose(energy.responses(x[1:2]), energy.responses(x)[1:2], rtol=1e-12)
    assert case.energy("float32").responses(x.astype("float32")).dtype == "float32"


@cases
def test_input_gradients_are_those_of_the_minimum_over_codes_or_of_the_free_energy(case):
    """dF/dx of sparse energies, with codes that are inferred again (envelope theorem)."""
    energy, x = case.energy().on(reference), case.x.copy()

    def free_energy():
        if offers(energy, "free_energy"):
            return energy.free_energy(x).sum()
        return energy.value(x, case.inferred(energy, x), **case.options).sum()

    z = None if offers(energy, "free_energy") else case.inferred(energy, x)
    gradient = energy.input_gradient(x, z, **case.options)
    if case.mask is not None and not energy.encoder:
        assert_array_equal(gradient[case.mask == 0], 0)
    # Codes are exact to a gap of 1e-14; differences of energies are divided by 1e-5.
    assert_allclose(gradient, finite_differences(free_energy, x), rtol=1e-5, atol=1e-6)


@machines
def test_gradients_without_hidden_units_are_those_of_the_free_energy(case):
    energy, x, weight = case.energy().on(reference), case.x, case.weight
    gradients = energy.parameter_gradients(x, None, weight)
    for name, value in energy.parameters.items():
        expected = finite_differences(lambda: weight @ energy.free_energy(x), value)
        assert_allclose(gradients[name], expected, **DIFFERENCES, err_msg=name)


@machines
def test_the_free_energy_sums_over_all_states_of_the_hidden_units(case):
    energy, x = case.energy(), case.x
    states = (np.arange(2**N_COMPONENTS)[:, None] >> np.arange(N_COMPONENTS) & 1).astype(float)
    values = [energy.value(x, np.tile(state, (len(x), 1))) for state in states]
    # Sums of 16 exponentials of numbers below 30, each rounded.
    assert_allclose(energy.free_energy(x), -logsumexp(-np.array(values), axis=0), atol=1e-12)


@pytest.mark.parametrize("case", chosen("sparse", "convolutional"))
def test_the_value_is_that_of_the_inference_problem(case):
    energy = case.energy()
    code = np.random.default_rng(5).standard_normal(case.inferred(energy, case.x).shape)
    problem = energy.problem(case.x, **case.options)
    # The problem expands the squares: sums of a few tens of numbers of size one.
    assert_allclose(energy.value(case.x, code, **case.options), problem.energy(code), rtol=1e-11)


@pytest.mark.parametrize("case", chosen("sparse, predicted", "convolutional, predicted"))
def test_a_prediction_that_is_passed_equals_that_of_the_encoder(case):
    energy, x = case.energy(), case.x
    z, prediction = case.inferred(energy, x), energy.encoder.forward(x)
    passed = energy.value(x, z, prediction, **case.options)
    assert_array_equal(energy.value(x, z, **case.options), passed)


@cases
def test_copies_and_pickles_have_the_same_energy_and_no_backend(case):
    energy, x = case.energy().on(reference), case.x
    z = case.inferred(energy, x)
    expected = energy.value(x, z, **case.options)
    for copied in (copy.deepcopy(energy), pickle.loads(pickle.dumps(energy))):
        # Without a backend, kernels of the data are used: sums of a few tens of numbers.
        assert_allclose(copied.value(x, z, **case.options), expected, rtol=1e-12)
        assert_array_equal(copied.on(reference).value(x, z, **case.options), expected)
        for name, value in energy.parameters.items():
            assert_array_equal(copied.parameters[name], value)
            assert copied.parameters[name] is not value


@cases
def test_a_backend_is_held_with_the_same_parameters(case, monkeypatch):
    def raises(*args, **options):
        raise AssertionError("a kernel of another backend was called")

    energy = case.energy()
    bound = energy.on(reference)
    for name, value in energy.parameters.items():
        assert bound.parameters[name] is value
    z = case.inferred(bound, case.x)
    for name in numba.__all__:
        if name not in ("name", "to_device"):
            monkeypatch.setattr(numba, name, raises)
    bound.value(case.x, z, **case.options)
    bound.input_gradient(case.x, z, **case.options)
    bound.parameter_gradients(case.x, z, case.weight, **case.options)


@cases
def test_single_precision_stays(case):
    energy, x = case.energy("float32"), case.x.astype("float32")
    mask = {name: value.astype("float32") for name, value in case.options.items()}
    z = case.inferred(case.energy(), case.x)
    z = None if z is None else np.ones(z.shape, "float32")
    results = [
        energy.value(x, z, **mask),
        energy.input_gradient(x, z, **mask),
        *energy.parameter_gradients(x, z, case.weight.astype("float32"), **mask).values(),
    ]
    if offers(energy, "free_energy"):
        results += [energy.free_energy(x), energy.input_gradient(x)]
    if offers(energy, "derivatives"):
        derivatives = energy.derivatives(x)
        weight = case.weight.astype("float32")
        results += [derivatives.gradient(), derivatives.laplacian()]
        results += derivatives.parameter_gradients(x, weight).values()
    if offers(energy, "log_partition"):
        results += energy.log_partition_gradients().values()
    assert {result.dtype for result in results} == {np.dtype("float32")}


@cases
def test_nothing_is_changed(case):
    energy, x = case.energy(), case.x
    z = case.inferred(energy, x)
    before = copy.deepcopy((energy.parameters, x, z))
    energy.value(x, z, **case.options)
    energy.input_gradient(x, z, **case.options)
    energy.parameter_gradients(x, z, case.weight, **case.options)
    for name, value in energy.parameters.items():
        assert_array_equal(value, before[0][name])
    assert_array_equal(x, before[1])
    assert_array_equal(z, before[2])


def test_a_missing_capability_is_named():
    with pytest.raises(
        ValueError, match=r"with `free_energy`; SparseEnergy does not define it\. Use RBM"
    ):
        require(CASES["sparse"].energy(), "free_energy", "loss='x' requires an energy", "Use RBM.")
    require(CASES["bilinear, bernoulli"].energy(), "free_energy", "Anything", "")
