"""Learned iterative shrinkage and thresholding."""

import copy
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._sklearn import HasMethods, Interval, StrOptions, validate_params
from sklearn_ebm.backends import array_namespace, copied, to_host
from sklearn_ebm.estimators._base import ALL_ROWS
from sklearn_ebm.estimators._encoding import EncodingModel
from sklearn_ebm.estimators._sparse_coder import SparseCoder
from sklearn_ebm.factors import ENCODERS, LOSSES, PENALTIES, UNFOLDINGS, Energy, LinearDecoder
from sklearn_ebm.factors.encoders import Scale
from sklearn_ebm.inputs._checks import check_dictionary, check_weight
from sklearn_ebm.inputs._sizes import data_size
from sklearn_ebm.layers._state import is_same
from sklearn_ebm.learning._policies import (
    BackOff,
    ConfirmLastStep,
    HeldOut,
    KeepBest,
    Patience,
    SlowDown,
    least_objective,
)
from sklearn_ebm.learning._rates import LinearDecay
from sklearn_ebm.learning._samples import Samples
from sklearn_ebm.learning._trainer import Plan, Trainer
from sklearn_ebm.learning.criteria import Imitation
from sklearn_ebm.learning.criteria._imitation import loss_of_zero
from sklearn_ebm.solvers._inference import infer

FEWEST_HELD_OUT = (
    50  # fewer samples say little about a loss: those that are learned from do it then
)
ROUNDING = 1e-6  # share of the codes' size below which an error is none to warn of
MOST_HELD_OUT = 10_000  # more say little more, and are missed in learning


class _FirstCoder(SparseCoder):
    """Learns the dictionary where none is given; its passes are not what the user asked for."""

    def _complaint(self, outcome, converged, change):
        return ""


_FirstCoder.__name__ = SparseCoder.__name__  # what users read where it is verbose


def _merit(entries):
    """Return how good an encoder is on held-out samples."""
    return -entries["validation"]


def _is_of_groups(coder):
    """Whether a model has a penalty on more than each component by itself."""
    kind = getattr(coder, "_penalty_kind", None)
    return kind is not None and kind() is not PENALTIES["l1"]


class LISTAEncoder(EncodingModel):
    """Trained steps z_0 = sh(x W), z_{k+1} = sh(x W + z_k S): few for the code that many reach.

    Sparse coding's codes, argmin_z 1/2 ||x - zD||^2 + alpha ||z||_1, by a network that is an
    iterative solver unrolled for `n_steps` steps, with trained weights. Before training it equals
    the solver; training keeps what was best on held-out samples, so it can only come closer.

    Parameters
    ----------
    n_components : int or None, default=None
        Atoms; None takes those of a given dictionary, else as many as there are features.
    alpha : float or None, default=None
        Weight of the sparsity, above zero; None takes that of a fitted coder given as `dictionary`,
        else one, which suits data of unit variance.
    n_steps : int, default=3
        Products with S in a transform. None at all, 0, is the shrinkage encoder sh(x W).
    unfolding : {"ista", "fista", "cd"}, default="ista"
        The solver that is unrolled: ISTA (LISTA); FISTA, whose momenta are trained as well; or
        greedy coordinate descent (LCoD), where a step changes one component.
    tied : bool, default=True
        Whether all steps share their weights. Untied ones learn more and weigh n_steps times as
        much; the steps of "cd" are always tied.
    loss : {"codes", "energy"}, default="codes"
        What training lowers: 1/2 ||f(x) - z*||^2 with optimal codes z*, or the energy of f(x),
        which needs no optimal codes.
    inference : {"encoder", "optimal"}, default="encoder"
        Whether `transform` and `energy` take f(x) or the optimal code.
    dictionary : array-like of shape (n_components, n_features), estimator or None, default=None
        The atoms D, or a fitted `SparseCoder` or `PSD` (or another estimator whose `components_`
        are atoms, without a penalty on groups); None learns them first, by a `SparseCoder`. Clones
        copy a fitted estimator as it is.
    solver : {"auto", "active_set", "cd", "block_cd", "fista", "ista"}, default="auto"
        How optimal codes are inferred; "block_cd" is for groups, which there are none of here.
    max_iter : int, default=30
        Passes over X.
    tol : float, default=1e-3
        Relative fall of the held-out loss below which passes count as without progress; 0 makes
        all passes.
    n_iter_no_change : int, default=5
        Passes without progress after which the learning rate is divided by three; training ends
        when that has not helped either.
    validation_fraction : float, default=0.1
        Share of the samples that the loss is looked at on, 10,000 of them at the most. Where it
        is 0, or fewer than 50 samples, all samples train, and as many are looked at.
    batch_size : int, default=256
        Samples for each step.
    learning_rate : float or "auto", default="auto"
        First step size of Adam for weights of size 0.01; those of S, W and the thresholds are
        scaled by the sizes that they begin with. It falls linearly to zero over `max_iter` passes.
        "auto" begins with 3e-3, and goes on from the best parameters with a third of it whenever
        the loss rises.
    code_max_iter : int, default=1000
        Rounds, sweeps or steps of inference.
    code_tol : float, default=1e-4
        Duality gap relative to 1/2 ||x||^2 at which an optimal code is good.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Where to compute; "auto" follows the data.
    warm_start : bool, default=False
        Whether `fit` goes on from where the last one ended.
    random_state : int, RandomState instance or None, default=None
        First atoms, held-out samples and order of the samples.
    verbose : int, default=0
        Print a line for each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The atoms D.
    alpha_ : float
        The weight of the sparsity that f was trained for, also that of optimal codes and energies.
    encoder_ : encoder
        f, with `parameters` by name and `encode(X)`.
    encoding_weights_ : ndarray of shape (n_features, n_components)
        W; with untied steps (n_steps + 1, n_features, n_components).
    lateral_weights_ : ndarray of shape (n_components, n_components)
        S; with untied steps (n_steps, n_components, n_components).
    thresholds_ : ndarray of shape (n_components,)
        theta; with untied steps (n_steps + 1, n_components).
    encoder_components_ : ndarray of shape (n_components, n_features)
        The filters of the first step, the columns of W.
    n_iter_ : int
        Passes made.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean loss of a sample in each pass.
    validation_curve_ : ndarray of shape (n_iter_ + 1,)
        Mean loss on the samples that are looked at, before the first pass and after each. The
        model is that of the least. Empty after `partial_fit`, which holds out none.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of the passes to the end of each.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Share of the entries of f(x) that were not zero in each pass.
    usage_ : ndarray of shape (n_components,)
        Share of the samples whose f(x) used each component in the last pass.
    n_features_in_ : int
        Features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had any.

    See Also
    --------
    PSD : Learns dictionary and encoder together, this one included (`encoder="lista"`).
    SparseCoder : Optimal codes.

    References
    ----------
    K. Gregor, Y. LeCun (2010). Learning fast approximations of sparse coding, algorithms 2 to 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ebm import LISTAEncoder, SparseCoder
    >>> X = scale(load_digits().data)
    >>> coder = SparseCoder(32, alpha=0.5, tol=1e-2, random_state=0).fit(X)
    >>> encoder = LISTAEncoder(dictionary=coder, n_steps=2, random_state=0).fit(X)
    >>> encoder.transform(X[:5]).shape
    (5, 32)
    >>> untrained, *_, trained = encoder.validation_curve_
    >>> bool(trained < untrained / 2)
    True
    """

    _model_attributes = (
        *EncodingModel._model_attributes,
        "encoding_weights_",
        "lateral_weights_",
        "thresholds_",
        "alpha_",
    )
    _needs_fit = (*EncodingModel._needs_fit, "alpha", "n_steps", "unfolding", "tied")
    _weight_names = ()  # alpha may be the coder's
    _unit_atoms = staticmethod(lambda atoms: atoms)  # they stay as they are
    _automatic_rate = 3e-3  # initial rate of learning_rate="auto"
    positive = False  # what the other models offer and this one does not
    missing_values = None
    dictionary_init = None

    _parameter_constraints: dict = {
        **{
            name: constraint
            for name, constraint in EncodingModel._parameter_constraints.items()
            if name not in ("positive", "missing_values", "dictionary_init")
        },
        "alpha": [Interval(Real, 0, None, closed="neither"), None],
        "n_steps": [Interval(Integral, 0, None, closed="left")],
        "unfolding": [StrOptions(set(UNFOLDINGS))],
        "tied": ["boolean"],
        "loss": [StrOptions(set(LOSSES))],
        "inference": [StrOptions({"encoder", "optimal"})],
        "dictionary": ["array-like", HasMethods(["fit", "transform"]), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    }

    def __init__(
        self,
        n_components=None,
        *,
        alpha=None,
        n_steps=3,
        unfolding="ista",
        tied=True,
        loss="codes",
        inference="encoder",
        dictionary=None,
        solver="auto",
        max_iter=30,
        tol=1e-3,
        n_iter_no_change=5,
        validation_fraction=0.1,
        batch_size=256,
        learning_rate="auto",
        code_max_iter=1000,
        code_tol=1e-4,
        sparse_output=False,
        backend="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.n_steps = n_steps
        self.unfolding = unfolding
        self.tied = tied
        self.loss = loss
        self.inference = inference
        self.dictionary = dictionary
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.code_max_iter = code_max_iter
        self.code_tol = code_tol
        self.sparse_output = sparse_output
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def energy(self, X):
        """E(x, z) of each sample with the code that `transform` gives it; never below min_z E.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies, in squared units of X.
        """
        if self.inference == "optimal":
            return super().energy(X)
        self._ready()
        X, _, backend = self._prepare(X, reset=False)
        return self._energy(X.dtype).value(X, self._encode(X, backend))

    @validate_params(
        {"fraction": [Interval(Real, 0, 1, closed="both")]}, prefer_skip_nested_validation=True
    )
    def to_sparse_lateral(self, fraction, X=None, sample_weight=None):
        """Keep the largest entries of S, and retrain what is left if there is X to do it on.

        Parameters
        ----------
        fraction : float
            Share of the entries of S to keep, the largest by magnitude; between 0 and 1.
        X : array-like of shape (n_samples, n_features) or None, default=None
            Data to retrain on; entries that were taken out stay zero.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample.

        Returns
        -------
        LISTAEncoder
            A fitted copy with the sparse S; this model stays as it is.
        """
        self._ready()
        sparser = copy.deepcopy(self)
        encoder = self._parts.encoder.with_sparse_lateral(float(fraction))
        sparser._keep(Trainer(Imitation(copied(self._parts.decoder.dictionary), encoder)))
        if X is not None:
            sparser.set_params(warm_start=True).fit(X, sample_weight=sample_weight)
            sparser.set_params(warm_start=self.warm_start)
        return sparser

    def __sklearn_clone__(self):
        """A fitted estimator stays fitted: it is the dictionary, not a part to be fitted anew."""
        cloned = super().__sklearn_clone__()
        if self._is_coder():
            cloned.dictionary = copy.deepcopy(self.dictionary)
        return cloned

    def _is_coder(self):
        return hasattr(self.dictionary, "fit")

    def _sparsity(self):
        """What the model was fitted with, and what it is to be fitted with before."""
        return float(getattr(self, "alpha_", None) or self._wanted_alpha())

    def _wanted_alpha(self):
        """alpha, or that of the coder."""
        if self.alpha is not None:
            return float(self.alpha)
        return float(getattr(self.dictionary, "alpha", 1.0)) if self._is_coder() else 1.0

    def _has_anyway(self, name, value):
        if name == "alpha":
            return self._wanted_alpha() == self.alpha_
        return super()._has_anyway(name, value)

    def _prepare(self, X, reset, dtype=None):
        X, mask, backend = super()._prepare(X, reset, dtype)
        if reset:
            alpha = self._wanted_alpha()
        else:  # batches are cast in learning alone
            alpha = self._sparsity() if dtype is None else self._alpha_to_learn()
        check_weight(alpha, X.dtype if dtype is None else dtype, "alpha")
        return X, mask, backend

    def _first_learner(self, X, weights, random_state, first=ALL_ROWS):
        data = data_size(X, weights, first, self._wanted_alpha())
        if self.dictionary is not None:
            return self._untrained(self._given_dictionary(X), data)
        coder = _FirstCoder(
            self.n_components, alpha=self._wanted_alpha(), solver=self.solver,
            code_max_iter=self.code_max_iter, code_tol=self.code_tol, backend=self.backend,
            random_state=random_state, verbose=self.verbose,
        )  # fmt: skip
        try:
            coder.fit(X, sample_weight=weights)
        except KeyboardInterrupt:
            if hasattr(coder, "components_"):
                self.alpha_ = coder.alpha
                self._keep(self._untrained(copied(coder.components_), data))
            raise
        return self._untrained(copied(coder.components_), data)

    def _given_dictionary(self, X):
        atoms = self.dictionary
        if self._is_coder():
            check_is_fitted(
                atoms,
                msg="dictionary=%(name)s is not fitted: fit it first, or pass an array of atoms.",
            )
            if not hasattr(atoms, "components_"):
                raise ValueError(f"dictionary={type(atoms).__name__} has no components_.")
            if getattr(atoms, "positive", False):
                raise ValueError(
                    "dictionary is a coder with positive=True, whose codes an encoder of either "
                    "sign cannot give. Pass its components_ to learn codes of either sign."
                )
            if _is_of_groups(atoms):
                raise ValueError(
                    "dictionary is a coder with a penalty on groups, whose codes steps that shrink "
                    "each entry by itself cannot give. Pass its components_ to learn the codes of "
                    "an L1 penalty."
                )
            atoms = atoms.components_
        atoms = check_dictionary(atoms, self.n_components, X.shape[1], X.dtype)
        return array_namespace(X).asarray(atoms, copy=True)

    def _untrained(self, dictionary, data):
        encoder = ENCODERS[UNFOLDINGS[self.unfolding]].from_dictionary(
            dictionary, LinearDecoder(dictionary).lipschitz, self._wanted_alpha(),
            scale=Scale.of(dictionary, data), n_steps=int(self.n_steps), tied=bool(self.tied),
        )  # fmt: skip
        return Trainer(Imitation(dictionary, encoder))

    def _go_on(self, learner, backend):
        self._require_same(learner)
        self.alpha_ = self._alpha_to_learn()
        loss = LOSSES[self.loss](
            Energy(LinearDecoder(learner.criterion.dictionary), self._penalty())
        )
        is_auto = isinstance(self.learning_rate, str)
        rate = LinearDecay(self._automatic_rate if is_auto else float(self.learning_rate))
        learner.criterion.follow(loss, rate, backend.name, keeps_damping=is_auto)

    def _alpha_to_learn(self):
        """alpha, unless a user has set `alpha_` since the last fit, and has left alpha alone."""
        state = self._last_state
        is_set = "alpha_" in state.replaced and is_same(self.alpha, state.fitted_with["alpha"])
        return float(self.alpha_) if is_set else self._wanted_alpha()

    def _require_same(self, learner):
        """What learning goes on with is what the parameters ask for."""
        encoder = learner.criterion.encoder
        (held,) = (name for name, key in UNFOLDINGS.items() if type(encoder) is ENCODERS[key])
        for name, value in (
            ("unfolding", held), ("n_steps", encoder.n_steps), ("tied", encoder.is_tied)
        ):  # fmt: skip
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name}={getattr(self, name)!r}, but learning goes on with {name}={value!r}: "
                    "to change it, call fit with warm_start=False."
                )
        self._require_size(learner.criterion.dictionary.shape[0])
        self._require_dictionary(learner.criterion.dictionary)

    def _is_given(self, dictionary):
        return is_same(self._given_dictionary(dictionary), dictionary)

    def _samples(self, X, mask, weights, backend):
        """With the optimal codes, as a sparse array, where the loss asks for them."""
        optimum, learner = None, self._learner
        if learner.criterion.loss.needs_optimum:
            optimum, _ = infer(
                self._energy(X.dtype), X, solver=self.solver, tol=float(self.code_tol),
                max_iter=int(self.code_max_iter), backend=backend, sparse_output=True,
            )  # fmt: skip
        return Samples(X, optimum, weight=weights, dtype=learner.dtype, backend=backend)

    def _make_passes(self, X, mask, weights, backend, random_state, context):
        learner = self._learner
        learner.begin()
        samples = self._samples(X, mask, weights, backend)
        rows, index = self._split(X.shape[0], weights, random_state)
        held_out = samples.take(rows)
        plan = Plan(int(self.max_iter), int(self.batch_size), random_state)
        try:
            samples = replace(samples, index=index)
            outcome = learner.run(samples, self._policies([held_out]), plan, self, context)
        finally:
            self._keep(learner)
        of_zero = loss_of_zero(learner.criterion.loss, held_out)
        self._warn(self._complaint(outcome, True, 0.0) or self._no_gain(of_zero))

    def _policies(self, held_out):
        """Keep what is best on held-out samples; slow down if nothing is better."""
        best = KeepBest(lambda trainer: watch.merit)
        retry = [BackOff(best)] if isinstance(self.learning_rate, str) else []
        watch = HeldOut(held_out, _merit, is_guarded=True, recovering=retry)
        policies = [watch, best, *retry]
        if self.tol > 0:
            then = SlowDown(best).is_exhausted
            policies.append(Patience(watch, int(self.n_iter_no_change), float(self.tol), then))
        return policies

    def _policies_once(self):
        best = KeepBest(least_objective, always=False)
        retry = [SlowDown(best)] if isinstance(self.learning_rate, str) else []
        return [ConfirmLastStep(retry), best, *retry]

    def _split(self, n_samples, weights, random_state):
        """Rows to look at, and rows to learn from, of those that have a weight."""
        weighs = np.ones(n_samples) if weights is None else to_host(weights)
        order = random_state.permutation(np.flatnonzero(weighs) if weighs.any() else n_samples)
        n_held_out = min(int(float(self.validation_fraction) * len(order)), MOST_HELD_OUT)
        if n_held_out < FEWEST_HELD_OUT:
            return np.sort(order[:MOST_HELD_OUT]), None
        return np.sort(order[:n_held_out]), np.sort(order[n_held_out:])

    def _no_gain(self, of_zero):
        """A complaint about passes that brought nothing; empty if they did."""
        curve = self.validation_curve_
        if curve.argmin() == 0 and curve[0] > ROUNDING * of_zero:
            return (
                f"No pass came below the loss that training began with, {curve[0]:.3g}; those "
                "parameters are kept. Train on more samples, with a larger max_iter, or with "
                "learning_rate='auto'."
            )
        return ""

    def _learner_of(self, dictionary, encoder, table=None):
        return Trainer(Imitation(dictionary, encoder))

    def _reports(self, learner):
        curves = self._fitted_curves(learner.curves, learner.criterion.dictionary)
        return {**curves, "validation_curve_": np.asarray(learner.curves["validation"])}

    def _encoder_attributes(self, encoder):
        parameters = encoder.parameters
        return {
            **super()._encoder_attributes(encoder),
            "encoding_weights_": parameters["weights"],
            "lateral_weights_": parameters["lateral"],
            "thresholds_": parameters["threshold"],
        }

    def _published(self, parts):
        return {**super()._published(parts), "alpha_": self.alpha_}

    def _parts_from(self, state, replaced):
        if not (isinstance(self.alpha_, Real) and 0 < self.alpha_ < np.inf):
            raise ValueError(f"alpha_ must be a number above zero, got {self.alpha_!r}.")
        return super()._parts_from(state, replaced)
