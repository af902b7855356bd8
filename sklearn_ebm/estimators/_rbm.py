"""The restricted Boltzmann machine."""

from numbers import Integral, Real

from sklearn.callback import CallbackSupportMixin, with_callbacks

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context
from sklearn_ebm.backends import BACKENDS
from sklearn_ebm.estimators._contrastive_learning import LOSSES, ContrastiveLearning
from sklearn_ebm.estimators._density import DensityModel
from sklearn_ebm.estimators._network_forms import BilinearNetwork
from sklearn_ebm.factors import UNITS
from sklearn_ebm.layers._state import refusable
from sklearn_ebm.learning._divergence import Diverged
from sklearn_ebm.learning._rates import LEARNING_RATE


class RBM(CallbackSupportMixin, DensityModel):
    """E(v, h) = -v W h' - b.v - c.h: a restricted Boltzmann machine, its hidden units on or off.

    Learning lowers the free energy of the data and raises the free energy of samples of the model.
    Gradients are centred, so that they do not depend on whether ones stand for ink or for paper,
    and the final parameters are averages over the last steps.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units.
    visible : {"bernoulli", "gaussian"}, default="bernoulli"
        Kind of the features: zeros and ones, or probabilities between them; or real numbers of any
        offset and scale, each with a variance that is learned.
    loss : {"pcd", "cd", "fpcd"}, default="pcd"
        Criterion that training minimises. All approximate the negative log-likelihood. "cd" is
        contrastive divergence, whose Markov chains start at the samples of each batch; "pcd" is
        persistent contrastive divergence, whose chains are kept from step to step; "fpcd" adds fast
        weights, with which persistent chains mix faster.
    n_gibbs_steps : int, default=1
        Steps of the chains for each step of learning.
    n_chains : int, default=100
        Number of persistent chains of "pcd" and "fpcd". It may differ from `batch_size`.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`. A
        callable receives the completed share of training, from 0 to 1, and returns the rate:
        `lambda done: 1e-3` for a constant rate, `lambda done: 5e-4 * (1 + cos(pi * done))` for
        cosine decay. `partial_fit` uses the initial rate. "auto" is 0.2 for Bernoulli units and 0.1
        for Gaussian units.
    momentum : float, default=0.0
        Share of the previous step that is added to each step.
    weight_decay : float, default=0.0
        Weight of the penalty 1/2 ||W||^2. With Gaussian units, weights are measured in standard
        deviations of the features.
    sparsity_target : float or None, default=None
        Mean activity that each hidden unit is drawn to.
    sparsity_cost : float, default=0.1
        How strongly it is.
    centered : bool, default=True
        Whether gradients are centred by the means of both layers. Learning then does not depend on
        which of two values of a binary feature is coded as one.
    average : float, default=0.2
        Share of the steps of `fit`, the last ones, whose parameters are averaged. 0 keeps the last.
    binarize : bool, default=False
        Whether features between zero and one are drawn as zeros and ones, anew each time they are
        learned from, instead of standing as they are. What is learned then is a density of zeros
        and ones.
    batch_size : int or "auto", default="auto"
        Number of samples per training step. "auto" is a hundredth of the samples, at least 10 and
        at most 100, so that training makes enough steps on small data sets; it is 100 in
        `partial_fit`.
    max_iter : int, default=20
        Maximum number of passes over X.
    tol : float, default=0.0
        Relative change of the objective from one pass to the next at which `fit` stops. 0 makes all
        passes. The objective is measured on a few samples, so it fluctuates by some percent. If
        `fit` stops before the last share `average` of its steps, parameters are not averaged.
    validation_fraction : float, default=0.0
        Share of the samples that is held out of training. Their free energy enters
        `free_energy_gap_curve_`.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library for the computations. "auto" follows the data: CuPy for CuPy arrays, otherwise
        Numba.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial weights, the order of the samples, and all samples of units.
    verbose : int, default=0
        Whether to print a line after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Weights, the transpose of W.
    intercept_hidden_ : ndarray of shape (n_components,)
        c.
    intercept_visible_ : ndarray of shape (n_features,)
        b.
    variance_ : ndarray of shape (n_features,)
        Variance s^2 of each feature given the hidden units. Only if `visible="gaussian"`, where the
        energy is sum (v - b)^2 / (2 s^2) - (v / s^2) W h' - c.h.
    n_iter_ : int
        Passes made.
    objective_curve_ : ndarray of shape (n_iter_,)
        After each pass, of a few samples: minus the pseudo-log-likelihood of a feature, in nats; or
        `reconstruction_curve_` if `visible="gaussian"`.
    reconstruction_curve_ : ndarray of shape (n_iter_,)
        Squared error of a feature when samples are encoded and decoded once.
    free_energy_gap_curve_ : ndarray of shape (n_iter_,)
        Mean free energy of the held-out samples minus the mean free energy of training samples. It
        grows when the model overfits. Empty without `validation_fraction`.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    usage_ : ndarray of shape (n_components,)
        Mean activity of each hidden unit on data.
    n_features_in_ : int
        Features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had any.

    See Also
    --------
    PSD : Sparse codes with a predictor.

    Notes
    -----
    X may be sparse where `visible="bernoulli"`, on the host; a batch at a time is made dense.
    Booleans and small integers are learned from in single precision, without a copy of X. The same
    `random_state` gives the same model whatever the number of threads, up to rounding.

    With `visible="gaussian"`, features are standardized internally by their mean and standard
    deviation in the first call of `fit` or `partial_fit`. Learning does not depend on the offset
    and the scale of a feature; fitted attributes are in the units of the data. Constant features
    get no weights. With `visible="bernoulli"` and `centered=True`, the expected steps are the same
    when a feature v is replaced by 1 - v.

    With `sample_weight`, each step follows the weighted means over its batch, and the learning rate
    is multiplied by the mean weight of the batch relative to the mean of all weights. Initial
    biases, the standardization, the starts of the chains and the curves are weighted as well. The
    expected step equals that for repeated samples; batches and random draws differ, and so does the
    fitted model. Equal weights give exactly the model without weights. A few samples that outweigh
    all others cause large steps: lower `learning_rate` in this case.

    If a step could overflow, `fit` and `partial_fit` raise a ValueError before it is made, and the
    model keeps the last finite parameters.

    References
    ----------
    G. Hinton (2002). Training products of experts by minimizing contrastive divergence. T. Tieleman
    (2008). Training restricted Boltzmann machines using approximations to the likelihood gradient.
    T. Tieleman, G. Hinton (2009). Using fast weights to improve persistent contrastive divergence.
    K. Cho, A. Ilin, T. Raiko (2011). Improved learning of Gaussian-Bernoulli restricted Boltzmann
    machines, eq. 3. J. Melchior, A. Fischer, L. Wiskott (2016). How to center deep Boltzmann
    machines. R. Salakhutdinov, I. Murray (2008). On the quantitative analysis of deep belief
    networks.

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
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "backend": [StrOptions({"auto", *BACKENDS})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=256,
        *,
        visible="bernoulli",
        loss="pcd",
        n_gibbs_steps=1,
        n_chains=100,
        learning_rate="auto",
        momentum=0.0,
        weight_decay=0.0,
        sparsity_target=None,
        sparsity_cost=0.1,
        centered=True,
        average=0.2,
        binarize=False,
        batch_size="auto",
        max_iter=20,
        tol=0.0,
        validation_fraction=0.0,
        backend="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.visible = visible
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
        self.validation_fraction = validation_fraction
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn from X, a pass over shuffled batches after another.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample. In expectation, a sample of weight 2 acts like two copies of it.
            Only the ratios of the weights in a call matter. Samples of weight zero are ignored.

        Returns
        -------
        RBM
            The fitted model. If Ctrl-C interrupts the fit, it is the model after the last batches.

        Raises
        ------
        ValueError
            When weights leave the range of numbers; the last finite model is kept.
        """
        with refusable(self, Diverged) as attempt:
            return ContrastiveLearning(self, attempt).fit(X, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn from one more chunk of data, once, at the first learning rate.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample. In expectation, a sample of weight 2 acts like two copies of it.
            Only the ratios of the weights in a call matter. Samples of weight zero are ignored.

        Returns
        -------
        RBM
            The model, moved by one step for each batch of X.

        Raises
        ------
        ValueError
            When weights leave the range of numbers; the last finite model is kept.
        """
        with refusable(self, Diverged) as attempt:
            return ContrastiveLearning(self, attempt).partial_fit(X, sample_weight)

    def _new_learner(self, learner, replaced):
        """Return a learner that starts from the fitted attributes, with the chains of another."""
        if learner is None:
            raise ValueError("The model has no state from which learning can continue. Call fit.")
        learner.criterion.restart_with(self._energy.copy())
        return learner

    def _as_network(self):
        """The features as modules of a network."""
        return BilinearNetwork(self)
