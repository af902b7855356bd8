"""Convolutional predictive sparse decomposition."""

from __future__ import annotations

from typing import Literal

from sklearn_ebm._sklearn import StrOptions
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    Border,
    ConvolutionSolver,
    ImageShape,
    Inference,
    LearningRate,
    PenaltyLike,
    RandomState,
    Scale,
    Size,
)
from sklearn_ebm.estimators._dictionary_learning import Prediction
from sklearn_ebm.estimators._filters import CONSTRAINTS, filters_of, images_of, names_of_maps
from sklearn_ebm.estimators._psd import PREDICTION_CONSTRAINTS
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SparseModel
from sklearn_ebm.factors import CONVOLUTIONAL_ENCODERS
from sklearn_ebm.learning._rates import learning_rate_schedule

AUTOMATIC_RATE = 1e-2  # initial rate of learning_rate="auto"


class ConvPSD(SparseModel):
    """Convolutional predictive sparse decomposition of images and signals.

    The energy of an image x and its feature maps z_k, one for each filter d_k, is::

        E(x, z) = 1/2 ||x - sum_k d_k * z_k||^2 + alpha ||z||_1 + beta/2 ||z - f(x)||^2

    where * is the convolution. The filters and a convolutional encoder f are trained together on
    random crops, as in `PSD`. By default, `transform` returns the predictions f(x), which cost one
    convolution and an element-wise function, for images of any size. If the images are feature maps
    of an earlier stage, `connections` restricts the maps that each filter reads.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of filters. If None, it is the number of filters in `dictionary` or
        `dictionary_init`, or 32 if neither is given.
    kernel_size : int or (int, int), default=9
        Height and width of the filters. An int applies to both, and to the width alone if X
        contains signals. Ignored if `dictionary` or `dictionary_init` is given.
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
        It is applied to the components of all maps at each position.
    beta : float, default=1.0
        Weight of the prediction term beta/2 ||z - f(x)||^2. With larger values, the codes are
        closer to their predictions f(x).
    encoder : {"shrinkage", "smooth_shrinkage", "tanh"}, default="shrinkage"
        Architecture of the encoder f: a convolution with trained filters w_k, followed by an
        element-wise function. "shrinkage" is sh(w_k * x + b_k), where sh is soft thresholding with
        trained thresholds, so that most predictions are zero; "smooth_shrinkage" is a smooth
        approximation of soft thresholding with a trained slope and location for each map, whose
        predictions are not exactly zero; "tanh" is gain * tanh(w_k * x + b_k) with trained gains.
    inference : {"encoder", "optimal"}, default="encoder"
        Code that `transform` returns: "encoder" for the prediction f(x), "optimal" for the optimal
        code argmin_z E(x, z), which takes longer.
    border : {"full", "same", "valid", "circular"}, default="full"
        Positions at which the filters are applied. "full": all positions at which the filter
        overlaps the image, so that each pixel is covered equally often. "same": positions at which
        the centre of the filter is in the image. "valid": positions at which the whole filter is in
        the image. "circular": all pixels of the image, which is treated as periodic.
    image_shape : tuple of ints or None, default=None
        Height, width and channels (1 if omitted) of images passed as flat rows. None treats rows as
        signals, which are images of height one, and `fit` issues a warning. For signals, set it to
        `(1, n_features)`.
    positive : bool, default=False
        Whether optimal codes are constrained to be non-negative.
    connections : None, int or array-like of shape (n_components, n_channels), default=None
        Channels that each filter reads. None connects each filter to all channels, an int to a
        random subset of that size, and an array of shape (n_components, n_channels) specifies the
        connections by non-zero entries.
    dictionary : array-like or None, default=None
        Fixed filters of shape (n_components, height, width, n_channels), used without
        normalisation. If given, `fit` trains only the encoder. The last axis may be omitted for
        images with one channel, and the height for signals.
    dictionary_init : array-like or None, default=None
        Initial filters, which are scaled to unit norm. If None, they are random windows of the
        images, selected for a large norm.
    crop_size : {"auto", "patch"}, int, (int, int) or None, default="auto"
        Size of the random crops from which the model learns. "auto" is eight times the size of the
        filters in each direction, and None uses whole images. "patch" uses crops of the size of the
        filters, each encoded by itself, for any `border`. This is fast if there are many filters
        and channels, because batches can be large, but the filters do not account for shifted
        copies of each other.
    solver : {"auto", "reweighted", "local_cd", "fista", "fista_fft", "ista"}, default="auto"
        Algorithm that infers optimal codes. "local_cd" is coordinate descent on tiles of the maps,
        and passes images with dense codes on to FISTA. "fista" is the accelerated proximal gradient
        method, "fista_fft" the same with convolutions in the Fourier domain, and "ista" the
        proximal gradient method without acceleration. "reweighted" solves a sequence of weighted L1
        problems and requires a `LogSumPenalty` or an `LqPenalty`. "auto" selects a solver that
        suits the penalty and the backend.
    max_iter : int, default=20
        Maximum number of passes over X. The crops of a pass have about as many pixels as the
        images.
    tol : float, default=1e-3
        Tolerance of the stopping criterion: learning stops when the relative change of the mean
        energy between two passes is at most this value. With 0, all `max_iter` passes are made.
    max_time : float or None, default=None
        Maximum duration of learning, in seconds. When it is reached, `fit` completes the current
        training step and stops, without a warning; a pass that ends early counts in `n_iter_` and
        the curves. None sets no limit. `partial_fit` ignores the limit.
    batch_size : int, default=4
        Number of crops per training step.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. `partial_fit` uses the initial
        rate. "auto" is 1e-2. Steps of biases, thresholds and gains are multiplied by the scale of
        the data, so that the same rate suits data of any scale.
    code_max_iter : int, default=1000
        Maximum number of iterations of `solver` when optimal codes are inferred.
    code_tol : float, default=1e-3
        Tolerance of inference, which stops when the duality gap of an optimal code, relative to
        1/2 ||x||^2, is at most this value. The energy is usually a hundred times closer to its
        minimum than the gap suggests.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. The encoder treats them as zeros. Pixels excluded by `mask` are treated in
        the same way.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array, with one row per sample.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial filters, the connections, and the positions and order of the crops.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, height, width, n_channels)
        Filters of the dictionary, of unit norm.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    encoder_ : encoder
        The encoder f, for images of the size seen in `fit`. `parameters` is a dict of its arrays.
        `encoder_.on_images(shape)` returns the encoder for another size.
    encoder_components_ : ndarray of shape (n_components, height, width, n_channels)
        Filters of the encoder.
    connections_ : ndarray of bool of shape (n_components, n_channels) or None
        True if a filter reads a channel. None if all filters read all channels.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy per crop in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Fraction of non-zero entries of the optimal codes in each pass.
    usage_ : ndarray of shape (n_components,)
        Fraction of the positions at which each filter was used in the last pass.
    n_replaced_ : int
        Number of unused filters that were replaced by windows of the images.
    unconverged_ : float
        Fraction of the codes in the last pass whose duality gap is above the larger of `code_tol`
        and 0.1.
    n_features_in_ : int
        Number of features seen during :term:`fit`: height * width * channels of images.
    n_channels_in_ : int
        Number of channels seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    ConvSparseCoder : Convolutional sparse coding without an encoder.
    PSD : Predictive sparse decomposition of patches and other feature vectors.

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
    _needs_fit_to_encode = ("alpha", "relative_alpha", "beta", "penalty", "positive")
    _free_to_change = ("alpha", "relative_alpha", "beta", "penalty", "positive")
    _needs_new_learner = ("kernel_size", "connections")
    _parameter_constraints: dict = {
        **COMMON_CONSTRAINTS,
        **CONSTRAINTS,
        **PREDICTION_CONSTRAINTS,
        "encoder": [StrOptions(set(CONVOLUTIONAL_ENCODERS))],
    }
    _takes_images = True
    _inputs = images_of
    _atoms = filters_of

    def __init__(
        self,
        n_components: int | None = None,
        *,
        kernel_size: Size = 9,
        alpha: float | Scale = "scale",
        relative_alpha: bool = False,
        penalty: PenaltyLike = "l1",
        beta: float = 1.0,
        encoder: Literal["shrinkage", "smooth_shrinkage", "tanh"] = "shrinkage",
        inference: Inference = "encoder",
        border: Border = "full",
        image_shape: ImageShape | None = None,
        positive: bool = False,
        connections: int | ArrayLike | None = None,
        dictionary: ArrayLike | None = None,
        dictionary_init: ArrayLike | None = None,
        crop_size: Literal["auto", "patch"] | Size | None = "auto",
        solver: ConvolutionSolver = "auto",
        max_iter: int = 20,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: int = 4,
        learning_rate: LearningRate = "auto",
        code_max_iter: int = 1000,
        code_tol: float = 1e-3,
        missing_values: float | None = None,
        sparse_output: bool = False,
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.kernel_size = kernel_size
        self.alpha = alpha
        self.relative_alpha = relative_alpha
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

    def _prediction(self):
        schedule = learning_rate_schedule(self.learning_rate, AUTOMATIC_RATE)
        return Prediction(self.encoder, float(self.beta), schedule)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Array:
        """Get the names of the output features.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only used to check the names seen in `fit`.

        Returns
        -------
        ndarray of str objects
            The class in lower case and the number of the map, such as "convpsd_map0". If X
            contains images in flat rows, also the row and the column:
            "convpsd_map0_row3_column5". Signals have columns only.
        """
        return names_of_maps(self, super().get_feature_names_out(input_features))
