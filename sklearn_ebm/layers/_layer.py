"""Base class of layers, which are estimators of scikit-learn and modules of a network."""

import math

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._images import shape_of_rows
from sklearn_ebm.layers._state import Stateful


class Layer(Stateful):
    """A transformer that is also a module; see `sklearn_ebm.protocols.Module`.

    A subclass implements `_output_and_kept` and `_input_gradient`. A layer that needs
    images sets `_needs_images` and has the parameter `image_shape`, by which it reads flat rows.
    """

    parameters: dict = {}
    scales: dict = {}
    _needs_images = False

    def forward(self, x, tape=None, stream=None):
        """Compute the output of the layer in a network.

        Parameters
        ----------
        x : array of shape (n_samples, n_features) or (n_samples, height, width, channels)
            Floating-point rows or maps.

        tape : object, default=None
            Receives the values that `backward` needs. With None, nothing is recorded.

        stream : object, default=None
            Random numbers of a layer that is random in training. With None, nothing is random.

        Returns
        -------
        array of shape (n_samples, ...)
            The output, in the type of x.
        """
        if not self._needs_images or x.ndim != 2:
            y, kept = self._output_and_kept(x, stream)
            shapes = None
        else:
            images = _reshaped(x, shape_of_rows(x.shape[1], self.image_shape))
            maps, kept = self._output_and_kept(images, stream)
            y, shapes = _reshaped(maps, (math.prod(maps.shape[1:]),)), (x.shape, maps.shape)
        if tape is not None:
            tape.kept = kept, shapes
        return y

    def backward(self, tape, dy, input_gradient=True):
        """Compute the derivative of a scalar with respect to the input.

        Parameters
        ----------
        tape : object
            Filled by `forward`.

        dy : array of the shape of y
            Derivative with respect to the output.

        input_gradient : bool, default=True
            Whether the derivative with respect to the input is needed.

        Returns
        -------
        dx : array of the shape of x, or None
            Derivative with respect to the input; None without `input_gradient`.

        gradients : dict
            Empty: the layer has no parameters to train.
        """
        if not input_gradient:
            return None, {}
        kept, shapes = tape.kept
        if shapes is None:
            return self._input_gradient(kept, dy), {}
        x_shape, y_shape = shapes
        return _reshaped(self._input_gradient(kept, _reshaped(dy, y_shape[1:])), x_shape[1:]), {}

    def project(self):
        """Move parameters to the nearest allowed values; the layer has no parameters to train."""

    def on(self, backend):
        """Use the kernels of a backend in `forward` and `backward`.

        Parameters
        ----------
        backend : module
            One of the backends.

        Returns
        -------
        object
            The layer itself if it calls no kernels, else a copy.
        """
        return self


def _reshaped(x, shape):
    """Return x with samples of this shape."""
    return array_namespace(x).reshape(x, (x.shape[0], *shape))
