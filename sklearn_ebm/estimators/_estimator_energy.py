"""Estimators of scikit-learn as energy-based models."""

from __future__ import annotations

from typing import Any, Literal, Self

from sklearn.base import TransformerMixin
from sklearn.utils import get_tags

from sklearn_ebm._sklearn import HasMethods, StrOptions, _fit_context, available_if
from sklearn_ebm._typing import Array, Estimator, MatrixLike
from sklearn_ebm.estimators._energy_wrapper import EnergyWrapper
from sklearn_ebm.inputs._chunks import blockwise
from sklearn_ebm.inputs._rows import native
from sklearn_ebm.layers._state import refusable
from sklearn_ebm.metrics._energy_of import LATENT, energy_of, form_of
from sklearn_ebm.protocols import offers

NOUNS = {"code": "codes", "decode": "reconstructions"}


def _has(function):
    """Return a check whether the estimator, fitted or not, has a code or a reconstruction."""

    def check(model):
        estimator = getattr(model, "estimator_", model.estimator)
        if not offers(form_of(estimator), function):
            raise AttributeError(f"{type(estimator).__name__} has no {NOUNS[function]}.")
        return True

    return check


class EstimatorEnergy(TransformerMixin, EnergyWrapper):
    """Estimator of scikit-learn as an energy-based model.

    `energy` is low for samples that resemble the training data. It is defined for ``PCA``,
    ``KMeans``, ``GaussianMixture``, ``FastICA``, ``FactorAnalysis``, and all estimators with a
    method `energy`, with `score_samples`, or with `transform` and `inverse_transform`. The
    documentation of :func:`~sklearn_ebm.metrics.energy_of` lists the energies.

    Parameters
    ----------
    estimator : estimator
        Estimator that defines the energy. A copy of it is fitted. To use an estimator that is
        already fitted, pass ``FrozenEstimator(estimator)``. The energy of a pipeline is that of its
        last step, on the features that the other steps compute.
    latent : {"auto", "min", "sum"}, default="auto"
        What replaces the latent variables z in the energy of a sample: "min" is min_z E(x, z), and
        "sum" is -log sum_z exp(-E(x, z)), or an integral. "auto" is "sum" for ``GaussianMixture``
        and ``FactorAnalysis`` and "min" for ``PCA`` and ``KMeans``. It is the only choice for
        estimators without such a choice.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of these features, if X has names that are all strings.

    See Also
    --------
    sklearn_ebm.metrics.energy_of : The energy of a fitted estimator as a function.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import FactorAnalysis
    >>> from sklearn_ebm import EstimatorEnergy
    >>> X = np.random.default_rng(0).standard_normal((100, 5))
    >>> model = EstimatorEnergy(FactorAnalysis(2), latent="sum").fit(X)
    >>> density = model.energy(X)
    >>> difference = density - model.set_params(latent="min").energy(X)
    >>> bool(np.ptp(difference) < 1e-10)  # of a Gaussian, both differ by a constant
    True
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods("fit")],
        "latent": [StrOptions(set(LATENT))],
    }

    def __init__(
        self, estimator: Estimator, *, latent: Literal["auto", "min", "sum"] = "auto"
    ) -> None:
        self.estimator = estimator
        self.latent = latent

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: object = None, **fit_params: Any) -> Self:
        """Fit a copy of the estimator.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples in any form that the estimator accepts.
        y : object, default=None
            Passed to the `fit` of the estimator.
        **fit_params : dict
            Parameters of the `fit` of the estimator, such as `sample_weight`. If metadata routing
            is enabled, those that it requests.

        Returns
        -------
        EstimatorEnergy
            The model itself. If Ctrl-C interrupts the fit (KeyboardInterrupt), it remains usable if
            the copy of the estimator does.

        Raises
        ------
        TypeError
            If the estimator has no energy.
        """
        with refusable(self):
            self._fit_copy(X, y, fit_params, lambda fitted, _: self._keep(fitted))
        return self

    def energy(self, X: MatrixLike) -> Array:
        """Compute the energy of each sample.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples in any form that the estimator accepts.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies, low for samples that resemble the training data.

        Raises
        ------
        ValueError
            If the energy of the estimator is not defined for this value of `latent`.
        """
        X = self._read(X)
        return energy_of(self.estimator_, X, latent=self.latent)

    def score(self, X: MatrixLike, y: object = None) -> float:
        """Return the mean negative energy of the samples.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.

        Returns
        -------
        float
            Mean of `score_samples`. Higher is better.
        """
        return float(self.score_samples(X).mean())

    def transform(self, X: MatrixLike) -> Array:
        """Compute the code of each sample, if the estimator has codes.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            For ``KMeans``, a one for the closest centre; for ``GaussianMixture``, the probabilities
            of the components; for other estimators, the result of `transform`.
        """
        X = self._read(X)
        return form_of(self.estimator_).code(X)

    @available_if(_has("decode"))
    @blockwise
    def inverse_transform(self, X: MatrixLike) -> Array:
        """Reconstruct samples from codes, if the estimator can.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes as returned by `transform`.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Reconstructions in the space of the data.
        """
        self._ready()
        return form_of(self.estimator_).decode(native(X))

    @available_if(_has("code"))
    def get_feature_names_out(self, input_features: object = None) -> Array:
        """Return the names of the entries of codes.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of str objects
            Names that the estimator defines, or its name followed by a number.
        """
        self._ready()
        return form_of(self.estimator_).feature_names_out()

    def __sklearn_tags__(self):
        tags, own = super().__sklearn_tags__(), get_tags(self.estimator)
        if own.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = own.transformer_tags.preserves_dtype
        return tags


# scikit-learn wraps `transform` when it creates the class, and would hide whether it is available.
for _name in ("transform", "fit_transform"):
    _method = getattr(EstimatorEnergy, _name)
    setattr(EstimatorEnergy, _name, available_if(_has("code"))(_method))
