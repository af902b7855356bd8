"""Base classes of public parts of models: immutable parameters, compared and hashed by value."""

import inspect
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_ebm.backends import to_host

LARGEST_FACTOR = 1e15  # limit of weights and their inverses: squares fit into single precision


class Specification:
    """Immutable parameters of a part of a model, so that models can share it.

    A subclass passes all parameters of its `__init__` as keywords to this `__init__`.

    Parameters
    ----------
    **parameters
        Values by name, stored as they are.
    """

    parameter = "penalty"  # name of the model's parameter, for error messages

    def __init__(self, **parameters):
        vars(self).update(parameters)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Ignored: no parameter has nested parameters.

        Returns
        -------
        dict
            Values by name.
        """
        return dict(vars(self))

    def set_params(self, **params: Any) -> None:
        """Raise AttributeError: the parameters are immutable.

        Parameters
        ----------
        **params
            Ignored.

        Raises
        ------
        AttributeError
            Always. The message suggests a remedy.
        """
        self._refuse(next(iter(params), "parameter"))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __setattr__(self, name, value):
        self._refuse(name)

    def __delattr__(self, name):
        self._refuse(name)

    def _refuse(self, name):
        kind = type(self).__name__
        raise AttributeError(
            f"{kind} is immutable. Create a new {kind}, or call "
            f"set_params({self.parameter}__{name}=...) on the model that uses it."
        )

    def __eq__(self, other):
        return type(self) is type(other) and _by_value(vars(self)) == _by_value(vars(other))

    def __hash__(self):
        return hash((type(self), _by_value(vars(self))))

    def __repr__(self):
        signature = inspect.signature(type(self)).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in vars(self).items()
            if _by_value(value) != _by_value(signature[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"


class PenaltySpecification(Specification):
    """Parameters of a penalty without alpha.

    A subclass defines `resolve(n_components, alpha, positive=False)`. See
    `sklearn_ebm.protocols.Penalty`.
    """


def _by_value(value):
    """Return a hashable value that is equal for equal lists, arrays and numbers."""
    if isinstance(value, dict):
        return tuple((name, _by_value(entry)) for name, entry in sorted(value.items()))
    if isinstance(value, list | tuple | range):
        return tuple(map(_by_value, value))
    if hasattr(value, "dtype"):
        return _by_value(np.asarray(to_host(value)).tolist())
    return value


def in_range(numbers):
    """Return whether positive numbers and the squares of their inverses fit into any dtype."""
    return (numbers >= 1 / LARGEST_FACTOR) & (numbers <= LARGEST_FACTOR)  # False for NaN


def require_places(map_shape, n_components):
    """Refuse a map whose number of places is not the number of components."""
    n_places = map_shape[0] * map_shape[1]
    if n_places != n_components:
        raise ValueError(
            f"map_shape must have a product of n_components={n_components}, got {map_shape} with a "
            f"product of {n_places}."
        )


def checked_tol(tol):
    """Return the limit of a squared error as a float, and refuse anything but a finite one."""
    if not (isinstance(tol, Real) and 0 <= float(tol) < float("inf")):
        raise ValueError(f"tol must be a non-negative number or None, got {tol!r}.")
    return float(tol)
