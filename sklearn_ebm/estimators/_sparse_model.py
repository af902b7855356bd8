"""Base class of models with a decoder and a sparse penalty.

A model is composed of an input adapter, atoms, a penalty and, in some models, an encoder. A
subclass specifies them in `_inputs`, `_atoms`, `_penalty_kind` and `_prediction`.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin

from sklearn_ebm._sklearn import (
    Interval,
    StrOptions,
    _fit_context,
    with_callbacks,
)
from sklearn_ebm._typing import Array, ArrayLike, MatrixLike, SparseOrDense
from sklearn_ebm.backends import BACKENDS, resolve_backend, to_csr
from sklearn_ebm.estimators._atoms import Atoms
from sklearn_ebm.estimators._dictionary_learning import DictionaryLearning
from sklearn_ebm.estimators._fitted import (
    fitted_attributes,
    new_trainer,
    read,
    row_decoder,
    take_over,
)
from sklearn_ebm.estimators._network_forms import SparseNetwork
from sklearn_ebm.factors import PENALTY, same_penalty
from sklearn_ebm.inputs._adapters import ROWS, Rows
from sklearn_ebm.inputs._rows import is_nan
from sklearn_ebm.layers._state import Stateful, refusable
from sklearn_ebm.learning._batch_sizes import BATCH_SIZE_CONSTRAINTS, DICTIONARY_BATCHES
from sklearn_ebm.learning._progress import MAX_TIME
from sklearn_ebm.solvers import MATRIX_SOLVERS, require_certificate

SCALE = "scale"  # the value of alpha that means the root mean square of the training data
OF_CONSTRAINTS = {"constrained", "omp"}  # solvers of penalties without a weight
OF_OTHERS = {*OF_CONSTRAINTS, "inhibited_cd"}  # solvers of penalties that are not separable
SOLVERS_OF_WEIGHTED = [StrOptions({"auto", *MATRIX_SOLVERS} - OF_OTHERS)]
SOLVERS_OF_NORMS = [StrOptions({"auto", *MATRIX_SOLVERS} - OF_OTHERS - {"reweighted"})]
COMMON_CONSTRAINTS = {
    "n_components": [Interval(Integral, 1, None, closed="left"), None],
    "alpha": [Interval(Real, 0, None, closed="neither"), StrOptions({SCALE})],
    "relative_alpha": ["boolean"],
    "penalty": PENALTY,
    "positive": ["boolean"],
    "dictionary": ["array-like", None],
    "dictionary_init": ["array-like", None],
    "solver": [StrOptions({"auto", *MATRIX_SOLVERS})],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "max_time": MAX_TIME,
    "batch_size": BATCH_SIZE_CONSTRAINTS,
    "code_max_iter": [Interval(Integral, 1, None, closed="left")],
    "code_tol": [Interval(Real, 0, None, closed="left")],
    "missing_values": [None, Real],
    "sparse_output": ["boolean"],
    "backend": [StrOptions({"auto", *BACKENDS})],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


class SparseModel(
    Stateful,
    ClassNamePrefixFeaturesOutMixin,
    CallbackSupportMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Model with an energy 1/2 ||x - decode(z)||^2 + penalty(z), with or without an encoder."""

    _model_attributes: tuple[str, ...] = ("components_", "alpha_", "inhibition_")
    _needs_fit: tuple[str, ...] = ("n_components", "dictionary")
    _specifications: tuple[str, ...] = ("penalty",)
    _fit_derives: tuple[str, ...] = ("alpha", "relative_alpha")
    _learning = DictionaryLearning
    _batch_sizes = DICTIONARY_BATCHES
    _alpha_is_live = True  # whether a new alpha takes effect in the next call
    _takes_images = False  # whether samples may be images
    _pools = None  # pools of the penalty, in models that have them
    _form = ROWS
    _sample_shape = None

    _parameter_constraints: dict = COMMON_CONSTRAINTS

    # ------------------------------------------------------------------------- parts of a model
    def _inputs(self, is_first=False):
        """Return the input adapter. `is_first` is True if it reads the samples of a first fit."""
        return Rows(self.missing_values, accepts_sparse=True)

    def _atoms(self):
        """Return the dictionary as described by the parameters."""
        return Atoms(self.n_components, self.dictionary, self.dictionary_init)

    def _penalty_kind(self):
        """Return the penalty as specified by the user."""
        return self.penalty

    def _prediction(self):
        """Return the prediction term and its encoder, or None."""
        return None

    # ------------------------------------------------------------------------------------ learning
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Self:
        """Learn from X in passes over shuffled batches.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, height, width[, n_channels])
            Samples, ideally of unit variance. Convolutional models require images, or flat rows of
            their pixels; the other models require rows, which may be sparse. Memory maps are read
            one batch at a time, and Dask arrays one chunk at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample in the objective.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values. The reconstruction error ignores all other values,
            which may be NaN. The mask of images may omit the channels.

        Returns
        -------
        object
            The estimator itself. If Ctrl-C interrupts the fit (KeyboardInterrupt), the estimator
            remains usable, as it was after the last complete batch.
        """
        with refusable(self) as attempt:
            return self._learning(self, attempt).fit(X, sample_weight, mask)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Self:
        """Learn from one more chunk of data, in one pass.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, height, width[, n_channels])
            Samples, as in `fit`. The size of images may differ from earlier calls.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample in the objective.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.

        Returns
        -------
        object
            The model after one step for each batch of X.
        """
        with refusable(self) as attempt:
            return self._learning(self, attempt).partial_fit(X, sample_weight, mask)

    # ----------------------------------------------------------------------------------- inference
    def transform(self, X: MatrixLike, mask: ArrayLike | None = None) -> SparseOrDense:
        """Encode samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, height, width[, n_channels])
            Samples: rows, or images for a convolutional model, of any size that is not smaller than
            the filters.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`. Encoders treat all other values as zeros.

        Returns
        -------
        ndarray or csr_array of shape (n_samples, n_components) or \
                (n_samples, map_height, map_width, n_components)
            Codes in the dtype of X: predictions of the encoder if the model has one and
            `inference="encoder"`, otherwise optimal codes. Convolutional models return feature
            maps for images, and flattened feature maps if X has rows. With `sparse_output=True`,
            codes are rows of a CSR array.
        """
        self._ready()
        data = read(self, X, mask)
        if not self.sparse_output:
            data.form.require_arrays(self)
        features = self._features(data)
        if sparse.issparse(features):
            return features
        if self.sparse_output:
            return to_csr(features)
        if data.form.is_flat:
            return features
        return self._state.parts.decoder.for_samples(data.shape).as_maps(features)

    def _features(self, data):
        """Return the features as rows."""
        return self._state.parts.code(data, self.sparse_output)

    def inverse_transform(self, X: MatrixLike) -> Array:
        """Reconstruct samples from codes.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_components), or array-like of shape \
                (n_samples, map_height, map_width, n_components)
            Codes as returned by `transform`. Flattened maps must have the size of those in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_features) or (n_samples, height, width[, n_channels])
            Reconstructions, in the same form as X in `fit`.
        """
        self._ready()
        code, shape = self._atoms().read_codes(self, X, row_decoder(self))
        backend = resolve_backend(self.backend, row_decoder(self).dictionary)
        decoder = self._state.parts.decoder_of(shape, code.dtype, backend)
        rows = decoder.decode(code)
        return rows if self._form.is_flat else self._form.restore(decoder.as_images(rows))

    def energy(self, X: MatrixLike, mask: ArrayLike | None = None) -> Array:
        """Compute the energy F(x) = min_z E(x, z) of each sample, which is low near the data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, height, width[, n_channels])
            Samples.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies, in squared units of X.
        """
        self._ready()
        data, parts = read(self, X, mask), self._state.parts
        return parts.value(data, parts.optimal(data))

    def duality_gap(self, X: MatrixLike, code: MatrixLike, mask: ArrayLike | None = None) -> Array:
        """Compute the duality gap of given codes, an upper bound on the excess of their energy.

        The energy of a code exceeds the minimum energy of the sample by at most this value.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, height, width[, n_channels])
            Samples.
        code : array-like of the shape that `transform` returns
            Codes of X.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), float64
            Duality gap relative to 1/2 ||x||^2, computed in double precision. Infinite if
            `positive=True` and a code has negative entries, or if float64 cannot hold the gap.

        Raises
        ------
        ValueError
            If shapes do not match, squares of X underflow, or the penalty provides no duality gap.
        """
        self._ready()
        data, parts = read(self, X, mask), self._state.parts
        require_certificate(parts.energy(data).penalty, "duality_gap")
        decoder = parts.decoder.for_samples(data.shape)
        rows, _ = self._atoms().read_codes(self, code, decoder, "code")
        if rows.shape != (data.X.shape[0], decoder.code_size):
            raise ValueError(
                f"code must have {decoder.code_size} entries for each of the {data.X.shape[0]} "
                f"samples of X, got an array of shape {np.shape(code)} for X of shape "
                f"{tuple(data.X.shape)}."
            )
        return parts.duality_gap(data, rows.toarray() if sparse.issparse(rows) else rows)

    def score_samples(self, X: MatrixLike, mask: ArrayLike | None = None) -> Array:
        """Return the negative energy of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, height, width[, n_channels])
            Samples.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Negative energies. Higher is better.
        """
        return -self.energy(X, mask)

    def score(self, X: MatrixLike, y: object = None, mask: ArrayLike | None = None) -> float:
        """Return the mean negative energy of the samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, height, width[, n_channels])
            Samples.
        y : None
            Ignored.
        mask : array-like of the shape of X or None, default=None
            1, or True, for observed values, as in `fit`.

        Returns
        -------
        float
            Mean of `score_samples`, in squared units of X. Higher is better. Scores of models with
            different alpha are not comparable.
        """
        return float(self.score_samples(X, mask).mean())

    # --------------------------------------------------------------------------- fitted attributes

    def _take_over(self, state, replaced):
        return take_over(self, state, replaced)

    def _new_learner(self, learner, replaced):
        return new_trainer(self, learner, replaced)

    def _has_anyway(self, name, value):
        prediction = self._prediction()
        if name == "penalty":
            return same_penalty(value, self._last_state.fitted_with[name])
        if prediction is not None and name in prediction.settings:
            return name not in self.encoder_.settings
        return self._atoms().is_already(name, value, self)

    def _snapshot(self):
        """Return fitted attributes, for callbacks that need a usable model during `fit`."""
        return {"n_features_in_": self.n_features_in_, **fitted_attributes(self, self._learner)}

    @property
    def _n_features_out(self):
        self._ready()
        decoder = row_decoder(self)
        return decoder.code_size if self._form.is_flat else decoder.map_shape[2]

    def __sklearn_is_fitted__(self):
        """Return whether the model has atoms; validation alone sets other attributes."""
        return hasattr(self, "components_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.allow_nan = is_nan(self.missing_values)
        tags.input_tags.three_d_array = self._takes_images
        on_host, is_complete = self.backend != "cupy", self.missing_values is None
        tags.input_tags.sparse = on_host and is_complete and not self._takes_images
        return tags

    def _as_network(self):
        """Return the features as modules of a network."""
        return SparseNetwork(self)
