"""Regressor that trains a pipeline layer by layer without targets, then as a whole with targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from sklearn.base import RegressorMixin
from sklearn.utils import get_tags

from sklearn_ebm._sklearn import _fit_context, with_callbacks
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
from sklearn_ebm.estimators._fine_tuned import FineTuned
from sklearn_ebm.estimators._label_learning import LabelLearning
from sklearn_ebm.inputs._targets import check_targets
from sklearn_ebm.layers._state import refusable
from sklearn_ebm.learning._heads import REGRESSOR


class FineTunedRegressor(RegressorMixin, FineTuned):
    """Regressor that fine-tunes a pipeline of unsupervised features as one network.

    `fit` first fits the steps of the pipeline one after another, without targets, and its last
    step, a linear regressor, on their features. It then trains the encoders of the models and the
    regressor together, by back-propagation of the squared error. The error of each output is
    divided by the variance of its targets, so that learning does not depend on their unit. The data
    pass through the pipeline in batches, so that intermediate features of all samples are never in
    memory at once.

    Parameters
    ----------
    estimator : Pipeline
        Pipeline of transformers and a last step. `AutoEncoder`, `PSD`, `ConvPSD`, `GroupSparsePSD`,
        `LISTAEncoder` and `RBM` are trained with y. All steps after the first of them must be
        differentiable: other models, layers, or linear maps such as `StandardScaler` and `PCA`,
        which are not trained. The `memory` of the pipeline caches each fitted stage and its output
        on disk. The last step is a linear regressor.
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
        Fraction of the samples that is held out for early stopping.
    n_iter_no_change : int, default=10
        Number of passes without progress after which training stops. An increase of R^2 on the
        held-out samples is progress.
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
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean squared error per sample in each pass, divided by the variance of the targets of the
        training samples and averaged over the outputs.
    r2_curve_ : ndarray of shape (n_iter_,)
        R^2 on the training samples during each pass, averaged over the outputs.
    validation_curve_ : ndarray of shape (n_iter_ + 1,)
        Mean squared error of the held-out samples before the first pass and after each pass, in the
        same unit as `objective_curve_`. Empty if no samples are held out.
    validation_r2_curve_ : ndarray of shape (n_iter_ + 1,)
        R^2 on the held-out samples before the first pass and after each pass. The parameters with
        the highest R^2 are kept.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of training with targets to the end of each pass.
    n_features_in_ : int
        Number of features that the first step saw during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of these features, if X has names that are all strings.

    See Also
    --------
    FineTunedClassifier : Trains a pipeline for classification.
    make_feature_hierarchy : Creates common pipelines of several stages.

    References
    ----------
    G. E. Hinton, R. R. Salakhutdinov (2006). Reducing the dimensionality of data with neural
    networks.
    R. R. Salakhutdinov, G. E. Hinton (2008). Using deep belief nets to learn covariance kernels for
    Gaussian processes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_ebm import PSD, FineTunedRegressor, Rectifier
    >>> X, y = load_digits(return_X_y=True)
    >>> psd = PSD(32, alpha=0.5, tol=1e-2, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), psd, Rectifier("split"), Ridge())
    >>> regressor = FineTunedRegressor(pipeline, max_iter=10, random_state=0)
    >>> bool(regressor.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.7)
    True
    """

    _head_kind = REGRESSOR
    _score_name = "r2"

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
        """Fit the pipeline step by step, then train it with targets.

        Parameters
        ----------
        X : array-like with n_samples rows
            Input of the first step of the pipeline: rows, images or a data frame. Dask arrays are
            read one chunk at a time; the steps are first fitted on some of their samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets. NaN is refused: pass samples without targets as `unsupervised_X`.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples in the loss of the regressor and in the squared error, scaled to
            a mean of one. Samples of weight zero are ignored. Learning without targets gives all
            samples equal weights.
        unsupervised_X : array-like or None, default=None
            Additional samples without targets, of the same kind as X. The steps before the
            regressor learn from them as well.

        Returns
        -------
        FineTunedRegressor
            The regressor itself. If Ctrl-C interrupts the training with targets, the regressor
            remains usable, with the best parameters so far.

        Raises
        ------
        ValueError
            If the pipeline does not end with a linear regressor, or a step that cannot be
            differentiated follows a trained one; if parameters of the steps are invalid or their
            shapes do not match; if targets are missing or not finite; or if `unsupervised_X` and X
            differ in shape.
        OSError
            If the output of a stage does not fit on the disk.
        """
        with refusable(self) as attempt:
            return LabelLearning(self, attempt).fit(X, y, sample_weight, unsupervised_X)

    def _read_targets(self, X, y, sample_weight):
        """Return checked targets and weights."""
        is_several = get_tags(self.estimator).target_tags.multi_output
        return check_targets(self, X, y, sample_weight, is_several)

    def predict(self, X: MatrixLike) -> Array:
        """Predict the targets of the samples.

        Parameters
        ----------
        X : array-like with n_samples rows
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions of the last step of the pipeline.
        """
        return self._of_features(lambda regressor, features: regressor.predict(features), X)
