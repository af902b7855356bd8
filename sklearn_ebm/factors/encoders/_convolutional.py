"""Encoders whose linear part is a bank of filters; images and maps are flat rows."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.decoders import ConvolutionalDecoder
from sklearn_ebm.factors.encoders._encoder import UNSCALED, Scale
from sklearn_ebm.factors.encoders._shrinkage import ShrinkageEncoder
from sklearn_ebm.factors.encoders._smooth_shrinkage import SmoothShrinkageEncoder
from sklearn_ebm.factors.encoders._tanh import TanhEncoder


class FilterBank:
    """Before an affine encoder: x W is every filter's product with every window of the image.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" of shape (n_components, height, width, n_channels); the others as in
        `AffineEncoder`.
    image_shape : tuple of int
        Height and width of the images.
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
        return type(self)(self.parameters, **{**self.settings, "image_shape": image_shape})

    def for_samples(self, shape):
        """The encoder of images of a shape."""
        return self.on_images(shape[:2])

    def with_border(self, border):
        """The encoder whose filters stand elsewhere, with the same parameters."""
        return type(self)(self.parameters, **{**self.settings, "border": border})

    def with_table(self, table):
        """The encoder whose filters read other channels, with the same parameters."""
        if table is not None:
            weights = self.parameters["weights"]
            table = array_namespace(weights).asarray(table, dtype=weights.dtype)
        return type(self)(self.parameters, **{**self.settings, "table": table})

    @property
    def filters(self):
        """What each map looks for, shape (n_components, height, width, n_channels)."""
        return self.parameters["weights"]

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


class ConvolutionalShrinkage(FilterBank, ShrinkageEncoder):
    """sh_theta(w_k * x + b_k), with a threshold per map."""


class ConvolutionalSmoothShrinkage(FilterBank, SmoothShrinkageEncoder):
    """Smooth shrinkage of w_k * x + b_k, with a slope and a location per map."""


class ConvolutionalTanh(FilterBank, TanhEncoder):
    """g_k tanh(w_k * x + b_k)."""
