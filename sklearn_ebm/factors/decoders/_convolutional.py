"""The convolutional decoder: an image is the sum of its maps, each convolved with a filter."""

import functools
import math

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, resolve_backend, squared_norms
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.factors.decoders._linear import LinearDecoder, shorten
from sklearn_ebm.factors.problems import ConvolutionalProblem, largest_curvature
from sklearn_ebm.protocols import ModuleMixin

PIECE_NUMBERS = 1 << 16  # entries of the codes that a thread processes at a time


@stored
class ConvolutionalDecoder(ModuleMixin):
    """Reconstruction sum_k d_k * z_k of images of one size; images and maps are flat rows.

    As a module, it maps codes to data, and its parameter is the dictionary. Maps of four dimensions
    are decoded to images. After an optimizer step, inference requires a new decoder.

    Parameters
    ----------
    dictionary : array of shape (n_components, kernel_height, kernel_width, n_channels)
        Filters.
    image_shape : tuple of int
        Height and width of the images.
    border : {"full", "same", "valid", "circular"}, default="full"
        Positions of the filters, see `Border`.

    Convolutions run on the backend set by `on`, or on the backend of the data. The backend is not
    pickled.
    """

    def __init__(self, dictionary, image_shape, border="full"):
        self.dictionary = dictionary
        self.parameters = {"dictionary": dictionary}
        self.image_shape = tuple(image_shape[:2])
        self.border_name = border
        self.border = BORDERS[border](dictionary.shape[1:3])
        self._products = None
        self._computed = {}  # shared by copies

    def __getstate__(self):
        """Store only the parameters."""
        return self.dictionary, self.image_shape, self.border_name

    def __setstate__(self, state):
        self.__init__(*state)

    @property
    def map_shape(self):
        """Height and width of the maps, and their number."""
        kernel_shape = self.dictionary.shape[1:3]
        return *self.border.map_shape(self.image_shape, kernel_shape), self.dictionary.shape[0]

    @property
    def code_size(self):
        """Number of entries in the code of an image."""
        return math.prod(self.map_shape)

    @property
    def piece_rows(self):
        """Number of images that a thread processes at a time."""
        return max(1, PIECE_NUMBERS // self.code_size)

    @property
    def lipschitz(self):
        """Upper bound of the largest eigenvalue of D'D."""
        if "lipschitz" not in self._computed:
            self._computed["lipschitz"] = largest_curvature(self.dictionary)
        return self._computed["lipschitz"]

    def on(self, backend):
        """Return the decoder with the convolutions of a backend, or of `FourierProducts`."""
        return changed(self, _products=backend)

    def for_samples(self, shape):
        """Return the decoder for images of another size, sharing values that depend only on D."""
        if tuple(shape[:2]) == self.image_shape:
            return self
        return changed(self, image_shape=tuple(shape[:2]))

    def astype(self, dtype):
        """Return the decoder with filters in a dtype; the same object if they have it."""
        if dtype == self.dictionary.dtype:
            return self
        xp = array_namespace(self.dictionary)
        return self.with_filters(xp.asarray(self.dictionary, dtype=dtype))

    def with_filters(self, dictionary):
        """Return the decoder with other filters of the same shape."""
        return type(self)(dictionary, self.image_shape, self.border_name).on(self._products)

    def as_images(self, rows):
        """Return rows of pixels as images, (n_samples, height, width, n_channels)."""
        shape = *self.image_shape, self.dictionary.shape[3]
        return array_namespace(rows).reshape(rows, (rows.shape[0], *shape))

    def as_maps(self, rows):
        """Return rows of codes as maps, (n_samples, map_height, map_width, n_components)."""
        return array_namespace(rows).reshape(rows, (rows.shape[0], *self.map_shape))

    def _products_for(self, array):
        return resolve_backend("auto", array) if self._products is None else self._products

    def squared_errors(self, X, code):
        """Return the squared error of each sample."""
        return squared_norms(X - self.decode(code))

    def decode(self, code):
        """Return sum_k d_k * z_k of each row."""
        xp = array_namespace(code)
        shape = code.shape[0], math.prod(self.image_shape) * self.dictionary.shape[3]
        rows = xp.empty(shape, dtype=code.dtype)
        maps, images = self.as_maps(code), self.as_images(rows)
        self._products_for(code).synthesize(maps, self.dictionary, self.border, images)
        return rows

    def forward(self, x, tape=None, stream=None):
        """Return the reconstructions of maps."""
        if tape is not None:
            tape.kept = x
        rows = self.decode(x)
        return self.as_images(rows) if x.ndim == 4 else rows

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to the maps (or None), and to the dictionary."""
        code, gradient = tape.kept, tape.zeros("dictionary", self.dictionary)
        self.add_filter_gradient(code, dy, gradient)
        dx = self.correlate(dy) if input_gradient else None
        is_maps = input_gradient and code.ndim == 4
        return self.as_maps(dx) if is_maps else dx, {"dictionary": gradient}

    def add_filter_gradient(self, code, X, gradient):
        """Add the sums of code times image under the filters at all positions to `gradient`."""
        return self._products_for(code).correlate_kernels(
            self.as_maps(code), self.as_images(X), self.border, gradient
        )

    def project(self):
        """Scale filters with a norm above one to norm one."""
        xp, n_components = array_namespace(self.dictionary), self.dictionary.shape[0]
        rows = xp.reshape(self.dictionary, (n_components, -1))
        shorten(rows)
        self.dictionary[...] = xp.reshape(rows, self.dictionary.shape)

    def correlate(self, X, rows=None):
        """Return the products of all filters with all windows of images, the adjoint of `decode`.

        The result is written to `rows` if given.
        """
        if rows is None:
            rows = array_namespace(X).empty((X.shape[0], self.code_size), dtype=X.dtype)
        images, maps = self.as_images(X), self.as_maps(rows)
        self._products_for(X).correlate(images, self.dictionary, self.border, maps)
        return rows

    def problem(self, source, penalty, products=None, tape=None):
        """Return the inference problem of some images, which computes X D' only if needed."""
        return ConvolutionalProblem(source, penalty)


def changed(decoder, **attributes):
    """Return a copy of a decoder with other attributes, which shares everything else."""
    copied = object.__new__(type(decoder))
    copied.__dict__.update(decoder.__dict__, **attributes)
    return copied


@stored
class PatchDecoder(ConvolutionalDecoder):
    """A decoder of images as large as the filters: maps have one position, as codes of rows.

    Every lasso solver can infer these codes, which is much faster than the solvers for maps if
    there are many filters with many channels.
    """

    @property
    def piece_rows(self):
        """Return None: the launcher chooses the number of patches in a piece."""
        return None

    @functools.cached_property
    def as_matrix(self):
        """The decoder of flat patches."""
        n_components = self.dictionary.shape[0]
        rows = array_namespace(self.dictionary).reshape(self.dictionary, (n_components, -1))
        return LinearDecoder(rows)

    def problem(self, source, penalty, products=None, tape=None):
        """Return the inference problem of some patches; `products` is X D' if it is known."""
        source = source._replace(decoder=self.as_matrix)
        return self.as_matrix.problem(source, penalty, products, tape)
