"""Energy-based, unsupervised feature learning as scikit-learn estimators."""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "ConvPSD": "estimators",
    "ConvSparseCoder": "estimators",
    "FineTunedClassifier": "estimators",
    "GroupPenalty": "factors",
    "GroupSparsePSD": "estimators",
    "InhibitionPenalty": "factors",
    "L1Penalty": "factors",
    "LISTAEncoder": "estimators",
    "PSD": "estimators",
    "RBM": "estimators",
    "Rectifier": "layers",
    "SparseCoder": "estimators",
    "ZCAWhitener": "layers",
    "fista": "estimators",
    "host_copy": "estimators",
    "ista": "estimators",
    "make_feature_hierarchy": "estimators",
    "sparse_encode": "estimators",
}
_SUBPACKAGES = ("datasets", "estimators", "factors", "inspection", "layers", "metrics", "solvers")

__all__ = [
    "PSD",
    "RBM",
    "ConvPSD",
    "ConvSparseCoder",
    "FineTunedClassifier",
    "GroupPenalty",
    "GroupSparsePSD",
    "InhibitionPenalty",
    "L1Penalty",
    "LISTAEncoder",
    "Rectifier",
    "SparseCoder",
    "ZCAWhitener",
    "__version__",
    "datasets",
    "fista",
    "host_copy",
    "inspection",
    "ista",
    "layers",
    "make_feature_hierarchy",
    "metrics",
    "sparse_encode",
]


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f"sklearn_ebm.{_HOMES[name]}"), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"sklearn_ebm.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
