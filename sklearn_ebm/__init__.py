"""Energy-based, unsupervised feature learning as scikit-learn estimators."""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "AutoEncoder": "estimators",
    "ConvPSD": "estimators",
    "ConvSparseCoder": "estimators",
    "Dropout": "layers",
    "FineTunedClassifier": "estimators",
    "Flattener": "layers",
    "GroupPenalty": "factors",
    "GroupSparsePSD": "estimators",
    "InhibitionPenalty": "factors",
    "L1Penalty": "factors",
    "LISTAEncoder": "estimators",
    "LocalContrastNormalizer": "layers",
    "PSD": "estimators",
    "Pooler": "layers",
    "RBM": "estimators",
    "Rectifier": "layers",
    "SparseCoder": "estimators",
    "ZCAWhitener": "layers",
    "fista": "estimators",
    "host_copy": "estimators",
    "ista": "estimators",
    "make_feature_hierarchy": "estimators",
    "show_versions": "_show_versions",
    "sparse_encode": "estimators",
}
_SUBPACKAGES = ("datasets", "estimators", "factors", "inspection", "layers", "metrics", "solvers")

__all__ = [
    "PSD",
    "RBM",
    "AutoEncoder",
    "ConvPSD",
    "ConvSparseCoder",
    "Dropout",
    "FineTunedClassifier",
    "Flattener",
    "GroupPenalty",
    "GroupSparsePSD",
    "InhibitionPenalty",
    "L1Penalty",
    "LISTAEncoder",
    "LocalContrastNormalizer",
    "Pooler",
    "Rectifier",
    "SparseCoder",
    "ZCAWhitener",
    "__version__",
    "datasets",
    "fista",
    "host_copy",
    "inspection",
    "ista",
    "make_feature_hierarchy",
    "metrics",
    "show_versions",
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
