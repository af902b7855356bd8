"""Patches to learn from and new ones, few atoms, and a watch on what is learned from."""

import pytest

from sklearn_ebm.learning._encoder import EncoderLearner
from tests.estimators.learned_inference import N_ATOMS, N_TRAINED


@pytest.fixture(scope="module")
def X(patches):
    return patches[:N_TRAINED]


@pytest.fixture(scope="module")
def new(patches):
    return patches[N_TRAINED:]


@pytest.fixture(scope="module")
def atoms(dictionary):
    return dictionary[:N_ATOMS]


@pytest.fixture
def watched(monkeypatch):
    """Rows that are looked at, and those of the batches that are learned from, one set each."""
    rows = {"looked at": set(), "learned": set()}

    def watch(method, key):
        whole = getattr(EncoderLearner, method)

        def watching(self, X, *args, **options):
            data = X[0] if isinstance(X, tuple) else X
            rows[key].update(map(tuple, data))
            return whole(self, X, *args, **options)

        monkeypatch.setattr(EncoderLearner, method, watching)

    watch("look", "looked at")
    watch("step", "learned")
    return rows
