"""Labels and sample weights of a classifier, which are checked before anything is fitted."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from sklearn_ebm.inputs._targets import Targets, require_targets
from sklearn_ebm.inputs._weights import check_sample_weight, times_class_weight

UNLABELLED = -1


@dataclass(frozen=True)
class ClassLabels(Targets):
    """One class for each sample. Samples without a label have weight zero.

    Attributes
    ----------
    is_complete : bool
        Whether all samples have a label.
    """

    is_complete: bool = True
    kind = "multiclass"

    @property
    def classes(self):
        """Classes of the samples with a non-zero weight."""
        return np.unique(self.y[self.rows])

    @property
    def n_outputs(self):
        """Number of classes."""
        return len(self.classes)

    @property
    def of_all(self):
        """Labels of all samples, or None if some samples have no label."""
        return self.y if self.is_complete else None

    def split(self, fraction, random_state):
        """Split the samples as `Targets` does, and require two samples of each class.

        Raises
        ------
        ValueError
            If the validation set would be too small, or if a class has a single sample.
        """
        classes, counts = np.unique(self.y[self.rows], return_counts=True)
        if counts.min() < 2:
            raise ValueError(
                "Early stopping requires at least 2 samples of each class, got a single sample of "
                f"class {classes[counts.argmin()]}. Set early_stopping=False, or remove the class."
            )
        return super().split(fraction, random_state)

    def encoded(self, estimator, units):
        """Return an indicator matrix of the estimator's classes, shape (n_samples, n_classes)."""
        return (self.y[:, None] == estimator.classes_).astype(float)

    def _required_to_hold_out(self):
        return self.n_outputs, f" for {self.n_outputs} classes"

    def _strata(self):
        return self.y[self.rows]


class IndicatorLabels(Targets):
    """Several labels for each sample: y is 1 for labels that apply to a sample, and 0 otherwise."""

    kind = "multilabel"

    def split(self, fraction, random_state):
        """Split the samples as `Targets` does, and require both values of each label for training.

        Raises
        ------
        ValueError
            If the validation set would be too small, or if a label is constant in the training set.
        """
        train, held_out = super().split(fraction, random_state)
        _require_both_values(self.y[train], " of the samples that are not held out")
        return train, held_out

    def _required_to_hold_out(self):
        return 1, ""


def check_labels(estimator, X, y, sample_weight, class_weight, multi_label=True):
    """Return checked labels and weights.

    Parameters
    ----------
    estimator : estimator
        Estimator that error messages name.
    X : array-like with n_samples rows
        Data.
    y : array-like of shape (n_samples,), or indicator matrix of shape (n_samples, n_labels)
        Labels. If y has other values than -1 and 1, -1 marks samples without a label.
    sample_weight : array-like of shape (n_samples,) or None
        Weights of the samples.
    class_weight : dict, "balanced" or None
        Weights of the classes.
    multi_label : bool, default=True
        Whether y may be an indicator matrix.

    Returns
    -------
    ClassLabels or IndicatorLabels
        Labels, and weights scaled by a power of two.

    Raises
    ------
    ValueError
        If labels are missing, or fewer than two classes have samples with a weight.
    """
    require_targets(estimator, X, y)
    if not sparse.issparse(y):
        _distinct(np.asarray(y))
    with np.errstate(invalid="ignore"):  # it casts NaN to integers before it refuses NaN
        kind = type_of_target(y, input_name="y")
    if kind in ("multilabel-indicator", "multiclass-multioutput"):
        if not multi_label:
            raise ValueError(
                "y must be one-dimensional, with one class for each sample, got shape "
                f"{np.shape(y)}. Fit one {type(estimator).__name__} for each column."
            )
        _require_indicators(estimator, y, kind, class_weight)
        return _indicators(X, y, sample_weight)
    y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    if len(y) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={y.shape}) while a minimum of 1 is required."
        )
    is_labelled = ~_unlabelled(y)
    name = type(estimator).__name__
    _require_two_classes(name, _distinct(y[is_labelled]))
    weights, _ = check_sample_weight(sample_weight, X)
    weights = weights * is_labelled
    products = times_class_weight(weights, class_weight, y) if weights.any() else weights
    labels = ClassLabels(
        y, products, None if sample_weight is None else weights, bool(is_labelled.all())
    )
    _require_two_classes(name, labels.classes, ". Samples of zero weight are ignored.")
    return labels


def _unlabelled(y):
    """Return which samples have no label. If -1 and 1 are the only values, both are classes."""
    values = _distinct(y).tolist()
    if UNLABELLED not in values or values == [UNLABELLED, 1]:
        return np.zeros(len(y), dtype=bool)
    return y == UNLABELLED


def _distinct(y):
    """Return the distinct labels in ascending order, and refuse text mixed with numbers."""
    try:
        return np.unique(y)
    except TypeError:
        raise ValueError(
            "Labels must all be text or all be numbers, got both. If -1 marks samples without a "
            "label, replace the text labels by numbers, for example with LabelEncoder."
        ) from None


def _require_two_classes(name, classes, hint=""):
    if len(classes) < 2:
        found = f"only one class: {classes[0]}" if len(classes) else "no labels"
        raise ValueError(
            f"{name} needs samples of at least 2 classes in the data, but the data contains "
            f"{found}{hint}"
        )


def _require_indicators(estimator, y, kind, class_weight):
    """Refuse several labels for each sample that are not an indicator matrix, and class weights."""
    values = np.unique(y.data if sparse.issparse(y) else y)
    if kind != "multilabel-indicator" or not np.isin(values, [0, 1]).all():
        raise ValueError(
            "y must be one-dimensional, or an indicator matrix of 0 and 1 with a column for each "
            f"label, got {kind} targets of shape {np.shape(y)}. Fit one "
            f"{type(estimator).__name__} for each column. Pass samples without labels as "
            "unsupervised_X."
        )
    if class_weight is not None:
        raise ValueError(
            f"class_weight must be None if y is an indicator matrix, got {class_weight!r}. Set "
            "class_weight of the last step, or pass sample_weight."
        )


def _indicators(X, y, sample_weight):
    """Return checked labels for an indicator matrix."""
    y = (y.toarray() if sparse.issparse(y) else np.asarray(y)).astype(int)
    weights, _ = check_sample_weight(sample_weight, X)
    _require_both_values(y[weights > 0])
    return IndicatorLabels(y, weights, None if sample_weight is None else weights)


def _require_both_values(y, which=""):
    share = y.mean(axis=0)
    constant = np.flatnonzero((share == 0) | (share == 1))
    if len(constant):
        values = "0" if share[constant[0]] == 0 else "1"
        raise ValueError(
            f"Each column of y must contain both 0 and 1, but column {constant[0]}{which} contains "
            f"only {values}. Remove the column, or add samples."
        )
