"""DrSAEClassifier: the published energy, two kinds of units, labels, weights, refusals."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, normalize

from sklearn_ebm import DrSAEClassifier
from sklearn_ebm.estimators._discriminative_learning import RATES
from sklearn_ebm.inspection._units import angles_of
from sklearn_ebm.learning.criteria import Discriminative

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = normalize(DIGITS)
X, Y = DIGITS[:150], LABELS[:150] % 3
QUICK = {"n_steps": 3, "pretrain_max_iter": 2, "max_iter": 3, "random_state": 0}
ARRAYS = ("components_", "encoding_weights_", "lateral_weights_", "thresholds_", "class_weights_")


def quick(**parameters):
    return DrSAEClassifier(12, **{**QUICK, **parameters})


@pytest.fixture(scope="module")
def model():
    return quick().fit(X, Y)


def arrays(model):
    return {name: getattr(model, name) for name in ARRAYS}


def assert_same_model(first, second, **tolerance):
    for name, value in arrays(first).items():
        assert_allclose(getattr(second, name), value, err_msg=name, **tolerance)


# -------------------------------------------------------------------------------------- the model
def steps_of(model, x):
    """Rolfe & LeCun (2013), eq. 2."""
    base = x @ model.encoding_weights_ - model.thresholds_
    code = np.maximum(base, 0)
    codes = [code]
    for _ in range(model.n_steps):
        code = np.maximum(base + code @ model.lateral_weights_, 0)
        codes.append(code)
    return np.stack(codes)


def test_codes_scores_and_energies_are_the_published_ones(model):
    codes = steps_of(model, X)
    assert_allclose(model.code_steps(X), codes, atol=1e-13)
    assert_allclose(model.transform(X), codes[-1], atol=1e-13)
    norms = np.linalg.norm(codes[-1], axis=1, keepdims=True)
    scores = codes[-1] @ model.class_weights_.T / np.where(norms > 0, norms, 1)
    assert_allclose(model.decision_function(X), scores, atol=1e-12)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert_allclose(model.predict_proba(X), p, rtol=1e-10)
    assert_allclose(model.predict_log_proba(X), np.log(p), rtol=1e-10, atol=1e-12)
    assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    restored = codes[-1] @ model.components_
    assert_allclose(model.inverse_transform(codes[-1]), restored, atol=1e-13)
    energy = np.sum((X - restored) ** 2, axis=1) / 2 + model.alpha * codes[-1].sum(axis=1)
    assert_allclose(model.energy(X), energy, atol=1e-13)


def test_one_score_for_two_classes():
    two = quick().fit(X[Y < 2], Y[Y < 2])
    scores = two.decision_function(X)
    assert scores.shape == (len(X),)
    log_odds = np.log(two.predict_proba(X)[:, 1] / two.predict_proba(X)[:, 0])
    assert_allclose(scores, log_odds, atol=1e-10)
    assert_array_equal(two.predict(X), (scores > 0).astype(int))
    assert two.class_weights_.shape[0] == 2


def test_the_objective_of_the_last_pass_is_near_the_energy_with_labels(model):
    long = quick(max_iter=200, learning_rate=1e-3).fit(X, Y)
    p = long.predict_proba(X)[np.arange(len(X)), np.searchsorted(long.classes_, Y)]
    expected = np.mean(long.energy(X)) - 0.2 * np.mean(np.log(p))
    # Energies are measured before each of the last steps, whose rate is almost zero.
    assert_allclose(long.objective_curve_[-1], expected, rtol=1e-3)
    assert long.objective_curve_[-1] < long.objective_curve_[0]


def test_norms_are_within_their_limits(model):
    assert np.linalg.norm(model.components_, axis=1).max() <= 1 + 1e-12
    assert np.linalg.norm(model.encoding_weights_, axis=0).max() <= 1.25 / 4 + 1e-12
    assert np.linalg.norm(model.class_weights_, axis=1).max() <= 5 + 1e-12
    assert model.thresholds_.min() >= 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_backends_learn_the_same_model(optimizer):
    numpy, numba = (quick(backend=name, optimizer=optimizer).fit(X, Y) for name in
                    ("numpy", "numba"))  # fmt: skip
    # Rounding errors of 40 steps; Adam divides them by the size of small gradients.
    assert_same_model(numpy, numba, rtol=0, atol=1e-10 if optimizer == "sgd" else 1e-6)
    assert_allclose(numpy.objective_curve_, numba.objective_curve_, rtol=1e-9)
    assert_allclose(numpy.accuracy_curve_, numba.accuracy_curve_, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_single_precision_is_kept(backend):
    single = quick(backend=backend).fit(X.astype(np.float32), Y)
    for name, value in arrays(single).items():
        assert value.dtype == np.float32, name
    for call in ("transform", "code_steps", "energy", "decision_function", "predict_proba"):
        assert getattr(single, call)(X[:5].astype(np.float32)).dtype == np.float32
        assert getattr(single, call)(X[:5]).dtype == np.float64
    assert single.inverse_transform(np.ones((1, 12), np.float32)).dtype == np.float32


# ------------------------------------------------------------------------------------- two kinds
def test_digits_are_divided_into_parts_and_categories():
    """Rolfe & LeCun (2013), section 4: angles grow with the coefficients of the classes.

    Part units are at half of their activity at once, and categorical units become active late.
    """
    model = DrSAEClassifier(100, max_iter=50, random_state=0)
    model.fit(DIGITS[:1000].astype(np.float32), LABELS[:1000])
    new = DIGITS[1000:].astype(np.float32)
    assert model.score(new, LABELS[1000:]) > 0.9
    angle, size = angles_of(model), np.linalg.norm(model.class_weights_, axis=0)
    assert np.corrcoef(angle, size)[0, 1] > 0.5
    steps = model.code_steps(new).mean(axis=1)
    part, category = (steps[:, units].mean(axis=1) for units in (angle < 0.5, angle > 0.7))
    assert 0.25 < part[0] / part[-1] < 1.5
    assert category[0] / category[-1] < 0.25
    assert np.all(part[2] / part[-1] > category[:6] / category[-1])


def test_one_step_is_less_accurate_than_ten():
    errors = []
    for n_steps in (1, 10):
        model = DrSAEClassifier(40, n_steps=n_steps, max_iter=30, random_state=0)
        model.fit(DIGITS[::2].astype(np.float32), LABELS[::2])
        errors.append(1 - model.score(DIGITS[1::2], LABELS[1::2]))
    assert errors[1] < errors[0] < 0.15


# ------------------------------------------------------------------------ samples without labels
def test_rows_without_labels_are_learned_from_only_without_labels():
    y = np.where(np.arange(len(X)) % 2, Y, -1)
    both = quick().fit(X, y)
    assert_array_equal(both.classes_, [0, 1, 2])
    order = [X[y >= 0], X[y < 0]]
    apart = quick(max_iter=0).fit(order[0], y[y >= 0], unsupervised_X=order[1])
    before = quick(max_iter=0).fit(X, y)
    assert len(apart.pretrain_curve_) == len(before.pretrain_curve_) == 2
    assert_array_equal(before.class_weights_, 0)  # nothing was learned with labels
    assert np.any(quick(max_iter=0).fit(order[0], y[y >= 0]).components_ != apart.components_)


def test_additional_samples_count_without_labels_only():
    twice = quick(max_iter=0).fit(X, Y, unsupervised_X=X)
    once = quick(max_iter=0, pretrain_max_iter=4).fit(X, Y)
    assert np.any(twice.components_ != quick(max_iter=0).fit(X, Y).components_)
    assert abs(twice.pretrain_curve_[-1] - once.pretrain_curve_[-1]) < 0.05  # as many steps
    assert twice.accuracy_curve_.size == 0


def test_without_passes_the_model_is_the_initial_one():
    start = quick(pretrain_max_iter=0, max_iter=0).fit(X, Y)
    assert_allclose(np.linalg.norm(start.components_, axis=1), 1)
    assert_allclose(start.encoding_weights_, 0.2 * start.components_.T)
    lateral = np.eye(12) - 0.2 * start.components_ @ start.components_.T
    assert_allclose(start.lateral_weights_, lateral, atol=1e-15)
    assert_array_equal(start.predict(X), 0)
    assert start.n_iter_ == 0


def test_given_atoms_are_the_start_after_scaling():
    start = quick(pretrain_max_iter=0, max_iter=0, dictionary_init=3 * X[:12]).fit(X, Y)
    assert_allclose(start.components_, X[:12])
    free = DrSAEClassifier(None, **{**QUICK, "dictionary_init": X[:7]}).fit(X, Y)
    assert free.components_.shape == (7, 64)
    assert DrSAEClassifier(None, **QUICK).fit(X, Y).components_.shape == (64, 64)


# ---------------------------------------------------------------------------------------- weights
def test_samples_of_weight_zero_do_not_count_with_labels():
    weight = (np.arange(len(X)) < 100).astype(float)
    settings = {"pretrain_max_iter": 0, "dictionary_init": X[:12]}
    weighted = quick(**settings).fit(X, Y, sample_weight=weight)
    fewer = quick(**settings).fit(X[:100], Y[:100])
    assert_same_model(weighted, fewer, rtol=0, atol=1e-12)


def test_weights_of_classes_are_weights_of_samples():
    settings = {"pretrain_max_iter": 1}
    by_class = quick(class_weight={0: 3, 1: 1, 2: 0.5}, **settings).fit(X, Y)
    by_sample = quick(**settings).fit(X, Y, sample_weight=np.array([3, 1, 0.5])[Y])
    assert_same_model(by_class, by_sample, rtol=0, atol=1e-12)
    balanced = quick(class_weight="balanced", **settings).fit(X, Y)
    assert np.any(balanced.components_ != by_class.components_)


def test_equal_weights_change_nothing():
    assert_same_model(quick().fit(X, Y, sample_weight=np.full(len(X), 7.0)), quick().fit(X, Y))


# ---------------------------------------------------------------------- held-out samples and time
@pytest.mark.filterwarnings("ignore:Training diverged")
def test_the_best_parameters_on_held_out_samples_are_kept():
    """Steps become far too large after some passes, so that all later passes are worse."""
    watched = []

    def listen(self, model, batch, memory):
        watched.append(batch.X)
        return measure(self, model, batch, memory)

    measure = Discriminative.measure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Discriminative, "measure", listen)
        model = quick(
            early_stopping=True, max_iter=60, n_iter_no_change=2, batch_size=20,
            learning_rate=lambda done: 3e-2 if done < 0.5 else 0.3,
        ).fit(X, Y)  # fmt: skip
    accuracy, energies = model.validation_accuracy_curve_, model.validation_curve_
    assert len(accuracy) == len(energies) == model.n_iter_ + 1 < 61
    assert accuracy.argmax() < model.n_iter_
    held_out = watched[-1]
    labels = Y[(X[:, None, :] == held_out[None]).all(axis=2).argmax(axis=0)]
    assert len(held_out) == 15
    assert_allclose(model.score(held_out, labels), accuracy.max())
    assert quick().fit(X, Y).validation_curve_.size == 0


@pytest.mark.parametrize("seconds", [1e-9, 0.05])
def test_the_limit_of_time_holds_for_both_kinds_of_passes(seconds):
    limited = quick(max_time=seconds, pretrain_max_iter=10_000, max_iter=10_000).fit(X, Y)
    assert 1 <= len(limited.pretrain_curve_) < 10_000
    assert 1 <= limited.n_iter_ < 10_000


# -------------------------------------------------------------------------------------- continuing
def test_a_warm_start_continues_with_labels_only():
    model = quick(warm_start=True, max_iter=0).fit(X, Y)
    atoms, curve = model.components_, model.pretrain_curve_
    model.set_params(max_iter=2).fit(X, Y)
    assert model.pretrain_curve_ is curve or np.array_equal(model.pretrain_curve_, curve)
    assert np.any(model.components_ != atoms)
    assert model.n_iter_ == 2
    first = model.objective_curve_[0]
    model.fit(X, Y)
    assert model.objective_curve_[-1] < first


def test_a_copy_from_a_file_continues_as_the_model_does():
    model = quick(warm_start=True).fit(X, Y)
    other = pickle.loads(pickle.dumps(model))
    assert_same_model(model.fit(X, Y), other.fit(X, Y), rtol=0, atol=0)


def test_other_classes_are_refused_by_a_warm_start():
    model = quick(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="y must contain only classes of the fitted classifier"):
        model.fit(X, Y + 1)
    fewer = Y.copy()
    fewer[fewer == 2] = 0
    assert_array_equal(model.fit(X, fewer).classes_, [0, 1, 2])


@pytest.mark.parametrize("parameter", ["n_components", "n_steps"])
def test_another_network_is_refused_by_a_warm_start(parameter):
    model = quick(warm_start=True).fit(X, Y).set_params(**{parameter: 5})
    with pytest.raises(ValueError, match=f"{parameter}=5, but .* call fit with warm_start=False"):
        model.fit(X, Y)


@pytest.mark.parametrize("phase", ["without labels", "with labels"])
def test_ctrl_c_leaves_a_usable_model(monkeypatch, phase):
    advance, calls = Discriminative.advance, []

    def interrupted(self, samples, *args):
        calls.append(samples.target is not None)
        if calls[-1] == (phase == "with labels") and calls.count(calls[-1]) == 2:
            raise KeyboardInterrupt
        return advance(self, samples, *args)

    monkeypatch.setattr(Discriminative, "advance", interrupted)
    model = quick()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert np.all(np.isfinite(model.predict_proba(X)))
    monkeypatch.undo()
    assert model.set_params(warm_start=True).fit(X, Y).n_iter_ == 3


def test_learning_that_diverges_keeps_the_best_pass():
    def rate(done):
        return 1e-2 if done < 0.5 else 50.0

    with pytest.warns(ConvergenceWarning, match=r"Training diverged with learning_rate=.*Lower"):
        model = quick(max_iter=20, learning_rate=rate).fit(X, Y)
    assert np.all(np.isfinite(model.energy(X)))
    assert model.energy(X).mean() < 0.6


@pytest.mark.parametrize("rate", [0.3, 3.0])
def test_automatic_rate_that_is_too_large_is_reduced(rate, monkeypatch):
    """At both rates, the first pass turns units off, and no later step turns them on again."""
    X, y, settings = DIGITS[:400], LABELS[:400], {"max_iter": 20, "n_steps": 3, "random_state": 0}
    stuck = DrSAEClassifier(40, learning_rate=rate, **settings).fit(X, y)
    assert stuck.score(X, y) < 0.5
    monkeypatch.setitem(RATES, "sgd", rate)
    model = DrSAEClassifier(40, **settings).fit(X, y)
    assert model.score(X, y) > 0.9


@pytest.mark.filterwarnings("ignore:Samples have a root mean square norm")
@pytest.mark.parametrize("scale", [1e4, 1e7, 1e8])
def test_steps_that_overflow_are_not_taken(scale):
    """In single precision, the second energies of large samples are not a number."""
    large = (scale * X).astype(np.float32)
    with pytest.warns(ConvergenceWarning, match="Training diverged"):
        model = quick().fit(large, Y)
    assert np.all(np.isfinite(model.energy(large)))
    assert np.all(np.isfinite(model.predict_proba(large)))


# ------------------------------------------------------------------------------------- attributes
def test_replaced_arrays_change_the_model_at_once():
    model = quick().fit(X, Y)
    scores = model.decision_function(X)
    model.class_weights_ = 2 * model.class_weights_
    assert_allclose(model.decision_function(X), 2 * scores)
    model.classes_ = np.array(["a", "b", "c"])
    assert set(model.predict(X)) <= {"a", "b", "c"}
    model.thresholds_ = np.full(12, 1e3)
    assert not model.transform(X).any()
    model.components_ = np.ones((3, 64))
    with pytest.raises(ValueError, match="components_ has shape"):
        model.transform(X)


def test_names_of_classes_must_differ():
    model = quick().fit(X, Y)
    model.classes_ = np.array(["a", "b", "b"])
    with pytest.raises(ValueError, match="classes_ must contain a different value for each"):
        model.predict(X)


def test_copies_share_no_learning():
    model = quick(warm_start=True).fit(X, Y)
    other, before = copy.deepcopy(model), copy.deepcopy(arrays(model))
    other.fit(X, Y)
    for name, value in before.items():
        assert_array_equal(getattr(model, name), value)


# ---------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("y", "words"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (
            np.zeros(150),
            "samples of at least 2 classes .* contains only one class: 0.0$",
        ),
        (np.full(150, -1), "samples of at least 2 classes"),
        (np.eye(3)[Y].astype(int), "y must be one-dimensional, with one class for each sample"),
        (np.stack([Y, Y], 1), r"y must be one-dimensional, .* got shape \(150, 2\)"),
        (np.where(Y == 0, np.nan, Y), "Input y contains NaN"),
        (Y[:10], "inconsistent numbers of samples"),
        (X[:, 30] + 0.1, "Unknown label type|continuous"),
    ],
    ids=["none", "one class", "no labels", "indicators", "two", "NaN", "few", "real numbers"],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_labels_that_cannot_be_learned_are_refused(y, words):
    with pytest.raises(ValueError, match=words):
        quick().fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"dictionary_init": X[:5]}, "dictionary_init has 5 rows, but n_components=12"),
        ({"dictionary_init": X[:12, :9]}, "dictionary_init has 9 features, but X has 64 features"),
        ({"dictionary_init": 0 * X[:12]}, "dictionary_init must not contain rows of norm zero"),
        ({"alpha": 1e300}, "alpha=1e[+]300 is too large"),
        ({"early_stopping": True, "validation_fraction": 0.01}, "Increase validation_fraction"),
        ({"learning_rate": lambda done: -1.0}, "learning_rate must return a finite"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words):
        quick(**parameters).fit(X, Y)


def test_a_class_of_one_sample_cannot_be_held_out():
    y = np.r_[5, Y[1:]]
    with pytest.raises(ValueError, match=r"single sample of class 5\. Set early_stopping=False"):
        quick(early_stopping=True).fit(X, y)
    assert_array_equal(quick().fit(X, y).classes_, [0, 1, 2, 5])


@pytest.mark.parametrize(
    ("others", "words"),
    [
        (X[:, :9], r"unsupervised_X has samples of shape \(9,\)"),
        (sparse.csr_array(X), "unsupervised_X must be of the same kind as X"),
        (np.full((3, 64), np.nan), "NaN"),
    ],
)
def test_other_samples_without_labels_are_refused(others, words):
    with pytest.raises(ValueError, match=words):
        quick().fit(X, Y, unsupervised_X=others)


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_samples_of_another_norm_are_warned_of_with_the_remedy(scale):
    with pytest.warns(UserWarning, match=r"root mean square norm of .*Normalizer\(\)"):
        quick(max_iter=1, pretrain_max_iter=0, learning_rate=1e-6).fit(scale * X, Y)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_samples_of_about_norm_one_are_not_warned_of(scale):
    quick(max_iter=1, learning_rate=1e-4).fit(scale * X, Y)


def test_codes_of_another_width_are_refused(model):
    with pytest.raises(ValueError, match="X has 5 components, but DrSAEClassifier is expecting 12"):
        model.inverse_transform(np.ones((2, 5)))


# --------------------------------------------------------------------------------------- pipelines
def test_it_is_searched_in_a_pipeline():
    pipeline = make_pipeline(Normalizer(), quick())
    grid = {"drsaeclassifier__label_weight": [0.1, 0.4]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(DIGITS[:150] * 5, Y)
    assert search.best_estimator_.predict(X).shape == (150,)
    assert clone(pipeline[-1]).get_params() == pipeline[-1].get_params()


def test_features_have_names(model):
    names = model.get_feature_names_out()
    assert names[0] == "drsaeclassifier0"
    assert len(names) == 12
