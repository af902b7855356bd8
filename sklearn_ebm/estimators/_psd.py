"""Predictive sparse decomposition."""

from __future__ import annotations

from numbers import Integral, Real

from sklearn_ebm._sklearn import Interval, StrOptions
from sklearn_ebm._typing import (
    ArrayLike,
    Backend,
    BatchSize,
    Encoder,
    Inference,
    LearningRate,
    MatrixSolver,
    PenaltyLike,
    RandomState,
    Scale,
)
from sklearn_ebm.estimators._atoms import ATOM_CONSTRAINT, Atoms
from sklearn_ebm.estimators._dictionary_learning import Prediction
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SparseModel
from sklearn_ebm.factors import ENCODERS
from sklearn_ebm.learning._batch_sizes import ENCODER_BATCHES
from sklearn_ebm.learning._rates import LEARNING_RATE, learning_rate_schedule
from sklearn_ebm.protocols import AtomConstraint

AUTOMATIC_RATE = 3e-3  # initial rate of learning_rate="auto"

PREDICTION_CONSTRAINTS = {
    "beta": [Interval(Real, 0, None, closed="neither")],
    "inference": [StrOptions({"encoder", "optimal"})],
    "learning_rate": LEARNING_RATE,
}


def prediction_of(model):
    """Return the prediction term and encoder settings of a model whose samples are rows."""
    schedule = learning_rate_schedule(model.learning_rate, AUTOMATIC_RATE)
    settings = {"n_steps": int(model.n_steps)}
    return Prediction(model.encoder, float(model.beta), schedule, settings)


class PSD(SparseModel):
    """Predictive sparse decomposition: sparse coding with an encoder that predicts the codes.

    The energy of a sample x and its code z is::

        E(x, z) = 1/2 ||x - z D||^2 + alpha ||z||_1 + beta/2 ||z - f(x)||^2

    where the rows of the dictionary D are the atoms, and f is the encoder. Both are trained
    together: `fit` infers the codes that minimise the energy of a batch, and then updates the
    dictionary and the encoder. The last term keeps the codes close to their predictions. By
    default, `transform` returns the predictions f(x), which cost one matrix product and an
    element-wise function.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of atoms. If None, it is the number of atoms in `dictionary` or `dictionary_init`, or
        the number of features if neither is given.
    alpha : float or "scale", default="scale"
        Weight of the sparsity penalty, in `fit` and `transform` alike. Larger values give sparser
        codes. "scale" is the root mean square of the training data, which is 1 for data of unit
        variance; the codes are then proportional to the scale of the data. For a penalty with a
        `degree` other than 1, "scale" is this root mean square to the power 2 - degree.
    relative_alpha : bool, default=False
        Whether `alpha` is a share, at most 1, of the smallest alpha for which all codes are zero.
        `fit` computes the latter from the training samples and the initial or fixed atoms, as
        `alpha_max` does, and `partial_fit` from its first batch; `alpha_` is the product. Requires
        a penalty with a dual norm.
    penalty : {"l1"} or Penalty, default="l1"
        Sparsity penalty on the codes: "l1" for ||z||_1, an `L1Penalty` for weights of components,
        an `ElasticNetPenalty` for additional squares, a `LogSumPenalty` or an `LqPenalty` to shrink
        large coefficients less, an `L0Penalty` to limit the number of non-zero entries, an
        `L1Constraint` to limit ||z||_1 or the error, a `GroupPenalty` for the norms of groups of
        components, an `InhibitionPenalty` for components that inhibit each other, or any object
        with the methods `value` and `prox` (see :ref:`add_a_penalty`).
    beta : float, default=1.0
        Weight of the prediction term beta/2 ||z - f(x)||^2. With larger values, the codes are
        closer to their predictions f(x).
    encoder : {"shrinkage", "tanh", "smooth_shrinkage", "lista", "lfista", "lcod", "drsae"}, \
            default="shrinkage"
        Architecture of the encoder f. "shrinkage" is sh(x W + b), where sh is soft thresholding
        with trained thresholds; "tanh" is gain * tanh(x W + b) with trained gains;
        "smooth_shrinkage" is a smooth approximation of sh with trained slopes and locations.
        "lista", "lfista" and "lcod" unroll `n_steps` steps of ISTA, FISTA and greedy coordinate
        descent, as in `LISTAEncoder`. "drsae" unrolls ISTA for non-negative codes and suits
        `positive=True`.
    n_steps : int, default=3
        Number of steps of an unrolled encoder. Ignored by the other encoders.
    inference : {"encoder", "optimal"}, default="encoder"
        Code that `transform` returns: "encoder" for the prediction f(x), "optimal" for the optimal
        code argmin_z E(x, z), which takes longer.
    positive : bool, default=False
        Whether optimal codes are constrained to be non-negative.
    atom_constraint : SparseAtoms, SmoothAtoms or None, default=None
        Set of learned atoms in place of the atoms of unit norm: `SparseAtoms` for atoms with few
        non-zero entries, `SmoothAtoms` for smooth ones, or any object with a method
        `project(atoms)`, which returns the closest atoms in a convex set. It must be None if
        `dictionary` is given.
    dictionary : array-like of shape (n_components, n_features) or None, default=None
        Fixed atoms, used without normalisation. If given, `fit` trains only the encoder.
    dictionary_init : array-like of shape (n_components, n_features) or None, default=None
        Initial atoms, which are scaled to unit norm. If None, they are drawn from the samples.
    solver : {"auto", "constrained", "omp", "reweighted", "inhibited_cd", "active_set", "cd", \
            "block_cd", "fista", "ista"}, default="auto"
        Algorithm that infers optimal codes. "active_set" is exact and usually the fastest on the
        CPU; "cd" is coordinate descent. Both require a separable penalty, such as ||z||_1.
        "block_cd" is block coordinate descent and requires disjoint groups with equal weights.
        "fista" and "ista" are proximal gradient methods with and without acceleration; "fista"
        requires a convex penalty, and "ista" accepts any penalty. "omp" is orthogonal matching
        pursuit and requires an `L0Penalty`. "constrained" is exact and requires an `L1Constraint`.
        "reweighted" solves a sequence of weighted L1 problems and requires a `LogSumPenalty` or an
        `LqPenalty`. "inhibited_cd" is coordinate descent for an `InhibitionPenalty`. "auto" selects
        a solver that suits the penalty and the backend.
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
        Number of samples per training step. "auto" is 2 % of the samples, but at least 32 and at
        most 512, so that training makes enough steps on small data sets. `partial_fit` uses 512.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. `partial_fit` uses the initial
        rate. "auto" is 3e-3. Steps of biases, thresholds and gains are multiplied by the scale of
        the data, so that the same rate suits data of any scale.
    code_max_iter : int, default=1000
        Maximum number of iterations of `solver` when optimal codes are inferred.
    code_tol : float, default=1e-4
        Tolerance of inference, which stops when the duality gap of an optimal code, relative to
        1/2 ||x||^2, is at most this value.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. The encoder treats them as zeros. It must be None if X is sparse.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array, with one row per sample.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial atoms and the order of the samples.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms of unit norm, unless `atom_constraint` is set.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    inhibition_ : ndarray of shape (n_components, n_components)
        Learned strengths of lateral inhibition. Only exists if `penalty` is an `InhibitionPenalty`
        with `structure="learned"`.
    encoder_ : encoder
        The encoder f. `forward(X)` returns its codes, and `parameters` is a dict of its arrays.
    encoder_components_ : ndarray of shape (n_components, n_features)
        Filters of the encoder, the columns of W.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy per sample in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Fraction of non-zero entries of the optimal codes in each pass.
    usage_ : ndarray of shape (n_components,)
        Fraction of the samples whose optimal code used each atom in the last pass.
    n_replaced_ : int
        Number of unused atoms that were replaced by samples.
    unconverged_ : float
        Fraction of the codes in the last pass whose duality gap is above the larger of `code_tol`
        and 1e-3.
    n_features_in_ : int
        Number of features seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    SparseCoder : Sparse coding without an encoder.
    LISTAEncoder : Unrolled encoder that is trained for a fixed dictionary.

    Notes
    -----
    X may be a sparse matrix on the host, in `fit` and in all other methods. Products with sparse X
    are sparse, and X is never converted to a dense array. Sparse and dense X give the same results,
    up to rounding errors.

    References
    ----------
    K. Kavukcuoglu, M. Ranzato, Y. LeCun (2008). Fast inference in sparse coding algorithms with
    applications to object recognition, arXiv:1010.3467, eq. 4 and section 2.2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ebm import PSD
    >>> X = scale(load_digits().data)
    >>> psd = PSD(32, alpha=0.5, tol=1e-2, random_state=0).fit(X)
    >>> psd.transform(X[:5]).shape
    (5, 32)
    """

    _batch_sizes = ENCODER_BATCHES
    _fit_derives = ("alpha", "relative_alpha", "atom_constraint")
    _needs_new_learner = ("atom_constraint",)
    _specifications = ("penalty", "atom_constraint")
    _model_attributes = (*SparseModel._model_attributes, "encoder_", "encoder_components_")
    _needs_fit = ("n_components", "dictionary", "encoder", "n_steps")
    _needs_fit_to_encode = ("alpha", "relative_alpha", "beta", "penalty", "positive")
    _prediction = prediction_of
    _free_to_change = ("alpha", "relative_alpha", "beta", "penalty", "positive")
    _parameter_constraints: dict = {
        **COMMON_CONSTRAINTS,
        **PREDICTION_CONSTRAINTS,
        "encoder": [StrOptions(set(ENCODERS))],
        "atom_constraint": ATOM_CONSTRAINT,
        "n_steps": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        alpha: float | Scale = "scale",
        relative_alpha: bool = False,
        penalty: PenaltyLike = "l1",
        beta: float = 1.0,
        encoder: Encoder = "shrinkage",
        n_steps: int = 3,
        inference: Inference = "encoder",
        positive: bool = False,
        atom_constraint: AtomConstraint | None = None,
        dictionary: ArrayLike | None = None,
        dictionary_init: ArrayLike | None = None,
        solver: MatrixSolver = "auto",
        max_iter: int = 20,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRate = "auto",
        code_max_iter: int = 1000,
        code_tol: float = 1e-4,
        missing_values: float | None = None,
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
        self.beta = beta
        self.encoder = encoder
        self.n_steps = n_steps
        self.inference = inference
        self.positive = positive
        self.atom_constraint = atom_constraint
        self.dictionary = dictionary
        self.dictionary_init = dictionary_init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.max_time = max_time
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.code_max_iter = code_max_iter
        self.code_tol = code_tol
        self.missing_values = missing_values
        self.sparse_output = sparse_output
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _atoms(self):
        given = self.n_components, self.dictionary, self.dictionary_init
        return Atoms(*given, constraint=self.atom_constraint)
