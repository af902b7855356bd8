"""Energy-based, unsupervised feature learning as scikit-learn estimators."""

import importlib

TYPE_CHECKING = False  # true for type checkers; importing typing would double the import time
if TYPE_CHECKING:  # the imports of _HOMES
    from sklearn_ebm import datasets as datasets
    from sklearn_ebm import inspection as inspection
    from sklearn_ebm import metrics as metrics
    from sklearn_ebm._show_versions import show_versions as show_versions
    from sklearn_ebm.estimators import PSD as PSD
    from sklearn_ebm.estimators import RBM as RBM
    from sklearn_ebm.estimators import AutoEncoder as AutoEncoder
    from sklearn_ebm.estimators import ConvPSD as ConvPSD
    from sklearn_ebm.estimators import ConvSparseCoder as ConvSparseCoder
    from sklearn_ebm.estimators import DrSAEClassifier as DrSAEClassifier
    from sklearn_ebm.estimators import EnergyModel as EnergyModel
    from sklearn_ebm.estimators import EnergyOutlierDetector as EnergyOutlierDetector
    from sklearn_ebm.estimators import EstimatorEnergy as EstimatorEnergy
    from sklearn_ebm.estimators import FineTunedClassifier as FineTunedClassifier
    from sklearn_ebm.estimators import FineTunedRegressor as FineTunedRegressor
    from sklearn_ebm.estimators import GroupSparsePSD as GroupSparsePSD
    from sklearn_ebm.estimators import LISTAEncoder as LISTAEncoder
    from sklearn_ebm.estimators import LocalPSD as LocalPSD
    from sklearn_ebm.estimators import SparseCoder as SparseCoder
    from sklearn_ebm.estimators import WhatWherePSD as WhatWherePSD
    from sklearn_ebm.estimators import alpha_max as alpha_max
    from sklearn_ebm.estimators import alpha_path as alpha_path
    from sklearn_ebm.estimators import fista as fista
    from sklearn_ebm.estimators import host_copy as host_copy
    from sklearn_ebm.estimators import ista as ista
    from sklearn_ebm.estimators import make_feature_hierarchy as make_feature_hierarchy
    from sklearn_ebm.estimators import sparse_encode as sparse_encode
    from sklearn_ebm.factors import ElasticNetPenalty as ElasticNetPenalty
    from sklearn_ebm.factors import ExpertEnergy as ExpertEnergy
    from sklearn_ebm.factors import GroupPenalty as GroupPenalty
    from sklearn_ebm.factors import InhibitionPenalty as InhibitionPenalty
    from sklearn_ebm.factors import L0Penalty as L0Penalty
    from sklearn_ebm.factors import L1Constraint as L1Constraint
    from sklearn_ebm.factors import L1Penalty as L1Penalty
    from sklearn_ebm.factors import LogSumPenalty as LogSumPenalty
    from sklearn_ebm.factors import LqPenalty as LqPenalty
    from sklearn_ebm.factors import SmoothAtoms as SmoothAtoms
    from sklearn_ebm.factors import SparseAtoms as SparseAtoms
    from sklearn_ebm.layers import Dropout as Dropout
    from sklearn_ebm.layers import Flattener as Flattener
    from sklearn_ebm.layers import LocalContrastNormalizer as LocalContrastNormalizer
    from sklearn_ebm.layers import Pooler as Pooler
    from sklearn_ebm.layers import Rectifier as Rectifier
    from sklearn_ebm.layers import ZCAWhitener as ZCAWhitener

__version__ = "0.1.0"

_HOMES = {
    "AutoEncoder": "estimators",
    "ConvPSD": "estimators",
    "ConvSparseCoder": "estimators",
    "Dropout": "layers",
    "ElasticNetPenalty": "factors",
    "DrSAEClassifier": "estimators",
    "EnergyModel": "estimators",
    "EnergyOutlierDetector": "estimators",
    "EstimatorEnergy": "estimators",
    "ExpertEnergy": "factors",
    "FineTunedClassifier": "estimators",
    "FineTunedRegressor": "estimators",
    "Flattener": "layers",
    "GroupPenalty": "factors",
    "GroupSparsePSD": "estimators",
    "InhibitionPenalty": "factors",
    "L0Penalty": "factors",
    "L1Constraint": "factors",
    "L1Penalty": "factors",
    "LISTAEncoder": "estimators",
    "LocalContrastNormalizer": "layers",
    "LocalPSD": "estimators",
    "LogSumPenalty": "factors",
    "LqPenalty": "factors",
    "PSD": "estimators",
    "Pooler": "layers",
    "RBM": "estimators",
    "Rectifier": "layers",
    "SmoothAtoms": "factors",
    "SparseAtoms": "factors",
    "SparseCoder": "estimators",
    "WhatWherePSD": "estimators",
    "ZCAWhitener": "layers",
    "alpha_max": "estimators",
    "alpha_path": "estimators",
    "fista": "estimators",
    "host_copy": "estimators",
    "ista": "estimators",
    "make_feature_hierarchy": "estimators",
    "show_versions": "_show_versions",
    "sparse_encode": "estimators",
}
_SUBPACKAGES = (
    "datasets",
    "estimators",
    "export",
    "factors",
    "inspection",
    "layers",
    "metrics",
    "solvers",
)

__all__ = [
    "PSD",
    "RBM",
    "AutoEncoder",
    "ConvPSD",
    "ConvSparseCoder",
    "DrSAEClassifier",
    "Dropout",
    "ElasticNetPenalty",
    "EnergyModel",
    "EnergyOutlierDetector",
    "EstimatorEnergy",
    "ExpertEnergy",
    "FineTunedClassifier",
    "FineTunedRegressor",
    "Flattener",
    "GroupPenalty",
    "GroupSparsePSD",
    "InhibitionPenalty",
    "L0Penalty",
    "L1Constraint",
    "L1Penalty",
    "LISTAEncoder",
    "LocalContrastNormalizer",
    "LocalPSD",
    "LogSumPenalty",
    "LqPenalty",
    "Pooler",
    "Rectifier",
    "SmoothAtoms",
    "SparseAtoms",
    "SparseCoder",
    "WhatWherePSD",
    "ZCAWhitener",
    "__version__",
    "alpha_max",
    "alpha_path",
    "datasets",
    "export",
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
