"""Discriminative recurrent sparse auto-encoder."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.callback import CallbackSupportMixin

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context, with_callbacks
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    BatchSize,
    LearningRate,
    MatrixLike,
    RandomState,
)
from sklearn_ebm.backends import (
    BACKENDS,
    array_namespace,
    new_array,
    read_only,
    resolve_backend,
    to_host,
)
from sklearn_ebm.estimators._discriminative_learning import DiscriminativeLearning
from sklearn_ebm.factors import RecurrentCoder, log_probabilities
from sklearn_ebm.factors.encoders import placed
from sklearn_ebm.inputs._adapters import Rows
from sklearn_ebm.inputs._checks import check_codes, check_magnitude, require_magnitude
from sklearn_ebm.layers._state import Stateful, refusable
from sklearn_ebm.learning._batch_sizes import BATCH_SIZE_CONSTRAINTS
from sklearn_ebm.learning._optimizers import OPTIMIZERS
from sklearn_ebm.learning._progress import MAX_TIME
from sklearn_ebm.learning._rates import LEARNING_RATE
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import Discriminative

ATTRIBUTES = {  # parameters of the model
    "dictionary": "components_",
    "weights": "encoding_weights_",
    "lateral": "lateral_weights_",
    "threshold": "thresholds_",
    "coefficients": "class_weights_",
}
INPUTS = Rows(accepts_sparse=True)
PIECE_ROWS = 256  # number of samples that a thread processes at a time


class DrSAEClassifier(
    ClassifierMixin,
    TransformerMixin,
    Stateful,
    ClassNamePrefixFeaturesOutMixin,
    CallbackSupportMixin,
    BaseEstimator,
):
    """Discriminative recurrent sparse auto-encoder, a classifier with sparse codes.

    The code z of a sample is the result of a recurrent network of rectifiers, which starts as an
    unrolled solver for non-negative sparse codes::

        z_0 = max(x W - b, 0),    z_{t+1} = max(x W + z_t S - b, 0),    z = z_{n_steps}

    Training lowers the mean energy of the samples and their labels::

        E(x, y, z) = 1/2 ||x - z D||^2 + alpha ||z||_1 - label_weight log p(y | z)

    where p(y | z) is the softmax of z C' / ||z||, by back-propagation through all steps. `fit`
    first makes passes without the term of the labels. With the default optimizer, units divide into
    parts and categories: *part units* decode to strokes and are active early; *categorical units*
    decode to prototypes of a class, become active late, and have large coefficients in C. A sample
    is then a prototype plus parts (see :ref:`parts_and_categories`).

    Parameters
    ----------
    n_components : int or None, default=400
        Number of atoms. If None, it is the number of atoms in `dictionary_init`, or the number of
        features if it is not given.
    alpha : float, default=0.018
        Weight of the sparsity penalty, in `fit` and `energy` alike. Larger values give sparser
        codes. The default suits samples of norm one.
    label_weight : float, default=0.2
        Weight of the cross-entropy of the labels in the energy. With larger values, reconstruction
        and sparsity matter less.
    n_steps : int, default=10
        Number of steps that apply S. With 0, the code is max(x W - b, 0).
    dictionary_init : array-like of shape (n_components, n_features) or None, default=None
        Initial atoms, which are scaled to unit norm. If None, they are drawn from noise, to which a
        quarter of a sample is added.
    optimizer : {"sgd", "adam"}, default="sgd"
        Optimizer that trains the network: stochastic gradient descent without momentum, or Adam.
        With Adam, errors are similar, but W turns away from D, and units do not divide into parts
        and categories.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. Passes without labels use the
        initial rate. "auto" is 3e-2 with "sgd" and 1e-3 with "adam"; it is divided by 3 whenever
        learning diverges, or the mean energy of some training samples after a pass is far above the
        lowest one. With "sgd", a step is the rate times the gradient of the energy of ten samples;
        for W, S and b, it is multiplied by 1.3 / (`n_steps` + 1) ** 1.5.
    pretrain_max_iter : int, default=30
        Number of passes over X and `unsupervised_X` without labels, before those with labels.
    max_iter : int, default=100
        Maximum number of passes over X with labels. With 0, all predictions are the first class.
    max_time : float or None, default=None
        Maximum duration of learning, in seconds. When it is reached, `fit` completes the current
        training step and stops, without a warning; a pass that ends early counts in `n_iter_` and
        the curves. None sets no limit. The same limit applies separately to the passes without
        labels.
    batch_size : int or "auto", default="auto"
        Number of samples per training step. "auto" is 10.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out samples, stop after `n_iter_no_change` passes without progress on them,
        and keep the parameters that are best on them. "auto" is True for more than 10,000 samples.
    validation_fraction : float, default=0.1
        Fraction of the samples of each class that is held out for early stopping.
    n_iter_no_change : int, default=20
        Number of passes without progress after which training stops. An increase of the accuracy on
        the held-out samples is progress, and so is a decrease of their energy at the same accuracy.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the cross-entropy, as in scikit-learn. They are multiplied by
        `sample_weight`.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew. It then makes no
        passes without labels.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial atoms, the held-out samples and the order of the samples.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms, the rows of D, with a norm of at most 1.
    encoding_weights_ : ndarray of shape (n_features, n_components)
        W. Its columns have a norm of at most 1.25 / (n_steps + 1).
    lateral_weights_ : ndarray of shape (n_components, n_components)
        S.
    thresholds_ : ndarray of shape (n_components,)
        Thresholds b, which are not negative.
    class_weights_ : ndarray of shape (n_classes, n_components)
        C. Its rows have a norm of at most 5.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_iter_ : int
        Number of passes over X with labels.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy per sample in each pass with labels.
    accuracy_curve_ : ndarray of shape (n_iter_,)
        Accuracy on the training samples during each pass with labels.
    validation_curve_ : ndarray of shape (n_iter_ + 1,)
        Mean energy of the held-out samples before the first pass with labels and after each of
        them. Empty if no samples are held out.
    validation_accuracy_curve_ : ndarray of shape (n_iter_ + 1,)
        Accuracy on the held-out samples before the first pass with labels and after each of them.
        The parameters with the highest accuracy are kept.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of the first pass with labels to the end of each pass.
    pretrain_curve_ : ndarray
        Mean energy per sample in each pass without labels.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    LISTAEncoder : Encoder of the same form that approximates optimal codes.
    FineTunedClassifier : Trains the encoder of any model with labels.
    UnitDisplay : Plots part units and categorical units.

    Notes
    -----
    X may be a sparse matrix on the host. `fit` converts it to dense arrays batch by batch.

    References
    ----------
    J. T. Rolfe, Y. LeCun (2013). Discriminative recurrent sparse auto-encoders. ICLR.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import Normalizer
    >>> from sklearn_ebm import DrSAEClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> drsae = DrSAEClassifier(64, pretrain_max_iter=10, max_iter=30, random_state=0)
    >>> classifier = make_pipeline(Normalizer(), drsae).fit(X[:1000], y[:1000])
    >>> bool(classifier.score(X[1000:], y[1000:]) > 0.85)
    True
    """

    _model_attributes = (*ATTRIBUTES.values(), "classes_")
    _needs_fit = ("n_components", "n_steps")

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "label_weight": [Interval(Real, 0, None, closed="left")],
        "n_steps": [Interval(Integral, 0, None, closed="left")],
        "dictionary_init": ["array-like", None],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "learning_rate": LEARNING_RATE,
        "pretrain_max_iter": [Interval(Integral, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "max_time": MAX_TIME,
        "batch_size": BATCH_SIZE_CONSTRAINTS,
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
        n_components: int | None = 400,
        *,
        alpha: float = 0.018,
        label_weight: float = 0.2,
        n_steps: int = 10,
        dictionary_init: ArrayLike | None = None,
        optimizer: Literal["sgd", "adam"] = "sgd",
        learning_rate: LearningRate = "auto",
        pretrain_max_iter: int = 30,
        max_iter: int = 100,
        max_time: float | None = None,
        batch_size: BatchSize = "auto",
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 20,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.label_weight = label_weight
        self.n_steps = n_steps
        self.dictionary_init = dictionary_init
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.pretrain_max_iter = pretrain_max_iter
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
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        unsupervised_X: MatrixLike | None = None,
    ) -> Self:
        """Learn codes from all samples, then from the samples with labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, ideally of norm one. Dask arrays are read one chunk at a time.
        y : array-like of shape (n_samples,)
            Labels. -1 marks samples without a label, as in :mod:`sklearn.semi_supervised`: passes
            without labels learn from them as well. If -1 and 1 are the only values, both are
            classes.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples in passes with labels, scaled to a mean of one. Samples of weight
            zero are ignored there. Passes without labels give all samples equal weights.
        unsupervised_X : {array-like, sparse matrix} or None, default=None
            Additional samples without labels, of the same kind as X, for passes without labels.

        Returns
        -------
        DrSAEClassifier
            The classifier itself. If Ctrl-C interrupts the fit (KeyboardInterrupt), the classifier
            remains usable, with the best parameters so far.

        Raises
        ------
        ValueError
            If y is an indicator matrix, labels are missing, or fewer than two classes have samples
            with a weight; or if `unsupervised_X` and X differ in shape.
        """
        with refusable(self) as attempt:
            DiscriminativeLearning(self, attempt).fit(X, y, sample_weight, unsupervised_X)
        return self

    # ------------------------------------------------------------------------------------ inference
    def transform(self, X: MatrixLike) -> Array:
        """Compute the codes of the last step.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Codes, in the dtype of X.
        """
        coder, data = self._read(X)
        return coder.codes(data.X, data.backend)

    def code_steps(self, X: MatrixLike) -> Array:
        """Compute the codes of all steps, which show how inference converges.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_steps + 1, n_samples, n_components)
            Codes, in the dtype of X. The last ones are the result of `transform`.
        """
        coder, data = self._read(X)
        return coder.codes(data.X, data.backend, all_steps=True)

    def inverse_transform(self, X: MatrixLike) -> Array:
        """Reconstruct samples from codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes as returned by `transform`.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Reconstructions in the space of the data.
        """
        self._ready()
        code = check_codes(X)
        check_magnitude(code)
        n_components = self.components_.shape[0]
        if code.shape[1] != n_components:
            raise ValueError(
                f"X has {code.shape[1]} components, but {type(self).__name__} is expecting "
                f"{n_components} components as input."
            )
        code = resolve_backend(self.backend, self.components_).to_device(code)
        return self._state.parts.astype(code.dtype).decoder.decode(code)

    def energy(self, X: MatrixLike) -> Array:
        """Compute the energy 1/2 ||x - z D||^2 + alpha ||z||_1 of each sample and its code.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples. Their labels are not used.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies, in squared units of X.
        """
        coder, data = self._read(X)
        result, alpha = new_array((data.X.shape[0],), data.X), float(self.alpha)

        def work(first, last):
            rows = data.X[first:last, :]
            result[first:last] = coder.value(rows, coder.codes(rows, data.backend), alpha)

        data.backend.map_pieces(work, data.X.shape[0], PIECE_ROWS)
        return result

    def decision_function(self, X: MatrixLike) -> Array:
        """Compute the scores z C' / ||z|| of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples,)
            Scores of the classes; for two classes, the score of the second one minus that of the
            first one.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict_log_proba(self, X: MatrixLike) -> Array:
        """Compute the log-probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Logarithm of the softmax of the scores.
        """
        return log_probabilities(self._scores(X))

    def predict_proba(self, X: MatrixLike) -> Array:
        """Compute the probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Softmax of the scores.
        """
        log_p = log_probabilities(self._scores(X))
        return array_namespace(log_p).exp(log_p)

    def predict(self, X: MatrixLike) -> Array:
        """Predict the class of each sample, the one with the largest score.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted class labels, on the host.
        """
        best = to_host(self._scores(X)).argmax(axis=1)
        return np.asarray(self.classes_)[best]

    def _read(self, X):
        """Return the model and checked samples."""
        self._ready()
        data = INPUTS.read(self, X)
        return self._state.parts.astype(data.X.dtype), data

    def _scores(self, X):
        coder, data = self._read(X)
        return coder.head.forward(coder.codes(data.X, data.backend))

    # --------------------------------------------------------------------------- fitted attributes
    def _take_over(self, state, replaced):
        if state.parts is not None and not replaced and not state.is_open:
            return state.parts
        parameters = {}
        for name, attribute in ATTRIBUTES.items():
            value = self._checked_attribute(attribute, state)
            require_magnitude(value, attribute)
            parameters[name] = placed(value)
        _require_names(self.classes_, len(parameters["coefficients"]))
        vars(self).update(
            {ATTRIBUTES[name]: read_only(value) for name, value in parameters.items()}
        )
        n_steps = int(state.fitted_with.get("n_steps", self.n_steps))
        return RecurrentCoder(parameters, n_steps)

    def _new_learner(self, learner, replaced):
        coder = self._state.parts.copy()
        if learner is None:
            return Trainer(Discriminative(coder))
        learner.criterion.replace_coder(coder)
        return learner

    def _has_anyway(self, name, value):
        return name == "n_components" and value in (None, self.components_.shape[0])

    def _keep(self, trainer, classes, pretrain_curve):
        """Set the fitted attributes from the state of learning."""
        vars(self).update(_fitted_attributes(self, trainer, classes, pretrain_curve))

    def _snapshot(self):
        """Return fitted attributes, for callbacks that need a usable model during `fit`."""
        fitted = _fitted_attributes(self, self._learner, self.classes_, self.pretrain_curve_)
        return {"n_features_in_": self.n_features_in_, **fitted}

    @property
    def _n_features_out(self):
        self._ready()
        return self.components_.shape[0]

    def __sklearn_is_fitted__(self):
        """Return whether the model has atoms; validation alone sets other attributes."""
        return hasattr(self, "components_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _fitted_attributes(model, trainer, classes, pretrain_curve):
    """Return the fitted attributes by name, from the state of learning."""
    coder = trainer.criterion.coder.copy()
    curves = "objective", "accuracy", "validation", "validation_accuracy", "seconds"
    attributes = {
        **{ATTRIBUTES[name]: value for name, value in coder.parameters.items()},
        "classes_": classes,
        "pretrain_curve_": np.asarray(pretrain_curve),
        **trainer.curves.attributes(*curves),
    }
    return model._left(trainer, attributes, coder)


def _require_names(classes, n_classes):
    """Refuse new names of classes unless there is a different one for each class."""
    if np.shape(classes) != (n_classes,) or len(np.unique(classes)) < n_classes:
        raise ValueError(
            f"classes_ must contain a different value for each of the {n_classes} classes, got "
            f"{classes!r}."
        )
