"""Auto-encoders."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal, Self

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state

from sklearn_ebm._sklearn import (
    Interval,
    StrOptions,
    _fit_context,
    available_if,
    with_callbacks,
)
from sklearn_ebm._typing import (
    Activation,
    Array,
    ArrayLike,
    Backend,
    BatchSize,
    LearningRate,
    MatrixLike,
    PenaltyLike,
    RandomState,
)
from sklearn_ebm.backends import BACKENDS, array_namespace, read_only, resolve_backend
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._auto_encoder_parts import (
    ATTRIBUTES,
    METHODS,
    checked_noise,
    checked_regularizer,
    energy_from,
    extremes_of,
    first_energy,
    fitted_attributes,
    published,
    require_deterministic,
    require_range,
    warn_of_scale,
)
from sklearn_ebm.estimators._gradient_learning import (
    fit_in_passes,
    fit_once,
    is_stochastic,
    require_same,
    trainer_for,
)
from sklearn_ebm.estimators._network_forms import AutoEncoderNetwork
from sklearn_ebm.factors import OUTPUTS, PENALTY
from sklearn_ebm.factors.energies._reconstruction import ACTIVATIONS
from sklearn_ebm.inputs._adapters import Rows
from sklearn_ebm.inputs._checks import check_codes, check_magnitude
from sklearn_ebm.layers._state import Stateful
from sklearn_ebm.learning._batch_sizes import BATCH_SIZE_CONSTRAINTS
from sklearn_ebm.learning._distributed import samples_of
from sklearn_ebm.learning._limited_memory import ALL_OPTIMIZERS
from sklearn_ebm.learning._progress import MAX_TIME
from sklearn_ebm.learning._rates import LEARNING_RATE, learning_rate_schedule
from sklearn_ebm.learning._samples import Samples
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import NOISES, Reconstruction

AUTOMATIC_RATE = 1e-3
PIECE_ROWS = 512  # number of samples that are reconstructed at once


class AutoEncoder(
    Stateful,
    ClassNamePrefixFeaturesOutMixin,
    CallbackSupportMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Auto-encoder with a regulariser, which reconstructs samples that resemble the training data.

    The energy of a sample is the loss of its reconstruction::

        E(x) = loss(x, o(f(x) V + c)),    f(x) = s(x W + b)

    Without a regulariser, it may be low for all samples. Training minimises the mean of::

        loss(x, o(f(x') V + c)) + alpha R(x)

    ==============  ==============================================================================
    `regularizer`   what prevents the auto-encoder from learning the identity function
    ==============  ==============================================================================
    "denoising"     x' is a corrupted sample, new in each pass, and R = 0 [1]_. Reconstructions
                    move corrupted samples towards the data.
    "contractive"   R = ||df/dx||^2 = sum_j s'(u_j)^2 ||w_j||^2 with u = x W + b: the code hardly
                    changes if the sample changes a little [2]_.
    "saturating"    R = sum_j d(u_j), the distance of u_j from the closest point where s' is zero
                    [3]_: away from the data, units are saturated, and reconstructions are
                    constant.
    "sparse"        R is a penalty on the code, with sqrt(z^2 + 1e-5) in place of abs(z), and
                    likewise for norms of groups. With linear activation and tied weights, the
                    filters have unit norm, and the model is reconstruction ICA [4]_.
    ==============  ==============================================================================

    Except for "denoising", the rows of V have a norm of at most 1 if weights are not tied.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    regularizer : {"denoising", "contractive", "saturating", "sparse"}, default="denoising"
        Method that prevents the auto-encoder from learning the identity function. "saturating"
        requires an activation that is constant in an interval: "relu", "saturated_linear" or
        "shrinkage".
    alpha : float, default=0.01
        Weight of the term R, which is not used by "denoising".
    penalty : {"l1"} or Penalty, default="l1"
        Penalty on the codes for the regulariser "sparse": "l1" for ||z||_1, an `L1Penalty` for
        weights of components, a `GroupPenalty` for the norms of groups of components, also on a
        map, or any penalty with the methods `value`, `prox` and `gradient` (see
        :ref:`add_a_penalty`).
    noise : {"masking", "salt_and_pepper", "gaussian"}, default="masking"
        Corruption of the samples by the regulariser "denoising". "masking" sets values to zero,
        "salt_and_pepper" sets values to the smallest or largest value of X, and "gaussian" adds
        Gaussian noise.
    noise_level : float, default=0.25
        Fraction of the values that "masking" and "salt_and_pepper" replace, at most 1; or standard
        deviation of the "gaussian" noise, in units of X.
    activation : {"sigmoid", "tanh", "relu", "saturated_linear", "shrinkage", "linear"}, \
            default="sigmoid"
        Activation function s of the hidden units. "tanh" multiplies the output of each unit by a
        trained gain; "relu" is max(u, 0); "saturated_linear" is u clipped to the interval from 0 to
        1; "shrinkage" is soft thresholding with trained thresholds; "linear" is u.
    loss : {"auto", "squared_error", "cross_entropy"}, default="auto"
        Criterion that training minimises. "squared_error" is 1/2 ||x - r||^2 with the linear output
        r = f(x) V + c. "cross_entropy" requires values between 0 and 1; r is then the logistic
        function of that output. "auto" is "cross_entropy" if all values of the first training data
        are between 0 and 1, and "squared_error" otherwise.
    tied_weights : bool, default=True
        Whether the decoder uses the transposed weights of the encoder, V = W'. If False, V is
        trained separately.
    optimizer : {"adam", "sgd", "lbfgs"}, default="adam"
        Optimizer that trains the network: Adam, or stochastic gradient descent with momentum.
        "lbfgs" makes one step of L-BFGS in each pass, with all samples in memory, and the objective
        never increases. It ignores `learning_rate` and `batch_size`, and requires an objective
        without noise and weight decay. There is no `partial_fit` with it.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. `partial_fit` uses the initial
        rate. "auto" is 1e-3.
    weight_decay : float, default=0.0
        Weight decay, independent of the gradient: each step multiplies the weights by
        1 - rate * weight_decay. Thresholds and biases do not decay.
    max_iter : int, default=20
        Maximum number of passes over X.
    tol : float, default=1e-3
        Tolerance of the stopping criterion: learning stops when the mean objective of five passes
        differs from that of the five passes before by at most this share. With 0, all `max_iter`
        passes are made. L-BFGS also stops if no step decreases the objective.
    max_time : float or None, default=None
        Maximum duration of learning, in seconds. When it is reached, `fit` completes the current
        training step and stops, without a warning; a pass that ends early counts in `n_iter_` and
        the curves. None sets no limit. `partial_fit` ignores the limit.
    batch_size : int or "auto", default="auto"
        Number of samples per training step. "auto" is 1 % of the samples, but at least 10 and at
        most 100, so that training makes enough steps on small data sets. `partial_fit` uses 100.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial weights, the order of the samples and the noise.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Filters of the encoder, the transpose of W.
    intercept_hidden_ : ndarray of shape (n_components,)
        Biases b of the hidden units.
    intercept_visible_ : ndarray of shape (n_features,)
        Biases c of the output.
    gain_ : ndarray of shape (n_components,)
        Gain of each hidden unit. Only available if `activation="tanh"`.
    threshold_ : ndarray of shape (n_components,)
        Threshold of each hidden unit. Only available if `activation="shrinkage"`.
    decoder_components_ : ndarray of shape (n_components, n_features)
        Weights V of the decoder. Only available if `tied_weights=False`.
    loss_ : {"squared_error", "cross_entropy"}
        Loss that was used: the choice of "auto", or `loss`.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean loss per sample in each pass, for reconstructions of corrupted samples, plus alpha R.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    RBM : Density model with the same kind of features.
    PSD : Sparse coding with an encoder.
    FineTunedClassifier : Classifier that trains the encoder further with labels.

    References
    ----------
    .. [1] P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol, "Stacked denoising
           autoencoders: learning useful representations in a deep network with a local denoising
           criterion", JMLR 11, 2010.
    .. [2] S. Rifai, P. Vincent, X. Muller, X. Glorot, Y. Bengio, "Contractive auto-encoders:
           explicit invariance during feature extraction", ICML 2011.
    .. [3] R. Goroshin, Y. LeCun, "Saturating auto-encoders", ICLR 2013.
    .. [4] Q. V. Le, A. Karpenko, J. Ngiam, A. Y. Ng, "ICA with reconstruction cost for efficient
           overcomplete feature learning", NIPS 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import AutoEncoder
    >>> X = load_digits().data / 16
    >>> model = AutoEncoder(64, learning_rate=1e-2, random_state=0).fit(X)
    >>> seen = X * (np.random.default_rng(0).random(X.shape) > 0.25)
    >>> restored = model.inverse_transform(model.transform(seen))
    >>> bool(np.sum((restored - X) ** 2) < np.sum((seen - X) ** 2) / 2)
    True
    """

    _model_attributes = (*ATTRIBUTES.values(), "loss_")
    _specifications = ("penalty",)
    _needs_fit = ("n_components", "activation", "loss", "tied_weights")

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "regularizer": [StrOptions({*METHODS})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "penalty": PENALTY,
        "noise": [StrOptions(set(NOISES))],
        "noise_level": [Interval(Real, 0, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "loss": [StrOptions({"auto", *OUTPUTS})],
        "tied_weights": ["boolean"],
        "optimizer": [StrOptions({*ALL_OPTIMIZERS})],
        "learning_rate": LEARNING_RATE,
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_time": MAX_TIME,
        "batch_size": BATCH_SIZE_CONSTRAINTS,
        "backend": [StrOptions({"auto", *BACKENDS})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components: int = 256,
        *,
        regularizer: Literal["denoising", "contractive", "saturating", "sparse"] = "denoising",
        alpha: float = 0.01,
        penalty: PenaltyLike = "l1",
        noise: Literal["masking", "gaussian", "salt_and_pepper"] = "masking",
        noise_level: float = 0.25,
        activation: Activation = "sigmoid",
        loss: Literal["auto", "cross_entropy", "squared_error"] = "auto",
        tied_weights: bool = True,
        optimizer: Literal["adam", "sgd", "lbfgs"] = "adam",
        learning_rate: LearningRate = "auto",
        weight_decay: float = 0.0,
        max_iter: int = 20,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: BatchSize = "auto",
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.regularizer = regularizer
        self.alpha = alpha
        self.penalty = penalty
        self.noise = noise
        self.noise_level = noise_level
        self.activation = activation
        self.loss = loss
        self.tied_weights = tied_weights
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_iter = max_iter
        self.tol = tol
        self.max_time = max_time
        self.batch_size = batch_size
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # ------------------------------------------------------------------------------------ learning
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from X in passes over shuffled batches.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, ideally between 0 and 1 or of unit variance. Memory maps are read one batch at
            a time, and Dask arrays one chunk at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample in the objective.

        Returns
        -------
        AutoEncoder
            The estimator itself. If Ctrl-C interrupts the fit (KeyboardInterrupt), the estimator
            remains usable, as it was after the last complete batch.
        """
        fit_in_passes(self, X, sample_weight)
        return self

    @available_if(is_stochastic)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn from one more chunk of data, in one pass.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample in the objective.

        Returns
        -------
        AutoEncoder
            The model after one step for each batch of X.
        """
        fit_once(self, X, sample_weight)
        return self

    def _begin(self, trainer, data, weight, random_state, attempt, is_whole):
        """Return a trainer with the current parameters, and its samples."""
        extremes = extremes_of(data, weight)
        schedule = learning_rate_schedule(self.learning_rate, AUTOMATIC_RATE)
        noise = checked_noise(self, extremes, data.X.dtype)
        require_deterministic(self)
        if trainer is None:
            energy = first_energy(self, data.X, extremes, random_state)
            warn_of_scale(energy.output, data.X, weight)
            criterion, stream = Reconstruction(energy), Stream(random_state)
        else:
            require_same(self)
            criterion, stream = trainer.criterion, trainer.stream
        require_range(criterion.energy.output, extremes, data.X.dtype)
        regularizer = checked_regularizer(self, criterion.energy)
        decay = float(self.weight_decay)
        criterion.follow(schedule, data.backend.name, noise, self.optimizer, decay, regularizer)
        trainer = trainer_for(criterion, stream, trainer)
        attempt.begin(trainer)
        self._keep(trainer)
        return trainer, samples_of(data, weight, Samples(None, dtype=trainer.dtype))

    # ----------------------------------------------------------------------------------- inference
    def transform(self, X: MatrixLike) -> Array:
        """Compute the activations f(x) of the hidden units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples. No noise is added.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Activations, in the dtype of X.
        """
        self._ready()
        data = Rows().read(self, X)
        energy = self._state.parts.astype(data.X.dtype).on(data.backend)
        return energy.encoder.forward(data.X)

    def inverse_transform(self, X: MatrixLike) -> Array:
        """Reconstruct samples from the activations of hidden units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Activations as returned by `transform`.

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
        backend = resolve_backend(self.backend, self.components_)
        code = backend.to_device(code)
        return self._state.parts.astype(code.dtype).on(backend).reconstruct(code)

    def energy(self, X: MatrixLike) -> Array:
        """Compute the reconstruction loss of each sample, which is low near the training data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples. No noise is added.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies, in squared units of X, or in nats if the loss is the cross-entropy.
        """
        self._ready()
        data = Rows().read(self, X)
        energy = self._state.parts.astype(data.X.dtype).on(data.backend)
        result = array_namespace(data.X).empty(data.X.shape[0], dtype=data.X.dtype)

        def work(first, last):
            result[first:last] = energy.value(data.X[first:last])

        data.backend.map_pieces(work, data.X.shape[0], PIECE_ROWS)
        return result

    def score_samples(self, X: MatrixLike) -> Array:
        """Return the negative energy of each sample.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Negative energies. Higher is better.
        """
        return -self.energy(X)

    def score(self, X: MatrixLike, y: object = None) -> float:
        """Return the mean negative energy of the samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.

        Returns
        -------
        float
            Mean of `score_samples`. Higher is better. Only scores of models with the same loss are
            comparable.
        """
        return float(self.score_samples(X).mean())

    # --------------------------------------------------------------------------- fitted attributes
    def _take_over(self, state, replaced):
        if state.parts is not None and not replaced and not state.is_open:
            return state.parts
        energy = energy_from(self, state)
        arrays = published(energy)
        vars(self).update({name: read_only(value) for name, value in arrays.items()})
        return energy

    def _new_learner(self, learner, replaced):
        energy = self._state.parts.copy()
        if learner is None:
            stream = Stream(check_random_state(self.random_state))
            return Trainer(Reconstruction(energy), stream)
        learner.criterion.replace_energy(energy)
        return learner

    def _has_anyway(self, name, value):
        if name == "loss":
            return value == self.loss_
        return name == "n_components" and value == self.components_.shape[0]

    def _keep(self, trainer):
        """Set the fitted attributes from the state of learning."""
        for name in self._model_attributes:
            vars(self).pop(name, None)  # the last fit may have set others
        vars(self).update(fitted_attributes(self, trainer))

    def _snapshot(self):
        """Return fitted attributes, for callbacks that need a usable model during `fit`."""
        return {"n_features_in_": self.n_features_in_, **fitted_attributes(self, self._learner)}

    @property
    def _n_features_out(self):
        self._ready()
        return self.components_.shape[0]

    def __sklearn_is_fitted__(self):
        """Return whether the model has filters; validation alone sets other attributes."""
        return hasattr(self, "components_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # ------------------------------------------------------------------------------- with labels
    def _as_network(self):
        """Return the features as modules of a network."""
        return AutoEncoderNetwork(self)
