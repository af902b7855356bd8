"""From images to the rows that the other steps of a pipeline want."""

import math

from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from sklearn_ebm._sklearn import _fit_context
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._images import IMAGE_SHAPE, check_images
from sklearn_ebm.layers._state import Stateful, refusable


class Flattener(Stateful, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Lay out each image as a row: y[(i width + j) channels + k] = x[i, j, k].

    The layer learns nothing: `transform` works without `fit`. Rows stay what they are.

    Parameters
    ----------
    image_shape : tuple of ints or None, default=None
        Height, width and channels (1 if omitted) that X must have, as rows or as images.

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
    Pooler : Makes images smaller first.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import Flattener
    >>> Flattener().transform(load_digits().images).shape
    (1797, 64)
    """

    _parameter_constraints: dict = {"image_shape": IMAGE_SHAPE}

    def __init__(self, image_shape=None):
        self.image_shape = image_shape

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameter and the data; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, height, width) or (n, height, width, channels)
            Rows, grey images or maps.

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

    def transform(self, X):
        """Lay out each image as a row.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, height, width) or (n, height, width, channels)
            Rows, grey images or maps; after `fit` of as many features.

        Returns
        -------
        ndarray of shape (n, n_features)
            The rows, in the type of X if it is float32 or float64; where that needs no copy, they
            share the memory of X.
        """
        self._ready()
        images, _ = check_images(self, X, reset=False, image_shape=self.image_shape)
        rows, _ = self.forward(images)
        expected = getattr(self, "n_features_in_", rows.shape[1])
        if rows.shape[1] != expected:  # what comes after can do with one number of columns only
            raise ValueError(
                f"X has {rows.shape[1]} features, but {type(self).__name__} is expecting "
                f"{expected} features as input."
            )
        return rows

    def forward(self, x):
        """Compute the layer's output, and what `backward` needs of it.

        Parameters
        ----------
        x : array of shape (n, height, width, channels)
            Images.

        Returns
        -------
        y : array of shape (n, height * width * channels)
            The rows.

        tape : object
            To be handed to `backward`.
        """
        n_samples, *shape = x.shape
        return array_namespace(x).reshape(x, (n_samples, math.prod(shape))), x.shape

    def backward(self, tape, dy):
        """Bring the derivative of a scalar back from the output to the input.

        Parameters
        ----------
        tape : object
            From `forward`.

        dy : array of the shape of y
            Derivative with respect to the output.

        Returns
        -------
        dx : array of the shape of x
            Derivative with respect to the input.

        gradients : dict
            Empty: the layer has no parameters to train.
        """
        return array_namespace(dy).reshape(dy, tape), {}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
