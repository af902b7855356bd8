"""The only module that imports scikit-learn's private helpers; a rename is fixed here."""

from sklearn.base import _fit_context
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    StrOptions,
    validate_parameter_constraints,
    validate_params,
)
from sklearn.utils.parallel import _get_threadpool_controller
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "HasMethods",
    "Hidden",
    "Interval",
    "LinearClassifierMixin",
    "StrOptions",
    "_check_sample_weight",
    "_fit_context",
    "_get_threadpool_controller",
    "_openmp_effective_n_threads",
    "callbacks_of",
    "validate_parameter_constraints",
    "validate_params",
]


def callbacks_of(estimator):
    """Return the callbacks that were set on an estimator."""
    return getattr(estimator, "_skl_callbacks", [])
