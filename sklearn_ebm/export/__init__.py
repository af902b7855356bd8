"""Models in other formats: ONNX, PyTorch, and files that skops can load."""

from sklearn_ebm.export._entry import from_torch, register_onnx_converters, to_onnx, to_torch
from sklearn_ebm.export._trusted import skops_trusted_types

__all__ = [
    "from_torch",
    "register_onnx_converters",
    "skops_trusted_types",
    "to_onnx",
    "to_torch",
]
