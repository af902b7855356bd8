"""The one door to scikit-learn's private helpers, so that a rename there is mended in one place."""

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Hidden, Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

__all__ = ["Hidden", "Interval", "StrOptions", "_check_sample_weight", "_fit_context"]
