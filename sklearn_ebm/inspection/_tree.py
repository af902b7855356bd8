"""Display of filters as the nodes of a tree, with the root in the centre."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import Array, ArrayLike, Axes, ColormapLike, Estimator, ImageShape
from sklearn_ebm.backends import to_host
from sklearn_ebm.factors.penalties._strengths import tree_levels
from sklearn_ebm.inspection._axes import fitted, take_axes
from sklearn_ebm.inspection._mosaic import scaled_tiles, tile_shape

INCHES = 8.0  # width of the figure
EDGE = "0.5"  # colour of lines and frames
FILLED = 0.85  # width of a tile, relative to the distance from its neighbours


class TreeDisplay:
    """Filters as the nodes of a tree: the root in the centre, each level on a circle around it.

    A line connects each filter with its parent. The children of a filter are next to each other on
    the next circle. Each tile is scaled by its largest absolute value, and zero is mid-grey.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
        Filters, one per row.

    parents : array-like of shape (n_components,)
        Index of the parent of each filter, which must be smaller than the filter's own index. The
        first filter is the root, with the value -1.

    image_shape : tuple (height, width) or (height, width, 3), default=None
        Shape of one filter. None assumes a square, if n_features is a square number.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,)
        Axes of the plot.

    images_ : list of matplotlib AxesImage
        The tiles, in the order of the filters.

    edges_ : matplotlib LineCollection
        The lines between filters and their parents.

    levels_ : ndarray of shape (n_components,)
        Number of edges from the root to each filter.

    positions_ : ndarray of shape (n_components, 2)
        Centres of the tiles. The outermost circle has the radius 1.

    See Also
    --------
    TopographicMapDisplay : Display of filters on a map.
    sklearn_ebm.InhibitionPenalty : A penalty with which atoms form a tree.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.inspection import TreeDisplay
    >>> filters = np.random.default_rng(0).standard_normal((7, 16))
    >>> display = TreeDisplay(filters, [-1, 0, 0, 1, 1, 2, 2]).plot()
    >>> display.levels_
    array([0, 1, 1, 2, 2, 2, 2])
    """

    def __init__(
        self,
        components: ArrayLike,
        parents: ArrayLike,
        *,
        image_shape: ImageShape | None = None,
    ) -> None:
        self.components = components
        self.parents = parents
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        *,
        image_shape: ImageShape | None = None,
        cmap: ColormapLike = "gray",
        ax: Axes | None = None,
    ) -> Self:
        """Plot the atoms of a fitted estimator whose components form a tree.

        Parameters
        ----------
        estimator : object
            Fitted estimator with `components_`, and with an `InhibitionPenalty` with
            ``structure="tree"`` as `penalty`.

        image_shape : tuple (height, width) or (height, width, 3), default=None
            Shape of one filter. None assumes a square, if n_features is a square number.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of tiles without colour channels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        TreeDisplay
            The display after plotting.

        Raises
        ------
        ValueError
            If the penalty of the estimator does not define a tree.
        """
        check_is_fitted(estimator)
        components = fitted(estimator, "components_")
        penalty: Any = getattr(estimator, "penalty", None)
        if getattr(penalty, "structure", None) != "tree":
            raise ValueError(
                "estimator must have an InhibitionPenalty with structure='tree' as penalty, got "
                f"{penalty!r}. Pass parents to TreeDisplay(components, parents)."
            )
        parents = penalty.parents(len(components))
        return cls(components, parents, image_shape=image_shape).plot(cmap=cmap, ax=ax)

    def plot(self, *, cmap: ColormapLike = "gray", ax: Axes | None = None) -> Self:
        """Plot the tree.

        Parameters
        ----------
        cmap : str or matplotlib Colormap, default="gray"
            Colour map of tiles without colour channels.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        TreeDisplay
            The display itself.
        """
        components = check_array(to_host(self.components), input_name="components")
        parents = _checked_parents(self.parents, len(components))
        shape = tile_shape(self.image_shape, components.shape[1])
        tiles = scaled_tiles(components, shape)
        self.levels_ = tree_levels(parents)
        radius = self.levels_ / max(1, self.levels_.max())
        angle = _angles(parents)
        self.positions_ = radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
        self.figure_, self.axes_ = take_axes(ax, 1, self, (INCHES, INCHES))
        self._draw(tiles, parents, _sizes(self.levels_), cmap)
        return self

    def _draw(self, tiles, parents, sizes, cmap):
        from matplotlib.collections import LineCollection
        from matplotlib.patches import Rectangle

        axes, places = self.axes_[0], self.positions_
        lines = np.stack([places[1:], places[parents[1:]]], axis=1)
        edges = LineCollection(lines, colors=EDGE, linewidths=0.7, zorder=0)
        self.edges_ = axes.add_collection(edges)
        height, width = tiles.shape[1:3]
        scale = np.array([width, height]) / max(height, width) / 2
        self.images_ = []
        for tile, (x, y), size in zip(tiles, places, sizes, strict=True):
            across, up = size * scale
            picture = tile if tile.ndim == 2 else (tile + 1) / 2
            image = axes.imshow(picture, cmap=cmap, vmin=-1, vmax=1, interpolation="nearest",
                                extent=(x - across, x + across, y - up, y + up))  # fmt: skip
            self.images_.append(image)
            corner = x - across, y - up  # the frame separates bright borders from the background
            axes.add_patch(Rectangle(corner, 2 * across, 2 * up, fill=False, ec=EDGE, lw=0.7))
        limit = 1 + sizes.max() / 2
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.set_axis_off()
        axes.set_title(f"Tree of {len(tiles)} filters of {height}x{width}")


def _checked_parents(parents: ArrayLike, n_components: int) -> Array:
    parents = to_host(parents)
    if parents.shape != (n_components,) or parents.dtype.kind not in "iu":
        raise ValueError(
            f"parents must contain an integer for each of the {n_components} components, got an "
            f"array of shape {parents.shape} and dtype {parents.dtype}."
        )
    later = parents[1:]
    is_before = (later >= 0) & (later < np.arange(1, n_components))
    if parents[0] != -1 or not np.all(is_before):
        bad = 0 if parents[0] != -1 else 1 + int(np.argmin(is_before))
        raise ValueError(
            "parents must be -1 for the first component, and the index of an earlier component for "
            f"each other one, got parents[{bad}]={parents[bad]}."
        )
    return parents


def _angles(parents):
    """Return the angles of all nodes: equal steps between leaves, means over the children."""
    n_nodes = len(parents)
    n_children = np.bincount(parents[1:], minlength=n_nodes)
    order = _depth_first(parents)
    leaves = order[n_children[order] == 0]
    angle = np.zeros(n_nodes)
    angle[leaves] = 2 * np.pi * np.arange(len(leaves)) / len(leaves)
    for node in range(n_nodes - 1, 0, -1):
        if n_children[node]:
            angle[node] /= n_children[node]
        if parents[node] >= 0:
            angle[parents[node]] += angle[node]
    return angle


def _depth_first(parents):
    """Return the nodes such that the descendants of a node follow it."""
    children = [[] for _ in parents]
    for node in range(len(parents) - 1, 0, -1):
        children[parents[node]].append(node)
    order, stack = [], [0]
    while stack:
        order.append(stack.pop())
        stack += children[order[-1]]
    return np.array(order)


def _sizes(levels):
    """Return the widths of tiles that do not overlap on a circle or between circles."""
    if len(levels) == 1:
        return np.array([FILLED])
    between = 1 / levels.max()  # circles
    around = 2 * np.pi * np.arange(levels.max() + 1) * between / np.bincount(levels)
    around[0] = between
    return FILLED * np.minimum(around, between)[levels]
