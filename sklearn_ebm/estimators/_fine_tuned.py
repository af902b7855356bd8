"""Base class of estimators that train a pipeline as one network with labels or other targets."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags, indexable

from sklearn_ebm._sklearn import HasMethods, Interval, StrOptions
from sklearn_ebm.backends import BACKENDS
from sklearn_ebm.estimators._label_learning import tuned_pipeline
from sklearn_ebm.inputs._rows import native, require_library
from sklearn_ebm.layers._state import Stateful
from sklearn_ebm.learning._batch_sizes import BATCH_SIZE_CONSTRAINTS
from sklearn_ebm.learning._optimizers import OPTIMIZERS
from sklearn_ebm.learning._progress import MAX_TIME
from sklearn_ebm.learning._rates import LEARNING_RATE
from sklearn_ebm.learning._stages import flat_steps, map_batches, on_host, transformed


class FineTuned(Stateful, CallbackSupportMixin, BaseEstimator):
    """Base class of `FineTunedClassifier` and `FineTunedRegressor`.

    A subclass defines `_head_kind`, the kind of the last step, `_score_name`, the name of the
    score in the curves, and `_read_targets(X, y, sample_weight)`, which returns checked
    `sklearn_ebm.inputs._targets.Targets`.
    """

    _model_attributes: tuple = ("pipeline_",)
    _parameter_constraints: dict = {
        "estimator": [HasMethods("fit")],
        "prefit": ["boolean"],
        "subsample": [Interval(Integral, 1, None, closed="left"), None],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate": LEARNING_RATE,
        "learning_rates": [dict, None],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "max_time": MAX_TIME,
        "batch_size": BATCH_SIZE_CONSTRAINTS,
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "backend": [StrOptions({"auto", *BACKENDS})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def _keep(self, pipeline, curves):
        """Set the fitted attributes."""
        vars(self).update(self._left(None, self._fitted(pipeline, curves), None))

    def _fitted(self, pipeline, curves):
        """Return the fitted attributes by name."""
        first, score = pipeline.steps[0][1], self._score_name
        seen = {
            name: getattr(first, name)
            for name in ("n_features_in_", "feature_names_in_")
            if hasattr(first, name)
        }
        names = "objective", score, "validation", f"validation_{score}", "seconds"
        return {**seen, "pipeline_": pipeline, **curves.attributes(*names)}

    @contextmanager
    def _tuning_of(self, trained, curves):
        """Give callbacks access to the steps that this block trains, and keep them at its end."""
        self._tuning = trained, curves
        try:
            yield
        finally:
            self._keep(tuned_pipeline(self.pipeline_, trained), curves)
            del self._tuning

    def _snapshot(self):
        """Return fitted attributes, for callbacks that need a usable model during `fit`."""
        trained, curves = self._tuning
        fitted = self._fitted(tuned_pipeline(self.pipeline_, trained), curves)
        return self._left(None, fitted, None)

    def _of_features(self, function, X):
        """Return function(last step, features) for the features of all samples, in batches."""
        self._ready()
        require_library(self, X)
        (X,) = indexable(native(X))
        *steps, head = (step for _, step in flat_steps(self.pipeline_))

        def outputs(rows):
            return function(head, on_host(transformed(steps, _safe_indexing(X, rows))))

        return np.concatenate(map_batches(outputs, steps, X))

    def to_pipeline(self) -> Pipeline:
        """Return the fine-tuned pipeline as a scikit-learn pipeline.

        Returns
        -------
        Pipeline
            A copy of `pipeline_`: the fitted and fine-tuned steps of `estimator`. It makes the same
            predictions.
        """
        self._ready()
        return copy.deepcopy(self.pipeline_)

    def __sklearn_clone__(self):
        """Clone the estimator. A fitted pipeline stays fitted if `prefit=True`."""
        cloned = super().__sklearn_clone__()
        if self.prefit:
            cloned.estimator = copy.deepcopy(self.estimator)
        return cloned

    def __sklearn_is_fitted__(self):
        """Return whether there is a fitted pipeline; validation alone sets other attributes."""
        return hasattr(self, "pipeline_")

    def __sklearn_tags__(self):
        tags, own = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags = own.input_tags
        tags.target_tags.multi_output = own.target_tags.multi_output
        tags.target_tags.single_output = own.target_tags.single_output
        return tags
