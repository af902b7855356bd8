"""The layerwise recipe, and the refinement of all of it with labels, as one classifier."""

import copy
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._sklearn import HasMethods, Interval, StrOptions, _fit_context
from sklearn_ebm.backends import BACKENDS, read_only
from sklearn_ebm.estimators._label_learning import LabelLearning, tuned_pipeline
from sklearn_ebm.estimators._scores import ScoresMixin
from sklearn_ebm.inputs._rows import native
from sklearn_ebm.layers._state import Stateful, refusable
from sklearn_ebm.learning._optimizers import OPTIMIZERS
from sklearn_ebm.learning._rates import LEARNING_RATE
from sklearn_ebm.learning._stages import flat_steps, map_batches, on_host, transformed


class FineTunedClassifier(
    Stateful, CallbackSupportMixin, ScoresMixin, ClassifierMixin, BaseEstimator
):
    """Features learned layer by layer without labels, then trained as one network with them.

    The pipeline is fitted stage by stage, and its last step, a linear classifier, on the features.
    Then the encoders of its models and the classifier are trained together, by back-propagation of
    the cross-entropy -log p(y | x), with p the softmax of the classifier's scores. Data stream
    through the pipeline in batches; intermediate features of all samples are never stored at once.

    Parameters
    ----------
    estimator : Pipeline
        Transformers, and a linear classifier at the end. From the first model on that is trained
        (`PSD`, `ConvPSD`, `GroupSparsePSD`, `LISTAEncoder`, `RBM`), all steps must have a
        derivative: other models, layers, and linear maps like `StandardScaler` and `PCA`, which
        stay as they are. Its `memory` caches each stage and its output on disk.
    prefit : bool, default=False
        Whether the pipeline is already fitted. A copy of it is trained.
    subsample : int or None, default=None
        Maximum number of samples, with and without labels, from which the steps before the
        classifier learn. They are drawn at random. None uses all samples.
    optimizer : {"adam", "sgd"}, default="adam"
        Optimizer that trains the network: Adam, or stochastic gradient descent with momentum.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`. A
        callable receives the completed share of training, from 0 to 1, and returns the rate:
        `lambda done: 1e-3` for a constant rate, `lambda done: 5e-4 * (1 + cos(pi * done))` for
        cosine decay. "auto" is 1e-3. Steps of an encoder are scaled by the size of its initial
        weights: with "adam", the rate applies to weights with a root mean square of 0.01.
    learning_rates : dict of str to float or None, default=None
        Factors of the learning rate for steps by name, including the classifier. 0 freezes a step.
        Steps that are not named have a factor of 1.
    momentum : float, default=0.9
        Share of the previous step that is added to each step. It applies to `optimizer="sgd"` only.
    weight_decay : float, default=0.0
        Share by which weights shrink in each step, times the learning rate. Thresholds and biases
        do not shrink.
    max_iter : int, default=20
        Maximum number of passes over X. These are the passes with labels; 0 keeps the pipeline as
        it was fitted stage by stage.
    batch_size : int, default=100
        Number of samples per training step.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out samples, keep the parameters that are best on them, and stop after
        `n_iter_no_change` passes without progress. "auto" does so for more than 10,000 samples.
    validation_fraction : float, default=0.1
        Share of the samples that is held out of training. It is the same for each class.
    n_iter_no_change : int, default=10
        Number of passes without an increase of the held-out accuracy, or a decrease of the held-out
        loss at the same accuracy, after which training stops.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the cross-entropy, beside `sample_weight`.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library for training the network. "auto" follows the parameters of its steps: CuPy for CuPy
        arrays, otherwise Numba. The classifier runs on the host, and scores and probabilities are
        computed there.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew. It then trains with
        labels only.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the held-out samples and the order of the samples; steps of the pipeline have their own.
    verbose : int, default=0
        Whether to print a line after each pass.

    Attributes
    ----------
    pipeline_ : Pipeline
        The tuned pipeline.
    classes_ : ndarray of shape (n_classes,)
        Labels.
    n_iter_ : int
        Passes made.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean cross-entropy per sample in each pass.
    accuracy_curve_ : ndarray of shape (n_iter_,)
        Accuracy on the training samples during each pass.
    validation_curve_ : ndarray of shape (n_iter_ + 1,)
        Mean cross-entropy of the held-out samples, before the first pass and after each. Empty if
        no samples are held out.
    validation_accuracy_curve_ : ndarray of shape (n_iter_ + 1,)
        Accuracy on the held-out samples, at the same times. The parameters with the highest
        accuracy are kept.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of the passes to the end of each.
    n_features_in_ : int
        Number of features that the first step saw in `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of these features, if X has names that are all strings.

    See Also
    --------
    make_feature_hierarchy : Writes the usual pipelines.
    PSD, ConvPSD, RBM : What is trained.

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
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "backend": [StrOptions({"auto", *BACKENDS})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator,
        *,
        prefit=False,
        subsample=None,
        optimizer="adam",
        learning_rate="auto",
        learning_rates=None,
        momentum=0.9,
        weight_decay=0.0,
        max_iter=20,
        batch_size=100,
        early_stopping="auto",
        validation_fraction=0.1,
        n_iter_no_change=10,
        class_weight=None,
        backend="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.prefit = prefit
        self.subsample = subsample
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rates = learning_rates
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.max_iter = max_iter
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
    def fit(self, X, y, sample_weight=None, unsupervised_X=None):
        """Fit the pipeline stage by stage, then train all of it with labels.

        Parameters
        ----------
        X : array-like with n_samples rows
            Input of the first step of the pipeline: rows, images or a data frame.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples for the classifier and the cross-entropy, both scaled to a mean
            of one. Samples of weight zero are ignored. Learning without labels weighs all samples
            equally.
        unsupervised_X : array-like or None, default=None
            More data of the kind of X, without labels: the steps before the classifier learn from
            both.

        Returns
        -------
        FineTunedClassifier
            The fitted classifier. Where Ctrl-C ends the training with labels, it has the best
            parameters so far.

        Raises
        ------
        ValueError
            If the pipeline has no linear classifier at its end, or a step that cannot be
            differentiated after one that is trained; if parameters or shapes of steps are known to
            be wrong; if labels are missing, or fewer than two classes have a weight; if
            unsupervised_X has another shape than X.
        OSError
            If the disk has no room for the output of a stage.
        """
        with refusable(self) as attempt:
            return LabelLearning(self, attempt).fit(X, y, sample_weight, unsupervised_X)

    def _keep(self, pipeline, curves):
        """Every fitted attribute."""
        vars(self).update(self._left(None, self._fitted(pipeline, curves), None))

    def _take_over(self, state, replaced):
        """Check what users may have replaced: a pipeline has classes of its own."""
        if not replaced:
            return
        check_is_fitted(self.pipeline_)
        classes = self.pipeline_.steps[-1][1].classes_
        given = self.classes_ if "classes_" in replaced else classes
        if np.shape(given) != np.shape(classes):
            raise ValueError(
                f"classes_ has shape {np.shape(given)}, but the classifier in pipeline_ has "
                f"{len(classes)} classes."
            )
        self.classes_ = read_only(np.array(given))

    def _fitted(self, pipeline, curves):
        first = pipeline.steps[0][1]
        seen = {
            name: getattr(first, name)
            for name in ("n_features_in_", "feature_names_in_")
            if hasattr(first, name)
        }
        return {
            **seen,
            "pipeline_": pipeline,
            "classes_": pipeline.steps[-1][1].classes_,
            **curves.attributes(
                "objective", "accuracy", "validation", "validation_accuracy", "seconds"
            ),
        }

    @contextmanager
    def _tuning_of(self, trained, curves):
        """Give callbacks the steps that are trained in this block, and keep them at its end."""
        self._tuning = trained, curves
        try:
            yield
        finally:
            self._keep(tuned_pipeline(self.pipeline_, trained), curves)
            del self._tuning

    def _snapshot(self):
        """Fitted attributes for callbacks that want a usable model in the middle of fit."""
        trained, curves = self._tuning
        fitted = self._fitted(tuned_pipeline(self.pipeline_, trained), curves)
        return self._left(None, fitted, None)

    def to_pipeline(self):
        """The tuned pipeline, as one of scikit-learn's own.

        Returns
        -------
        Pipeline
            A copy of `pipeline_`: the steps of `estimator`, fitted and tuned. Its predictions are
            those of the classifier.
        """
        self._ready()
        return copy.deepcopy(self.pipeline_)

    def decision_function(self, X):
        """Compute the scores of the classes.

        Parameters
        ----------
        X : array-like with n_samples rows
            Data.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or (n_samples,) for two classes
            Scores of the classes; for two classes, the score of the second one.
        """
        self._ready()
        (X,) = indexable(native(X))
        *steps, classifier = (step for _, step in flat_steps(self.pipeline_))

        def scores(rows):
            features = on_host(transformed(steps, _safe_indexing(X, rows)))
            return classifier.decision_function(features)

        return np.concatenate(map_batches(scores, steps, X))

    def __sklearn_clone__(self):
        """A pipeline that is fitted stays so: fit does not fit it."""
        cloned = super().__sklearn_clone__()
        if self.prefit:
            cloned.estimator = copy.deepcopy(self.estimator)
        return cloned

    def __sklearn_is_fitted__(self):
        """Data that passed validation are not yet a fitted model."""
        return hasattr(self, "pipeline_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags
