"""Products of experts and Gaussians: volumes, densities, closed forms, and what is refused."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad

from sklearn_ebm import ExpertEnergy
from sklearn_ebm.factors import MODEL_ENERGIES, GaussianEnergy
from sklearn_ebm.factors.energies._expert_functions import EXPERTS
from sklearn_ebm.protocols import offers
from tests.differences import finite_differences

experts = pytest.mark.parametrize("name", EXPERTS)
RESPONSES = np.linspace(-3, 3, 7) + 0.1


@experts
def test_each_derivative_of_an_expert_is_that_of_the_previous_one(name):
    expert = EXPERTS[name]
    functions = [expert.value, *(lambda s, n=n: expert.derivatives(s, n)[-1] for n in (1, 2, 3))]
    for n in range(3):
        point = RESPONSES.copy()
        expected = finite_differences(lambda n=n, point=point: functions[n](point).sum(), point)
        assert_allclose(functions[n + 1](point), expected, rtol=1e-6, atol=1e-9)


@experts
def test_functions_of_squares_are_functions_of_responses(name):
    expert = EXPERTS[name]
    if not expert.takes_pools:
        return
    assert_allclose(expert.pooled_value(RESPONSES**2), expert.value(RESPONSES), rtol=1e-14)
    square = np.linspace(0.1, 9, 7)
    functions = [
        expert.pooled_value,
        *(lambda u, n=n: expert.pooled_derivatives(u, n)[-1] for n in (1, 2, 3)),
    ]
    for n in range(3):
        expected = finite_differences(lambda n=n: functions[n](square).sum(), square)
        assert_allclose(functions[n + 1](square), expected, rtol=1e-6, atol=1e-9)


@experts
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_experts_are_finite_at_any_finite_response(name, dtype):
    """The square of the largest response still is a number."""
    expert, largest = EXPERTS[name], np.finfo(dtype).max ** 0.49
    responses = np.array([-largest, -1e3, 0, 1e3, largest], dtype)
    with np.errstate(all="raise", under="ignore"):
        for result in (expert.value(responses), *expert.derivatives(responses, 3)):
            assert result.dtype == dtype
            assert np.isfinite(result).all()


@pytest.mark.parametrize("size", [1, 2, 3])
@experts
def test_volumes_are_those_of_quadrature(name, size):
    expert = EXPERTS[name]
    if not math.isfinite(expert.log_volume(size)) or (size > 1 and not expert.takes_pools):
        return
    sphere = 2 * math.pi ** (size / 2) / math.gamma(size / 2)

    def radial(radius):
        return math.exp(-float(expert.value(np.float64(radius)))) * radius ** (size - 1)

    parts = [quad(radial, *limits)[0] for limits in ((0, 1), (1, 50), (50, math.inf))]
    assert_allclose(expert.log_volume(size), math.log(sphere * sum(parts)), rtol=1e-10)


@pytest.mark.parametrize("expert", ["student_t", "l2", "logcosh", "gaussian"])
def test_densities_with_a_known_partition_function_integrate_to_one(expert):
    energy = _moved(MODEL_ENERGIES[expert](1, 1, np.zeros(1), None, exact=True))
    log_partition = energy.log_partition()

    def density(x):
        return math.exp(-float(energy.value(np.array([[x]]))[0]) - log_partition)

    parts = [quad(density, *limits)[0] for limits in ((-math.inf, -9), (-9, 9), (9, math.inf))]
    assert_allclose(sum(parts), 1, rtol=1e-7)


def test_the_density_of_a_pool_integrates_to_one():
    """A weight of a window scales its squares."""
    specification = ExpertEnergy("l2", map_shape=(1, 2), pool_shape=(1, 1), bias=True)
    line = np.arange(-25, 25, 0.05)
    grid = np.stack(np.meshgrid(line, line), axis=2).reshape(-1, 2)
    for energy in (specification, ExpertEnergy("l2", groups=2, bias=True)):
        energy = _moved(energy.first(2, 2, exact=True))
        density = np.exp(-energy.value(grid) - energy.log_partition())
        # the step is below the width of the density, but above that of its kink
        assert_allclose(density.sum() * 0.05**2, 1, rtol=1e-3)


def _moved(energy):
    """Return an energy with other parameters than those of the start."""
    random = np.random.default_rng(0)
    for value in energy.parameters.values():
        value += random.uniform(-0.2, 0.2, value.shape)
    return energy


def test_partition_functions_are_known_only_for_independent_experts():
    def offered(**options):
        n_components = options.pop("n_components", 4)
        exact = options.pop("exact", True)
        return offers(ExpertEnergy(**options).first(4, n_components, exact=exact), "log_partition")

    assert offered(expert="logcosh")
    assert offered(expert="l2", groups=2)
    assert offered(expert="l2", exact=False)  # it has no strengths in any case
    assert not offered(expert="logcosh", exact=False)
    assert not offered(expert="l2", n_components=5, exact=False)
    assert not offered(expert="l2", precision=1.0, exact=False)
    assert not offered(expert="l2", groups=[[0, 1, 2], [2, 3]], exact=False)


def test_a_partition_function_that_is_infinite_has_no_warning():
    energy = ExpertEnergy("l2").first(2)
    energy.parameters["weights"][...] = 1  # singular
    assert energy.log_partition() == math.inf
    energy = GaussianEnergy.first(2, None, np.zeros(2), None)
    energy.parameters["precision"][0, 0] = -1
    assert energy.log_partition() == math.inf
    assert np.isnan(energy.log_partition_gradients()["precision"]).all()
    energy.parameters["precision"][0, 0] = math.nan
    assert energy.log_partition() == math.inf


def test_the_maximum_likelihood_of_a_gaussian_is_the_inverse_covariance():
    """There, the gradients of E and of log Z cancel. So do those of score matching."""
    random = np.random.default_rng(0)
    X = random.standard_normal((200, 3)) @ random.standard_normal((3, 3)) + 2
    mean, precision = X.mean(axis=0), np.linalg.inv(np.cov(X.T, bias=True))
    energy = GaussianEnergy({"precision": precision, "bias": mean @ precision})
    share = np.full(len(X), 1 / len(X))
    of_partition = energy.log_partition_gradients()
    for name, gradient in energy.parameter_gradients(X, None, share).items():
        assert_allclose(gradient + of_partition[name], 0, atol=1e-12)
    derivatives = energy.derivatives(X)
    direction = derivatives.gradient() / len(X)  # of 1/2 ||grad E||^2 - laplacian E
    for gradient in derivatives.parameter_gradients(direction, -share).values():
        assert_allclose(gradient, 0, atol=1e-10)


def test_responses_are_linear_or_pooled():
    x = np.random.default_rng(0).standard_normal((5, 4))
    single = ExpertEnergy("l2").first(4)
    assert_allclose(single.responses(x), x @ single.parameters["weights"], rtol=1e-14)
    pooled = ExpertEnergy("l2", groups=2).first(4)
    squares = (x @ pooled.parameters["weights"]) ** 2
    expected = np.sqrt(squares[:, ::2] + squares[:, 1::2])
    assert_allclose(pooled.responses(x), expected, rtol=1e-14)


def test_responses_of_a_gaussian_are_standardized_errors_of_predictions():
    """(x_i - E[x_i | rest]) / Var[x_i | rest], by the regression of x_0 on all other features."""
    random = np.random.default_rng(0)
    root = random.standard_normal((3, 3))
    covariance, mean = root @ root.T, random.standard_normal(3)
    precision = np.linalg.inv(covariance)
    energy = GaussianEnergy({"precision": precision, "bias": mean @ precision})
    x = random.standard_normal((4, 3))
    slope = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    error = x[:, 0] - mean[0] - (x[:, 1:] - mean[1:]) @ slope
    variance = covariance[0, 0] - covariance[0, 1:] @ slope
    assert_allclose(energy.responses(x)[:, 0], error / variance, rtol=1e-8)


@pytest.mark.parametrize("name", [name for name in MODEL_ENERGIES if name not in ("ising", "rbm")])
def test_the_start_does_not_depend_on_the_unit_and_the_origin_of_the_data(name):
    """E(c x + o) has the same value up to a constant."""
    x = np.random.default_rng(0).standard_normal((5, 4))
    offset = np.arange(4.0)
    first = MODEL_ENERGIES[name]
    plain = first(4, 3, np.zeros(4), np.random.RandomState(0)).value(x)
    moved = first(4, 3, offset, np.random.RandomState(0), scale=100.0)
    values = moved.value(100 * x + offset)
    if name in ("gaussian", "softplus"):
        assert_allclose(values - values[0], plain - plain[0], rtol=1e-9)
    else:  # without a bias, experts have no origin
        assert_allclose(moved.value(100 * x), plain, rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expert": "cauchy"}, "expert must be one of 'student_t', .*, got 'cauchy'"),
        ({"expert": ["l2"]}, "expert must be one of"),
        ({"precision": -1}, "precision must be a non-negative number, got -1"),
        ({"precision": "auto"}, "precision must be a non-negative number, got 'auto'"),
        ({"precision": math.nan}, "precision must be a non-negative number, got nan"),
        ({"bias": 1}, "bias must be True or False, got 1"),
        ({"expert": "softplus"}, "precision must be positive for expert='softplus'"),
        ({"expert": "logcosh", "groups": 2}, "groups and map_shape must be None"),
        ({"groups": [[0, 1]]}, "groups must contain all n_components=4"),
        ({"map_shape": (2, 3)}, "map_shape must have a product of n_components=4"),
        ({"map_shape": (2, 2)}, "pool_shape must not exceed map_shape"),
        ({"groups": 2, "map_shape": (2, 2)}, "groups must be None if map_shape is given"),
    ],
)
def test_bad_parameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ExpertEnergy(**options).first(4)


@pytest.mark.parametrize(
    ("options", "n_components", "message"),
    [
        ({"precision": 1.0}, 4, "precision=0, got 1.0"),
        ({}, 5, "as many components as features, got n_components=5 and n_features=4"),
        ({"expert": "l2", "groups": [[0, 1, 2], [2, 3]]}, 4, "no component is in two pools"),
        ({"groups": 2}, 4, "student_t' does not have if pools"),
        ({"expert": "softplus", "precision": 1.0}, 4, "softplus' does not have"),
    ],
)
def test_an_exact_likelihood_that_is_not_known_is_refused(options, n_components, message):
    with pytest.raises(ValueError, match=f"loss='maximum_likelihood' requires .*{message}"):
        ExpertEnergy(**options).first(4, n_components, exact=True)


def test_a_specification_is_immutable_and_compared_by_value():
    energy = ExpertEnergy("l2", groups=[[0, 1], [2]])
    assert energy == ExpertEnergy("l2", groups=(np.array([0, 1]), [2]))
    assert energy != ExpertEnergy("l2")
    assert repr(energy) == "ExpertEnergy(expert='l2', groups=[[0, 1], [2]])"
    with pytest.raises(AttributeError, match=r"set_params\(energy_function__precision=\.\.\.\)"):
        energy.precision = 1.0
