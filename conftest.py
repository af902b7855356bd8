"""What tests and the examples in docstrings share."""

import sys
from importlib.util import find_spec

import pytest

# Modules that convert models import their library at once; without it, they have no examples.
LIBRARIES = {"onnx": "skl2onnx", "torch": "torch"}
collect_ignore = [
    f"sklearn_ebm/export/_{name}.py"
    for name, library in LIBRARIES.items()
    if not find_spec(library)
]


@pytest.fixture(autouse=True)
def _close_figures():
    """Matplotlib keeps figures until they are closed, and warns when there are many."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
