"""Predictive sparse decomposition."""

from numbers import Integral

from sklearn_ebm._sklearn import Interval, StrOptions
from sklearn_ebm.estimators._encoding import JointModel
from sklearn_ebm.factors import ENCODERS, LinearDecoder


class PSD(JointModel):
    """E(x, z) = 1/2 ||x - zD||^2 + alpha ||z||_1 + beta/2 ||z - f(x)||^2: codes and a predictor.

    Dictionary, codes and encoder f are trained together: each batch's codes minimise the energy,
    the prediction included, which is what makes them predictable; then dictionary and encoder move.
    `transform` is one matrix product and an element-wise function.

    Parameters
    ----------
    n_components : int or None, default=None
        Atoms; None takes as many as there are features.
    alpha : float, default=1.0
        Weight of the sparsity, above zero. One suits data of unit variance.
    penalty : {"l1"}, GroupPenalty or Penalty, default="l1"
        What alpha weighs: ||z||_1, the norms of groups of components, or any object with `value`
        and `prox` (see :ref:`add_a_penalty`).
    beta : float, default=1.0
        Weight of the prediction.
    encoder : {"shrinkage", "tanh", "smooth_shrinkage", "lista", "lfista", "lcod"}, \
            default="shrinkage"
        f: sh(x W + b) with learned thresholds, gain * tanh(x W + b), the smooth shrinkage with
        learned slope and location, or unrolled inference as in `LISTAEncoder`: ISTA, FISTA, or
        greedy coordinate descent.
    n_steps : int, default=3
        Steps of an encoder that is unrolled; the others have none.
    inference : {"encoder", "optimal"}, default="encoder"
        Whether `transform` gives f(x) or argmin_z E(x, z).
    positive : bool, default=False
        Constrain optimal codes to be positive.
    dictionary : array-like of shape (n_components, n_features) or None, default=None
        Given atoms, used as they are; `fit` trains the encoder on them.
    dictionary_init : array-like of shape (n_components, n_features) or None, default=None
        Where learning starts; None starts from random samples.
    solver : {"auto", "active_set", "cd", "block_cd", "fista", "ista"}, default="auto"
        How optimal codes are inferred; "block_cd" is for groups, which there are none of here.
    max_iter : int, default=20
        Passes over X.
    tol : float, default=1e-3
        Relative change of the mean energy from one pass to the next at which learning stops; 0
        makes all passes.
    batch_size : int, default=512
        Samples for each step.
    learning_rate : float, default=3e-3
        First step size of Adam on the encoder, for data of unit variance: steps of biases,
        thresholds and gains are in proportion to the size of the data. It falls linearly to zero
        over `max_iter` passes.
    code_max_iter : int, default=1000
        Rounds, sweeps or steps of inference.
    code_tol : float, default=1e-4
        Duality gap relative to 1/2 ||x||^2 at which an optimal code is good.
    missing_values : float or None, default=None
        Entries of X with this value, `np.nan` or a number, are left out of the reconstruction;
        the encoder sees zeros there.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Where to compute; "auto" follows the data.
    warm_start : bool, default=False
        Whether `fit` goes on from where the last one ended.
    random_state : int, RandomState instance or None, default=None
        First atoms and order of the samples.
    verbose : int, default=0
        Print a line for each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms of unit norm.
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

    _needs_fit = (*JointModel._needs_fit, "n_steps")
    _parameter_constraints: dict = {
        **JointModel._parameter_constraints,
        "encoder": [StrOptions(set(ENCODERS))],
        "n_steps": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=None,
        *,
        alpha=1.0,
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
        learning_rate=3e-3,
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

    def _first_encoder(self, dictionary, scale):
        lipschitz = LinearDecoder(dictionary).lipschitz
        return ENCODERS[self.encoder].from_dictionary(
            dictionary, lipschitz, float(self.alpha), scale=scale, n_steps=int(self.n_steps)
        )

    def _has_anyway(self, name, value):
        if name == "n_steps":
            return "n_steps" not in self.encoder_.settings
        return super()._has_anyway(name, value)

    def _go_on(self, learner, backend):
        goes_on_with = type(learner.encoder), learner.encoder.settings.get("n_steps", self.n_steps)
        if goes_on_with != (ENCODERS[self.encoder], self.n_steps):
            raise ValueError(
                f"encoder={self.encoder!r} and n_steps={self.n_steps}, but learning goes on with a "
                f"{goes_on_with[0].__name__} of {goes_on_with[1]} steps: another one takes a fit "
                "with warm_start=False."
            )
        super()._go_on(learner, backend)
