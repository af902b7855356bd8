"""Display of the most used feature maps of an image, with their filters."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import ArrayLike, Axes, ColormapLike, Estimator
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._axes import fitted, take_axes
from sklearn_ebm.inspection._mosaic import columns_of_square
from sklearn_ebm.inspection._pictures import (
    COLOURS,
    as_array,
    as_picture,
    coded,
    draw_line,
    limits_of,
    scaled,
    show,
    tiles,
)

INCHES = 9.0  # width of the figure
ROW_INCHES = 0.7  # height of a signal
MOST_PIXELS = 160  # maximum number of pixels of a map in one direction
HEADER = 0.2  # height of the strip above a map, relative to the height of the map
SPACE = 0.08  # between maps, relative to their height
LINE, KERNEL_LINE = 0.9, 0.7  # heights of lines, relative to a row
KERNEL_SHARE = 0.12  # width of the filters next to signals, relative to the signal
SIGNED = (-1.0, 1.0)


class MapDisplay:
    """Most used feature maps of an image, each with its filter, and the image itself.

    Each map and each filter is scaled by its largest absolute value, so that zero is mid-grey in
    all of them. The number next to a filter is its index, and the percentage is its share of the
    sum of absolute values of all maps. Entries of a map are drawn at the centre of the filter, or
    at its first pixel if the border is circular. If a map is too large to show each position, the
    entry with the largest absolute value in each block of positions is drawn. Signals are drawn as
    lines, one below the other.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    maps : array-like of shape (map_height, map_width, n_components)
        Feature maps of one image.

    components : array-like of shape (n_components, height, width, n_channels), default=None
        Filters. None shows the maps without their filters.

    image : array-like of shape (height, width) or (height, width, n_channels), default=None
        Image to show next to the maps. It must have one or three channels, unless it is a signal.
        None shows no image.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,)
        Axes of the plot.

    order_ : ndarray of int
        Indices of the maps that are shown, the most used map first.

    share_ : ndarray of shape (n_components,)
        Fraction of each map in the sum of absolute values of all maps.

    maps_ : list of matplotlib AxesImage or Line2D
        Plotted maps, in the order of `order_`.

    kernels_ : list of matplotlib AxesImage or Line2D
        Plotted filters. For signals with several channels, there is one line for each channel.

    image_ : matplotlib AxesImage, list of Line2D or None
        Plotted image, or the lines of the channels of a signal. None if no image is shown.

    See Also
    --------
    DictionaryDisplay : Display of all filters.
    ReconstructionDisplay : Display of the reconstruction of an image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import ConvSparseCoder
    >>> from sklearn_ebm.inspection import MapDisplay
    >>> images = load_digits().images[:100] / 16
    >>> coder = ConvSparseCoder(8, kernel_size=5, alpha=0.1, tol=1e-2, random_state=0).fit(images)
    >>> display = MapDisplay.from_estimator(coder, images[0], n_maps=3)
    >>> display.maps_[0].get_array().shape  # 8 pixels, and 2 pixels beyond each edge
    (12, 12)
    """

    def __init__(
        self,
        maps: ArrayLike,
        *,
        components: ArrayLike | None = None,
        image: ArrayLike | None = None,
    ) -> None:
        self.maps = maps
        self.components = components
        self.image = image

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        image: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        n_maps: int = 8,
        n_columns: int | None = None,
        cmap: ColormapLike = "gray",
        ax: Axes | None = None,
    ) -> Self:
        """Plot the feature maps of one image.

        Parameters
        ----------
        estimator : ConvSparseCoder, ConvPSD or LocalPSD
            Fitted estimator. The map of a `LocalPSD` is drawn without filters, because its units
            have different filters.

        image : array-like of shape (height, width) or (height, width, n_channels), or (n_features,)
            A single image or signal, in the form that the estimator accepts.

        mask : array-like of shape (height, width) or of the shape of image, default=None
            1, or True, for observed pixels. None means that all pixels are observed.

        n_maps : int, default=8
            Maximum number of maps to show.

        n_columns : int, default=None
            Number of maps in a row. None chooses it such that the plot is approximately square.
            Ignored for signals.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of the maps, and of filters without colour channels, for example "RdBu_r" to
            distinguish the signs.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        MapDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If the estimator is not convolutional.
        """
        check_is_fitted(estimator)
        components = fitted(estimator, "components_")
        if components.ndim != 4:
            raise ValueError(
                "estimator must have components_ of shape (n_components, height, width, "
                f"n_channels), got {type(estimator).__name__} with shape {components.shape}."
            )
        image = as_array(image)
        picture = as_picture(image, getattr(estimator, "image_shape", None))
        if mask is not None:
            mask = np.reshape(to_host(mask), (*picture.shape[:2], -1))
        code = to_host(coded(estimator, image.reshape(picture.shape), mask))
        is_shown = picture.shape[0] == 1 or picture.shape[2] in (1, COLOURS)
        kernels = components if len(components) == code.shape[-1] else None
        display = cls(code[0], components=kernels, image=picture if is_shown else None)
        return display.plot(n_maps=n_maps, n_columns=n_columns, cmap=cmap, ax=ax)

    def plot(
        self,
        *,
        n_maps: int = 8,
        n_columns: int | None = None,
        cmap: ColormapLike = "gray",
        ax: Axes | None = None,
    ) -> Self:
        """Plot the feature maps.

        Parameters
        ----------
        n_maps : int, default=8
            Maximum number of maps to show.

        n_columns : int, default=None
            Number of maps in a row. None chooses it such that the plot is approximately square.
            Ignored for signals.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of the maps, and of filters without colour channels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        MapDisplay
            The display itself.
        """
        check_scalar(n_maps, "n_maps", Integral, min_val=1)
        maps = _checked(self.maps, 3, "maps", "(map_height, map_width, n_components)")
        maps = np.moveaxis(maps, -1, 0)
        total = abs(maps).sum(axis=(1, 2))
        self.share_ = total / (total.sum() or 1.0)
        self.order_ = np.argsort(-total, kind="stable")[:n_maps]
        kernels = self._kernels(len(maps))
        image = None if self.image is None else as_picture(self.image).astype(float)
        self.maps_: list[Any] = []
        self.kernels_: list[Any] = []
        self.image_ = None
        shown = scaled(maps[self.order_])
        if maps.shape[1] == 1:
            self._plot_signals(shown[:, 0], kernels, image, ax)
        else:
            self._plot_images(shown, kernels, image, n_columns, cmap, ax)
        self.axes_[0].set_title(f"{len(self.order_)} of {len(maps)} maps, most used first")
        return self

    def _kernels(self, n_components):
        """Return the scaled filters of the maps that are shown, or None if there are no filters."""
        if self.components is None:
            return None
        kernels = _checked(
            self.components, 4, "components", "(n_components, height, width, n_channels)"
        )
        if len(kernels) != n_components:
            raise ValueError(
                f"components must contain one filter per map, got {len(kernels)} filters for "
                f"{n_components} maps."
            )
        return scaled(kernels[self.order_])

    def _labels(self):
        return [f"{index}: {100 * self.share_[index]:.0f} %" for index in self.order_]

    def _plot_images(self, maps, kernels, image, n_columns, cmap, ax):
        map_shape = maps.shape[1:]
        n_cells = len(maps) + (image is not None)
        corners, (height, width) = _grid(n_cells, n_columns, map_shape)
        size = (INCHES, INCHES * height / width + 0.4)  # room for a title
        self.figure_, self.axes_ = take_axes(ax, 1, self, size)
        axes = self.axes_[0]
        axes.set_axis_off()
        if image is not None:
            self._draw_image(axes, image, corners.pop(0), map_shape)
        pictures = [None] * len(maps) if kernels is None else tiles(kernels)
        for values, picture, label, corner in zip(
            maps, pictures, self._labels(), corners, strict=True
        ):
            self._draw_map(axes, values, picture, label, corner, cmap)
        axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")

    def _draw_map(self, axes, values, kernel, label, corner, cmap):
        """Draw a map, with its filter and its label above."""
        (top, left), (height, width) = corner, values.shape
        header = HEADER * height
        extent = (left, left + width, top + header + height, top + header)
        self.maps_.append(show(axes, largest_of_blocks(values), SIGNED, cmap, extent))
        if kernel is not None:
            extent = _fitting(kernel, corner, 0.9 * header, width / 2)
            self.kernels_.append(show(axes, kernel, SIGNED, cmap, extent))
            left = extent[1] + SPACE / 2 * height
        axes.text(left, top + 0.45 * header, label, va="center", fontsize="small")

    def _draw_image(self, axes, image, corner, map_shape):
        """Draw the image in the cell of a map, such that their centres agree."""
        (top, left), (height, width, n_channels) = corner, image.shape
        top += HEADER * map_shape[0] + (map_shape[0] - height) / 2
        left += (map_shape[1] - width) / 2
        picture = image if n_channels == COLOURS else image[..., 0]
        extent = (left, left + width, top + height, top)
        self.image_ = show(axes, picture, limits_of(image), "gray", extent)

    def _plot_signals(self, maps, kernels, image, ax):
        first = int(image is not None)  # row of the first map
        size = (INCHES, ROW_INCHES * (first + len(maps)) + 0.6)
        self.figure_, self.axes_ = take_axes(ax, 1, self, size)
        axes, width = self.axes_[0], maps.shape[1]
        start = 0.0
        if image is not None:
            start = (image.shape[1] - width) / 2
            self.image_ = draw_line(axes, scaled(image)[0], (0, image.shape[1]), 0, LINE)
        beside = start - KERNEL_SHARE * width
        for row, (values, label) in enumerate(zip(maps, self._labels(), strict=True)):
            middle = -first - row
            self.maps_ += draw_line(axes, values[:, None], (start, start + width), middle, LINE)
            if kernels is not None:
                ends = (beside, start - KERNEL_SHARE / 6 * width)
                self.kernels_ += draw_line(axes, kernels[row, 0], ends, middle, KERNEL_LINE)
            axes.text(beside, middle + 0.5, label, va="top", fontsize="small")
        axes.set_yticks([])
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.set_xlim(beside, start + width)
        axes.set_xlabel("Position")


def _grid(n_cells, n_columns, map_shape):
    """Return the top left corners of the cells of the maps, row by row, and the total size."""
    height, width = map_shape
    space = SPACE * height
    cell = (height * (1 + HEADER) + space, width + space)
    n_columns = min(n_columns or columns_of_square(n_cells, cell), n_cells)
    n_rows = math.ceil(n_cells / n_columns)
    places = (divmod(index, n_columns) for index in range(n_cells))
    corners = [(row * cell[0], column * cell[1]) for row, column in places]
    return corners, (n_rows * cell[0] - space, n_columns * cell[1] - space)


def _checked(values, n_dims, name, shape):
    values = np.asarray(to_host(values), dtype=np.float64)
    if values.ndim != n_dims:
        raise ValueError(f"{name} must have shape {shape}, got an array of shape {values.shape}.")
    return values


def largest_of_blocks(values):
    """Return the entry with the largest absolute value in each block of positions of a map."""
    block = math.ceil(max(values.shape) / MOST_PIXELS)
    height, width = (-(-size // block) for size in values.shape)
    padded = np.zeros((height * block, width * block))
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(height, block, width, block).swapaxes(1, 2).reshape(height, width, -1)
    largest = abs(blocks).argmax(axis=2, keepdims=True)
    return np.take_along_axis(blocks, largest, axis=2)[..., 0]


def _fitting(picture, corner, height, width):
    """Return the extent of a picture that fits in a box with a given corner, as for `imshow`."""
    top, left = corner
    scale = min(height / picture.shape[0], width / picture.shape[1])
    return left, left + scale * picture.shape[1], top + scale * picture.shape[0], top
