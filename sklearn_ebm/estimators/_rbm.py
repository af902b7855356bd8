"""The restricted Boltzmann machine."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context
from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import BACKENDS, array_namespace, new_matrix
from sklearn_ebm.backends._random import Stream
from sklearn_ebm.estimators._density import DensityModel, float_type
from sklearn_ebm.estimators._network_forms import BilinearNetwork
from sklearn_ebm.factors import (
    UNITS,
    BilinearEnergy,
    in_data_units,
    largest_log_odds,
)
from sklearn_ebm.inputs._checks import require_magnitude
from sklearn_ebm.inputs._moments import moments
from sklearn_ebm.inputs._rows import dense_rows
from sklearn_ebm.layers._state import refusable
from sklearn_ebm.learning._divergence import Diverged
from sklearn_ebm.learning._monitor import Monitor
from sklearn_ebm.learning._policies import AverageLastSteps, Observe
from sklearn_ebm.learning._rates import LEARNING_RATE, learning_rate_schedule
from sklearn_ebm.learning._trainer import Plan, Trainer
from sklearn_ebm.learning.criteria import Ascending, Contrastive, DenseSamples

SMALLEST_BATCH, LARGEST_BATCH = 10, 100
LARGE_WEIGHT = 30.0  # log-odds that one visible unit, moved by a deviation, gives to a hidden one
STUCK_SHARE = 0.1  # of the hidden units, above which something is wrong
ATTRIBUTES = {  # parameters of the energy
    "weights": "components_",
    "hidden_bias": "intercept_hidden_",
    "visible_bias": "intercept_visible_",
    "visible_log_variance": "variance_",
}


class NegativePhase(NamedTuple):
    """How the particles of the negative phase are sampled."""

    is_persistent: bool
    has_fast_weights: bool = False


LOSSES = {
    "cd": NegativePhase(is_persistent=False),
    "pcd": NegativePhase(is_persistent=True),
    "fpcd": NegativePhase(is_persistent=True, has_fast_weights=True),
}


class RBM(CallbackSupportMixin, DensityModel):
    """E(v, h) = -v W h' - b.v - c.h: a restricted Boltzmann machine, its hidden units on or off.

    The energy of a sample with the hidden units summed out is lowered where the data are, and
    raised where the model's own samples are. Gradients are centred, which keeps them the same
    whether features are coded as ink or as paper, and the last parameters are averages.

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
        `reconstruction_curve_` where `visible="gaussian"`.
    reconstruction_curve_ : ndarray of shape (n_iter_,)
        Squared error of a feature when samples are encoded and decoded once.
    free_energy_gap_curve_ : ndarray of shape (n_iter_,)
        Mean free energy of samples that are held out minus that of samples learned from; it grows
        when a model overfits. Empty without `validation_fraction`.
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
        self.validation_fraction = validation_fraction
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn from X, a pass over shuffled batches after another.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.

        Returns
        -------
        RBM
            The fitted model. Where Ctrl-C ends fit, it is what the last batches left.

        Raises
        ------
        ValueError
            When weights leave the range of numbers; the last finite model is kept.
        """
        with refusable(self, Diverged) as attempt:
            return self._learn(X, attempt)

    def _learn(self, X, attempt):
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        learner = self._learner_to_go_on() if goes_on else None
        X, backend = self._prepare(X, learner is None, None if learner is None else learner.dtype)
        how = self._how(self._largest_state(X))
        random_state = check_random_state(self.random_state)
        rows, held_out = self._split(X.shape[0], random_state)
        context = self._init_callback_context(max_subtasks=int(self.max_iter))
        context.call_on_fit_task_begin(estimator=self, X=X)
        if learner is None:
            learner = self._first_learner(X, rows, random_state, backend)
        self._require_same(learner)
        learner.criterion.follow(how, self._schedule(), backend.name)
        learner.begin()
        attempt.begin(learner)
        self._keep(learner)
        monitor = Monitor(X, rows, held_out, learner.dtype, self._draws(), random_state)
        plan = Plan(int(self.max_iter), self._rows_of_batch(len(rows)), random_state)
        policies = [AverageLastSteps(float(self.average)), Observe(monitor)]
        samples = DenseSamples(X, index=rows, dtype=learner.dtype)
        try:
            outcome = learner.run(samples, policies, plan, self, context)
        finally:
            self._keep(learner)
        if outcome.has_diverged:
            raise outcome.error
        self._warn_of_units(monitor, backend)
        context.call_on_fit_task_end(estimator=self, X=X, reconstruction_attributes=self._snapshot)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None):
        """Learn from one more chunk of data, once, at the first learning rate.

        Parameters
        ----------
        X : {array-like, sparse array} of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.

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
            return self._learn_once(X, attempt)

    def _learn_once(self, X, attempt):
        learner = self._learner_to_go_on() if self.__sklearn_is_fitted__() else None
        X, backend = self._prepare(X, learner is None, None if learner is None else learner.dtype)
        how = self._how(self._largest_state(X))
        if learner is None:
            random_state = check_random_state(self.random_state)
            learner = self._first_learner(X, np.arange(X.shape[0]), random_state, backend)
        self._require_same(learner)
        learner.criterion.follow(how, self._schedule(), backend.name)
        attempt.begin(learner)
        self._keep(learner)
        size = LARGEST_BATCH if self.batch_size == "auto" else int(self.batch_size)
        try:
            outcome = learner.run_once(DenseSamples(X, dtype=learner.dtype), [], size)
        finally:
            self._keep(learner)
        if outcome.has_diverged:
            raise outcome.error
        return self

    def _largest_state(self, X):
        """Return the largest magnitude of binary units; warn if X is not between 0 and 1."""
        values = X.data if sparse.issparse(X) else X
        if not UNITS[self.visible].is_binary or not values.size:
            return 1.0
        xp = array_namespace(values)
        lowest, highest = float(xp.min(values)), float(xp.max(values))
        if lowest < 0 or highest > 1:
            warn(
                f"X has values from {lowest:.4g} to {highest:.4g}, but bernoulli units take 0, 1 "
                "and probabilities between them. Scale X, for instance with MinMaxScaler, or set "
                "visible='gaussian'.",
                UserWarning,
            )
        return max(1.0, -lowest, highest)

    def _split(self, n_samples, random_state):
        """Rows that are learned from, and rows that are held out."""
        n_held_out = int(float(self.validation_fraction) * n_samples)
        order = random_state.permutation(n_samples) if n_held_out else np.arange(n_samples)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def _first_learner(self, X, rows, random_state, backend):
        dtype = float_type(X)
        is_binary = UNITS[self.visible].is_binary
        mean, deviation = moments(X, rows, dtype, with_deviation=not is_binary)
        xp = array_namespace(mean)
        base = UNITS[self.visible].from_moments(mean, deviation)
        activity = base.first_activity
        if self.sparsity_target is not None:
            activity = float(self.sparsity_target)
        n_components = int(self.n_components)
        samples = dense_rows(X, random_state.choice(rows, n_components), dtype)
        own = base.astype(dtype)  # a copy, since learning changes units in place
        units, first, hidden_bias = own.first_layer(samples, activity, random_state)
        weights = new_matrix(first.shape, first)
        weights[...] = first
        energy = BilinearEnergy(units, weights, hidden_bias)
        stream = Stream(random_state)
        phase, particles = LOSSES[self.loss], None
        if phase.is_persistent:
            start = dense_rows(X, random_state.choice(rows, int(self.n_chains)), dtype)
            states = units.coordinates.states_of(start)
            conditionals = energy.inner().on(backend).conditionals
            particles = conditionals.sample_hidden(states, stream.key())
        criterion = Contrastive(
            energy, xp.full(n_components, activity, dtype=dtype),
            base.coordinates.states_of(mean) if self.centered else None,
            phase.has_fast_weights, base,
        )  # fmt: skip
        return Trainer(criterion, stream, particles)

    def _require_same(self, learner):
        """Learning goes on with the layers and chains that it began with."""
        criterion = learner.criterion
        n_components = criterion.energy.weights.shape[1]
        if self.n_components != n_components:
            raise ValueError(
                f"n_components={self.n_components}, but learning goes on with {n_components} "
                "components. To change it, call fit with warm_start=False."
            )
        phase = LOSSES[self.loss]
        began = NegativePhase(learner.shard is not None, criterion.has_fast_weights)
        if phase != began or not isinstance(criterion.energy.visible, UNITS[self.visible]):
            raise ValueError(
                f"loss={self.loss!r} and visible={self.visible!r} differ from those that "
                "learning began with. To change them, call fit with warm_start=False."
            )
        n_chains = learner.shard.shape[0] if phase.is_persistent else self.n_chains
        for name, began in (("n_chains", n_chains), ("centered", criterion.is_centered)):
            if getattr(self, name) != began:
                raise ValueError(
                    f"{name}={getattr(self, name)!r}, but learning goes on with {name}={began!r}. "
                    "To change it, call fit with warm_start=False."
                )

    def _rows_of_batch(self, n_samples):
        if self.batch_size != "auto":
            return int(self.batch_size)
        return max(SMALLEST_BATCH, min(LARGEST_BATCH, n_samples // LARGEST_BATCH))

    def _draws(self):
        return bool(self.binarize) and UNITS[self.visible].is_binary

    def _schedule(self):
        return learning_rate_schedule(self.learning_rate, UNITS[self.visible].learning_rate)

    def _how(self, largest_state):
        target = 0.0 if self.sparsity_target is None else float(self.sparsity_target)
        return Ascending(
            n_gibbs_steps=int(self.n_gibbs_steps),
            momentum=float(self.momentum),
            decay=float(self.weight_decay),
            fast_rate=self._schedule()(0.0),
            sparsity_target=target,
            sparsity_cost=0.0 if self.sparsity_target is None else float(self.sparsity_cost),
            draws=self._draws(),
            largest_state=largest_state,
        )

    def _keep(self, learner):
        """Every fitted attribute, from the state of learning."""
        vars(self).pop("variance_", None)
        vars(self).update(self._fitted(learner))

    def _fitted(self, learner):
        curves, energy = learner.curves, self._energy_of(learner)
        attributes = {
            "_base": learner.criterion.base,
            **self._published(energy),
            "n_iter_": curves.n_passes,
            "objective_curve_": np.asarray(curves["objective"]),
            "reconstruction_curve_": np.asarray(curves["reconstruction"]),
            "free_energy_gap_curve_": np.asarray(curves["gap"]),
            "seconds_curve_": np.asarray(curves["seconds"]),
            "usage_": array_namespace(energy.weights).asarray(
                learner.criterion.activity, copy=True
            ),
        }
        return self._left(learner, attributes, energy)

    @staticmethod
    def _energy_of(learner):
        """The energy that learning has found, with parameters of its own."""
        energy = learner.criterion.energy.copy()
        if learner.average is not None:
            for name, value in energy.parameters.items():
                value[...] = learner.average.parameters[name]
        return energy

    @staticmethod
    def _published(energy):
        """The fitted attributes that are the model."""
        own = in_data_units(energy)
        variance = {"variance_": own["visible_variance"]} if "visible_variance" in own else {}
        return {
            "components_": own["weights"].T,
            "intercept_hidden_": own["hidden_bias"],
            "intercept_visible_": own["visible_bias"],
            **variance,
        }

    def _energy_from(self, state):
        """The energy of the fitted attributes, which users may have replaced."""
        weights, *others = (
            self._checked_attribute(name, state) for name in self._model_of(vars(self))
        )
        if len(others) > 2 and not bool((others[2] > 0).all()):
            raise ValueError("variance_ must be above zero.")
        units = self._base.astype(weights.dtype)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            energy = BilinearEnergy(*units.from_data_units(weights.T, *others)).copy()
            for name, value in energy.parameters.items():
                require_magnitude(value, ATTRIBUTES[name])
        return energy

    def _new_learner(self, learner, replaced):
        """A learner that goes on with the fitted attributes, and with the chains of another one."""
        if learner is None:
            raise ValueError("There is nothing that learning could go on with: call fit.")
        learner.criterion.restart_with(self._energy.copy())
        return learner

    def _as_network(self):
        """The features as modules of a network."""
        return BilinearNetwork(self)

    def _snapshot(self):
        """Fitted attributes for callbacks that want a usable model in the middle of fit."""
        return {"n_features_in_": self.n_features_in_, **self._fitted(self._learner)}

    def _warn_of_units(self, monitor, backend):
        """`ConvergenceWarning` where hidden units tell nothing of the data."""
        energy = self._energy
        off, on = monitor.stuck_units(energy.on(backend))
        n_units = self.components_.shape[0]
        if off + on > STUCK_SHARE * n_units:
            warn(
                f"{off} of {n_units} hidden units are dead (off for every sample looked at) and "
                f"{on} are saturated (on for every one). Lower learning_rate, set weight_decay or "
                "sparsity_target, or take fewer components.",
                ConvergenceWarning,
            )
        largest = largest_log_odds(self._learner.criterion.energy)
        if largest > LARGE_WEIGHT:
            warn(
                f"The weights explode: the largest is {largest:.3g}. Lower learning_rate, or set "
                "weight_decay.",
                ConvergenceWarning,
            )
