"""Classifier that trains a pipeline layer by layer without labels, then as a whole with labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._sklearn import StrOptions, _fit_context, with_callbacks
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    BatchSize,
    Estimator,
    LearningRate,
    MatrixLike,
    RandomState,
)
from sklearn_ebm.backends import read_only
from sklearn_ebm.estimators._fine_tuned import FineTuned
from sklearn_ebm.estimators._label_learning import LabelLearning
from sklearn_ebm.inputs._labels import check_labels
from sklearn_ebm.layers._state import refusable
from sklearn_ebm.learning._heads import CLASSIFIER, ONE_PER_LABEL, form_of
from sklearn_ebm.learning._stages import flat_steps, rebuilt


class FineTunedClassifier(ClassifierMixin, FineTuned):
    """Classifier that fine-tunes a pipeline of unsupervised features as one network.

    `fit` first fits the steps of the pipeline one after another, without labels, and its last step,
    a linear classifier, on their features. It then trains the encoders of the models and the
    classifier together, by back-propagation of the cross-entropy -log p(y | x), where p is the
    softmax of the classifier's scores. If y is an indicator matrix of several labels, the loss is
    the sum of the cross-entropies of all labels, and p is the logistic function of a label's score.
    The data pass through the pipeline in batches, so that intermediate features of all samples are
    never in memory at once.

    Parameters
    ----------
    estimator : Pipeline
        Pipeline of transformers and a last step. `AutoEncoder`, `PSD`, `ConvPSD`, `GroupSparsePSD`,
        `LISTAEncoder` and `RBM` are trained with y. All steps after the first of them must be
        differentiable: other models, layers, or linear maps such as `StandardScaler` and `PCA`,
        which are not trained. The `memory` of the pipeline caches each fitted stage and its output
        on disk. The last step is a linear classifier. If y is an indicator matrix of several
        labels, it is `OneVsRestClassifier` or `MultiOutputClassifier` of one.
    prefit : bool, default=False
        Whether the pipeline is already fitted. If True, a copy of it is fine-tuned.
    subsample : int or None, default=None
        Maximum number of samples, with and without labels, on which the steps before the last one
        are fitted. They are drawn at random. None uses all samples.
    optimizer : {"adam", "sgd"}, default="adam"
        Optimizer that trains the network: Adam, or stochastic gradient descent with momentum.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. "auto" is 1e-3. Steps of an
        encoder are scaled by the root mean square of its initial weights: with "adam", if that is
        0.01, the rate applies unchanged.
    learning_rates : dict of str to float or None, default=None
        Factors of the learning rate of single steps, by the name of the step; the last step may be
        included. 0 freezes a step. The factor of all other steps is 1.
    momentum : float, default=0.9
        Fraction of the previous step that is added to each step. Only used if `optimizer="sgd"`.
    weight_decay : float, default=0.0
        Weight decay, independent of the gradient: each step multiplies the weights by
        1 - rate * weight_decay. Thresholds and biases do not decay.
    max_iter : int, default=20
        Maximum number of passes over X in the joint training of all steps. With 0, the pipeline is
        not fine-tuned.
    max_time : float or None, default=None
        Maximum duration of learning, in seconds. When it is reached, `fit` completes the current
        training step and stops, without a warning; a pass that ends early counts in `n_iter_` and
        the curves. None sets no limit. The limit applies to the training with labels; steps of the
        pipeline have their own `max_time`.
    batch_size : int or "auto", default="auto"
        Number of samples per training step. "auto" is 1 % of the samples, but at least 10 and at
        most 100, so that training makes enough steps on small data sets.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out samples, stop after `n_iter_no_change` passes without progress on them,
        and keep the parameters that are best on them. "auto" is True for more than 10,000 samples.
    validation_fraction : float, default=0.1
        Fraction of the samples of each class that is held out for early stopping. Samples with
        several labels are held out at random.
    n_iter_no_change : int, default=10
        Number of passes without progress after which training stops. An increase of the accuracy on
        the held-out samples is progress, and so is a decrease of their loss at the same accuracy.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the cross-entropy, as in scikit-learn. They are multiplied by
        `sample_weight`. Must be None if y is an indicator matrix.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that trains the network. "auto" uses CuPy if the parameters of the steps are CuPy
        arrays, and Numba otherwise. The last step itself always runs on the host.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew. It then only trains
        all steps jointly.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the held-out samples and the order of the samples. Steps of the pipeline have their own
        `random_state`.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    pipeline_ : Pipeline
        The fine-tuned pipeline.
    classes_ : ndarray of shape (n_classes,) or (n_labels,)
        Class labels. For several labels, their column numbers in y.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean cross-entropy per sample in each pass.
    accuracy_curve_ : ndarray of shape (n_iter_,)
        Accuracy on the training samples during each pass. With several labels, the prediction of a
        sample is correct if it is for all labels.
    validation_curve_ : ndarray of shape (n_iter_ + 1,)
        Mean cross-entropy of the held-out samples before the first pass and after each pass. Empty
        if no samples are held out.
    validation_accuracy_curve_ : ndarray of shape (n_iter_ + 1,)
        Accuracy on the held-out samples before the first pass and after each pass. The parameters
        with the highest accuracy are kept.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of training with labels to the end of each pass.
    n_features_in_ : int
        Number of features that the first step saw during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of these features, if X has names that are all strings.

    See Also
    --------
    FineTunedRegressor : Trains a pipeline for regression.
    make_feature_hierarchy : Creates common pipelines of several stages.
    PSD, ConvPSD, RBM : Models that can be trained with labels.

    References
    ----------
    K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun (2009). What is the best multi-stage
    architecture for object recognition?, section 3.
    G. E. Hinton, R. R. Salakhutdinov (2006). Reducing the dimensionality of data with neural
    networks.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_ebm import PSD, FineTunedClassifier, Rectifier
    >>> X, y = load_digits(return_X_y=True)
    >>> psd = PSD(64, alpha=0.5, tol=1e-2, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), psd, Rectifier(), LogisticRegression())
    >>> classifier = FineTunedClassifier(pipeline, max_iter=10, random_state=0)
    >>> bool(classifier.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.9)
    True
    """

    _model_attributes = ("pipeline_", "classes_")
    _head_kind = CLASSIFIER
    _score_name = "accuracy"
    _parameter_constraints: dict = {
        **FineTuned._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        estimator: Estimator,
        *,
        prefit: bool = False,
        subsample: int | None = None,
        optimizer: Literal["adam", "sgd"] = "adam",
        learning_rate: LearningRate = "auto",
        learning_rates: Mapping[str, LearningRate] | None = None,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        max_iter: int = 20,
        max_time: float | None = None,
        batch_size: BatchSize = "auto",
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.prefit = prefit
        self.subsample = subsample
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rates = learning_rates
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.max_iter = max_iter
        self.max_time = max_time
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        unsupervised_X: MatrixLike | None = None,
    ) -> Self:
        """Fit the pipeline step by step, then train it with labels.

        Parameters
        ----------
        X : array-like with n_samples rows
            Input of the first step of the pipeline: rows, images or a data frame. Dask arrays are
            read one chunk at a time; the steps are first fitted on some of their samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels, or an indicator matrix of several labels. In one dimension, -1 marks samples
            without a label, as in :mod:`sklearn.semi_supervised`: the steps before the classifier
            learn from them as well. If -1 and 1 are the only values, both are classes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples in the loss of the classifier and in the cross-entropy, scaled to
            a mean of one. Samples of weight zero are ignored. Learning without labels gives all
            samples equal weights.
        unsupervised_X : array-like or None, default=None
            Additional samples without labels, of the same kind as X. The steps before the
            classifier learn from them as well.

        Returns
        -------
        FineTunedClassifier
            The classifier itself. If Ctrl-C interrupts the training with labels, the classifier
            remains usable, with the best parameters so far.

        Raises
        ------
        ValueError
            If the pipeline does not end with a linear classifier for the kind of y, or a step that
            cannot be differentiated follows a trained one; if parameters of the steps are invalid
            or their shapes do not match; if labels are missing, or fewer than two classes have
            samples with a weight; or if `unsupervised_X` and X differ in shape.
        OSError
            If the output of a stage does not fit on the disk.
        """
        with refusable(self) as attempt:
            return LabelLearning(self, attempt).fit(X, y, sample_weight, unsupervised_X)

    def _read_targets(self, X, y, sample_weight):
        """Return checked labels and weights."""
        return check_labels(self, X, y, sample_weight, self.class_weight)

    def _take_over(self, state, replaced):
        """Check attributes that users have replaced, and rename the classes of the pipeline."""
        if not replaced:
            return
        check_is_fitted(self.pipeline_)
        name, classifier = self.pipeline_.steps[-1]
        if isinstance(classifier, ONE_PER_LABEL):  # the numbers or values of labels have no names
            self.classes_ = form_of(classifier).classes(classifier)
            return
        if "classes_" in replaced:
            _require_names(self.classes_, classifier.classes_)
            classifier = copy.copy(classifier)
            classifier.classes_ = np.array(self.classes_)
            steps = dict(flat_steps(self.pipeline_))
            self.pipeline_ = rebuilt(self.pipeline_, steps | {name: classifier})
        self.classes_ = read_only(np.array(classifier.classes_))

    def _fitted(self, pipeline, curves):
        fitted = super()._fitted(pipeline, curves)
        classifier = pipeline.steps[-1][1]
        return {**fitted, "classes_": form_of(classifier).classes(classifier)}

    def decision_function(self, X: MatrixLike) -> Array:
        """Compute the decision function of the samples, one score for each class or label.

        Parameters
        ----------
        X : array-like with n_samples rows
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), (n_samples, n_labels), or (n_samples,)
            Scores of the classes or labels; for two classes, the score of the second one.
        """

        def scores(classifier, features):
            return form_of(classifier).scores(classifier, features)

        return self._of_features(scores, X)

    def predict_log_proba(self, X: MatrixLike) -> Array:
        """Compute the log-probabilities of the classes or labels.

        Parameters
        ----------
        X : array-like with n_samples rows
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            Logarithm of the softmax of the scores, or of the logistic function for several labels.
        """
        scores = self.decision_function(X)
        return form_of(self.pipeline_.steps[-1][1]).log_probabilities(scores)

    def predict_proba(self, X: MatrixLike) -> Array:
        """Compute the probabilities of the classes or labels.

        Parameters
        ----------
        X : array-like with n_samples rows
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            Softmax of the scores, or their logistic function for several labels.
        """
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: MatrixLike) -> Array:
        """Predict the class of each sample, the one with the largest score, or its labels.

        Parameters
        ----------
        X : array-like with n_samples rows
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            Predicted class labels, or an indicator matrix of the labels with a positive score.
        """
        return self._of_features(lambda classifier, features: classifier.predict(features), X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = tags.target_tags.multi_output
        return tags


def _require_names(given, classes):
    """Refuse new names of classes unless there is a different one for each class."""
    if np.shape(given) != np.shape(classes) or len(np.unique(given)) < len(classes):
        raise ValueError(
            f"classes_ must contain a different value for each of the {len(classes)} classes of "
            f"the classifier in pipeline_, got {given!r}."
        )
