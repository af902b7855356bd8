"""Restricted Boltzmann machines in all variants, and data for them."""

import functools

import numpy as np
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from sklearn_ebm import RBM

SETTINGS = {"n_components": 12, "max_iter": 3, "n_chains": 30, "batch_size": 100, "random_state": 0}
FORMS = {
    "pcd": {},
    "cd": {"loss": "cd"},
    "fpcd": {"loss": "fpcd"},
    "pseudo_likelihood": {"loss": "pseudo_likelihood"},
    "gaussian": {"visible": "gaussian", "learning_rate": 0.01},
    "categorical": {"visible": "categorical", "n_categories": 4},
}


def make(form="pcd", **parameters):
    return RBM(**{**SETTINGS, **FORMS[form], **parameters})


@functools.cache
def some_digits():
    """(600, 64) float32 of zeros and ones."""
    return (load_digits().data[:600] > 7).astype(np.float32)


@functools.cache
def scaled_digits():
    """(600, 64) float32; each feature has mean zero and unit variance, or is constant."""
    return StandardScaler().fit_transform(load_digits().data[:600]).astype(np.float32)


@functools.cache
def graded_digits():
    """(600, 64) float32 of the codes 0 to 3; some features have fewer categories."""
    return np.minimum(load_digits().data[:600] // 4, 3).astype(np.float32)


def data_of(form):
    if form == "categorical":
        return graded_digits()
    return scaled_digits() if form == "gaussian" else some_digits()
