"""`python -m sklearn_ebm.precompile` compiles what models need."""

import inspect
import warnings

import numpy as np
import pytest
from numba.core import event
from numba.core.dispatcher import Dispatcher
from sklearn.base import MetaEstimatorMixin

import sklearn_ebm
from sklearn_ebm.precompile import MODELS, compile_kernels, main

pytestmark = pytest.mark.no_cover  # other tests run the same lines in less time


class Compilations(event.Listener):
    """The names of kernels that are compiled."""

    def __init__(self):
        self.names = []

    def on_start(self, compilation):
        self.names.append(compilation.data["dispatcher"].py_func.__qualname__)

    def on_end(self, compilation):
        pass


@pytest.mark.parametrize("name", MODELS)
def test_other_sizes_and_orders_of_the_data_need_no_further_kernel(name, dtype, monkeypatch):
    compile_kernels(name, dtype)
    estimator, shape, method = MODELS[name]()
    estimator.set_params(max_iter=3, random_state=1)
    X = np.random.default_rng(1).random((50, *(size + 3 for size in shape))).astype(dtype)
    y, compilations = np.arange(50) % 2, Compilations()
    with warnings.catch_warnings(), event.install_listener("numba:compile", compilations):
        warnings.simplefilter("ignore")
        for data in (X, np.asfortranarray(X), frozen(X)):
            getattr(estimator.fit(data, y), method)(data[:7])
    assert compilations.names == []
    # Numba looks up types by C code first, and a miss costs many times as much
    misses = []
    look_up = Dispatcher._compile_for_args
    monkeypatch.setattr(
        Dispatcher,
        "_compile_for_args",
        lambda kernel, *args, **kwargs: misses.append(kernel) or look_up(kernel, *args, **kwargs),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(estimator.fit(X, y), method)(X[:7])
    assert misses == []


def frozen(X):
    """Return a read-only copy."""
    X = X.copy()
    X.flags.writeable = False
    return X


def test_the_command_compiles_the_models_that_it_names(capsys):
    main(["--models", "PSD", "RBM", "--dtypes", "float64"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["PSD, float64", "RBM, float64"]


def test_an_unknown_model_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--models", "PCA"])
    assert "invalid choice: 'PCA'" in capsys.readouterr().err


def test_every_model_can_be_compiled():
    """Estimators that contain another one call only its kernels."""
    public = {name: getattr(sklearn_ebm, name) for name in sklearn_ebm.__all__}
    assert set(MODELS) - {"make_feature_hierarchy"} == {
        name
        for name, thing in public.items()
        if inspect.isclass(thing)
        and thing.__module__.startswith("sklearn_ebm.estimators.")
        and not issubclass(thing, MetaEstimatorMixin)
    }
