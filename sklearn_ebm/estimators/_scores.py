"""Predictions from the scores of the classes: labels and probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_ebm._typing import Array, MatrixLike
from sklearn_ebm.factors import log_probabilities


class ScoresMixin:
    """Predictions of a classifier that has `classes_` and `decision_function`."""

    classes_: Array
    decision_function: Callable[..., Any]

    def predict_log_proba(self, X: MatrixLike) -> Array:
        """Compute the log-probabilities of the classes.

        Parameters
        ----------
        X : array-like with n_samples rows
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Logarithm of the softmax of the scores.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            scores = np.stack([-scores, scores], axis=1) / 2
        return log_probabilities(scores)

    def predict_proba(self, X: MatrixLike) -> Array:
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : array-like with n_samples rows
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Softmax of the scores.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: MatrixLike) -> Array:
        """Predict the class of each sample, the one with the largest score.

        Parameters
        ----------
        X : array-like with n_samples rows
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted class labels.
        """
        scores = self.decision_function(X)
        index = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[index]
