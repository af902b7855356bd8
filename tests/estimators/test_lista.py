"""Learned inference: it begins as the solver, keeps what was best, and is the papers' network."""

import copy
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_ebm import PSD, LISTAEncoder, SparseCoder, sparse_encode
from sklearn_ebm.backends import numpy
from sklearn_ebm.estimators import _encoder_learning, _lista
from sklearn_ebm.estimators._encoder_learning import EncoderLearner
from sklearn_ebm.estimators._learning import Learner
from sklearn_ebm.factors import L1, LOSSES, UNFOLDINGS, Energy, LinearDecoder
from sklearn_ebm.factors.encoders import UnrolledEncoder
from sklearn_ebm.solvers import Adam
from tests.papers import UNTRAINED, lcod, lista

ALPHA = 1.0
N_ATOMS = 24
N_TRAINED = 200  # patches to learn from; the others are new
SETTINGS = {  # steps small enough for so few samples
    "alpha": ALPHA,
    "n_steps": 1,
    "max_iter": 10,
    "tol": 0,
    "n_iter_no_change": 100,
    "batch_size": 20,
    "learning_rate": 3e-4,
    "validation_fraction": 0.25,
    "random_state": 0,
}
NETWORKS = [("ista", True), ("ista", False), ("fista", True), ("fista", False), ("cd", True)]
networks = pytest.mark.parametrize(("unfolding", "tied"), NETWORKS)
unfoldings = pytest.mark.parametrize("unfolding", UNFOLDINGS)
losses = pytest.mark.parametrize("loss", LOSSES)
kept_first = pytest.mark.filterwarnings("ignore:No pass came below the loss of the untrained")


@pytest.fixture(scope="module")
def X(patches):
    return patches[:N_TRAINED]


@pytest.fixture(scope="module")
def new(patches):
    return patches[N_TRAINED:]


@pytest.fixture(scope="module")
def atoms(dictionary):
    return dictionary[:N_ATOMS]


def make(atoms, **parameters):
    return LISTAEncoder(dictionary=atoms, **{**SETTINGS, **parameters})


def energies(X, code, dictionary, alpha=ALPHA):
    residual = X - code @ dictionary
    return np.sum(residual**2, axis=1) / 2 + alpha * np.sum(np.abs(code), axis=1)


def mean_loss(loss, X, code, dictionary, alpha=ALPHA):
    """By its definition, with codes that are optimal as far as the models ask for it."""
    if loss == "energy":
        return energies(X, code, dictionary, alpha).mean()
    optimum = sparse_encode(X, dictionary, alpha)
    return np.mean(np.sum((code - optimum) ** 2, axis=1)) / 2


def untrained(model, X):
    """Codes of the solver that the model unrolls, after as many steps."""
    return UNTRAINED[model.unfolding](X, model.components_, ALPHA, model.n_steps)


@pytest.fixture
def watched(monkeypatch):
    """Rows that are looked at, and those of the batches that are learned from, one set each."""
    rows = {"looked at": set(), "learned": set()}

    def watch(method, key):
        whole = getattr(EncoderLearner, method)

        def watching(self, X, *args, **options):
            data = X[0] if isinstance(X, tuple) else X
            rows[key].update(map(tuple, data))
            return whole(self, X, *args, **options)

        monkeypatch.setattr(EncoderLearner, method, watching)

    watch("look", "looked at")
    watch("step", "learned")
    return rows


# What training keeps


@networks
@losses
@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_it_begins_at_the_solver_and_ends_no_higher(
    X, atoms, watched, unfolding, tied, loss, fraction
):
    options = {"unfolding": unfolding, "tied": tied, "loss": loss, "learning_rate": 1e-4}
    model = make(atoms, n_steps=2, max_iter=3, validation_fraction=fraction, **options).fit(X)
    seen = np.array(sorted(watched["looked at"]))
    assert len(seen) == (N_TRAINED if fraction == 0 else fraction * N_TRAINED)
    if fraction:
        assert not watched["looked at"] & watched["learned"]
    assert watched["looked at"] | watched["learned"] == set(map(tuple, X))
    curve = model.validation_curve_
    assert len(curve) == model.n_iter_ + 1 == 4
    # Optimal codes differ by rounding with the rows that they are inferred with.
    assert_allclose(curve[0], mean_loss(loss, seen, untrained(model, seen), atoms), rtol=1e-8)
    last = mean_loss(loss, seen, model.transform(seen), atoms)
    assert_allclose(last, curve.min(), rtol=1e-8)
    assert curve.min() < curve[0]


@unfoldings
def test_it_ends_at_its_best_pass_not_at_its_last(X, atoms, watched, unfolding):
    """With steps that are far too large after some passes, all that follow are worse."""
    model = make(atoms, unfolding=unfolding)
    rates = iter([*[3e-4] * 16, *[1e-2] * 100])
    step = EncoderLearner.step

    def scaled(self, *args, **options):
        self.adam.learning_rate = next(rates)
        return step(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EncoderLearner, "step", scaled)
        model.fit(X)
    curve = model.validation_curve_
    assert 0 < curve.argmin() < model.n_iter_
    seen = np.array(sorted(watched["looked at"]))
    last = mean_loss("codes", seen, model.transform(seen), atoms)
    assert_allclose(last, curve.min(), rtol=1e-8)


@networks
def test_training_brings_codes_of_new_patches_closer(X, new, atoms, unfolding, tied):
    model = make(atoms, unfolding=unfolding, tied=tied).fit(X)
    before = mean_loss("codes", new, untrained(model, new), atoms)
    assert mean_loss("codes", new, model.transform(new), atoms) < 0.8 * before


@networks
def test_training_on_the_energy_lowers_it_and_asks_for_no_optimum(
    X, new, atoms, monkeypatch, unfolding, tied
):
    def refuse(*args, **options):
        raise AssertionError("optimal codes")

    monkeypatch.setattr(_lista, "infer", refuse)
    options = {"unfolding": unfolding, "tied": tied}
    model = make(atoms, loss="energy", **options).fit(X).partial_fit(X[:20])
    excess = energies(new, untrained(model, new), atoms) - optimal_energies(new, atoms)
    left = model.energy(new) - optimal_energies(new, atoms)
    assert left.mean() < 0.8 * excess.mean()
    with pytest.raises(AssertionError, match="optimal codes"):
        make(atoms, **options).fit(X)


def optimal_energies(X, atoms, alpha=ALPHA):
    return energies(X, sparse_encode(X, atoms, alpha, tol=1e-10), atoms, alpha)


@losses
def test_the_objective_is_the_mean_loss_before_each_step(X, atoms, loss):
    """One batch holds all: its loss is that of the untrained network, then of the curve before."""
    options = {"validation_fraction": 0, "batch_size": N_TRAINED, "max_iter": 4}
    model = make(atoms, loss=loss, **options).fit(X)
    assert_allclose(model.objective_curve_, model.validation_curve_[:-1], rtol=1e-12)


@pytest.fixture
def rates(monkeypatch):
    """Learning rates of all steps that were made."""
    step, made = Adam.step, []

    def recording(self, *args):
        made.append(self.learning_rate)
        return step(self, *args)

    monkeypatch.setattr(Adam, "step", recording)
    return made


def test_passes_without_progress_lower_the_rate_by_thirds_and_then_end(X, atoms, rates):
    """No three passes lower the loss by nine tenths; 3^-4 is the first power below 1/50."""
    model = make(atoms, batch_size=N_TRAINED, max_iter=100, n_iter_no_change=3, tol=0.9).fit(X)
    assert model.n_iter_ == 12
    expected = SETTINGS["learning_rate"] * np.repeat([1, 1 / 3, 1 / 9, 1 / 27], 3)
    assert_allclose(rates, expected, rtol=1e-12)


def test_passes_with_progress_keep_the_rate(X, atoms, rates):
    model = make(atoms, max_iter=4, n_iter_no_change=1, tol=1e-3).fit(X)
    curve = model.validation_curve_
    assert np.all(curve[1:] < 0.999 * curve[:-1])
    assert set(rates) == {SETTINGS["learning_rate"]}


@kept_first
def test_without_a_tolerance_all_passes_are_made(X, atoms, rates):
    model = make(atoms, learning_rate=0.03, n_iter_no_change=1, tol=0, max_iter=20).fit(X)
    assert model.n_iter_ == 20
    assert set(rates) == {0.03}


@losses
@networks
def test_weights_are_repetitions(X, atoms, loss, unfolding, tied):
    """One batch holds everything, so that its order does not matter."""
    weights = np.random.default_rng(0).integers(0, 3, 60)
    options = {"unfolding": unfolding, "tied": tied, "loss": loss, "max_iter": 4}
    options.update(batch_size=1000, validation_fraction=0)
    weighted = make(atoms, **options).fit(X[:60], sample_weight=weights)
    repeated = make(atoms, **options).fit(np.repeat(X[:60], weights, axis=0))
    # Rounding of sums in another order, fed through four updates.
    assert_allclose(weighted.validation_curve_, repeated.validation_curve_, rtol=1e-8)
    assert_allclose(weighted.objective_curve_, repeated.objective_curve_, rtol=1e-8)
    for name, value in weighted.encoder_.parameters.items():
        assert_allclose(value, repeated.encoder_.parameters[name], atol=1e-8, err_msg=name)


@unfoldings
def test_backends_train_the_same_network(X, atoms, unfolding):
    first, second = (
        make(atoms, unfolding=unfolding, backend=backend, solver="cd", code_tol=1e-12).fit(X)
        for backend in ("numpy", "numba")
    )
    # Gaps of 1e-12 leave optimal codes 1e-5 apart; a hundred steps follow them.
    assert_allclose(first.validation_curve_, second.validation_curve_, rtol=1e-3)
    for name, value in first.encoder_.parameters.items():
        assert_allclose(value, second.encoder_.parameters[name], atol=1e-3, err_msg=name)


# The network


@networks
@pytest.mark.parametrize("n_steps", [0, 1, 4])
@pytest.mark.parametrize("scale", [1, 1000])
def test_attributes_are_the_network_of_the_paper(X, new, atoms, unfolding, tied, n_steps, scale):
    options = {"unfolding": unfolding, "tied": tied, "n_steps": n_steps, "learning_rate": 1e-5}
    model = make(atoms, **options, max_iter=3).fit(X)
    assert model.validation_curve_.argmin() > 0  # trained weights
    weights, lateral, thresholds = (
        getattr(model, name) for name in ("encoding_weights_", "lateral_weights_", "thresholds_")
    )
    if unfolding == "cd":
        expected = lcod(scale * new, weights, lateral, thresholds, n_steps)
    else:
        if tied:
            weights, thresholds = ([array] * (n_steps + 1) for array in (weights, thresholds))
            lateral = [lateral] * n_steps
        momenta = model.encoder_.parameters.get("momentum", np.zeros(n_steps))
        assert len(weights) == len(thresholds) == len(lateral) + 1 == len(momenta) + 1
        expected = lista(scale * new, weights, lateral, thresholds, momenta)
    # A few sums of 64 and 24 terms of size ten, for data of unit variance.
    assert_allclose(model.transform(scale * new), expected, atol=1e-12 * scale)
    first = model.encoding_weights_ if tied else model.encoding_weights_[0]
    assert_array_equal(model.encoder_components_, first.T)


@networks
def test_momenta_and_every_other_parameter_are_trained(X, atoms, unfolding, tied):
    options = {"unfolding": unfolding, "tied": tied, "n_steps": 2}
    model = make(atoms, **options, max_iter=3).fit(X)
    first = make(atoms, **options, max_iter=1, learning_rate=1e-15).fit(X)
    for name, value in model.encoder_.parameters.items():
        assert np.abs(value - first.encoder_.parameters[name]).max() > 1e-4, name


@networks
def test_energy_is_that_of_the_network_s_code_and_above_the_least(X, new, atoms, unfolding, tied):
    model = make(atoms, unfolding=unfolding, tied=tied, max_iter=3).fit(X)
    energy = model.energy(new)
    assert_allclose(energy, energies(new, model.transform(new), atoms), rtol=1e-12)
    assert np.all(energy > optimal_energies(new, atoms))
    assert_array_equal(model.score_samples(new), -energy)


def test_optimal_codes_and_energies_on_request(X, new, atoms):
    model = make(atoms, inference="optimal", max_iter=2).fit(X)
    assert_array_equal(model.transform(new), sparse_encode(new, atoms, ALPHA))
    # The gap that codes may have is 1e-4 of 1/2 ||x||^2 = 32.
    assert_allclose(model.energy(new), optimal_energies(new, atoms), atol=3.2e-3)


def test_inverse_transform_decodes(X, new, atoms):
    model = make(atoms, max_iter=2).fit(X)
    code = model.transform(new)
    assert_allclose(model.inverse_transform(code), code @ atoms, atol=1e-13)


# The dictionary


def test_an_array_of_atoms_is_used_as_it_is(X, atoms):
    scaled = atoms * np.linspace(0.5, 2, N_ATOMS)[:, None]
    before = scaled.copy()
    model = make(scaled).fit(X)
    assert_array_equal(model.components_, before)
    assert_array_equal(scaled, before)
    assert not np.shares_memory(model.components_, scaled)
    assert model.validation_curve_.min() < model.validation_curve_[0]


@pytest.mark.parametrize("kind", [SparseCoder, PSD])
def test_a_fitted_coder_gives_atoms_and_alpha(X, new, kind):
    coder = kind(12, alpha=0.7, max_iter=2, tol=0, random_state=0).fit(X)
    before = copy.deepcopy(vars(coder))
    model = make(coder, alpha=None, max_iter=2).fit(X)
    assert_array_equal(model.components_, before["components_"])
    assert model.dictionary is coder
    assert vars(coder).keys() == before.keys()
    assert_array_equal(coder.components_, before["components_"])
    code = model.transform(new)
    assert_allclose(model.energy(new), energies(new, code, coder.components_, 0.7), rtol=1e-12)
    model.set_params(alpha=2.0)  # the user's own has the last word
    assert_allclose(model.energy(new), energies(new, code, coder.components_, 2.0), rtol=1e-12)


def test_alpha_is_one_where_neither_user_nor_coder_say(X, new, atoms):
    model = make(atoms, alpha=None, max_iter=2).fit(X)
    assert_allclose(model.energy(new), energies(new, model.transform(new), atoms), rtol=1e-12)


def test_without_a_dictionary_it_learns_that_of_a_coder(X):
    model = LISTAEncoder(12, **{**SETTINGS, "max_iter": 2}).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        coder = SparseCoder(12, alpha=ALPHA, random_state=0).fit(X)
    assert_array_equal(model.components_, coder.components_)


def test_learning_the_dictionary_does_not_warn_of_passes_that_nobody_set(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LISTAEncoder(12, **{**SETTINGS, "max_iter": 2}).fit(X)


def test_a_clone_keeps_a_fitted_coder_and_clones_what_is_not_one(X, atoms):
    coder = SparseCoder(12, alpha=0.7, max_iter=2, tol=0, random_state=0).fit(X)
    model = make(coder, max_iter=1).fit(X)
    for copied in (clone(model), clone(make_pipeline(StandardScaler(), model))[-1]):
        assert copied.dictionary is coder
        with pytest.raises(NotFittedError):
            copied.transform(X)
    assert clone(make(atoms)).dictionary is not atoms


def test_a_grid_search_over_steps_uses_one_fitted_coder(X):
    coder = SparseCoder(12, alpha=0.7, max_iter=2, tol=0, random_state=0).fit(X)
    search = GridSearchCV(make(coder, alpha=None, max_iter=3), {"n_steps": [0, 4]}, cv=2).fit(X)
    assert search.best_params_ == {"n_steps": 4}  # its score, minus the energy, is higher
    assert search.best_estimator_.dictionary is coder
    assert_array_equal(search.best_estimator_.components_, coder.components_)


# Learning in parts


def test_partial_fit_is_one_step_of_adam_for_each_batch(X, atoms):
    """The whole of training by hand: three batches against their mean code error."""
    model = make(atoms, n_steps=2, batch_size=50).partial_fit(X[:140])
    optimum = sparse_encode(X[:140], atoms, ALPHA)
    lipschitz = LinearDecoder(atoms).lipschitz
    encoder = UnrolledEncoder.from_dictionary(atoms, lipschitz, ALPHA, n_steps=2)
    adam = Adam(encoder.parameters, SETTINGS["learning_rate"], encoder.step_scales)
    for rows in (slice(0, 50), slice(50, 100), slice(100, 140)):
        code, tape = encoder.forward(X[rows])
        _, gradients = encoder.backward(tape, (code - optimum[rows]) / len(code))
        adam.step(gradients, numpy)
        encoder.project()
    for name, value in encoder.parameters.items():
        # Sums of 50 terms in another order, and Adam divides by the size of what is left of them.
        assert_allclose(model.encoder_.parameters[name], value, atol=1e-9, err_msg=name)


@networks
@losses
def test_partial_fit_lowers_the_loss_chunk_by_chunk(X, new, atoms, unfolding, tied, loss):
    model = make(atoms, unfolding=unfolding, tied=tied, loss=loss)
    for _ in range(3):
        for chunk in np.split(X, 4):
            model.partial_fit(chunk)
    before = mean_loss(loss, new, untrained(model, new), atoms)
    after = mean_loss(loss, new, model.transform(new), atoms)
    least = mean_loss(loss, new, sparse_encode(new, atoms, ALPHA), atoms)
    assert after - least < 0.9 * (before - least)
    assert_array_equal(model.components_, atoms)


def test_a_warm_start_begins_where_the_last_fit_ended(X, atoms):
    model = make(atoms, warm_start=True, validation_fraction=0, max_iter=3).fit(X)
    first = model.validation_curve_
    model.fit(X)
    # All rows are looked at, in another order.
    assert_allclose(model.validation_curve_[0], first.min(), rtol=1e-9)
    assert model.validation_curve_.min() < first.min()
    cold = model.set_params(warm_start=False).fit(X).validation_curve_
    assert_allclose(cold, first, rtol=1e-12)


def test_a_warm_start_takes_another_loss_and_another_alpha(X, atoms):
    model = make(atoms, warm_start=True, validation_fraction=0, max_iter=3).fit(X)
    for loss, alpha in (("energy", ALPHA), ("codes", 2.0)):
        code = model.transform(X)
        model.set_params(loss=loss, alpha=alpha).fit(X)
        expected = mean_loss(loss, X, code, atoms, alpha)
        assert_allclose(model.validation_curve_[0], expected, rtol=1e-8)


def test_a_warm_start_with_another_network_is_refused(X, atoms):
    model = make(atoms, warm_start=True, max_iter=1, n_steps=2).fit(X)
    words = "n_steps=3, but learning goes on with a UnrolledEncoder of 2 steps"
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=words):
            getattr(model.set_params(n_steps=3), method)(X)
        with pytest.raises(ValueError, match="unfolding='fista' and n_steps=2, but learning"):
            getattr(model.set_params(n_steps=2, unfolding="fista"), method)(X)
        model.set_params(unfolding="ista")
    assert model.set_params(warm_start=False, n_steps=3).fit(X).encoder_.n_steps == 3


# Sparse S


@networks
def test_sparse_lateral_weights_leave_the_model_as_it_is(X, new, atoms, unfolding, tied):
    model = make(atoms, unfolding=unfolding, tied=tied, n_steps=2, max_iter=3).fit(X)
    before = copy.deepcopy(model)
    sparser = model.to_sparse_lateral(0.25)
    kept = sparser.lateral_weights_ != 0
    assert kept.sum() == model.lateral_weights_.size / 4
    assert_array_equal(sparser.lateral_weights_[kept], model.lateral_weights_[kept])
    largest = np.abs(model.lateral_weights_[~kept]).max()
    assert np.abs(model.lateral_weights_[kept]).min() >= largest
    sparser.fit(X).partial_fit(X)
    for name, value in before.encoder_.parameters.items():
        assert_array_equal(model.encoder_.parameters[name], value)
    assert_array_equal(model.transform(new), before.transform(new))


@networks
def test_retraining_lowers_the_loss_and_keeps_what_was_taken_out(X, new, atoms, unfolding, tied):
    model = make(atoms, unfolding=unfolding, tied=tied, n_steps=2, max_iter=3).fit(X)
    pruned, retrained = model.to_sparse_lateral(0.2), model.to_sparse_lateral(0.2, X)
    curve = retrained.validation_curve_
    assert curve.min() < curve[0]
    losses = [mean_loss("codes", new, each.transform(new), atoms) for each in (pruned, retrained)]
    assert losses[1] < losses[0]
    assert retrained.warm_start is model.warm_start is False
    zero = pruned.lateral_weights_ == 0
    for further in (retrained, retrained.partial_fit(X)):
        assert np.all(further.lateral_weights_[zero] == 0)
        assert np.any(further.lateral_weights_ != pruned.lateral_weights_)


def test_weights_count_in_retraining(X, atoms):
    model = make(atoms, n_steps=2, max_iter=3, learning_rate=1e-4).fit(X)
    few = (np.arange(N_TRAINED) < 40).astype(float)
    everyone, some = (model.to_sparse_lateral(0.2, X, sample_weight=w) for w in (None, few))
    assert np.any(everyone.encoding_weights_ != some.encoding_weights_)


def test_a_fraction_is_between_nothing_and_everything(X, new, atoms):
    model = make(atoms, n_steps=2, max_iter=1).fit(X)
    assert_array_equal(model.to_sparse_lateral(1).transform(new), model.transform(new))
    assert not np.any(model.to_sparse_lateral(0.0).lateral_weights_)
    for fraction in (-0.1, 1.1):
        with pytest.raises(InvalidParameterError, match="The 'fraction' parameter of"):
            model.to_sparse_lateral(fraction)
    with pytest.raises(NotFittedError):
        make(atoms).to_sparse_lateral(0.5)


# Divergence


@networks
@losses
@pytest.mark.parametrize("n_copies", [1, 4], ids=["one piece", "pieces in threads"])
def test_a_learning_rate_that_diverges_is_told_and_does_no_harm(
    X, atoms, unfolding, tied, loss, n_copies
):
    data = np.vstack([X] * n_copies)
    options = {"unfolding": unfolding, "tied": tied, "loss": loss, "learning_rate": 1e6}
    model = make(atoms, **options, n_steps=3, batch_size=400, validation_fraction=0)
    with pytest.warns(ConvergenceWarning, match="diverged with learning_rate=1000000.0; the best"):
        model.fit(data)
    before, after = (
        mean_loss(loss, X, code, atoms) for code in (untrained(model, X), model.transform(X))
    )
    assert after <= before * (1 + 1e-9)  # rounding of the two ways to the same codes


def test_partial_fit_that_diverges_is_told_and_goes_back(X, new, atoms):
    model = make(atoms, n_steps=3, learning_rate=1e6, batch_size=20)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.partial_fit(X)
    assert_allclose(model.transform(new), untrained(model, new), atol=1e-12)


@networks
def test_a_rate_that_falls_by_itself_ends_where_training_helps(
    X, new, atoms, monkeypatch, unfolding, tied
):
    """Begun with steps as large as weights are, a hundred times those that are good."""
    monkeypatch.setattr(_encoder_learning, "FIRST_RATE", 0.3)
    model = make(atoms, unfolding=unfolding, tied=tied, learning_rate="auto", max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(X)
    before = mean_loss("codes", new, untrained(model, new), atoms)
    assert mean_loss("codes", new, model.transform(new), atoms) < 0.9 * before


def test_going_back_forgets_the_steps_that_led_astray(X, atoms):
    """The first step of Adam moves every entry by its rate, here a third of the first one."""
    lipschitz, energy = LinearDecoder(atoms).lipschitz, Energy(LinearDecoder(atoms), L1(ALPHA))
    encoder = UnrolledEncoder.from_dictionary(atoms, lipschitz, ALPHA, n_steps=1)
    learner = EncoderLearner(atoms, encoder).follow(LOSSES["energy"](energy), "auto", "numpy")
    learner.remember()
    before = encoder.copy().parameters
    for _ in range(5):
        learner.step(X)
    learner.back_off()
    for name, value in before.items():
        assert_array_equal(encoder.parameters[name], value)
    learner.step(X)
    rate = _encoder_learning.FIRST_RATE / 3 * encoder.step_scales["weights"]
    moved = np.abs(encoder.parameters["weights"] - before["weights"])
    # Adam's epsilon, over the few gradients that are as small as 1e-5.
    assert_allclose(np.median(moved), rate, rtol=1e-3)
    assert np.all(moved <= rate * (1 + 1e-9))


# Bad input


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_steps": -1},
        {"n_steps": 1.5},
        {"alpha": 0},
        {"alpha": -1.0},
        {"unfolding": "lars"},
        {"tied": "no"},
        {"loss": "reconstruction"},
        {"inference": "both"},
        {"dictionary": "wavelets"},
        {"n_iter_no_change": 0},
        {"validation_fraction": 1.0},
        {"learning_rate": 0},
        {"learning_rate": "fast"},
    ],
    ids=str,
)
def test_parameters_out_of_range_are_refused_by_name(X, atoms, parameters):
    (parameter,) = parameters
    with pytest.raises(InvalidParameterError, match=f"The '{parameter}' parameter of LISTAEncoder"):
        make(atoms).set_params(**parameters).fit(X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda atoms: {"dictionary": atoms[:, :5]}, "dictionary has 5 features, but X has 64"),
        (lambda atoms: {"n_components": 5}, "dictionary has 24 rows, but n_components=5"),
        (lambda atoms: {"dictionary": 0 * atoms}, "rows of norm zero: 0, 1, 2, 3, 4, [.]{3}"),
        (lambda atoms: {"tied": False, "unfolding": "cd"}, "tied=False needs unfolding='ista'"),
        (
            lambda atoms: {"dictionary": SparseCoder(dictionary=atoms, positive=True).fit(atoms)},
            "positive=True, whose codes .* Pass its components_",
        ),
        (
            lambda atoms: {"dictionary": SparseCoder(dictionary=atoms[:, :5]).fit(atoms[:, :5])},
            "dictionary has 5 features, but X has 64",
        ),
    ],
    ids=["width", "rows", "zero rows", "untied cd", "positive coder", "width of a coder"],
)
def test_dictionaries_and_networks_that_do_not_fit_are_refused(X, atoms, method, change, words):
    with pytest.raises(ValueError, match=words):
        getattr(make(atoms).set_params(**change(atoms)), method)(X)


def test_a_coder_that_is_not_fitted_is_named(X):
    words = "dictionary=SparseCoder is not fitted: fit it first, or pass an array of atoms"
    with pytest.raises(NotFittedError, match=words):
        make(SparseCoder(12)).fit(X)


@losses
@networks
@kept_first
@pytest.mark.parametrize("value", [0.0, 1.0, -1e-150, 1e6])
def test_constant_data_give_a_usable_encoder(atoms, unfolding, tied, loss, value):
    X = np.full((60, atoms.shape[1]), value)
    model = make(atoms, unfolding=unfolding, tied=tied, loss=loss, max_iter=2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "alpha=1.0 is so large", ConvergenceWarning)
        model.fit(X)
    curve = model.validation_curve_
    assert np.all(np.isfinite(curve))
    assert np.all(np.isfinite(model.transform(X)))
    assert model.transform(X).std(axis=0).max() <= 1e-12 * max(1, abs(value))


# Ctrl-C


def interrupted(model, X, learner, n_batches):
    """Fit, and press Ctrl-C in the batch after the n-th."""
    step, made = learner.step, []

    def counted(self, *args, **options):
        if len(made) == n_batches:
            raise KeyboardInterrupt
        made.append(1)
        return step(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner, "step", counted)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X)
    return model


@networks
@losses
@pytest.mark.parametrize("n_batches", [0, 5, 13])  # eight batches of 20 make a pass
def test_ctrl_c_leaves_the_best_parameters_seen(
    X, atoms, watched, unfolding, tied, loss, n_batches
):
    model = make(atoms, unfolding=unfolding, tied=tied, loss=loss)
    interrupted(model, X, EncoderLearner, n_batches)
    assert model.n_iter_ == n_batches // 8
    curve = model.validation_curve_
    assert len(curve) == model.n_iter_ + 1
    seen = np.array(sorted(watched["looked at"]))
    kept = mean_loss(loss, seen, model.transform(seen), atoms)
    if n_batches:
        assert kept < curve[0]
    assert kept <= curve.min() * (1 + 1e-9)  # rounding of sums in another order
    model.partial_fit(X)  # and it can go on


def test_ctrl_c_after_steps_that_did_harm_goes_back_to_before(X, new, atoms):
    model = interrupted(make(atoms, learning_rate=0.03), X, EncoderLearner, 5)
    assert_allclose(model.transform(new), untrained(model, new), atol=1e-12)


@networks
def test_ctrl_c_while_the_dictionary_is_learned_leaves_an_untrained_encoder(
    X, new, unfolding, tied
):
    options = {**SETTINGS, "unfolding": unfolding, "tied": tied}
    model = interrupted(LISTAEncoder(12, **options), X, Learner, 2)
    assert model.n_iter_ == 0
    assert model.components_.shape == (12, 64)
    assert_allclose(model.transform(new), untrained(model, new), atol=1e-12)
    model.partial_fit(X)  # and it can go on
    assert np.any(model.transform(new) != untrained(model, new))


# What users see


def test_verbose_prints_a_line_for_each_pass(X, atoms, capsys):
    model = make(atoms, verbose=1, max_iter=3).fit(X)
    lines = capsys.readouterr().out.splitlines()
    curves = zip(lines, model.objective_curve_, model.validation_curve_[1:], strict=True)
    for n, (line, loss, held_out) in enumerate(curves, 1):
        start = f"[LISTAEncoder] pass {n}: loss {loss:.4g}, held out {held_out:.4g}, "
        assert line.startswith(start)
        assert line.endswith(f"{100 * model.sparsity_curve_[n - 1]:.1f} % active")


def test_passes_that_only_do_harm_are_told(X, atoms):
    with pytest.warns(ConvergenceWarning, match="No pass came below the loss of the untrained"):
        make(atoms, learning_rate=0.03, max_iter=3).fit(X)
