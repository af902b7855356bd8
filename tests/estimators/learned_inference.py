"""Common parts of the tests of `LISTAEncoder`: settings for few samples, losses by definition."""

import numpy as np
import pytest

from sklearn_ebm import LISTAEncoder, sparse_encode
from sklearn_ebm.factors import LOSSES, UNROLLED_ENCODERS
from tests.papers import UNTRAINED

ALPHA = 1.0
N_ATOMS = 24
N_TRAINED = 200  # patches for training; the others are new
SETTINGS = {  # steps small enough for so few samples
    "alpha": ALPHA,
    "n_steps": 1,
    "max_iter": 10,
    "tol": 0,
    "n_iter_no_change": 100,
    "batch_size": 20,
    "learning_rate": 3e-4,
    "validation_fraction": 0.25,
    "random_state": 0,
}
NETWORKS = [
    ("lista", True), ("lista", False), ("lfista", True), ("lfista", False), ("lcod", True),
    ("drsae", True),
]  # fmt: skip
networks = pytest.mark.parametrize(("encoder", "tied"), NETWORKS)
encoders = pytest.mark.parametrize("encoder", UNROLLED_ENCODERS)
losses = pytest.mark.parametrize("loss", LOSSES)
kept_first = pytest.mark.filterwarnings("ignore:No pass improved on the initial loss")


def make(atoms, **parameters):
    return LISTAEncoder(dictionary=atoms, **{**SETTINGS, **parameters})


def energies(X, code, dictionary, alpha=ALPHA):
    residual = X - code @ dictionary
    return np.sum(residual**2, axis=1) / 2 + alpha * np.sum(np.abs(code), axis=1)


def mean_loss(loss, X, code, dictionary, alpha=ALPHA):
    """Return the loss by its definition, with codes that are optimal to the models' tolerance.

    Codes without negative entries are those of an encoder for codes that are not negative.
    """
    if loss == "energy":
        return energies(X, code, dictionary, alpha).mean()
    optimum = sparse_encode(X, dictionary, alpha, positive=bool(np.all(code >= 0)))
    return np.mean(np.sum((code - optimum) ** 2, axis=1)) / 2


def untrained(model, X):
    """Return codes of the solver that the model unrolls, after the same number of steps."""
    return UNTRAINED[model.encoder](X, model.components_, ALPHA, model.n_steps)


def optimal_energies(X, atoms, alpha=ALPHA, positive=False):
    return energies(X, sparse_encode(X, atoms, alpha, tol=1e-10, positive=positive), atoms, alpha)
