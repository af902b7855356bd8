"""Display of the orientations of filters on a two-dimensional map, with pinwheels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import ArrayLike, Axes, ColormapLike, Estimator, ImageShape
from sklearn_ebm.inspection._axes import counted, fitted, take_axes
from sklearn_ebm.inspection._gabor import GaborFit, fit_gabor
from sklearn_ebm.inspection._unit_maps import (
    UNORIENTED,
    WHEEL_SHARE,
    as_rows,
    checked_map_shape,
    draw_wheel,
    map_of,
    orientation_colours,
)
from sklearn_ebm.metrics import pinwheels

INCHES = 5.0  # approximate length of the longer side of the map
LEAST_INCHES = 5.0, 2.0  # width and height of the figure, for the title, the wheel and the legend
MARKERS = {0.5: ("white", "+1/2"), -0.5: ("black", "-1/2")}  # sign: colour and label
MARKER_SHARE = 0.5  # diameter of a marker, relative to a unit
MARKER_POINTS = (2.0, 8.0)  # least and largest diameter


class OrientationMapDisplay:
    """Orientations of filters at their positions on a map, with pinwheels.

    Each unit is a square in the colour of the wheel in the direction of its filter's stripes. The
    less of a filter its Gabor function explains, the paler is its colour. On a map that is ordered
    by orientation, colours change smoothly, except at pinwheels, around which all colours meet.
    White dots are pinwheels around which the orientation turns counter-clockwise (+1/2), and black
    dots are pinwheels around which it turns clockwise (-1/2).

    Use :meth:`from_estimator` to create a display from a fitted estimator, or
    :meth:`from_components` from filters.

    Parameters
    ----------
    gabor : GaborFit
        Gabor functions fitted to the filters. Unit i is in row i // columns and column i % columns
        of the map.

    map_shape : tuple (rows, columns)
        Shape of the map; the product is n_components.

    torus : bool, default=True
        Whether the last row is adjacent to the first, and the last column to the first.

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

    pinwheels_ : Pinwheels
        Positions and signs of the pinwheels; see :func:`~sklearn_ebm.metrics.pinwheels`.

    markers_ : list of matplotlib PathCollection
        The dots of pinwheels with positive and with negative signs. Empty if `mark=False`.

    See Also
    --------
    TopographicMapDisplay : Display of the filters on a map.
    fit_gabor : Fit Gabor functions to filters.
    sklearn_ebm.metrics.pinwheels : Pinwheels of a map of orientations.
    sklearn_ebm.metrics.topographic_order : Measure of the order of a property on a map.

    References
    ----------
    K. Obermayer, G. G. Blasdel (1993). Geometry of orientation and ocular dominance columns in
    monkey striate cortex. Journal of Neuroscience 13, 4114-4129.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.inspection import OrientationMapDisplay
    >>> rows, columns = np.indices((9, 9)) - 4
    >>> envelope = np.exp(-(rows**2 + columns**2) / 8)
    >>> filters = [
    ...     envelope * np.cos(1.3 * (rows * np.cos(angle) + columns * np.sin(angle)))
    ...     for angle in np.radians([150, 120, 90, 30, 60, 75])
    ... ]
    >>> filters = np.reshape(filters, (6, 81))
    >>> display = OrientationMapDisplay.from_components(filters, (2, 3), torus=False)
    >>> print(*display.pinwheels_)
    [[0.5 0.5]] [0.5]
    """

    def __init__(self, gabor: GaborFit, map_shape: Sequence[int], *, torus: bool = True) -> None:
        self.gabor = gabor
        self.map_shape = map_shape
        self.torus = torus

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        *,
        image_shape: ImageShape | None = None,
        threshold: float = 0.8,
        orientation_cmap: ColormapLike = "hsv",
        mark: bool = True,
        wheel: bool = True,
        ax: Axes | None = None,
    ) -> Self:
        """Plot the orientations of the filters of a fitted estimator whose units form a map.

        Parameters
        ----------
        estimator : object
            Fitted estimator with `components_` and the attribute `map_shape_` or the parameter
            `map_shape`, a pair (rows, columns), of the estimator or of its penalty. The map is a
            torus unless the estimator or its penalty has ``torus=False`` or ``tile_shape=None``.

        image_shape : tuple (height, width), default=None
            Shape of one filter. None assumes a square, if n_features is a square number.

        threshold : float, default=0.8
            Minimum goodness of a Gabor function, below which the unit is grey, and no pinwheel is
            marked next to it.

        orientation_cmap : str or matplotlib Colormap, default="hsv"
            Colour map of the orientations. It should be cyclic, such as "hsv" and "twilight".

        mark : bool, default=True
            Whether to mark pinwheels.

        wheel : bool, default=True
            Whether to draw a colour wheel next to the map, and the legend of the pinwheels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        OrientationMapDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If neither the estimator nor its penalty has a map.
        """
        check_is_fitted(estimator)
        components = fitted(estimator, "components_")
        map_shape, torus = map_of(
            estimator, "OrientationMapDisplay.from_components(components, map_shape)"
        )
        return cls.from_components(
            components,
            map_shape,
            torus=torus,
            image_shape=image_shape,
            threshold=threshold,
            orientation_cmap=orientation_cmap,
            mark=mark,
            wheel=wheel,
            ax=ax,
        )

    @classmethod
    def from_components(
        cls,
        components: ArrayLike,
        map_shape: Sequence[int],
        *,
        torus: bool = True,
        image_shape: ImageShape | None = None,
        threshold: float = 0.8,
        orientation_cmap: ColormapLike = "hsv",
        mark: bool = True,
        wheel: bool = True,
        ax: Axes | None = None,
    ) -> Self:
        """Fit Gabor functions to filters, and plot their orientations.

        Parameters
        ----------
        components : array-like of shape (n_components, n_features) or \
                (n_components, height, width, 1)
            Filters. Unit i is in row i // columns and column i % columns of the map.

        map_shape : tuple (rows, columns)
            Shape of the map; the product is n_components.

        torus : bool, default=True
            Whether the last row is adjacent to the first, and the last column to the first.

        image_shape : tuple (height, width), default=None
            Shape of one filter. None assumes a square, if n_features is a square number.

        threshold : float, default=0.8
            Minimum goodness of a Gabor function, below which the unit is grey, and no pinwheel is
            marked next to it.

        orientation_cmap : str or matplotlib Colormap, default="hsv"
            Colour map of the orientations. It should be cyclic, such as "hsv" and "twilight".

        mark : bool, default=True
            Whether to mark pinwheels.

        wheel : bool, default=True
            Whether to draw a colour wheel next to the map, and the legend of the pinwheels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        OrientationMapDisplay
            The display after plotting.
        """
        components, image_shape = as_rows(components, image_shape)
        checked_map_shape(map_shape, len(components))
        display = cls(fit_gabor(components, image_shape), map_shape, torus=torus)
        return display.plot(
            threshold=threshold, orientation_cmap=orientation_cmap, mark=mark, wheel=wheel, ax=ax
        )

    def plot(
        self,
        *,
        threshold: float = 0.8,
        orientation_cmap: ColormapLike = "hsv",
        mark: bool = True,
        wheel: bool = True,
        ax: Axes | None = None,
    ) -> Self:
        """Plot the map.

        Parameters
        ----------
        threshold : float, default=0.8
            Minimum goodness of a Gabor function, below which the unit is grey, and no pinwheel is
            marked next to it.

        orientation_cmap : str or matplotlib Colormap, default="hsv"
            Colour map of the orientations. It should be cyclic, such as "hsv" and "twilight".

        mark : bool, default=True
            Whether to mark pinwheels.

        wheel : bool, default=True
            Whether to draw a colour wheel next to the map, and the legend of the pinwheels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        OrientationMapDisplay
            The display itself.
        """
        n_rows, n_columns = checked_map_shape(self.map_shape, len(self.gabor.goodness))
        shown = self.gabor.is_good(threshold) & np.isfinite(self.gabor.orientation)
        self.pinwheels_ = pinwheels(
            self.gabor.orientation, (n_rows, n_columns), torus=self.torus, valid=shown
        )
        unit = INCHES / max(n_rows, n_columns)
        size = unit * n_columns * (1 + WHEEL_SHARE * wheel), unit * n_rows + 0.4  # room for a title
        self.figure_, self.axes_ = take_axes(ax, 1, self, np.maximum(size, LEAST_INCHES))
        axes = self.axes_[0]
        colours = _faded(self.gabor, shown, orientation_cmap).reshape(n_rows, n_columns, 3)
        self.image_ = axes.imshow(colours, interpolation="nearest")
        axes.set_axis_off()
        number = counted(len(self.pinwheels_.signs), "pinwheel")
        axes.set_title(f"{n_rows}x{n_columns} units, {number}")
        self.wheel_ = draw_wheel(axes, orientation_cmap) if wheel else None
        self.markers_ = _draw_pinwheels(axes, self.pinwheels_, 72 * unit) if mark else []
        if mark and wheel:
            _draw_legend(self.wheel_, self.markers_)
        return self


def _faded(gabor, shown, cmap):
    """Return red, green and blue for each unit: grey as far as the Gabor function fails to fit."""
    share = np.where(shown, gabor.goodness, 0)[:, None]
    return share * orientation_colours(gabor.orientation, cmap) + (1 - share) * UNORIENTED


def _draw_pinwheels(axes, found, points):
    """Draw a dot at each pinwheel in the colour of its sign; a unit has a width in points.

    Pinwheels between the last row and the first are on the edge of the map.
    """
    diameter = np.clip(MARKER_SHARE * points, *MARKER_POINTS)
    markers = []
    for sign, (colour, label) in MARKERS.items():
        rows, columns = found.positions[found.signs == sign].T
        markers.append(
            axes.scatter(
                columns,
                rows,
                s=diameter**2,
                c=colour,
                edgecolors="0.2" if colour == "white" else "0.9",
                linewidths=diameter / 10,
                label=label,
                clip_on=False,
            )
        )
    return markers


def _draw_legend(wheel, markers):
    """Draw the colours of the dots below the wheel."""
    wheel.legend(
        handles=markers,
        title="Pinwheels",
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        fontsize="small",
        title_fontsize="small",
        facecolor="0.7",
    )
