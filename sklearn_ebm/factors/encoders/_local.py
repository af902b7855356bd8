"""Encoders of maps whose places have different filters and different parameters."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._places import Places
from sklearn_ebm.factors.decoders import LocalDecoder
from sklearn_ebm.factors.encoders._activation import AffineMap
from sklearn_ebm.factors.encoders._convolutional import (
    FilterBank,
    flat_rows,
    size_of_images,
    step_of_isolated_code,
)
from sklearn_ebm.factors.encoders._encoder import UNSCALED, Encoder
from sklearn_ebm.factors.encoders._shrinkage import Shrinkage
from sklearn_ebm.factors.encoders._smooth_shrinkage import SmoothShrinkage
from sklearn_ebm.factors.encoders._tanh import Tanh


class LocalEncoder(Encoder):
    """activation(w_u . x_u + b_u) of the window x_u at the place of each unit u.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" of shape (n_units, height, width, n_channels); other parameters, one number for
        each unit, as in `AffineEncoder`.
    image_shape : tuple of int or None
        Height and width of images that are flat rows, optionally with the number of channels. With
        None, rows are signals of height one.
    tile_shape : tuple of two ints or None
        Rows and columns of the units of a tile, as for `LocalDecoder`.
    fineness : int, default=1
        Number of units per pixel in each direction.
    phase : tuple of two ints, default=(0, 0)
        Row and column in the tile of the first unit of a map.
    scale : Scale, default=(1.0, 1.0)
        Typical size of data and codes.
    """

    def __init__(self, parameters, *, image_shape, tile_shape, fineness=1, phase=(0, 0),
                 scale=UNSCALED):  # fmt: skip
        super().__init__(
            parameters, image_shape=image_shape, tile_shape=tile_shape, fineness=fineness,
            phase=phase, scale=scale,
        )  # fmt: skip

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

    def at_phase(self, phase):
        """Return the encoder with another place of the tile, with the same parameters."""
        return self._sharing(settings={**self.settings, "phase": phase})

    @property
    def filters(self):
        """Filters of the units, shape (n_units, height, width, n_channels)."""
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
        gradients = {
            name: gradient if name == "weights" else bank.by_unit(gradient)
            for name, gradient in gradients.items()
        }
        return None if dx is None else array_namespace(dx).reshape(dx, shape), gradients

    def _map(self, bank, backend):
        """Return the map with one parameter for each place, instead of each unit."""
        parameters = {
            name: value if name == "weights" else bank.at_places(value)
            for name, value in self.parameters.items()
        }
        return AffineMap(self.activation, FilterBank(bank, backend), parameters, backend)

    def _bank_for(self, shape):
        """Return the decoder of images of a given shape whose dictionary is the filters."""
        settings = self.settings
        size = size_of_images(shape, settings["image_shape"])
        places = Places(settings["fineness"], settings["phase"])
        return LocalDecoder(self.filters, size, settings["tile_shape"], places)


@stored
class LocalShrinkage(LocalEncoder):
    """sh_theta(w_u . x_u + b_u), with one threshold per unit."""

    activation = Shrinkage()


@stored
class LocalSmoothShrinkage(LocalEncoder):
    """Smooth shrinkage of w_u . x_u + b_u, with one slope and one location per unit."""

    activation = SmoothShrinkage()


@stored
class LocalTanh(LocalEncoder):
    """g_u tanh(w_u . x_u + b_u)."""

    activation = Tanh()
