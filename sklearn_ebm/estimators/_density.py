"""What models with a partition function share: features, samples, likelihoods."""

import operator

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state

from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._fitted_density import fitted_attributes, take_over
from sklearn_ebm.factors import UNITS
from sklearn_ebm.inputs._checks import (
    check_codes,
    check_magnitude,
    largest_value,
    require_same_place,
)
from sklearn_ebm.inputs._rows import check_rows, float_type
from sklearn_ebm.layers._state import Stateful
from sklearn_ebm.learning._monitor import pseudo_likelihood, reconstruction_error
from sklearn_ebm.solvers import (
    LARGEST_ENUMERATION,
    anneal,
    map_rows,
    move_samples,
    sum_states,
)

LARGEST_INTEGER = 65535.0  # of those that stay integers, see `_with_type`
BREAKS = (0.5, 0.9)  # of the path from the base to the model, and shares of the temperatures up to
BREAK_SHARES = (0.05, 0.3)  # them: about those of Salakhutdinov & Murray 2008, section 4


def annealing_shares(n_temperatures):
    """Where the path from the base to the model is looked at: most often near its end."""
    ends, end_shares = [0, *BREAKS, 1], [0, *BREAK_SHARES, 1]
    return np.interp(np.linspace(0, 1, n_temperatures), end_shares, ends)


class DensityModel(Stateful, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A fitted energy of two layers, the hidden units of which are features."""

    _model_attributes = ("components_", "intercept_hidden_", "intercept_visible_", "variance_")
    _needs_fit = ("n_components", "visible")

    @property
    def _energy(self):
        return self._state.parts

    def _has_anyway(self, name, value):
        return name == "n_components" and value == self.components_.shape[0]

    def _take_over(self, state, replaced):
        return take_over(self, state, replaced)

    def _keep(self, trainer):
        """Set the fitted attributes from the state of learning."""
        vars(self).pop("variance_", None)
        vars(self).update(fitted_attributes(self, trainer))

    def _snapshot(self):
        """Fitted attributes for callbacks that want a usable model in the middle of fit."""
        return {"n_features_in_": self.n_features_in_, **fitted_attributes(self, self._learner)}

    def _prepare(self, X, reset, dtype=None):
        """X on its device; booleans and small integers stay as they are.

        `dtype` is the dtype of the learner, if X is used to continue learning.
        """
        on_host = self.backend != "cupy"
        accepted = "csr" if UNITS[self.visible].is_binary and on_host else False
        X = check_rows(self, X, reset=reset, dtype=None, accept_sparse=accepted)
        X = _with_type(X)
        values, size = X.data if sparse.issparse(X) else X, LARGEST_INTEGER
        if _is_float(X) and values.size:
            size = check_magnitude(values, dtype=dtype)
        backend = resolve_backend(self.backend, X)
        if not sparse.issparse(X):
            X = backend.to_device(X)
        if not reset:
            require_same_place(self, X)
            self._require_near(X, size, float_type(X) if dtype is None else dtype)
        return X, backend

    def _require_near(self, X, size, dtype):
        """Raise a ValueError if standardized values are too large to be squared."""
        farthest = self._energy.visible.coordinates.farthest(X, size)
        if farthest > largest_value(dtype):
            raise ValueError(
                f"Input X contains infinity or a value too large for {np.dtype(dtype)!r}: it is "
                f"{farthest:.1e} standard deviations away from the mean of the training data."
            )

    def _energy_in(self, dtype):
        """Return the energy in a dtype. Raise a ValueError if its range is too small."""
        energy = self._energy
        if energy.weights.dtype != dtype and not energy.fits(largest_value(dtype)):
            raise ValueError(
                f"{type(self).__name__} was fitted on values that are out of the range of "
                f"{np.dtype(dtype)!r}. Convert X to {np.dtype(energy.weights.dtype)!r}."
            )
        return energy.astype(dtype)

    def _for_each_piece(self, function, X, backend, n_columns=None):
        """Return the results of function(energy, rows, result, first) on pieces of X."""
        return map_rows(function, self._energy_in(float_type(X)).on(backend), X, n_columns)

    def transform(self, X):
        """Probability of each hidden unit to be on, given the visible ones.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Between zero and one.
        """
        self._ready()
        X, backend = self._prepare(X, reset=False)

        def hidden_mean(energy, rows, result, first):
            energy.conditionals.hidden_mean(rows, result)

        return self._for_each_piece(hidden_mean, X, backend, self._energy.weights.shape[1])

    def inverse_transform(self, X):
        """Mean of each visible unit, given the hidden ones or their probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Hidden units.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Visible units, in the space of the data.
        """
        self._ready()
        X = check_codes(X)
        check_magnitude(X)
        n_hidden = self._energy.weights.shape[1]
        if X.shape[1] != n_hidden:
            raise ValueError(
                f"X has {X.shape[1]} components, but {type(self).__name__} has {n_hidden}."
            )
        backend = resolve_backend(self.backend, X)
        energy = self._energy_in(X.dtype).on(backend)
        return energy.conditionals.visible_mean(backend.to_device(X))

    def reconstruct(self, X):
        """Encode and decode: the mean of the visible units given the mean of the hidden ones.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Reconstructions.
        """
        return self.inverse_transform(self.transform(X))

    def energy(self, X):
        """Free energy F(v) of each sample: the energy with the hidden units summed out.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats, up to the same constant for all samples: exp(-F(v)) / Z is the density.
        """
        self._ready()
        X, backend = self._prepare(X, reset=False)

        def free_energy(energy, rows, result, first):
            result[...] = energy.free_energy(rows)

        return self._for_each_piece(free_energy, X, backend)

    def score_samples(self, X):
        """Return the negative free energy of each sample, an unnormalised log-likelihood.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher is better. The scores compare samples under one model, but not models: the
            normalising constant differs between models, see `log_likelihood`.
        """
        return -self.energy(X)

    def score(self, X, y=None):
        """Return the mean pseudo-log-likelihood of a feature, which compares models.

        It is not the mean of `score_samples`: negative free energies lack the normalising constant,
        which differs between models, so their mean cannot compare models.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.

        Returns
        -------
        float
            With Bernoulli units, mean log-probability of a feature given the other features of its
            sample, in nats. It is estimated from one feature per sample, and the features take
            turns. With Gaussian units, negative mean squared error of a feature that is encoded and
            decoded. Higher is better.
        """
        self._ready()
        X, backend = self._prepare(X, reset=False)
        xp = array_namespace(self._energy.weights)

        def goodness(energy, rows, result, first):
            if energy.visible.is_binary:
                result[...] = pseudo_likelihood(energy, rows, first)
            else:
                result[...] = -reconstruction_error(energy, rows)

        return float(xp.mean(self._for_each_piece(goodness, X, backend)))

    # ------------------------------------------------------------------------------------- samples
    def gibbs(self, X, n_steps=1, *, random_state=None):
        """Move chains that begin at samples by steps of block Gibbs sampling.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Where the chains begin.
        n_steps : int, default=1
            Steps: all hidden units given the visible ones, and then these anew.
        random_state : int, RandomState instance or None, default=None
            Draws.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Visible units at the end of the chains.
        """
        self._ready()
        n_steps = operator.index(n_steps)
        if n_steps < 1:
            raise ValueError(f"n_steps={n_steps} must be at least 1.")
        X, backend = self._prepare(X, reset=False)
        stream = Stream(check_random_state(random_state))
        energy = self._energy_in(float_type(X)).on(backend)
        return move_samples(energy, X, n_steps, stream)

    def sample(self, n_samples=1, n_burn_in=1000, *, random_state=None):
        """Draw samples of the model, each from a chain of its own.

        Parameters
        ----------
        n_samples : int, default=1
            Chains, which begin at independent features with the frequencies of the data.
        n_burn_in : int, default=1000
            Steps of Gibbs sampling; 0 gives the beginnings. Chains that mix slowly need more.
        random_state : int, RandomState instance or None, default=None
            Draws.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Visible units at the end of the chains.
        """
        self._ready()
        n_samples, n_burn_in = operator.index(n_samples), operator.index(n_burn_in)
        if n_samples < 1:
            raise ValueError(f"n_samples={n_samples} must be at least 1.")
        if n_burn_in < 0:
            raise ValueError(f"n_burn_in={n_burn_in} must be at least 0.")
        random_state, energy = check_random_state(random_state), self._energy
        weights = energy.weights
        backend = resolve_backend(self.backend, weights)
        start = array_namespace(weights).zeros((n_samples, weights.shape[0]), dtype=weights.dtype)
        self._base.on(backend).sample(start, Stream(random_state).key())
        if n_burn_in == 0:
            return start
        return move_samples(energy.on(backend), start, n_burn_in, Stream(random_state))

    # ----------------------------------------------------------------------------------- likelihood
    def log_partition(self, method="auto", *, n_temperatures=5000, n_runs=100, random_state=None):
        """Estimate log Z, the constant that makes exp(-F(v)) a density.

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            "exact" sums over all states of a layer of at most 20 units that are on or off; "ais" is
            annealed importance sampling from features that are independent, with the frequencies of
            the data. "auto" is exact if that is possible.
        n_temperatures : int, default=5000
            Steps of each particle from the one to the other.
        n_runs : int, default=100
            Particles.
        random_state : int, RandomState instance or None, default=None
            Draws.

        Returns
        -------
        LogPartition
            With `value` and `error`, the standard error of the estimate, and `log_weights`, the
            estimate of each particle. `float()` gives the value. Both are of log Z in nats.

        Raises
        ------
        ValueError
            If "exact" is asked for and both layers are too large.
        """
        self._ready()
        if method not in ("auto", "exact", "ais"):
            raise ValueError(f"method must be 'auto', 'exact' or 'ais'; got {method!r}.")
        n_temperatures, n_runs = operator.index(n_temperatures), operator.index(n_runs)
        if n_temperatures < 2 or n_runs < 1:
            raise ValueError(
                f"n_temperatures={n_temperatures} must be at least 2, n_runs={n_runs} at least 1."
            )
        backend = resolve_backend(self.backend, self._energy.weights)
        energy = self._energy.on(backend)
        n_visible, n_hidden = energy.weights.shape
        sizes = [n_hidden, *([n_visible] if energy.visible.is_binary else [])]
        if method == "exact" and min(sizes) > LARGEST_ENUMERATION:
            raise ValueError(
                f"method='exact' takes a layer of at most {LARGEST_ENUMERATION} units that are on "
                f"or off; there are {' and '.join(map(str, sizes))}. Use method='ais'."
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

    def log_likelihood(self, X, log_partition=None, *, random_state=None):
        """Log-density of each sample, log p(v) = -F(v) - log Z.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data; of bernoulli units zeros and ones.
        log_partition : LogPartition, float or None, default=None
            Log Z, which does not depend on X: from `log_partition`, which None calls.
        random_state : int, RandomState instance or None, default=None
            Draws, where log Z is estimated.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats. All share the error of log Z.
        """
        if log_partition is None:
            self._ready()
            log_partition = self.log_partition(random_state=random_state)
        return -self.energy(X) - float(log_partition)

    def __sklearn_is_fitted__(self):
        """Data that passed validation are not yet a fitted model."""
        return "components_" in vars(self)

    @property
    def _n_features_out(self):
        self._ready()
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.sparse = UNITS.get(self.visible, UNITS["bernoulli"]).is_binary
        return tags


def _is_float(X):
    return array_namespace(X).isdtype(X.dtype, "real floating")


def _with_type(X):
    """X in a type that is learned from: float64, float32, booleans and integers of up to 16 bits.

    Other integers become float64, as in scikit-learn.
    """
    name = str(X.dtype)
    if name in ("float64", "float32", "bool", "int8", "uint8", "int16", "uint16"):
        return X
    if name == "float16":
        return X.astype(np.float32)
    return X.astype(np.float64)
