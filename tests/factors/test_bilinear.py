"""The energy of an RBM: sums over all states by brute force, ratios, and finite differences."""

import importlib
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._random import Key, Stream
from sklearn_ebm.factors import (
    UNITS,
    AnnealedPath,
    BilinearEnergy,
    as_encoder,
    in_data_units,
    with_encoder,
)
from sklearn_ebm.factors.units import (
    BernoulliUnits,
    CategoricalUnits,
    GaussianUnits,
    Standardized,
)
from sklearn_ebm.factors.units._gaussian import LEAST_LEFT
from sklearn_ebm.inputs._categories import Categories
from sklearn_ebm.solvers import gibbs, gibbs_keys

N_VISIBLE, N_HIDDEN = 5, 4
ROUNDING = 1e-12  # sums over a few tens of numbers of about size one
backends = pytest.mark.parametrize("name", ["numpy", "numba"])
kinds = pytest.mark.parametrize("kind", UNITS)


def all_states(n_units):
    return (np.arange(2**n_units)[:, None] >> np.arange(n_units) & 1).astype(float)


def units_of(kind, n_visible=N_VISIBLE, seed=0):
    random = np.random.default_rng(seed)
    bias = random.normal(-0.3, 1, n_visible)
    if kind == "bernoulli":
        return BernoulliUnits(bias)
    if kind == "categorical":
        return CategoricalUnits(bias, categories=Categories((2, n_visible - 2)))
    return GaussianUnits(bias, np.log(random.uniform(0.3, 2, n_visible)))


def energy_of(kind, n_visible=N_VISIBLE, n_hidden=N_HIDDEN):
    random = np.random.default_rng(1)
    weights = random.standard_normal((n_visible, n_hidden))
    hidden_bias = random.standard_normal(n_hidden)
    return BilinearEnergy(units_of(kind, n_visible), weights, hidden_bias).on(reference)


def some_visible(kind, n_rows=7, n_visible=N_VISIBLE):
    random = np.random.default_rng(2)
    if kind == "gaussian":
        return random.standard_normal((n_rows, n_visible))
    if kind == "categorical":
        categories = Categories((2, n_visible - 2))
        return categories.encode(random.integers(categories.sizes, size=(n_rows, 2)) * 1.0)[0]
    return (random.random((n_rows, n_visible)) < 0.5).astype(float)


def joint_energy(energy, visible, hidden):
    """Return E(v, h) of every pair, from its definition with explicit sums."""
    bias, weights = energy.visible.bias, energy.weights
    if energy.visible.is_discrete:
        own, signal = -(visible @ bias), visible
    else:
        variance = np.exp(energy.visible.log_variance)
        own, signal = ((visible - bias) ** 2 / (2 * variance)).sum(axis=1), visible / variance
    cross = np.einsum("ni,ij,mj->nm", signal, weights, hidden)
    return own[:, None] - cross - (hidden @ energy.hidden_bias)[None, :]


@pytest.fixture(params=UNITS)
def kind(request):
    return request.param


@pytest.fixture
def energy(kind):
    return energy_of(kind)


@pytest.fixture
def visible(kind):
    return some_visible(kind)


# Sums over states


def test_energy_of_a_pair_is_that_of_its_definition(energy, visible):
    hidden = all_states(N_HIDDEN)[: len(visible)]
    expected = np.diag(joint_energy(energy, visible, hidden))
    assert_allclose(energy.value(visible, hidden), expected, atol=ROUNDING)


@backends
def test_free_energy_sums_out_every_hidden_state(energy, visible, name):
    backend = importlib.import_module(f"sklearn_ebm.backends.{name}")
    expected = -logsumexp(-joint_energy(energy, visible, all_states(N_HIDDEN)), axis=1)
    assert_allclose(energy.on(backend).free_energy(visible), expected, atol=ROUNDING)


@backends
def test_free_energy_of_hidden_sums_out_every_visible_state(name):
    backend = importlib.import_module(f"sklearn_ebm.backends.{name}")
    energy, hidden = energy_of("bernoulli"), all_states(N_HIDDEN)
    expected = -logsumexp(-joint_energy(energy, all_states(N_VISIBLE), hidden), axis=0)
    assert_allclose(energy.on(backend).free_energy_of_hidden(hidden), expected, atol=ROUNDING)


def test_free_energy_of_hidden_integrates_out_a_real_visible_unit():
    energy, hidden = energy_of("gaussian", n_visible=1), all_states(N_HIDDEN)

    def density(v, h):
        return math.exp(-joint_energy(energy, np.array([[v]]), h[None])[0, 0])

    integrals = [quad(density, -40, 40, args=(h,), points=[-3, 0, 3])[0] for h in hidden]
    result = energy.free_energy_of_hidden(hidden)
    assert_allclose(result, -np.log(integrals), atol=1e-8)  # tolerance of the integrator


def test_real_visible_units_are_a_mixture_of_gaussians():
    """p(v) = sum_h p(h) N(v; b + W h, s^2), with p(h) ~ exp(-F(h)): the density in two forms."""
    energy, visible = energy_of("gaussian"), some_visible("gaussian")
    hidden = all_states(N_HIDDEN)
    log_share = -energy.free_energy_of_hidden(hidden)
    variance = np.exp(energy.visible.log_variance)
    log_density = [
        log_share[m] + multivariate_normal(energy.visible.bias + energy.weights @ h, variance)
        .logpdf(visible)
        for m, h in enumerate(hidden)
    ]  # fmt: skip
    expected = logsumexp(log_density, axis=0)
    assert_allclose(-energy.free_energy(visible), expected, atol=ROUNDING)


def test_conditionals_of_hidden_units_are_ratios_of_their_joint(energy, visible):
    """P(h_j = 1 | v) = sum over h with h_j = 1 of exp(-E) over the sum over all h."""
    hidden = all_states(N_HIDDEN)
    weight = np.exp(-joint_energy(energy, visible, hidden))
    expected = weight @ hidden / weight.sum(axis=1, keepdims=True)
    assert_allclose(energy.conditionals.hidden_mean(visible), expected, atol=ROUNDING)


def test_conditionals_of_visible_units_are_ratios_of_their_joint():
    energy, visible, hidden = energy_of("bernoulli"), all_states(N_VISIBLE), all_states(N_HIDDEN)
    weight = np.exp(-joint_energy(energy, visible, hidden)).T
    expected = weight @ visible / weight.sum(axis=1, keepdims=True)
    assert_allclose(energy.conditionals.visible_mean(hidden), expected, atol=ROUNDING)


def test_conditionals_of_real_units_are_where_the_energy_is_least():
    """E(v, h) - E(m, h) = sum (v - m)^2 / (2 s^2) with m the mean given h."""
    energy, visible = energy_of("gaussian"), some_visible("gaussian")
    hidden = all_states(N_HIDDEN)[: len(visible)]
    mean = energy.conditionals.visible_mean(hidden)
    rise = energy.value(visible, hidden) - energy.value(mean, hidden)
    expected = ((visible - mean) ** 2 / (2 * np.exp(energy.visible.log_variance))).sum(axis=1)
    assert_allclose(rise, expected, atol=ROUNDING)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_log_partition_of_units_sums_over_all_their_values(kind):
    units, field = units_of(kind, n_visible=1), np.array([[-2.0], [0.0], [0.7], [3.0]])

    def term(v, r):
        signal = units.signal(np.array([[v]]))[0, 0]
        return math.exp(r * signal - units.value(np.array([[v]]))[0])

    if kind == "bernoulli":
        sums = [term(0.0, r) + term(1.0, r) for r in field[:, 0]]
    else:
        sums = [quad(term, -40, 40, args=(r,), points=[-3, 0, 3])[0] for r in field[:, 0]]
    assert_allclose(units.log_partition(field.copy()), np.log(sums), atol=1e-8)


# Slopes


def test_slopes_are_finite_differences_of_the_energy(energy, visible):
    """-dE/dtheta of each pair. For real units, the slope of b is multiplied by s^2, without its
    constant part -b, which does not depend on the state and is the same in both phases.
    """
    hidden = all_states(N_HIDDEN)[: len(visible)]
    slopes = energy.slopes(visible, hidden)
    assert slopes.keys() == energy.parameters.keys() - {"weights"}
    for name, rows in slopes.items():
        parameter = energy.parameters[name]
        for i in range(parameter.size):
            before, values = parameter[i], []
            for step in (1e-5, -1e-5):
                parameter[i] = before + step
                values.append(energy.value(visible, hidden))
            parameter[i] = before
            expected = -(values[0] - values[1]) / 2e-5
            if name == "visible_bias" and not energy.visible.is_discrete:
                expected = (
                    expected * np.exp(energy.visible.log_variance[i]) + energy.visible.bias[i]
                )
            # The error is 1e-10 times the third derivative, and rounding over 1e-5.
            assert_allclose(rows[:, i], expected, atol=1e-8)


def test_the_slope_of_the_weights_is_the_product_of_signal_and_hidden_units(energy, visible):
    """For real units times s^2, like b, which is still an ascent direction."""
    hidden = all_states(N_HIDDEN)[: len(visible)]
    direction = np.random.default_rng(3).standard_normal(energy.weights.shape)
    ahead, behind = (
        replace(energy, weights=energy.weights + t * direction).value(visible, hidden)
        for t in (0.5, -0.5)
    )
    expected = np.einsum("ni,ij,nj->n", energy.visible.signal(visible), direction, hidden)
    assert_allclose(behind - ahead, expected, atol=ROUNDING)  # exact: E is linear in W


def log_likelihood(energy, visible):
    """Return the mean log p(v), with Z from all hidden states."""
    log_partition = logsumexp(-energy.free_energy_of_hidden(all_states(N_HIDDEN)))
    return -np.mean(energy.free_energy(visible)) - log_partition


def test_mean_slopes_of_real_units_are_uphill_of_the_likelihood():
    """The gradient of the mean log-likelihood by b and log s^2 is the mean slope over the data
    minus the mean slope over the model, estimated by 200,000 draws of the exact mixture.
    """
    energy, visible = energy_of("gaussian"), some_visible("gaussian")
    random, hidden = np.random.default_rng(0), all_states(N_HIDDEN)
    share = np.exp(-energy.free_energy_of_hidden(hidden))
    drawn = hidden[random.choice(len(hidden), 200_000, p=share / share.sum())]
    deviation = np.exp(energy.visible.log_variance / 2)
    noise = random.standard_normal((len(drawn), N_VISIBLE))
    model = energy.visible.bias + drawn @ energy.weights.T + deviation * noise
    positive = energy.slopes(visible, energy.conditionals.hidden_mean(visible))
    negative = energy.slopes(model, energy.conditionals.hidden_mean(model))
    for name in ("visible_bias", "visible_log_variance"):
        parameter = energy.parameters[name]
        error = 5 * negative[name].std(axis=0) / np.sqrt(len(model))
        slope = positive[name].mean(axis=0) - negative[name].mean(axis=0)
        for i in range(N_VISIBLE):
            before, values = parameter[i], []
            for step in (1e-4, -1e-4):
                parameter[i] = before + step
                values.append(log_likelihood(energy, visible))
            parameter[i] = before
            scale = np.exp(energy.visible.log_variance[i]) if name == "visible_bias" else 1.0
            assert abs(slope[i] - scale * (values[0] - values[1]) / 2e-4) < error[i]


# Paths


@kinds
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mixed_units_are_the_geometric_path(kind, share):
    """p(v) ~ p_base(v)^(1 - share) p(v)^share: energies are mixed up to a constant, as are the
    fields from the hidden units of the second model.
    """
    units, other = units_of(kind), units_of(kind, seed=5)
    random, visible = np.random.default_rng(0), some_visible(kind)
    field = random.standard_normal(N_VISIBLE)
    mixed, scale = units.mixed(other, share)

    def rise(energy):
        return energy(visible) - energy(0 * visible[:1])

    def path(v):
        own = units.value(v) - units.signal(v) @ field
        return (1 - share) * other.value(v) + share * own

    result = rise(lambda v: mixed.value(v) - mixed.signal(v) @ (scale * field))
    assert_allclose(result, rise(path), atol=ROUNDING)


def test_a_particle_gains_the_ratio_of_two_densities_on_the_path(energy, kind):
    """log p_next(v) / p(v) with p(v) ~ exp(-(1 - share) E_base - share E_v)
    prod_j (1 + exp(share (c_j + s(v) W_j))), by definition.
    """
    base, visible = units_of(kind, seed=5), some_visible(kind)

    def log_density(share):
        own = (1 - share) * base.value(visible) + share * energy.visible.value(visible)
        field = energy.visible.signal(visible) @ energy.weights + energy.hidden_bias
        return np.log1p(np.exp(share * field)).sum(axis=1) - own

    state = visible.copy(), np.empty((len(visible), N_HIDDEN))
    keys = Key((1, 2), 1), Key((1, 2), 2)
    change = AnnealedPath(energy, base).advance(state, 0.2, 0.55, keys)
    assert_allclose(change, log_density(0.55) - log_density(0.2), atol=ROUNDING)


def test_a_particle_moves_by_the_density_that_it_has_come_to(energy, kind):
    """A step preserves the density of the path; at the end, particles move as in Gibbs sampling."""
    base, visible = units_of(kind, seed=5), some_visible(kind, n_rows=50)
    keys = Key((1, 2), 1), Key((1, 2), 2)
    state = visible.copy(), np.empty((len(visible), N_HIDDEN))
    AnnealedPath(energy, base).advance(state, 0.5, 1.0, keys)
    hidden = energy.conditionals.sample_hidden(visible, keys[0])
    assert_array_equal(state[1], hidden)
    assert_allclose(state[0], energy.conditionals.sample_visible(hidden, keys[1]), atol=ROUNDING)


def test_the_base_is_two_to_the_hidden_units_times_its_own_sum(energy, kind):
    base = units_of(kind, seed=5)
    alone = BilinearEnergy(base, 0 * energy.weights, 0 * energy.hidden_bias)
    expected = logsumexp(-alone.free_energy_of_hidden(all_states(N_HIDDEN)))
    path = AnnealedPath(energy, base)
    assert path.log_partition_of_base() == pytest.approx(expected, abs=ROUNDING)


# Sampling


def shares_of(states):
    """Return the frequency of each state of some units."""
    numbers = states.astype(int) @ (1 << np.arange(states.shape[1]))
    return np.bincount(numbers, minlength=2 ** states.shape[1]) / len(states)


@backends
def test_gibbs_sampling_leaves_the_joint_density_as_it_is(name):
    """Chains that start from exact draws of p(h) have the frequencies of p(v), and of p(h)."""
    backend = importlib.import_module(f"sklearn_ebm.backends.{name}")
    energy, n_chains = energy_of("bernoulli"), 40_000
    densities = []
    for free_energy, n in (
        (energy.free_energy, N_VISIBLE),
        (energy.free_energy_of_hidden, N_HIDDEN),
    ):
        weight = np.exp(-free_energy(all_states(n)))
        densities.append(weight / weight.sum())
    random = np.random.default_rng(0)
    hidden = all_states(N_HIDDEN)[random.choice(2**N_HIDDEN, n_chains, p=densities[1])]
    visible = np.empty((n_chains, N_VISIBLE))
    keys = gibbs_keys(Stream(np.random.RandomState(0)), 3)
    gibbs(energy.on(backend).conditionals, hidden, visible, keys)
    for states, density in zip((visible, hidden), densities, strict=True):
        # n sum (share - p)^2 / p has mean k - 1 and variance 2 (k - 1) for k states.
        distance = n_chains * np.sum((shares_of(states) - density) ** 2 / density)
        free = len(density) - 1
        assert distance < free + 5 * np.sqrt(2 * free)


def test_gibbs_sampling_finds_the_density_from_anywhere():
    backend = importlib.import_module("sklearn_ebm.backends.numba")
    energy, n_chains = energy_of("bernoulli"), 50_000
    energy.weights *= 0.5  # chains converge within a few tens of steps
    visible, hidden = np.empty((n_chains, N_VISIBLE)), np.ones((n_chains, N_HIDDEN))
    gibbs(
        energy.on(backend).conditionals,
        hidden,
        visible,
        gibbs_keys(Stream(np.random.RandomState(0)), 40),
    )
    density = np.exp(-energy.free_energy(all_states(N_VISIBLE)))
    density /= density.sum()
    distance = n_chains * np.sum((shares_of(visible) - density) ** 2 / density)
    free = len(density) - 1
    assert distance < free + 5 * np.sqrt(2 * free)


def test_gibbs_sampling_of_real_units_has_the_moments_of_the_mixture():
    backend = importlib.import_module("sklearn_ebm.backends.numba")
    energy, n_chains, hidden = energy_of("gaussian"), 20_000, all_states(N_HIDDEN)
    energy.weights *= 0.5
    visible, states = np.empty((n_chains, N_VISIBLE)), np.zeros((n_chains, N_HIDDEN))
    gibbs(
        energy.on(backend).conditionals,
        states,
        visible,
        gibbs_keys(Stream(np.random.RandomState(0)), 40),
    )
    share = np.exp(-energy.free_energy_of_hidden(hidden))
    share /= share.sum()
    centers = energy.visible.bias + hidden @ energy.weights.T
    mean = share @ centers
    covariance = (centers - mean).T @ ((centers - mean) * share[:, None])
    covariance += np.diag(np.exp(energy.visible.log_variance))
    deviation = np.sqrt(np.diag(covariance))
    assert np.all(abs(visible.mean(axis=0) - mean) < 5 * deviation / np.sqrt(n_chains))
    # Products of two normal numbers have a deviation of at most sqrt(3) times their sizes.
    error = 5 * np.sqrt(3 / n_chains) * np.outer(deviation, deviation)
    assert np.all(abs(np.cov(visible.T) - covariance) < error)


# Numbers


@backends
@pytest.mark.filterwarnings("error")
def test_huge_fields_are_certain_and_finite(name, dtype, kind):
    """Fields have size 1e4, so that their exponentials overflow in all dtypes."""
    backend = importlib.import_module(f"sklearn_ebm.backends.{name}")
    energy = energy_of(kind).astype(dtype).on(backend)
    energy.weights[:, :2] = [1e4, -1e4]
    visible = np.abs(some_visible(kind)).astype(dtype) + 1
    mean = energy.conditionals.hidden_mean(visible)
    assert mean.dtype == dtype
    assert_allclose(mean[:, :2], np.tile([1, 0], (len(visible), 1)), rtol=0, atol=1e-37)
    double = energy.on(reference).astype(np.dtype(float))
    expected = double.free_energy(visible.astype(float))
    rtol = 32 * np.finfo(dtype).eps
    assert_allclose(energy.free_energy(visible), expected, rtol=rtol)
    hidden = all_states(N_HIDDEN)
    result = energy.free_energy_of_hidden(hidden.astype(dtype))
    expected = double.free_energy_of_hidden(hidden)
    # Fields of 1e4 with opposite signs are added, and squared for real units.
    scale = 1e4 if kind == "bernoulli" else abs(expected).max()
    assert_allclose(result, expected, rtol=0, atol=10 * N_VISIBLE * np.finfo(dtype).eps * scale)


def test_everything_stays_in_the_type_of_the_energy(energy, visible):
    narrow, hidden = energy.astype(np.dtype(np.float32)), all_states(N_HIDDEN)[: len(visible)]
    v, h = visible.astype(np.float32), hidden.astype(np.float32)
    key = Key((1, 2), 3)
    results = [
        narrow.conditionals.hidden_mean(v),
        narrow.conditionals.visible_mean(h),
        narrow.conditionals.sample_hidden(v, key),
        narrow.conditionals.sample_visible(h, key),
        narrow.value(v, h),
        narrow.free_energy(v),
        narrow.free_energy_of_hidden(h),
        *narrow.slopes(v, h).values(),
    ]
    assert {result.dtype for result in results} == {np.dtype(np.float32)}


def test_a_copy_has_parameters_of_its_own(energy):
    copies = [energy.copy(), energy.astype(np.dtype(np.float32))]
    before = {name: value.copy() for name, value in energy.parameters.items()}
    for copied in copies:
        for value in copied.parameters.values():
            value += 1
    for name, value in energy.parameters.items():
        assert_array_equal(value, before[name])
    assert energy.astype(np.dtype(float)) is energy


# Initial units


@kinds
def test_first_units_have_the_moments_of_the_data(kind):
    mean, deviation = np.array([0.1, 0.5, 0.98]), np.array([0.2, 1.0, 3.0])
    if kind == "categorical":
        mean = np.array([0.1, 0.5, 0.4])  # one feature
    units = UNITS[kind].from_moments(mean, deviation)
    field = np.zeros((1, 3))
    assert_allclose(units.mean(field.copy())[0], mean, rtol=1e-12)
    if kind == "gaussian":
        own = units.in_data_units(np.zeros((3, 1)), np.zeros(1))
        assert_allclose(own["visible_variance"], deviation**2, rtol=1e-12)


def test_features_that_never_change_begin_with_finite_odds_and_variances():
    """A pixel that is always off may later be on; a constant feature has a typical unit, the
    geometric mean of the other units, which scales with all units of measurement.
    """
    units = BernoulliUnits.from_moments(np.array([0.0, 1.0]), None)
    assert_allclose(units.bias, [-math.log(999), math.log(999)], rtol=1e-9)
    for scale in (1.0, 1e-6):
        units = GaussianUnits.from_moments(np.zeros(3), scale * np.array([0.0, 4.0, 0.25]))
        assert_allclose(units.coordinates.unit, scale * np.array([1.0, 4.0, 0.25]), rtol=1e-12)
        units = GaussianUnits.from_moments(scale * np.array([3.0, -4.0]), np.zeros(2))
        assert_allclose(units.coordinates.unit, scale * math.sqrt(12.5), rtol=1e-12)
    units = GaussianUnits.from_moments(np.zeros(2), np.zeros(2))
    assert_array_equal(units.coordinates.unit, 1.0)


# Coordinates


@pytest.fixture
def placed():
    """Real-valued units with coordinates, and the same energy without."""
    energy, random = energy_of("gaussian"), np.random.default_rng(4)
    own = energy.visible
    origin, unit = random.normal(0, 3, N_VISIBLE), np.array([0.1, 0.5, 1.0, 3.0, 7.0])
    units = GaussianUnits(own.bias, own.log_variance, None, Standardized(origin, unit))
    placed = BilinearEnergy(units, energy.weights, energy.hidden_bias)
    flat = in_data_units(placed)
    units = GaussianUnits(flat["visible_bias"], np.log(flat["visible_variance"]))
    return placed, BilinearEnergy(units, flat["weights"], flat["hidden_bias"])


def test_units_with_coordinates_are_those_of_the_data_with_other_parameters(placed):
    """Both have the same density of v: energies, conditionals and log Z agree."""
    ours, expected = placed
    visible, hidden = 3 * some_visible("gaussian"), all_states(N_HIDDEN)
    some = hidden[: len(visible)]
    keys = Key((1, 2), 1), Key((1, 2), 2)
    for ask in (
        lambda energy: energy.value(visible, some),
        lambda energy: energy.free_energy(visible),
        lambda energy: energy.free_energy_of_hidden(hidden),
        lambda energy: energy.conditionals.hidden_mean(visible),
        lambda energy: energy.conditionals.visible_mean(hidden),
        lambda energy: energy.conditionals.sample_visible(hidden, keys[0]),
        lambda energy: as_encoder(energy).forward(visible),
    ):
        # Squares of up to (20 / 0.1) deviations, and their differences.
        assert_allclose(ask(ours), ask(expected), rtol=1e-10, atol=1e-9)
    moments = ours.visible.coordinates.origin, ours.visible.coordinates.unit
    base = [GaussianUnits.from_moments(*moments)]
    base.append(GaussianUnits(moments[0], 2 * np.log(moments[1])))
    log_partitions = [
        AnnealedPath(energy, units).log_partition_of_base()
        for energy, units in zip((ours, expected), base, strict=True)
    ]
    assert log_partitions[0] == pytest.approx(log_partitions[1], rel=1e-12)


def test_an_energy_with_coordinates_takes_an_encoder_as_its_own(placed):
    ours, _ = placed
    again = with_encoder(ours, as_encoder(ours))
    for name, value in ours.parameters.items():
        assert_allclose(again.parameters[name], value, rtol=1e-12, atol=1e-12, err_msg=name)


def test_what_is_learned_from_is_a_grid_finer_than_the_least_deviation():
    """The grid removes rounding errors of v, and is fine enough for learning."""
    coordinates = Standardized.from_moments(np.full(2, 100.0), np.full(2, 0.1))
    visible = 100 + 0.1 * np.random.default_rng(0).standard_normal((500, 2))
    states = coordinates.states_of(visible)
    assert_array_equal(coordinates.states_of(np.nextafter(visible, 200)), states)
    assert abs(states - coordinates.inward(visible)).max() < math.sqrt(LEAST_LEFT) / 8
