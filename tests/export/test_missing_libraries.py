"""Messages without the optional libraries."""

import sys

import numpy as np
import pytest

from sklearn_ebm import Rectifier
from sklearn_ebm.export import register_onnx_converters, to_onnx, to_torch


@pytest.mark.parametrize(
    ("call", "library", "extra"),
    [
        (lambda: register_onnx_converters(), "skl2onnx", "onnx"),
        (lambda: to_onnx(Rectifier(), np.ones((1, 2))), "skl2onnx", "onnx"),
        (lambda: to_torch(Rectifier()), "torch", "torch"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(monkeypatch, call, library, extra):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "sklearn_ebm.export._onnx", raising=False)
    monkeypatch.delitem(sys.modules, "sklearn_ebm.export._torch", raising=False)
    with pytest.raises(ModuleNotFoundError, match=rf"sklearn-ebm\[{extra}\]"):
        call()
