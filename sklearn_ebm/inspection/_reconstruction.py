"""Display of an image, its reconstruction and the error."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ebm._typing import ArrayLike, AxesLike, ColormapLike, Estimator, ImageShape
from sklearn_ebm.backends import to_host
from sklearn_ebm.inspection._axes import take_axes
from sklearn_ebm.inspection._pictures import (
    as_array,
    as_picture,
    as_sample,
    coded,
    flat_picture,
    limits_of,
    show,
)

INCHES = 4.0  # width of an image
SIGNAL_INCHES = (9.0, 5.0)  # width and height of three signals
MARGIN = 0.05  # above and below lines, relative to their range


class ReconstructionDisplay:
    """Image, its reconstruction from the code, and the error, in the same grey scale.

    A difference of one unit is the same step of grey in all three pictures. In the error, zero is
    mid-grey. Missing pixels are black. Signals are drawn as lines, one below the other.

    Use :meth:`from_estimator` to create a display from a fitted estimator.

    Parameters
    ----------
    image : array-like of shape (height, width) or (height, width, n_channels), or (n_features,)
        Image or signal. Missing pixels are NaN.

    reconstruction : array-like of the shape of image
        Reconstruction of the image.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that contains the plot.

    axes_ : ndarray of matplotlib Axes, of shape (3,)
        Axes of the image, the reconstruction and the error.

    images_ : list of matplotlib AxesImage
        The three pictures. Empty for signals.

    lines_ : list of list of matplotlib Line2D
        The lines of the three signals, with one line for each channel. Empty for images.

    relative_error_ : float
        Norm of the error divided by the norm of the image, over observed pixels.

    See Also
    --------
    MapDisplay : Display of the code of an image.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import ConvSparseCoder
    >>> from sklearn_ebm.inspection import ReconstructionDisplay
    >>> images = load_digits().images[:100] / 16
    >>> coder = ConvSparseCoder(8, kernel_size=5, alpha=0.1, tol=1e-2, random_state=0).fit(images)
    >>> display = ReconstructionDisplay.from_estimator(coder, images[0])
    >>> bool(display.relative_error_ < 0.2)
    True
    """

    def __init__(self, image: ArrayLike, reconstruction: ArrayLike) -> None:
        self.image = image
        self.reconstruction = reconstruction

    @classmethod
    def from_estimator(
        cls,
        estimator: Estimator,
        image: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        image_shape: ImageShape | None = None,
        cmap: ColormapLike = "gray",
        ax: AxesLike | None = None,
    ) -> Self:
        """Plot an image, its reconstruction by an estimator, and the error.

        Parameters
        ----------
        estimator : object
            A fitted estimator with `transform` and `inverse_transform`.

        image : array-like of shape (height, width) or (height, width, n_channels), or (n_features,)
            A single image or signal. Images are flattened for estimators of rows.

        mask : array-like of shape (height, width) or of the shape of image, default=None
            1, or True, for observed pixels, if the estimator supports masks. None uses all pixels
            except the `missing_values` of the estimator.

        image_shape : tuple (height, width) or (height, width, n_channels), default=None
            Shape of an image that is passed as a row. None uses the parameter `image_shape` of the
            estimator; if there is none, a row is a signal. Images determine their own shape.

        cmap : str or matplotlib Colormap, default="gray"
            Colour map of images without colour channels.

        ax : sequence of three matplotlib Axes, default=None
            Axes for the plots. None creates a new figure.

        Returns
        -------
        ReconstructionDisplay
            The display after plotting.
        """
        check_is_fitted(estimator)
        image = as_array(image)
        mask = None if mask is None else np.asarray(to_host(mask))
        code = coded(estimator, *as_sample(estimator, image, mask))
        reconstruction = np.asarray(to_host(estimator.inverse_transform(code)))
        if image_shape is None:
            image_shape = getattr(estimator, "image_shape", None)
        picture = as_picture(image, image_shape)
        observed = _observed(picture, mask, getattr(estimator, "missing_values", None))
        shown = np.where(observed, picture, np.nan)
        return cls(shown, reconstruction.reshape(picture.shape)).plot(cmap=cmap, ax=ax)

    def plot(self, *, cmap: ColormapLike = "gray", ax: AxesLike | None = None) -> Self:
        """Plot the image, the reconstruction and the error.

        Parameters
        ----------
        cmap : str or matplotlib Colormap, default="gray"
            Colour map of images without colour channels.

        ax : sequence of three matplotlib Axes, default=None
            Axes for the plots. None creates a new figure.

        Returns
        -------
        ReconstructionDisplay
            The display itself.
        """
        image, reconstruction = (
            as_picture(each).astype(float) for each in (self.image, self.reconstruction)
        )
        if image.shape != reconstruction.shape:
            raise ValueError(
                f"image and reconstruction must have the same shape, got {image.shape} and "
                f"{reconstruction.shape}."
            )
        error = image - reconstruction
        self.relative_error_ = float(np.sqrt(np.nansum(error**2) / np.nansum(image**2)))
        low, high = limits_of(image)
        half = (high - low) / 2
        self.images_: list[Any] = []
        self.lines_: list[Any] = []
        panels = (image, reconstruction, error)
        limits = ((low, high), (low, high), (-half, half))
        if image.shape[0] == 1:
            self._plot_signals(panels, limits, ax)
        else:
            self._plot_images(panels, limits, cmap, ax)
        kind = "Signal" if image.shape[0] == 1 else "Image"
        titles = (kind, "Reconstruction", f"Relative error {self.relative_error_:#.2g}")
        for axes, title in zip(self.axes_, titles, strict=True):
            axes.set_title(title)
        return self

    def _plot_images(self, panels, limits, cmap, ax):
        pictures = [flat_picture(each) for each in panels]
        height, width = pictures[0].shape[:2]
        self.figure_, self.axes_ = take_axes(
            ax, 3, self, (3 * INCHES, INCHES * height / width + 0.4)
        )
        for axes, picture, ends in zip(self.axes_, pictures, limits, strict=True):
            axes.set_axis_off()
            self.images_.append(show(axes, picture, ends, cmap))

    def _plot_signals(self, panels, limits, ax):
        self.figure_, self.axes_ = take_axes(ax, 3, self, SIGNAL_INCHES, stacked=True)
        for axes, signal, (low, high) in zip(self.axes_, panels, limits, strict=True):
            room = MARGIN * (high - low)
            self.lines_.append(axes.plot(signal[0], linewidth=1))
            axes.set_ylim(low - room, high + room)
            axes.margins(x=0)
        self.axes_[-1].set_xlabel("Position")


def _observed(picture, mask, missing_values):
    """Return which pixels of a picture are observed, in its shape."""
    observed = np.isfinite(picture) if missing_values is None else picture != missing_values
    observed &= np.isfinite(picture)
    if mask is None:
        return observed
    return observed & (mask.reshape(*picture.shape[:2], -1) != 0)
