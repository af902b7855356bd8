"""Atoms and images of any number of channels as what can be drawn: pictures in grey or in colour.

Images are (height, width, n_channels); signals are images of height one, and are drawn as lines.
"""

import copy
import math

import numpy as np

from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._mosaic import GAP, arrange, columns_of_square

COLOURS = 3  # channels that are red, green and blue
CELL = (1.0, 1.6)  # height and width that a line is drawn in
SPACE = 0.25  # between lines, in heights of a cell


def as_picture(image, image_shape=None):
    """One image (height, width, n_channels): of rows that have no shape, signals of height one."""
    image = np.asarray(to_host(image))
    if image.ndim not in (1, 2, 3):
        raise ValueError(
            "image must be one image, (height, width) or (height, width, n_channels), or one row; "
            f"got an array of shape {image.shape}."
        )
    if image.ndim == 1:
        shape = (1, len(image)) if image_shape is None else tuple(image_shape)
        if math.prod(shape) != len(image):
            raise ValueError(f"The row has {len(image)} numbers, but image_shape is {shape}.")
        image = image.reshape(shape)
    return image[..., None] if image.ndim == 2 else image


def coded(estimator, image, mask):
    """The code of one image, not sparse, as `transform` gives it; the estimator stays as it is."""
    if "sparse_output" in estimator.get_params():
        estimator = copy.copy(estimator).set_params(sparse_output=False)
    options = {} if mask is None else {"mask": mask[None]}
    return estimator.transform(image[None], **options)


def scaled(pictures):
    """Each picture divided by its largest absolute value over all channels; zeros stay."""
    pictures = np.asarray(pictures, dtype=np.float64)
    largest = abs(pictures).max(axis=tuple(range(1, pictures.ndim)), keepdims=True)
    return pictures / np.where(largest > 0, largest, 1)


def tiles(kernels):
    """Tiles (n, height, width) or (n, height, width, 3) of kernels (n, height, width, n_channels).

    One channel is grey, three are colours. Of other numbers, those that a kernel has anything in
    stand side by side, in a frame; NaN is what is empty.
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
    """An image as (height, width) or (height, width, 3); channels of other numbers as a mosaic."""
    height, width, n_channels = image.shape
    if n_channels == COLOURS:
        return image
    return arrange(np.moveaxis(image, -1, 0), columns_of_square(n_channels, (height, width)))


def show(axes, picture, limits, cmap, extent=None):
    """A picture in grey between the limits, or in colours where it has three; NaN is black."""
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
    """Least and largest number that is not NaN, kept apart where there is one number only."""
    low, high = float(np.nanmin(picture)), float(np.nanmax(picture))
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def draw_lines(axes, signals, n_columns):
    """Signals (n, width, n_channels) of values from -1 to 1 in cells, row by row.

    Returns the lines, those of a signal's channels after each other.
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
    """One signal (width, n_channels) of values from -1 to 1 about a thin line that is zero."""
    left, right = ends
    axes.hlines(middle, left, right, color="0.8", linewidth=0.8)
    places = left + (right - left) * (np.arange(len(signal)) + 0.5) / len(signal)
    axes.set_prop_cycle(None)  # a channel has the same colour everywhere
    return axes.plot(places, middle + height / 2 * signal, linewidth=1.2)
