"""Learned iterative shrinkage and thresholding."""

from __future__ import annotations

import copy
from numbers import Integral, Real
from typing import Literal, Self

from sklearn_ebm._sklearn import HasMethods, Interval, StrOptions, validate_params
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    BatchSize,
    Estimator,
    Inference,
    LearningRate,
    MatrixLike,
    MatrixSolver,
    PenaltyLike,
    RandomState,
    Scale,
    Unrolled,
)
from sklearn_ebm.backends import copied
from sklearn_ebm.estimators._fitted import keep, read
from sklearn_ebm.estimators._imitation_learning import (
    ImitationLearning,
    TaughtAtoms,
    is_coder,
    wanted_penalty,
)
from sklearn_ebm.estimators._sparse_model import (
    COMMON_CONSTRAINTS,
    SCALE,
    SOLVERS_OF_WEIGHTED,
    SparseModel,
)
from sklearn_ebm.factors import (
    LOSSES,
    PENALTY,
    POSITIVE_ENCODERS,
    UNROLLED_ENCODERS,
    same_penalty,
)
from sklearn_ebm.inputs._adapters import Rows
from sklearn_ebm.learning._batch_sizes import ENCODER_BATCHES
from sklearn_ebm.learning._rates import LEARNING_RATE
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning.criteria import Imitation


class LISTAEncoder(SparseModel):
    """Unrolled iterative solver that is trained to predict sparse codes in a few steps.

    The encoder approximates the optimal codes argmin_z 1/2 ||x - z D||^2 + alpha ||z||_1 of a fixed
    dictionary D by a network with the steps::

        z_0 = sh(x W),    z_{k+1} = sh(x W + z_k S)

    where sh is soft thresholding. The untrained network returns the codes of the unrolled solver
    after a few steps. Training adapts W, S and the thresholds, and keeps the parameters with the
    lowest loss on held-out samples; this loss is never higher than that of the untrained network.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of atoms. If None, it is the number of atoms in `dictionary`, or the number of
        features if `dictionary` is None.
    alpha : float, "scale" or None, default=None
        Weight of the sparsity penalty, in `fit` and `transform` alike. Larger values give sparser
        codes. None uses the alpha of the fitted coder if `dictionary` is one, and "scale"
        otherwise. "scale" is the root mean square of the training data.
    relative_alpha : bool, default=False
        Whether `alpha` is a share, at most 1, of the smallest alpha for which all codes are zero.
        `fit` computes the latter from the training samples and the initial or fixed atoms, as
        `alpha_max` does, and `partial_fit` from its first batch; `alpha_` is the product. Requires
        a penalty with a dual norm.
    penalty : {"l1"}, Penalty or None, default=None
        Sparsity penalty on the codes: "l1" for ||z||_1, an `L1Penalty` for weights of components,
        an `ElasticNetPenalty` for additional squares, or any object with the methods `value` and
        `prox` (see :ref:`add_a_penalty`). None uses the penalty of the fitted coder if `dictionary`
        is one, and "l1" otherwise. The penalty must be separable, because the steps of the encoder
        shrink each component by itself; penalties other than ||z||_1 are only approximated by the
        encoder.
    encoder : {"lista", "lfista", "lcod", "drsae"}, default="lista"
        Solver that the encoder unrolls: "lista" is ISTA, "lfista" is FISTA with trained momenta,
        and "lcod" is greedy coordinate descent, which changes one component in each step. "drsae"
        is ISTA for non-negative codes, as in `DrSAEClassifier`; optimal codes are then non-negative
        as well.
    n_steps : int, default=3
        Number of steps. Each step of ISTA and FISTA is a product with S. With 0, the encoder is the
        soft thresholding sh(x W).
    tied : bool, default=True
        Whether all steps share the same weights. Otherwise, each step has its own weights, which
        makes the encoder more flexible and increases its size by a factor of about `n_steps`.
        "lcod" requires tied weights.
    loss : {"codes", "energy"}, default="codes"
        Criterion that training minimises. "codes" is 1/2 ||f(x) - z*||^2, the squared distance from
        the optimal code z*; "energy" is the energy of f(x), which does not require optimal codes.
    inference : {"encoder", "optimal"}, default="encoder"
        Code that `transform` and `energy` use: "encoder" for the prediction f(x), "optimal" for the
        optimal code argmin_z E(x, z), which takes longer.
    dictionary : array-like of shape (n_components, n_features), estimator or None, default=None
        Atoms: an array, or a fitted `SparseCoder`, `PSD` or other estimator with `components_` and
        a separable penalty. None fits a `SparseCoder` first. A fitted estimator remains fitted when
        the encoder is cloned.
    solver : {"auto", "reweighted", "active_set", "cd", "block_cd", "fista", "ista"}, default="auto"
        Algorithm that infers optimal codes. "active_set" is exact and usually the fastest on the
        CPU; "cd" is coordinate descent. Both require a separable penalty, such as ||z||_1.
        "block_cd" is block coordinate descent and requires disjoint groups with equal weights.
        "fista" and "ista" are proximal gradient methods with and without acceleration; "fista"
        requires a convex penalty, and "ista" accepts any penalty. "reweighted" solves a sequence of
        weighted L1 problems and requires a `LogSumPenalty` or an `LqPenalty`. "auto" selects a
        solver that suits the penalty and the backend.
    max_iter : int, default=30
        Maximum number of passes over X.
    tol : float, default=1e-3
        Minimum relative decrease of the held-out loss that counts as progress. With 0, all
        `max_iter` passes are made.
    max_time : float or None, default=None
        Maximum duration of learning, in seconds. When it is reached, `fit` completes the current
        training step and stops, without a warning; a pass that ends early counts in `n_iter_` and
        the curves. None sets no limit. The same limit applies separately to the `SparseCoder` that
        is fitted first if `dictionary` is None. The time to compute optimal codes does not count.
        `partial_fit` trains the encoder without a limit.
    n_iter_no_change : int, default=5
        Number of passes without progress after which the learning rate is divided by three.
        Training stops when these divisions have reduced the rate to less than 2 %.
    validation_fraction : float, default=0.1
        Fraction of the samples that is held out of training, at most 10,000 samples. If it amounts
        to fewer than 50 samples, no samples are held out, and the held-out loss is computed on up
        to 10,000 training samples.
    batch_size : int or "auto", default="auto"
        Number of samples per training step. "auto" is 2 % of the samples, but at least 32 and at
        most 512, so that training makes enough steps on small data sets. `partial_fit` uses 512.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. `partial_fit` uses the initial
        rate. "auto" is 3e-3; with "auto", training also returns to the best parameters and divides
        the rate by three if the loss rises. Steps of W, S and the thresholds are scaled by their
        initial root mean square: if that is 0.01, the rate applies unchanged.
    code_max_iter : int, default=1000
        Maximum number of iterations of `solver` when optimal codes are inferred.
    code_tol : float, default=1e-4
        Tolerance of inference, which stops when the duality gap of an optimal code, relative to
        1/2 ||x||^2, is at most this value.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array, with one row per sample.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial atoms, the held-out samples and the order of the samples.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms, the rows of D.
    alpha_ : float
        Weight of the sparsity penalty in the last fit, which is also used for optimal codes and
        energies.
    encoder_ : encoder
        The encoder f. `forward(X)` returns its codes, and `parameters` is a dict of its arrays.
    encoding_weights_ : ndarray of shape (n_features, n_components)
        W. With untied steps, its shape is (n_steps + 1, n_features, n_components).
    lateral_weights_ : ndarray of shape (n_components, n_components)
        S. With untied steps, its shape is (n_steps, n_components, n_components).
    thresholds_ : ndarray of shape (n_components,)
        Thresholds of the steps. With untied steps, their shape is (n_steps + 1, n_components).
    encoder_components_ : ndarray of shape (n_components, n_features)
        Filters of the first step, the columns of W.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean loss per sample in each pass.
    validation_curve_ : ndarray of shape (n_iter_ + 1,)
        Mean loss of the held-out samples before the first pass and after each pass. The parameters
        with the lowest loss are kept. Empty after `partial_fit`, which holds out no samples.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of the first pass to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Fraction of non-zero entries of f(x) in each pass.
    usage_ : ndarray of shape (n_components,)
        Fraction of the samples whose prediction f(x) used each component in the last pass.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    PSD : Learns a dictionary and an encoder together, for instance with `encoder="lista"`.
    SparseCoder : Learns a dictionary and infers optimal codes.

    Notes
    -----
    X may be a sparse matrix on the host, in `fit` and in all other methods. Products with sparse X
    are sparse, and X is never converted to a dense array. Sparse and dense X give the same results,
    up to rounding errors.

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

    _batch_sizes = ENCODER_BATCHES
    _model_attributes = (
        "components_",
        "encoder_",
        "encoder_components_",
        "encoding_weights_",
        "lateral_weights_",
        "thresholds_",
        "alpha_",
    )
    _needs_fit = (
        "n_components",
        "dictionary",
        "alpha",
        "relative_alpha",
        "penalty",
        "encoder",
        "n_steps",
        "tied",
    )
    _free_to_change = ("alpha", "relative_alpha", "penalty")
    _alpha_is_live = False  # the encoder was trained for `alpha_`
    _learning = ImitationLearning
    missing_values = None  # a parameter of the other models that this model lacks

    _parameter_constraints: dict = {
        **{
            name: constraint
            for name, constraint in COMMON_CONSTRAINTS.items()
            if name not in ("positive", "missing_values", "dictionary_init")
        },
        "alpha": [Interval(Real, 0, None, closed="neither"), StrOptions({SCALE}), None],
        "penalty": [*PENALTY, None],
        "solver": SOLVERS_OF_WEIGHTED,
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
        n_components: int | None = None,
        *,
        alpha: float | Scale | None = None,
        relative_alpha: bool = False,
        penalty: PenaltyLike | None = None,
        encoder: Unrolled = "lista",
        n_steps: int = 3,
        tied: bool = True,
        loss: Literal["codes", "energy"] = "codes",
        inference: Inference = "encoder",
        dictionary: ArrayLike | Estimator | None = None,
        solver: MatrixSolver = "auto",
        max_iter: int = 30,
        tol: float = 1e-3,
        max_time: float | None = None,
        n_iter_no_change: int = 5,
        validation_fraction: float = 0.1,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRate = "auto",
        code_max_iter: int = 1000,
        code_tol: float = 1e-4,
        sparse_output: bool = False,
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.alpha = alpha
        self.relative_alpha = relative_alpha
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
        self.max_time = max_time
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

    def energy(self, X: MatrixLike, mask: ArrayLike | None = None) -> Array:
        """Compute the energy E(x, z) of each sample and its code from `transform`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        mask : array-like of shape (n_samples, n_features) or None, default=None
            1, or True, for observed values.

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
    def to_sparse_lateral(
        self, fraction: float, X: MatrixLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Keep only the largest entries of S, and optionally retrain the encoder.

        Parameters
        ----------
        fraction : float
            Fraction of the entries of S that is kept, the largest by magnitude. Between 0 and 1.
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or None, default=None
            Samples on which the encoder is retrained; removed entries of S remain zero. None does
            not retrain it.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each sample in the loss.

        Returns
        -------
        LISTAEncoder
            A fitted copy with a sparse S. The model itself is not changed.
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
        """Clone the encoder. A fitted estimator in `dictionary` stays fitted."""
        cloned = super().__sklearn_clone__()
        if is_coder(self.dictionary):
            cloned.dictionary = copy.deepcopy(self.dictionary)
        return cloned

    @property
    def positive(self) -> bool:
        """Whether codes are non-negative."""
        return self.encoder in POSITIVE_ENCODERS

    def _inputs(self, is_first=False):
        return Rows(accepts_sparse=True)

    def _atoms(self):
        return TaughtAtoms(self.n_components, self.dictionary, self.positive)

    def _has_anyway(self, name, value):
        if name in ("alpha", "relative_alpha"):
            wanted = self._learning.fixed_alpha(self, self.alpha, self.relative_alpha)
            return wanted is None or wanted == self.alpha_  # None: `take_over` compares it
        if name == "penalty":
            fitted = self._last_state.fitted_with[name]
            return same_penalty(wanted_penalty(self, value), wanted_penalty(self, fitted))
        return super()._has_anyway(name, value)

    def _penalty_kind(self):
        return wanted_penalty(self, self.penalty)
