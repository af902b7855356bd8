"""Dask for all tests of this folder, which run in the calling thread unless they say otherwise."""

import pytest


@pytest.fixture(autouse=True)
def synchronous():
    """Run tasks one after another, in the calling thread."""
    dask = pytest.importorskip("dask")
    with dask.config.set(scheduler="synchronous"):
        yield
