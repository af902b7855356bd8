"""Predictive sparse decomposition of images with local filters that differ between positions."""

from __future__ import annotations

from numbers import Real
from typing import Literal

from sklearn_ebm._sklearn import Interval
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    ImageShape,
    Inference,
    LearningRate,
    RandomState,
    Scale,
    Size,
)
from sklearn_ebm.estimators._dictionary_learning import Prediction
from sklearn_ebm.estimators._filters import names_of_maps
from sklearn_ebm.estimators._local_units import (
    LOCAL_CONSTRAINTS,
    LocalImages,
    LocalLearning,
    LocalUnits,
)
from sklearn_ebm.estimators._network_forms import MapNetwork
from sklearn_ebm.estimators._psd import PREDICTION_CONSTRAINTS
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SparseModel
from sklearn_ebm.factors import MapPenalty
from sklearn_ebm.learning._rates import learning_rate_schedule

AUTOMATIC_RATE = 3e-2  # initial rate of learning_rate="auto"
COMMON = (
    "alpha",
    "positive",
    "max_iter",
    "tol",
    "max_time",
    "code_max_iter",
    "code_tol",
    "missing_values",
    "backend",
    "warm_start",
    "random_state",
    "verbose",
)


class LocalPSD(SparseModel):
    """Predictive sparse decomposition of images with local, unshared filters.

    The energy of an image x and its map z of codes, one for each unit u, is::

        E(x, z) = 1/2 ||x - sum_u z_u d_u(. - p_u)||^2 + alpha sum_g ||z_g|| + beta/2 ||z - f(x)||^2

    where ||z_g|| = sqrt(sum_u w_gu z_u^2) is the pooled feature of group g. Unlike in `ConvPSD`,
    the units of a map have different filters: unit u has its own filter d_u at its place p_u in the
    image, and its own filter in the encoder f. The filters repeat with the period `tile_shape`, or
    not at all. The pools g are Gaussian windows on the map, so that neighbouring units learn
    similar filters: the model learns a topographic map of the whole image.

    Parameters
    ----------
    n_components : int, default=1
        Number of units per pixel, a square number such as 1, 4 or 9. With 4 units per pixel, the
        map of units is twice as fine as the image in each direction.
    kernel_size : int or (int, int), default=15
        Height and width of the filters. An int applies to both, and to the width alone if X
        contains signals.
    tile_shape : int, (int, int) or None, default=(20, 20)
        Period of the filters in pixels: units that are a multiple of these numbers of rows and
        columns apart have the same filters. An int applies to both, and to the width alone if X
        contains signals. The model then encodes images of any size. None shares no filters, and all
        images must have the size of those in `fit`.
    pool_sigma : float, default=2.0
        Standard deviation of the Gaussian weights of a pool, in units of the map. There is one pool
        around each unit, which extends to two standard deviations.
    alpha : float or "scale", default="scale"
        Weight of the sparsity penalty, in `fit` and `transform` alike. Larger values give sparser
        codes. "scale" is the root mean square of the training data, which is 1 for data of unit
        variance; the codes are then proportional to the scale of the data.
    beta : float, default=1.0
        Weight of the prediction term beta/2 ||z - f(x)||^2. With larger values, the codes are
        closer to their predictions f(x).
    encoder : {"shrinkage", "smooth_shrinkage", "tanh"}, default="shrinkage"
        Architecture of the encoder f: the product of a trained filter with the image at the place
        of each unit, followed by an element-wise function with parameters of each unit. The
        functions are those of `ConvPSD`.
    output : {"pooled", "simple"}, default="pooled"
        Features that `transform` returns: "pooled" for the pooled features ||z_g||, "simple" for
        the codes z.
    inference : {"encoder", "optimal"}, default="encoder"
        Code that `transform` returns: "encoder" for the prediction f(x), "optimal" for the optimal
        code argmin_z E(x, z), which takes longer.
    image_shape : tuple of ints or None, default=None
        Height, width and channels (1 if omitted) of images passed as flat rows. None treats rows as
        signals, which are images of height one, and `fit` issues a warning. For signals, set it to
        `(1, n_features)`.
    positive : bool, default=False
        Whether optimal codes are constrained to be non-negative.
    crop_size : "auto", int, (int, int) or None, default="auto"
        Size of the random crops from which the model learns. "auto" is the size of the filters plus
        twice that of the tile, and None uses whole images, as does `tile_shape=None`. The position
        of the tile in the crops changes in each training step, so that no filter is always at the
        edge of a crop.
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
    batch_size : int, default=32
        Number of crops per training step. Multiples of 16 for each thread are efficient.
    learning_rate : float, callable or "auto", default="auto"
        Initial learning rate, which decays linearly to zero over `max_iter` passes of `fit`, or
        over `max_time` if that ends first. A callable takes the completed fraction of training,
        from 0 to 1, and returns the rate: `lambda done: 1e-3` for a constant rate,
        `lambda done: 5e-4 * (1 + cos(pi * done))` for cosine decay. `partial_fit` uses the initial
        rate. "auto" is 3e-2. Steps of biases, thresholds and gains are multiplied by the scale of
        the data, so that the same rate suits data of any scale. Steps of the filters are multiplied
        by ten times the usual size of their entries.
    code_max_iter : int, default=200
        Maximum number of iterations of FISTA when optimal codes are inferred.
    code_tol : float, default=1e-2
        Tolerance of inference, which stops when the duality gap of an optimal code, relative to
        1/2 ||x||^2, is at most this value.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. The encoder treats them as zeros. Pixels excluded by `mask` are treated in
        the same way.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.
    warm_start : bool, default=False
        Whether `fit` continues from the previous fit instead of starting anew.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random numbers. Pass an int for reproducible results. It determines
        the initial filters, and the positions and order of the crops.
    verbose : int, default=0
        Verbosity level. If it is not zero, a line is printed after each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_units, height, width, n_channels)
        Filters of the dictionary, of unit norm. The units of a tile are numbered row by row.
    map_shape_ : tuple of two ints
        Rows and columns of the units of a tile, whose product is n_units. With `tile_shape=None`,
        it is the shape of the map of an image.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    encoder_ : encoder
        The encoder f, for images of the size seen in `fit`. `parameters` is a dict of its arrays.
        `encoder_.on_images(shape)` returns the encoder for another size.
    encoder_components_ : ndarray of shape (n_units, height, width, n_channels)
        Filters of the encoder.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy per crop in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Fraction of non-zero entries of the optimal codes in each pass.
    usage_ : ndarray of shape (n_units,)
        Fraction of its positions at which each unit was used in the last pass.
    unconverged_ : float
        Fraction of the codes in the last pass whose duality gap is above the larger of `code_tol`
        and 0.01.
    n_features_in_ : int
        Number of features seen during :term:`fit`: height * width * channels of images.
    n_channels_in_ : int
        Number of channels seen during :term:`fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    ConvPSD : Convolutional predictive sparse decomposition, whose filters are shared by all
        positions.
    GroupSparsePSD : The same penalty for patches and other feature vectors.
    sklearn_ebm.inspection.OrientationMapDisplay : Display of the orientations of the filters.

    Notes
    -----
    Filters are applied at positions at which the whole filter is in the image. With s units per
    pixel in each direction, where n_components = s^2, the map of an image of height H has
    s (H - height + 1) rows. The unit in row i and column j of the map is at the pixel
    (i // s, j // s), the top left corner of its filter, and has the filter
    `components_[i % rows * columns + j % columns]` with `rows, columns = map_shape_`.
    `transform` returns maps of shape (n_samples, map_height, map_width, 1).

    References
    ----------
    K. Gregor, Y. LeCun (2010). Emergence of complex-like cells in a temporal product network with
    local receptive fields, arXiv:1006.0448.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import LocalPSD
    >>> images = load_digits().images[:100] / 16
    >>> psd = LocalPSD(kernel_size=4, tile_shape=3, pool_sigma=1, alpha=0.1, random_state=0)
    >>> psd.fit(images).transform(images[:5]).shape
    (5, 5, 5, 1)
    """

    _model_attributes = ("components_", "alpha_", "encoder_", "encoder_components_")
    _needs_fit = ("n_components", "kernel_size", "tile_shape", "encoder")
    _needs_fit_to_encode = _free_to_change = ("alpha", "beta", "pool_sigma", "positive")
    _needs_new_learner = ("n_components", "kernel_size", "tile_shape")
    _fit_derives = ("alpha",)
    _specifications = ()
    _parameter_constraints: dict = {
        **{name: COMMON_CONSTRAINTS[name] for name in COMMON},
        **LOCAL_CONSTRAINTS,
        **PREDICTION_CONSTRAINTS,
        "pool_sigma": [Interval(Real, 0, None, closed="neither")],
    }
    _takes_images = True
    _learning = LocalLearning
    # the values of parameters that other sparse models have
    relative_alpha = False
    solver = "fista"  # the penalty has neither a closed form nor a rule
    sparse_output = False

    def __init__(
        self,
        n_components: int = 1,
        *,
        kernel_size: Size = 15,
        tile_shape: Size | None = (20, 20),
        pool_sigma: float = 2.0,
        alpha: float | Scale = "scale",
        beta: float = 1.0,
        encoder: Literal["shrinkage", "smooth_shrinkage", "tanh"] = "shrinkage",
        output: Literal["pooled", "simple"] = "pooled",
        inference: Inference = "encoder",
        image_shape: ImageShape | None = None,
        positive: bool = False,
        crop_size: Literal["auto"] | Size | None = "auto",
        max_iter: int = 20,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: int = 32,
        learning_rate: LearningRate = "auto",
        code_max_iter: int = 200,
        code_tol: float = 1e-2,
        missing_values: float | None = None,
        backend: Backend = "auto",
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.kernel_size = kernel_size
        self.tile_shape = tile_shape
        self.pool_sigma = pool_sigma
        self.alpha = alpha
        self.beta = beta
        self.encoder = encoder
        self.output = output
        self.inference = inference
        self.image_shape = image_shape
        self.positive = positive
        self.crop_size = crop_size
        self.max_iter = max_iter
        self.tol = tol
        self.max_time = max_time
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.code_max_iter = code_max_iter
        self.code_tol = code_tol
        self.missing_values = missing_values
        self.backend = backend
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _inputs(self, is_first=False):
        return LocalImages(self, is_first)

    def _atoms(self):
        return LocalUnits(self)

    def _penalty_kind(self):
        return MapPenalty(float(self.pool_sigma))

    def _prediction(self):
        schedule = learning_rate_schedule(self.learning_rate, AUTOMATIC_RATE)
        return Prediction(self.encoder, float(self.beta), schedule)

    def _features(self, data):
        code, parts = super()._features(data), self._state.parts
        if self.output == "simple":
            return code
        map_shape = parts.decoder.for_samples(data.shape).map_shape[:2]
        return parts.penalty.pools(map_shape).norms(code, data.backend, result=code)

    def _as_network(self):
        return MapNetwork(self)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Array:
        """Get the names of the output features.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only used to check the names seen in `fit`.

        Returns
        -------
        ndarray of str objects
            "localpsd_map0". If X contains images in flat rows, also the row and the column:
            "localpsd_map0_row3_column5". Signals have columns only.
        """
        return names_of_maps(self, super().get_feature_names_out(input_features))
