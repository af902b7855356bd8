"""Encoders whose linear part is a bank of filters. Images give maps, and flat rows flat codes."""

import math

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.decoders import ConvolutionalDecoder
from sklearn_ebm.factors.encoders._encoder import UNSCALED, Scale
from sklearn_ebm.factors.encoders._shrinkage import ShrinkageEncoder
from sklearn_ebm.factors.encoders._smooth_shrinkage import SmoothShrinkageEncoder
from sklearn_ebm.factors.encoders._tanh import TanhEncoder
from sklearn_ebm.inputs._images import shape_of_rows


class FilterBank:
    """Before an affine encoder: x W is every filter's product with every window of the image.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" of shape (n_components, height, width, n_channels); the others as in
        `AffineEncoder`.
    image_shape : tuple of int or None
        Height and width of images that are flat rows, possibly with the number of channels. None:
        rows are signals of height one.
    border : str
        Where filters may stand, as for `ConvolutionalDecoder`.
    table : array of shape (n_components, n_channels) or None, default=None
        One where a filter may read a channel.
    scale : Scale, default=(1.0, 1.0)
        Typical size of data and codes.
    """

    component_axis = 0

    def __init__(self, parameters, *, image_shape, border, table=None, scale=UNSCALED):
        super().__init__(
            parameters, image_shape=image_shape, border=border, table=table, scale=scale
        )

    @classmethod
    def from_dictionary(cls, dictionary, lipschitz, alpha, scale=UNSCALED, **settings):
        """First encoder: one step from zero on all positions at once, of length 1 / (|d| sqrt(L)).

        That of ISTA, 1 / L, is for codes that are on at all positions. Those of images are on at
        one in a hundred, where a step of 1 / |d|^2 would be right for each that stands alone.
        """
        inverse_step = lipschitz**0.5 / Scale.of(dictionary, 1.0).code
        first = cls._first_parameters(dictionary / inverse_step, alpha / inverse_step, scale)
        return cls(first, scale=scale, **settings)

    def on_images(self, image_shape):
        """The encoder of images of another size, with the same parameters."""
        return self._sharing(settings={**self.settings, "image_shape": image_shape})

    def for_samples(self, shape):
        """The encoder of images of a shape."""
        return self.on_images(shape[:2])

    def with_border(self, border):
        """The encoder whose filters stand elsewhere, with the same parameters."""
        return self._sharing(settings={**self.settings, "border": border})

    def with_table(self, table):
        """The encoder whose filters read other channels, with the same parameters."""
        if table is not None:
            weights = self.parameters["weights"]
            table = array_namespace(weights).asarray(table, dtype=weights.dtype)
        return self._sharing(settings={**self.settings, "table": table})

    @property
    def filters(self):
        """What each map looks for, shape (n_components, height, width, n_channels)."""
        return self.parameters["weights"]

    def forward(self, x, tape=None, stream=None):
        """Return the maps of images of any size, or flat codes of flat rows."""
        encoder, rows = self._for(x.shape), _flat(x)
        code = super(FilterBank, encoder).forward(rows, tape, stream)
        if tape is not None:
            tape.kept["shape"] = x.shape
        return encoder._bank.as_maps(code) if x.ndim == 4 else code

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to x, or None, and to each parameter."""
        shape = tape.kept["shape"]
        encoder = self._for(shape)
        dx, gradients = super(FilterBank, encoder).backward(tape, _flat(dy), input_gradient)
        return None if dx is None else array_namespace(dx).reshape(dx, shape), gradients

    def _for(self, shape):
        """Return the encoder for inputs of a shape."""
        is_flat = len(shape) == 2
        given = self.settings["image_shape"]
        if is_flat and given is not None and len(given) == 2:
            return self
        return self.on_images((shape_of_rows(shape[1], given) if is_flat else shape[1:])[:2])

    @property
    def _bank(self):
        """Correlation with the filters is the adjoint of a decoder that has them for kernels."""
        settings = self.settings
        return ConvolutionalDecoder(self.filters, settings["image_shape"], settings["border"])

    @property
    def _code_size(self):
        return self._bank.code_size

    def _product(self, X, backend, room):
        return self._bank.on(backend).correlate(X, room)

    def _weights_gradient(self, X, slope, backend, room):
        bank = self._bank
        room[...] = 0
        return backend.correlate_kernels(bank.as_maps(slope), bank.as_images(X), bank.border, room)

    def _input_gradient(self, slope, backend):
        return self._bank.on(backend).decode(slope)

    def project(self):
        """Filters read what the table lets them, and the activation has what it asks for."""
        super().project()
        if self.settings["table"] is not None:
            self.parameters["weights"] *= self.settings["table"][:, None, None, :]


def _flat(images):
    """Return images or maps as flat rows."""
    if images.ndim == 2:
        return images
    shape = images.shape[0], math.prod(images.shape[1:])
    return array_namespace(images).reshape(images, shape)


class ConvolutionalShrinkage(FilterBank, ShrinkageEncoder):
    """sh_theta(w_k * x + b_k), with a threshold per map."""


class ConvolutionalSmoothShrinkage(FilterBank, SmoothShrinkageEncoder):
    """Smooth shrinkage of w_k * x + b_k, with a slope and a location per map."""


class ConvolutionalTanh(FilterBank, TanhEncoder):
    """g_k tanh(w_k * x + b_k)."""
