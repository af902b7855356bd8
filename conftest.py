"""What tests and the examples in docstrings share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _close_figures():
    """Matplotlib keeps figures until they are closed, and warns when there are many."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
