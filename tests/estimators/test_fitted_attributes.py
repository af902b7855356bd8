"""Fitted attributes define the model: arrays are read-only, and replacing one changes the model."""

import copy
import functools
import pickle
import sys
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_ebm import (
    PSD,
    RBM,
    AutoEncoder,
    ConvPSD,
    ConvSparseCoder,
    FineTunedClassifier,
    GroupSparsePSD,
    LISTAEncoder,
    SparseCoder,
    ZCAWhitener,
    host_copy,
    sparse_encode,
)
from sklearn_ebm.factors import Tape
from sklearn_ebm.metrics import duality_gap
from tests.estimators.away import Away, kept_away

X = np.random.default_rng(0).standard_normal((36, 12))
IMAGES = X.reshape(3, 12, 12)
QUICK = {"alpha": 0.3, "max_iter": 2, "tol": 0, "random_state": 0}
MACHINE = {"max_iter": 2, "n_chains": 10, "random_state": 0}
CONVOLUTION = {"kernel_size": 3, "connections": 1, **QUICK}
COLOURED = np.stack([IMAGES, IMAGES[::-1]], axis=-1)
MODELS = {
    "SparseCoder": (SparseCoder(6, **QUICK), X),
    "PSD": (PSD(6, **QUICK), X),
    "PSD-tanh": (PSD(6, encoder="tanh", **QUICK), X),
    "PSD-lcod-optimal": (PSD(6, encoder="lcod", inference="optimal", **QUICK), X),
    "GroupSparsePSD": (GroupSparsePSD(6, groups=2, output="both", **QUICK), X),
    "LISTAEncoder": (LISTAEncoder(6, **QUICK), X),
    "LISTAEncoder-untied": (LISTAEncoder(6, tied=False, encoder="lfista", **QUICK), X),
    "ConvSparseCoder": (ConvSparseCoder(4, **CONVOLUTION), COLOURED),
    "ConvPSD": (ConvPSD(4, **CONVOLUTION), COLOURED),
    "AutoEncoder-tanh": (AutoEncoder(6, activation="tanh", noise_level=0, random_state=0), X),
    "AutoEncoder-untied": (AutoEncoder(6, tied_weights=False, noise_level=0, random_state=0), X),
    "RBM": (RBM(6, **MACHINE), X > 0),
    "RBM-gaussian": (RBM(6, visible="gaussian", loss="fpcd", **MACHINE), X),
    "ZCAWhitener": (ZCAWhitener(), X),
}
LEARNERS = [name for name in MODELS if name != "ZCAWhitener"]
ENCODERS = [name for name in MODELS if "PSD" in name or "LISTA" in name]
models = pytest.mark.parametrize("name", MODELS)
learners = pytest.mark.parametrize("name", LEARNERS)
encoders = pytest.mark.parametrize("name", ENCODERS)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CALLS = ["transform", "energy", "inverse_transform"]


@functools.cache
def stored(name, seed=0):
    model, data = MODELS[name]
    model = clone(model)
    if seed and "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return pickle.dumps(model.fit(data))


def fitted(name, seed=0):
    return pickle.loads(stored(name, seed)), MODELS[name][1]


def arrays(model):
    """Return all public arrays of a fitted model, by name."""
    found = {name: value for name, value in vars(model).items() if name[-1] == "_" != name[0]}
    encoder = found.pop("encoder_", None)
    if encoder is not None:
        found.update({f"encoder_.{name}": value for name, value in encoder.parameters.items()})
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def of_model(model):
    """Return the names of the arrays that results depend on."""
    return [name for name in arrays(model) if name in model._model_attributes]


def results(model, data):
    codes = np.array(model.transform(data))
    found = {"transform": codes, "inverse_transform": model.inverse_transform(np.ones_like(codes))}
    return found | ({"energy": model.energy(data)} if hasattr(model, "energy") else {})


def assert_same_results(first, second, data, **tolerance):
    first, second = results(first, data), results(second, data)
    for call, result in first.items():
        assert_allclose(second[call], result, err_msg=call, **tolerance)


def changed(model, name):
    """Return another valid value of an attribute."""
    value = getattr(model, name)
    return ~value if value.dtype == bool else 0.9 * value


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
    with pytest.raises(ValueError, match=r"whitening_ of this ZCAWhitener was set .* call fit"):
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
    with pytest.raises(ValueError, match="every pool and every component must have a weight"):
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
    first.classes_ = ["e", "f", "g"]
    with pytest.raises(ValueError, match=r"classes_ has shape \(3,\)"):
        first.predict(X)


# Invalid arrays


@models
def test_arrays_that_do_not_suit_the_model_are_refused_by_name(name):
    model, data = fitted(name)
    before = results(model, data)
    for attribute in of_model(model):
        value = getattr(model, attribute)
        bad = [(value[..., :-1], "has shape"), (value.T[:1], "has shape"), (None, "has shape|None")]
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
        ("LISTAEncoder", "thresholds_", -np.ones(6), "encoder_.threshold has values out of range"),
        ("LISTAEncoder", "alpha_", -1.0, "alpha_ must be a positive number"),
        ("RBM-gaussian", "variance_", np.zeros(12), "variance_ must be positive"),
        ("SparseCoder", "components_", np.full((6, 12), 1e200), "components_ must have atoms"),
        (
            "SparseCoder",
            "components_",
            np.full((6, 12), "a"),
            "components_ must be an array of real n",
        ),
        ("ConvPSD", "connections_", np.zeros((4, 2)), "Component 0 reads no channel .* connectio"),
        ("ConvPSD", "connections_", np.ones((4, 3)), r"connections_ has shape \(4, 3\)"),
        ("PSD", "encoder_", None, "encoder_ must be a ShrinkageEncoder"),
    ],
)
def test_values_that_no_model_has_are_refused(name, attribute, value, words):
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
def test_what_is_no_array_of_real_numbers_is_refused_by_name(name, call):
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


# Copies and files


def by_joblib(model, tmp_path, **options):
    joblib.dump(model, tmp_path / "model.joblib")
    return joblib.load(tmp_path / "model.joblib", **options)


STORES = {
    "pickle": lambda model, path: pickle.loads(pickle.dumps(model)),
    "joblib": by_joblib,
    "mapped": lambda model, path: by_joblib(model, path, mmap_mode="r"),
    "deepcopy": lambda model, path: copy.deepcopy(model),
    "copy": lambda model, path: copy.copy(model),
    "host_copy": lambda model, path: host_copy(model),
}


def stores(first):
    """Parametrize by models and ways to store them: a third of the pairs, or all of them."""
    return pytest.mark.parametrize(
        ("name", "store"),
        [
            pytest.param(name, store, marks=() if (n + k) % 3 == first else pytest.mark.exhaustive)
            for n, name in enumerate(MODELS)
            for k, store in enumerate(STORES)
        ],
    )


@stores(first=0)
def test_a_stored_model_learns_on_as_the_original(name, store, tmp_path):
    model, data = fitted(name)
    stored = STORES[store](model, tmp_path)
    assert_same_results(stored, model, data, rtol=1e-12)
    again = pickle.loads(pickle.dumps(model))
    for each in (stored, again):
        each.partial_fit(data)
    for attribute in of_model(model):  # memory alignment and thus rounding may differ
        assert_allclose(getattr(stored, attribute), getattr(again, attribute), atol=1e-10)
    assert not any(isinstance(value, np.memmap) for value in arrays(stored).values())


@stores(first=1)
def test_arrays_that_were_replaced_are_stored(name, store, tmp_path):
    model, data = fitted(name)
    attribute = of_model(model)[-1]
    setattr(model, attribute, changed(model, attribute))
    stored = STORES[store](model, tmp_path)
    assert_same_results(stored, model, data, rtol=1e-12)
    if name != "ZCAWhitener":
        assert_allclose(stored.partial_fit(data).components_, model.partial_fit(data).components_)


@stores(first=2)
def test_arrays_of_a_stored_model_can_be_replaced_before_it_is_used(name, store, tmp_path):
    model, data = fitted(name)
    stored = STORES[store](model, tmp_path)
    for each in (stored, model):
        for attribute in of_model(each)[:1]:
            setattr(each, attribute, changed(each, attribute))
    assert_same_results(stored, model, data, rtol=1e-12)


def outcome(model, data, call):
    """Return the result of a call, or the error that it raises."""
    try:
        result = getattr(model, call)(data)
    except ValueError as error:
        return str(error)
    return model.components_ if result is model else np.asarray(result)


MISFITS = {
    "short": lambda value: value[:-1],
    "single": lambda value: value[:1],
    "double": lambda value: np.concatenate([value, value]),
    "float32": lambda value: value.astype(np.float32),
    "swapped": lambda value: value.astype(">f8"),
    "integers": lambda value: np.ceil(5 * np.abs(value)).astype(int) + 1,
    "objects": lambda value: value.astype(object),
    "list": lambda value: value.tolist(),
    "none": lambda value: None,
}


@pytest.mark.parametrize(  # each model with every second misfit, or with all of them
    ("name", "misfit"),
    [
        pytest.param(name, misfit, marks=() if (n + k) % 2 else pytest.mark.exhaustive)
        for n, name in enumerate(["PSD", "ConvPSD", "RBM-gaussian", "ZCAWhitener"])
        for k, misfit in enumerate(MISFITS)
    ],
)
def test_a_copy_checks_what_was_replaced_as_the_original_does(name, misfit):
    """A copy that used replaced arrays like the fitted ones would read memory beyond their end."""
    model, data = fitted(name)
    for attribute in [each for each in of_model(model) if each != "connections_"]:
        for call in ("transform",) if name == "ZCAWhitener" else ("transform", "partial_fit"):
            original, _ = fitted(name)
            setattr(original, attribute, MISFITS[misfit](getattr(original, attribute)))
            copies = [STORES[store](original, None) for store in ("pickle", "copy", "host_copy")]
            expected = outcome(original, data, call)
            for each in (*copies, copy.deepcopy(copies[0])):
                found = outcome(each, data, call)
                assert type(found) is type(expected), (attribute, found, expected)
                if isinstance(found, str):
                    assert attribute in found
                    assert found == expected
                elif attribute != "components_" or call != "partial_fit":
                    assert_allclose(found, expected, atol=1e-9)
            if misfit in ("short", "single", "double", "none"):
                assert "was fitted with" in expected


@encoders
def test_a_copy_refuses_an_encoder_of_another_kind(name):
    model, data = fitted(name)
    other = "PSD" if name == "PSD-tanh" else "PSD-tanh"
    model.encoder_ = fitted(other)[0].encoder_
    for each in (copy.deepcopy(model), model):
        with pytest.raises(ValueError, match="encoder_ must be a"):
            each.energy(data)
    for parameters in ({"weights": [[1.0]]}, {"weights": None}, {"weights": np.array(["a"])}):
        model, _ = fitted(name)
        model.encoder_.parameters.update(parameters)
        for each in (copy.deepcopy(model), model):
            with pytest.raises(ValueError, match=r"encoder_\.weights"):
                each.energy(data)


@models
def test_files_without_the_forms_of_arrays_can_be_loaded(name):
    model, data = fitted(name)
    kept = model.__getstate__()
    old = clone(MODELS[name][0])
    old.__setstate__({**kept, "_since_fit": kept["_since_fit"][:4]})
    assert_same_results(old, model, data)
    array = getattr(old, model._model_attributes[0])
    setattr(old, model._model_attributes[0], np.asarray(array.tolist(), dtype=object))
    assert_same_results(copy.deepcopy(old), model, data, rtol=1e-9)


@learners
def test_a_warm_start_goes_on_with_a_mapped_model(name, tmp_path):
    model, data = fitted(name)
    mapped = by_joblib(model.set_params(warm_start=True), tmp_path, mmap_mode="r")
    expected = model.fit(data)
    for attribute in of_model(mapped.fit(data)):
        assert_allclose(getattr(mapped, attribute), getattr(expected, attribute), atol=1e-10)


@learners
def test_a_shallow_copy_learns_by_itself(name):
    model, data = fitted(name)
    other = copy.copy(model)
    before, expected = results(model, data), pickle.loads(pickle.dumps(model)).partial_fit(data)
    other.partial_fit(data)
    for call, result in results(model, data).items():
        assert_array_equal(result, before[call])
    assert_allclose(model.partial_fit(data).components_, expected.components_, atol=1e-12)


@learners
def test_the_original_may_learn_on_before_its_shallow_copy(name):
    """The copy then starts from its own arrays, and loses moments that have changed."""
    model, data = fitted(name)
    other = copy.copy(model)
    before = results(other, data)
    model.partial_fit(data)
    for call, result in results(other, data).items():
        assert_array_equal(result, before[call])
    step = np.abs(other.partial_fit(data).components_ - fitted(name)[0].components_).max()
    assert step < 1  # starts from there
    assert np.all(np.isfinite(other.transform(data)))


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
