"""Display of the filters that belong to each shared unit of a model of sequences."""

from __future__ import annotations

from numbers import Integral
from typing import Self

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import ArrayLike, Axes, ColormapLike, Estimator, ImageShape
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._axes import counted, fitted, take_axes
from sklearn_ebm.inspection._mosaic import arrange, draw, scaled_tiles, tile_shape

TILE = 0.55  # inches
TITLE = 2.2  # inches, width of the title


class WhatWhereDisplay:
    """Filters of the components with the largest weights in each unit, one row per unit.

    The weights of a unit decrease from left to right. The contrast of a tile is the weight of its
    component relative to the largest weight of the unit, and zero is mid-grey. If a unit has
    learned what is constant over time, the filters of its row differ in position, and agree in
    orientation and frequency.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
        Filters, one per row.

    what_components : array-like of shape (n_what, n_components)
        Non-negative weights of the components in each unit.

    n_filters : int, default=8
        Number of filters in a row; at most the number of components.

    image_shape : tuple (height, width) or (height, width, 3), default=None
        Shape of one filter. None assumes a square, if n_features is a square number.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,)
        Axes of the plot.

    image_ : matplotlib AxesImage
        The tiles.

    order_ : ndarray of shape (n_what, n_filters)
        Components in each row.

    See Also
    --------
    DictionaryDisplay : Display of all filters.
    sklearn_ebm.WhatWherePSD : A model with shared units.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.inspection import WhatWhereDisplay
    >>> filters = np.random.default_rng(0).standard_normal((4, 9))
    >>> weights = [[0.0, 0.6, 0.8, 0.0], [1.0, 0.0, 0.0, 0.1]]
    >>> WhatWhereDisplay(filters, weights, n_filters=2).plot().order_
    array([[2, 1],
           [0, 3]])
    """

    def __init__(
        self,
        components: ArrayLike,
        what_components: ArrayLike,
        *,
        n_filters: int = 8,
        image_shape: ImageShape | None = None,
    ) -> None:
        self.components = components
        self.what_components = what_components
        self.n_filters = n_filters
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        *,
        n_filters: int = 8,
        image_shape: ImageShape | None = None,
        cmap: ColormapLike = "gray",
        ax: Axes | None = None,
    ) -> Self:
        """Plot the atoms of each unit of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted estimator with `components_` and `what_components_`.

        n_filters : int, default=8
            Number of filters in a row; at most the number of components.

        image_shape : tuple (height, width) or (height, width, 3), default=None
            Shape of one filter. None assumes a square, if n_features is a square number.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of tiles without colour channels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        WhatWhereDisplay
            The display after plotting.
        """
        check_is_fitted(estimator)
        arrays = (fitted(estimator, name) for name in ("components_", "what_components_"))
        display = cls(*arrays, n_filters=n_filters, image_shape=image_shape)
        return display.plot(cmap=cmap, ax=ax)

    def plot(self, *, cmap: ColormapLike = "gray", ax: Axes | None = None) -> Self:
        """Plot the filters.

        Parameters
        ----------
        cmap : str or matplotlib Colormap, default="gray"
            Colour map of tiles without colour channels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        WhatWhereDisplay
            The display itself.

        Raises
        ------
        ValueError
            If shapes do not match, weights are negative, or `n_filters` is not a positive integer.
        """
        components = check_array(to_host(self.components), input_name="components")
        weights = _checked_weights(self.what_components, len(components))
        if not (isinstance(self.n_filters, Integral) and self.n_filters > 0):
            raise ValueError(f"n_filters must be a positive integer, got {self.n_filters!r}.")
        tiles = scaled_tiles(components, tile_shape(self.image_shape, components.shape[1]))
        n_filters = min(int(self.n_filters), len(components))
        self.order_ = np.argsort(-weights, axis=1, kind="stable")[:, :n_filters]
        largest = weights.max(axis=1, keepdims=True)
        share = np.take_along_axis(weights, self.order_, axis=1) / np.where(largest > 0, largest, 1)
        contrast = share.reshape(-1, *[1] * (tiles.ndim - 1))
        mosaic = arrange(contrast * tiles[self.order_.ravel()], n_filters)
        size = max(TILE * n_filters, TITLE), TILE * len(weights)
        self.figure_, self.axes_ = take_axes(ax, 1, self, size)
        self.image_ = draw(self.axes_[0], mosaic, cmap)
        self.axes_[0].set_title(f"Filters of {counted(len(weights), 'unit')}")
        return self


def _checked_weights(weights, n_components):
    weights = check_array(to_host(weights), dtype="float64", input_name="what_components")
    if weights.shape[1] != n_components or weights.min() < 0:
        raise ValueError(
            f"what_components must contain {n_components} non-negative weights for each unit, got "
            f"an array of shape {weights.shape} with a minimum of {weights.min():g}."
        )
    return weights
