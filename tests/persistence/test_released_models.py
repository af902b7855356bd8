"""Models stored by released versions transform as they did, and learn on.

Until the first release, the only folder is one that the tests write.
"""

import pickle

import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from tests.persistence.released import FOLDER, write_models
from tests.registries.estimators import CASES, TYPICAL

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore::sklearn.exceptions.InconsistentVersionWarning",
    "ignore:.*hidden units are dead",
)
VERSIONS = sorted(path.name for path in FOLDER.glob("*"))


@pytest.fixture(scope="module")
def present(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released") / "present"
    write_models(folder)
    return folder


@pytest.mark.parametrize("version", [*VERSIONS, "present"])
@pytest.mark.parametrize("name", TYPICAL)
def test_a_released_model_transforms_as_before_and_learns_on(present, version, name):
    """Codes are the same to single precision, since kernels and BLAS may sum in another order."""
    folder = present if version == "present" else FOLDER / version
    with open(folder / f"{name}.pickle", "rb") as file:
        entry = pickle.load(file)
    model, X, y = entry["model"], entry["X"], entry["y"]
    found = getattr(model, CASES[name].call)(X)
    assert_allclose(found, entry["output"], rtol=1e-6, atol=1e-6)
    if hasattr(model, "partial_fit"):
        model.partial_fit(X)
    again = clone(model).fit(X, y)
    assert getattr(again, CASES[name].call)(X).shape == found.shape
