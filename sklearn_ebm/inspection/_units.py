"""Displays of a recurrent coder: the kinds of its units, and an image as prototype and parts."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import (
    ArrayLike,
    AxesLike,
    ColormapLike,
    Estimator,
    ImageShape,
    MatrixLike,
)
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._axes import counted, fitted, take_axes
from sklearn_ebm.inspection._pictures import as_picture, coded, flat_picture, scaled, show

PART, CATEGORY = 0.5, 0.7  # limits of the angles of both kinds of units (Rolfe & LeCun 2013)
INCHES = 1.5  # width of a picture


def angles_of(estimator):
    """Return the angle in radians between the filter of each unit and its atom.

    Parameters
    ----------
    estimator : object
        Fitted estimator with `encoding_weights_` and `components_`.

    Returns
    -------
    ndarray of shape (n_components,)
        Angles; a right angle for units without filter or atom.
    """
    filters = fitted(estimator, "encoding_weights_").T
    atoms = fitted(estimator, "components_")
    norms = np.linalg.norm(filters, axis=1) * np.linalg.norm(atoms, axis=1)
    product = np.sum(filters * atoms, axis=1)
    return np.arccos(np.clip(product / np.where(norms > 0, norms, 1), -1, 1))


class UnitDisplay:
    """Part units and categorical units of a recurrent coder, and their activity over the steps.

    The first plot shows the angle between the filter and the atom of each unit over the size of its
    coefficients, the norm of its column in C. Part units have angles below 0.5, and categorical
    units have angles above 0.7. The second plot shows the mean activity of both kinds of units in
    each step, relative to the last step.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    angle : array-like of shape (n_components,)
        Angle between the filter and the atom of each unit, in radians.

    size : array-like of shape (n_components,)
        Norm of the coefficients of each unit.

    activity : array-like of shape (n_steps + 1, n_components) or None, default=None
        Mean activity of each unit in each step. None omits the second plot.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (1,) or (2,)
        Axes of the plots.

    points_ : matplotlib PathCollection
        Units in the first plot.

    lines_ : list of matplotlib Line2D
        Activity of part units and of categorical units, if there are any.

    correlation_ : float
        Correlation of angles and sizes. NaN if one of them is constant.

    See Also
    --------
    PrototypeDisplay : Display of an image as a prototype plus parts.

    Examples
    --------
    >>> from sklearn_ebm.inspection import UnitDisplay
    >>> display = UnitDisplay([0.2, 0.3, 1.0], [0.1, 0.3, 2.0]).plot()
    >>> print(f"{display.correlation_:.2f}")
    1.00
    """

    def __init__(
        self, angle: ArrayLike, size: ArrayLike, *, activity: ArrayLike | None = None
    ) -> None:
        self.angle = angle
        self.size = size
        self.activity = activity

    @classmethod
    def from_estimator(
        cls, estimator: Estimator, X: MatrixLike | None = None, *, ax: AxesLike | None = None
    ) -> Self:
        """Plot the units of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted :class:`~sklearn_ebm.DrSAEClassifier`.

        X : {array-like, sparse matrix} of shape (n_samples, n_features) or None, default=None
            Samples for the activity over the steps. None omits the second plot.

        ax : matplotlib Axes or sequence of two, default=None
            Axes for the plots; two are required if X is given. None creates a new figure.

        Returns
        -------
        UnitDisplay
            The display after plotting.
        """
        check_is_fitted(estimator)
        size = np.linalg.norm(fitted(estimator, "class_weights_"), axis=0)
        activity = None
        if X is not None:
            activity = np.asarray(to_host(estimator.code_steps(X))).mean(axis=1)
        return cls(angles_of(estimator), size, activity=activity).plot(ax=ax)

    def plot(self, *, ax: AxesLike | None = None) -> Self:
        """Plot the kinds of units and their activity.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of two, default=None
            Axes for the plots; two are required if there is an activity. None creates a new figure.

        Returns
        -------
        UnitDisplay
            The display itself.
        """
        angle, size = (np.asarray(to_host(each), float) for each in (self.angle, self.size))
        if angle.shape != size.shape or angle.ndim != 1:
            raise ValueError(
                "angle and size must be of shape (n_components,), got shapes "
                f"{angle.shape} and {size.shape}."
            )
        activity = None
        if self.activity is not None:
            activity = np.asarray(to_host(self.activity), float)
            if activity.ndim != 2 or activity.shape[1] != len(angle) or not len(activity):
                raise ValueError(
                    "activity must be of shape (n_steps + 1, n_components) with n_components="
                    f"{len(angle)}, got shape {activity.shape}."
                )
        n_axes = 1 if activity is None else 2
        self.figure_, self.axes_ = take_axes(ax, n_axes, self, (5.0 * n_axes, 3.6))
        self.correlation_ = _correlation(angle, size)
        self._draw_units(angle, size)
        self.lines_: list[Any] = []
        if activity is not None:
            self._draw_activity(angle, activity)
        return self

    def _draw_units(self, angle, size):
        axes = self.axes_[0]
        self.points_ = axes.scatter(size, angle, s=12)
        for limit, name in ((PART, "parts"), (CATEGORY, "categories")):
            axes.axhline(limit, color="0.6", linestyle="--", linewidth=1)
            axes.annotate(
                name, (1, limit), xycoords=("axes fraction", "data"), ha="right",
                va="top" if name == "parts" else "bottom", color="0.4",
            )  # fmt: skip
        axes.set_ylim(0, 1.1 * max(CATEGORY, *angle))
        axes.set_xlabel("Norm of the coefficients of a unit")
        axes.set_ylabel("Angle of filter and atom [rad]")
        shown = "" if math.isnan(self.correlation_) else f", correlation {self.correlation_:.2f}"
        axes.set_title(f"{counted(len(angle), 'unit')}{shown}")

    def _draw_activity(self, angle, activity):
        axes, steps = self.axes_[1], np.arange(len(activity))
        for name, units in (("parts", angle < PART), ("categories", angle > CATEGORY)):
            mean = activity[:, units].mean(axis=1) if units.any() else np.zeros(1)
            if mean[-1] > 0:
                label = f"{units.sum()} {name}"
                self.lines_ += axes.plot(steps, mean / mean[-1], marker="o", label=label)
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("Step")
        axes.set_ylabel("Mean activity relative to the last step")
        axes.set_title("Activity over the steps")
        if self.lines_:
            axes.legend()


def _correlation(first, second):
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


class PrototypeDisplay:
    """Image as a prototype plus parts. Zero is mid-grey.

    The reconstruction of an image is the sum of the atoms of all units, weighted by the code. The
    prototype is the sum over categorical units, and the parts are the remaining units with the
    largest contributions. Image, reconstruction and prototype have the same grey scale. Each part
    is scaled by its largest absolute value; the number above it is the norm of its contribution
    divided by the norm of the image.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    image : array-like of shape (height, width) or (height, width, n_channels), or (n_features,)
        Image.

    contributions : array-like of shape (n_components, n_features)
        Atom of each unit times its entry in the code.

    is_category : array-like of bool, shape (n_components,)
        Which units are categorical.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (n_parts + 3,)
        Axes of the image, the reconstruction, the prototype and the parts. A new figure has no
        axes for parts that do not contribute.

    images_ : list of matplotlib AxesImage
        Pictures, in the order of the axes.

    order_ : ndarray of int
        Units of the parts that are shown, the largest contribution first.

    See Also
    --------
    UnitDisplay : Display of the kinds of units.
    ReconstructionDisplay : Display of a reconstruction and its error.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.inspection import PrototypeDisplay
    >>> contributions = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.1, 0.0]])
    >>> image = contributions.sum(axis=0).reshape(2, 2)
    >>> display = PrototypeDisplay(image, contributions, [True, False, False]).plot(n_parts=1)
    >>> display.order_
    array([1])
    """

    def __init__(self, image: ArrayLike, contributions: ArrayLike, is_category: ArrayLike) -> None:
        self.image = image
        self.contributions = contributions
        self.is_category = is_category

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        image: ArrayLike,
        *,
        n_parts: int = 6,
        image_shape: ImageShape | None = None,
        cmap: ColormapLike = "gray",
        ax: AxesLike | None = None,
    ) -> Self:
        """Plot an image as a prototype plus parts of a fitted estimator.

        Parameters
        ----------
        estimator : object
            Fitted :class:`~sklearn_ebm.DrSAEClassifier`.

        image : array-like of shape (height, width) or (height, width, n_channels), or (n_features,)
            A single image, scaled like the training data.

        n_parts : int, default=6
            Maximum number of parts.

        image_shape : tuple (height, width) or (height, width, n_channels), default=None
            Shape of an image that is passed as a row. Images determine their own shape.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of images without colour channels.

        ax : sequence of n_parts + 3 matplotlib Axes, default=None
            Axes for the plots. If fewer parts contribute, the last axes remain empty. None creates
            a new figure.

        Returns
        -------
        PrototypeDisplay
            The display after plotting.
        """
        check_is_fitted(estimator)
        picture = as_picture(image, image_shape)
        code = np.asarray(to_host(coded(estimator, picture.reshape(-1), None)))[0]
        contributions = code[:, None] * fitted(estimator, "components_")
        display = cls(picture, contributions, angles_of(estimator) > CATEGORY)
        return display.plot(n_parts=n_parts, cmap=cmap, ax=ax)

    def plot(
        self, *, n_parts: int = 6, cmap: ColormapLike = "gray", ax: AxesLike | None = None
    ) -> Self:
        """Plot the image, its reconstruction, the prototype and the parts.

        Parameters
        ----------
        n_parts : int, default=6
            Maximum number of parts.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of images without colour channels.

        ax : sequence of n_parts + 3 matplotlib Axes, default=None
            Axes for the plots. If fewer parts contribute, the last axes remain empty. None creates
            a new figure.

        Returns
        -------
        PrototypeDisplay
            The display itself.
        """
        check_scalar(n_parts, "n_parts", Integral, min_val=0)
        image = as_picture(self.image).astype(float)
        contributions = np.asarray(to_host(self.contributions), float)
        is_category = np.asarray(to_host(self.is_category), bool)
        if contributions.shape != (len(is_category), image.size):
            raise ValueError(
                f"contributions must be of shape (n_components, n_features) = "
                f"{(len(is_category), image.size)}, got {contributions.shape}."
            )
        size = np.where(is_category, 0.0, np.linalg.norm(contributions, axis=1))
        order = np.argsort(-size, kind="stable")[:n_parts]
        self.order_ = order[size[order] > 0]
        prototype = contributions[is_category].sum(axis=0)
        whole = np.stack([image.ravel(), contributions.sum(axis=0), prototype])
        pictures = np.concatenate(
            [whole / (abs(whole).max() or 1.0), scaled(contributions[self.order_])]
        )
        shares = size[self.order_] / (np.linalg.norm(image) or 1.0)
        parts = [f"{share:.2f}" for share in shares]
        titles = ["Image", "Reconstruction", "Prototype", *parts]
        pictures = [flat_picture(each.reshape(image.shape)) for each in pictures]
        n_axes = len(titles) if ax is None else n_parts + 3
        height, width = pictures[0].shape[:2]
        figure_size = (INCHES * n_axes, INCHES * height / width + 0.4)
        self.figure_, self.axes_ = take_axes(ax, n_axes, self, figure_size)
        self._draw(pictures, titles, cmap)
        return self

    def _draw(self, pictures, titles, cmap):
        self.images_ = []
        for axes in self.axes_:
            axes.set_axis_off()
        for axes, picture, title in zip(self.axes_, pictures, titles, strict=False):
            axes.set_title(title, fontsize="small")
            self.images_.append(show(axes, picture, (-1.0, 1.0), cmap))
