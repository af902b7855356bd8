"""What SparseCoder and PSD share: parameters, validation, learning, codes and energies."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sklearn_ebm._sklearn import (
    Interval,
    StrOptions,
    _fit_context,
)
from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import BACKENDS, array_namespace, resolve_backend, to_host
from sklearn_ebm.estimators._dictionary_state import DictionaryState
from sklearn_ebm.factors import PENALTY, Energy, renewing_penalty, resolve_penalty
from sklearn_ebm.inputs._checks import (
    check_codes,
    check_data,
    check_dictionary,
    check_weight,
    require_castable,
    require_same_place,
)
from sklearn_ebm.inputs._rows import is_nan, split_missing
from sklearn_ebm.inputs._weights import check_sample_weight
from sklearn_ebm.layers._state import is_same, refusable
from sklearn_ebm.learning._curves import Tally
from sklearn_ebm.learning._dictionary import LEARNING_TOL, Learner
from sklearn_ebm.learning._divergence import Diverged, divergence_message, has_diverged
from sklearn_ebm.learning._passes import Passes
from sklearn_ebm.learning._samples import Samples
from sklearn_ebm.solvers import MATRIX_SOLVERS
from sklearn_ebm.solvers._inference import infer


def unit_rows(dictionary):
    """Rows of norm one; those of norm zero stay. Squares neither overflow nor underflow."""
    xp = array_namespace(dictionary)
    largest = xp.max(xp.abs(dictionary), axis=1, keepdims=True)
    scaled = dictionary / xp.where(largest > 0, largest, xp.ones_like(largest))
    norm = xp.sqrt(xp.sum(scaled * scaled, axis=1, keepdims=True))
    return scaled / xp.where(norm > 0, norm, xp.ones_like(norm))


MANY = 1e-3  # share of codes above their tol that learning should not be silent about
ALL_ROWS = slice(None)
DRAWS = 4  # draws for each atom, so that enough of them differ


def first_dictionary(X, n_components, random_state, sample_weight=None):
    """Unit-norm samples that differ, and random directions where there are too few of them.

    Samples are drawn by cumulated weight along a random direction, so that neither their order
    matters nor whether a sample is repeated or has the weight of its repetitions.
    """
    xp = array_namespace(X)
    dictionary = xp.asarray(random_state.standard_normal((n_components, X.shape[1])), dtype=X.dtype)
    dictionary = unit_rows(dictionary)
    draws = random_state.uniform(size=DRAWS * n_components)
    order = np.argsort(to_host(X @ dictionary[0, :]))
    weights = np.ones(len(order)) if sample_weight is None else to_host(sample_weight)[order]
    cumulated = np.cumsum(weights, dtype=np.float64)
    rows = order[np.searchsorted(cumulated, draws * cumulated[-1], side="right")]
    samples = to_host(xp.take(X, xp.asarray(rows), axis=0))
    _, first = np.unique(samples, axis=0, return_index=True)
    samples = samples[np.sort(first)]  # in the order of the draws
    samples = samples[np.any(samples, axis=1)][:n_components]
    dictionary[: samples.shape[0], :] = xp.asarray(unit_rows(samples))
    return dictionary


class DictionaryModel(
    DictionaryState,
    ClassNamePrefixFeaturesOutMixin,
    CallbackSupportMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Models with a linear decoder and a sparse penalty; a subclass may add an encoder."""

    _unit_atoms = staticmethod(unit_rows)

    _degree = 2  # of what learning computes of X
    _learning_tol = LEARNING_TOL
    _weight_names = ("alpha",)

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "penalty": PENALTY,
        "positive": ["boolean"],
        "dictionary": ["array-like", None],
        "dictionary_init": ["array-like", None],
        "solver": [StrOptions({"auto", *MATRIX_SOLVERS})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "code_max_iter": [Interval(Integral, 1, None, closed="left")],
        "code_tol": [Interval(Real, 0, None, closed="left")],
        "missing_values": [None, Real],
        "sparse_output": ["boolean"],
        "backend": [StrOptions({"auto", *BACKENDS})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn from X, a pass over shuffled batches after another.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data, best of unit variance. A memory map is read a batch at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample in the objective.

        Returns
        -------
        object
            The fitted model. Where Ctrl-C ends fit, it is what the last whole batch left.
        """
        with refusable(self) as attempt:
            return self._learn(X, sample_weight, attempt)

    def _learn(self, X, sample_weight, attempt, **beside):
        """`fit`, with what stands beside X in a subclass."""
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        learner = self._learner_to_go_on() if goes_on else None
        if learner is None:
            vars(self).pop("_state", None)
        dtype = None if learner is None else learner.dtype
        X, mask, backend = self._prepare(X, learner is None, dtype, **beside)
        weights, exponent = self._weights(sample_weight, X)
        random_state = check_random_state(self.random_state)
        context = self._init_callback_context(max_subtasks=int(self.max_iter))
        context.call_on_fit_task_begin(estimator=self, X=X)
        if learner is None:
            learner = self._first_learner(X, weights, random_state)
        self._check_range(X, learner)
        self._go_on(learner, backend)
        learner.weigh(exponent)
        attempt.begin(learner)
        self._keep(learner)
        self._make_passes(X, mask, weights, backend, random_state, context)
        context.call_on_fit_task_end(estimator=self, X=X, reconstruction_attributes=self._snapshot)
        return self

    def _make_passes(self, X, mask, weights, backend, random_state, context):
        passes = Passes(
            self._learner, int(self.max_iter), float(self.tol), int(self.batch_size), random_state
        )
        self._learner.curves = type(self._learner.curves)()
        if self._has_work():
            try:
                converged = passes.run(self._samples(X, mask, weights, backend), self, context)
            finally:
                self._keep(self._learner)
            self._warn(passes, converged)

    def _warn(self, passes, converged):
        """`ConvergenceWarning` where learning ended in another way than it should."""
        text = self._complaint(passes, converged)
        if text:
            warn(text, ConvergenceWarning)

    def _complaint(self, passes, converged):
        """What is wrong with how learning ended, and the remedy; empty where nothing is."""
        if passes.has_diverged:
            return divergence_message(self.learning_rate)
        if not np.any(self.usage_):
            return (
                f"alpha={self._sparsity()} is so large that every code is zero; nothing was "
                "learned. Lower alpha, or scale X to unit variance."
            )
        if self._learner.curves.unconverged > MANY:
            return (
                f"In the last pass, {self._learner.curves.unconverged:.1%} of the codes did not "
                f"converge to a tolerance of {self._learner.settings['tol']:.1e}. Increase "
                "code_max_iter or code_tol."
            )
        if not converged:
            return (
                f"Stopped at max_iter={self.max_iter} with a relative change of the objective of "
                f"{passes.change:.1e} > tol={self.tol:.1e}: raise max_iter, or tol."
            )
        return ""

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn from one more chunk of data, once.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample.

        Returns
        -------
        object
            The model, moved by one step for each batch of X.
        """
        with refusable(self) as attempt:
            return self._learn_once(X, sample_weight, attempt)

    def _learn_once(self, X, sample_weight, attempt, **beside):
        """`partial_fit`, with what stands beside X in a subclass."""
        learner = self._learner_to_go_on() if self.__sklearn_is_fitted__() else None
        dtype = None if learner is None else learner.dtype
        X, mask, backend = self._prepare(X, learner is None, dtype, **beside)
        weights, exponent = self._weights(sample_weight, X)
        if learner is None:
            random_state = check_random_state(self.random_state)
            first = slice(int(self.batch_size))
            learner = self._first_learner(X, weights, random_state, first)
        self._check_range(X, learner)
        self._go_on(learner, backend)
        learner.weigh(exponent)
        attempt.begin(learner)
        self._keep(learner)
        tally = Tally()
        try:
            if self._has_work():
                self._take_in(self._samples(X, mask, weights, backend), tally)
        finally:
            self._learner.curves.end_pass(tally.usage if tally.n_samples else None)
            self._keep(self._learner)
        return self

    def _take_in(self, samples, tally):
        """One step for each batch, in the order of the rows; all are undone if they diverge."""
        learner, batch = self._learner, None
        learner.remember()
        try:
            for rows in samples.in_order(int(self.batch_size)):
                batch = samples.take(rows)
                tally.add(*learner.step(*batch), batch[-1])
            learner.confirm(*batch)
        except Diverged:
            learner.go_back()
            warn(divergence_message(self.learning_rate), ConvergenceWarning)
        except KeyboardInterrupt:
            if has_diverged(learner, batch):
                learner.go_back()
            raise
        finally:
            learner.best = None

    def _samples(self, X, mask, weights, backend):
        """What learning takes its batches from."""
        return Samples(X, mask, weights, dtype=self.components_.dtype)

    def _is_fixed(self):
        """Whether the dictionary is given, and stays."""
        return self.dictionary is not None

    def _has_work(self):
        """Whether there is anything to learn."""
        return not self._is_fixed()

    def set_params(self, **params):
        """Set parameters by name, and those of a penalty as ``penalty__name``.

        Parameters
        ----------
        **params
            New values by name. A penalty is immutable: a new one takes its place.

        Returns
        -------
        object
            The model itself.
        """
        return super().set_params(**renewing_penalty(self, params))

    def _sparsity(self):
        return float(self.alpha)

    def _prepare(self, X, reset, dtype=None):
        """X, its mask and its backend; `dtype` is the type that batches will be cast to, if any."""
        X = check_data(self, X, reset, is_nan(self.missing_values), self._degree, dtype)
        self._check_weights(X.dtype if dtype is None else dtype)
        backend = resolve_backend(self.backend, X)
        X, mask = split_missing(X, self.missing_values)
        X = backend.to_device(X)
        if not reset:
            require_same_place(self, X)
        return X, None if mask is None else backend.to_device(mask), backend

    def _check_weights(self, dtype):
        for name in self._weight_names:
            check_weight(float(getattr(self, name)), dtype, name)

    def _weights(self, sample_weight, X):
        """Weights in the type of X, or None for equal ones, and the exponent of their unit."""
        if sample_weight is None:
            return None, 0
        with np.errstate(over="ignore"):
            weights, exponent = check_sample_weight(sample_weight, X)
        return array_namespace(X).asarray(weights, dtype=X.dtype), exponent

    def _first_dictionary(self, X, weights, random_state):
        given, name = (
            (self.dictionary, "dictionary")
            if self._is_fixed()
            else (self.dictionary_init, "dictionary_init")
        )
        if given is not None:
            given = check_dictionary(given, self.n_components, X.shape[1], X.dtype, name)
            given = array_namespace(X).asarray(given, copy=True)
            return given if self._is_fixed() else unit_rows(given)
        return first_dictionary(X, self._wanted_components(X), random_state, weights)

    def _wanted_components(self, X):
        return X.shape[1] if self.n_components is None else int(self.n_components)

    def _first_learner(self, X, weights, random_state, first=ALL_ROWS):
        """Return the initial learner; the rows `first` give the size of the data."""
        dictionary = self._first_dictionary(X, weights, random_state)
        scale = self._first_scale(dictionary, X, weights, first)
        return self._learner_of(dictionary, self._first_encoder(dictionary, scale))

    def _learner_of(self, dictionary, encoder, table=None):
        return Learner(dictionary, self._is_fixed(), encoder)

    def _first_scale(self, dictionary, X, weights, first):
        """Return the typical size of data and codes, which an encoder needs."""
        return None

    def _first_encoder(self, dictionary, scale):
        return None

    def _check_range(self, X, learner):
        """Refuse data whose powers overflow in learning, although not in inference."""

    def _go_on(self, learner, backend):
        """Learning follows the parameters as they are now, which may have changed since before."""
        dictionary = learner.dictionary
        self._require_size(dictionary.shape[0])
        self._require_dictionary(dictionary)
        settings = {
            "solver": self.solver,
            "tol": max(float(self.code_tol), self._learning_tol),
            "max_iter": int(self.code_max_iter),
        }
        learner.fixed = self._is_fixed()
        penalty = self._new_penalty(dictionary.shape[0])
        learner.follow(penalty, settings, backend.name, **self._encoder_weights())

    def _penalty_kind(self):
        """The penalty as users give it."""
        return self.penalty

    def _new_penalty(self, n_components):
        """The penalty factor that the parameters ask for."""
        alpha, positive = self._sparsity(), bool(self.positive)
        return resolve_penalty(self._penalty_kind(), n_components, alpha, positive)

    def _require_size(self, n_components):
        if self.n_components not in (None, n_components):
            raise ValueError(
                f"n_components={self.n_components}, but learning goes on with {n_components} "
                "components. To change it, call fit with warm_start=False."
            )

    def _require_dictionary(self, dictionary):
        """A dictionary that is given is the one that learning goes on with."""
        if self.dictionary is None or self._is_given(dictionary):
            return
        if not is_same(self.dictionary, self._state.fitted_with["dictionary"]):
            raise ValueError(
                "dictionary differs from the atoms that learning goes on with. To change it, call "
                "fit with warm_start=False."
            )

    def _encoder_weights(self):
        return {}

    def _energy(self, dtype):
        decoder, dtype = self._parts.decoder, np.dtype(dtype)
        require_castable(decoder.dictionary, dtype)
        decoder = decoder.astype(dtype)
        return Energy(decoder, self._parts.penalty, float(getattr(self, "beta", 0.0)))

    def _predictor(self, dtype, backend):
        """f, where the energy has a term that draws codes to it."""
        return None

    def _optimal(self, X, mask, backend, sparse_output=False):
        code, _ = infer(
            self._energy(X.dtype), X, solver=self.solver, tol=float(self.code_tol),
            max_iter=int(self.code_max_iter), backend=backend, mask=mask,
            prediction=self._predictor(X.dtype, backend), sparse_output=sparse_output,
        )  # fmt: skip
        return code

    def transform(self, X):
        """Infer the codes of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_components) or csr_array
            Codes in the type of X; CSR with `sparse_output=True`.
        """
        self._ready()
        X, mask, backend = self._prepare(X, reset=False)
        return self._optimal(X, mask, backend, self.sparse_output)

    def inverse_transform(self, X):
        """Reconstruction z D of codes.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the space of the data.
        """
        self._ready()
        X = self._code_part(check_codes(X, accept_sparse="csr"))
        if X.shape[1] != self.components_.shape[0]:
            raise ValueError(
                f"X has {X.shape[1]} components, but {type(self).__name__} has "
                f"{self.components_.shape[0]}."
            )
        return self._energy(X.dtype).decoder.decode(X)

    def _code_part(self, features):
        """The codes in what `transform` gives; nothing else is in it here."""
        return features

    def energy(self, X):
        """F(x) = min_z E(x, z) of each sample: low near the data that was learned from.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies, in squared units of X.
        """
        self._ready()
        X, mask, backend = self._prepare(X, reset=False)
        predictor = self._predictor(X.dtype, backend)
        predicted = None if predictor is None else predictor(X)
        code = self._optimal(X, mask, backend)
        return self._energy(X.dtype).on(backend).value(X, code, predicted, mask)

    def score_samples(self, X):
        """The negative energy of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Higher is better.
        """
        return -self.energy(X)

    def score(self, X, y=None):
        """The mean of `score_samples`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.

        Returns
        -------
        float
            Higher is better.
        """
        return float(self.score_samples(X).mean())

    def _tuning_obstacle(self):
        """Why labels cannot train the model, or nothing."""
        return (
            "its codes are minima, and it has no encoder to train: PSD, ConvPSD and, of a fitted "
            "coder, LISTAEncoder(dictionary=coder) have one."
        )

    def __sklearn_is_fitted__(self):
        """Data that passed validation are not yet a fitted model."""
        return hasattr(self, "components_")

    @property
    def _n_features_out(self):
        self._ready()
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = is_nan(self.missing_values)
        return tags
