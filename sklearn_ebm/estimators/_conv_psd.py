"""Convolutional predictive sparse decomposition."""

from dataclasses import replace

from sklearn_ebm._sklearn import StrOptions
from sklearn_ebm.estimators._convolutional import ConvolutionalModel
from sklearn_ebm.estimators._encoding import JointModel
from sklearn_ebm.factors import CONVOLUTIONAL_ENCODERS, ConvolutionalDecoder
from sklearn_ebm.inputs._image_checks import flat
from sklearn_ebm.learning._parts import ImageEncoderPart


class ConvPSD(ConvolutionalModel, JointModel):
    """1/2 ||x - sum_k d_k * z_k||^2 + alpha ||z||_1 + beta/2 ||z - f(x)||^2: maps and a predictor.

    Kernels, maps and a convolutional encoder f are trained together, as in `PSD`, on random crops;
    `transform` is one convolution and an element-wise function, on images of any size. On maps of
    an earlier stage, `connections` says which of them each kernel reads.

    Parameters
    ----------
    n_components : int or None, default=None
        Kernels; None takes as many as are given, and 32 where none are.
    kernel_size : int or (int, int), default=9
        Height and width of the kernels; one number is both, and the width on signals. Given
        kernels have their own.
    alpha : float, default=1.0
        Weight of the sparsity, above zero. One suits data of unit variance.
    penalty : {"l1"}, GroupPenalty or Penalty, default="l1"
        What alpha weighs: ||z||_1, the norms of groups of components, or any object with `value`
        and `prox` (see :ref:`add_a_penalty`). It applies to the components of all maps at each
        position.
    beta : float, default=1.0
        Weight of the prediction.
    encoder : {"smooth_shrinkage", "shrinkage", "tanh"}, default="smooth_shrinkage"
        f: filters, then the smooth shrinkage with slope and location learned for each map,
        sh(w_k * x + b_k) with learned thresholds, or gain * tanh(w_k * x + b_k).
    inference : {"encoder", "optimal"}, default="encoder"
        Whether `transform` gives f(x) or argmin_z E(x, z).
    border : {"full", "same", "valid", "circular"}, default="full"
        Where kernels may stand: wherever they touch the image, which serves every pixel alike;
        where their centre is in it; where all of them is; or everywhere on a torus.
    image_shape : tuple of int or None, default=None
        Height, width and channels (1 if left out) of images in flat rows; None takes rows for
        signals, which are images of height one.
    positive : bool, default=False
        Constrain optimal codes to be positive.
    connections : None, int or array-like of shape (n_components, n_channels), default=None
        Which channels each kernel reads: all, a random subset of so many, or those of a table.
    dictionary : array-like or None, default=None
        Given kernels, (n_components, height, width, n_channels), used as they are; `fit`
        trains the encoder on them.
        The channels may be left out where there is one, and the height for signals.
    dictionary_init : array-like or None, default=None
        Where learning starts; None starts from random windows with much in them.
    crop_size : {"auto", "patch"}, int, (int, int) or None, default="auto"
        Size of the random crops that are learned from: eight kernels in each direction, a given
        size, or None for whole images. "patch" learns from windows of the kernels' size, as rows,
        whatever `border` is: many kernels of many channels learn fast on them, in large batches,
        though none of them accounts for its shifted neighbours.
    solver : {"auto", "local_cd", "fista", "fista_fft", "ista"}, default="auto"
        How codes are inferred: by coordinate descent on tiles that change (FISTA finishes images
        with dense codes), by FISTA with direct products or through the Fourier domain, or by ISTA.
        "auto" takes the first that the backend has.
    max_iter : int, default=20
        Passes over X; each has as many crops as make up the area of all images.
    tol : float, default=1e-3
        Relative change of the mean energy from one pass to the next at which learning stops; 0
        makes all passes.
    batch_size : int, default=4
        Crops for each step.
    learning_rate : float, default=1e-2
        First step size of Adam on the encoder, for data of unit variance: steps of biases,
        thresholds and gains are in proportion to the size of the data. It falls linearly to zero
        over `max_iter` passes.
    code_max_iter : int, default=1000
        Rounds or steps of inference.
    code_tol : float, default=1e-3
        Duality gap relative to 1/2 ||x||^2 at which an optimal code is good. The true distance from
        the least energy is usually a hundred times as small.
    missing_values : float or None, default=None
        Pixels with this value, `np.nan` or a number, are left out of the reconstruction;
        the encoder sees zeros there;
        so are those of `mask`.
    sparse_output : bool, default=False
        Whether `transform` returns a CSR array, a row for each image.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Where to compute; "auto" follows the data.
    warm_start : bool, default=False
        Whether `fit` goes on from where the last one ended.
    random_state : int, RandomState instance or None, default=None
        First kernels, connections, places of the crops and their order.
    verbose : int, default=0
        Print a line for each pass.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, height, width, n_channels)
        Kernels of unit norm.
    encoder_ : encoder
        f, with `parameters` by name, of images of the size that was learned from;
        `encoder_.on_images(shape)` is that of another.
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

    _model_attributes = (*JointModel._model_attributes, "connections_")
    _needs_fit = (*JointModel._needs_fit, "kernel_size", "connections")
    _parameter_constraints: dict = {
        **JointModel._parameter_constraints,
        **ConvolutionalModel._parameter_constraints,
        "encoder": [StrOptions(set(CONVOLUTIONAL_ENCODERS))],
    }

    def __init__(
        self,
        n_components=None,
        *,
        kernel_size=9,
        alpha=1.0,
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
        learning_rate=1e-2,
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

    _encoder_part = ImageEncoderPart

    def _first_encoder(self, dictionary, scale, table=None):
        shape = dictionary.shape[1:3]  # until there is a batch
        lipschitz = ConvolutionalDecoder(dictionary, shape, self._learning_border()).lipschitz
        encoder = CONVOLUTIONAL_ENCODERS[self.encoder].from_dictionary(
            dictionary, lipschitz, float(self.alpha), scale=scale,
            image_shape=shape, border=self._learning_border(), table=table,
        )  # fmt: skip
        encoder.project()  # given kernels may read what filters must not
        return encoder

    def _go_on(self, learner, backend):
        if type(learner.encoder) is not CONVOLUTIONAL_ENCODERS[self.encoder]:
            raise ValueError(
                f"encoder={self.encoder!r}, but learning goes on with a "
                f"{type(learner.encoder).__name__}: to change it, call fit with warm_start=False."
            )
        learner.encoder = learner.encoder.with_border(self._learning_border())
        super()._go_on(learner, backend)

    def _parts_of(self, learner):
        parts = super()._parts_of(learner)
        return replace(parts, encoder=parts.encoder.with_border(self.border))

    def _parts_from(self, state, replaced):
        parts = super()._parts_from(state, replaced)
        encoder = parts.encoder.with_border(self.border)
        return replace(parts, encoder=encoder.with_table(parts.table))

    def _predictor(self, X, backend):
        encoder = on_images(self._parts.encoder, X)
        return lambda rows: encoder.encode(rows, backend)

    def _features(self, X, mask, backend):
        if self.inference == "optimal":
            return self._optimal(X, mask, backend, self.sparse_output)
        return on_images(self._suitable_encoder(), X).encode(flat(X), backend)


def on_images(encoder, X):
    """The encoder in the type and of the size of some images."""
    return encoder.astype(X.dtype).on_images(X.shape[1:3])
