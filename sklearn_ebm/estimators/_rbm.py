"""Restricted Boltzmann machines."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Literal, Self

from sklearn.callback import CallbackSupportMixin

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context, with_callbacks
from sklearn_ebm._typing import ArrayLike, Backend, BatchSize, LearningRate, MatrixLike, RandomState
from sklearn_ebm.backends import BACKENDS
from sklearn_ebm.estimators._contrastive_learning import LOSSES, ContrastiveLearning
from sklearn_ebm.estimators._density import DensityModel
from sklearn_ebm.estimators._network_forms import BilinearNetwork
from sklearn_ebm.factors import UNITS
from sklearn_ebm.layers._state import refusable
from sklearn_ebm.learning._batch_sizes import BATCH_SIZE_CONSTRAINTS
from sklearn_ebm.learning._divergence import Diverged
from sklearn_ebm.learning._progress import MAX_TIME
from sklearn_ebm.learning._rates import LEARNING_RATE


class RBM(CallbackSupportMixin, DensityModel):
    """Restricted Boltzmann machine with binary hidden units.

    The energy of the visible units v and the hidden units h is::

        E(v, h) = -v W h' - b.v - c.h

    Training lowers the free energy of the data and raises the free energy of samples of the model.
    By default, the gradients are centred, so that learning does not depend on which of the two
    values of a binary feature is coded as one, and the fitted parameters are averages over the last
    steps.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    visible : {"bernoulli", "gaussian", "categorical"}, default="bernoulli"
        Distribution of the visible units. "bernoulli" is for binary features, and for values
        between 0 and 1, which are treated as probabilities. "gaussian" is for real-valued features
        of any mean and scale, whose variances are learned. "categorical" is for features with a few
        categories, such as ratings, given by the codes 0, 1, 2, ...
    n_categories : "auto", int or array-like of shape (n_features,), default="auto"
        Number of categories of each feature, if `visible="categorical"`. "auto" is the largest code
        of each feature in the first call of `fit` or `partial_fit`, plus one.
    loss : {"pcd", "cd", "fpcd", "ratio_matching", "minimum_probability_flow", \
            "pseudo_likelihood"}, default="pcd"
        Criterion that training minimises. The first three approximate the negative log-likelihood.
        "cd" is contrastive divergence, whose Markov chains start at the samples of each batch.
        "pcd" is persistent contrastive divergence, whose chains continue from one training step to
        the next. "fpcd" also uses fast weights, with which persistent chains mix faster. The other
        three compare each sample with its neighbours, in which one feature is flipped, and use no
        chains. They require zeros and ones; see the notes.
    n_gibbs_steps : int, default=1
        Number of Gibbs sampling steps of the chains in each training step. Ignored if `loss` uses
        no chains.
    n_chains : int, default=100
        Number of persistent chains of "pcd" and "fpcd". It may differ from `batch_size`. Ignored
        with any other `loss`.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. `partial_fit` uses the initial
        rate. "auto" is 0.1 for Gaussian units and for "minimum_probability_flow", 0.5 for
        "ratio_matching", and otherwise 0.2.
    momentum : float, default=0.0
        Fraction of the previous step that is added to each step.
    weight_decay : float, default=0.0
        Weight of the penalty 1/2 ||W||^2. With Gaussian units, W is measured in standard deviations
        of the features.
    sparsity_target : float or None, default=None
        Target of the mean activation of each hidden unit, between 0 and 1. None trains without a
        target.
    sparsity_cost : float, default=0.1
        Strength with which mean activations are driven to `sparsity_target`. Ignored if that is
        None.
    centered : bool, default=True
        Whether the gradients are centred by the means of the visible and hidden units. Learning
        then does not depend on which of the two values of a binary feature is coded as one.
    average : float, default=0.2
        Fraction of the steps of `fit`, counted from the end, over which the parameters are
        averaged. With 0, the fitted parameters are those after the last step.
    binarize : bool, default=False
        Whether values between 0 and 1 are replaced by random zeros and ones, with the values as
        probabilities, anew in each pass. If False, the values themselves are used. Ignored unless
        `visible="bernoulli"`.
    batch_size : int or "auto", default="auto"
        Number of samples per training step. "auto" is 1 % of the samples, but at least 10 and at
        most 100, so that training makes enough steps on small data sets. `partial_fit` uses 100.
    max_iter : int, default=20
        Maximum number of passes over X.
    tol : float, default=0.0
        Tolerance of the stopping criterion: `fit` stops when the relative change of the objective
        between two passes is at most this value. With 0, all `max_iter` passes are made. The
        objective is estimated on a few samples and fluctuates by a few percent. If `fit` stops
        before the last fraction `average` of its steps, the parameters are not averaged.
    max_time : float or None, default=None
        Maximum duration of learning, in seconds. When it is reached, `fit` completes the current
        training step and stops, without a warning; a pass that ends early counts in `n_iter_` and
        the curves. None sets no limit. `partial_fit` ignores the limit.
    validation_fraction : float, default=0.0
        Fraction of the samples that is held out of training to compute `free_energy_gap_curve_`.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. They contribute their mean over the training data to the inputs of the
        hidden units; see the notes.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial weights, the order of the samples, and all samples of units.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Weights, the transpose of W. With `visible="categorical"`, there is a column for each
        category of each feature.
    intercept_hidden_ : ndarray of shape (n_components,)
        Biases c of the hidden units.
    intercept_visible_ : ndarray of shape (n_features,)
        Biases b of the visible units. With `visible="categorical"`, there is an entry for each
        category of each feature.
    variance_ : ndarray of shape (n_features,)
        Variance s^2 of each feature given the hidden units. Only available if `visible="gaussian"`,
        where the energy is sum (v - b)^2 / (2 s^2) - (v / s^2) W h' - c.h.
    n_categories_ : ndarray of shape (n_features_in_,)
        Number of categories of each feature. Only available if `visible="categorical"`.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Objective after each pass, estimated on a few samples: the negative pseudo-log-likelihood
        per feature, in nats, or `reconstruction_curve_` if `visible="gaussian"`.
    reconstruction_curve_ : ndarray of shape (n_iter_,)
        Mean squared reconstruction error per feature after each pass, estimated on a few samples.
        With `visible="categorical"`, it is the mean over the columns of `components_`.
    free_energy_gap_curve_ : ndarray of shape (n_iter_,)
        Mean free energy of held-out samples minus the mean free energy of training samples, after
        each pass. It grows when the model overfits. Empty if `validation_fraction=0`.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    usage_ : ndarray of shape (n_components,)
        Mean activation of each hidden unit on the training data.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    AutoEncoder : Denoising auto-encoder with the same kind of features.
    PSD : Sparse coding with an encoder.

    Notes
    -----
    With `visible="bernoulli"`, X may be a sparse array on the host; one batch at a time is
    converted to a dense array. Booleans and integers of up to 16 bits are processed in single
    precision, without a copy of X. For the same `random_state`, the model does not depend on the
    number of threads, up to rounding errors.

    "ratio_matching", "minimum_probability_flow" and "pseudo_likelihood" minimise the mean of a
    deterministic function of a sample x and its neighbours x^i, in which feature i is flipped::

        ratio_matching              sum_i 1 / (1 + exp(F(x^i) - F(x)))^2
        minimum_probability_flow    sum_i exp((F(x) - F(x^i)) / 2)
        pseudo_likelihood           sum_i log(1 + exp(F(x) - F(x^i)))

    The partition function cancels in the differences of the free energies F. With enough samples of
    a restricted Boltzmann machine, each of the losses recovers its distribution. X must consist of
    zeros and ones, unless `binarize=True` draws them. With `missing_values`, only observed features
    are flipped.

    With `visible="gaussian"`, features are standardized internally by their mean and standard
    deviation in the first call of `fit` or `partial_fit`. Learning therefore does not depend on the
    offset and scale of a feature. Fitted attributes are in the units of the data, and the weights
    of constant features are zero. With `visible="bernoulli"` and `centered=True`, the expected
    steps do not change if a feature v is replaced by 1 - v.

    With `visible="categorical"`, a feature with K categories has K columns v in the energy. One of
    them is 1, and the others are 0. The probabilities of the categories, given the hidden units,
    are a softmax over these columns (Salakhutdinov, Mnih & Hinton 2007, eq. 1). `components_` and
    `intercept_visible_` have an entry for each of the columns. Adding a number to all columns of a
    feature in `intercept_visible_` does not change the probabilities. `fit`, `transform`, `energy`
    and the score methods take codes; `reconstruct`, `inverse_transform`, `gibbs` and `sample`
    return codes. `reconstruct_proba` returns the probabilities of all categories.

    With `sample_weight`, each step uses weighted means over its batch, and the learning rate is
    multiplied by the mean weight of the batch, relative to the mean of all weights. The initial
    biases, the standardization, the starts of the chains and the curves are weighted as well. In
    expectation, a step is the same as if samples were repeated, but batches and random numbers
    differ, and so does the fitted model. Equal weights give exactly the same model as no weights.
    If a few samples have much larger weights than all others, steps are large; lower
    `learning_rate` then.

    With `missing_values`, the model of a sample is a restricted Boltzmann machine of its observed
    units, as in collaborative filtering (Salakhutdinov, Mnih & Hinton 2007). Units that are not
    observed are constants, the means of the training data. `transform`, `energy` and `score` are
    exact for this model. Energies of samples with different missing features are not comparable.
    With `loss="cd"`, this is also the model that learns: the chains of a sample move only its
    observed units. The same applies to the losses without chains, which flip only observed units.
    Persistent chains move all units, and thus sample the joint density. With
    `loss="pcd"` and "fpcd", learning therefore raises the likelihood of the observed units v_o
    under the joint density, whose gradient is ::

        grad log p(v_o) = E[-grad E(v, h) | v_o] - E[-grad E(v, h)]

    The first mean is estimated by chains as well (Younes 1989): they start at the probabilities of
    the hidden units, and make `n_gibbs_steps` steps that move only the missing and hidden units.

    If a step could overflow, `fit` and `partial_fit` raise a ValueError before the step, and the
    model keeps the last finite parameters.

    References
    ----------
    G. Hinton (2002). Training products of experts by minimizing contrastive divergence. T. Tieleman
    (2008). Training restricted Boltzmann machines using approximations to the likelihood gradient.
    T. Tieleman, G. Hinton (2009). Using fast weights to improve persistent contrastive divergence.
    K. Cho, A. Ilin, T. Raiko (2011). Improved learning of Gaussian-Bernoulli restricted Boltzmann
    machines, eq. 3. J. Melchior, A. Fischer, L. Wiskott (2016). How to center deep Boltzmann
    machines. R. Salakhutdinov, I. Murray (2008). On the quantitative analysis of deep belief
    networks. R. Salakhutdinov, A. Mnih, G. Hinton (2007). Restricted Boltzmann machines for
    collaborative filtering. L. Younes (1989). Parametric inference for imperfectly observed
    Gibbsian fields. A. Hyvarinen (2007). Some extensions of score matching. J. Sohl-Dickstein, P.
    Battaglino, M. DeWeese (2011). Minimum probability flow learning. J. Besag (1975). Statistical
    analysis of non-lattice data.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import RBM
    >>> X = load_digits().data / 16
    >>> rbm = RBM(32, random_state=0).fit(X)
    >>> rbm.transform(X[:5]).shape
    (5, 32)
    >>> rbm.sample(3, random_state=0).shape
    (3, 64)
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "visible": [StrOptions(set(UNITS))],
        "n_categories": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            "array-like",
        ],
        "loss": [StrOptions(set(LOSSES))],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": LEARNING_RATE,
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "sparsity_target": [Interval(Real, 0, 1, closed="neither"), None],
        "sparsity_cost": [Interval(Real, 0, None, closed="left")],
        "centered": ["boolean"],
        "average": [Interval(Real, 0, 1, closed="both")],
        "binarize": ["boolean"],
        "batch_size": BATCH_SIZE_CONSTRAINTS,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_time": MAX_TIME,
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "missing_values": [None, Real],
        "backend": [StrOptions({"auto", *BACKENDS})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components: int = 256,
        *,
        visible: Literal["bernoulli", "gaussian", "categorical"] = "bernoulli",
        n_categories: int | ArrayLike | Literal["auto"] = "auto",
        loss: Literal[
            "cd",
            "pcd",
            "fpcd",
            "ratio_matching",
            "minimum_probability_flow",
            "pseudo_likelihood",
        ] = "pcd",
        n_gibbs_steps: int = 1,
        n_chains: int = 100,
        learning_rate: LearningRate = "auto",
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        sparsity_target: float | None = None,
        sparsity_cost: float = 0.1,
        centered: bool = True,
        average: float = 0.2,
        binarize: bool = False,
        batch_size: BatchSize = "auto",
        max_iter: int = 20,
        tol: float = 0.0,
        max_time: float | None = None,
        validation_fraction: float = 0.0,
        missing_values: float | None = None,
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.visible = visible
        self.n_categories = n_categories
        self.loss = loss
        self.n_gibbs_steps = n_gibbs_steps
        self.n_chains = n_chains
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.centered = centered
        self.average = average
        self.binarize = binarize
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.max_time = max_time
        self.validation_fraction = validation_fraction
        self.missing_values = missing_values
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from X in passes over shuffled batches.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples. Dask arrays are read one chunk at a time.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample. In expectation, a sample of weight 2 acts like two copies of it.
            Only the ratios of the weights in a call matter. Samples of weight zero are ignored.

        Returns
        -------
        RBM
            The estimator itself. If Ctrl-C interrupts the fit (KeyboardInterrupt), the estimator
            remains usable, as it was after the last complete batches.

        Raises
        ------
        ValueError
            If the weights diverge. The model keeps the last finite parameters.
        """
        with refusable(self, Diverged) as attempt:
            return ContrastiveLearning(self, attempt).fit(X, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: MatrixLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn from one more chunk of data, in one pass at the initial learning rate.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Samples.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample. In expectation, a sample of weight 2 acts like two copies of it.
            Only the ratios of the weights in a call matter. Samples of weight zero are ignored.

        Returns
        -------
        RBM
            The model after one step for each batch of X.

        Raises
        ------
        ValueError
            If the weights diverge. The model keeps the last finite parameters.
        """
        with refusable(self, Diverged) as attempt:
            return ContrastiveLearning(self, attempt).partial_fit(X, sample_weight)

    def _new_learner(self, learner, replaced):
        """Return a learner that starts from the fitted attributes and keeps the present chains."""
        if learner is None:
            raise ValueError("The model has no state from which learning can continue. Call fit.")
        learner.criterion.restart_with(self._energy.copy())
        return learner

    def _as_network(self):
        """Return the features as modules of a network."""
        return BilinearNetwork(self)
