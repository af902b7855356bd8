"""Auto-encoders."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context, with_callbacks
from sklearn_ebm._typing import (
    Activation,
    Array,
    ArrayLike,
    Backend,
    BatchSize,
    LearningRate,
    MatrixLike,
    RandomState,
)
from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import BACKENDS, array_namespace, read_only, resolve_backend
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._network_forms import AutoEncoderNetwork
from sklearn_ebm.factors import OUTPUTS, ReconstructionEnergy
from sklearn_ebm.factors.energies._reconstruction import ACTIVATIONS, random_values
from sklearn_ebm.inputs._adapters import Rows
from sklearn_ebm.inputs._checks import check_codes, check_magnitude, check_weight, require_magnitude
from sklearn_ebm.inputs._sizes import data_size
from sklearn_ebm.inputs._weights import weights_in_type_of
from sklearn_ebm.layers._state import Stateful, refusable
from sklearn_ebm.learning._batch_sizes import BATCH_SIZE_CONSTRAINTS, GRADIENT_BATCHES
from sklearn_ebm.learning._divergence import warn_of_divergence
from sklearn_ebm.learning._optimizers import OPTIMIZERS
from sklearn_ebm.learning._policies import RelativeChange, undoing_divergence
from sklearn_ebm.learning._progress import MAX_TIME
from sklearn_ebm.learning._rates import LEARNING_RATE, learning_rate_schedule
from sklearn_ebm.learning._samples import Samples
from sklearn_ebm.learning._trainer import Plan, Trainer
from sklearn_ebm.learning.criteria import NOISES, Noise, Reconstruction

AUTOMATIC_RATE = 1e-3
LARGEST_SIZE = 5.0  # root mean square of X above which a warning is issued
PIECE_ROWS = 512  # number of samples that are reconstructed at once
ATTRIBUTES = {  # parameters of the energy; filters are columns of the weights
    "weights": "components_",
    "bias": "intercept_hidden_",
    "output_bias": "intercept_visible_",
    "gain": "gain_",
    "dictionary": "decoder_components_",
}


class AutoEncoder(
    Stateful,
    ClassNamePrefixFeaturesOutMixin,
    CallbackSupportMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Denoising auto-encoder, which learns to reconstruct samples from corrupted ones.

    The energy of a sample is the loss of its reconstruction::

        E(x) = loss(x, o(f(x) V + c)),    f(x) = s(x W + b)

    In training, the samples are corrupted anew in each pass, and the network minimises the loss
    between the reconstruction of the corrupted sample and the original sample [1]_. Reconstructions
    therefore move corrupted samples towards the data.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    regularizer : {"denoising"}, default="denoising"
        Method that prevents the auto-encoder from learning the identity function.
    noise : {"masking", "salt_and_pepper", "gaussian"}, default="masking"
        Corruption of the samples in training. "masking" sets values to zero, "salt_and_pepper" sets
        values to the smallest or largest value of X, and "gaussian" adds Gaussian noise.
    noise_level : float, default=0.25
        Fraction of the values that "masking" and "salt_and_pepper" replace, at most 1; or standard
        deviation of the "gaussian" noise, in units of X.
    activation : {"sigmoid", "tanh"}, default="sigmoid"
        Activation function s of the hidden units. "tanh" multiplies the output of each unit by a
        trained gain.
    loss : {"auto", "squared_error", "cross_entropy"}, default="auto"
        Criterion that training minimises. "squared_error" is 1/2 ||x - r||^2 with the linear output
        r = f(x) V + c. "cross_entropy" requires values between 0 and 1; r is then the logistic
        function of that output. "auto" is "cross_entropy" if all values of the first training data
        are between 0 and 1, and "squared_error" otherwise.
    tied_weights : bool, default=True
        Whether the decoder uses the transposed weights of the encoder, V = W'. If False, V is
        trained separately.
    optimizer : {"adam", "sgd"}, default="adam"
        Optimizer that trains the network: Adam, or stochastic gradient descent with momentum.
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
        Tolerance of the stopping criterion: learning stops when the relative change of the mean
        energy between two passes is at most this value. With 0, all `max_iter` passes are made.
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
    decoder_components_ : ndarray of shape (n_components, n_features)
        Weights V of the decoder. Only available if `tied_weights=False`.
    loss_ : {"squared_error", "cross_entropy"}
        Loss that was used: the choice of "auto", or `loss`.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean loss per sample in each pass, for reconstructions of corrupted samples.
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
    _needs_fit = ("n_components", "activation", "loss", "tied_weights")

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "regularizer": [StrOptions({"denoising"})],
        "noise": [StrOptions(set(NOISES))],
        "noise_level": [Interval(Real, 0, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "loss": [StrOptions({"auto", *OUTPUTS})],
        "tied_weights": ["boolean"],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
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
        regularizer: Literal["denoising"] = "denoising",
        noise: Literal["masking", "gaussian", "salt_and_pepper"] = "masking",
        noise_level: float = 0.25,
        activation: Activation = "sigmoid",
        loss: Literal["auto", "cross_entropy", "squared_error"] = "auto",
        tied_weights: bool = True,
        optimizer: Literal["adam", "sgd"] = "adam",
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
            a time.
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
        with refusable(self) as attempt:
            goes_on = self.warm_start and self.__sklearn_is_fitted__()
            trainer, data, weight = _read(self, X, sample_weight, goes_on)
            context = self._init_callback_context(max_subtasks=int(self.max_iter))
            context.call_on_fit_task_begin(estimator=self, X=data.X)
            random_state = check_random_state(self.random_state)
            trainer, samples = self._begin(trainer, data, weight, random_state, attempt)
            trainer.begin()
            batch_size = GRADIENT_BATCHES.of_pass(self.batch_size, data.X.shape[0])
            plan = Plan(int(self.max_iter), batch_size, random_state, self.max_time)
            policies = [*undoing_divergence(), RelativeChange(float(self.tol))]
            try:
                outcome = trainer.run(samples, policies, plan, self, context)
            finally:
                self._keep(trainer)
            warn_of_divergence(outcome, self)
            context.call_on_fit_task_end(
                estimator=self, X=data.X, reconstruction_attributes=self._snapshot
            )
        return self

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
        with refusable(self) as attempt:
            trainer, data, weight = _read(self, X, sample_weight, self.__sklearn_is_fitted__())
            random_state = check_random_state(self.random_state)
            trainer, samples = self._begin(trainer, data, weight, random_state, attempt)
            try:
                batch_size = GRADIENT_BATCHES.of_chunk(self.batch_size)
                outcome = trainer.run_once(samples, undoing_divergence(), batch_size)
            finally:
                self._keep(trainer)
            warn_of_divergence(outcome, self)
        return self

    def _begin(self, trainer, data, weight, random_state, attempt):
        """Return a trainer with the current parameters, and its samples."""
        extremes = _extremes(data.X, weight)
        schedule = learning_rate_schedule(self.learning_rate, AUTOMATIC_RATE)
        noise = _checked_noise(self, extremes, data.X.dtype)
        if trainer is None:
            energy = _first_energy(self, data.X, extremes, random_state)
            _warn_of_scale(energy.output, data.X, weight)
            trainer = Trainer(Reconstruction(energy), Stream(random_state))
        else:
            _require_same(self)
        _require_range(trainer.criterion.energy.output, extremes, data.X.dtype)
        trainer.criterion.follow(
            schedule, data.backend.name, noise, self.optimizer, float(self.weight_decay)
        )
        attempt.begin(trainer)
        self._keep(trainer)
        return trainer, Samples(data.X, weight=weight, dtype=trainer.dtype)

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
        energy = _energy_from(self, state)
        published = _published(energy)
        vars(self).update({name: read_only(value) for name, value in published.items()})
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
        vars(self).update(_fitted_attributes(self, trainer))

    def _snapshot(self):
        """Return fitted attributes, for callbacks that need a usable model during `fit`."""
        return {"n_features_in_": self.n_features_in_, **_fitted_attributes(self, self._learner)}

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


# ------------------------------------------------------------------------------------------ inputs
def _read(model, X, sample_weight, goes_on):
    """Return the last trainer or None, the data of this call, and the weights or None."""
    trainer = model._learner_to_go_on() if goes_on else None
    dtype = None if trainer is None else trainer.dtype
    data = Rows().read(model, X, reset=trainer is None, degree=4, dtype=dtype)
    weight, _ = weights_in_type_of(data.X, sample_weight)
    return trainer, data, weight


def _extremes(X, weight):
    """Return the smallest and the largest value of the samples with a non-zero weight."""
    seen = X if weight is None or bool((weight > 0).all()) else X[weight > 0]
    return float(seen.min()), float(seen.max())


def _is_between_zero_and_one(extremes, dtype):
    """Return whether values are between 0 and 1, up to rounding errors of a scaler."""
    rounding = 4 * float(np.finfo(dtype).eps)
    return extremes[0] >= -rounding and extremes[1] <= 1 + rounding


def _require_range(output, extremes, dtype):
    if output.is_bounded and not _is_between_zero_and_one(extremes, dtype):
        raise ValueError(
            "X must contain values between 0 and 1 with loss='cross_entropy', got values from "
            f"{extremes[0]:.4g} to {extremes[1]:.4g}. Scale X, for instance with MinMaxScaler, or "
            "fit with loss='squared_error'."
        )


def _warn_of_scale(output, X, weight):
    """Warn of samples that are so large that the first steps hardly change the reconstructions."""
    if output.is_bounded:
        return
    size = data_size(X, weight, slice(None), 1.0)
    if size > LARGEST_SIZE:
        warn(
            f"X has a root mean square of {size:.3g}, but AutoEncoder expects features of unit "
            "variance or between 0 and 1. Scale X, for instance with StandardScaler.",
            UserWarning,
        )


def _checked_noise(model, extremes, dtype):
    level = float(model.noise_level)
    if model.noise != "gaussian" and level > 1:
        raise ValueError(f"noise_level must be at most 1 with noise={model.noise!r}, got {level}.")
    if level:
        check_weight(level, dtype, "noise_level")
    return Noise(model.noise, level, extremes)


def _require_same(model):
    """Refuse changes of parameters that learning cannot continue with."""
    change = model._change_since_fit(model._needs_fit, model._last_state.fitted_with)
    if change:
        raise ValueError(f"{change} Set warm_start=False to fit a new model.")


# ------------------------------------------------------------------------------------ the energy
def _first_energy(model, X, extremes, random_state):
    """Return the initial energy, in the dtype and on the device of X."""
    loss = model.loss
    if loss == "auto":
        is_bounded = _is_between_zero_and_one(extremes, X.dtype)
        loss = "cross_entropy" if is_bounded else "squared_error"
    shape = X.shape[1], int(model.n_components)
    values = random_values(shape, model.activation, bool(model.tied_weights), random_state)
    xp = array_namespace(X)
    values = {name: xp.asarray(value, dtype=X.dtype) for name, value in values.items()}
    return ReconstructionEnergy.of(values, model.activation, loss)


def _energy_from(model, state):
    """Return the energy of the fitted attributes, which the user may have replaced."""
    values = {}
    for name, attribute in ATTRIBUTES.items():
        if attribute in vars(model):
            value = model._checked_attribute(attribute, state)
            require_magnitude(value, attribute)
            values[name] = value.T if name == "weights" else value
    activation = state.fitted_with.get("activation", model.activation)
    if not (isinstance(model.loss_, str) and model.loss_ in OUTPUTS):
        raise ValueError(f"loss_ must be one of {[*OUTPUTS]}, got {model.loss_!r}.")
    return ReconstructionEnergy.of(values, activation, model.loss_)


def _published(energy):
    """Return the fitted attributes that define the model, by name."""
    return {
        ATTRIBUTES[name]: value.T if name == "weights" else value
        for name, value in energy.parameters.items()
    }


def _fitted_attributes(model, trainer):
    """Return the fitted attributes by name, from the state of learning."""
    energy, curves = trainer.criterion.energy.copy(), trainer.curves
    (loss,) = (name for name, kind in OUTPUTS.items() if type(energy.output) is kind)
    attributes = {
        **_published(energy),
        "loss_": loss,
        **curves.attributes("objective", "seconds"),
    }
    return model._left(trainer, attributes, energy)
