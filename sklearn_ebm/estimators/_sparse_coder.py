"""Sparse coding."""

from __future__ import annotations

from typing import Literal

from sklearn_ebm._sklearn import StrOptions
from sklearn_ebm._typing import (
    ArrayLike,
    Backend,
    BatchSize,
    MatrixSolver,
    PenaltyLike,
    RandomState,
    Scale,
)
from sklearn_ebm.estimators._atoms import ATOM_CONSTRAINT, Atoms
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SparseModel
from sklearn_ebm.learning._batch_sizes import ALL_SAMPLES, DICTIONARY_BATCHES
from sklearn_ebm.learning._ksvd import KSVD, ApproximateKSVD
from sklearn_ebm.learning._online_dictionary import OnlineDictionary, PositiveDictionary
from sklearn_ebm.protocols import AtomConstraint

OPTIMIZERS = {"online": OnlineDictionary, "ksvd": KSVD, "approximate_ksvd": ApproximateKSVD}


class SparseCoder(SparseModel):
    """Sparse coding with a learned or fixed dictionary.

    The code of a sample x minimises the energy::

        E(x, z) = 1/2 ||x - z D||^2 + alpha ||z||_1

    where the rows of the dictionary D are the atoms. Inference stops when the duality gap, an upper
    bound on the distance of the energy from its minimum, is small enough. The dictionary is learned
    online: `fit` encodes one batch of samples at a time, and updates the atoms from sufficient
    statistics of all codes so far.

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
    positive : bool, default=False
        Whether optimal codes are constrained to be non-negative.
    positive_dictionary : bool, default=False
        Whether learned atoms are constrained to be non-negative. With `positive=True`, the model is
        a sparse non-negative matrix factorisation. Not available with K-SVD.
    atom_constraint : SparseAtoms, SmoothAtoms or None, default=None
        Set of learned atoms in place of the atoms of unit norm: `SparseAtoms` for atoms with few
        non-zero entries, `SmoothAtoms` for smooth ones, or any object with a method
        `project(atoms)`, which returns the closest atoms in a convex set. It must be None if
        `dictionary` is given. Not available with K-SVD.
    dictionary : array-like of shape (n_components, n_features) or None, default=None
        Fixed atoms, used without normalisation. If given, `fit` does not learn a dictionary.
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
    optimizer : {"online", "ksvd", "approximate_ksvd"}, default="online"
        Algorithm that learns the dictionary. "online" updates all atoms from moments of the codes
        of all batches so far. "ksvd" (K-SVD) fits one atom after another, together with its
        coefficients, to the samples that use it, by a singular value decomposition;
        "approximate_ksvd" makes a single power iteration for each atom. Both require an
        `L0Penalty`, `batch_size="auto"` and dense samples without missing values. All samples are
        one batch, whose codes must fit into memory. `partial_fit` fits the samples it receives, and
        keeps nothing of earlier ones but the atoms.
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
        Number of samples per training step. "auto" is half of the samples, but at least 64 and at
        most 512, and all samples with K-SVD. `partial_fit` uses 512, or all samples with K-SVD.
    code_max_iter : int, default=1000
        Maximum number of iterations of `solver` when optimal codes are inferred.
    code_tol : float, default=1e-4
        Tolerance of inference, which stops when the duality gap of an optimal code, relative to
        1/2 ||x||^2, is at most this value.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. It must be None if X is sparse.
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
        Atoms. Learned atoms have unit norm, unless `atom_constraint` is set.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    inhibition_ : ndarray of shape (n_components, n_components)
        Learned strengths of lateral inhibition. Only exists if `penalty` is an `InhibitionPenalty`
        with `structure="learned"`.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy per sample in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Fraction of non-zero entries of the codes in each pass.
    usage_ : ndarray of shape (n_components,)
        Fraction of the samples whose code used each atom in the last pass.
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
    PSD : Sparse coding with an encoder that predicts the codes.
    GroupPenalty : Penalty on groups of components.
    SparseAtoms : Constraint for atoms with few non-zero entries.
    SmoothAtoms : Constraint for smooth atoms.
    sparse_encode : Function that infers the codes of a given dictionary.

    Notes
    -----
    X may be a sparse matrix on the host, in `fit` and in all other methods. Products with sparse X
    are sparse, and X is never converted to a dense array. Sparse and dense X give the same results,
    up to rounding errors. K-SVD requires dense X.

    References
    ----------
    B. Olshausen, D. Field (1997). Sparse coding with an overcomplete basis set: a strategy employed
    by V1? J. Mairal, F. Bach, J. Ponce, G. Sapiro (2009). Online dictionary learning for sparse
    coding, algorithms 1 and 2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ebm import SparseCoder
    >>> X = scale(load_digits().data)
    >>> coder = SparseCoder(32, alpha=1.0, tol=1e-2, random_state=0).fit(X)
    >>> coder.transform(X[:5]).shape
    (5, 32)
    """

    _parameter_constraints: dict = {
        **COMMON_CONSTRAINTS,
        "positive_dictionary": ["boolean"],
        "atom_constraint": ATOM_CONSTRAINT,
        "optimizer": [StrOptions(set(OPTIMIZERS))],
    }
    _fit_derives = (
        "alpha", "relative_alpha", "positive_dictionary", "atom_constraint", "optimizer"
    )  # fmt: skip
    _needs_new_learner = ("positive_dictionary", "atom_constraint", "optimizer")
    _specifications = ("penalty", "atom_constraint")

    def __init__(
        self,
        n_components: int | None = None,
        *,
        alpha: float | Scale = "scale",
        relative_alpha: bool = False,
        penalty: PenaltyLike = "l1",
        positive: bool = False,
        positive_dictionary: bool = False,
        atom_constraint: AtomConstraint | None = None,
        dictionary: ArrayLike | None = None,
        dictionary_init: ArrayLike | None = None,
        solver: MatrixSolver = "auto",
        optimizer: Literal["online", "ksvd", "approximate_ksvd"] = "online",
        max_iter: int = 20,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: BatchSize = "auto",
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
        self.positive = positive
        self.positive_dictionary = positive_dictionary
        self.atom_constraint = atom_constraint
        self.dictionary = dictionary
        self.dictionary_init = dictionary_init
        self.solver = solver
        self.optimizer = optimizer
        self.max_iter = max_iter
        self.tol = tol
        self.max_time = max_time
        self.batch_size = batch_size
        self.code_max_iter = code_max_iter
        self.code_tol = code_tol
        self.missing_values = missing_values
        self.sparse_output = sparse_output
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @property
    def _batch_sizes(self):
        return DICTIONARY_BATCHES if self.optimizer == "online" else ALL_SAMPLES

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.sparse and self.optimizer == "online"
        return tags

    def _atoms(self):
        given = self.n_components, self.dictionary, self.dictionary_init
        updates = OPTIMIZERS[self.optimizer]
        if self.positive_dictionary and updates is OnlineDictionary:
            updates = PositiveDictionary
        return Atoms(*given, updates=updates, constraint=self.atom_constraint)
