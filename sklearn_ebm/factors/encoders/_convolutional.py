"""Convolutional encoders. Images are encoded as maps, and flat rows as flat codes."""

import math

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.decoders import ConvolutionalDecoder
from sklearn_ebm.factors.encoders._activation import AffineMap, first_parameters
from sklearn_ebm.factors.encoders._encoder import UNSCALED, Encoder, Scale
from sklearn_ebm.factors.encoders._shrinkage import Shrinkage
from sklearn_ebm.factors.encoders._smooth_shrinkage import SmoothShrinkage
from sklearn_ebm.factors.encoders._tanh import Tanh
from sklearn_ebm.inputs._images import shape_of_rows


class FilterBank:
    """Products of all filters with all windows of images as flat rows, and their adjoints.

    Parameters
    ----------
    decoder : ConvolutionalDecoder
        Decoder whose dictionary is the filters, since correlation is the adjoint of `decode`.
    backend : module
        Module of kernels.
    """

    def __init__(self, decoder, backend):
        self.decoder = decoder.on(backend)
        self.code_size = decoder.code_size

    def product(self, x, room):
        """Write the maps to `room` and return it."""
        return self.decoder.correlate(x, room)

    def weights_gradient(self, x, slope, room):
        """Write the adjoint with respect to the filters to `room` and return it."""
        room[...] = 0
        return self.decoder.add_filter_gradient(slope, x, room)

    def input_gradient(self, slope):
        """Return the adjoint with respect to the images."""
        return self.decoder.decode(slope)


class ConvolutionalEncoder(Encoder):
    """activation(w_k * x + b_k) with filters w_k; a subclass defines the activation.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" of shape (n_components, height, width, n_channels); other parameters as in
        `AffineEncoder`.
    image_shape : tuple of int or None
        Height and width of images that are flat rows, optionally with the number of channels. With
        None, rows are signals of height one.
    border : str
        Positions of the filters, as for `ConvolutionalDecoder`.
    table : array of shape (n_components, n_channels) or None, default=None
        1 if a filter may read a channel, else 0.
    scale : Scale, default=(1.0, 1.0)
        Typical size of data and codes.
    """

    def __init__(self, parameters, *, image_shape, border, table=None, scale=UNSCALED):
        super().__init__(
            parameters, image_shape=image_shape, border=border, table=table, scale=scale
        )

    @classmethod
    def from_dictionary(cls, dictionary, lipschitz, alpha, scale=UNSCALED, **settings):
        """Return an encoder that makes one step from zero; see `step_of_isolated_code`."""
        first = step_of_isolated_code(cls.activation, dictionary, lipschitz, alpha, scale)
        return cls(first, scale=scale, **settings)

    def on_images(self, image_shape):
        """Return the encoder for images of another size, with the same parameters."""
        return self._sharing(settings={**self.settings, "image_shape": image_shape})

    def for_samples(self, shape):
        """Return the encoder for images of a given shape."""
        return self.on_images(shape[:2])

    def with_border(self, border):
        """Return the encoder with other positions of the filters and the same parameters."""
        return self._sharing(settings={**self.settings, "border": border})

    def with_table(self, table):
        """Return the encoder whose filters read other channels, with the same parameters."""
        if table is not None:
            weights = self.parameters["weights"]
            table = array_namespace(weights).asarray(table, dtype=weights.dtype)
        return self._sharing(settings={**self.settings, "table": table})

    @property
    def filters(self):
        """Filters of the maps, shape (n_components, height, width, n_channels)."""
        return self.parameters["weights"]

    def forward(self, x, tape=None, stream=None):
        """Return the maps of images of any size, or flat codes of flat rows."""
        backend, bank = self._backend_for(x), self._bank_for(x.shape)
        code = self._map(bank, backend).codes(flat_rows(x), tape)
        if tape is not None:
            tape.kept |= {"shape": x.shape, "backend": backend}
        return bank.as_maps(code) if x.ndim == 4 else code

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to x (or None), and to each parameter."""
        shape = tape.kept["shape"]
        bank = self._bank_for(shape)
        own_map = self._map(bank, tape.kept["backend"])
        dx, gradients = own_map.gradients(tape, flat_rows(dy), input_gradient)
        return None if dx is None else array_namespace(dx).reshape(dx, shape), gradients

    def _map(self, bank, backend):
        linear = FilterBank(bank, backend)
        return AffineMap(self.activation, linear, self.parameters, backend)

    def _bank_for(self, shape):
        """Return the decoder of images of a given shape whose dictionary is the filters."""
        size = size_of_images(shape, self.settings["image_shape"])
        return ConvolutionalDecoder(self.filters, size, self.settings["border"])

    def project(self):
        """Apply the table to the filters, and project the activation's parameters."""
        super().project()
        if self.settings["table"] is not None:
            self.parameters["weights"] *= self.settings["table"][:, None, None, :]


def step_of_isolated_code(activation, dictionary, lipschitz, alpha, scale):
    """Return the parameters of one step from zero of length 1 / (|d| sqrt(L)).

    The step of ISTA, 1 / L, assumes codes that are on at all positions. Codes of images are on at
    one position in a hundred, and the best step for an isolated entry is 1 / |d|^2.
    """
    inverse_step = lipschitz**0.5 / Scale.of(dictionary, 1.0).code
    weights, threshold = dictionary / inverse_step, alpha / inverse_step
    return first_parameters(activation, weights, dictionary.shape[0], threshold, scale)


def size_of_images(shape, image_shape):
    """Return height and width of images, or of flat rows whose images have the given shape."""
    if len(shape) == 4:
        return shape[1:3]
    if image_shape is None or len(image_shape) != 2:
        return shape_of_rows(shape[1], image_shape)[:2]
    return image_shape


def flat_rows(images):
    """Return images or maps as flat rows."""
    if images.ndim == 2:
        return images
    shape = images.shape[0], math.prod(images.shape[1:])
    return array_namespace(images).reshape(images, shape)


@stored
class ConvolutionalShrinkage(ConvolutionalEncoder):
    """sh_theta(w_k * x + b_k), with one threshold per map."""

    activation = Shrinkage()


@stored
class ConvolutionalSmoothShrinkage(ConvolutionalEncoder):
    """Smooth shrinkage of w_k * x + b_k, with one slope and one location per map."""

    activation = SmoothShrinkage()


@stored
class ConvolutionalTanh(ConvolutionalEncoder):
    """g_k tanh(w_k * x + b_k)."""

    activation = Tanh()
