"""Rectification: the absolute value of codes, their positive part, or both parts as features.

    abs        y = |x|                        dx = sign(x) dy
    positive   y = max(x, 0)                  dx = [x > 0] dy
    split      y = (max(x, 0), max(-x, 0))    dx = [x > 0] dy_1 - [x < 0] dy_2

At x = 0, all derivatives are 0, which is a subgradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin

from sklearn_ebm._sklearn import StrOptions, _fit_context
from sklearn_ebm._typing import Array, ArrayLike, MatrixLike, SparseOrDense
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._images import check_images_or_sparse, in_batches
from sklearn_ebm.layers._layer import Layer
from sklearn_ebm.layers._state import refusable


class Part(NamedTuple):
    """One output per input feature, as functions of the array namespace and the input."""

    suffix: str  # of the feature names
    rectify: Callable
    slope: Callable  # derivative of rectify, in the dtype of x


def _where(condition, x):
    """Return 1 if the condition holds, else 0, in the dtype of x."""
    return array_namespace(x).asarray(condition, dtype=x.dtype)


_SIZE = Part("", lambda xp, x: xp.abs(x), lambda xp, x: xp.sign(x))
_ABOVE = Part("_positive", lambda xp, x: xp.clip(x, 0, None), lambda xp, x: _where(x > 0, x))
_BELOW = Part("_negative", lambda xp, x: xp.clip(-x, 0, None), lambda xp, x: -_where(x < 0, x))

MODES = {"abs": (_SIZE,), "positive": (_ABOVE._replace(suffix=""),), "split": (_ABOVE, _BELOW)}


class Rectifier(Layer, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Rectify features: return absolute values, positive parts, or positive and negative parts.

    The layer learns nothing, so `transform` works without `fit`. Sparse codes remain sparse, and
    images remain images.

    Parameters
    ----------
    mode : {"abs", "positive", "split"}, default="abs"
        - "abs": absolute values, which discard the sign of the features. In [1]_, this step
          contributes most to the accuracy.
        - "positive": positive parts; negative values become zero.
        - "split": positive parts of all features, followed by the absolute values of their negative
          parts. The number of features (of channels, if X contains images) is doubled, no
          information is lost, and a linear classifier can weight both signs separately [2]_.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during :term:`fit`: height * width * channels of images.

    n_channels_in_ : int
        Number of channels seen during :term:`fit`; 1 for rows.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during :term:`fit`, if X has names that are all strings.

    See Also
    --------
    LocalContrastNormalizer : Layer that usually follows rectification.
    ZCAWhitener : Layer that decorrelates features.

    References
    ----------
    .. [1] K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, "What is the best multi-stage
           architecture for object recognition?", ICCV 2009.
    .. [2] A. Coates, A. Y. Ng, "The importance of encoding versus training with sparse coding and
           vector quantization", ICML 2011.

    Examples
    --------
    >>> from sklearn_ebm import Rectifier
    >>> code = [[1.5, -2.0, 0.0]]
    >>> Rectifier().transform(code)
    array([[1.5, 2. , 0. ]])
    >>> Rectifier(mode="split").transform(code)
    array([[1.5, 0. , 0. , 0. , 2. , 0. ]])
    """

    _parameter_constraints: dict = {"mode": [StrOptions(set(MODES))]}

    def __init__(self, mode: Literal["abs", "positive", "split"] = "abs") -> None:
        self.mode = mode

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: MatrixLike, y: object = None) -> Self:
        """Check the parameters and the data. Nothing is learned.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Codes or other features; or images of shape (n_samples, height, width) or
            (n_samples, height, width, channels).

        y : None
            Ignored.

        Returns
        -------
        object
            The layer itself.
        """
        with refusable(self):
            self._ready()
            check_images_or_sparse(self, X, reset=True)
        return self

    def transform(self, X: MatrixLike) -> SparseOrDense:
        """Rectify the features of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Codes or other features; or images of shape (n_samples, height, width) or
            (n_samples, height, width, channels).

        Returns
        -------
        {ndarray, CSR matrix} of shape (n_samples, n_features) or (n_samples, 2 * n_features)
            Rectified features, in the dtype of X if it is float32 or float64. Images are returned
            for images. `mode="split"` doubles the number of features, or of channels of images.
        """
        parts = self._parts()
        X, form = check_images_or_sparse(self, X, reset=False)
        if form is None:
            return _rectify_sparse(X, parts)
        form.require_arrays(self)
        x = form.restore(X) if form.is_flat else X  # rows are split as a whole, images by pixels
        shape = (*x.shape[:-1], len(parts) * x.shape[-1])
        y = in_batches(lambda batch: _rectify(batch, parts), x, shape)
        return y if form.is_flat else form.restore(y)

    def _output_and_kept(self, x, stream):
        return _rectify(x, self._parts()), x

    def _input_gradient(self, kept, dy):
        x, parts = kept, self._parts()
        xp, width = array_namespace(x), x.shape[-1]
        dx = None
        for k, part in enumerate(parts):
            slope = part.slope(xp, x)
            slope *= dy[..., k * width : (k + 1) * width]
            dx = slope if dx is None else dx + slope
        return dx

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> Array:
        """Get the names of the output features.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input features. None uses the names seen in `fit`, or else "x0", "x1", ...

        Returns
        -------
        ndarray of str objects
            The input names. With `mode="split"`, all names with the suffix "_positive", followed by
            all names with the suffix "_negative".
        """
        names = super().get_feature_names_out(input_features)
        parts = self._parts()
        return np.array([name + part.suffix for part in parts for name in names], dtype=object)

    def _parts(self):
        self._ready()
        return MODES[self.mode]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _rectify(x, parts):
    """Return the parts of x, concatenated along the last axis."""
    xp = array_namespace(x)
    outputs = [part.rectify(xp, x) for part in parts]
    return outputs[0] if len(outputs) == 1 else xp.concat(outputs, axis=-1)


def _rectify_sparse(X, parts):
    """Rectify a CSR matrix, for which only the stored entries are processed."""
    canonical = X.copy()
    canonical.sum_duplicates()  # |1 - 3| is not |1| + |-3|
    outputs = []
    for part in parts:
        output = canonical.copy()
        output.data = _rectify(canonical.data, (part,))
        output.eliminate_zeros()
        outputs.append(output)
    return outputs[0] if len(outputs) == 1 else sparse.hstack(outputs, format="csr")
