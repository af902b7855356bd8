"""Convolutional sparse coding."""

from __future__ import annotations

from typing import Literal

from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    Border,
    ConvolutionSolver,
    ImageShape,
    PenaltyLike,
    RandomState,
    Scale,
    Size,
)
from sklearn_ebm.backends.numpy._rank_one import factors_of_rank_one
from sklearn_ebm.estimators._filters import CONSTRAINTS, filters_of, images_of, names_of_maps
from sklearn_ebm.estimators._sparse_model import COMMON_CONSTRAINTS, SparseModel


class ConvSparseCoder(SparseModel):
    """Convolutional sparse coding of images and signals.

    The code of an image x is a stack of feature maps z_k, one for each filter d_k, that minimises
    the energy::

        E(x, z) = 1/2 ||x - sum_k d_k * z_k||^2 + alpha ||z||_1

    where * is the convolution. Since each filter applies at all positions, the dictionary needs no
    shifted copies of its atoms. The filters are learned online from random crops of the images.
    Signals are treated as images of height one.

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
    rank_one : bool, default=False
        Whether each learned filter is the outer product of a waveform, or image, and a channel
        pattern. This suits sources that reach all channels at once, such as those of an
        electroencephalogram: the pattern is then the topography of the source. Filters of images
        with one channel are not affected. Ignored if `dictionary` is given.
    dictionary : array-like or None, default=None
        Fixed filters of shape (n_components, height, width, n_channels), used without
        normalisation. If given, `fit` does not learn a dictionary. The last axis may be omitted for
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
    code_max_iter : int, default=1000
        Maximum number of iterations of `solver` when optimal codes are inferred.
    code_tol : float, default=1e-3
        Tolerance of inference, which stops when the duality gap of an optimal code, relative to
        1/2 ||x||^2, is at most this value. The energy is usually a hundred times closer to its
        minimum than the gap suggests.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. Pixels excluded by `mask` are treated in the same way.
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
        Filters. Learned filters have unit norm.
    waveforms_ : ndarray of shape (n_components, height, width)
        Waveforms of unit norm. With `rank_one=True`, filter k is the outer product of
        `waveforms_[k]` and `channel_patterns_[k]`; otherwise, the product is the best approximation
        of the filter.
    channel_patterns_ : ndarray of shape (n_components, n_channels)
        Channel patterns of unit norm, whose largest entry is positive.
    alpha_ : float
        Weight of the sparsity penalty in the last fit.
    connections_ : ndarray of bool of shape (n_components, n_channels) or None
        True if a filter reads a channel. None if all filters read all channels.
    n_iter_ : int
        Number of passes over X.
    objective_curve_ : ndarray of shape (n_iter_,)
        Mean energy per crop in each pass.
    seconds_curve_ : ndarray of shape (n_iter_,)
        Seconds from the start of learning to the end of each pass.
    sparsity_curve_ : ndarray of shape (n_iter_,)
        Fraction of non-zero entries of the codes in each pass.
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
    ConvPSD : Convolutional sparse coding with an encoder that predicts the maps.
    SparseCoder : Sparse coding of patches and other feature vectors.

    References
    ----------
    M. Zeiler, D. Krishnan, G. Taylor, R. Fergus (2010). Deconvolutional networks. J. Mairal,
    F. Bach, J. Ponce, G. Sapiro (2009). Online dictionary learning for sparse coding. T. Moreau,
    L. Oudre, N. Vayatis (2018). DICOD: distributed convolutional coordinate descent. T. Dupré la
    Tour, T. Moreau, M. Jas, A. Gramfort (2018). Multivariate convolutional sparse coding for
    electromagnetic brain signals, eq. 2 (filters of rank one).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import ConvSparseCoder
    >>> images = load_digits().images[:100] / 16
    >>> coder = ConvSparseCoder(8, kernel_size=5, alpha=0.1, tol=1e-2, random_state=0).fit(images)
    >>> coder.transform(images[:5]).shape
    (5, 12, 12, 8)
    """

    _model_attributes = ("components_", "alpha_", "connections_")
    _needs_fit = ("n_components", "dictionary", "kernel_size", "connections")
    _needs_new_learner = ("kernel_size", "connections")
    _parameter_constraints: dict = {**COMMON_CONSTRAINTS, **CONSTRAINTS, "rank_one": ["boolean"]}
    _takes_images = True
    _inputs = images_of

    def __init__(
        self,
        n_components: int | None = None,
        *,
        kernel_size: Size = 9,
        alpha: float | Scale = "scale",
        relative_alpha: bool = False,
        penalty: PenaltyLike = "l1",
        border: Border = "full",
        image_shape: ImageShape | None = None,
        positive: bool = False,
        connections: int | ArrayLike | None = None,
        rank_one: bool = False,
        dictionary: ArrayLike | None = None,
        dictionary_init: ArrayLike | None = None,
        crop_size: Literal["auto", "patch"] | Size | None = "auto",
        solver: ConvolutionSolver = "auto",
        max_iter: int = 20,
        tol: float = 1e-3,
        max_time: float | None = None,
        batch_size: int = 4,
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
        self.border = border
        self.image_shape = image_shape
        self.positive = positive
        self.connections = connections
        self.rank_one = rank_one
        self.dictionary = dictionary
        self.dictionary_init = dictionary_init
        self.crop_size = crop_size
        self.solver = solver
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

    def _atoms(self):
        return filters_of(self, rank_one=self.rank_one)

    @property
    def waveforms_(self) -> Array:
        """Waveforms of the filters."""
        return self._factors_of_filters()[0]

    @property
    def channel_patterns_(self) -> Array:
        """Channel patterns of the filters."""
        return self._factors_of_filters()[1]

    def _factors_of_filters(self):
        check_is_fitted(self)
        return factors_of_rank_one(self.components_)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Array:
        """Get the names of the output features.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only used to check the names seen in `fit`.

        Returns
        -------
        ndarray of str objects
            The class in lower case and the number of the map, such as "convsparsecoder_map0". If X
            contains images in flat rows, also the row and the column:
            "convsparsecoder_map0_row3_column5". Signals have columns only.
        """
        return names_of_maps(self, super().get_feature_names_out(input_features))
