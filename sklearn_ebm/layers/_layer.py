"""Base class of layers, which are scikit-learn estimators and modules of a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self

from sklearn_ebm._typing import Array, ImageShape
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._images import shape_of_rows
from sklearn_ebm.layers._state import Stateful


class Layer(Stateful):
    """Transformer that is also a module; see `sklearn_ebm.protocols.Module`.

    A subclass implements `_output_and_kept` and `_input_gradient`. A layer that requires images
    sets `_needs_images` and has the parameter `image_shape`, the shape of images in flat rows.
    """

    parameters: dict = {}
    scales: dict = {}
    image_shape: ImageShape | None
    _output_and_kept: Callable[..., Any]
    _input_gradient: Callable[..., Any]
    _needs_images = False
    _reads_any_library = True

    def forward(self, x: Array, tape: Any = None, stream: Any = None) -> Array:
        """Compute the output of the layer in a network.

        Parameters
        ----------
        x : array of shape (n_samples, n_features) or (n_samples, height, width, channels)
            Floating-point rows or images.

        tape : object, default=None
            Records the values that `backward` needs. If None, nothing is recorded.

        stream : object, default=None
            Random numbers of layers that are random in training. If None, the layer is
            deterministic.

        Returns
        -------
        array of shape (n_samples, ...)
            The output, in the dtype of x.
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

    def backward(
        self, tape: Any, dy: Array, input_gradient: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        """Compute the gradient of a scalar with respect to the input.

        Parameters
        ----------
        tape : object
            Tape that `forward` has filled.

        dy : array of the shape of y
            Gradient with respect to the output.

        input_gradient : bool, default=True
            Whether to compute the gradient with respect to the input.

        Returns
        -------
        dx : array of the shape of x, or None
            Gradient with respect to the input. None if `input_gradient=False`.

        gradients : dict
            Empty, because the layer has no trained parameters.
        """
        if not input_gradient:
            return None, {}
        kept, shapes = tape.kept
        if shapes is None:
            return self._input_gradient(kept, dy), {}
        x_shape, y_shape = shapes
        return _reshaped(self._input_gradient(kept, _reshaped(dy, y_shape[1:])), x_shape[1:]), {}

    def project(self) -> None:
        """Project parameters onto their allowed range. The layer has no parameters to project."""

    def on(self, backend: Any) -> Self:
        """Return a layer that computes with a given backend.

        Parameters
        ----------
        backend : module
            One of the backends.

        Returns
        -------
        object
            The layer itself if it calls no compiled kernels, otherwise a copy.
        """
        return self


def _reshaped(x, shape):
    """Return x with samples of the given shape."""
    return array_namespace(x).reshape(x, (x.shape[0], *shape))
