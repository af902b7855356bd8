"""Training and test patches, a small dictionary, and a record of the rows that are used."""

import pytest

from sklearn_ebm.learning.criteria import Imitation
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
    """Record the rows that are evaluated and the rows that are used for training, as two sets."""
    rows = {"looked at": set(), "learned": set()}

    def watch(method, key):
        whole = getattr(Imitation, method)

        def watching(self, model, batch, *args):
            rows[key].update(map(tuple, batch.X))
            return whole(self, model, batch, *args)

        monkeypatch.setattr(Imitation, method, watching)

    watch("measure", "looked at")
    watch("contribute", "learned")
    return rows
