"""Targets of the samples and their weights, and targets of a regressor in units of their spread."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ebm.inputs._weights import check_sample_weight, normalized


class Units(NamedTuple):
    """Origin and unit in which a network predicts targets, one for each output or for all."""

    center: Any = 0.0
    scale: Any = 1.0


@dataclass(frozen=True)
class Targets:
    """Base class of the targets of the samples, and their weights.

    Attributes
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    weights : ndarray of shape (n_samples,), float64
        Sample weights times class weights. Samples of weight zero are ignored.
    sample_weights : ndarray of shape (n_samples,), float64, or None
        Sample weights without class weights. None if the user passed none.
    """

    y: Any
    weights: Any
    sample_weights: Any

    @property
    def rows(self):
        """Indices of the samples with a non-zero weight."""
        return np.flatnonzero(self.weights)

    @property
    def n_outputs(self):
        """Number of outputs of a network that predicts the targets."""
        return 1 if self.y.ndim == 1 else self.y.shape[1]

    @property
    def of_all(self):
        """Targets of all samples, or None if some samples have no target."""
        return self.y

    def part(self, rows):
        """Return the targets of some samples."""
        fields = {name: getattr(self, name) for name in ("y", "weights", "sample_weights")}
        parts = {name: None if value is None else value[rows] for name, value in fields.items()}
        return replace(self, **parts)

    def encoded(self, estimator, units):
        """Return the targets of a network, shape (n_samples, n_outputs)."""
        y = self.y.reshape(len(self.y), -1).astype(float)
        return (y - units.center) / units.scale

    def units(self, rows):
        """Return the units of the network's targets, from training samples."""
        return Units()

    def split(self, fraction, random_state):
        """Split the samples with a non-zero weight into training and validation set.

        Parameters
        ----------
        fraction : float
            Fraction of the samples in the validation set.
        random_state : numpy.random.RandomState
            Random number generator that draws the samples.

        Returns
        -------
        train, held_out : ndarray
            Indices of the samples, in ascending order.

        Raises
        ------
        ValueError
            If the validation set would be too small.
        """
        rows = self.rows
        n_held_out = int(fraction * len(rows))
        n_required, purpose = self._required_to_hold_out()
        if n_held_out < n_required:
            raise ValueError(
                f"Splitting {len(rows)} samples into a train set and a validation set with "
                f"validation_fraction={fraction} led to a validation set of {n_held_out} samples"
                f"{purpose}. Increase validation_fraction, or set early_stopping=False."
            )
        train, held_out = train_test_split(
            rows, test_size=n_held_out, stratify=self._strata(), random_state=random_state
        )
        return np.sort(train), np.sort(held_out)

    def _required_to_hold_out(self):
        """Return the least number of samples for validation, and the reason as text."""
        return 2, ", but R^2 requires at least 2"

    def _strata(self):
        """Return the strata of the samples with a non-zero weight, or None."""


class RealTargets(Targets):
    """Real targets of a regressor. The network predicts them with zero mean and unit variance."""

    kind = "continuous"

    def units(self, rows):
        """Return the mean and the standard deviation of the outputs of training samples."""
        y, (weights, _) = self.y[rows].astype(float), normalized(self.weights[rows])
        center = np.average(y.reshape(len(y), -1), axis=0, weights=weights)
        deviation = y.reshape(len(y), -1) - center
        largest = np.max(np.abs(deviation), axis=0)
        is_constant = largest <= 16 * np.finfo(float).eps * np.abs(center)
        largest = np.where(is_constant, 1.0, largest)  # squares of larger numbers may overflow
        spread = np.sqrt(np.average((deviation / largest) ** 2, axis=0, weights=weights))
        return Units(center, np.where(is_constant, 1.0, largest * spread))


def check_targets(estimator, X, y, sample_weight, multi_output):
    """Return checked targets of a regressor, and their weights.

    Parameters
    ----------
    estimator : estimator
        Estimator that error messages name.
    X : array-like with n_samples rows
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    sample_weight : array-like of shape (n_samples,) or None
        Weights of the samples.
    multi_output : bool
        Whether y may have two dimensions.

    Returns
    -------
    RealTargets
        Targets, and weights scaled by a power of two.

    Raises
    ------
    ValueError
        If targets are missing, infinite or NaN.
    """
    require_targets(estimator, X, y)
    y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y", estimator=estimator)
    y = y if multi_output and y.ndim == 2 else column_or_1d(y, warn=True)
    weights, _ = check_sample_weight(sample_weight, X)
    return RealTargets(y, weights, None if sample_weight is None else weights)


def require_targets(estimator, X, y):
    """Raise scikit-learn's errors if there are no targets, or not one for each sample."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None."
        )
    check_consistent_length(X, y)


def with_mean_one(weights, *parts):
    """Scale the weights of each part to a mean of one.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,), float64
        Weights of all samples.
    *parts : ndarray
        Indices of the samples of each part.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        The weights of these samples, and zero for others.
    """
    scaled = np.zeros_like(weights)
    for rows in parts:
        share, _ = normalized(weights[rows])
        scaled[rows] = share / share.mean()
    return scaled
