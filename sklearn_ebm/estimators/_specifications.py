"""Parameters of a model that have parameters themselves, such as penalties."""

from typing import Any, Self

from sklearn.base import BaseEstimator

from sklearn_ebm.factors import renewing


class WithSpecifications(BaseEstimator):
    """Base class of estimators with immutable parts, which are replaced to change them."""

    _specifications: tuple[str, ...] = ("penalty",)  # parameters that have parameters

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the model and of its parts, such as ``penalty__name``.

        Parameters
        ----------
        **params
            New values by name. Parts such as penalties are immutable, so that a new part replaces
            the old one.

        Returns
        -------
        object
            The model itself.
        """
        for name in self._specifications:
            params = renewing(name, self, params)
        return super().set_params(**params)
