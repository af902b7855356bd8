"""Codes under a constraint: the search of the reference, on lassos by coordinate descent."""

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends.cupy._coordinate_descent import coordinate_descent


def constrained_codes(lasso, code, tol, max_iter, minimize=coordinate_descent):
    """Search the weight of each sample; see `sklearn_ebm.backends.numpy.constrained_codes`."""
    return reference.constrained_codes(lasso, code, tol, max_iter, minimize)
