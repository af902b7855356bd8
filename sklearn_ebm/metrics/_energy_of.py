"""Energies and codes of fitted estimators, including those of scikit-learn.

An estimator that has a method `energy` is used as it is. For scikit-learn's estimators, `FORMS`
lists functions that return the energy of a kind of estimator, its code and its reconstruction.
Classes are found by name, so that no module of scikit-learn is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import Array, Estimator, MatrixLike
from sklearn_ebm.backends import is_cupy, squared_norms
from sklearn_ebm.protocols import offers

LATENT = {"auto": "energy", "min": "minimum", "sum": "marginal"}  # functions of a `Form`


class Form(NamedTuple):
    """Energy, code and reconstruction of an estimator, as functions of arrays.

    Attributes
    ----------
    estimator : object
        The estimator that defines the energy, for instance the last step of a pipeline.
    energy : callable
        The usual energy of samples.
    minimum : callable or None, default=None
        min_z E(x, z) of samples, if it is defined.
    marginal : callable or None, default=None
        -log sum_z exp(-E(x, z)) of samples, if it is defined.
    code : callable or None, default=None
        z of samples.
    decode : callable or None, default=None
        Reconstructions from codes.
    """

    estimator: Any
    energy: Callable[..., Any]
    minimum: Callable[..., Any] | None = None
    marginal: Callable[..., Any] | None = None
    code: Callable[..., Any] | None = None
    decode: Callable[..., Any] | None = None

    def feature_names_out(self):
        """Return names of the entries of codes."""
        if hasattr(self.estimator, "get_feature_names_out"):
            return self.estimator.get_feature_names_out()
        prefix = type(self.estimator).__name__.lower()
        names = [f"{prefix}{k}" for k in range(self.estimator.n_components)]  # a mixture
        return np.array(names, dtype=object)


def energy_of(
    estimator: Estimator, X: MatrixLike, *, latent: Literal["auto", "min", "sum"] = "auto"
) -> Array:
    """Compute the energy of each sample under a fitted estimator.

    The energy is low for samples that resemble the training data. It is defined as follows; m is
    the mean of the training data.

    - Estimators with a method `energy`, such as all models of this package: its result.
    - ``PCA``: "min" is the squared error of the reconstruction, 1/2 ||x - m - zW||^2, at the best
      z. "sum" is -log p(x) of probabilistic PCA, the negative of `PCA.score_samples`.
    - ``KMeans``, ``MiniBatchKMeans``, ``BisectingKMeans``: 1/2 ||x - w_k||^2 for the closest
      centre w_k.
    - ``GaussianMixture``: "sum" is -log sum_k pi_k N_k(x), and "min" is min_k -log pi_k N_k(x).
      For ``BayesianGaussianMixture``, the expectation of log pi_k N_k(x) under the posterior
      distribution of the parameters replaces it, so that exp(-E) is not normalised.
    - ``FastICA`` with as many components as features: -log p(x) for independent sources with the
      density 1 / (pi cosh(s)), which is sum_j log(pi cosh(s_j)) - log |det W|.
    - ``FactorAnalysis``: "sum" is -log p(x), and "min" is the minimum over z of
      1/2 (x - m - zW) Psi^-1 (x - m - zW)' + 1/2 ||z||^2.
    - A ``Pipeline``: the energy of its last step on the features that the other steps compute.
    - Other estimators with `score_samples`, such as ``KernelDensity``, ``IsolationForest`` or
      ``OneClassSVM``: its negative.
    - Other estimators with `transform` and `inverse_transform`, such as ``NMF``: the squared error
      of the reconstruction, 1/2 ||x - inverse_transform(transform(x))||^2.

    Parameters
    ----------
    estimator : object
        A fitted estimator. For a search such as ``GridSearchCV``, its `best_estimator_` is used.
    X : {array-like, sparse array} of shape (n_samples, n_features)
        Samples in any form that the estimator accepts.
    latent : {"auto", "min", "sum"}, default="auto"
        What replaces the latent variables z in the energy of a sample: "min" is min_z E(x, z), and
        "sum" is -log sum_z exp(-E(x, z)), or an integral. "auto" is "sum" for ``GaussianMixture``
        and ``FactorAnalysis`` and "min" for ``PCA`` and ``KMeans``. It is the only choice for
        estimators that are not listed by name above.

    Returns
    -------
    ndarray of shape (n_samples,)
        Energies. Only energies of the same estimator are comparable.

    Raises
    ------
    ValueError
        If the energy of the estimator is not defined for this value of `latent`.
    TypeError
        If the estimator has none of the methods above.

    See Also
    --------
    sklearn_ebm.EstimatorEnergy : Estimator with this energy.
    sklearn_ebm.inspection.EnergyDisplay : Display of the energy as a function of two features.

    References
    ----------
    M. E. Tipping, C. M. Bishop (1999). Probabilistic principal component analysis.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ebm.metrics import energy_of
    >>> X = np.array([[-2.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    >>> pca = PCA(1).fit(X)  # the energy is 1/2 the squared distance from the horizontal axis
    >>> energy_of(pca, [[5.0, 0.0], [5.0, 1.0], [5.0, 2.0]]).tolist()
    [0.0, 0.5, 2.0]
    """
    check_is_fitted(estimator)
    if not (isinstance(latent, str) and latent in LATENT):
        raise ValueError(f"latent must be one of {[*LATENT]}, got {latent!r}.")
    form = form_of(estimator)
    if not offers(form, LATENT[latent]):
        defined = [name for name, function in LATENT.items() if offers(form, function)]
        raise ValueError(
            f"latent must be one of {defined} for {type(form.estimator).__name__}, got {latent!r}."
        )
    return getattr(form, LATENT[latent])(X)


def form_of(estimator):
    """Return the form of the energy of an estimator, which may be unfitted.

    Raises
    ------
    TypeError
        If the estimator has no energy.
    """
    if isinstance(estimator, FrozenEstimator):
        return form_of(estimator.estimator)
    if hasattr(estimator, "best_estimator_"):
        return form_of(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        return _of_last_step(estimator)
    if hasattr(estimator, "energy"):
        return _own(estimator, estimator.energy)
    for kind in type(estimator).__mro__:
        if kind.__name__ in FORMS and kind.__module__.startswith("sklearn."):
            return FORMS[kind.__name__](estimator)
    if hasattr(estimator, "score_samples"):
        return _own(estimator, _negative_score(estimator))
    if hasattr(estimator, "transform") and hasattr(estimator, "inverse_transform"):
        return _reconstruction(estimator)
    raise TypeError(
        "The energy requires an estimator with the method energy or score_samples, or with "
        f"transform and inverse_transform; {type(estimator).__name__} has none of them."
    )


def seen_by(estimator, X):
    """Return samples as the part of an estimator that defines the energy receives them."""
    if isinstance(estimator, FrozenEstimator):
        return seen_by(estimator.estimator, X)
    if hasattr(estimator, "best_estimator_"):
        return seen_by(estimator.best_estimator_, X)
    if isinstance(estimator, Pipeline):
        first, last = _divided(estimator)
        return seen_by(last, X if first is None else first.transform(X))
    return X


def _divided(pipeline):
    """Return the steps before the last one that is not "passthrough", or None, and this one."""
    steps = list(pipeline.steps)
    while steps and steps[-1][1] in (None, "passthrough"):
        steps.pop()
    if not steps:
        raise TypeError("The energy requires a pipeline with a step that is not 'passthrough'.")
    return pipeline[: len(steps) - 1] if len(steps) > 1 else None, steps[-1][1]


def _of_last_step(pipeline):
    """Return the form of the last step that is not "passthrough", on features of the others."""
    first, step = _divided(pipeline)
    last = form_of(step)
    if first is None:
        return last

    def of_features(function):
        return None if function is None else lambda X: function(first.transform(X))

    decode = None
    if last.decode is not None and hasattr(first, "inverse_transform"):
        decode = lambda code: first.inverse_transform(last.decode(code))  # noqa: E731
    functions = (
        of_features(each) for each in (last.energy, last.minimum, last.marginal, last.code)
    )
    return Form(last.estimator, *functions, decode)


# ------------------------------------------------------------------------------ kinds of estimators
def _own(estimator, energy):
    """The estimator defines its energy, and its code if it has one."""
    code, decode = (getattr(estimator, name, None) for name in ("transform", "inverse_transform"))
    return Form(estimator, energy, code=code, decode=decode)


def _negative_score(estimator):
    return lambda X: -_dense(estimator.score_samples(X))


def _reconstruction(estimator):
    """E(x, z) = 1/2 ||x - g(z)||^2 at z = f(x)."""

    def energy(X):
        return _half_squares(
            _dense(X) - _dense(estimator.inverse_transform(estimator.transform(X)))
        )

    return _own(estimator, energy)


def _principal_components(estimator):
    """E(x, z) = 1/2 ||x - m - zW||^2; the marginal is the one of probabilistic PCA."""
    form = _reconstruction(estimator)
    has_density = hasattr(estimator, "score_samples")  # IncrementalPCA has none
    marginal = _negative_score(estimator) if has_density else None
    return form._replace(minimum=form.energy, marginal=marginal)


def _centers(estimator):
    """E(x, z) = 1/2 ||x - zW||^2 for codes z with a single one."""

    def minimum(X):
        return _dense(estimator.transform(X)).min(axis=1) ** 2 / 2

    def code(X):
        distances = _dense(estimator.transform(X))
        closest = np.zeros_like(distances)
        closest[np.arange(len(closest)), distances.argmin(axis=1)] = 1
        return closest

    def decode(code):
        return _dense(code) @ estimator.cluster_centers_

    return Form(estimator, minimum, minimum=minimum, code=code, decode=decode)


def _mixture(estimator):
    """E(x, z) = -log pi_k N_k(x), where k is the index of the one in z."""
    marginal = _negative_score(estimator)

    def minimum(X):
        largest = _dense(estimator.predict_proba(X)).max(axis=1)  # at least 1 / K
        return marginal(X) - np.log(largest)

    def decode(code):
        return _dense(code) @ estimator.means_

    return Form(estimator, marginal, minimum, marginal, estimator.predict_proba, decode)


def _factors(estimator):
    """E(x, z) = 1/2 (x - m - zW) Psi^-1 (x - m - zW)' + 1/2 ||z||^2."""
    marginal = _negative_score(estimator)

    def minimum(X):
        code = _dense(estimator.transform(X))  # the posterior mean minimises the energy
        error = (_dense(X) - decode(code)) / np.sqrt(estimator.noise_variance_)
        return _half_squares(error) + _half_squares(code)

    def decode(code):
        return _dense(code) @ estimator.components_ + estimator.mean_

    return Form(estimator, marginal, minimum, marginal, estimator.transform, decode)


def _independent_components(estimator):
    """E(x) = sum_j log(pi cosh(s_j)) - log |det W| with s = (x - m) W', if W is square."""
    shape = np.shape(getattr(estimator, "components_", ()))  # () before fit
    if len({*shape}) > 1:
        return _reconstruction(estimator)

    def energy(X):
        sources = abs(_dense(estimator.transform(X)))
        terms = sources + np.log1p(np.exp(-2 * sources))  # log(2 cosh(s)) without overflow
        _, volume = np.linalg.slogdet(estimator.components_)
        constant = sources.shape[1] * np.log(np.pi / 2) - volume
        return terms.sum(axis=1) + terms.dtype.type(constant)

    # each sample has one code, so that nothing is summed
    return _own(estimator, energy)._replace(minimum=energy, marginal=energy)


FORMS = {  # by the names of scikit-learn's classes, some of which are private base classes
    "_BasePCA": _principal_components,
    "_BaseKMeans": _centers,
    "BaseMixture": _mixture,
    "FastICA": _independent_components,
    "FactorAnalysis": _factors,
}


def _dense(value):
    """Return an array of floating-point numbers for an array, a sparse array or a data frame."""
    if is_cupy(value):
        return value
    array = value.toarray() if sparse.issparse(value) else np.asarray(value)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _half_squares(error):
    return squared_norms(error) / 2
