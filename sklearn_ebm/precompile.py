"""Compile the kernels of models ahead of their first use.

Run ``python -m sklearn_ebm.precompile`` when a container or an environment is built. Kernels are
compiled for the processor of the machine and saved in the cache of Numba, whose directory the
environment variable ``NUMBA_CACHE_DIR`` sets.
"""

import argparse
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

import sklearn_ebm

__all__ = ["MODELS", "compile_kernels"]

DTYPES = ("float32", "float64")
N_SAMPLES = 64
N_COMPONENTS = 20
DENSE = 1e-3  # alpha at which most entries of codes are not zero


ROWS, IMAGES = (36,), (12, 12)  # shapes of one sample


class Example(NamedTuple):
    """A small model, and what to do with it."""

    estimator: Any
    shape: tuple
    method: str = "transform"


MODELS = {
    "SparseCoder": lambda: Example(sklearn_ebm.SparseCoder(N_COMPONENTS), ROWS),
    "PSD": lambda: Example(sklearn_ebm.PSD(N_COMPONENTS), ROWS),
    "LISTAEncoder": lambda: Example(sklearn_ebm.LISTAEncoder(), ROWS),
    "GroupSparsePSD": lambda: Example(sklearn_ebm.GroupSparsePSD(N_COMPONENTS, groups=4), ROWS),
    "WhatWherePSD": lambda: Example(sklearn_ebm.WhatWherePSD(N_COMPONENTS), ROWS),
    "ConvSparseCoder": lambda: Example(sklearn_ebm.ConvSparseCoder(8, kernel_size=5), IMAGES),
    "ConvPSD": lambda: Example(sklearn_ebm.ConvPSD(8, kernel_size=5), IMAGES),
    "LocalPSD": lambda: Example(
        sklearn_ebm.LocalPSD(kernel_size=5, tile_shape=4, pool_sigma=1.0), IMAGES
    ),
    "RBM": lambda: Example(sklearn_ebm.RBM(N_COMPONENTS), ROWS),
    "AutoEncoder": lambda: Example(sklearn_ebm.AutoEncoder(N_COMPONENTS), ROWS),
    "EnergyModel": lambda: Example(sklearn_ebm.EnergyModel(N_COMPONENTS), ROWS),
    "DrSAEClassifier": lambda: Example(sklearn_ebm.DrSAEClassifier(N_COMPONENTS), ROWS),
    "FineTunedClassifier": lambda: Example(
        sklearn_ebm.FineTunedClassifier(_dense_network(LogisticRegression())), ROWS, "predict"
    ),
    "FineTunedRegressor": lambda: Example(
        sklearn_ebm.FineTunedRegressor(_dense_network(Ridge())), ROWS, "predict"
    ),
    "make_feature_hierarchy": lambda: Example(_convolutional_network(), IMAGES, "predict"),
}


def _dense_network(head):
    return make_pipeline(sklearn_ebm.PSD(N_COMPONENTS), head)


def _convolutional_network():
    sizes = {"kernel_size": 3, "window_size": 3, "pool_shape": 2}
    stages = sklearn_ebm.make_feature_hierarchy(n_components=(4, 6), **sizes)
    return sklearn_ebm.FineTunedClassifier(stages)


def compile_kernels(model, dtype):
    """Fit a small model and apply it, so that its kernels for a dtype are in the cache.

    Parameters
    ----------
    model : str
        Name of an estimator or of a function that makes one, a key of `MODELS`.
    dtype : str or dtype
        Dtype of the data, float32 or float64.

    Returns
    -------
    seconds : float
        Elapsed time.

    Raises
    ------
    KeyError
        If the name is not in `MODELS`.
    """
    estimator, shape, method = MODELS[model]()
    estimator.set_params(max_iter=2, random_state=0)
    random = np.random.default_rng(0)
    X = random.random((N_SAMPLES, *shape)).astype(dtype)
    y = np.arange(N_SAMPLES) % 2
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two passes over noise do not converge
        for settings in _settings(estimator):  # each of these has kernels of its own
            estimator.set_params(**settings).fit(X, y)
            for samples in (X, X[:1], X / 100, X * 100):
                getattr(estimator, method)(samples)
    return time.perf_counter() - started


def _settings(estimator):
    """Return changes of parameters: none, then optimal codes, then dense codes."""
    names, settings = estimator.get_params(deep=False), [{}]
    if "inference" in names:
        settings.append({"inference": "optimal"})
    if "alpha" in names:
        settings.append({"alpha": DENSE})
    return settings


def main(arguments=None):
    """Compile the kernels that the command line names, and print the time of each model.

    Parameters
    ----------
    arguments : list of str, default=None
        Arguments of the command; None uses the arguments of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m sklearn_ebm.precompile", description=__doc__)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=[*MODELS], metavar="MODEL")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    options = parser.parse_args(arguments)
    for model in options.models:
        for dtype in options.dtypes:
            print(f"{model}, {dtype}: {compile_kernels(model, dtype):.1f} s", flush=True)


if __name__ == "__main__":
    main()
