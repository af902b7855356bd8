"""Copies and stored models keep the arrays that were replaced."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm import (
    host_copy,
)
from tests.estimators.fitted import (
    MODELS,
    arrays,
    assert_same_results,
    changed,
    encoders,
    fitted,
    learners,
    of_model,
    results,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
