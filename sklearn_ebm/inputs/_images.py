"""Checks of images: rows, grey images or images with channels become (n, height, width, channels).

A row without a shape is a signal, an image of height one. `ImageForm.restore` converts the output
of a layer to the form of its input, so that any scikit-learn step can precede or follow it.
"""

import math
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy import sparse

from sklearn_ebm._sklearn import _get_output_config
from sklearn_ebm._storage import stored
from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.inputs._rows import (
    check_rows,
    check_values_elsewhere,
    checked_array,
    naming_the_remedy_of,
    require_library,
)

IMAGE_SHAPE = ["array-like", None]  # for `_parameter_constraints`
LAYOUT = "Images must have shape (n_samples, height, width, channels), with channels last."
WINDOWS = ("kernel_size", "pool_shape")  # parameters that images must not be smaller than
BATCH_ENTRIES = 2**20  # entries of a batch of images: 4 MB in float32, which mostly fit in cache


@stored
class ImageForm(NamedTuple):
    """Form of images that users pass: rows (2 dimensions), grey images (3) or with channels (4)."""

    n_dims: int

    @property
    def is_flat(self):
        """Whether images were passed as rows."""
        return self.n_dims == 2

    def require_arrays(self, estimator):
        """Refuse `set_output` for images, which are not the rows of a table."""
        if self.is_flat:
            return
        container = _get_output_config("transform", estimator)["dense"]
        if container != "default":
            raise ValueError(
                f"transform returns images or feature maps, which {container} cannot hold. Pass "
                "images as rows, or call set_output(transform='default')."
            )

    def restore(self, maps):
        """Return maps (n, height, width, k) in the form of the input; as grey images if k is 1."""
        xp = array_namespace(maps)
        n_samples, *shape = maps.shape
        if self.is_flat:
            return xp.reshape(maps, (n_samples, math.prod(shape)))
        return maps[..., 0] if self.n_dims == 3 and shape[-1] == 1 else maps


def check_images(
    estimator, X, *, reset, image_shape=None, allow_nan=False, finite=True, smallest=(1, 1),
    accept_channels=None,
):  # fmt: skip
    """Return X as checked images (n, height, width, channels), and the form of X.

    float32 and float64 are preserved, and other types are converted to float64. X is copied only if
    its type or its strides require it. If `reset` is True, `n_features_in_` (height * width *
    channels of images) and `n_channels_in_` are set. Otherwise, rows must have the same
    `n_features_in_`, and images the same `n_channels_in_`; their height and width may differ.

    Parameters
    ----------
    estimator : object
        Estimator whose attributes are set, and that error messages name.
    X : array-like of shape (n, n_features), (n, height, width) or (n, height, width, channels)
        Rows, grey images, images with channels, or a list of images of the same size.
    reset : bool
        Whether this is the first call of `fit` or `partial_fit`.
    image_shape : tuple of 2 or 3 integers or None
        Height, width and channels (1 if omitted) of the images in X. With None, rows are signals,
        which are images of height one, and images may have any shape.
    allow_nan : bool
        Whether NaN is accepted.
    finite : bool
        Whether to check that values are finite. If False, the caller must check it.
    smallest : tuple of 2 integers or int
        Smallest height and width; see `window_shape` for an int.
    accept_channels : collection of integers or None
        Numbers of channels that the estimator supports. None accepts any number.

    Returns
    -------
    images : array of shape (n, height, width, channels)
    form : ImageForm
    """
    X = _stack(X)
    require_library(estimator, X)
    form = ImageForm(len(getattr(X, "shape", (0, 0))))
    if form.n_dims > 4:
        raise ValueError(
            f"Found array with dim {form.n_dims}, while dim <= 4 is required by "
            f"{type(estimator).__name__}. {LAYOUT}"
        )
    if form.n_dims in (3, 4):
        images = check_values(estimator, X, allow_nan, finite)
        images = images[..., None] if form.n_dims == 3 else images
        _check_agreement(images.shape[1:], image_shape)
    else:
        form = ImageForm(2)  # other numbers of dimensions are refused by check_rows
        rows = check_rows(estimator, X, reset=reset, allow_nan=allow_nan, finite=finite)
        shape = shape_of_rows(rows.shape[1], image_shape)
        images = array_namespace(rows).reshape(rows, (rows.shape[0], *shape))
    _check_size(estimator, images.shape, form, smallest)
    _check_channels(estimator, images.shape[-1], reset, accept_channels)
    if reset:
        _remember(estimator, images.shape, form)
    return images, form


def check_images_or_sparse(estimator, X, *, reset):
    """Return images as `check_images` does, or CSR rows and None for a sparse matrix."""
    if not sparse.issparse(X):
        return check_images(estimator, X, reset=reset)
    X = check_rows(estimator, X, reset=reset, accept_sparse="csr")
    if reset:
        estimator.n_channels_in_ = 1
    return X, None


def warn_of_signals(estimator, form, images):
    """Warn that rows are treated as signals, unless `image_shape` declares them."""
    if form.is_flat and estimator.image_shape is None:
        length = images.shape[2]
        warn(
            f"X has rows of {length} features and image_shape is None, so each row is treated as a "
            "1-D signal. If the rows are images, set image_shape=(height, width) or "
            "image_shape=(height, width, channels). If they are signals, set "
            f"image_shape=(1, {length}) to silence this warning.",
            UserWarning,
        )


def window_shape(size, height):
    """Return height and width of a window. If `size` is an int, the height is 1 for signals."""
    if isinstance(size, Integral):
        size = (1 if height == 1 else size, size)
    height, width = (int(length) for length in size)
    return height, width


def in_batches(function, images, shape):
    """Return function(images), an array of the given shape, computed in batches to save memory.

    The batches are distributed over threads.
    """
    backend, xp = resolve_backend("auto", images), array_namespace(images)
    n_samples = images.shape[0]
    batch_size = max(1, BATCH_ENTRIES // math.prod(images.shape[1:]))
    if n_samples <= batch_size:
        return function(images)
    result = xp.empty(tuple(shape), dtype=images.dtype)

    def work(first, last):
        result[first:last, ...] = function(images[first:last, ...])

    backend.map_pieces(work, n_samples, batch_size)
    return result


def _stack(X):
    """Return a list of images as one array, and anything else unchanged."""
    listed = isinstance(X, list | tuple)
    listed = listed or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1)
    shapes = [_shape(each) for each in X] if listed else []
    if not shapes or min(len(shape) for shape in shapes) < 2:
        return X
    different = list(dict.fromkeys(shapes))
    if len(different) > 1:
        sizes = ", ".join(_by(shape) for shape in different[:4])
        more = f" and {len(different) - 4} more" if len(different) > 4 else ""
        raise ValueError(
            f"All images in X must have the same size, got {sizes}{more}. Crop or pad them to one "
            "size, or call the method once for each size."
        )
    return array_namespace(*X).stack(list(X))


def _shape(image):
    try:
        return tuple(image.shape) if hasattr(image, "shape") else np.shape(image)
    except ValueError:  # lists of different lengths are refused by check_rows
        return ()


def _by(shape):
    return " x ".join(str(length) for length in shape)


def check_values(estimator, X, allow_nan, finite=True):
    """Check images as `check_rows` checks rows: at least one sample of finite real numbers."""
    xp = array_namespace(X)
    if xp is np:
        with naming_the_remedy_of(estimator):
            finite = finite and ("allow-nan" if allow_nan else True)
            return checked_array(
                X, allow_nd=True, input_name="X", ensure_all_finite=finite, estimator=estimator
            )
    if X.shape[0] == 0:
        raise ValueError(
            f"Found array with 0 sample(s) (shape={tuple(X.shape)}) while a minimum of 1 is "
            "required."
        )
    with naming_the_remedy_of(estimator):
        return check_values_elsewhere(X, allow_nan=allow_nan, finite=finite)


def full_shape(image_shape):
    """Return height, width and channels of an image shape that may omit the channels."""
    shape = (image_shape,) if np.ndim(image_shape) == 0 else tuple(image_shape)
    whole = all(isinstance(length, Integral) and length > 0 for length in shape)
    if not whole or len(shape) not in (2, 3):
        raise ValueError(
            "image_shape must be (height, width) or (height, width, channels) with positive "
            f"integers, got {image_shape!r}."
        )
    return tuple(int(length) for length in (*shape, 1)[:3])


def shape_of_rows(n_features, image_shape):
    """Return height, width and channels of images in rows. Rows without a shape are signals."""
    if image_shape is None:
        return 1, n_features, 1
    shape = full_shape(image_shape)
    if math.prod(shape) != n_features:
        raise ValueError(
            f"X has {n_features} features, but image_shape={tuple(image_shape)} requires "
            f"{_by(shape)} = {math.prod(shape)}."
        )
    return shape


def _check_agreement(shape, image_shape):
    if image_shape is not None and full_shape(image_shape) != tuple(shape):
        raise ValueError(
            f"X has images of {_by(shape)} (height, width, channels), but "
            f"image_shape={tuple(image_shape)} requires {_by(full_shape(image_shape))}."
        )


def _check_size(estimator, shape, form, smallest):
    _, height, width, channels = shape
    given, smallest = smallest, window_shape(smallest, height)
    if height >= smallest[0] and width >= smallest[1]:
        return
    size, name = _by((height, width)), type(estimator).__name__
    if form.is_flat:
        size += f" (n_features = {height * width * channels})"
    windows = [each for each in WINDOWS if getattr(estimator, each, None) == given]
    because = f" ({windows[0]}={given!r})" if windows else ""
    message = f"X has images of {size}, but {name} is expecting at least {_by(smallest)}{because}."
    if form.n_dims == 4 and height <= 4 < channels:
        message += f" X of shape {tuple(shape)} looks like images with channels first. {LAYOUT}"
    raise ValueError(message)


def _check_channels(estimator, n_channels, reset, accepted):
    expected = None if reset else getattr(estimator, "n_channels_in_", None)
    if expected not in (None, n_channels):
        wanted = str(expected)
    elif n_channels == 0 or (accepted is not None and n_channels not in accepted):
        wanted = " or ".join(str(count) for count in accepted or ("at least 1",))
    else:
        return
    raise ValueError(
        f"X has {n_channels} channels, but {type(estimator).__name__} is expecting {wanted} "
        f"channels. {LAYOUT}"
    )


def _remember(estimator, shape, form):
    _, *shape = shape
    estimator.n_channels_in_ = shape[-1]
    if not form.is_flat:
        estimator.n_features_in_ = math.prod(shape)
        estimator.__dict__.pop("feature_names_in_", None)  # names of an earlier fit on a data frame
