"""Energies of x alone: what each loss estimates, densities, samples, and energies of users."""

import math
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV

from sklearn_ebm import RBM, EnergyModel, ExpertEnergy
from sklearn_ebm.backends import numpy
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.factors import MODEL_ENERGIES
from sklearn_ebm.learning.contrasts import GaussianNoise

RANDOM = np.random.default_rng(0)
COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 1.5, -0.4], [0.0, -0.4, 0.8]])
MEAN = np.array([0.3, -1.0, 2.0])
NORMAL = RANDOM.multivariate_normal(MEAN, COVARIANCE, 4000)
PRECISION = np.linalg.inv(np.cov(NORMAL.T, bias=True))
ANGLE = RANDOM.uniform(0, 2 * np.pi, 1000)
RING = np.column_stack([np.cos(ANGLE), np.sin(ANGLE)]) + 0.1 * RANDOM.standard_normal((1000, 2))
ELSEWHERE = RANDOM.uniform(-2, 2, (2000, 2))
ELSEWHERE = ELSEWHERE[abs(np.hypot(*ELSEWHERE.T) - 1) > 0.3]
EXACT = {"optimizer": "lbfgs", "tol": 1e-12, "max_iter": 500, "random_state": 0}
STATES = (np.arange(32)[:, None] >> np.arange(5) & 1).astype(float)


def gaussian(loss, **parameters):
    return EnergyModel(energy_function="gaussian", loss=loss, **{**EXACT, **parameters})


# ------------------------------------------------------------------------------- what is estimated
@pytest.mark.parametrize(("loss", "atol"), [("maximum_likelihood", 1e-6), ("score_matching", 1e-8)])
def test_the_precision_of_a_gaussian_is_the_inverse_covariance(loss, atol):
    """Hyvarinen 2005, section 3.1: both losses have the same minimum.

    A line search finds a minimum to the square root of the rounding of the objective; the second
    objective is quadratic.
    """
    model = gaussian(loss).fit(NORMAL)
    assert_allclose(model.precision_, PRECISION, atol=atol)
    assert_allclose(np.linalg.solve(model.precision_, model.intercept_), NORMAL.mean(0), atol=atol)


def test_denoising_estimates_the_gaussian_with_noise():
    """Vincent 2011: the density of the corrupted samples, here with the covariance C + s^2 I."""
    model = gaussian("denoising_score_matching", noise_level=0.5).fit(NORMAL)
    noisy = np.linalg.inv(np.cov(NORMAL.T) + 0.25 * np.eye(3))
    # The relative error is about sqrt(2 / 4000) per entry; noise of both signs keeps it there.
    assert_allclose(model.precision_, noisy, atol=0.1)
    assert abs(model.precision_ - PRECISION).max() > 0.3


def test_contrastive_noise_estimates_the_normalising_constant():
    """Gutmann & Hyvarinen 2010, theorem 1."""
    model = gaussian("noise_contrastive", noise_ratio=10).fit(NORMAL)
    assert_allclose(model.precision_, PRECISION, atol=0.05)
    c = model._learner.criterion.contrast.log_normalizer[0]
    assert_allclose(-c, model.energy_function_.log_partition(), atol=0.05)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_contrastive_noise_learns_in_any_unit(scale):
    """The constant is known to start far from zero: density has the inverse unit of a volume."""
    model = gaussian("noise_contrastive", optimizer="adam", max_iter=2, tol=0)
    expected = clone(model).fit(NORMAL[:500])
    scaled = clone(model).fit(scale * NORMAL[:500])
    assert_allclose(scaled.precision_ * scale**2, expected.precision_, rtol=1e-6, atol=1e-8)
    assert_allclose(scaled.objective_curve_, expected.objective_curve_, rtol=1e-6)


def test_batches_without_any_weight_change_nothing_with_chains():
    weight = np.zeros(60)
    weight[:20] = 1
    model = EnergyModel(loss="cd", batch_size=4, max_iter=2, tol=0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(NORMAL[:60], sample_weight=weight)
    assert np.isfinite(model.objective_curve_).all()


@pytest.mark.parametrize("loss", ["cd", "pcd"])
@pytest.mark.parametrize("sampler", ["hmc", "langevin"])
def test_chains_estimate_a_gaussian(loss, sampler):
    n_steps = 1 if sampler == "hmc" else 5
    model = gaussian(
        loss, optimizer="adam", sampler=sampler, n_sampling_steps=n_steps, batch_size=200, tol=0,
        max_iter=60, learning_rate=0.05,
    ).fit(NORMAL)  # fmt: skip
    assert_allclose(model.precision_, PRECISION, atol=0.25)


def test_experts_of_independent_components_are_found():
    """At the optimum, E[psi'(s) s'] is the identity, and the sources are separated."""
    sources = RANDOM.laplace(size=(4000, 4))
    mixing = RANDOM.standard_normal((4, 4))
    X = sources @ mixing.T
    model = EnergyModel(energy_function="logcosh", loss="maximum_likelihood", **EXACT).fit(X)
    s = X @ model.components_.T
    assert_allclose(np.tanh(s).T @ s / len(X), np.eye(4), atol=1e-5)
    gain = abs(model.components_ @ mixing)
    leaks = [(gain / gain.max(axis=axis, keepdims=True)).sum() - len(gain) for axis in (0, 1)]
    assert sum(leaks) / (2 * 4 * 3) < 0.02  # the Amari error; 0.01 with this seed


def test_subspaces_are_found():
    """Hyvarinen & Hoyer 2000: pooled experts are the norms of independent subspaces."""
    radius = RANDOM.laplace(size=(6000, 2, 1))
    direction = RANDOM.standard_normal((6000, 2, 2))
    sources = (radius * direction / np.linalg.norm(direction, axis=2, keepdims=True)).reshape(-1, 4)
    mixing = np.linalg.qr(RANDOM.standard_normal((4, 4)))[0]
    energy = ExpertEnergy("l2", groups=2)
    models = [
        EnergyModel(energy_function=energy, loss="maximum_likelihood", random_state=seed).fit(
            sources @ mixing.T
        )
        for seed in range(4)
    ]  # half of them find a local minimum
    gain = min(models, key=lambda model: model.objective_curve_[-1]).components_ @ mixing
    power = (gain**2).reshape(2, 2, 2, 2).sum(axis=(1, 3))  # of a pool from a subspace
    power /= power.sum(axis=1, keepdims=True)
    assert_allclose(power.max(axis=1), 1, atol=0.02)
    assert power.argmax(axis=1).tolist() in ([0, 1], [1, 0])


@pytest.fixture(scope="module")
def bits():
    """Samples of an Ising model, and its couplings and biases."""
    couplings = np.triu(RANDOM.normal(size=(5, 5)), 1)
    couplings += couplings.T
    bias = RANDOM.normal(size=5)
    energy = -np.sum(STATES * (STATES @ couplings / 2 + bias), axis=1)
    p = np.exp(-energy) / np.exp(-energy).sum()
    return STATES[RANDOM.choice(32, 40_000, p=p)], couplings, bias


@pytest.mark.parametrize(
    "loss",
    ["maximum_likelihood", "minimum_probability_flow", "pseudo_likelihood", "ratio_matching",
     "noise_contrastive"],
)  # fmt: skip
def test_each_loss_of_bits_finds_the_couplings(bits, loss):
    X, couplings, bias = bits
    model = EnergyModel(energy_function="ising", loss=loss, optimizer="lbfgs", random_state=0)
    model.fit(X)
    assert_array_equal(model.couplings_, model.couplings_.T)
    assert_allclose(model.couplings_, couplings, atol=0.15)
    assert_allclose(model.intercept_, bias, atol=0.15)


@pytest.mark.parametrize("loss", ["cd", "pcd"])
def test_chains_of_bits_find_the_couplings(bits, loss):
    X, couplings, _ = bits
    model = EnergyModel(
        energy_function="ising", loss=loss, batch_size=1000, n_chains=1000, learning_rate=0.05,
        max_iter=20, tol=0, random_state=0,
    )  # fmt: skip
    assert_allclose(model.fit(X).couplings_, couplings, atol=0.2)


@pytest.mark.parametrize("loss", ["minimum_probability_flow", "pseudo_likelihood"])
def test_a_small_boltzmann_machine_is_as_likely_as_by_exact_likelihood(bits, loss):
    X = bits[0][:2000]
    best, model = (
        EnergyModel(3, energy_function="rbm", loss=each, optimizer="lbfgs", max_iter=500, tol=1e-5,
                    random_state=0).fit(X)
        for each in ("maximum_likelihood", loss)
    )  # fmt: skip
    assert model.log_likelihood(X).mean() > best.log_likelihood(X).mean() - 0.01


@pytest.mark.parametrize("name", ["ising", "rbm"])
def test_backends_train_the_same_energy_of_bits(bits, name):
    model = EnergyModel(
        energy_function=name, loss="noise_contrastive", max_iter=2, tol=0, random_state=0
    )
    numba, reference = (
        clone(model).set_params(backend=backend).fit(bits[0][:500])
        for backend in ("numba", "numpy")
    )
    for key, value in reference.energy_function_.parameters.items():
        assert_allclose(numba.energy_function_.parameters[key], value, rtol=1e-8)


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
@pytest.mark.parametrize(
    "loss", ["score_matching", "denoising_score_matching", "noise_contrastive"]
)
def test_an_energy_of_any_shape_separates_a_ring_from_its_surroundings(loss):
    model = EnergyModel(
        32, energy_function="softplus", loss=loss, optimizer="adam", learning_rate=0.03,
        max_iter=60, tol=0, batch_size=50, random_state=0,
    )  # fmt: skip
    scores = model.fit(RING).energy(np.vstack([RING, ELSEWHERE]))
    assert roc_auc_score(np.arange(len(scores)) >= len(RING), scores) > 0.99


# ------------------------------------------------------------------------------------ optimisation
@pytest.mark.parametrize("energy", ["student_t", "logcosh", "softplus"])
def test_the_objective_of_lbfgs_never_rises(energy):
    model = EnergyModel(6, energy_function=energy, tol=0, max_iter=30, random_state=0).fit(NORMAL)
    assert model._learner.criterion.optimizer.is_stochastic is False
    assert np.all(np.diff(model.objective_curve_) <= 0)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_learning_does_not_depend_on_the_unit_of_the_data(scale):
    X = NORMAL - MEAN
    model = EnergyModel(energy_function="logcosh", tol=0, max_iter=20, random_state=0)
    expected, scaled = clone(model).fit(X), clone(model).fit(scale * X)
    assert_allclose(scaled.objective_curve_ * scale**2, expected.objective_curve_, rtol=1e-6)
    assert_allclose(scaled.components_ * scale, expected.components_, rtol=1e-4, atol=1e-6)


def test_few_samples_do_not_make_filters_infinitely_steep():
    """Without a limit, the loss has no minimum: filters become orthogonal to some samples."""
    X = NORMAL[:60] - MEAN
    model = EnergyModel(6, max_iter=300, tol=0, random_state=0).fit(X)
    covariance = np.cov(X.T, bias=True)
    deviation = np.sqrt(np.einsum("ij,jk,ik->i", model.components_, covariance, model.components_))
    assert deviation.max() < 6  # 60 samples for 3 features
    assert np.isfinite(model.objective_curve_).all()


@pytest.mark.parametrize("loss", ["score_matching", "noise_contrastive", "pcd"])
@pytest.mark.parametrize("energy", ["gaussian", "logcosh", "softplus"])
def test_divergence_is_reported_and_undone(energy, loss):
    model = EnergyModel(
        energy_function=energy, loss=loss, optimizer="sgd", learning_rate=1e3, max_iter=3, tol=0,
        random_state=0,
    )  # fmt: skip
    X = NORMAL[:300] - MEAN
    with pytest.warns(ConvergenceWarning, match=r"diverged with learning_rate=1000.0"):
        model.fit(X)
    first = clone(model).set_params(learning_rate=1e-12, max_iter=1).fit(X)
    assert_allclose(model.energy(X), first.energy(X), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:loss='pcd' requires a density")
def test_no_step_of_chains_counts_as_progress_because_of_its_objective():
    """Energies of particles far above those of samples are no merit, but a sign of divergence."""
    model = EnergyModel(
        8, loss="pcd", learning_rate=3.0, max_iter=20, tol=0, random_state=0, n_sampling_steps=1
    )
    X = RANDOM.standard_normal((400, 16))
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X)
    assert model.energy(X).max() < 1e6


def test_a_fit_that_is_too_short_warns():
    with pytest.warns(ConvergenceWarning, match=r"\(max_iter=2\) reached before convergence"):
        gaussian("score_matching", max_iter=2).fit(NORMAL)


def test_integer_weights_are_repetitions():
    weight = RANDOM.integers(0, 3, 300)
    X = NORMAL[:300]
    weighted = gaussian("score_matching").fit(X, sample_weight=weight)
    repeated = gaussian("score_matching").fit(np.repeat(X, weight, axis=0))
    assert_allclose(weighted.precision_, repeated.precision_, atol=1e-8)


def test_a_fit_in_two_parts_is_a_whole_fit():
    model = EnergyModel(5, optimizer="lbfgs", tol=0, random_state=0, warm_start=True)
    parts = clone(model).set_params(max_iter=4).fit(NORMAL)
    parts = pickle.loads(pickle.dumps(parts)).fit(NORMAL)
    whole = clone(model).set_params(max_iter=8).fit(NORMAL)
    assert_allclose(parts.components_, whole.components_, rtol=1e-10)


# -------------------------------------------------------------------------------- densities, scores
@pytest.mark.parametrize("energy", ["student_t", "l2", "logcosh"])
def test_likelihoods_are_densities(energy):
    model = EnergyModel(energy_function=energy, loss="maximum_likelihood", random_state=0)
    model.fit(NORMAL[:500, :1] - MEAN[0])

    def density(x):
        return math.exp(model.log_likelihood([[x]])[0])

    parts = [quad(density, *limits, limit=200)[0] for limits in ((-math.inf, 0), (0, math.inf))]
    assert_allclose(sum(parts), 1, rtol=1e-6)


def test_likelihoods_of_bits_sum_to_one(bits):
    model = EnergyModel(energy_function="ising", max_iter=20, random_state=0).fit(bits[0][:500])
    assert_allclose(np.exp(model.log_likelihood(STATES)).sum(), 1, rtol=1e-10)


def test_an_unknown_normalising_constant_is_said_to_be_unknown():
    model = EnergyModel(5, max_iter=2, tol=0, random_state=0).fit(NORMAL)
    assert not hasattr(model, "log_likelihood")
    assert not hasattr(model, "log_partition_")
    model.set_params(loss="noise_contrastive", optimizer="adam").fit(NORMAL)
    assert_allclose(
        model.log_likelihood(NORMAL), -model.energy(NORMAL) - model.log_partition_, rtol=1e-12
    )
    model.components_ = 2 * model.components_  # the estimate belongs to the trained energy
    model.energy(NORMAL)
    assert not hasattr(model, "log_likelihood")


def test_scores_are_negative_objectives():
    model = gaussian("score_matching").fit(NORMAL)
    assert_allclose(model.score(NORMAL), -model.objective_curve_[-1], rtol=1e-10)
    assert model.score(NORMAL) > gaussian("denoising_score_matching").fit(NORMAL).score(NORMAL)


def test_scores_of_bits_are_those_of_a_boltzmann_machine(bits):
    """RBM.score flips one feature per sample, in a cycle: its mean over shifts is ours."""
    X = bits[0][:100]
    model = EnergyModel(3, energy_function="rbm", max_iter=5, tol=0, random_state=0).fit(X)
    machine = RBM(3, max_iter=1, random_state=0).fit(X)
    for name in ("components_", "intercept_hidden_", "intercept_visible_"):
        setattr(machine, name, getattr(model, name))
    assert_allclose(model.energy(X), machine.energy(X), rtol=1e-10)
    assert_allclose(model.transform(X), machine.transform(X), rtol=1e-10)
    rolled = [machine.score(np.roll(X, shift, axis=0)) for shift in range(5)]
    assert_allclose(model.score(X), np.mean(rolled), rtol=1e-10)


def test_losses_are_compared_by_a_grid_search():
    model = EnergyModel(8, energy_function="softplus", max_iter=20, tol=0, random_state=0)
    losses = ["score_matching", "denoising_score_matching"]
    search = GridSearchCV(model, {"loss": losses, "n_components": [1, 8]}, cv=2)
    assert search.fit(RING).best_params_["n_components"] == 8


def test_parameters_of_experts_are_searched():
    """Experts are immutable, so that models which share one do not change each other."""
    energy = ExpertEnergy(groups=1)
    model = EnergyModel(4, energy_function=energy, max_iter=3, tol=0, random_state=0)
    search = GridSearchCV(model, {"energy_function__groups": [2, 4]}, cv=2).fit(NORMAL[:100])
    assert (
        search.best_estimator_.energy_function.groups
        == search.best_params_["energy_function__groups"]
    )
    assert energy == ExpertEnergy(groups=1)
    assert model.set_params(energy_function__expert="l2").energy_function.groups == 1
    with pytest.raises(ValueError, match=r"Invalid parameter 'group' for energy_function"):
        model.set_params(energy_function__group=2)


# --------------------------------------------------------------------------------------- samples
def test_samples_have_the_moments_of_the_model():
    model = gaussian("maximum_likelihood").fit(NORMAL)
    X = model.sample(2000, 50, random_state=0)
    covariance = np.linalg.inv(model.precision_)
    # Five standard errors of a mean, and of a variance
    assert_allclose(X.mean(axis=0), NORMAL.mean(axis=0), atol=5 * math.sqrt(1.5 / 2000))
    assert_allclose(np.cov(X.T), covariance, atol=5 * 1.5 * math.sqrt(2 / 2000))


def test_samples_of_bits_have_the_probabilities_of_the_model(bits):
    model = EnergyModel(energy_function="ising", max_iter=50, random_state=0).fit(bits[0][:2000])
    X = model.sample(4000, 30, random_state=0)
    found = np.bincount((X @ 2 ** np.arange(5)).astype(int), minlength=32) / len(X)
    p = np.exp(model.log_likelihood(STATES))
    assert np.all(abs(found - p) < 5 * np.sqrt(p / len(X)) + 1e-3)


def test_samples_without_steps_are_the_start():
    model = gaussian("maximum_likelihood").fit(NORMAL)
    start = model.sample(4000, 0, random_state=0)
    assert_allclose(start.mean(axis=0), MEAN, atol=0.15)
    assert abs(np.corrcoef(start.T)[0, 1]) < 0.1
    assert_array_equal(model.sample(3, 5, random_state=1), model.sample(3, 5, random_state=1))


# ------------------------------------------------------------------------- energies of users
class Ring:
    """A ring of radius one, whose width is trained."""

    def __init__(self):
        self.parameters = {"log_width": np.zeros(1)}

    def value(self, x, z):
        return (np.hypot(*x.T) - 1) ** 2 / 2 * np.exp(-2 * self.parameters["log_width"])

    def parameter_gradients(self, x, z, weight):
        return {"log_width": -2 * np.atleast_1d(weight @ self.value(x, z))}


class SmoothRing(Ring):
    """The same with a gradient, for samplers."""

    def input_gradient(self, x, z):
        radius = np.hypot(*x.T)
        slope = (radius - 1) / radius * np.exp(-2 * self.parameters["log_width"])
        return slope[:, None] * x


def test_an_energy_of_a_user_is_copied_and_trained_by_what_it_offers():
    ring = Ring()
    model = EnergyModel(energy_function=ring, optimizer="lbfgs", random_state=0).fit(RING)
    assert model.loss_ == "noise_contrastive"
    assert_array_equal(ring.parameters["log_width"], 0)
    assert model.energy_function_ is not ring
    width = np.exp(model.energy_function_.parameters["log_width"][0])
    assert_allclose(width, 0.1, atol=0.01)
    with pytest.raises(ValueError, match="transform requires an energy with `responses`; Ring"):
        model.transform(RING)
    smooth = EnergyModel(energy_function=SmoothRing(), loss="pcd", learning_rate=0.1, max_iter=30,
                         random_state=0).fit(RING)  # fmt: skip
    width = np.exp(smooth.energy_function_.parameters["log_width"][0])
    assert_allclose(width, 0.1, atol=0.03)


@pytest.mark.parametrize(
    ("loss", "missing"),
    [("score_matching", "derivatives"), ("cd", "input_gradient"),
     ("maximum_likelihood", "log_partition")],
)  # fmt: skip
def test_what_an_energy_lacks_is_named_with_the_losses_that_it_can_serve(loss, missing):
    with pytest.raises(ValueError, match=f"`{missing}`; Ring does not.*'noise_contrastive'"):
        EnergyModel(energy_function=Ring(), loss=loss).fit(RING)


class Integers(Ring):
    def __init__(self):
        self.parameters = {"log_width": np.zeros(1, dtype=int)}


class Columns(Ring):
    def value(self, x, z):
        return super().value(x, z)[:, None]


class Misnamed(Ring):
    def parameter_gradients(self, x, z, weight):
        return {"width": np.zeros(1)}


@pytest.mark.parametrize(
    ("energy", "message"),
    [
        (Integers(), "Integers must have .* `parameters`, a dictionary of arrays of floats"),
        (Columns(), r"one energy for each row of x, got the shape \(2, 1\) for 2 rows"),
        (Misnamed(), r"names and the shapes .* \{'log_width': \(1,\)\}, got \{'width': \(1,\)\}"),
        (Ring, "must be .* an object implementing 'value'"),
        (ExpertEnergy, r"must be .* \(such as ExpertEnergy.*Got <class"),
    ],
)
def test_mistakes_in_an_energy_of_a_user_are_named(energy, message):
    with pytest.raises(ValueError, match=message):
        EnergyModel(energy_function=energy, max_iter=1).fit(RING)


def test_samples_need_a_gradient():
    model = EnergyModel(energy_function=Ring(), max_iter=1, random_state=0).fit(RING)
    with pytest.raises(ValueError, match="sample requires an energy with `input_gradient`; Ring"):
        model.sample(2)
    assert model.sample(2, 0).shape == (2, 2)


# --------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "pseudo_likelihood"}, "energy of zeros and ones; energy_function='student_t'"),
        ({"energy_function": "ising", "loss": "score_matching"}, "energy of real numbers"),
        ({"loss": "maximum_likelihood"}, "as many components as features"),
        ({"energy_function": "rbm"}, r"X of zeros and ones, got"),
        ({"loss": "cd", "optimizer": "lbfgs"}, "chains"),
        ({"optimizer": "lbfgs", "weight_decay": 0.1}, "weight_decay=0"),
        ({"noise_level": 0.0}, "noise_level"),
        ({"n_components": 2, "energy_function": Ring()}, "n_components must be None"),
        ({"energy_function": object()}, "energy_function"),
        ({"energy_function": ExpertEnergy("logcosh", groups=2)}, "groups"),
    ],
)
def test_models_that_make_no_sense_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        EnergyModel(**{"n_components": 5, **parameters}).fit(RING)


def test_data_that_suggest_another_energy_are_reported(bits):
    with pytest.warns(UserWarning, match="only zeros and ones.*'ising' or 'rbm'"):
        EnergyModel(2, loss="denoising_score_matching", max_iter=1).fit(bits[0][:50])
    flat = np.column_stack([NORMAL, NORMAL[:, 0]])
    with pytest.warns(UserWarning, match="without variance"):
        EnergyModel(2, max_iter=2, tol=0).fit(flat)
    with pytest.warns(UserWarning, match="different units with StandardScaler"):
        EnergyModel(max_iter=2, tol=0).fit(NORMAL * [1e-3, 1, 1e3])


@pytest.mark.parametrize("loss", ["cd", "pcd", "noise_contrastive"])
def test_energies_without_a_density_are_reported(loss):
    """Chains leave the data in directions where the energy is constant."""
    model = EnergyModel(2, loss=loss, max_iter=1, random_state=0)
    with pytest.warns(
        UserWarning, match=f"'{loss}' requires a density, but .* 1 of the directions"
    ):
        model.fit(NORMAL[:50])
    with pytest.warns(UserWarning, match="sample requires a density"):
        model.sample(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(energy_function=ExpertEnergy(precision=1)).fit(NORMAL[:50]).sample(2)
        EnergyModel(2, optimizer="adam", max_iter=1).fit(NORMAL[:50])


def test_noise_has_the_density_that_it_is_drawn_from():
    noise, stream = GaussianNoise.of(MEAN, COVARIANCE), Stream(np.random.RandomState(0))
    thick = COVARIANCE + 0.01 * np.diag(np.diagonal(COVARIANCE))
    normal = multivariate_normal(MEAN, thick)
    assert_allclose(noise.log_density(NORMAL[:5]), normal.logpdf(NORMAL[:5]), rtol=1e-4)
    drawn = noise.draw((5000, 6), stream.key(), numpy)
    assert drawn.shape == (10_000, 3)
    # Five standard errors of a variance
    assert_allclose(np.cov(drawn.T), thick, atol=5 * 1.5 * math.sqrt(2 / 10_000))


def test_noise_lies_off_data_on_a_line():
    """Otherwise, the energy would not rise away from the line."""
    place = RANDOM.uniform(-1, 1, 1000)
    X = np.column_stack([place, 0.5 * place])
    model = EnergyModel(
        20, energy_function="softplus", loss="noise_contrastive", max_iter=20, tol=0, random_state=0
    ).fit(X)
    assert np.all(model.energy(X[:50]) < model.energy(X[:50] + np.array([-0.4, 0.8])))


@pytest.mark.parametrize("name", MODEL_ENERGIES)
def test_assigned_attributes_define_the_energy(name, bits):
    """All attributes of another model make the same model."""
    X = bits[0][:60] if name in ("ising", "rbm") else NORMAL[:60]
    model = EnergyModel(energy_function=name, max_iter=2, tol=0)
    first, second = (clone(model).set_params(random_state=seed).fit(X) for seed in (0, 1))
    second.fit(X[::2])
    assert np.any(first.energy(X) != second.energy(X))
    for attribute in first._model_attributes[1:]:
        if attribute in vars(first):
            setattr(second, attribute, getattr(first, attribute))
    assert_allclose(second.energy(X), first.energy(X), rtol=1e-12)
    second.fit(X[::2]).energy_function_ = first.energy_function_
    assert_allclose(second.energy(X), first.energy(X), rtol=1e-12)
