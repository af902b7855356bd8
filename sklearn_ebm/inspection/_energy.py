"""Display of the energy as a function of two features."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Self

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import ArrayLike, Axes, ColormapLike, Estimator, MatrixLike
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._axes import take_axes
from sklearn_ebm.inspection._pictures import limits_of
from sklearn_ebm.metrics import energy_of

FIGURE_SIZE = (5.0, 4.2)
MARGIN = 0.1  # around the samples, relative to their range
PERCENTILES = (2, 98)  # of the energies, at the ends of the colour map
N_LEVELS = 30
PAIR = 2


class EnergyDisplay:
    """Energy of a model as a function of two features, as a filled contour plot.

    A good energy is low on the data and higher everywhere else. Colours end at the percentiles 2
    and 98 of the energies on the grid.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    xx0 : array-like of shape (grid_resolution, grid_resolution)
        First feature at the points of the grid.

    xx1 : array-like of shape (grid_resolution, grid_resolution)
        Second feature at the points of the grid.

    response : array-like of shape (grid_resolution, grid_resolution)
        Energy at the points of the grid.

    data : array-like of shape (n_samples, 2), default=None
        Samples to plot. None plots only the energy.

    labels : tuple of two str, default=None
        Names of the features.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,)
        Axes of the plot.

    surface_ : matplotlib QuadContourSet
        Filled contours of the energy.

    points_ : matplotlib Line2D or None
        The samples.

    See Also
    --------
    sklearn_ebm.metrics.energy_of : The energy that is displayed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn_ebm.inspection import EnergyDisplay
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> display = EnergyDisplay.from_estimator(GaussianMixture(2, random_state=0).fit(X), X)
    >>> display.response.shape
    (100, 100)
    """

    def __init__(
        self,
        xx0: ArrayLike,
        xx1: ArrayLike,
        response: ArrayLike,
        *,
        data: ArrayLike | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        self.xx0 = xx0
        self.xx1 = xx1
        self.response = response
        self.data = data
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        X: MatrixLike,
        *,
        features: Sequence[int] = (0, 1),
        fill: float | ArrayLike | None = None,
        grid_resolution: int = 100,
        levels: int | ArrayLike | None = None,
        plot_data: bool = True,
        cmap: ColormapLike = "gray_r",
        ax: Axes | None = None,
    ) -> Self:
        """Compute the energy of a fitted estimator on a grid, and plot it.

        Parameters
        ----------
        estimator : object
            Fitted estimator with an energy; see :func:`~sklearn_ebm.metrics.energy_of`.

        X : array-like of shape (n_samples, n_features)
            Samples, which determine the range of the grid.

        features : tuple of two int, default=(0, 1)
            Indices of the features on the horizontal and on the vertical axis.

        fill : float or array-like of shape (n_features,), default=None
            Values of all other features. None uses the median of each feature.

        grid_resolution : int, default=100
            Number of points of the grid in each direction.

        levels : int or array-like, default=None
            Number of levels of the contours, or their energies. None uses 30 levels.

        plot_data : bool, default=True
            Whether to plot the samples.

        cmap : str or matplotlib Colormap, default="gray_r"
            Colour map of the energy. By default, low energies are bright.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        EnergyDisplay
            The display after plotting.
        """
        check_is_fitted(estimator)
        check_scalar(grid_resolution, "grid_resolution", Integral, min_val=2)
        values = to_host(X)
        first, second = _checked_features(features, values)
        shown = values[:, [first, second]].astype(float)
        axes = [_ticks(column, grid_resolution) for column in shown.T]
        xx0, xx1 = np.meshgrid(*axes)
        grid = np.empty((xx0.size, values.shape[1]), dtype=np.result_type(values, np.float32))
        grid[...] = np.median(values, axis=0) if fill is None else np.asarray(fill)
        grid[:, first], grid[:, second] = xx0.ravel(), xx1.ravel()
        columns = getattr(X, "columns", None)
        if columns is not None:
            grid = _as_frame(grid, X)
        response = to_host(energy_of(estimator, grid)).reshape(xx0.shape)
        names = [f"Feature {k}" for k in range(values.shape[1])] if columns is None else columns
        labels = [str(names[first]), str(names[second])]
        display = cls(xx0, xx1, response, data=shown if plot_data else None, labels=labels)
        return display.plot(levels=levels, cmap=cmap, ax=ax)

    def plot(
        self,
        *,
        levels: int | ArrayLike | None = None,
        cmap: ColormapLike = "gray_r",
        ax: Axes | None = None,
    ) -> Self:
        """Plot the energy.

        Parameters
        ----------
        levels : int or array-like, default=None
            Number of levels of the contours, or their energies. None uses 30 levels.

        cmap : str or matplotlib Colormap, default="gray_r"
            Colour map of the energy. By default, low energies are bright.

        ax : matplotlib Axes, default=None
            Axes for the plot. None creates a new figure.

        Returns
        -------
        EnergyDisplay
            The display itself.
        """
        response = np.asarray(self.response, dtype=float)
        self.figure_, self.axes_ = take_axes(ax, 1, self, FIGURE_SIZE)
        levels = N_LEVELS if levels is None else levels
        if isinstance(levels, Integral):
            lowest, highest = limits_of(np.percentile(response, PERCENTILES))
            levels = np.linspace(lowest, highest, int(levels))
        (axes,) = self.axes_
        self.surface_ = axes.contourf(
            np.asarray(self.xx0), np.asarray(self.xx1), response, levels, cmap=cmap, extend="both"
        )
        self.points_ = None
        if self.data is not None:
            (self.points_,) = axes.plot(*np.asarray(self.data).T, ".", color="C3", markersize=2)
        if self.labels is not None:
            axes.set(xlabel=self.labels[0], ylabel=self.labels[1])
        return self


def _checked_features(features, values):
    """Return the indices of two different features."""
    if values.ndim != PAIR or values.shape[1] < PAIR:
        raise ValueError(f"X must have at least two columns of features, got shape {values.shape}.")
    found = np.asarray(features)
    n_features = values.shape[1]
    is_pair = found.shape == (PAIR,) and found.dtype.kind in "iu" and found[0] != found[1]
    if not is_pair or found.min() < 0 or found.max() >= n_features:
        raise ValueError(
            f"features must be two different indices from 0 to {n_features - 1}, got {features!r}."
        )
    return int(found[0]), int(found[1])


def _ticks(column, n_points):
    low, high = limits_of(column)
    room = MARGIN * (high - low)
    return np.linspace(low - room, high + room, n_points)


def _as_frame(values, like):
    """Return values as a data frame with the type and the columns of `like`."""
    return type(like)(values, columns=like.columns)
