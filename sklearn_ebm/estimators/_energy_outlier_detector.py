"""Detection of outliers by an energy."""

from __future__ import annotations

from functools import partial
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import OutlierMixin

from sklearn_ebm._sklearn import HasMethods, Interval, StrOptions, _fit_context
from sklearn_ebm._typing import Array, Estimator, MatrixLike
from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import stored_entries, to_host
from sklearn_ebm.estimators._energy_wrapper import EnergyWrapper
from sklearn_ebm.layers._state import refusable
from sklearn_ebm.metrics._energy_of import energy_of, form_of, seen_by

FENCE = 1.5  # interquartile ranges above the third quartile (Tukey 1977, chapter 2)
ROUNDING = 1e-12  # of shares of the weights
ROUNDINGS = 32  # possible error of a reconstruction, in units of rounding of the largest value


class EnergyOutlierDetector(OutlierMixin, EnergyWrapper):
    """Detector of outliers: samples whose energy is above a threshold.

    Any estimator with an energy becomes a detector with the methods of ``IsolationForest``. The
    threshold is computed from the energies of the training samples.

    Parameters
    ----------
    estimator : estimator
        Estimator that defines the energy; see :func:`~sklearn_ebm.metrics.energy_of`. A copy of it
        is fitted. To use an estimator that is already fitted, pass ``FrozenEstimator(estimator)``.
        The energy of a pipeline is that of its last step, on the features that the other steps
        compute.
    contamination : "auto" or float, default="auto"
        Share of outliers in the training data, in the interval (0, 0.5]. As many training samples
        are labelled as outliers. "auto" places the threshold 1.5 interquartile ranges above the
        third quartile of the energies (Tukey's rule). If the training data have no outliers, this
        labels about 0.7 % of them for normally distributed energies, and more for energies with
        heavy tails.

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    offset_ : float
        Minus the threshold of the energy. ``decision_function = score_samples - offset_``.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of these features, if X has names that are all strings.

    See Also
    --------
    sklearn_ebm.metrics.energy_of : The energy of a fitted estimator as a function.
    EstimatorEnergy : The same energy, with the codes of the estimator.

    Notes
    -----
    New samples often have higher energies than the training samples, in particular if the estimator
    has many parameters. The share of new samples above the threshold is then larger than in
    training. If this matters, pass a ``FrozenEstimator`` and fit the detector on other samples than
    the estimator.

    References
    ----------
    J. W. Tukey (1977). Exploratory data analysis.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ebm import EnergyOutlierDetector
    >>> X = np.random.default_rng(0).standard_normal((200, 1)) * [1.0, 2.0, 3.0]
    >>> X += 0.1 * np.random.default_rng(1).standard_normal(X.shape)
    >>> detector = EnergyOutlierDetector(PCA(1)).fit(X)
    >>> detector.predict([[1.0, 2.0, 3.0], [1.0, 2.0, -3.0]]).tolist()
    [1, -1]
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods("fit")],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
    }

    def __init__(
        self, estimator: Estimator, *, contamination: Literal["auto"] | float = "auto"
    ) -> None:
        self.estimator = estimator
        self.contamination = contamination

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: object = None, **fit_params: Any) -> Self:
        """Fit a copy of the estimator, and compute the threshold from the energies of X.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples in any form that the estimator accepts.
        y : object, default=None
            Passed to the `fit` of the estimator.
        **fit_params : dict
            Parameters of the `fit` of the estimator. If metadata routing is enabled, those that it
            requests. `sample_weight` also weights the energies that determine the threshold.

        Returns
        -------
        EnergyOutlierDetector
            The detector itself. If Ctrl-C interrupts the fit (KeyboardInterrupt), it remains usable
            if the copy of the estimator does.

        Raises
        ------
        TypeError
            If the estimator has no energy.

        Warns
        -----
        UserWarning
            If the energies of all samples are rounding errors.
        """
        with refusable(self):
            self._fit_copy(X, y, fit_params, partial(self._set_threshold, X))
        return self

    def _set_threshold(self, X, fitted, fit_params):
        """Keep a fitted estimator, and compute the threshold from the energies of X."""
        X = self._native(X)
        energies = to_host(energy_of(fitted, X))
        if _are_rounding_errors(energies, seen_by(fitted, X)):
            warn(
                "The energies of all training samples are rounding errors: "
                f"{type(form_of(fitted).estimator).__name__} reconstructs every sample, so that "
                "labels are arbitrary. Use an estimator with fewer components.",
                UserWarning,
            )
        threshold = _threshold(energies, fit_params.get("sample_weight"), self.contamination)
        self._keep(fitted, offset_=-threshold)

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
        """
        X = self._read(X)
        return energy_of(self.estimator_, X)

    def decision_function(self, X: MatrixLike) -> Array:
        """Return the distance of the energy of each sample from the threshold.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Threshold minus energy, negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: MatrixLike) -> Array:
        """Label samples as inliers or outliers.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            1 for inliers, and -1 for outliers.
        """
        is_inlier = to_host(self.decision_function(X)) >= 0
        return np.where(is_inlier, 1, -1)


def _are_rounding_errors(energies, X):
    """Return whether energies may be squares of the rounding errors of reconstructions of X."""
    values = np.asarray(stored_entries(to_host(X)) if hasattr(X, "dtype") else X)
    if values.dtype.kind not in "fiu" or not values.size:
        return False
    largest = float(np.abs(values.astype(float)).max())
    error = ROUNDINGS * float(np.finfo(energies.dtype).eps) * largest
    n_entries = values.size / len(energies)
    return bool(np.max(np.abs(energies)) <= n_entries * error**2 / 2)


def _threshold(energies, weight, contamination):
    """Return the energy above which samples are outliers."""
    energies = energies.astype(np.float64)
    weight = np.ones(len(energies)) if weight is None else np.asarray(to_host(weight), float)
    if contamination == "auto":
        first, third = (_quantile(energies, weight, share) for share in (0.25, 0.75))
        return third + FENCE * (third - first)
    return _quantile(energies, weight, 1 - float(contamination))


def _quantile(values, weight, share):
    """Return a quantile; a weight of two is equivalent to two samples.

    It is the value at which the cumulative weight exceeds the share of the total, or the mean of
    two neighbouring values if it equals the share. The quantiles of scikit-learn do not allow for
    rounding errors of the cumulative weight, so that they depend on the unit of the weights.
    """
    order = np.argsort(values[weight > 0])
    values, weight = values[weight > 0][order], weight[weight > 0][order]
    cumulated = np.cumsum(weight) / weight.sum()
    first = np.searchsorted(cumulated, share - ROUNDING)
    last = np.searchsorted(cumulated, share + ROUNDING, side="right")
    first, last = (min(int(place), len(values) - 1) for place in (first, last))
    return float(values[first] + values[last]) / 2
