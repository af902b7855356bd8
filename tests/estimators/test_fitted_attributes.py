"""Fitted attributes define the model: arrays are read-only, and replacing one changes the model."""

import copy
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ebm import (
    PSD,
    RBM,
    FineTunedClassifier,
    host_copy,
    sparse_encode,
)
from sklearn_ebm.factors import Tape
from sklearn_ebm.metrics import duality_gap
from tests.estimators.away import Away, kept_away
from tests.estimators.fitted import (
    CALLS,
    LEARNERS,
    MODELS,
    QUICK,
    X,
    arrays,
    assert_same_results,
    changed,
    encoders,
    fitted,
    learners,
    models,
    of_model,
    results,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# Read-only


@models
def test_arrays_cannot_be_edited_in_place(name):
    model, data = fitted(name)
    fresh = clone(MODELS[name][0]).fit(data)
    for each in (fresh, model, copy.deepcopy(model), copy.copy(model), host_copy(model)):
        for attribute, value in arrays(each).items():
            with pytest.raises(ValueError, match="assignment destination is read-only"):
                value[...] = 0
            assert not value.flags.writeable, attribute


def test_arrays_of_a_classifier_cannot_be_edited_in_place():
    classifier = FineTunedClassifier(make_pipeline(PSD(4, **QUICK), LogisticRegression()))
    classifier.set_params(max_iter=1).fit(X, X[:, 0] > 0)
    for value in (*arrays(classifier).values(), *arrays(classifier.pipeline_[0]).values()):
        with pytest.raises(ValueError, match="read-only"):
            value[...] = 0


def test_names_of_features_cannot_be_edited_in_place():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"x{k}" for k in range(12)])
    for name in ("SparseCoder", "RBM-gaussian", "ZCAWhitener"):
        with pytest.raises(ValueError, match="read-only"):
            clone(MODELS[name][0]).fit(frame).feature_names_in_[0] = "y"


def held_arrays(state):
    """Return all arrays that an object contains at any depth."""
    memo = {}
    copy.deepcopy(state, memo)
    return [each for each in memo[id(memo)] if isinstance(each, np.ndarray)]


@learners
def test_learning_shares_no_memory_with_public_arrays(name):
    model, data = fitted(name)
    for each in (clone(MODELS[name][0]).fit(data), model.partial_fit(data)):
        held = held_arrays(each._learner)
        assert len(held) > 3
        for attribute, value in arrays(each).items():
            assert not any(np.shares_memory(value, other) for other in held), attribute


# Replaced


@models
def test_a_replaced_array_is_the_model(name):
    """Results change immediately, equal those of a model with these arrays, and change back."""
    model, data = fitted(name)
    before = results(model, data)
    for attribute in of_model(model):
        value = getattr(model, attribute)
        setattr(model, attribute, changed(model, attribute))
        after, (other, _) = results(model, data), fitted(name, seed=1)
        for each in model._model_attributes:
            if hasattr(model, each):
                setattr(other, each, copy.deepcopy(getattr(model, each)))
        if attribute != "connections_":  # used only by learning
            assert any(np.any(after[call] != before[call]) for call in before), attribute
        assert_same_results(model, other, data, rtol=1e-9, atol=1e-9)
        setattr(model, attribute, value)
        model.transform(data)  # dependent values are updated at the next use
    assert_same_results(model, fitted(name)[0], data, rtol=1e-9, atol=1e-9)


@models
def test_a_users_own_array_is_neither_frozen_nor_followed(name):
    model, data = fitted(name)
    for attribute in of_model(model):
        own = changed(model, attribute)
        setattr(model, attribute, own)
        after = results(model, data)
        own[...] = 0
        for call, result in results(model, data).items():
            assert_array_equal(result, after[call])
        with pytest.raises(ValueError, match="read-only"):
            getattr(model, attribute)[...] = 0


@learners
def test_learning_goes_on_from_replaced_arrays(name):
    """Two models with the same arrays and data differ only by their random numbers."""
    first, data = fitted(name)
    second, _ = fitted(name, seed=1)
    for attribute in first._model_attributes:
        if hasattr(second, attribute):
            setattr(first, attribute, copy.deepcopy(getattr(second, attribute)))
    step = first.set_params(warm_start=True, max_iter=1)
    if isinstance(first, RBM):  # chains continue from their states
        step.set_params(learning_rate=1e-9).partial_fit(data)
        assert_allclose(first.components_, second.components_, atol=1e-6)
        return
    again = pickle.loads(pickle.dumps(step))  # pickled before it is used
    third = copy.deepcopy(second)
    third.components_ = second.components_.copy()  # moments are reset
    if hasattr(second, "encoder_components_"):
        third.encoder_components_ = second.encoder_components_.copy()
    for each in (step, again, third):
        each.partial_fit(data)
    assert_array_equal(step.components_, again.components_)
    assert_allclose(step.components_, third.components_, atol=1e-12)
    for attribute in of_model(first):
        assert_allclose(getattr(step, attribute), getattr(third, attribute), atol=1e-12)


def test_learning_from_replaced_atoms_is_learning_that_starts_there():
    model, _ = fitted("SparseCoder")
    atoms = X[:6] / np.linalg.norm(X[:6], axis=1, keepdims=True)
    model.components_ = atoms
    start = clone(MODELS["SparseCoder"][0]).set_params(dictionary_init=atoms)
    assert_allclose(model.partial_fit(X).components_, start.partial_fit(X).components_, atol=1e-12)


def test_learning_keeps_the_moments_of_the_atoms_if_the_encoder_alone_is_replaced():
    model, _ = fitted("PSD")
    moments = model._learner.criterion.online.code_moment.copy()
    model.encoder_components_ = 0.9 * model.encoder_components_
    assert_array_equal(model._learner_to_go_on().criterion.online.code_moment, moments)
    model.components_ = model.components_[::-1]
    assert not np.any(model._learner_to_go_on().criterion.online.code_moment)


@encoders
def test_parts_of_an_encoder_follow_each_other(name):
    model, data = fitted(name)
    model.encoder_components_ = 2 * model.encoder_components_
    model.transform(data)
    assert_array_equal(model.encoder_.filters, model.encoder_components_)
    other, _ = fitted(name, seed=1)
    model.encoder_ = other.encoder_
    model.transform(data)
    for attribute, value in arrays(other).items():
        if "encod" in attribute or attribute in ("lateral_weights_", "thresholds_"):
            assert_array_equal(arrays(model)[attribute], value, err_msg=attribute)
    model.encoder_.parameters["weights"] = 3 * model.encoder_.parameters["weights"]
    model.transform(data)
    assert_array_equal(model.encoder_components_, 3 * other.encoder_components_)


def test_attributes_of_lista_are_parts_of_its_encoder():
    model, data = fitted("LISTAEncoder")
    for attribute, parameter in (
        ("encoding_weights_", "weights"), ("lateral_weights_", "lateral"),
        ("thresholds_", "threshold"),
    ):  # fmt: skip
        setattr(model, attribute, 2 * getattr(model, attribute))
        model.transform(data)
        assert_array_equal(getattr(model, attribute), model.encoder_.parameters[parameter])
    before = model.energy(data)
    model.alpha_ = 2 * model.alpha_
    assert np.all(model.energy(data) >= before)


def test_gram_matrices_and_casts_follow_the_atoms():
    model, _ = fitted("SparseCoder")
    narrow = X.astype(np.float32)
    model.transform(X), model.transform(narrow)
    model.components_ = -2 * model.components_[::-1]
    for data in (X, narrow):
        assert duality_gap(data, model.transform(data), model.components_, alpha=0.3).max() < 2e-4
    assert_allclose(model.transform(X), sparse_encode(X, model.components_, alpha=0.3), atol=1e-12)


def test_an_inverse_follows_a_replaced_whitening_matrix():
    model, data = fitted("ZCAWhitener")
    matrix = np.random.default_rng(1).standard_normal((12, 12))
    model.whitening_ = matrix
    assert_allclose(model.inverse_transform(model.transform(data)), data, atol=1e-9)
    assert_allclose(model.transform(data), (data - model.mean_) @ matrix, atol=1e-12)
    slope = np.random.default_rng(2).standard_normal(data.shape)
    tape = Tape()
    model.forward(data, tape)
    assert_allclose(model.backward(tape, slope)[0], slope @ matrix.T, atol=1e-12)
    with pytest.raises(ValueError, match=r"whitening_ of this ZCAWhitener was set .* Call fit"):
        model.partial_fit(data)


def test_pools_are_those_that_are_set():
    model, data = fitted("GroupSparsePSD")
    code = model.transform(data)[:, :6]
    weights = np.array([[1.0, 2, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 3, 1]])
    model.pool_weights_ = weights
    assert_allclose(model.transform(data)[:, 6:], np.sqrt(code**2 @ weights.T), atol=1e-12)
    for _ in range(2):  # each continued fit keeps them
        assert_array_equal(model.partial_fit(data).pool_weights_, weights)
    model.pool_weights_ = weights * [1, 1, 1, 1, 1, 0]
    with pytest.raises(
        ValueError, match="at least one positive weight for each pool and each component"
    ):
        model.transform(data)


def test_the_classes_of_a_pipeline_that_is_set_are_its_own():
    network = make_pipeline(PSD(4, **QUICK), LogisticRegression())
    first, second = (
        FineTunedClassifier(network, max_iter=0).fit(X, np.array(names)[np.arange(36) % 2])
        for names in (["a", "b"], ["c", "d"])
    )
    first.pipeline_ = second.pipeline_
    assert_array_equal(first.predict(X), second.predict(X))
    first.classes_ = ["e", "f"]
    assert set(first.predict(X)) <= {"e", "f"}
    for names in (["e", "f", "g"], ["e", "e"]):
        first.classes_ = names
        with pytest.raises(ValueError, match="classes_ must contain a different value for each"):
            first.predict(X)


def test_renamed_classes_are_those_of_the_pipeline_and_of_further_training():
    network = make_pipeline(PSD(4, **QUICK), LogisticRegression())
    y = np.arange(36) % 2
    plain, renamed = (
        FineTunedClassifier(network, max_iter=2, warm_start=True, random_state=0).fit(X, y)
        for _ in range(2)
    )
    renamed.classes_ = [1, 0]
    assert_array_equal(renamed.to_pipeline().predict(X), 1 - plain.predict(X))
    assert_array_equal(renamed.fit(X, 1 - y).classes_, [1, 0])
    assert_array_equal(renamed.predict_proba(X), plain.fit(X, y).predict_proba(X))


# Invalid arrays


@models
def test_arrays_that_do_not_suit_the_model_are_refused_by_name(name):
    model, data = fitted(name)
    before = results(model, data)
    for attribute in of_model(model):
        value = getattr(model, attribute)
        shape = "(has|must have) shape"
        bad = [(value[..., :-1], shape), (value.T[:1], shape), (None, f"{shape}|None")]
        if value.dtype != bool:
            bad += [
                (np.where(value == value.flat[0], each, value), "contains")
                for each in (np.nan, np.inf)
            ]
        for each, words in bad:
            setattr(model, attribute, each)
            if each is None and attribute == "connections_":
                continue  # filters read all channels
            for call in (*CALLS, "score_samples", "score", "partial_fit"):
                if hasattr(model, call):
                    with pytest.raises(ValueError, match=f"{attribute} ({words})"):
                        getattr(model, call)(data)
        setattr(model, attribute, value)
    for call, result in results(model, data).items():
        assert_allclose(result, before[call], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "attribute", "value", "words"),
    [
        ("LISTAEncoder", "thresholds_", -np.ones(6), "encoder_.threshold contains values out"),
        ("LISTAEncoder", "alpha_", -1.0, "alpha_ must be a positive number"),
        ("RBM-gaussian", "variance_", np.zeros(12), "variance_ must contain only positive"),
        ("SparseCoder", "components_", np.full((6, 12), 1e200), "components_ must have atoms"),
        (
            "SparseCoder",
            "components_",
            np.full((6, 12), "a"),
            "components_ must be an array of real n",
        ),
        (
            "ConvPSD",
            "connections_",
            np.zeros((4, 2)),
            "connections_ must connect each component .* component 0",
        ),
        (
            "ConvPSD",
            "connections_",
            np.ones((4, 3)),
            r"connections_ must have shape .* got \(4, 3\)",
        ),
        ("PSD", "encoder_", None, "encoder_ must be a ShrinkageEncoder"),
    ],
)
def test_impossible_values_are_refused(name, attribute, value, words):
    model, data = fitted(name)
    setattr(model, attribute, value)
    with pytest.raises(ValueError, match=words):
        model.transform(data)


@models
def test_lists_of_numbers_are_arrays(name):
    model, data = fitted(name)
    for attribute in of_model(model):
        setattr(model, attribute, getattr(model, attribute).tolist())
        names = model.get_feature_names_out()  # before any other call
        assert_array_equal(names, fitted(name)[0].get_feature_names_out())
    assert_same_results(model, fitted(name)[0], data, rtol=1e-9, atol=1e-9)
    for attribute in of_model(model):
        assert isinstance(getattr(model, attribute), np.ndarray)


@pytest.mark.parametrize(  # each model in two calls, or in all of them
    ("name", "call"),
    [
        pytest.param(name, call, marks=() if (n + k) % 2 else pytest.mark.exhaustive)
        for n, name in enumerate(LEARNERS)
        for k, call in enumerate(["transform", "inverse_transform", "energy", "partial_fit"])
    ],
)
def test_values_other_than_real_numbers_are_refused_by_name(name, call):
    for bad in (lambda v: v.astype(str), lambda v: 1j * v, lambda v: (1j * v).tolist(),
                lambda v: [[1.0], 2.0], lambda v: {"a": 1}):  # fmt: skip
        model, data = fitted(name)
        for attribute in [each for each in of_model(model) if each != "connections_"]:
            value = getattr(model, attribute)
            setattr(model, attribute, bad(value))
            with pytest.raises(ValueError, match=attribute):
                getattr(model, call)(data)
            setattr(model, attribute, value)


@learners
def test_values_whose_squares_overflow_are_refused_by_name(name):
    """Energies would be NaN."""
    model, data = fitted(name)
    for attribute in [
        each for each in of_model(model) if each not in ("connections_", "variance_")
    ]:
        value = getattr(model, attribute)
        setattr(model, attribute, 1e300 * np.sign(value.astype(np.float64)))
        with pytest.raises(ValueError, match=f"{attribute} (must have|has|contains)"):
            model.energy(data)
        setattr(model, attribute, value)


# Devices, whose arrays cannot be made read-only


@pytest.mark.parametrize("name", ["SparseCoder", "PSD", "LISTAEncoder"])
def test_arrays_that_can_be_written_are_read_anew_in_each_call(monkeypatch, name):
    functions = {**vars(np), "asarray": kept_away, "ascontiguousarray": kept_away}
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(**{**functions, "ndarray": Away}))
    model, _ = fitted(name)
    model.components_ = model.components_.copy().view(Away)
    grams = []
    for factor in (1, 2):
        model.components_[...] *= factor
        model._ready()
        grams.append(np.array(model._state.parts.decoder.gram))
    assert_allclose(grams[1], 4 * grams[0])
