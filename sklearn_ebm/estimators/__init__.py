"""Estimators, and functions that compute codes without an estimator."""

from sklearn_ebm.estimators._auto_encoder import AutoEncoder
from sklearn_ebm.estimators._conv_psd import ConvPSD
from sklearn_ebm.estimators._conv_sparse_coder import ConvSparseCoder
from sklearn_ebm.estimators._drsae import DrSAEClassifier
from sklearn_ebm.estimators._energy_model import EnergyModel
from sklearn_ebm.estimators._energy_outlier_detector import EnergyOutlierDetector
from sklearn_ebm.estimators._estimator_energy import EstimatorEnergy
from sklearn_ebm.estimators._fine_tuned_classifier import FineTunedClassifier
from sklearn_ebm.estimators._fine_tuned_regressor import FineTunedRegressor
from sklearn_ebm.estimators._functions import fista, ista, sparse_encode
from sklearn_ebm.estimators._group_sparse_psd import GroupSparsePSD
from sklearn_ebm.estimators._hierarchy import make_feature_hierarchy
from sklearn_ebm.estimators._host_copy import host_copy
from sklearn_ebm.estimators._lista import LISTAEncoder
from sklearn_ebm.estimators._local_psd import LocalPSD
from sklearn_ebm.estimators._paths import alpha_max, alpha_path
from sklearn_ebm.estimators._psd import PSD
from sklearn_ebm.estimators._rbm import RBM
from sklearn_ebm.estimators._sparse_coder import SparseCoder
from sklearn_ebm.estimators._what_where_psd import WhatWherePSD

__all__ = [
    "PSD",
    "RBM",
    "AutoEncoder",
    "ConvPSD",
    "ConvSparseCoder",
    "DrSAEClassifier",
    "EnergyModel",
    "EnergyOutlierDetector",
    "EstimatorEnergy",
    "FineTunedClassifier",
    "FineTunedRegressor",
    "GroupSparsePSD",
    "LISTAEncoder",
    "LocalPSD",
    "SparseCoder",
    "WhatWherePSD",
    "alpha_max",
    "alpha_path",
    "fista",
    "host_copy",
    "ista",
    "make_feature_hierarchy",
    "sparse_encode",
]
