"""Local contrast normalisation [Jarrett et al. 2009, section 2.1], and its derivative.

Let G be the local mean under a Gaussian window, M the mean over the K maps of an image, and c the
mean of sigma over the image. Then

    v = x - G M x,    sigma = sqrt(G M v^2),    y = v r,    r = 1 / max(c, sigma).

With u = -r^2 sum_k v_k dy_k, the derivative with respect to max(c, sigma), the backward pass is

    dsigma = [sigma > c] u + mean of [sigma <= c] u over the image
    dv     = r dy + v G' (dsigma / sigma) / K
    dx     = dv - G' (sum_k dv_k) / K
"""

from __future__ import annotations

import copy
from numbers import Integral
from typing import Any, Self

from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from sklearn_ebm._sklearn import Interval, _fit_context
from sklearn_ebm._typing import Array, ImageShape, MatrixLike
from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.backends._gaussian import gaussian_window
from sklearn_ebm.inputs._images import IMAGE_SHAPE, check_images, in_batches, warn_of_signals
from sklearn_ebm.layers._layer import Layer
from sklearn_ebm.layers._state import refusable


class LocalContrastNormalizer(Layer, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Subtract the local mean of each image and divide by the local standard deviation.

    The output is y = v / max(c, sigma), where v is the input minus its local mean over a Gaussian
    window and all channels, sigma is the root of the local mean of v squared, and c is the mean of
    sigma over the image. The lower bound c prevents the amplification of flat regions. The output
    does not depend on the brightness and the contrast of an image. The layer learns nothing, so
    `transform` works without `fit`.

    Parameters
    ----------
    window_size : int, default=9
        Height and width of the window in pixels, an odd number. The standard deviation of the
        Gaussian is a quarter of it. At the border, the window is cropped and rescaled to sum to
        one, so that borders are neither darkened nor brightened.

    divide : bool, default=True
        Whether to divide by the local standard deviation. If False, y = v.

    image_shape : tuple of ints or None, default=None
        Height, width and channels (1 if omitted) of images passed as flat rows. None treats rows as
        signals, which are images of height one, and `fit` issues a warning. For signals, set it to
        `(1, n_features)`.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during :term:`fit`: height * width * channels of images.

    n_channels_in_ : int
        Number of channels seen during :term:`fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    Rectifier : Layer that usually precedes the normalisation.
    Pooler : Layer that usually follows the normalisation.

    Notes
    -----
    Images that are constant, up to rounding errors, become zero.

    References
    ----------
    .. [1] K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, "What is the best multi-stage
           architecture for object recognition?", ICCV 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import LocalContrastNormalizer
    >>> images = load_digits().images  # 8 x 8 pixels
    >>> normalized = LocalContrastNormalizer(window_size=5).transform(images)
    >>> normalized.shape
    (1797, 8, 8)
    >>> darker = LocalContrastNormalizer(window_size=5).transform(0.5 * images - 3)
    >>> bool(np.allclose(darker, normalized))
    True
    """

    _parameter_constraints: dict = {
        "window_size": [Interval(Integral, 1, None, closed="left")],
        "divide": ["boolean"],
        "image_shape": IMAGE_SHAPE,
    }

    _needs_images = True
    _backend = "auto"

    def __init__(
        self, window_size: int = 9, *, divide: bool = True, image_shape: ImageShape | None = None
    ) -> None:
        self.window_size = window_size
        self.divide = divide
        self.image_shape = image_shape

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Check the parameters and the data. Nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, height, width) or (n, height, width, channels)
            Flat rows, grey images, or images with channels.

        y : None
            Ignored.

        Returns
        -------
        object
            The layer itself.
        """
        with refusable(self):
            self._ready()
            images, form = self._check(X, reset=True)
            warn_of_signals(self, form, images)
        return self

    def transform(self, X: MatrixLike) -> Array:
        """Normalise the local contrast of images.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, height, width) or (n, height, width, channels)
            Flat rows, grey images, or images with channels.

        Returns
        -------
        ndarray of the shape of X
            Normalised images, in the dtype of X if it is float32 or float64.
        """
        self._ready()
        images, form = self._check(X, reset=False)
        form.require_arrays(self)
        window = self._window(images)

        def normalize(batch):
            backend = self._backend_for(batch)
            centred, deviation = _contrast(batch, window, backend)
            if self.divide:
                backend.scale_contrast(centred, deviation, centred)
            return centred

        return form.restore(in_batches(normalize, images, images.shape))

    def on(self, backend: Any) -> Self:
        """Return a copy of the layer that computes with a given backend.

        Parameters
        ----------
        backend : module
            One of the backends.

        Returns
        -------
        object
            A copy of the layer.
        """
        layer = copy.copy(self)
        layer._backend = backend.name  # a module cannot be pickled
        return layer

    def _output_and_kept(self, x, stream):
        window, backend = self._window(x), self._backend_for(x)
        centred, deviation = _contrast(x, window, backend)
        y = centred
        if self.divide:
            y = array_namespace(x).empty_like(centred)
            backend.scale_contrast(centred, deviation, y)
        return y, (centred, deviation, window)

    def _input_gradient(self, kept, dy):
        centred, deviation, window = kept
        dx = array_namespace(dy).empty_like(centred)
        differentiate = self._backend_for(dy).local_contrast_backward
        return differentiate(centred, deviation, window, bool(self.divide), dy, dx)

    def _backend_for(self, x):
        return resolve_backend(self._backend, x)

    def _check(self, X, reset):
        self._check_odd()
        return check_images(self, X, reset=reset, image_shape=self.image_shape)

    def _check_odd(self):
        if self.window_size % 2 == 0:
            raise ValueError(
                f"window_size must be odd, so that the window has a centre, got {self.window_size}."
            )

    def _window(self, x):
        self._check_odd()
        return gaussian_window(int(self.window_size), x)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _contrast(x, window, backend):
    """Return v and sigma."""
    xp = array_namespace(x)
    centred, deviation = (xp.empty(shape, dtype=x.dtype) for shape in (x.shape, x.shape[:3]))
    backend.local_contrast(x, window, centred, deviation)
    return centred, deviation
