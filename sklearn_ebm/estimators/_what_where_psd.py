"""Predictive sparse decomposition of sequences, with units shared by successive frames."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal, Self

import numpy as np

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context, with_callbacks
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    BatchSize,
    Inference,
    LearningRate,
    MatrixLike,
    RandomState,
    Scale,
)
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.estimators._dictionary_learning import Prediction
from sklearn_ebm.estimators._fitted import read
from sklearn_ebm.estimators._psd import AUTOMATIC_RATE, PREDICTION_CONSTRAINTS
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SparseModel
from sklearn_ebm.estimators._what_where_learning import FrameAtoms, WhatWhereLearning
from sklearn_ebm.factors.penalties._what_where import WhatWherePenalty
from sklearn_ebm.inputs._checks import check_codes
from sklearn_ebm.inputs._windows import Windows, in_windows
from sklearn_ebm.layers._state import refusable
from sklearn_ebm.learning._batch_sizes import ENCODER_BATCHES
from sklearn_ebm.learning._rates import learning_rate_schedule

BLOCK = 4096  # windows whose codes are in memory at the same time
UNUSED = ("penalty", "positive", "relative_alpha", "solver", "sparse_output")


class WhatWherePSD(SparseModel):
    """TODO."""

    _batch_sizes = ENCODER_BATCHES
    _has_independent_samples = False
    _model_attributes = (
        "components_", "alpha_", "what_components_", "encoder_", "encoder_components_",
    )  # fmt: skip
    _needs_fit = ("n_components", "n_what", "coupling", "n_frames", "dictionary")
    _needs_fit_to_encode = _free_to_change = ("alpha", "gamma", "beta")
    _specifications = ()
    _fit_derives = ("alpha",)
    # fixed counterparts of the parameters of other models
    encoder = "relu"
    positive = True
    relative_alpha = False
    solver = "auto"
    _parameter_constraints: dict = {
        **{name: kind for name, kind in COMMON_CONSTRAINTS.items() if name not in UNUSED},
        **PREDICTION_CONSTRAINTS,
        "n_what": [Interval(Integral, 1, None, closed="left"), None],
        "coupling": [StrOptions({"gated", "product"})],
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "output": [StrOptions({"what", "where", "simple", "both"})],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        n_what: int | None = None,
        coupling: Literal["gated", "product"] = "gated",
        n_frames: int = 3,
        alpha: float | Scale = "scale",
        gamma: float = 4.0,
        beta: float = 1.0,
        output: Literal["what", "where", "simple", "both"] = "what",
        inference: Inference = "encoder",
        dictionary: ArrayLike | None = None,
        dictionary_init: ArrayLike | None = None,
        max_iter: int = 20,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRate = "auto",
        code_max_iter: int = 20,
        code_tol: float = 1e-3,
        missing_values: float | None = None,
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.n_what = n_what
        self.coupling = coupling
        self.n_frames = n_frames
        self.alpha = alpha
        self.gamma = gamma
        self.beta = beta
        self.output = output
        self.inference = inference
        self.dictionary = dictionary
        self.dictionary_init = dictionary_init
        self.max_iter = max_iter
        self.tol = tol
        self.max_time = max_time
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.code_max_iter = code_max_iter
        self.code_tol = code_tol
        self.missing_values = missing_values
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------------------- parts of the model
    def _atoms(self):
        return FrameAtoms(self.n_components, self.dictionary, self.dictionary_init)

    def _penalty_kind(self):
        return WhatWherePenalty(
            self.coupling, self.n_what, int(self.n_frames), float(self.gamma)
        )

    def _prediction(self):
        schedule = learning_rate_schedule(self.learning_rate, AUTOMATIC_RATE)
        return Prediction(self.encoder, float(self.beta), schedule)

    # ------------------------------------------------------------------------------------ learning
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """TODO."""
        with refusable(self) as attempt:
            return WhatWhereLearning(self, attempt, groups).fit(X, sample_weight, mask)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: MatrixLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """TODO."""
        with refusable(self) as attempt:
            return WhatWhereLearning(self, attempt, groups).partial_fit(X, sample_weight, mask)

    # ----------------------------------------------------------------------------------- inference
    def transform(
        self,
        X: MatrixLike,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Array:
        """TODO."""
        data, windows = self._read(X, mask, groups)
        code, activity = self._codes(data, windows)
        if self.output == "simple":
            return code
        penalty, xp = self._penalty_on(data), array_namespace(code)
        what = penalty.what(activity)
        if self.output == "what":
            return what
        where = code / penalty.gain(what)
        return where if self.output == "where" else xp.concat([what, where], axis=1)

    def energy(
        self,
        X: MatrixLike,
        mask: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Array:
        """TODO."""
        data, windows = self._read(X, mask, groups)
        parts, values = self._state.parts, []
        for rows in self._blocks(windows):
            block = in_windows(data, rows)
            values.append(parts.value(block, parts.optimal(block)))
        return array_namespace(data.X).concat(values)

    def _read(self, X, mask, groups):
        """Return checked samples and their windows."""
        self._ready()
        data = read(self, X, mask)
        return data, Windows(groups, data.X, int(self.n_frames))

    def _penalty_on(self, data):
        return self._state.parts.penalty.on(data.backend)

    def _blocks(self, windows):
        """Yield the rows of some windows at a time."""
        for first in range(0, windows.n_samples, BLOCK):
            yield windows.rows(np.arange(first, min(first + BLOCK, windows.n_samples)))

    def _codes(self, data, windows):
        """Return the code of each sample, and the sums of the codes over its window."""
        parts, penalty = self._state.parts, self._penalty_on(data)
        if not parts.is_optimal:
            code = parts.encode(data)
            everything = self._blocks(windows)
            sums = [penalty.activity(code[rows.reshape(-1), :]) for rows in everything]
            return code, array_namespace(code).concat(sums)
        codes, sums = [], []
        for rows in self._blocks(windows):
            block = parts.optimal(in_windows(data, rows))
            codes.append(block[windows.size - 1 :: windows.size, :])
            sums.append(penalty.activity(block))
        xp = array_namespace(sums[0])
        return xp.concat(codes), xp.concat(sums)

    def generate(self, what: ArrayLike, where: ArrayLike) -> Array:
        """TODO."""
        self._ready()
        penalty, decoder = self._state.parts.penalty, self._state.parts.decoder
        what = check_codes(what, "what")
        where = check_codes(where, "where")
        return decoder.astype(what.dtype).decode(where * penalty.gain(what))

    def inverse_transform(self, X: MatrixLike) -> Array:
        """TODO."""
        if self.output == "simple":
            return super().inverse_transform(X)
        self._ready()
        n_what = self.what_components_.shape[0]
        return self.generate(X[:, :n_what], X[:, n_what:])

    @property
    def _n_features_out(self):
        self._ready()
        n_what, n_components = self.what_components_.shape
        return {"what": n_what, "both": n_what + n_components}.get(self.output, n_components)
