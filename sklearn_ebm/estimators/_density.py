"""Base class of models with a partition function: features, samples and likelihoods."""

from __future__ import annotations

import operator
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, check_scalar

from sklearn_ebm._sklearn import available_if
from sklearn_ebm._typing import Array, ArrayLike, MatrixLike, RandomState
from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._density_data import (
    checked_units,
    has_categories,
    is_categorical,
    require_near,
    with_means,
)
from sklearn_ebm.estimators._fitted_density import fitted_attributes, take_over
from sklearn_ebm.factors import UNITS
from sklearn_ebm.inputs._checks import (
    check_codes,
    check_magnitude,
    largest_value,
    require_same_place,
)
from sklearn_ebm.inputs._chunks import blockwise
from sklearn_ebm.inputs._rows import (
    dense_rows,
    float_type,
    is_nan,
)
from sklearn_ebm.inputs._weights import check_sample_weight
from sklearn_ebm.layers._state import Stateful
from sklearn_ebm.learning._monitor import pseudo_likelihood, reconstruction_error
from sklearn_ebm.learning._samples import Batch
from sklearn_ebm.solvers import (
    LARGEST_ENUMERATION,
    LogPartition,
    anneal,
    map_rows,
    move_samples,
    sum_states,
)

BREAKS = (0.5, 0.9)  # positions on the path from the base to the model, and the fractions of the
BREAK_SHARES = (0.05, 0.3)  # temperatures before them; about Salakhutdinov & Murray 2008, section 4


def annealing_shares(n_temperatures):
    """Return positions on the path from the base to the model, which are densest near its end."""
    ends, end_shares = [0, *BREAKS, 1], [0, *BREAK_SHARES, 1]
    return np.interp(np.linspace(0, 1, n_temperatures), end_shares, ends)


class DensityModel(Stateful, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Model with an energy of visible and hidden units, whose hidden units are the features."""

    _model_attributes = ("components_", "intercept_hidden_", "intercept_visible_", "variance_")
    _needs_fit = ("n_components", "visible", "n_categories")

    @property
    def _energy(self):
        return self._state.parts

    def _has_anyway(self, name, value):
        if name == "n_categories":
            return self.visible != "categorical"
        return name == "n_components" and value == self.components_.shape[0]

    def _take_over(self, state, replaced):
        return take_over(self, state, replaced)

    def _keep(self, trainer):
        """Set the fitted attributes from the state of learning."""
        for name in ("variance_", "n_categories_"):
            vars(self).pop(name, None)
        vars(self).update(fitted_attributes(self, trainer))

    def _snapshot(self):
        """Return fitted attributes, for callbacks that need a usable model during `fit`."""
        return {"n_features_in_": self.n_features_in_, **fitted_attributes(self, self._learner)}

    def _prepare(self, X, base=None, dtype=None):
        """Return the data on their device, with the means of a base in place of missing values.

        Categories become one-hot columns, in a floating-point dtype. Other booleans and small
        integers keep their type. Without a base, this is the first call of `fit` or `partial_fit`.
        `dtype` is the dtype of the learner, if X is used to continue learning.
        """
        categories = None if base is None else base.categories
        data, size = checked_units(self, X, categories, base is None, dtype)
        if base is None:
            return data
        require_same_place(self, data.X)
        data = with_means(data, base)
        dtype = float_type(data.X) if dtype is None else dtype
        require_near(data.X, size, dtype, self._energy.visible.coordinates)
        return data

    def _read(self, X):
        """Return the data of a call of a fitted model."""
        self._ready()
        return self._prepare(X, self._base)

    def _for_each_piece(self, function, data, n_columns=None):
        """Return the results of function(energy, batch, result) on pieces of the data."""
        energy = _energy_in(self, float_type(data.X)).on(data.backend)

        def on_rows(energy, rows, result, first):
            observed = data.observed
            if observed is not None:
                observed = dense_rows(observed, slice(first, first + rows.shape[0]), rows.dtype)
            function(energy, Batch(rows, mask=observed, first=first), result)

        return map_rows(on_rows, energy, data.X, n_columns)

    def transform(self, X: MatrixLike) -> Array:
        """Compute the probability that each hidden unit is on, given the visible units.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Probabilities of the hidden units, between 0 and 1.
        """
        data = self._read(X)

        def hidden_mean(energy, batch, result):
            energy.conditionals.hidden_mean(batch.X, result)

        return self._for_each_piece(hidden_mean, data, self._energy.weights.shape[1])

    def inverse_transform(self, X: MatrixLike) -> Array:
        """Compute the mean of each visible unit, given the hidden units or their probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            States or probabilities of the hidden units, as returned by `transform`.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Means of the visible units, in the space of the data. With categorical units, they are
            the codes of the most probable categories.
        """
        return _decoded(self, _visible_mean(self, X))

    def reconstruct(self, X: MatrixLike) -> Array:
        """Encode and decode samples: apply `transform` and then `inverse_transform`.

        Missing values of X are estimated from the observed values of their sample.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Reconstructions.
        """
        return self.inverse_transform(self.transform(X))

    @available_if(has_categories)
    @blockwise
    def reconstruct_proba(self, X: MatrixLike) -> Array:
        """Encode samples, and compute the probabilities of all categories of their features.

        Only available if `visible="categorical"`. `reconstruct` returns the most probable category
        of each feature.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples. Missing values of X are estimated from the observed values of their sample.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            Probabilities. The columns of a feature are adjacent, in the order of its codes, and
            their number is its entry of `n_categories_`.
        """
        return _visible_mean(self, self.transform(X))

    def energy(self, X: MatrixLike) -> Array:
        """Compute the free energy F(v) of each sample, in which the hidden units are summed out.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Free energies in nats, up to a constant: exp(-F(v)) / Z is the density of a sample v.
            The energy of a sample with missing values is that of its observed units. It is not
            comparable with energies of samples in which other features are missing.
        """
        return self._for_each_piece(_free_energy, self._read(X))

    def score_samples(self, X: MatrixLike) -> Array:
        """Return the negative free energy of each sample, an unnormalised log-likelihood.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Negative free energies. Higher is better. Only scores of the same model are comparable,
            because the normalising constant differs between models (see `log_likelihood`).
        """
        return -self.energy(X)

    def score(
        self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the mean pseudo-log-likelihood per feature.

        Unlike in the other models, it is not the mean of `score_samples`: negative free energies
        lack the normalising constant, which differs between models, so their mean cannot compare
        models.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample in the mean. None means equal weights.

        Returns
        -------
        float
            Higher is better. With Bernoulli units, it is the mean log-probability of a feature
            given the other features of its sample, in nats, estimated from one feature per sample
            in a cycle over the features. The same applies to categorical units. With Gaussian
            units, it is the negative mean squared
            reconstruction error per feature.
        """
        values = _goodness(self, X)
        xp = array_namespace(values)
        if sample_weight is None:
            return float(values.mean())
        weights, _ = check_sample_weight(sample_weight, values)
        return float(values @ xp.asarray(weights / weights.sum(), dtype=values.dtype))

    # ------------------------------------------------------------------------------------- samples
    def gibbs(self, X: MatrixLike, n_steps: int = 1, *, random_state: RandomState = None) -> Array:
        """Run Markov chains that start at given samples, by block Gibbs sampling.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples at which the chains start.
        n_steps : int, default=1
            Number of steps. Each step samples the hidden units given the visible units, and then
            the visible units given the hidden units.
        random_state : int, RandomState instance or None, default=None
            Seed or generator of the random numbers. Pass an int for reproducible results.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Visible units at the end of the chains.
        """
        self._ready()
        n_steps = operator.index(n_steps)
        check_scalar(n_steps, "n_steps", Integral, min_val=1)
        data = self._read(X)
        stream = Stream(check_random_state(random_state))
        energy = _energy_in(self, float_type(data.X)).on(data.backend)
        return _decoded(self, move_samples(energy, data.X, n_steps, stream))

    def sample(
        self, n_samples: int = 1, n_burn_in: int = 1000, *, random_state: RandomState = None
    ) -> Array:
        """Draw samples from the model, each from a Markov chain of its own.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples. Their chains start at independent features with the means of the
            training data.
        n_burn_in : int, default=1000
            Number of Gibbs sampling steps of each chain. With 0, the initial states are returned.
            Increase it if the chains mix slowly.
        random_state : int, RandomState instance or None, default=None
            Seed or generator of the random numbers. Pass an int for reproducible results.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Visible units at the end of the chains.
        """
        self._ready()
        n_samples, n_burn_in = operator.index(n_samples), operator.index(n_burn_in)
        check_scalar(n_samples, "n_samples", Integral, min_val=1)
        check_scalar(n_burn_in, "n_burn_in", Integral, min_val=0)
        random_state, energy = check_random_state(random_state), self._energy
        weights = energy.weights
        backend = resolve_backend(self.backend, weights)
        start = array_namespace(weights).zeros((n_samples, weights.shape[0]), dtype=weights.dtype)
        self._base.on(backend).sample(start, Stream(random_state).key())
        if n_burn_in == 0:
            return _decoded(self, start)
        moved = move_samples(energy.on(backend), start, n_burn_in, Stream(random_state))
        return _decoded(self, moved)

    # ----------------------------------------------------------------------------------- likelihood
    def log_partition(
        self,
        method: str = "auto",
        *,
        n_temperatures: int = 5000,
        n_runs: int = 100,
        random_state: RandomState = None,
    ) -> LogPartition:
        """Compute or estimate log Z, the logarithm of the normalising constant.

        The density of a sample v is exp(-F(v)) / Z, where F is the free energy (see `energy`).

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            "exact" sums over all states of a layer, which is possible for at most 20 binary units.
            "ais" is annealed importance sampling, which starts at independent features with the
            means of the training data. "auto" is "exact" if possible, and otherwise "ais".
        n_temperatures : int, default=5000
            Number of annealing steps of each particle.
        n_runs : int, default=100
            Number of particles.
        random_state : int, RandomState instance or None, default=None
            Seed or generator of the random numbers. Pass an int for reproducible results.

        Returns
        -------
        LogPartition
            Its `value` is log Z in nats, which `float()` returns as well; `error` is the standard
            error of the estimate, and `log_weights` are the estimates of the single particles.

        Raises
        ------
        ValueError
            If `method="exact"` and both layers are too large.
        """
        self._ready()
        if method not in ("auto", "exact", "ais"):
            raise ValueError(f"method must be 'auto', 'exact' or 'ais', got {method!r}.")
        n_temperatures, n_runs = operator.index(n_temperatures), operator.index(n_runs)
        check_scalar(n_temperatures, "n_temperatures", Integral, min_val=2)
        check_scalar(n_runs, "n_runs", Integral, min_val=1)
        backend = resolve_backend(self.backend, self._energy.weights)
        energy = self._energy.on(backend)
        n_visible, n_hidden = energy.weights.shape
        sizes = [n_hidden, *([n_visible] if energy.visible.is_binary else [])]
        if method == "exact" and min(sizes) > LARGEST_ENUMERATION:
            raise ValueError(
                f"method='exact' requires a layer of at most {LARGEST_ENUMERATION} binary units, "
                f"got {' and '.join(map(str, sizes))}. Use method='ais'."
            )
        if method != "ais" and min(sizes) <= LARGEST_ENUMERATION:
            energy = energy.astype(np.dtype(np.float64))
            summed_out = (
                energy.free_energy_of_hidden if min(sizes) == n_hidden else energy.free_energy
            )
            return sum_states(min(sizes), summed_out, energy.weights)
        stream = Stream(check_random_state(random_state))
        shares = annealing_shares(n_temperatures)
        return anneal(energy.path(self._base), shares, n_runs, stream)

    def log_likelihood(
        self,
        X: MatrixLike,
        log_partition: LogPartition | float | None = None,
        *,
        random_state: RandomState = None,
    ) -> Array:
        """Compute the log-density of each sample, log p(v) = -F(v) - log Z.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples without missing values. Values of Bernoulli units must be 0 or 1.
        log_partition : LogPartition, float or None, default=None
            Value of log Z, for instance as returned by the method `log_partition`. None calls this
            method. Pass it if there are several calls, since it does not depend on X.
        random_state : int, RandomState instance or None, default=None
            Seed or generator of the random numbers. Pass an int for reproducible results. It is
            used if log Z is estimated.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log-densities in nats. All of them contain the same error of log Z.

        Raises
        ------
        ValueError
            If X has missing values.
        """
        if log_partition is None:
            self._ready()
            log_partition = self.log_partition(random_state=random_state)
        data = self._read(X)
        if data.observed is not None:
            raise ValueError(
                "log_likelihood requires samples without missing values. Impute them, for example "
                "with the values of reconstruct(X)."
            )
        return -self._for_each_piece(_free_energy, data) - float(log_partition)

    def __sklearn_is_fitted__(self):
        """Return whether the model has weights; validation alone sets other attributes."""
        return "components_" in vars(self)

    @property
    def _n_features_out(self):
        self._ready()
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = is_nan(self.missing_values)
        tags.input_tags.categorical = tags.input_tags.positive_only = is_categorical(self)
        tags.input_tags.sparse = UNITS.get(self.visible, UNITS["bernoulli"]).is_binary
        return tags


def _energy_in(model, dtype):
    """Return the energy in a dtype. Raise a ValueError if its range is too small."""
    energy = model._energy
    if energy.weights.dtype != dtype and not energy.fits(largest_value(dtype)):
        raise ValueError(
            f"{type(model).__name__} was fitted on values outside the range of "
            f"{np.dtype(dtype)!r}. Convert X to {np.dtype(energy.weights.dtype)!r}."
        )
    return energy.astype(dtype)


def _visible_mean(model, X):
    """Return the means of the visible units, or of their one-hot columns, given hidden units."""
    model._ready()
    X = check_codes(X)
    check_magnitude(X)
    n_hidden = model._energy.weights.shape[1]
    if X.shape[1] != n_hidden:
        raise ValueError(
            f"X has {X.shape[1]} components, but {type(model).__name__} is expecting {n_hidden} "
            "components as input."
        )
    backend = resolve_backend(model.backend, X)
    energy = _energy_in(model, X.dtype).on(backend)
    return energy.conditionals.visible_mean(backend.to_device(X))


def _decoded(model, states):
    """Return the codes of one-hot columns; other states are the values of the features."""
    categories = model._base.categories
    return states if categories is None else categories.decode(states)


@blockwise
def _goodness(model, X):
    """Return the terms of the score, one for each sample."""

    def goodness(energy, batch, result):
        if energy.visible.is_discrete:
            result[...] = pseudo_likelihood(energy, batch.X, batch.first, batch.mask)
        else:
            result[...] = -reconstruction_error(energy, batch.X, batch.mask)

    return model._for_each_piece(goodness, model._read(X))


def _free_energy(energy, batch, result):
    """Write the free energy of each sample of a batch to the result."""
    result[...] = energy.free_energy(batch.X, batch.mask)
