"""Base class of estimators that fit another estimator and use its energy."""

from __future__ import annotations

from contextlib import suppress

from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from sklearn_ebm._typing import Array, MatrixLike
from sklearn_ebm.inputs._rows import native, require_library
from sklearn_ebm.layers._state import Stateful
from sklearn_ebm.metrics._energy_of import energy_of, form_of


class EnergyWrapper(MetaEstimatorMixin, Stateful, BaseEstimator):
    """Fits a copy of an estimator. A subclass implements `energy`.

    Parameters
    ----------
    estimator : estimator
        Estimator that defines the energy.
    """

    _model_attributes: tuple = ("estimator_",)

    def _fit_copy(self, X, y, fit_params, finish):
        """Fit a copy of the estimator, and call finish(copy, parameters of its `fit`).

        If Ctrl-C interrupts the fit, the copy is kept if it is fitted nevertheless, as models of
        this package are.
        """
        X = self._native(X)
        form_of(self.estimator)
        if get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        fitted = clone(self.estimator)
        try:
            fitted.fit(X, y, **fit_params)
        except KeyboardInterrupt:
            with suppress(Exception):  # of an estimator that lacks some of its attributes
                energy_of(fitted, X)
                finish(fitted, fit_params)
            raise
        finish(fitted, fit_params)

    def _keep(self, fitted, **attributes):
        """Set the fitted attributes."""
        names = [name for name in ("n_features_in_", "feature_names_in_") if hasattr(fitted, name)]
        seen = {name: getattr(fitted, name) for name in names}
        vars(self).pop("feature_names_in_", None)  # of the last fit
        vars(self).update(self._left(None, {**seen, "estimator_": fitted, **attributes}, None))

    def score_samples(self, X: MatrixLike) -> Array:
        """Return the negative energy of each sample.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Negative energies. Higher is better.
        """
        return -self.energy(X)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the metadata that `fit` passes to the estimator.

        Returns
        -------
        MetadataRouter
            The routing of scikit-learn.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(estimator=self.estimator, method_mapping=mapping)

    def _read(self, X):
        """Return samples as arrays or data frames that scikit-learn reads."""
        self._ready()
        return self._native(X)

    def _native(self, X):
        require_library(self, X)
        return native(X)

    def __sklearn_is_fitted__(self):
        """Return whether there is a fitted estimator."""
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self):
        tags, own = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags = own.input_tags
        tags.non_deterministic = own.non_deterministic
        return tags
