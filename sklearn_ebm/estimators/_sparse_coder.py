"""Sparse coding."""

from sklearn_ebm.estimators._sparse_model import SparseModel


class SparseCoder(SparseModel):
    """E(x, z) = 1/2 ||x - z D||^2 + alpha ||z||_1: sparse codes on a learned or given dictionary.

    Codes are exact to a certificate, the duality gap; the dictionary is learned online from
    sufficient statistics of all batches seen so far.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of atoms. None uses the number of given atoms, or of features if no atoms are given.
    alpha : float or "scale", default="scale"
        Weight of the sparsity penalty, in `fit` and `transform` alike. Larger values give sparser
        codes. "scale" is the root mean square of the training data, which is 1 for data of unit
        variance; the codes then scale with the data.
    penalty : {"l1"}, GroupPenalty or Penalty, default="l1"
        Penalty that alpha weighs: ||z||_1, the norms of groups of components, or any object with
        `value` and `prox` (see :ref:`add_a_penalty`).
    positive : bool, default=False
        Whether optimal codes are constrained to be non-negative.
    dictionary : array-like of shape (n_components, n_features) or None, default=None
        Fixed atoms, used as they are. `fit` learns nothing then.
    dictionary_init : array-like of shape (n_components, n_features) or None, default=None
        Initial atoms. None draws samples.
    solver : {"auto", "active_set", "cd", "block_cd", "fista", "ista"}, default="auto"
        Algorithm that infers optimal codes. "active_set" is exact and usually the fastest on the
        CPU, "cd" is coordinate descent; both require a penalty on single components. "block_cd"
        requires disjoint groups with equal weights. "fista" and "ista" accept any penalty. "auto"
        chooses by penalty and backend.
    max_iter : int, default=20
        Maximum number of passes over X.
    tol : float, default=1e-3
        Relative change of the mean energy between two passes below which learning stops. 0 makes
        all `max_iter` passes.
    batch_size : int, default=512
        Number of samples per training step.
    code_max_iter : int, default=1000
        Maximum number of iterations of inference: rounds, sweeps or steps, depending on `solver`.
    code_tol : float, default=1e-4
        Duality gap, relative to 1/2 ||x||^2, at which inference of an optimal code stops.
    missing_values : float or None, default=None
        Value that marks missing entries of X, `np.nan` or a number. They are left out of the
        reconstruction.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array, with one row per sample.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library for the computations. "auto" follows the data: CuPy for CuPy arrays, otherwise
        Numba.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial atoms and the order of the samples.
    verbose : int, default=0
        Whether to print a line after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms. Learned atoms have unit norm.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    n_iter_ : int
        Passes made.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy a sample in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Share of the codes' entries that were not zero in each pass.
    usage_ : ndarray of shape (n_components,)
        Share of the samples that used each atom in the last pass.
    n_replaced_ : int
        Atoms without use that were replaced by samples.
    unconverged_ : float
        Share of the last pass's codes whose duality gap is above the larger of `code_tol` and 1e-3.
    n_features_in_ : int
        Features seen in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X had any.

    See Also
    --------
    PSD : The same with an encoder that predicts the code.
    GroupPenalty : Components that are on or off in groups.
    sparse_encode : Codes without an estimator.

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

    def __init__(
        self,
        n_components=None,
        *,
        alpha="scale",
        penalty="l1",
        positive=False,
        dictionary=None,
        dictionary_init=None,
        solver="auto",
        max_iter=20,
        tol=1e-3,
        batch_size=512,
        code_max_iter=1000,
        code_tol=1e-4,
        missing_values=None,
        sparse_output=False,
        backend="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.penalty = penalty
        self.positive = positive
        self.dictionary = dictionary
        self.dictionary_init = dictionary_init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.code_max_iter = code_max_iter
        self.code_tol = code_tol
        self.missing_values = missing_values
        self.sparse_output = sparse_output
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
