"""Flattening of images to the rows that other steps of a pipeline require."""

from __future__ import annotations

import math
from typing import Self

from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from sklearn_ebm._sklearn import _fit_context
from sklearn_ebm._typing import Array, ImageShape, MatrixLike
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._images import IMAGE_SHAPE, check_images
from sklearn_ebm.layers._layer import Layer
from sklearn_ebm.layers._state import refusable


class Flattener(Layer, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Flatten each image to a row.

    The entry x[i, j, k] of an image becomes y[(i width + j) channels + k]. The layer learns
    nothing, so `transform` works without `fit`. Rows are returned unchanged.

    Parameters
    ----------
    image_shape : tuple of ints or None, default=None
        Required height, width and channels (1 if omitted) of X, in rows or images. None accepts any
        shape.

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
    Pooler : Layer that reduces the size of images.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import Flattener
    >>> Flattener().transform(load_digits().images).shape
    (1797, 64)
    """

    _parameter_constraints: dict = {"image_shape": IMAGE_SHAPE}

    _needs_images = True

    def __init__(self, image_shape: ImageShape | None = None) -> None:
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
            check_images(self, X, reset=True, image_shape=self.image_shape)
        return self

    def transform(self, X: MatrixLike) -> Array:
        """Flatten each image to a row.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, height, width) or (n, height, width, channels)
            Flat rows, grey images, or images with channels, with the number of features seen in
            `fit`.

        Returns
        -------
        ndarray of shape (n, n_features)
            Rows in the dtype of X if it is float32 or float64. They share the memory of X if
            possible.
        """
        self._ready()
        images, _ = check_images(self, X, reset=False, image_shape=self.image_shape)
        rows = self.forward(images)
        expected = getattr(self, "n_features_in_", rows.shape[1])
        if rows.shape[1] != expected:  # later steps require a fixed number of columns
            raise ValueError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting "
                f"{expected} features as input."
            )
        return rows

    def _output_and_kept(self, x, stream):
        n_samples, *shape = x.shape
        return array_namespace(x).reshape(x, (n_samples, math.prod(shape))), x.shape

    def _input_gradient(self, kept, dy):
        return array_namespace(dy).reshape(dy, kept)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
