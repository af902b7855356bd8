"""Display of filters on a two-dimensional map, with frames in the colours of their orientations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import ArrayLike, Axes, ColormapLike, Estimator, ImageShape
from sklearn_ebm.inspection._axes import fitted, take_axes
from sklearn_ebm.inspection._gabor import GaborFit, fit_gabor
from sklearn_ebm.inspection._mosaic import arrange, scaled_tiles
from sklearn_ebm.inspection._unit_maps import (
    UNORIENTED,
    WHEEL_SHARE,
    as_rows,
    checked_map_shape,
    colours_of,
    draw_wheel,
    map_of,
    orientation_colours,
)

INCHES = 6.5  # approximate width of the map
FRAME_SHARE = 8  # width of a tile, relative to the width of its frame


class TopographicMapDisplay:
    """Filters at their positions on a map, with frames in the colours of their orientations.

    If neighbouring units of the map are often active together, their filters become similar, and
    orientations change smoothly over most of the map. Each tile is scaled by its largest absolute
    value, and zero is mid-grey. The colour of a frame is the colour of the wheel in the direction
    of the filter's stripes. It is grey if no Gabor function fits the filter.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features) or \
            (n_components, height, width, 1)
        Filters. Unit i is in row i // columns and column i % columns of the map.

    map_shape : tuple (rows, columns)
        Shape of the map; the product is n_components.

    gabor : GaborFit, default=None
        Gabor functions fitted to the filters. None fits them when the map is plotted.

    image_shape : tuple (height, width), default=None
        Shape of one filter. None assumes a square, if n_features is a square number.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,)
        Axes of the plot.

    image_ : matplotlib AxesImage
        The map.

    wheel_ : matplotlib Axes or None
        Axes of the colour wheel next to the map, or None.

    gabor_ : GaborFit
        Gabor functions whose orientations are shown.

    See Also
    --------
    DictionaryDisplay : Display of atoms in the order of their usage.
    OrientationMapDisplay : Display of the orientations alone, with pinwheels.
    TreeDisplay : Display of filters as a tree.
    fit_gabor : Fit Gabor functions to filters.
    sklearn_ebm.metrics.topographic_order : Measure of the order of a property on a map.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.inspection import TopographicMapDisplay
    >>> rows, columns = np.indices((8, 8)) - 3.5
    >>> envelope = np.exp(-(rows**2 + columns**2) / 8)
    >>> filters = [
    ...     envelope * np.cos(1.3 * (rows * np.cos(angle) + columns * np.sin(angle)))
    ...     for angle in np.radians(range(5, 180, 15))
    ... ]
    >>> display = TopographicMapDisplay(np.reshape(filters, (12, 64)), (3, 4)).plot()
    >>> print(np.degrees(display.gabor_.orientation).round().reshape(3, 4))
    [[  5.  20.  35.  50.]
     [ 65.  80.  95. 110.]
     [125. 140. 155. 170.]]
    """

    def __init__(
        self,
        components: ArrayLike,
        map_shape: Sequence[int],
        *,
        gabor: GaborFit | None = None,
        image_shape: ImageShape | None = None,
    ) -> None:
        self.components = components
        self.map_shape = map_shape
        self.gabor = gabor
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        *,
        image_shape: ImageShape | None = None,
        threshold: float = 0.8,
        cmap: ColormapLike = "gray",
        orientation_cmap: ColormapLike = "hsv",
        wheel: bool = True,
        ax: Axes | None = None,
    ) -> Self:
        """Plot the atoms of a fitted estimator whose units form a map.

        Parameters
        ----------
        estimator : object
            Fitted estimator with `components_` and the attribute `map_shape_` or the parameter
            `map_shape`, a pair (rows, columns), of the estimator or of its penalty.

        image_shape : tuple (height, width), default=None
            Shape of one atom. None assumes a square, if n_features is a square number.

        threshold : float, default=0.8
            Minimum goodness of a Gabor function, below which the frame of the filter is grey.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of the filters.

        orientation_cmap : str or matplotlib Colormap, default="hsv"
            Colour map of the orientations. It should be cyclic, such as "hsv" and "twilight".

        wheel : bool, default=True
            Whether to draw a colour wheel next to the map.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        TopographicMapDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If neither the estimator nor its penalty has a map.
        """
        check_is_fitted(estimator)
        components = fitted(estimator, "components_")
        map_shape, _ = map_of(estimator, "TopographicMapDisplay(components, map_shape)")
        return cls(components, map_shape, image_shape=image_shape).plot(
            threshold=threshold,
            cmap=cmap,
            orientation_cmap=orientation_cmap,
            wheel=wheel,
            ax=ax,
        )

    def plot(
        self,
        *,
        threshold: float = 0.8,
        cmap: ColormapLike = "gray",
        orientation_cmap: ColormapLike = "hsv",
        wheel: bool = True,
        ax: Axes | None = None,
    ) -> Self:
        """Plot the map.

        Parameters
        ----------
        threshold : float, default=0.8
            Minimum goodness of a Gabor function, below which the frame of the filter is grey.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of the filters.

        orientation_cmap : str or matplotlib Colormap, default="hsv"
            Colour map of the orientations. It should be cyclic, such as "hsv" and "twilight".

        wheel : bool, default=True
            Whether to draw a colour wheel next to the map.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        TopographicMapDisplay
            The display itself.
        """
        components, image_shape = as_rows(self.components, self.image_shape)
        n_rows, n_columns = checked_map_shape(self.map_shape, len(components))
        self.gabor_ = self._fitted_gabor(components, image_shape)
        height, width = self.gabor_.image_shape
        aspect = n_columns * width / (n_rows * height)
        size = (INCHES * (1 + WHEEL_SHARE * wheel), INCHES / aspect + 0.4)  # room for a title
        self.figure_, self.axes_ = take_axes(ax, 1, self, size)
        tiles = colours_of(scaled_tiles(components, (height, width)) / 2 + 0.5, cmap)
        framed = _framed(tiles, _frame_colours(self.gabor_, threshold, orientation_cmap))
        mosaic = np.nan_to_num(arrange(framed, n_columns))  # black gaps
        axes = self.axes_[0]
        axes.set_axis_off()
        axes.set_title(f"Map of {n_rows}x{n_columns} filters of {height}x{width}")
        self.image_ = axes.imshow(mosaic, interpolation="nearest")
        self.wheel_ = draw_wheel(axes, orientation_cmap) if wheel else None
        return self

    def _fitted_gabor(self, components, image_shape):
        if self.gabor is None:
            return fit_gabor(components, image_shape)
        n_fits = len(self.gabor.goodness)
        if n_fits != len(components):
            raise ValueError(
                f"gabor must contain one fit per filter, got {n_fits} fits for {len(components)} "
                "filters."
            )
        return self.gabor


def _frame_colours(gabor, threshold, cmap):
    """Return red, green and blue for each filter; grey if the goodness is below the threshold."""
    colours = orientation_colours(gabor.orientation, cmap)
    return np.where(gabor.is_good(threshold)[:, None], colours, UNORIENTED)


def _framed(tiles, colours):
    """Return tiles (n_tiles, height, width, 3) with frames of the given colours."""
    n_tiles, height, width, n_channels = tiles.shape
    frame = max(1, round(min(height, width) / FRAME_SHARE))
    framed = np.empty((n_tiles, height + 2 * frame, width + 2 * frame, n_channels))
    framed[:] = colours[:, None, None, :]
    framed[:, frame:-frame, frame:-frame] = tiles
    return framed
