"""Pooling: one value for each window on the feature maps.

    average    y = sum x / N          dx = dy / N, summed over the windows that contain x
    max        y = max x              dx = dy at the first of the largest entries, in the order of
                                           rows, columns and maps
    l2         y = sqrt(sum x^2)      dx = x dy / y, and 0 if y is 0

Groups of neighbouring maps are windows over a third axis. Sums and maxima over a window are
computed axis by axis, rows first, so that few passes run over the full array.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple, Self

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from sklearn_ebm._sklearn import Interval, StrOptions, _fit_context
from sklearn_ebm._typing import Array, ImageShape, MatrixLike, Pooling, Size
from sklearn_ebm.backends import array_namespace, divide_or_zero
from sklearn_ebm.inputs._images import (
    IMAGE_SHAPE,
    check_images,
    in_batches,
    warn_of_signals,
    window_shape,
)
from sklearn_ebm.layers._layer import Layer
from sklearn_ebm.layers._state import refusable


class Windows(NamedTuple):
    """Positions of windows on rows, columns and maps, as triples of integers."""

    size: tuple
    stride: tuple
    count: tuple  # type: ignore[assignment] # replaces the method of tuples

    @property
    def n_entries(self):
        """Number of entries of a window."""
        return math.prod(self.size)

    def places(self, axis, offset):
        """Return the slice of the entries at one offset in all windows, along an axis."""
        last = offset + self.stride[axis] * (self.count[axis] - 1)
        return slice(offset, last + 1, self.stride[axis])

    def offsets(self):
        """Yield the index of each offset in the windows, in the order of rows, columns and maps."""
        for offsets in itertools.product(*(range(size) for size in self.size)):
            yield (slice(None), *(self.places(axis, offset) for axis, offset in enumerate(offsets)))


def _along(axis, places):
    return (*[slice(None)] * (axis + 1), places, ...)


def _gather(combine, x, windows):
    """Return the entries of each window, combined by a binary function."""
    for axis, size in enumerate(windows.size):
        total = x[_along(axis, windows.places(axis, 0))]
        for offset in range(1, size):
            total = combine(total, x[_along(axis, windows.places(axis, offset))])
        x = total
    return x


def _spread(values, windows, shape):
    """Return the transpose of sums over windows: each entry gets the sum over its windows."""
    xp = array_namespace(values)
    for axis in reversed(range(3)):
        wide = list(values.shape)
        wide[axis + 1] = shape[axis + 1]
        total = xp.zeros(tuple(wide), dtype=values.dtype)
        for offset in range(windows.size[axis]):
            total[_along(axis, windows.places(axis, offset))] += values
        values = total
    return values


def _sum(x, windows):
    return _gather(array_namespace(x).add, x, windows)


def _average(x, windows):
    return _sum(x, windows) / windows.n_entries


def _average_backward(x, y, dy, windows):
    return _spread(dy / windows.n_entries, windows, x.shape)


def _largest(x, windows):
    xp = array_namespace(x)
    y = _gather(xp.maximum, x, windows)
    return xp.asarray(y, copy=True) if windows.n_entries == 1 else y  # not a view of the input


def _largest_backward(x, y, dy, windows):
    xp = array_namespace(x)
    dx, nothing = xp.zeros_like(x), xp.zeros_like(dy)
    for places in windows.offsets():
        largest = x[places] == y
        dx[places] += xp.where(largest, dy, nothing)
        dy = xp.where(largest, nothing, dy)  # only the first of equal entries gets the gradient
    return dx


def _norm(x, windows):
    return array_namespace(x).sqrt(_sum(x * x, windows))


def _norm_backward(x, y, dy, windows):
    return x * _spread(divide_or_zero(dy, y), windows, x.shape)


class Mode(NamedTuple):
    """Pooling function and its derivative."""

    pool: Callable  # (x, windows) -> y
    backward: Callable  # (x, y, dy, windows) -> dx


MODES = {
    "average": Mode(_average, _average_backward),
    "max": Mode(_largest, _largest_backward),
    "l2": Mode(_norm, _norm_backward),
}


class Pooler(Layer, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Pool feature maps over windows: return the average, maximum or L2 norm of each window.

    Windows lie inside the image, and rows and columns at its end that do not fill a window are
    ignored. The layer learns nothing, so `transform` works without `fit`.

    Parameters
    ----------
    mode : {"average", "max", "l2"}, default="average"
        Pooling function: "average" for the mean, "max" for the largest value, and "l2" for the root
        of the sum of squares of each window.

    pool_shape : int or tuple of two ints, default=2
        Number of rows and columns of a window. An int applies to both, and to the width alone if X
        contains signals, which are images of height one.

    pool_stride : int, tuple of two ints or None, default=None
        Number of rows and columns between neighbouring windows. An int applies to both. None uses
        adjacent windows that do not overlap.

    map_groups : int, default=1
        Number of neighbouring maps that are pooled together. It must divide the number of maps.

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
    LocalContrastNormalizer : Layer that usually precedes pooling.
    Flattener : Layer that flattens images to rows, for a classifier.

    References
    ----------
    .. [1] K. Jarrett, K. Kavukcuoglu, M. Ranzato, Y. LeCun, "What is the best multi-stage
           architecture for object recognition?", ICCV 2009.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import Pooler
    >>> images = load_digits().images  # 8 x 8 pixels
    >>> Pooler("max", pool_shape=4, pool_stride=2).transform(images).shape
    (1797, 3, 3)
    >>> Pooler(image_shape=(8, 8)).transform(images.reshape(-1, 64)).shape
    (1797, 16)
    """

    _parameter_constraints: dict = {
        "mode": [StrOptions(set(MODES))],
        "pool_shape": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "pool_stride": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "map_groups": [Interval(Integral, 1, None, closed="left")],
        "image_shape": IMAGE_SHAPE,
    }

    _needs_images = True

    def __init__(
        self,
        mode: Pooling = "average",
        pool_shape: Size = 2,
        *,
        pool_stride: Size | None = None,
        map_groups: int = 1,
        image_shape: ImageShape | None = None,
    ) -> None:
        self.mode = mode
        self.pool_shape = pool_shape
        self.pool_stride = pool_stride
        self.map_groups = map_groups
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
            self._windows(images.shape)
            warn_of_signals(self, form, images)
            self._fit_shape = images.shape
        return self

    @property
    def _n_features_out(self):
        """Number of windows of an image of the size seen in `fit`."""
        return math.prod(self._windows(self._fit_shape).count)

    def transform(self, X: MatrixLike) -> Array:
        """Pool the feature maps of each image.

        Parameters
        ----------
        X : array-like of shape (n, n_features), (n, height, width) or (n, height, width, channels)
            Flat rows, grey images, or images with channels.

        Returns
        -------
        ndarray of shape (n, n_features_out), (n, rows, columns) or (n, rows, columns, maps)
            Pooled maps, in the same form as X, and in its dtype if that is float32 or float64.
        """
        self._ready()
        images, form = self._check(X, reset=False)
        form.require_arrays(self)
        windows, pool = self._windows(images.shape), MODES[self.mode].pool
        shape = (images.shape[0], *windows.count)
        return form.restore(in_batches(lambda batch: pool(batch, windows), images, shape))

    def _output_and_kept(self, x, stream):
        y = MODES[self.mode].pool(x, self._windows(x.shape))
        return y, (x, y)

    def _input_gradient(self, kept, dy):
        x, y = kept
        return MODES[self.mode].backward(x, y, dy, self._windows(x.shape))

    def _check(self, X, reset):
        for name in ("pool_shape", "pool_stride"):
            _check_pair(name, getattr(self, name))
        return check_images(
            self, X, reset=reset, image_shape=self.image_shape, smallest=self.pool_shape
        )

    def _windows(self, shape):
        """Return the windows on maps of shape (n, height, width, channels)."""
        _, height, width, n_maps = shape
        group = int(self.map_groups)
        if n_maps % group:
            raise ValueError(
                f"The number of channels of X must be a multiple of map_groups={group}, got "
                f"{n_maps}."
            )
        size = window_shape(self.pool_shape, height)
        stride = size if self.pool_stride is None else window_shape(self.pool_stride, height)
        size, stride = (*size, group), (*stride, group)
        axes = zip((height, width, n_maps), size, stride, strict=True)
        return Windows(
            size, stride, tuple((length - one) // step + 1 for length, one, step in axes)
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _check_pair(name, lengths):
    if lengths is None or isinstance(lengths, Integral):
        return
    whole = all(isinstance(length, Integral) and length > 0 for length in lengths)
    if not whole or len(lengths) != 2:
        raise ValueError(
            f"{name} must be a positive integer or a pair of positive integers (down, across), "
            f"got {lengths!r}."
        )
