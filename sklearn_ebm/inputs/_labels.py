"""Labels and sample weights of a classifier, which are checked before anything is fitted."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_ebm.inputs._weights import check_sample_weight, normalized, times_class_weight

UNLABELLED = -1


class Labels(NamedTuple):
    """Labels of the samples, and their weights.

    Attributes
    ----------
    y : ndarray of shape (n_samples,)
        Labels.
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
    def classes(self):
        """Classes of the samples with a non-zero weight."""
        return np.unique(self.y[self.rows])

    def split(self, fraction, random_state):
        """Split the samples with a non-zero weight into training and validation set, by class.

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
            If the validation set would have fewer samples than there are classes.
        """
        rows, n_classes = self.rows, len(self.classes)
        n_held_out = int(fraction * len(rows))
        if n_held_out < n_classes:
            raise ValueError(
                f"Splitting {len(rows)} samples into a train set and a validation set with "
                f"validation_fraction={fraction} led to a validation set of {n_held_out} samples "
                f"for {n_classes} classes. Increase validation_fraction, or set "
                "early_stopping=False."
            )
        train, held_out = train_test_split(
            rows, test_size=n_held_out, stratify=self.y[rows], random_state=random_state
        )
        return np.sort(train), np.sort(held_out)


def check_labels(estimator, X, y, sample_weight, class_weight):
    """Return checked labels and weights.

    Parameters
    ----------
    estimator : estimator
        Estimator that error messages name.
    X : array-like with n_samples rows
        Data.
    y : array-like of shape (n_samples,)
        Labels.
    sample_weight : array-like of shape (n_samples,) or None
        Weights of the samples.
    class_weight : dict, "balanced" or None
        Weights of the classes.

    Returns
    -------
    Labels
        Labels, and weights scaled by a power of two.

    Raises
    ------
    ValueError
        If labels are missing, or fewer than two classes have samples with a weight.
    """
    name = type(estimator).__name__
    if y is None:
        raise ValueError(
            f"This {name} estimator requires y to be passed, but the target y is None."
        )
    check_consistent_length(X, y)
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    classes = np.unique(y)
    if UNLABELLED in classes.tolist() and classes.tolist() != [UNLABELLED, 1]:
        raise ValueError(
            f"y must not contain {UNLABELLED}, which marks missing labels. Pass samples without "
            f"labels as unsupervised_X. If {UNLABELLED} is a class, replace its label."
        )
    if len(classes) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={y.shape}) while a minimum of 1 is required."
        )
    _require_two_classes(name, classes)
    weights, _ = check_sample_weight(sample_weight, X)
    labels = Labels(
        y, times_class_weight(weights, class_weight, y), None if sample_weight is None else weights
    )
    _require_two_classes(name, labels.classes, ". Samples of zero weight are ignored.")
    return labels


def _require_two_classes(name, classes, hint=""):
    if len(classes) < 2:
        raise ValueError(
            f"{name} needs samples of at least 2 classes in the data, but the data contains only "
            f"one class: {classes[0]!r}{hint}"
        )


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
