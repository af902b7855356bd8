"""Predictive sparse decomposition."""

from numbers import Integral, Real

from sklearn_ebm._sklearn import Interval, StrOptions
from sklearn_ebm.estimators._dictionary_learning import Prediction
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SparseModel
from sklearn_ebm.factors import ENCODERS
from sklearn_ebm.learning._rates import LEARNING_RATE, learning_rate_schedule

AUTOMATIC_RATE = 3e-3  # initial rate of learning_rate="auto"

PREDICTION_CONSTRAINTS = {
    "beta": [Interval(Real, 0, None, closed="neither")],
    "inference": [StrOptions({"encoder", "optimal"})],
    "learning_rate": LEARNING_RATE,
}


def prediction_of(model):
    """Return the prediction term of a model of rows, as its parameters describe it."""
    schedule = learning_rate_schedule(model.learning_rate, AUTOMATIC_RATE)
    settings = {"n_steps": int(model.n_steps)}
    return Prediction(model.encoder, float(model.beta), schedule, settings)


class PSD(SparseModel):
    """E(x, z) = 1/2 ||x - zD||^2 + alpha ||z||_1 + beta/2 ||z - f(x)||^2: codes and a predictor.

    Dictionary, codes and encoder f are trained together. The codes of each batch minimise the
    energy, whose prediction term keeps them predictable; then the dictionary and the encoder take a
    step. `transform` is one matrix product and an element-wise function.

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
    beta : float, default=1.0
        Weight of the prediction term. Larger values give codes that are easier to predict.
    encoder : {"shrinkage", "tanh", "smooth_shrinkage", "lista", "lfista", "lcod"}, \
            default="shrinkage"
        Encoder f: sh(x W + b) with trained thresholds, gain * tanh(x W + b), the smooth shrinkage
        with trained slope and location, or an unrolled solver as in `LISTAEncoder`: ISTA, FISTA or
        greedy coordinate descent.
    n_steps : int, default=3
        Number of steps of an unrolled encoder. The other encoders ignore it.
    inference : {"encoder", "optimal"}, default="encoder"
        Whether `transform` returns the prediction f(x) or the optimal code argmin_z E(x, z).
    positive : bool, default=False
        Whether optimal codes are constrained to be non-negative.
    dictionary : array-like of shape (n_components, n_features) or None, default=None
        Fixed atoms, used as they are. `fit` trains the encoder only.
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
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`. A
        callable receives the completed share of training, from 0 to 1, and returns the rate:
        `lambda done: 1e-3` for a constant rate, `lambda done: 5e-4 * (1 + cos(pi * done))` for
        cosine decay. `partial_fit` uses the initial rate. "auto" is 3e-3, for data of unit
        variance: steps of biases, thresholds and gains are scaled by the size of the data.
    code_max_iter : int, default=1000
        Maximum number of iterations of inference: rounds, sweeps or steps, depending on `solver`.
    code_tol : float, default=1e-4
        Duality gap, relative to 1/2 ||x||^2, at which inference of an optimal code stops.
    missing_values : float or None, default=None
        Value that marks missing entries of X, `np.nan` or a number. They are left out of the
        reconstruction. The encoder reads them as zeros.
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
        Atoms of unit norm.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    encoder_ : encoder
        f, with `parameters` by name and `encode(X)`.
    encoder_components_ : ndarray of shape (n_components, n_features)
        The encoder's filters, the columns of W.
    n_iter_ : int
        Passes made.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy a sample in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Share of the optimal codes' entries that were not zero in each pass.
    usage_ : ndarray of shape (n_components,)
        Share of the samples whose optimal code used each atom in the last pass.
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
    SparseCoder : The same without an encoder.
    LISTAEncoder : An unrolled encoder of a finished dictionary's codes.

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

    _model_attributes = ("components_", "alpha_", "encoder_", "encoder_components_")
    _needs_fit = ("n_components", "dictionary", "encoder", "n_steps")
    _needs_fit_to_encode = ("alpha", "beta", "penalty", "positive")
    _prediction = prediction_of
    _free_to_change = ("alpha", "beta", "penalty", "positive")
    _parameter_constraints: dict = {
        **COMMON_CONSTRAINTS,
        **PREDICTION_CONSTRAINTS,
        "encoder": [StrOptions(set(ENCODERS))],
        "n_steps": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=None,
        *,
        alpha="scale",
        penalty="l1",
        beta=1.0,
        encoder="shrinkage",
        n_steps=3,
        inference="encoder",
        positive=False,
        dictionary=None,
        dictionary_init=None,
        solver="auto",
        max_iter=20,
        tol=1e-3,
        batch_size=512,
        learning_rate="auto",
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
        self.beta = beta
        self.encoder = encoder
        self.n_steps = n_steps
        self.inference = inference
        self.positive = positive
        self.dictionary = dictionary
        self.dictionary_init = dictionary_init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
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
