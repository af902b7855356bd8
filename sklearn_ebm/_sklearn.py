"""The only module that imports scikit-learn's private helpers; a rename is fixed here.

It also gives types to scikit-learn's decorators, which would otherwise hide those of our methods.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.linear_model._stochastic_gradient import BaseSGDRegressor
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from sklearn.utils._param_validation import HasMethods as InstanceOrClassWithMethods
from sklearn.utils._param_validation import (
    Hidden,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.parallel import _get_threadpool_controller
from sklearn.utils.validation import _check_sample_weight

if TYPE_CHECKING:
    Function = TypeVar("Function", bound=Callable[..., Any])

    def _fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Function], Function]: ...

    def validate_params(
        parameter_constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
    ) -> Callable[[Function], Function]: ...

    def with_callbacks(fit_method: Function) -> Function: ...

    def available_if(check: Callable[[Any], Any]) -> Callable[[Function], Function]: ...

else:
    from sklearn.base import _fit_context
    from sklearn.callback import with_callbacks
    from sklearn.utils._available_if import _AvailableIfDescriptor
    from sklearn.utils._param_validation import validate_params

    class _AvailableIf(_AvailableIfDescriptor):
        """Condition of a method, whose reason is part of the error message."""

        def _check(self, obj, owner):
            try:
                super()._check(obj, owner)
            except AttributeError as error:
                if error.__cause__ is None:
                    raise
                raise AttributeError(f"{error}: {error.__cause__}") from error.__cause__

    def available_if(check):
        """Return a decorator of methods; see `sklearn.utils.metaestimators.available_if`.

        If `check` raises an error, its text is part of the message.
        """
        return lambda method: _AvailableIf(method, check, attribute_name=method.__name__)


__all__ = [
    "BaseSGDRegressor",
    "ExampleOf",
    "HasMethods",
    "Hidden",
    "Interval",
    "LinearClassifierMixin",
    "LinearModel",
    "StrOptions",
    "_check_sample_weight",
    "_fit_context",
    "_get_output_config",
    "_get_threadpool_controller",
    "_openmp_effective_n_threads",
    "available_if",
    "callbacks_of",
    "validate_parameter_constraints",
    "validate_params",
    "with_callbacks",
]


class HasMethods(InstanceOrClassWithMethods):
    """Constraint of an object with some methods, and not of its class."""

    def is_satisfied_by(self, val):
        """Return whether a value is an instance with the methods."""
        return not isinstance(val, type) and super().is_satisfied_by(val)


class ExampleOf(HasMethods):
    """Constraint of an object with some methods, which names examples in the error message."""

    def __init__(self, methods, examples):
        super().__init__(methods)
        self.examples = examples

    def __str__(self):
        return f"{super().__str__()} (such as {self.examples})"


def callbacks_of(estimator):
    """Return the callbacks that were set on an estimator."""
    return getattr(estimator, "_skl_callbacks", [])
