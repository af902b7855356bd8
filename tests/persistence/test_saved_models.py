"""Stored models transform and learn as the originals, and need no private class of ours."""

import io
import pickle
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning

import sklearn_ebm
from tests.registries.estimators import CASES, LEARNERS, PUBLIC, TYPICAL, WARM, fitted, output

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:.*hidden units are dead"
)
every = pytest.mark.parametrize("name", CASES)


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def by_skops(model):
    skops = pytest.importorskip("skops.io")
    data = skops.dumps(model)
    return skops.loads(data, trusted=skops.get_untrusted_types(data=data))


STORES = {"pickle": by_pickle, "joblib": by_joblib, "skops": by_skops}
stores = pytest.mark.parametrize("store", STORES.values(), ids=STORES)


def test_the_registry_lists_every_public_estimator():
    assert {case.kind for case in CASES.values()} == {*PUBLIC}


def learned(model):
    """Return all public arrays of a fitted model, by name."""
    found = {name: value for name, value in vars(model).items() if name[-1] == "_" != name[0]}
    encoder = found.pop("encoder_", None)
    found |= {} if encoder is None else encoder.parameters
    found.pop("seconds_curve_", None)
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def assert_same_model(first, second):
    """Sums are in the same order; the alignment of arrays, and thus rounding, may differ."""
    first, second = learned(first), learned(second)
    assert first.keys() == second.keys()
    for name, value in first.items():
        if value.dtype.kind == "f":
            assert_allclose(second[name], value, rtol=1e-10, atol=1e-12, err_msg=name)
        else:
            assert_array_equal(second[name], value, err_msg=name)


@every
def test_a_stored_model_has_the_same_output_and_learns_on_as_the_original(name):
    """The original is fitted here, as a model that has never been stored."""
    _, X, y = CASES[name]
    model = clone(CASES[name].estimator).fit(X, y)
    copies = [store(model) for store in STORES.values()]
    for copy in copies:
        assert_array_equal(output(name, copy), output(name, model))
    if name in LEARNERS:
        for each in (model, *copies):
            each.partial_fit(X[::2])
    if name in WARM:
        for each in (model, *copies):
            each.set_params(warm_start=True).fit(X, y)
    for copy in copies:
        assert_same_model(copy, model)


@every
def test_skops_asks_to_trust_public_classes_only(name):
    skops = pytest.importorskip("skops.io")
    untrusted = skops.get_untrusted_types(data=skops.dumps(fitted(name)))
    public = [getattr(sklearn_ebm, name) for name in sklearn_ebm.__all__]
    names = {f"{each.__module__}.{each.__name__}" for each in public if isinstance(each, type)}
    assert {*untrusted} <= names


@pytest.mark.parametrize("name", TYPICAL)
def test_a_file_does_not_grow_with_the_data(name):
    """Neither tapes and buffers, nor what `transform` derives from the attributes, are stored.

    References between objects take a few bytes.
    """
    _, X, y = CASES[name]
    few, many = fitted(name), fitted(name)
    X = np.concatenate([X] * 20)
    output(name, many)
    getattr(many, CASES[name].call)(X)
    if name in LEARNERS:
        few.partial_fit(X[:10], None if y is None else y[:10])
        if hasattr(many, "batch_size"):
            many.set_params(batch_size=len(X))
        many.partial_fit(X)
    assert abs(len(pickle.dumps(many)) - len(pickle.dumps(few))) < 300


@pytest.mark.parametrize("name", TYPICAL)
def test_a_model_of_another_version_warns(name):
    state = fitted(name).__getstate__()
    version = state["_sklearn_ebm_version"]
    assert version == sklearn_ebm.__version__
    model = clone(CASES[name].estimator)
    with pytest.warns(InconsistentVersionWarning, match=f"estimator {CASES[name].kind} from"):
        model.__setstate__({**state, "_sklearn_ebm_version": "0.0.1"})
    assert_array_equal(output(name, model), output(name, fitted(name)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_pickle(model)  # which is then a model of this version


@pytest.mark.filterwarnings("ignore")
def test_mlflow_saves_models_in_its_default_format(tmp_path):
    mlflow = pytest.importorskip("mlflow.sklearn")
    model = fitted("PSD-shrinkage-encoder")
    trusted = sklearn_ebm.export.skops_trusted_types()
    mlflow.save_model(model, str(tmp_path / "model"), skops_trusted_types=trusted)
    loaded = mlflow.load_model(str(tmp_path / "model"))
    assert_array_equal(loaded.transform(CASES["PSD-shrinkage-encoder"].X), model.transform(
        CASES["PSD-shrinkage-encoder"].X))  # fmt: skip
