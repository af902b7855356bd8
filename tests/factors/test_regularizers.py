"""Regularisers of auto-encoders: formulas, derivatives and constraints."""

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import ElasticNetPenalty, GroupPenalty, L1Penalty
from sklearn_ebm.backends import numba
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.factors import ReconstructionEnergy, Tape
from sklearn_ebm.factors.energies._reconstruction import ACTIVATIONS, random_values
from sklearn_ebm.factors.regularizers import REGULARIZERS, Contraction, Saturation, Sparsity
from tests.differences import finite_differences

N_SAMPLES, N_FEATURES, N_COMPONENTS = 7, 5, 4
PENALTIES = {
    "l1": "l1",
    "weights": L1Penalty([1, 2, 0.5, 3]),
    "elastic net": ElasticNetPenalty(),
    "groups": GroupPenalty(2),
    "windows": GroupPenalty(map_shape=(2, 2), pool_shape=(2, 1)),
}
TERMS = {
    "contractive": Contraction(0.7),
    "saturating": Saturation(0.3),
    **{name: Sparsity.of(each, N_COMPONENTS, 0.4, 0.1) for name, each in PENALTIES.items()},
}
SATURATED = [name for name, each in ACTIVATIONS.items() if hasattr(each.activation, "saturation")]
PAIRS = [
    (term, activation)
    for term in TERMS
    for activation in (SATURATED if term == "saturating" else ACTIVATIONS)
]
pairs = pytest.mark.parametrize(("term", "activation"), PAIRS)
X = np.random.default_rng(0).standard_normal((N_SAMPLES, N_FEATURES))


def energy_of(activation, is_tied=False):
    """Return an energy with generic parameters; no unit is within 1e-3 of a kink for X."""
    shape, random = (N_FEATURES, N_COMPONENTS), np.random.default_rng(1)
    values = random_values(shape, activation, is_tied, np.random.RandomState(0))
    drawn = {name: value + random.normal(0, 0.2, value.shape) for name, value in values.items()}
    if "threshold" in drawn:
        drawn["threshold"] = abs(drawn["threshold"])
    return ReconstructionEnergy.of(drawn, activation, "squared_error")


def test_every_regularizer_is_tested():
    assert {type(term) for term in TERMS.values()} == {*REGULARIZERS.values()}
    assert set(SATURATED) == {"relu", "saturated_linear", "shrinkage"}


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("backend", [reference, numba], ids=lambda each: each.name)
@pairs
def test_gradients_are_those_of_finite_differences(term, activation, is_tied, backend):
    """Of loss plus term, with weights of samples."""
    energy, regularizer = energy_of(activation, is_tied).on(backend), TERMS[term]
    weight = np.random.default_rng(2).uniform(0.5, 2, N_SAMPLES)

    def results():
        tapes = Tape(), Tape()
        return energy.value_and_gradients(X, X, weight, tapes, regularizer)

    gradients = {name: each.copy() for name, each in results()[2].items()}
    assert gradients.keys() == energy.parameters.keys()
    for name, value in energy.parameters.items():
        expected = finite_differences(lambda: weight @ (results()[0] + results()[1]), value)
        # Rounding of sums of size 100 over twice the step of 1e-5.
        assert_allclose(gradients[name], expected, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_contractive_term_is_the_norm_of_a_numerical_jacobian(activation):
    """Rifai et al. 2011, eqs. 1 and 6."""
    encoder, step = energy_of(activation).encoder, 1e-5
    moves = step * np.eye(N_FEATURES)
    values, _, _ = TERMS["contractive"].differentiate(encoder, encoder.forward(X), None)
    for x, value in zip(X, values, strict=True):
        jacobian = (encoder.forward(x + moves) - encoder.forward(x - moves)) / (2 * step)
        assert_allclose(value, 0.7 * np.sum(jacobian**2), rtol=1e-8)  # step^2 times derivatives


@pytest.mark.parametrize("activation", SATURATED)
def test_the_saturating_term_is_the_distance_from_the_closest_flat_point(activation):
    """Goroshin & LeCun 2013, section 2: on a grid of points, those of slope zero."""
    encoder = energy_of(activation).encoder
    u = X @ encoder.parameters["weights"] + encoder.parameters["bias"]
    grid = np.linspace(-6, 6, 120_001)
    theta = encoder.parameters.get("threshold", np.zeros(N_COMPONENTS))
    flat = {
        "relu": [grid <= 0] * N_COMPONENTS,
        "saturated_linear": [(grid <= 0) | (grid >= 1)] * N_COMPONENTS,
        "shrinkage": [np.abs(grid) <= each for each in theta],
    }[activation]
    distances = [np.abs(u[:, j, None] - grid[flat[j]]).min(axis=1) for j in range(N_COMPONENTS)]
    values, _, _ = Saturation(1.0).differentiate(encoder, encoder.forward(X), None)
    assert_allclose(values, np.sum(distances, axis=0), atol=N_COMPONENTS * 1e-4)  # of the grid


@pytest.mark.parametrize(
    ("penalty", "norms"),
    [
        ("l1", lambda z: np.abs(z)),
        ("weights", lambda z: np.abs(z) * [1, 2, 0.5, 3]),
        ("groups", lambda z: np.sqrt(np.sum(z.reshape(-1, 2, 2) ** 2, axis=2))),
    ],
)
def test_smooth_penalties_are_close_to_the_norms(penalty, norms):
    """0 <= sqrt(v^2 + epsilon) - v <= sqrt(epsilon), here times at most the sum of weights."""
    code = np.random.default_rng(3).standard_normal((N_SAMPLES, N_COMPONENTS))
    code[:2] = 0
    excess = Sparsity.of(PENALTIES[penalty], N_COMPONENTS, 0.4).penalty.value(code) - 0.4 * norms(
        code
    ).sum(axis=1)
    assert np.all((excess > 0) & (excess <= 0.4 * 6.5 * 1e-5**0.5))


@pytest.mark.parametrize("activation", ["linear", "relu"])
@pytest.mark.parametrize("is_tied", [True, False])
def test_norms_are_constrained_and_gradients_stay_in_the_tangent_space(activation, is_tied):
    energy, regularizer = energy_of(activation, is_tied), TERMS["l1"]
    for value in energy.parameters.values():
        value *= 3
    regularizer.project(energy)
    filters = energy.encoder.parameters["weights"]
    norms = np.linalg.norm(filters, axis=0)
    has_unit_filters = is_tied and activation == "linear"  # reconstruction ICA
    assert np.allclose(norms, 1, rtol=1e-14) == has_unit_filters
    gradients = {
        name: np.random.default_rng(4).standard_normal(each.shape)
        for name, each in energy.parameters.items()
    }
    tangent = regularizer.tangent(energy, {name: each.copy() for name, each in gradients.items()})
    if has_unit_filters:
        assert_allclose(np.sum(tangent["weights"] * filters, axis=0), 0, atol=1e-14)
    else:
        assert_array_equal(tangent["weights"], gradients["weights"])
    if not is_tied:
        rows, along = energy.dictionary, np.sum(gradients["dictionary"] * energy.dictionary, axis=1)
        assert np.linalg.norm(rows, axis=1).max() <= 1 + 1e-14
        is_free = (np.linalg.norm(rows, axis=1) < 1 - 1e-9) | (along > 0)
        assert_array_equal(tangent["dictionary"][is_free], gradients["dictionary"][is_free])
        assert_allclose(np.sum(tangent["dictionary"] * rows, axis=1)[~is_free], 0, atol=1e-14)


@pairs
def test_terms_are_the_same_with_strict_arrays_and_in_single_precision(term, activation):
    """With an array library that has only the functions of the standard."""
    energy = energy_of(activation)
    expected = TERMS[term].differentiate(energy.encoder, energy.encoder.forward(X), X[:, 0])
    strict, single = (
        ReconstructionEnergy.of(
            {name: convert(each) for name, each in energy.parameters.items()},
            activation,
            "squared_error",
        )
        for convert in (array_api_strict.asarray, lambda each: each.astype(np.float32))
    )
    given = array_api_strict.asarray(X)
    code = strict.encoder.on(reference).forward(given)
    values, by_code, direct = TERMS[term].differentiate(strict.encoder, code, given[:, 0])
    assert_allclose(np.asarray(values), expected[0], rtol=1e-12)
    assert_allclose(np.asarray(by_code), expected[1], rtol=1e-12, atol=1e-14)
    for name, each in direct.items():
        assert_allclose(np.asarray(each), expected[2][name], rtol=1e-12, atol=1e-14)
    TERMS[term].project(strict)
    TERMS[term].tangent(strict, {**strict.parameters})
    few = X.astype(np.float32)
    found = TERMS[term].differentiate(single.encoder, single.encoder.forward(few), few[:, 0])
    assert {each.dtype for each in (*found[:2], *found[2].values())} == {np.dtype("float32")}
