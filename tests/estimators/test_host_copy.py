"""`host_copy` with a replacement for CuPy: another array type with CuPy's `get`."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from sklearn_ebm import PSD, RBM, Rectifier, host_copy
from sklearn_ebm.backends import is_cupy

X = load_digits().data[:100] / 16


class Away(np.ndarray):
    """A device array; `get` copies it to the host."""

    def get(self):
        return np.array(self)


@pytest.fixture
def device(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(ndarray=Away))


def away(value):
    return value.view(Away) if isinstance(value, np.ndarray) else value


def test_every_array_of_a_model_comes_to_the_host_and_no_other_value_changes(device):
    model = PSD(5, alpha=0.3, max_iter=1, tol=0, random_state=0).fit(X)
    expected = model.transform(X)
    parameters = model.encoder_.parameters
    parameters.update({name: away(value) for name, value in parameters.items()})
    model.components_ = away(model.components_)
    copied = host_copy(make_pipeline(model, Rectifier()))[0]
    arrays = [copied.components_, *copied.encoder_.parameters.values()]
    assert not any(map(is_cupy, arrays))
    assert is_cupy(model.components_)  # the model itself is unchanged
    assert_array_equal(copied.transform(X), expected)
    assert copied.get_params() == model.get_params()


def test_arrays_that_are_shared_stay_shared(device):
    model = RBM(5, max_iter=1, random_state=0).fit(X)
    shared = away(np.ones(3))
    model.one, model.other = shared, {"inner": [shared]}
    copied = host_copy(model)
    assert type(copied.one) is np.ndarray
    assert copied.other["inner"][0] is copied.one


def test_what_is_on_the_host_already_is_copied(device):
    model = RBM(5, max_iter=1, random_state=0).fit(X)
    copied = host_copy(model)
    assert_array_equal(copied.components_, model.components_)
    assert not np.shares_memory(copied.components_, model.components_)
