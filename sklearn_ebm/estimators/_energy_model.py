"""Energies of samples, learned without hidden variables."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal, Self

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sklearn_ebm._sklearn import (
    Interval,
    StrOptions,
    _fit_context,
    available_if,
    with_callbacks,
)
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    BatchSize,
    LearningRate,
    MatrixLike,
    RandomState,
)
from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import BACKENDS
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._energy_model_losses import LOSSES
from sklearn_ebm.estimators._energy_model_parts import (
    ATTRIBUTE_NAMES,
    ENERGY_FUNCTION,
    copied_energy,
    drawn_samples,
    energy_from,
    fitted_attributes,
    for_each_piece,
    goodness,
    has_density,
    log_partition_of,
    trainer_with,
)
from sklearn_ebm.estimators._gradient_learning import (
    fit_in_passes,
    fit_once,
    is_stochastic,
    trainer_for,
)
from sklearn_ebm.layers._state import Stateful
from sklearn_ebm.learning._batch_sizes import BATCH_SIZE_CONSTRAINTS
from sklearn_ebm.learning._distributed import samples_of
from sklearn_ebm.learning._limited_memory import ALL_OPTIMIZERS
from sklearn_ebm.learning._progress import MAX_TIME
from sklearn_ebm.learning._rates import LEARNING_RATE, learning_rate_schedule
from sklearn_ebm.learning._samples import Samples
from sklearn_ebm.learning.criteria import Shaping
from sklearn_ebm.protocols import require

AUTOMATIC_RATE = 3e-2


class EnergyModel(
    Stateful,
    ClassNamePrefixFeaturesOutMixin,
    CallbackSupportMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Energy of samples without hidden variables, trained by one of nine losses.

    The model is a density p(x) = exp(-E(x)) / Z whose normalising constant Z is mostly unknown. The
    parameter `energy_function` selects E, and `loss` how it is made low on the training data and
    higher elsewhere, mostly without Z.

    With the responses s = x W + b of linear filters, pooled squares u = (s * s) P' if there are
    groups, and trained positive strengths a, the energies are:

    =================  =========================================================================
    `energy_function`  E(x)
    =================  =========================================================================
    "student_t"        sum_j a_j log(1 + s_j^2 / 2), a product of Student-t experts [1]_; with
                       groups, log(1 + u / 2)
    "l2"               sum_j a_j sqrt(s_j^2 + eps); with groups, the subspace model of ICA
    "logcosh"          sum_j a_j log cosh s_j, as in independent component analysis
    "softplus"         q / 2 ||x - m||^2 + sum_j a_j log(1 + exp(s_j)), with strengths of any sign,
                       which fits energies of any shape
    "gaussian"         1/2 x Q x' - b.x
    "ising"            -1/2 x J x' - b.x of zeros and ones
    "rbm"              -b.x - sum_j log(1 + exp(s_j)) of zeros and ones, the free energy of a
                       restricted Boltzmann machine
    =================  =========================================================================

    The losses are means over the data:

    ===========================  ===============================================================
    `loss`                       term of a sample
    ===========================  ===============================================================
    "maximum_likelihood"         E(x) + log Z; only if Z is known: for "gaussian", for as many
                                 experts as features (ICA), and for at most 20 binary features
    "score_matching"             1/2 ||grad E(x)||^2 - laplacian E(x) [2]_
    "denoising_score_matching"   1/2 ||grad E(y) - (y - x) / s^2||^2, y = x + s noise [3]_
    "ratio_matching"             sum_i sigm(E(x) - E(x^i))^2; x^i is x with bit i flipped [4]_
    "minimum_probability_flow"   sum_i exp((E(x) - E(x^i)) / 2) [5]_
    "pseudo_likelihood"          sum_i log(1 + exp(E(x) - E(x^i)))
    "noise_contrastive"          log-loss of telling samples from noise of a known density [6]_
    "cd", "pcd"                  E(x) minus the mean energy of samples that Markov chains draw:
                                 chains that start at the data, or that continue from one training
                                 step to the next
    ===========================  ===============================================================

    Parameters
    ----------
    n_components : int or None, default=None
        Number of filters. None means the number of features. It is ignored by "gaussian" and
        "ising", which have no filters.
        "cd", "pcd", "noise_contrastive" and `sample` require as many as features, or the term q.
    energy_function : {"student_t", "l2", "logcosh", "softplus", "gaussian", "ising", "rbm"}, \
            ExpertEnergy or energy, default="student_t"
        The energy of a sample: a name, an :class:`ExpertEnergy` for pooled responses, or an object
        of your own (see :ref:`own_energies`), which is copied.
    loss : {"auto", "maximum_likelihood", "score_matching", "denoising_score_matching", \
            "ratio_matching", "minimum_probability_flow", "pseudo_likelihood", \
            "noise_contrastive", "cd", "pcd"}, default="auto"
        Criterion that training minimises. "auto" is "score_matching" for real numbers and
        "minimum_probability_flow" for zeros and ones, if the energy can serve them.
    noise_level : float, default=0.1
        Standard deviation of the noise of "denoising_score_matching", in units of X.
    noise_ratio : int, default=5
        Number of noise samples per sample for "noise_contrastive". The noise is Gaussian with the
        mean and the covariance of X, or has independent bits with the rates of X.
    sampler : {"hmc", "langevin"}, default="hmc"
        Sampler of real numbers: Hamiltonian Monte Carlo, or Langevin steps, which are Hamiltonian
        paths of a single step. Bits are sampled by flips.
    n_sampling_steps : int, default=1
        Number of steps of the chains for each training step with "cd" and "pcd".
    n_leapfrog_steps : int, default=10
        Number of leapfrog steps of a Hamiltonian path.
    step_size : float or "auto", default="auto"
        Initial size of a leapfrog step, which is adapted such that about 80 % of the moves are
        accepted. "auto" starts with half the standard deviation of X over n_features^(1/4).
    n_chains : int, default=100
        Number of persistent chains of "pcd".
    optimizer : {"auto", "adam", "sgd", "lbfgs"}, default="auto"
        Optimizer of the parameters: Adam, or stochastic gradient descent with momentum. "lbfgs"
        makes one step of L-BFGS in each pass, with all samples in memory, and the objective never
        increases. It ignores `learning_rate` and `batch_size`. Losses with noise then keep the same
        noise in all passes; "cd" and "pcd" cannot use it. "auto" is "lbfgs" if the loss has no
        noise and X has at most 50,000 samples, and "adam" otherwise and in `partial_fit`.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. `partial_fit` uses the initial
        rate. "auto" is 3e-2.
    weight_decay : float, default=0.0
        Weight decay, independent of the gradient: each step multiplies the weights by
        1 - rate * weight_decay. Thresholds and biases do not decay.
    max_iter : int, default=500
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
        the initial weights, the order of the samples, the noise and the chains.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    energy_function_ : energy
        The trained energy. Its `parameters` are read-only arrays by name.
    components_ : ndarray of shape (n_components, n_features)
        Filters, the transpose of W. Only available for experts and "rbm".
    intercept_ : ndarray of shape (n_components,) or (n_features,)
        b. Only available for "softplus", "gaussian" and "ising".
    strengths_ : ndarray of shape (n_components,) or (n_groups,)
        a. Only available for experts with strengths.
    precision_ : ndarray of shape (n_features, n_features) or (1,)
        Q of "gaussian", or q of experts with this term.
    center_ : ndarray of shape (n_features,)
        m. Only available for experts with this term.
    couplings_ : ndarray of shape (n_features, n_features)
        J. Only available for "ising".
    intercept_hidden_, intercept_visible_ : ndarray
        Biases of the hidden units and of the features. Only available for "rbm".
    log_partition_ : float
        log Z. Only available if it is known exactly, or estimated by `loss="noise_contrastive"`.
    mean_ : ndarray of shape (n_features,)
        Mean of the first training data, where the chains of `sample` start.
    scale_ : ndarray of shape (n_features,)
        Standard deviation of the first training data.
    loss_ : str
        Loss that was used: the choice of "auto", or `loss`.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean loss per sample in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    RBM : Density model with hidden units that are sampled.
    AutoEncoder : Energy that is the loss of a reconstruction.
    EstimatorEnergy : Energies of scikit-learn's models.

    References
    ----------
    .. [1] M. Welling, G. Hinton, S. Osindero, "Learning sparse topographic representations with
           products of Student-t distributions", NIPS 2002.
    .. [2] A. Hyvarinen, "Estimation of non-normalized statistical models by score matching", JMLR
           6, 2005.
    .. [3] P. Vincent, "A connection between score matching and denoising autoencoders", Neural
           Computation 23, 2011.
    .. [4] A. Hyvarinen, "Some extensions of score matching", Computational Statistics & Data
           Analysis 51, 2007.
    .. [5] J. Sohl-Dickstein, P. Battaglino, M. DeWeese, "Minimum probability flow learning", ICML
           2011.
    .. [6] M. Gutmann, A. Hyvarinen, "Noise-contrastive estimation: a new estimation principle for
           unnormalized statistical models", AISTATS 2010.

    Examples
    --------
    The energies of noisy points on a circle separate them from points elsewhere.

    >>> import numpy as np
    >>> from sklearn_ebm import EnergyModel
    >>> random = np.random.default_rng(0)
    >>> angle = random.uniform(0, 2 * np.pi, 1000)
    >>> X = np.c_[np.cos(angle), np.sin(angle)] + 0.1 * random.standard_normal((1000, 2))
    >>> model = EnergyModel(
    ...     16, energy_function="softplus", optimizer="adam", max_iter=50, random_state=0
    ... ).fit(X)
    >>> inside, on, outside = model.energy([[0, 0], [1, 0], [2, 0]])
    >>> bool(on < inside and on < outside)
    True
    """

    _model_attributes = ("energy_function_", *ATTRIBUTE_NAMES)
    _needs_fit = ("n_components", "energy_function")
    _specifications = ("energy_function",)

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "energy_function": ENERGY_FUNCTION,
        "loss": [StrOptions({"auto", *LOSSES})],
        "noise_level": [Interval(Real, 0, None, closed="neither")],
        "noise_ratio": [Interval(Integral, 1, None, closed="left")],
        "sampler": [StrOptions({"hmc", "langevin"})],
        "n_sampling_steps": [Interval(Integral, 1, None, closed="left")],
        "n_leapfrog_steps": [Interval(Integral, 1, None, closed="left")],
        "step_size": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "n_chains": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions({"auto", *ALL_OPTIMIZERS})],
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
        n_components: int | None = None,
        *,
        energy_function: object = "student_t",
        loss: Literal[
            "auto",
            "cd",
            "denoising_score_matching",
            "maximum_likelihood",
            "minimum_probability_flow",
            "noise_contrastive",
            "pcd",
            "pseudo_likelihood",
            "ratio_matching",
            "score_matching",
        ] = "auto",
        noise_level: float = 0.1,
        noise_ratio: int = 5,
        sampler: Literal["hmc", "langevin"] = "hmc",
        n_sampling_steps: int = 1,
        n_leapfrog_steps: int = 10,
        step_size: Literal["auto"] | float = "auto",
        n_chains: int = 100,
        optimizer: Literal["auto", "adam", "sgd", "lbfgs"] = "auto",
        learning_rate: LearningRate = "auto",
        weight_decay: float = 0.0,
        max_iter: int = 500,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: BatchSize = "auto",
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.energy_function = energy_function
        self.loss = loss
        self.noise_level = noise_level
        self.noise_ratio = noise_ratio
        self.sampler = sampler
        self.n_sampling_steps = n_sampling_steps
        self.n_leapfrog_steps = n_leapfrog_steps
        self.step_size = step_size
        self.n_chains = n_chains
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
        """Learn from X in passes over shuffled batches, or over all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples, ideally centred and white, or zeros and ones. Memory maps are read one batch at
            a time, and Dask arrays one chunk at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample in the objective.

        Returns
        -------
        EnergyModel
            The estimator itself. If Ctrl-C interrupts the fit (KeyboardInterrupt), the estimator
            remains usable, as it was after the last complete batch.
        """
        end = fit_in_passes(self, X, sample_weight)
        if end is not None and self.tol > 0:
            warn(end.message(self), ConvergenceWarning)
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
        EnergyModel
            The model after one step for each batch of X.
        """
        fit_once(self, X, sample_weight)
        return self

    def _begin(self, trainer, data, weight, random_state, attempt, is_whole):
        """Return a trainer with the current parameters, and its samples."""
        schedule = learning_rate_schedule(self.learning_rate, AUTOMATIC_RATE)
        trainer = trainer_with(self, trainer, data, weight, random_state, schedule, is_whole)
        attempt.begin(trainer)
        self._keep(trainer)
        return trainer, samples_of(data, weight, Samples(None, dtype=trainer.dtype))

    # ----------------------------------------------------------------------------------- inference
    def energy(self, X: MatrixLike) -> Array:
        """Compute the energy E(x) of each sample, which is low where training data are dense.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies in nats, up to a constant: exp(-E(x)) / Z is the density of a sample x.
        """
        return for_each_piece(self, X, lambda energy, rows: energy.value(rows, None))

    def score_samples(self, X: MatrixLike) -> Array:
        """Return the negative energy of each sample, an unnormalised log-density.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Negative energies. Higher is better. Only scores of the same model are comparable,
            because the normalising constant differs between models (see `log_likelihood`).
        """
        return -self.energy(X)

    @available_if(has_density)
    def log_likelihood(self, X: MatrixLike) -> Array:
        """Compute the log-density of each sample, log p(x) = -E(x) - log Z.

        It is available if log Z is known, see `log_partition_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log-densities in nats.
        """
        return self.score_samples(X) - self.log_partition_

    def score(self, X: MatrixLike, y: object = None) -> float:
        """Return a mean that compares models with different energies and losses.

        Unlike in the other models, it is not the mean of `score_samples`: energies lack the
        normalising constant, which differs between models, so their mean cannot compare models.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.

        Returns
        -------
        float
            Higher is better. For real numbers, the negative mean of the objective of score
            matching, whatever the loss. For bits, the mean log-probability of a feature given the
            other features of its sample, in nats. For energies without the derivatives that these
            require, the mean of `score_samples`.
        """
        return float(for_each_piece(self, X, goodness).mean())

    def transform(self, X: MatrixLike) -> Array:
        """Compute the responses of the filters, pooled if the energy has groups.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            Responses, in the dtype of X: s for experts, the norms sqrt(u) of groups, the
            probabilities of the hidden units of "rbm", the gradients x Q - b of "gaussian", and the
            probabilities of "ising" that each bit is one given all others.

        Raises
        ------
        ValueError
            If an energy of your own has no responses.
        """
        self._ready()
        remedy = "Define it, or use the method energy."
        require(self._state.parts, "responses", "transform requires an energy", remedy)
        return for_each_piece(self, X, lambda energy, rows: energy.responses(rows))

    def sample(
        self, n_samples: int = 1, n_burn_in: int = 200, *, random_state: RandomState = None
    ) -> Array:
        """Draw samples from the model, each from a Markov chain of its own.

        Parameters
        ----------
        n_samples : int, default=1
            Number of samples. Their chains start at independent features with the means and the
            deviations of the training data.
        n_burn_in : int, default=200
            Number of steps of each chain: Hamiltonian paths, or sweeps over all bits. With 0, the
            initial states are returned. Increase it if the chains mix slowly.
        random_state : int, RandomState instance or None, default=None
            Seed or generator of the random numbers. Pass an int for reproducible results.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            States at the end of the chains.
        """
        self._ready()
        return drawn_samples(self, n_samples, n_burn_in, random_state)

    # --------------------------------------------------------------------------- fitted attributes
    def _take_over(self, state, replaced):
        if state.parts is not None and not replaced and not state.is_open:
            return state.parts
        energy, arrays = energy_from(self, state, replaced)
        vars(self).update(arrays)
        if replaced:
            vars(self).pop("_log_normalizer", None)  # it belongs to the energy that was fitted
        return energy

    def _new_learner(self, learner, replaced):
        energy = copied_energy(self._state.parts)
        if learner is None:
            base = self.mean_, self.scale_
            return trainer_for(Shaping(energy, base), Stream(check_random_state(self.random_state)))
        learner.criterion.replace_energy(energy)
        return learner

    def _has_anyway(self, name, value):
        return name == "n_components" and value == getattr(self, "components_", value).shape[0]

    def _keep(self, trainer):
        """Set the fitted attributes from the state of learning."""
        for name in (*self._model_attributes, "_log_normalizer"):
            vars(self).pop(name, None)  # the last fit may have set others
        vars(self).update(fitted_attributes(self, trainer))

    def _snapshot(self):
        """Return fitted attributes, for callbacks that need a usable model during `fit`."""
        return {"n_features_in_": self.n_features_in_, **fitted_attributes(self, self._learner)}

    @property
    def log_partition_(self) -> float:
        """The logarithm of the normalising constant Z, in nats."""
        self._ready()
        return log_partition_of(self)

    @property
    def _n_features_out(self):
        self._ready()
        return self._n_outputs

    def __sklearn_is_fitted__(self):
        """Return whether the model has an energy; validation alone sets other attributes."""
        return hasattr(self, "energy_function_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
