"""Images and filters with any number of channels, as pictures in grey or in colour.

Images have the shape (height, width, n_channels). Signals are images of height one, and are drawn
as lines.
"""

import copy
import math

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from sklearn_ebm.backends import is_cupy, to_host
from sklearn_ebm.inspection._mosaic import GAP, arrange, columns_of_square

COLOURS = 3  # number of channels of colour images
CELL = (1.0, 1.6)  # height and width of the cell of a line
SPACE = 0.25  # between cells, relative to their height


def as_array(image):
    """Return an image as an array on its device."""
    return image if is_cupy(image) else np.asarray(image)


def as_picture(image, image_shape=None):
    """Return an image as (height, width, n_channels). A row without a shape is a signal."""
    image = np.asarray(to_host(image))
    if image.ndim not in (1, 2, 3):
        raise ValueError(
            "image must have shape (height, width), (height, width, n_channels) or (n_features,), "
            f"got {image.shape}."
        )
    if image.ndim == 1:
        shape = (1, len(image)) if image_shape is None else tuple(image_shape)
        if math.prod(shape) != len(image):
            raise ValueError(
                f"image has {len(image)} features, but image_shape={shape} requires "
                f"{math.prod(shape)}."
            )
        image = image.reshape(shape)
    return image[..., None] if image.ndim == 2 else image


def as_sample(estimator, image, mask):
    """Return an image and its mask as a sample of a model, flattened if its samples are rows."""
    first = estimator.steps[0][1] if isinstance(estimator, Pipeline) else estimator
    is_row = getattr(first, "n_features_in_", None) == math.prod(image.shape)
    if image.ndim == 1 or not is_row or get_tags(first).input_tags.three_d_array:
        return image, mask
    if mask is not None:
        pixels = (*image.shape[:2], -1)
        mask = np.broadcast_to(mask.reshape(pixels), image.reshape(pixels).shape).reshape(-1)
    return image.reshape(-1), mask


def coded(estimator, image, mask):
    """Return the dense code of one image from `transform`. The estimator does not change."""
    if "sparse_output" in estimator.get_params():
        estimator = copy.copy(estimator).set_params(sparse_output=False)
    options = {} if mask is None else {"mask": mask[None]}
    return estimator.transform(image[None], **options)


def scaled(pictures):
    """Return pictures divided by their largest absolute values, unless those are zero."""
    pictures = np.asarray(pictures, dtype=np.float64)
    largest = abs(pictures).max(axis=tuple(range(1, pictures.ndim)), keepdims=True)
    return pictures / np.where(largest > 0, largest, 1)


def tiles(kernels):
    """Return filters (n, height, width, n_channels) as tiles (n, height, width[, 3]).

    One channel is grey, and three channels are colours. For other numbers of channels, those with
    non-zero entries are drawn side by side, in a frame. Empty pixels are NaN.
    """
    n_channels = kernels.shape[3]
    if n_channels == 1:
        return kernels[..., 0]
    return kernels if n_channels == COLOURS else np.stack(list(_channels_in_rows(kernels)))


def _channels_in_rows(kernels):
    read = kernels.any(axis=(1, 2))
    n_columns = max(1, read.sum(axis=1).max())
    height, width = kernels.shape[1:3]
    for kernel, has_any in zip(kernels, read, strict=True):
        row = np.full((n_columns, height, width), np.nan)
        row[: has_any.sum()] = np.moveaxis(kernel[..., has_any], -1, 0)
        yield np.pad(arrange(row, n_columns), GAP, constant_values=np.nan)


def flat_picture(image):
    """Return an image as (height, width) or (height, width, 3); other channels as a mosaic."""
    height, width, n_channels = image.shape
    if n_channels == COLOURS:
        return image
    return arrange(np.moveaxis(image, -1, 0), columns_of_square(n_channels, (height, width)))


def show(axes, picture, limits, cmap, extent=None):
    """Draw a picture in grey between the limits, or in colour if it has channels. NaN is black."""
    import matplotlib as mpl

    low, high = limits
    if picture.ndim == 3:
        shares = np.nan_to_num((picture - low) / (high - low)).clip(0, 1)
        return axes.imshow(shares, interpolation="nearest", extent=extent)
    colours = mpl.colormaps.get_cmap(cmap).with_extremes(bad="black")
    return axes.imshow(
        picture, cmap=colours, vmin=low, vmax=high, interpolation="nearest", extent=extent
    )


def limits_of(picture):
    """Return the smallest and the largest value except NaN, made different if they are equal."""
    low, high = float(np.nanmin(picture)), float(np.nanmax(picture))
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def draw_lines(axes, signals, n_columns):
    """Draw signals (n, width, n_channels) of values from -1 to 1 in cells, row by row.

    Returns the lines. The lines of the channels of a signal follow each other.
    """
    height, width = CELL
    lines = []
    for index, signal in enumerate(signals):
        row, column = divmod(index, n_columns)
        left, middle = column * (width + SPACE), -row * (height + SPACE)
        lines += draw_line(axes, signal, (left, left + width), middle, height)
    axes.set_axis_off()
    return lines


def draw_line(axes, signal, ends, middle, height):
    """Draw a signal (width, n_channels) of values from -1 to 1, and a thin line at zero."""
    left, right = ends
    axes.hlines(middle, left, right, color="0.8", linewidth=0.8)
    places = left + (right - left) * (np.arange(len(signal)) + 0.5) / len(signal)
    axes.set_prop_cycle(None)  # a channel has the same colour in all lines
    return axes.plot(places, middle + height / 2 * signal, linewidth=1.2)
