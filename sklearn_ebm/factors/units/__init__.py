"""Kinds of visible units of a bilinear energy; `UNITS` names them."""

from sklearn_ebm.factors.units._bernoulli import BernoulliUnits
from sklearn_ebm.factors.units._categorical import CategoricalUnits
from sklearn_ebm.factors.units._coordinates import Standardized
from sklearn_ebm.factors.units._gaussian import GaussianUnits

UNITS = {"bernoulli": BernoulliUnits, "gaussian": GaussianUnits, "categorical": CategoricalUnits}

__all__ = ["UNITS", "BernoulliUnits", "CategoricalUnits", "GaussianUnits", "Standardized"]
