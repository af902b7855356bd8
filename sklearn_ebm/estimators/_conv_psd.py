"""Convolutional predictive sparse decomposition."""

from sklearn_ebm._sklearn import StrOptions
from sklearn_ebm.estimators._dictionary_learning import Prediction
from sklearn_ebm.estimators._filters import CONSTRAINTS, filters_of, images_of
from sklearn_ebm.estimators._psd import PREDICTION_CONSTRAINTS
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SparseModel
from sklearn_ebm.factors import CONVOLUTIONAL_ENCODERS
from sklearn_ebm.learning._rates import learning_rate_schedule

AUTOMATIC_RATE = 1e-2  # initial rate of learning_rate="auto"


class ConvPSD(SparseModel):
    """1/2 ||x - sum_k d_k * z_k||^2 + alpha ||z||_1 + beta/2 ||z - f(x)||^2: maps and a predictor.

    Kernels, maps and a convolutional encoder f are trained together, as in `PSD`, on random crops;
    `transform` is one convolution and an element-wise function, on images of any size. On maps of
    an earlier stage, `connections` says which of them each kernel reads.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of kernels. None uses the number of given kernels, or 32 if no kernels are given.
    kernel_size : int or (int, int), default=9
        Height and width of the kernels; one number is both, and the width on signals. Given
        kernels have their own.
    alpha : float or "scale", default="scale"
        Weight of the sparsity penalty, in `fit` and `transform` alike. Larger values give sparser
        codes. "scale" is the root mean square of the training data, which is 1 for data of unit
        variance; the codes then scale with the data.
    penalty : {"l1"}, GroupPenalty or Penalty, default="l1"
        Penalty that alpha weighs: ||z||_1, the norms of groups of components, or any object with
        `value` and `prox` (see :ref:`add_a_penalty`). It applies to the components of all maps
        at each position.
    beta : float, default=1.0
        Weight of the prediction term. Larger values give codes that are easier to predict.
    encoder : {"smooth_shrinkage", "shrinkage", "tanh"}, default="smooth_shrinkage"
        Encoder f: filters, followed by the smooth shrinkage with slope and location trained for
        each map, sh(w_k * x + b_k) with trained thresholds, or gain * tanh(w_k * x + b_k).
    inference : {"encoder", "optimal"}, default="encoder"
        Whether `transform` returns the prediction f(x) or the optimal code argmin_z E(x, z).
    border : {"full", "same", "valid", "circular"}, default="full"
        Positions of the kernels: all at which a kernel overlaps the image, so that every pixel is
        covered equally; those with the centre of the kernel in the image; those with the whole
        kernel in the image; or all pixels of an image that wraps around.
    image_shape : tuple of ints or None, default=None
        Height, width and channels (1 if omitted) of images passed as flat rows. None treats rows as
        signals, which are images of height one.
    positive : bool, default=False
        Whether optimal codes are constrained to be non-negative.
    connections : None, int or array-like of shape (n_components, n_channels), default=None
        Which channels each kernel reads: all, a random subset of so many, or those of a table.
    dictionary : array-like or None, default=None
        Fixed kernels of shape (n_components, height, width, n_channels), used as they are. `fit`
        trains the encoder only. The channels may be omitted if there is one, and the height for
        signals.
    dictionary_init : array-like or None, default=None
        Initial kernels. None draws windows of large norm from the images.
    crop_size : {"auto", "patch"}, int, (int, int) or None, default="auto"
        Size of the random crops that are learned from: eight kernels in each direction, a given
        size, or None for whole images. "patch" learns from windows of the kernels' size, as rows,
        whatever `border` is: many kernels of many channels learn fast on them, in large batches,
        though none of them accounts for its shifted neighbours.
    solver : {"auto", "local_cd", "fista", "fista_fft", "ista"}, default="auto"
        Algorithm that infers optimal codes: coordinate descent on tiles that change, after which
        FISTA finishes images with dense codes ("local_cd"); FISTA with direct products or in the
        Fourier domain; or ISTA. "auto" chooses the first of them that the backend has.
    max_iter : int, default=20
        Maximum number of passes over X. The crops of a pass cover as many pixels as the images
        have.
    tol : float, default=1e-3
        Relative change of the mean energy between two passes below which learning stops. 0 makes
        all `max_iter` passes.
    batch_size : int, default=4
        Number of crops per training step.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`. A
        callable receives the completed share of training, from 0 to 1, and returns the rate:
        `lambda done: 1e-3` for a constant rate, `lambda done: 5e-4 * (1 + cos(pi * done))` for
        cosine decay. `partial_fit` uses the initial rate. "auto" is 1e-2, for data of unit
        variance: steps of biases, thresholds and gains are scaled by the size of the data.
    code_max_iter : int, default=1000
        Maximum number of iterations of inference: rounds, sweeps or steps, depending on `solver`.
    code_tol : float, default=1e-3
        Duality gap, relative to 1/2 ||x||^2, at which inference of an optimal code stops. The true
        distance from the minimum is usually a hundred times smaller.
    missing_values : float or None, default=None
        Value that marks missing entries of X, `np.nan` or a number. They are left out of the
        reconstruction. The encoder reads them as zeros. Pixels that `mask` excludes are treated
        alike.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array, with one row per sample.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library for the computations. "auto" follows the data: CuPy for CuPy arrays, otherwise
        Numba.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial kernels, the connections, and the places and the order of the crops.
    verbose : int, default=0
        Whether to print a line after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, height, width, n_channels)
        Kernels of unit norm.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    encoder_ : encoder
        f, with `parameters` by name, for images of the size seen in `fit`.
        `encoder_.on_images(shape)` returns the encoder for another size.
    encoder_components_ : ndarray of shape (n_components, height, width, n_channels)
        The encoder's filters.
    connections_ : ndarray of bool of shape (n_components, n_channels) or None
        Channels that each kernel reads; None where all read all.
    n_iter_ : int
        Passes made.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy of a crop in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Share of the optimal codes' entries that were not zero in each pass.
    usage_ : ndarray of shape (n_components,)
        Share of the positions at which each kernel was used in the last pass.
    n_replaced_ : int
        Kernels without use that were replaced by windows.
    unconverged_ : float
        Share of the last pass's codes whose duality gap is above the larger of `code_tol` and 1e-3.
    n_features_in_ : int
        Numbers in an image in fit.
    n_channels_in_ : int
        Channels of the images in fit.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X was rows that had any.

    See Also
    --------
    ConvSparseCoder : The same without an encoder.
    PSD : On patches, or on any rows.

    References
    ----------
    K. Kavukcuoglu, P. Sermanet, Y-L. Boureau, K. Gregor, M. Mathieu, Y. LeCun (2010). Learning
    convolutional feature hierarchies for visual recognition, eq. 2 to 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import ConvPSD
    >>> images = load_digits().images[:100] / 16
    >>> psd = ConvPSD(8, kernel_size=5, alpha=0.1, tol=1e-2, random_state=0).fit(images)
    >>> psd.transform(images[:5]).shape
    (5, 12, 12, 8)
    """

    _model_attributes = (
        "components_",
        "alpha_",
        "encoder_",
        "encoder_components_",
        "connections_",
    )
    _needs_fit = ("n_components", "dictionary", "encoder", "kernel_size", "connections")
    _needs_fit_to_encode = ("alpha", "beta", "penalty", "positive")
    _free_to_change = ("alpha", "beta", "penalty", "positive")
    _needs_new_learner = ("kernel_size", "connections")
    _parameter_constraints: dict = {
        **COMMON_CONSTRAINTS,
        **CONSTRAINTS,
        **PREDICTION_CONSTRAINTS,
        "encoder": [StrOptions(set(CONVOLUTIONAL_ENCODERS))],
    }
    _inputs = images_of
    _atoms = filters_of

    def __init__(
        self,
        n_components=None,
        *,
        kernel_size=9,
        alpha="scale",
        penalty="l1",
        beta=1.0,
        encoder="smooth_shrinkage",
        inference="encoder",
        border="full",
        image_shape=None,
        positive=False,
        connections=None,
        dictionary=None,
        dictionary_init=None,
        crop_size="auto",
        solver="auto",
        max_iter=20,
        tol=1e-3,
        batch_size=4,
        learning_rate="auto",
        code_max_iter=1000,
        code_tol=1e-3,
        missing_values=None,
        sparse_output=False,
        backend="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.kernel_size = kernel_size
        self.alpha = alpha
        self.penalty = penalty
        self.beta = beta
        self.encoder = encoder
        self.inference = inference
        self.border = border
        self.image_shape = image_shape
        self.positive = positive
        self.connections = connections
        self.dictionary = dictionary
        self.dictionary_init = dictionary_init
        self.crop_size = crop_size
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

    def _prediction(self):
        schedule = learning_rate_schedule(self.learning_rate, AUTOMATIC_RATE)
        return Prediction(self.encoder, float(self.beta), schedule)
