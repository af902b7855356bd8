"""Learned iterative shrinkage and thresholding."""

import copy
from numbers import Integral, Real

from sklearn_ebm._sklearn import HasMethods, Interval, StrOptions, validate_params
from sklearn_ebm.backends import copied
from sklearn_ebm.estimators._fitted import keep, read
from sklearn_ebm.estimators._imitation_learning import (
    ImitationLearning,
    TaughtAtoms,
    is_coder,
    wanted_penalty,
)
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SCALE, SparseModel
from sklearn_ebm.factors import LOSSES, PENALTY, UNROLLED_ENCODERS, same_penalty
from sklearn_ebm.inputs._adapters import Rows
from sklearn_ebm.learning._rates import LEARNING_RATE
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import Imitation


class LISTAEncoder(SparseModel):
    """Trained steps z_0 = sh(x W), z_{k+1} = sh(x W + z_k S): few for the code that many reach.

    Sparse coding's codes, argmin_z 1/2 ||x - zD||^2 + alpha ||z||_1, by a network that is an
    iterative solver unrolled for `n_steps` steps, with trained weights. Before training it equals
    the solver; training keeps what was best on held-out samples, so it can only come closer.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of atoms. None uses the number of given atoms, or of features if no atoms are given.
    alpha : float, "scale" or None, default=None
        Weight of the sparsity penalty, in `fit` and `transform` alike. Larger values give sparser
        codes. None uses the alpha of a fitted coder that is passed as `dictionary`, and "scale"
        otherwise, the root mean square of the training data.
    penalty : {"l1"}, Penalty or None, default=None
        Penalty that alpha weighs. None uses the penalty of a fitted coder that is passed as
        `dictionary`, and ||z||_1 otherwise. The steps of the encoder shrink single components:
        penalties on groups are refused, and for penalties other than ||z||_1 the encoder only
        approximates the optimal codes.
    encoder : {"lista", "lfista", "lcod"}, default="lista"
        Encoder f, an unrolled solver: ISTA (LISTA), FISTA with trained momenta, or greedy
        coordinate descent (LCoD), whose steps change one component each.
    n_steps : int, default=3
        Number of steps of an unrolled encoder. Each is a product with S; 0 gives the shrinkage
        encoder sh(x W).
    tied : bool, default=True
        Whether all steps share their weights. Untied ones learn more and weigh n_steps times as
        much; the steps of "lcod" are always tied.
    loss : {"codes", "energy"}, default="codes"
        Criterion that training minimises. "codes" is 1/2 ||f(x) - z*||^2, the squared distance from
        the optimal codes z*; "energy" is the energy of f(x), which requires no optimal codes.
    inference : {"encoder", "optimal"}, default="encoder"
        Whether `transform` and `energy` use the prediction f(x) or the optimal code argmin_z E(x,
        z).
    dictionary : array-like of shape (n_components, n_features), estimator or None, default=None
        Atoms D: an array, or a fitted `SparseCoder`, `PSD` or other estimator whose `components_`
        are atoms and whose penalty is not on groups. None first fits a `SparseCoder`. Clones copy a
        fitted estimator with its fitted attributes.
    solver : {"auto", "active_set", "cd", "block_cd", "fista", "ista"}, default="auto"
        Algorithm that infers optimal codes. "active_set" is exact and usually the fastest on the
        CPU, "cd" is coordinate descent; both require a penalty on single components. "block_cd"
        requires disjoint groups with equal weights. "fista" and "ista" accept any penalty. "auto"
        chooses by penalty and backend.
    max_iter : int, default=30
        Maximum number of passes over X.
    tol : float, default=1e-3
        Relative decrease of the held-out loss below which a pass counts as no progress. 0 makes all
        `max_iter` passes.
    n_iter_no_change : int, default=5
        Number of passes without progress after which the learning rate is divided by three.
        Training stops when further division is useless.
    validation_fraction : float, default=0.1
        Share of the samples that is held out of training. At most 10,000 samples are held out. If
        they were fewer than 50, all samples are trained on, and at most 10,000 of them serve as
        held-out samples too.
    batch_size : int, default=256
        Number of samples per training step.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`. A
        callable receives the completed share of training, from 0 to 1, and returns the rate:
        `lambda done: 1e-3` for a constant rate, `lambda done: 5e-4 * (1 + cos(pi * done))` for
        cosine decay. `partial_fit` uses the initial rate. "auto" is 3e-3; if the loss rises,
        training also returns to the best parameters and divides the rate by three. Steps of W, S
        and the thresholds are scaled by their initial sizes: the rate applies to weights with a
        root mean square of 0.01.
    code_max_iter : int, default=1000
        Maximum number of iterations of inference: rounds, sweeps or steps, depending on `solver`.
    code_tol : float, default=1e-4
        Duality gap, relative to 1/2 ||x||^2, at which inference of an optimal code stops.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array, with one row per sample.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library for the computations. "auto" follows the data: CuPy for CuPy arrays, otherwise
        Numba.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial atoms, the held-out samples and the order of the samples.
    verbose : int, default=0
        Whether to print a line after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The atoms D.
    alpha_ : float
        Weight of the sparsity penalty in training, and for optimal codes and energies.
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
        Mean loss per sample in each pass.
    validation_curve_ : ndarray of shape (n_iter_ + 1,)
        Mean loss on the held-out samples, before the first pass and after each. The parameters
        with the lowest loss are kept. Empty after `partial_fit`, which holds out no samples.
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
        "components_",
        "encoder_",
        "encoder_components_",
        "encoding_weights_",
        "lateral_weights_",
        "thresholds_",
        "alpha_",
    )
    _needs_fit = ("n_components", "dictionary", "alpha", "penalty", "encoder", "n_steps", "tied")
    _free_to_change = ("alpha", "penalty")
    _alpha_is_live = False  # the encoder was trained for `alpha_`
    _learning = ImitationLearning
    positive = False  # what the other models offer and this one does not
    missing_values = None

    _parameter_constraints: dict = {
        **{
            name: constraint
            for name, constraint in COMMON_CONSTRAINTS.items()
            if name not in ("positive", "missing_values", "dictionary_init")
        },
        "alpha": [Interval(Real, 0, None, closed="neither"), StrOptions({SCALE}), None],
        "penalty": [*PENALTY, None],
        "n_steps": [Interval(Integral, 0, None, closed="left")],
        "encoder": [StrOptions(set(UNROLLED_ENCODERS))],
        "tied": ["boolean"],
        "learning_rate": LEARNING_RATE,
        "loss": [StrOptions(set(LOSSES))],
        "inference": [StrOptions({"encoder", "optimal"})],
        "dictionary": ["array-like", HasMethods(["fit", "transform"]), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        n_components=None,
        *,
        alpha=None,
        penalty=None,
        encoder="lista",
        n_steps=3,
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
        self.penalty = penalty
        self.encoder = encoder
        self.n_steps = n_steps
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

    def energy(self, X, mask=None):
        """Compute E(x, z) of each sample with its code from `transform`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.
        mask : array-like of shape (n_samples, n_features) or None, default=None
            One where a value is observed.

        Returns
        -------
        ndarray of shape (n_samples,)
            Energies, in squared units of X.
        """
        self._ready()
        data, parts = read(self, X, mask), self._state.parts
        return parts.value(data, parts.code(data))

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
        parts = self._state.parts
        encoder = parts.encoder.with_sparse_lateral(float(fraction))
        keep(sparser, Trainer(Imitation(copied(parts.decoder.dictionary), encoder)))
        if X is not None:
            sparser.set_params(warm_start=True).fit(X, sample_weight=sample_weight)
            sparser.set_params(warm_start=self.warm_start)
        return sparser

    def __sklearn_clone__(self):
        """A fitted estimator stays fitted: it is the dictionary, not a part to be fitted anew."""
        cloned = super().__sklearn_clone__()
        if is_coder(self.dictionary):
            cloned.dictionary = copy.deepcopy(self.dictionary)
        return cloned

    def _inputs(self, is_first=False):
        return Rows()

    def _atoms(self):
        return TaughtAtoms(self.n_components, self.dictionary)

    def _has_anyway(self, name, value):
        if name == "alpha":
            wanted = self._learning.fixed_alpha(self, value)
            return wanted is None or wanted == self.alpha_  # None: `take_over` compares it
        if name == "penalty":
            fitted = self._last_state.fitted_with[name]
            return same_penalty(wanted_penalty(self, value), wanted_penalty(self, fitted))
        return super()._has_anyway(name, value)

    def _penalty_kind(self):
        return wanted_penalty(self, self.penalty)
