"""Display of dictionaries: mosaics in which each atom is a small image."""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import ArrayLike, AxesLike, ColormapLike, Estimator, ImageShape
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._axes import check_option, fitted, take_axes
from sklearn_ebm.inspection._mosaic import arrange, columns_of_square, draw, tile_shape
from sklearn_ebm.inspection._pictures import CELL, SPACE, draw_lines, scaled, tiles

SIDES = {"decoder": ("decoder",), "encoder": ("encoder",), "both": ("decoder", "encoder")}
TITLES = {
    "decoder": "Dictionary: {n} {kind} of {size}",
    "encoder": "Encoder: {n} filters of {size}",
}
INCHES = 5.0  # width of one mosaic


class DictionaryDisplay:
    """Mosaic of the atoms of a dictionary, of the filters of an encoder, or of both.

    Each tile is scaled by its largest absolute value, symmetrically about zero, so that zero is
    mid-grey in all tiles. Filters with three channels are drawn in colour. For two channels, or
    more than three, the channels that a filter reads are drawn side by side. Atoms of signals,
    which have height one, are drawn as lines.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features) or \
            (n_components, height, width, n_channels)
        Atoms, one per row, or convolutional filters.

    encoder_components : array-like of the shape of components, default=None
        Filters of the encoder, in the same order as the atoms.

    usage : array-like of shape (n_components,), default=None
        Fraction of the samples that use each atom.

    image_shape : tuple (height, width) or (height, width, 3), default=None
        Shape of one atom. None assumes a square, if n_features is a square number. Convolutional
        filters have their own shape.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,) or (2,)
        Axes of the plot; if both are shown, the first is for the decoder.

    images_ : list of matplotlib AxesImage
        One mosaic for each of `axes_`. Empty if atoms are signals.

    lines_ : list of list of matplotlib Line2D
        For each of `axes_`, the lines of the atoms in the order of `order_`, with one line for each
        channel. Empty if atoms are images.

    order_ : ndarray of shape (n_components,)
        Indices of the atoms in the order of the mosaic, row by row.

    See Also
    --------
    CodeDisplay : Display of the number of active atoms and of their usage.
    MapDisplay : Display of the positions of filters in an image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import MiniBatchDictionaryLearning
    >>> from sklearn_ebm.inspection import DictionaryDisplay
    >>> X = load_digits().data[:200] / 16
    >>> coder = MiniBatchDictionaryLearning(16, max_iter=2, random_state=0).fit(X)
    >>> display = DictionaryDisplay.from_estimator(coder, sort=None)
    >>> display.images_[0].get_array().shape  # 4 tiles of 8 pixels and 3 gaps
    (35, 35)
    """

    def __init__(
        self,
        components: ArrayLike,
        *,
        encoder_components: ArrayLike | None = None,
        usage: ArrayLike | None = None,
        image_shape: ImageShape | None = None,
    ) -> None:
        self.components = components
        self.encoder_components = encoder_components
        self.usage = usage
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        *,
        image_shape: ImageShape | None = None,
        which: Literal["decoder", "encoder", "both"] = "decoder",
        sort: Literal["usage"] | None = "usage",
        n_columns: int | None = None,
        cmap: ColormapLike = "gray",
        ax: AxesLike | None = None,
    ) -> Self:
        """Plot the atoms of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted estimator with `components_`, and with `encoder_components_` if `which` refers to
            them.

        image_shape : tuple (height, width) or (height, width, 3), default=None
            Shape of one atom. None assumes a square, if n_features is a square number.

        which : {"decoder", "encoder", "both"}, default="decoder"
            Arrays to plot: `components_`, `encoder_components_`, or both side by side.

        sort : {"usage", None}, default="usage"
            "usage" sorts the atoms, and the filters of the encoder in the same way, by decreasing
            `usage_` if the estimator has this attribute. None keeps the order of the rows.

        n_columns : int, default=None
            Number of tiles in a row. None chooses it such that the mosaic is approximately square.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of tiles without colour channels, for example "RdBu_r" to distinguish the
            signs.

        ax : matplotlib Axes or sequence of two, default=None
            Axes for the plot; two are required if `which="both"`. None creates a new figure.

        Returns
        -------
        DictionaryDisplay
            The display after plotting.
        """
        check_is_fitted(estimator)
        check_option(which, SIDES, "which")
        if sort == "usage" and not hasattr(estimator, "usage_"):
            sort = None
        display = cls(
            fitted(estimator, "components_"),
            encoder_components=(
                None if which == "decoder" else fitted(estimator, "encoder_components_")
            ),
            usage=None if sort is None else fitted(estimator, "usage_"),
            image_shape=image_shape,
        )
        return display.plot(which=which, sort=sort, n_columns=n_columns, cmap=cmap, ax=ax)

    def plot(
        self,
        *,
        which: Literal["decoder", "encoder", "both"] = "decoder",
        sort: Literal["usage"] | None = "usage",
        n_columns: int | None = None,
        cmap: ColormapLike = "gray",
        ax: AxesLike | None = None,
    ) -> Self:
        """Plot the mosaics.

        Parameters
        ----------
        which : {"decoder", "encoder", "both"}, default="decoder"
            Arrays to plot: atoms, filters of the encoder, or both side by side.

        sort : {"usage", None}, default="usage"
            "usage" sorts the atoms by decreasing usage. None keeps the order of the rows.

        n_columns : int, default=None
            Number of tiles in a row. None chooses it such that the mosaic is approximately square.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of tiles without colour channels.

        ax : matplotlib Axes or sequence of two, default=None
            Axes for the plot; two are required if `which="both"`. None creates a new figure.

        Returns
        -------
        DictionaryDisplay
            The display itself.
        """
        check_option(which, SIDES, "which")
        check_option(sort, ("usage", None), "sort")
        atoms = [scaled(self._atoms(side)) for side in SIDES[which]]
        self.order_ = self._order(len(atoms[0]), sort)
        atoms = [each[self.order_] for each in atoms]
        height, width = atoms[0].shape[1:3]
        if height == 1 < width:
            self._plot_lines(atoms, n_columns, ax)
        else:
            self._plot_mosaics(atoms, n_columns, cmap, ax)
        for axes, side in zip(self.axes_, SIDES[which], strict=True):
            axes.set_title(self._title(side, atoms[0].shape, sort))
        return self

    def _plot_mosaics(self, atoms, n_columns, cmap, ax):
        pictures = [tiles(each) for each in atoms]
        n_columns = n_columns or columns_of_square(len(self.order_), pictures[0].shape[1:])
        mosaics = [arrange(each, n_columns) for each in pictures]
        height, width = mosaics[0].shape[:2]
        self._take(ax, len(atoms), height / width)
        self.lines_ = []
        self.images_ = [
            draw(axes, each, cmap) for axes, each in zip(self.axes_, mosaics, strict=True)
        ]

    def _plot_lines(self, atoms, n_columns, ax):
        n_columns = n_columns or columns_of_square(len(self.order_), CELL)
        n_rows = math.ceil(len(self.order_) / n_columns)
        height, width = (
            count * (size + SPACE) for count, size in zip((n_rows, n_columns), CELL, strict=True)
        )
        self._take(ax, len(atoms), height / width)
        self.images_ = []
        self.lines_ = [
            draw_lines(axes, each[:, 0], n_columns)
            for axes, each in zip(self.axes_, atoms, strict=True)
        ]

    def _take(self, ax, n_axes, aspect):
        size = (INCHES * n_axes, INCHES * aspect + 0.4)  # room for a title
        self.figure_, self.axes_ = take_axes(ax, n_axes, self, size)

    def _atoms(self, side):
        """Return the atoms as an array (n_components, height, width, n_channels)."""
        atoms = self.components if side == "decoder" else self.encoder_components
        if atoms is None:
            raise ValueError(
                "encoder_components must be given if which='encoder' or which='both', got None."
            )
        atoms = to_host(atoms)
        if atoms.ndim == 4:
            return _with_own_shape(atoms, self.image_shape)
        if atoms.ndim != 2:
            raise ValueError(f"Expected 2D array of components, got {atoms.ndim}D array instead.")
        height, width, *channels = tile_shape(self.image_shape, atoms.shape[1])
        return atoms.reshape(len(atoms), height, width, *channels or (1,))

    def _order(self, n_components, sort):
        if sort is None:
            return np.arange(n_components)
        if self.usage is None:
            raise ValueError(
                "usage must be given if sort='usage', got None. Set sort=None to keep the order of "
                "rows."
            )
        return np.argsort(-to_host(self.usage), kind="stable")

    def _title(self, side, shape, sort):
        n_components, height, width, n_channels = shape
        channels = "" if n_channels == 1 else f"x{n_channels}"
        title = TITLES[side].format(
            n=n_components,
            kind="kernels" if np.ndim(to_host(self.components)) == 4 else "atoms",
            size=f"{height}x{width}{channels}",
        )
        return title + (", most used first" if sort == "usage" else "")


def _with_own_shape(kernels, image_shape):
    """Return the filters. Raise a ValueError if another shape was requested."""
    shape = kernels.shape[1:]
    if image_shape is not None and tuple(image_shape) not in (shape, shape[:2]):
        raise ValueError(
            f"image_shape must be the shape of the filters, {shape}, got {tuple(image_shape)}."
        )
    return kernels
