"""Limits of learned inference: sparse S, divergence, bad input, Ctrl-C, and messages."""

import copy
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_ebm import LISTAEncoder, SparseCoder
from sklearn_ebm.estimators import _imitation_learning
from sklearn_ebm.estimators._atoms import Atoms
from sklearn_ebm.factors import L1, LOSSES, LinearDecoder, SparseEnergy
from sklearn_ebm.factors.encoders import UnrolledEncoder
from sklearn_ebm.learning._policies import KeepBest, SlowDown, least_objective
from sklearn_ebm.learning._samples import Batch
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import Dictionary, Imitation
from tests.estimators.interruption import interrupt_after
from tests.estimators.learned_inference import (
    ALPHA,
    N_TRAINED,
    SETTINGS,
    kept_first,
    losses,
    make,
    mean_loss,
    networks,
    untrained,
)

# Sparse S


@networks
def test_sparse_lateral_weights_leave_the_model_as_it_is(X, new, atoms, encoder, tied):
    model = make(atoms, encoder=encoder, tied=tied, n_steps=2, max_iter=3).fit(X)
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
def test_retraining_lowers_the_loss_and_keeps_what_was_taken_out(X, new, atoms, encoder, tied):
    rate = 1e-5 if encoder == "drsae" else 3e-4  # few codes are on, and already close
    options = {"encoder": encoder, "tied": tied, "learning_rate": rate}
    model = make(atoms, n_steps=2, max_iter=3, **options).fit(X)
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
def test_a_learning_rate_that_diverges_issues_a_warning_and_is_harmless(
    X, atoms, encoder, tied, loss, n_copies
):
    data = np.vstack([X] * n_copies)
    options = {"encoder": encoder, "tied": tied, "loss": loss, "learning_rate": 1e6}
    model = make(atoms, **options, n_steps=3, batch_size=400, validation_fraction=0)
    with pytest.warns(ConvergenceWarning, match="diverged with learning_rate=1000000.0; the best"):
        model.fit(data)
    before, after = (
        mean_loss(loss, X, code, atoms) for code in (untrained(model, X), model.transform(X))
    )
    assert after <= before * (1 + 1e-9)  # rounding of two ways to compute the same codes


def test_partial_fit_that_diverges_issues_a_warning_and_is_undone(X, new, atoms):
    model = make(atoms, n_steps=3, learning_rate=1e6, batch_size=20)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.partial_fit(X)
    assert_allclose(model.transform(new), untrained(model, new), atol=1e-12)


@networks
def test_a_rate_that_falls_by_itself_ends_where_training_helps(
    X, new, atoms, monkeypatch, encoder, tied
):
    """Steps are initially as large as weights, a hundred times a suitable rate."""
    monkeypatch.setattr(_imitation_learning, "AUTOMATIC_RATE", 0.3)
    model = make(atoms, encoder=encoder, tied=tied, learning_rate="auto", max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(X)
    before = mean_loss("codes", new, untrained(model, new), atoms)
    assert mean_loss("codes", new, model.transform(new), atoms) < 0.9 * before


def test_going_back_forgets_the_steps_that_led_astray(X, atoms):
    """The first step of Adam changes each entry by the learning rate, here a third of the first."""
    lipschitz, energy = (
        LinearDecoder(atoms).lipschitz,
        SparseEnergy(LinearDecoder(atoms), L1(ALPHA)),
    )
    encoder = UnrolledEncoder.from_dictionary(atoms, lipschitz, ALPHA, n_steps=1)
    criterion = Imitation(atoms, encoder)
    trainer = Trainer(criterion.follow(LOSSES["energy"](energy), lambda done: 3e-3, "numpy"))
    best = KeepBest(least_objective)
    best.begin(trainer)
    before = encoder.copy().parameters
    for _ in range(5):
        trainer.step(Batch(X))
    SlowDown(best).recover(trainer)
    for name, value in before.items():
        assert_array_equal(encoder.parameters[name], value)
    trainer.step(Batch(X))
    rate = 3e-3 / 3 * encoder.scales["weights"]
    moved = np.abs(encoder.parameters["weights"] - before["weights"])
    # Adam's epsilon, relative to the few gradients as small as 1e-5.
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
        {"encoder": "lars"},
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
        (
            lambda atoms: {"dictionary": 0 * atoms},
            "norm zero, got zeros in rows 0, 1, 2, 3, 4, [.]{3}",
        ),
        (lambda atoms: {"tied": False, "encoder": "lcod"}, "tied=False requires encoder='lista'"),
        (
            lambda atoms: {"dictionary": SparseCoder(dictionary=atoms, positive=True).fit(atoms)},
            "positive=False, got positive=True: .* Set encoder='drsae' .* pass its components_",
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
    words = "dictionary must be a fitted coder or an array of atoms, got an unfitted SparseCoder"
    with pytest.raises(NotFittedError, match=words):
        make(SparseCoder(12)).fit(X)


@losses
@networks
@kept_first
@pytest.mark.parametrize("value", [0.0, 1.0, -1e-150, 1e6])
def test_constant_data_give_a_usable_encoder(atoms, encoder, tied, loss, value):
    X = np.full((60, atoms.shape[1]), value)
    model = make(atoms, encoder=encoder, tied=tied, loss=loss, max_iter=2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "alpha=1.0 is so large", ConvergenceWarning)
        model.fit(X)
    curve = model.validation_curve_
    assert np.all(np.isfinite(curve))
    assert np.all(np.isfinite(model.transform(X)))
    assert model.transform(X).std(axis=0).max() <= 1e-12 * max(1, abs(value))


# Ctrl-C


def interrupted(model, X, criterion, n_batches):
    """Fit, and raise KeyboardInterrupt in the batch after the n-th."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, criterion, n_batches)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X)
    return model


@networks
@losses
@pytest.mark.parametrize("n_batches", [0, 5, 13])  # a pass has eight batches of 20
def test_ctrl_c_leaves_the_best_parameters_seen(X, atoms, watched, encoder, tied, loss, n_batches):
    model = make(atoms, encoder=encoder, tied=tied, loss=loss)
    interrupted(model, X, Imitation, n_batches)
    assert model.n_iter_ == n_batches // 8
    curve = model.validation_curve_
    assert len(curve) == model.n_iter_ + 1
    seen = np.array(sorted(watched["looked at"]))
    kept = mean_loss(loss, seen, model.transform(seen), atoms)
    if n_batches:
        assert kept < curve[0]
    assert kept <= curve.min() * (1 + 1e-9)  # rounding of sums in another order
    model.partial_fit(X)  # learning can continue


def test_ctrl_c_after_steps_that_did_harm_goes_back_to_before(X, new, atoms):
    model = interrupted(make(atoms, learning_rate=0.03), X, Imitation, 5)
    assert_allclose(model.transform(new), untrained(model, new), atol=1e-12)


@networks
def test_ctrl_c_while_the_dictionary_is_learned_leaves_an_untrained_encoder(X, new, encoder, tied):
    options = {**SETTINGS, "encoder": encoder, "tied": tied}
    model = interrupted(LISTAEncoder(12, **options), X, Dictionary, 2)
    assert model.n_iter_ == 0
    assert model.components_.shape == (12, 64)
    assert_allclose(model.transform(new), untrained(model, new), atol=1e-12)
    model.partial_fit(X)  # learning can continue
    assert np.any(model.transform(new) != untrained(model, new))


# Messages for users


def test_verbose_prints_a_line_for_each_pass(X, atoms, capsys):
    model = make(atoms, verbose=1, max_iter=3).fit(X)
    lines = capsys.readouterr().out.splitlines()
    curves = zip(lines, model.objective_curve_, model.validation_curve_[1:], strict=True)
    for n, (line, loss, held_out) in enumerate(curves, 1):
        start = f"[LISTAEncoder] pass {n}: loss {loss:.4g}, held out {held_out:.4g}, "
        assert line.startswith(start)
        assert line.endswith(f"{100 * model.sparsity_curve_[n - 1]:.1f} % active")


def test_passes_without_improvement_issue_a_warning(X, atoms):
    with pytest.warns(ConvergenceWarning, match="No pass improved on the initial loss"):
        make(atoms, learning_rate=0.03, max_iter=3).fit(X)


def test_ctrl_c_before_any_dictionary_leaves_nothing_fitted(X, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    model = LISTAEncoder(12, **SETTINGS)
    with monkeypatch.context() as patch:
        patch.setattr(Atoms, "first_values", interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X)
    with pytest.raises(NotFittedError):
        model.transform(X)


def test_ctrl_c_is_not_lost_where_the_last_step_did_harm(X, new, atoms, monkeypatch):
    interrupt_after(monkeypatch, Imitation, 1)
    model = make(atoms, n_steps=5, learning_rate=1e6)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert_allclose(model.transform(new), untrained(model, new), atol=1e-10)


@pytest.mark.parametrize("learning_rate", ["auto", 3e-4])
def test_a_start_far_from_any_code_is_no_divergence(learning_rate):
    """With nearly identical atoms, sh(x W) is five hundred times too large."""
    random = np.random.default_rng(0)
    rows = np.ones((500, 16)) / 4 + 1e-3 * random.standard_normal((500, 16))
    X = 1 + 0.1 * random.standard_normal((300, 16))
    model = make(
        rows, encoder="lcod", n_steps=0, alpha=0.1, loss="energy", learning_rate=learning_rate
    )
    curve = model.fit(X).validation_curve_
    assert curve[0] > 1e4 * np.mean(np.sum(X**2, axis=1)) / 2
    assert curve.min() < curve[0]


def test_held_out_samples_have_a_weight(X, atoms):
    weights = np.zeros(len(X))
    weights[:3] = 1
    model = make(atoms, max_iter=3).fit(X, sample_weight=weights)
    assert model.validation_curve_[0] > 0
    assert model.validation_curve_.min() < model.validation_curve_[0]


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_training_does_not_depend_on_the_unit_of_the_data(X, new, atoms, scale):
    """Codes, thresholds and gradients scale with the data; Adam's steps scale with parameters."""
    model = make(atoms, max_iter=3).fit(X)
    scaled = make(atoms, max_iter=3, alpha=scale * ALPHA).fit(scale * X)
    # Adam's epsilon of 1e-16 is 1e-5 of the smallest relevant gradients at 1e-3.
    assert_allclose(scaled.transform(scale * new), scale * model.transform(new), atol=1e-4 * scale)
