"""`fit` and `partial_fit` of models whose samples are frames of sequences."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_ebm.estimators._atoms import Atoms, DenseEncoders
from sklearn_ebm.estimators._dictionary_learning import DictionaryLearning
from sklearn_ebm.estimators._fitted import learned_before
from sklearn_ebm.estimators._learning_warnings import warn_of
from sklearn_ebm.factors.encoders import ReluEncoder
from sklearn_ebm.factors.penalties._what_where import unit_rows_of
from sklearn_ebm.inputs._checks import check_weight
from sklearn_ebm.inputs._chunks import refuse_dask
from sklearn_ebm.inputs._windows import Windows
from sklearn_ebm.learning._samples import Samples
from sklearn_ebm.protocols import offers


class PositiveEncoders(DenseEncoders):
    """Encoders with non-negative codes."""

    kinds = {"relu": ReluEncoder}


class FrameAtoms(Atoms):
    """Dictionary of a model with non-negative codes of frames."""

    encoders = PositiveEncoders()


@dataclass
class WindowSamples(Samples):
    """Samples of which a batch has whole windows. Indices of samples are those of windows."""

    windows: Any = None
    ends: Any = None  # last sample of each window

    @property
    def n_shuffled(self):
        return len(self.ends)

    def shuffled(self, random_state):
        return random_state.permutation(len(self.ends))

    def take(self, rows):
        """Return the batch of some windows, whose frames have the weight of the last one."""
        ends = self.ends[rows]
        batch = super().take(self.windows.rows(ends).reshape(-1))
        if batch.weight is None:
            return batch
        weight = self.weight[np.repeat(ends, self.windows.size), ...]
        return batch._replace(weight=weight.astype(batch.weight.dtype, copy=False))


class WhatWhereLearning(DictionaryLearning):
    """One call of `fit` or `partial_fit`.

    Parameters
    ----------
    model, attempt
        As in `DictionaryLearning`.
    groups : array-like of shape (n_samples,) or None
        Sequence of each sample.
    """

    def __init__(self, model, attempt, groups):
        super().__init__(model, attempt)
        self.groups = groups
        self.windows = None
        self.first_gates = None

    def _read(self, X, sample_weight, mask, trainer):
        refuse_dask(X)
        data, *weights = super()._read(X, sample_weight, mask, trainer)
        self.windows = Windows(self.groups, data.X, int(self.model.n_frames))
        self.windows.warn_of_short_sequences()
        return data, *weights

    def _set_alpha(self, trainer, data, weights, rows):
        super()._set_alpha(trainer, data, weights, rows)
        check_weight(
            float(self.model.gamma), data.X.dtype if trainer is None else trainer.dtype, "gamma"
        )

    def _follow(self, trainer, data):
        super()._follow(trainer, data)
        criterion = trainer.criterion
        if learned_before(self.model) is None:
            criterion.penalty = self._with_first_gates(criterion.penalty, trainer.dtype)
        self.first_gates = criterion.penalty.learned

    def _make_passes(self, trainer, data, weights, random_state, context):
        super()._make_passes(trainer, data, weights, random_state, context)
        self._warn_of_idle_units(trainer.criterion.penalty)

    def _warn_of_idle_units(self, penalty):
        """Issue a warning if gates are as before, because no unit was active with some codes."""
        model = self.model
        is_learned = offers(penalty, "moment") and np.any(model.usage_)
        if is_learned and np.array_equal(penalty.learned, self.first_gates):
            warn_of(
                f"No unit was active with gamma={float(model.gamma):g} and "
                f"alpha_={model.alpha_:.3g}, so that nothing was learned about sequences. Lower "
                "gamma or alpha."
            )

    def _with_first_gates(self, penalty, dtype):
        """Return the penalty with random gates, or with its pools, in the dtype of the model."""
        gates = penalty.learned
        if offers(penalty, "moment"):
            gates = unit_rows_of(self.first.random_state.exponential(size=gates.shape))
        return penalty.with_learned(gates.astype(dtype))

    def _samples(self, trainer, data, weights):
        ends = self.windows.to_learn_from()
        return WindowSamples(
            data.X, mask=data.mask, weight=weights, dtype=trainer.dtype,
            windows=self.windows, ends=ends,
        )  # fmt: skip
