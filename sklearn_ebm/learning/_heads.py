"""The linear classifier or regressor at the end of a pipeline as a module of a network.

A form reads the coefficients of a fitted estimator, shape (n_outputs, n_features), and writes them
to a copy of it:

- `SingleLabel`: a classifier. The softmax of its scores is the probability of each class.
- `SeveralLabels`: an estimator for each label or output, in `estimators_`.
- `Real`: a regressor with one or several outputs.
"""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier, is_regressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.utils import get_tags

from sklearn_ebm._sklearn import BaseSGDRegressor, LinearClassifierMixin, LinearModel
from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.factors import LinearHead, log_logistic, log_probabilities
from sklearn_ebm.factors.encoders import placed
from sklearn_ebm.inputs._targets import Units
from sklearn_ebm.learning._modules import is_passed_through

ONE_PER_LABEL = OneVsRestClassifier, MultiOutputClassifier
ONE_PER_OUTPUT = (*ONE_PER_LABEL, MultiOutputRegressor)
LINEAR = LinearClassifierMixin, LinearModel, BaseSGDRegressor  # of scikit-learn


class HeadKind(NamedTuple):
    """Kind of estimators at the end of a pipeline, and an example for error messages."""

    name: str
    includes: Callable[..., Any]
    example: str


CLASSIFIER = HeadKind("classifier", is_classifier, "LogisticRegression")
REGRESSOR = HeadKind("regressor", is_regressor, "Ridge")


class HeadStep:
    """A fitted linear classifier or regressor at the end of a pipeline, and its scores as a module.

    Parameters
    ----------
    name : str
        Name of the step.
    estimator : object
        The fitted estimator. It is not changed.
    like : array
        An array with the dtype and the device of the data.
    units : Units or None, default=None
        Origin and unit of the scores of the module: the estimator predicts `scale` times the
        scores, plus `center`. None means 0 and 1.
    """

    seed = None

    def __init__(self, name, estimator, like, units=None):
        self.name = name
        self.estimator = estimator
        self.units = units = Units() if units is None else units
        self.form = form_of(estimator)
        xp = array_namespace(like)
        coef, intercept = self.form.read(name, estimator)
        coef = coef / np.reshape(units.scale, (-1, 1))
        intercept = (intercept - units.center) / units.scale
        values = (placed(xp.asarray(each), like) for each in (coef.T, intercept))
        self.modules = [LinearHead(*values)]

    def trained(self):
        """Return a copy of the estimator with the current parameters of its module."""
        (head,) = self.modules
        weights, bias = (to_host(head.parameters[name]) for name in ("weights", "bias"))
        coef = weights.T * np.reshape(self.units.scale, (-1, 1))
        return self.form.written(self.estimator, coef, bias * self.units.scale + self.units.center)


class SingleLabel:
    """A classifier with one class for each sample."""

    def read(self, name, classifier):
        """Return coefficients and biases, for two classes those of both."""
        coef, intercept = _linear_map(name, classifier)
        n_classes = len(classifier.classes_)
        n_scores = 1 if n_classes == 2 else n_classes
        require_linear(name, coef.shape[0] == n_scores, classifier)
        intercept = np.broadcast_to(intercept, (n_scores,))
        if n_scores == 1:  # softmax of s/2 and -s/2 is the logistic function of s
            return np.concatenate([-coef, coef]) / 2, np.array([-1, 1]) / 2 * intercept
        return coef, intercept

    def written(self, classifier, coef, intercept):
        """Return a copy of the classifier with other coefficients and biases."""
        if len(intercept) == 2:
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        return _with_linear_map(classifier, coef, intercept, np.shape(intercept))

    def classes(self, classifier):
        """Return the classes."""
        return classifier.classes_

    def scores(self, classifier, features):
        """Return the decision function."""
        return classifier.decision_function(features)

    def log_probabilities(self, scores):
        """Return log-probabilities of the classes from the decision function."""
        if scores.ndim == 1:
            scores = np.stack([-scores, scores], axis=1) / 2
        return log_probabilities(scores)

    def is_binary(self, classifier):
        """Return whether the decision function is the difference of two scores."""
        return len(classifier.classes_) == 2


class Real:
    """A regressor with one or several outputs."""

    def read(self, name, regressor):
        """Return coefficients and biases."""
        coef, intercept = _linear_map(name, regressor)
        require_linear(name, np.size(intercept) in (1, len(coef)), regressor)
        return coef, np.broadcast_to(np.ravel(intercept), (len(coef),))

    def written(self, regressor, coef, intercept):
        """Return a copy of the regressor with other coefficients and biases."""
        shape = np.shape(regressor.intercept_)
        is_full = np.size(regressor.intercept_) == len(intercept)
        return _with_linear_map(regressor, coef, intercept, shape if is_full else (len(coef),))

    def is_binary(self, regressor):
        """Return False: the scores are the predictions."""
        return False


class SeveralLabels:
    """Linear classifiers or regressors, one for each label or output, in `estimators_`."""

    _each = Real()

    def read(self, name, estimator):
        """Return coefficients and biases, a row for each label or output."""
        parts = [self._each.read(name, each) for each in estimator.estimators_]
        require_linear(name, all(len(coef) == 1 for coef, _ in parts), estimator)
        return tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def written(self, estimator, coef, intercept):
        """Return a copy of the estimator with other coefficients and biases."""
        trained = copy.deepcopy(estimator)
        trained.estimators_ = [
            self._each.written(each, coef[n : n + 1], intercept[n : n + 1])
            for n, each in enumerate(estimator.estimators_)
        ]
        return trained

    def classes(self, estimator):
        """Return the numbers of the labels, as `OneVsRestClassifier` has them."""
        return np.arange(len(estimator.estimators_))

    def scores(self, estimator, features):
        """Return the decision functions of all labels, shape (n_samples, n_labels)."""
        scores = [each.decision_function(features) for each in estimator.estimators_]
        return np.stack(scores, axis=1)

    def log_probabilities(self, scores):
        """Return log-probabilities of the labels from their decision functions."""
        return log_logistic(scores)

    def is_binary(self, estimator):
        """Return False: there is one score for each label."""
        return False


def form_of(estimator):
    """Return the form of a classifier or regressor, fitted or not."""
    if isinstance(estimator, ONE_PER_OUTPUT):
        return SeveralLabels()
    return Real() if is_regressor(estimator) else SingleLabel()


def repeated_of(estimator):
    """Return the estimator that is fitted for each label or output, or the estimator itself."""
    return estimator.estimator if isinstance(estimator, ONE_PER_OUTPUT) else estimator


def n_outputs_of(name, estimator):
    """Return the number of outputs of a fitted regressor, or of labels of a classifier."""
    return len(form_of(estimator).read(name, estimator)[1])


def _linear_map(name, estimator):
    """Return coefficients with two dimensions and biases, on the host."""
    coef, intercept = (getattr(estimator, key, None) for key in ("coef_", "intercept_"))
    require_linear(name, coef is not None and intercept is not None, estimator)
    coef = coef.toarray() if sparse.issparse(coef) else coef
    return np.atleast_2d(to_host(coef)), to_host(intercept)  # shape (1, n) for RidgeClassifier


def _with_linear_map(estimator, coef, intercept, shape):
    trained, dtype = copy.deepcopy(estimator), estimator.coef_.dtype
    trained.coef_ = np.array(coef, dtype, order="C").reshape(np.shape(estimator.coef_))
    trained.intercept_ = np.array(intercept, dtype).reshape(shape)[()]
    return trained


def require_linear(name, is_linear, estimator):
    """Refuse a classifier or regressor that has no scores x W + b."""
    if not is_linear:
        kind = REGRESSOR if is_regressor(estimator) else CLASSIFIER
        each = "output" if is_regressor(estimator) else "class"
        raise ValueError(
            f"The {kind.name} {name!r} must be linear, with coef_ and intercept_ for each {each}, "
            f"got {type(estimator).__name__}. Use, for example, {kind.example}."
        )


def require_head(kind, name, estimator):
    """Refuse a last step that is not of a kind, and one of scikit-learn that is not linear."""
    each = repeated_of(estimator)
    is_estimator = not is_passed_through(estimator)
    if not (is_estimator and kind.includes(estimator) and kind.includes(each)):
        within = "" if each is estimator else f" of {type(each).__name__}"
        shown = f"{type(estimator).__name__}{within}" if is_estimator else repr(estimator)
        raise ValueError(
            f"The last step of the pipeline, {name!r}, must be a {kind.name}, got {shown}. "
            f"Use, for instance, {kind.example}()."
        )
    if type(each).__module__.startswith("sklearn."):
        require_linear(name, isinstance(each, LINEAR), each)


def require_unbounded(name, estimator):
    """Refuse a regressor whose coefficients must be non-negative, which training ignores."""
    each = repeated_of(estimator)
    if getattr(each, "positive", False):
        raise ValueError(
            f"The {REGRESSOR.name} {name!r} must have positive=False, got {each!r}: training the "
            "network does not keep its coefficients non-negative. To train only the steps before "
            f"it, set learning_rates={{{name!r}: 0}}."
        )


def has_bias(estimator):
    """Return whether the scores of a classifier or regressor have a bias."""
    return bool(getattr(repeated_of(estimator), "fit_intercept", True))


def require_head_for(targets, name, estimator):
    """Refuse a classifier or regressor that cannot be fitted to the kind of the targets."""
    shown = f"The last step of the pipeline, {name!r}, is {type(estimator).__name__}, "
    is_several = isinstance(estimator, ONE_PER_LABEL)
    if targets.kind == "multilabel" and not is_several:
        raise ValueError(
            f"{shown}which has one class for each sample, but y is an indicator matrix of "
            f"{targets.n_outputs} labels. Use OneVsRestClassifier({type(estimator).__name__}())."
        )
    if targets.kind == "multiclass" and is_several:
        raise ValueError(
            f"{shown}which requires an indicator matrix of several labels, but y has one class for "
            f"each sample. Use {type(estimator.estimator).__name__}() without it."
        )
    tags = get_tags(estimator).target_tags
    if targets.kind == "continuous" and targets.y.ndim == 1 and not tags.single_output:
        raise ValueError(f"{shown}which requires y of two dimensions, got shape {targets.y.shape}.")
