"""Dask for all tests of this folder, which run in the calling thread unless they say otherwise."""

import pytest

from sklearn_ebm.learning import _distributed


@pytest.fixture(autouse=True)
def synchronous():
    """Run tasks one after another, in the calling thread."""
    dask = pytest.importorskip("dask")
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(autouse=True)
def few_rows_per_task(monkeypatch):
    """Divide the small data of tests over several tasks."""
    monkeypatch.setattr(_distributed, "ROWS_PER_TASK", 512)
