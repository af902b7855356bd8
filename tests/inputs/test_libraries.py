"""Every estimator computes with arrays of other libraries, converts them or refuses them."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import set_config
from sklearn.base import clone
from sklearn.utils.fixes import parse_version

from sklearn_ebm.layers._layer import Layer
from tests.registries.estimators import CASES, TYPICAL, fitted, output

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:.*hidden units are dead"
)
MODELS = [name for name in TYPICAL if not isinstance(CASES[name].estimator, Layer)]
LAYERS = [name for name in TYPICAL if name not in MODELS]


def strict(X):
    return pytest.importorskip("array_api_strict").asarray(np.asarray(X))


def calls(name):
    """Return functions of the data that fit a model and compute features or scores."""
    case, model = CASES[name], fitted(name)
    return lambda X: clone(case.estimator).fit(X, case.y), getattr(model, case.call)


@pytest.mark.parametrize("name", MODELS)
def test_models_refuse_arrays_that_their_kernels_cannot_read(name):
    for call in calls(name):
        with pytest.raises(TypeError, match="does not support arrays of array_api_strict"):
            call(strict(CASES[name].X))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_with_arrays_of_any_library(name):
    fit, transform = calls(name)
    fit(strict(CASES[name].X))
    found = transform(strict(CASES[name].X))
    assert type(found) is type(strict([1.0]))
    assert_allclose(np.asarray(found), output(name, fitted(name)), rtol=1e-12)


@pytest.mark.parametrize("name", TYPICAL)
def test_tensors_become_numpy_arrays(name):
    torch = pytest.importorskip("torch")
    fit, transform = calls(name)
    X = torch.from_numpy(np.array(CASES[name].X))
    fit(X)
    found = transform(X)
    assert type(found) is np.ndarray
    assert_array_equal(found, output(name, fitted(name)))


def test_a_tensor_that_requires_a_gradient_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"cannot be converted to a NumPy array.*detach"):
        fitted("SparseCoder").transform(torch.ones((2, 12)).requires_grad_())


def with_dispatch():
    """Run tests of layers and of a model with array API dispatch; return the exit code."""
    set_config(array_api_dispatch=True)
    return pytest.main(
        [__file__, "-q", "-p", "no:cacheprovider", "-k", "not dispatch and (layers or PSD)"]
    )


@pytest.mark.slow
@pytest.mark.skipif("SCIPY_ARRAY_API" in os.environ, reason="the other process")
@pytest.mark.skipif(
    parse_version(scipy.__version__) < parse_version("1.14"), reason="dispatch requires SciPy 1.14"
)
def test_dispatch_changes_nothing():
    """SciPy reads the variable at import, so that the tests need another process."""
    code = "import sys; from tests.inputs import test_libraries as t; sys.exit(t.with_dispatch())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "SCIPY_ARRAY_API": "1"}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
