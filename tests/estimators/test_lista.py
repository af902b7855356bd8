"""Learned inference: it starts as the solver, keeps the best parameters, and matches the papers."""

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

from sklearn_ebm import PSD, LISTAEncoder, SparseCoder, sparse_encode
from sklearn_ebm.backends import numpy
from sklearn_ebm.estimators import _imitation_learning
from sklearn_ebm.factors import LinearDecoder, Tape
from sklearn_ebm.factors.encoders import UnrolledEncoder
from sklearn_ebm.learning._optimizers import Adam
from sklearn_ebm.learning.criteria import Imitation
from tests.estimators.learned_inference import (
    ALPHA,
    N_ATOMS,
    N_TRAINED,
    SETTINGS,
    encoders,
    energies,
    kept_first,
    losses,
    make,
    mean_loss,
    networks,
    optimal_energies,
    untrained,
)
from tests.papers import lcod, lista, rectify, shrink

# Parameters that training keeps


@networks
@losses
@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_it_begins_at_the_solver_and_ends_no_higher(
    X, atoms, watched, encoder, tied, loss, fraction
):
    options = {"encoder": encoder, "tied": tied, "loss": loss, "learning_rate": 1e-4}
    model = make(atoms, n_steps=2, max_iter=3, validation_fraction=fraction, **options).fit(X)
    seen = np.array(sorted(watched["looked at"]))
    assert len(seen) == (N_TRAINED if fraction == 0 else fraction * N_TRAINED)
    if fraction:
        assert not watched["looked at"] & watched["learned"]
    assert watched["looked at"] | watched["learned"] == set(map(tuple, X))
    curve = model.validation_curve_
    assert len(curve) == model.n_iter_ + 1 == 4
    # Rounding of optimal codes depends on the rows that are inferred together.
    assert_allclose(curve[0], mean_loss(loss, seen, untrained(model, seen), atoms), rtol=1e-8)
    last = mean_loss(loss, seen, model.transform(seen), atoms)
    assert_allclose(last, curve.min(), rtol=1e-8)
    assert curve.min() < curve[0]


@encoders
def test_it_ends_at_its_best_pass_not_at_its_last(X, atoms, watched, encoder):
    """Steps become far too large after some passes, so that all later passes are worse."""
    model = make(atoms, encoder=encoder)
    rates = iter([*[3e-4] * 16, *[1e-2] * 100])
    apply = Imitation.apply

    def scaled(self, *args):
        rate = next(rates) / self.damping
        self.follow(self.loss, lambda done: rate, self.backend, keeps_damping=True)
        return apply(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Imitation, "apply", scaled)
        model.fit(X)
    curve = model.validation_curve_
    assert 0 < curve.argmin() < model.n_iter_
    seen = np.array(sorted(watched["looked at"]))
    last = mean_loss("codes", seen, model.transform(seen), atoms)
    assert_allclose(last, curve.min(), rtol=1e-8)


@networks
def test_training_brings_codes_of_new_patches_closer(X, new, atoms, encoder, tied):
    model = make(atoms, encoder=encoder, tied=tied).fit(X)
    before = mean_loss("codes", new, untrained(model, new), atoms)
    assert mean_loss("codes", new, model.transform(new), atoms) < 0.8 * before


@networks
def test_training_on_the_energy_lowers_it_and_asks_for_no_optimum(
    X, new, atoms, monkeypatch, encoder, tied
):
    def refuse(*args, **options):
        raise AssertionError("optimal codes")

    monkeypatch.setattr(_imitation_learning, "infer", refuse)
    options = {"encoder": encoder, "tied": tied}
    model = make(atoms, loss="energy", **options).fit(X).partial_fit(X[:20])
    least = optimal_energies(new, atoms, positive=model.positive)
    excess = energies(new, untrained(model, new), atoms) - least
    left = model.energy(new) - least
    assert left.mean() < 0.8 * excess.mean()
    with pytest.raises(AssertionError, match="optimal codes"):
        make(atoms, **options).fit(X)


@losses
def test_the_objective_is_the_mean_loss_before_each_step(X, atoms, loss):
    """A single batch contains all samples: its loss is that of the network before the step."""
    options = {"validation_fraction": 0, "batch_size": N_TRAINED, "max_iter": 4}
    model = make(atoms, loss=loss, **options).fit(X)
    assert_allclose(model.objective_curve_, model.validation_curve_[:-1], rtol=1e-12)


@pytest.fixture
def rates(monkeypatch):
    """Record the learning rates of all steps."""
    rate_at, made = Imitation.rate_at, []

    def recording(self, done):
        made.append(rate_at(self, done))
        return made[-1]

    monkeypatch.setattr(Imitation, "rate_at", recording)
    return made


def test_passes_without_progress_lower_the_rate_by_thirds_and_then_end(X, atoms, rates):
    """No three passes reduce the loss by nine tenths; 3^-4 is the first power below 1/50."""
    settings = {"batch_size": N_TRAINED, "max_iter": 100, "n_iter_no_change": 3, "tol": 0.9}
    model = make(atoms, learning_rate=lambda done: 3e-4, **settings).fit(X)
    assert model.n_iter_ == 12
    expected = 3e-4 * np.repeat([1, 1 / 3, 1 / 9, 1 / 27], 3)
    assert_allclose(rates, expected, rtol=1e-12)


def test_passes_with_progress_keep_the_rate(X, atoms, rates):
    settings = {"max_iter": 4, "n_iter_no_change": 1, "tol": 1e-3}
    model = make(atoms, learning_rate=lambda done: 1e-4, **settings).fit(X)
    curve = model.validation_curve_
    assert np.all(curve[1:] < 0.999 * curve[:-1])
    assert set(rates) == {1e-4}


@kept_first
def test_without_a_tolerance_all_passes_are_made(X, atoms, rates):
    settings = {"n_iter_no_change": 1, "tol": 0, "max_iter": 20}
    model = make(atoms, learning_rate=lambda done: 0.03, **settings).fit(X)
    assert model.n_iter_ == 20
    assert set(rates) == {0.03}


@losses
@networks
def test_weights_are_repetitions(X, atoms, loss, encoder, tied):
    """A single batch contains all samples, so that their order does not matter."""
    weights = np.random.default_rng(0).integers(0, 3, 60)
    options = {"encoder": encoder, "tied": tied, "loss": loss, "max_iter": 4}
    options.update(batch_size=1000, validation_fraction=0)
    weighted = make(atoms, **options).fit(X[:60], sample_weight=weights)
    repeated = make(atoms, **options).fit(np.repeat(X[:60], weights, axis=0))
    # Rounding of sums in another order, amplified by four updates.
    assert_allclose(weighted.validation_curve_, repeated.validation_curve_, rtol=1e-8)
    assert_allclose(weighted.objective_curve_, repeated.objective_curve_, rtol=1e-8)
    for name, value in weighted.encoder_.parameters.items():
        assert_allclose(value, repeated.encoder_.parameters[name], atol=1e-8, err_msg=name)


@encoders
def test_backends_train_the_same_network(X, atoms, encoder):
    first, second = (
        make(atoms, encoder=encoder, backend=backend, solver="cd", code_tol=1e-12).fit(X)
        for backend in ("numpy", "numba")
    )
    # Gaps of 1e-12 allow differences of optimal codes of 1e-5; a hundred steps follow them.
    assert_allclose(first.validation_curve_, second.validation_curve_, rtol=1e-3)
    for name, value in first.encoder_.parameters.items():
        assert_allclose(value, second.encoder_.parameters[name], atol=1e-3, err_msg=name)


# The network


@networks
@pytest.mark.parametrize("n_steps", [0, 1, 4])
@pytest.mark.parametrize("scale", [1, 1000])
def test_attributes_are_the_network_of_the_paper(X, new, atoms, encoder, tied, n_steps, scale):
    options = {"encoder": encoder, "tied": tied, "n_steps": n_steps, "learning_rate": 1e-5}
    model = make(atoms, **options, max_iter=3).fit(X)
    assert model.validation_curve_.argmin() > 0  # weights are trained
    weights, lateral, thresholds = (
        getattr(model, name) for name in ("encoding_weights_", "lateral_weights_", "thresholds_")
    )
    if encoder == "lcod":
        expected = lcod(scale * new, weights, lateral, thresholds, n_steps)
    else:
        if tied:
            weights, thresholds = ([array] * (n_steps + 1) for array in (weights, thresholds))
            lateral = [lateral] * n_steps
        momenta = model.encoder_.parameters.get("momentum", np.zeros(n_steps))
        assert len(weights) == len(thresholds) == len(lateral) + 1 == len(momenta) + 1
        rule = rectify if encoder == "drsae" else shrink
        expected = lista(scale * new, weights, lateral, thresholds, momenta, rule)
    # Sums of 64 and 24 terms of size ten, for data of unit variance.
    assert_allclose(model.transform(scale * new), expected, atol=1e-12 * scale)
    first = model.encoding_weights_ if tied else model.encoding_weights_[0]
    assert_array_equal(model.encoder_components_, first.T)


@networks
def test_momenta_and_every_other_parameter_are_trained(X, atoms, encoder, tied):
    options = {"encoder": encoder, "tied": tied, "n_steps": 2}
    model = make(atoms, **options, max_iter=3).fit(X)
    first = make(atoms, **options, max_iter=1, learning_rate=1e-15).fit(X)
    for name, value in model.encoder_.parameters.items():
        assert np.abs(value - first.encoder_.parameters[name]).max() > 1e-4, name


@networks
def test_energy_is_that_of_the_network_s_code_and_above_the_least(X, new, atoms, encoder, tied):
    model = make(atoms, encoder=encoder, tied=tied, max_iter=3).fit(X)
    energy = model.energy(new)
    assert_allclose(energy, energies(new, model.transform(new), atoms), rtol=1e-12)
    assert np.all(energy > optimal_energies(new, atoms))
    assert_array_equal(model.score_samples(new), -energy)


def test_optimal_codes_and_energies_on_request(X, new, atoms):
    model = make(atoms, inference="optimal", max_iter=2).fit(X)
    assert_array_equal(model.transform(new), sparse_encode(new, atoms, ALPHA))
    # Codes may have a gap of 1e-4 of 1/2 ||x||^2 = 32.
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
    model = make(coder, alpha=2.0, max_iter=2).fit(X)  # the user's value has precedence
    code = model.transform(new)
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
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LISTAEncoder(12, **{**SETTINGS, "max_iter": 2}).fit(X)
    assert [str(warning.message) for warning in caught] == []


def test_a_clone_keeps_a_fitted_coder_and_clones_what_is_not_one(X, atoms):
    coder = SparseCoder(12, alpha=0.7, max_iter=2, tol=0, random_state=0).fit(X)
    model = make(coder, max_iter=1).fit(X)
    for copied in (clone(model), clone(make_pipeline(StandardScaler(), model))[-1]):
        assert_array_equal(copied.dictionary.transform(X), coder.transform(X))
        with pytest.raises(NotFittedError):
            copied.transform(X)
    assert clone(make(atoms)).dictionary is not atoms


def test_a_grid_search_over_steps_uses_one_fitted_coder(X):
    coder = SparseCoder(12, alpha=0.7, max_iter=2, tol=0, random_state=0).fit(X)
    search = GridSearchCV(make(coder, alpha=None, max_iter=3), {"n_steps": [0, 4]}, cv=2).fit(X)
    assert search.best_params_ == {"n_steps": 4}  # its score, minus the energy, is higher
    assert_array_equal(search.best_estimator_.components_, coder.components_)


# Learning from chunks


def test_partial_fit_is_one_step_of_adam_for_each_batch(X, atoms):
    """Compute the training by hand: three batches with their mean code error."""
    model = make(atoms, n_steps=2, batch_size=50).partial_fit(X[:140])
    optimum = sparse_encode(X[:140], atoms, ALPHA)
    lipschitz = LinearDecoder(atoms).lipschitz
    encoder = UnrolledEncoder.from_dictionary(atoms, lipschitz, ALPHA, n_steps=2)
    adam = Adam(encoder.parameters, units=encoder.scales)
    for rows in (slice(0, 50), slice(50, 100), slice(100, 140)):
        tape = Tape()
        code = encoder.forward(X[rows], tape)
        _, gradients = encoder.backward(tape, (code - optimum[rows]) / len(code))
        adam.step(gradients, numpy, SETTINGS["learning_rate"])
        encoder.project()
    for name, value in encoder.parameters.items():
        # Sums of 50 terms in another order, which Adam divides by their size.
        assert_allclose(model.encoder_.parameters[name], value, atol=1e-9, err_msg=name)


@networks
@losses
def test_partial_fit_lowers_the_loss_chunk_by_chunk(X, new, atoms, encoder, tied, loss):
    model = make(atoms, encoder=encoder, tied=tied, loss=loss)
    for _ in range(3):
        for chunk in np.split(X, 4):
            model.partial_fit(chunk)
    before = mean_loss(loss, new, untrained(model, new), atoms)
    after = mean_loss(loss, new, model.transform(new), atoms)
    optimum = sparse_encode(new, atoms, ALPHA, positive=model.positive)
    least = mean_loss(loss, new, optimum, atoms)
    assert after - least < 0.9 * (before - least)
    assert_array_equal(model.components_, atoms)


def test_a_warm_start_begins_where_the_last_fit_ended(X, atoms):
    model = make(atoms, warm_start=True, validation_fraction=0, max_iter=3).fit(X)
    first = model.validation_curve_
    model.fit(X)
    # All rows are used, in another order.
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
    words = "n_steps=3.* but learning continues with .*2"
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=words):
            getattr(model.set_params(n_steps=3), method)(X)
        with pytest.raises(ValueError, match=r"encoder='lfista'.* but learning continues"):
            getattr(model.set_params(n_steps=2, encoder="lfista"), method)(X)
        model.set_params(encoder="lista")
    assert model.set_params(warm_start=False, n_steps=3).fit(X).encoder_.n_steps == 3


# Codes that are not negative


def test_an_encoder_of_positive_codes_learns_from_a_positive_coder(X, new):
    coder = SparseCoder(N_ATOMS, alpha=ALPHA, positive=True, tol=1e-2, random_state=0).fit(X)
    model = make(coder, encoder="drsae", max_iter=5).fit(X)
    optimum = coder.transform(new)
    for codes in (model.transform(new), clone(model).set_params(inference="optimal").fit(X)
                  .transform(new)):  # fmt: skip
        assert codes.min() == 0
    assert_allclose(model.set_params(inference="optimal").transform(new), optimum, atol=1e-2)


def test_an_encoder_of_positive_codes_fits_positive_atoms_first(X):
    model = LISTAEncoder(6, alpha=0.5, encoder="drsae", max_iter=2, random_state=0).fit(X)
    coder = SparseCoder(6, alpha=0.5, positive=True, random_state=0).fit(X)
    assert_allclose(model.components_, coder.components_, atol=1e-12)
