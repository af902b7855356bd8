"""Random patches of photographs, and the same patches shifted, rotated and scaled.

Content at x, relative to the centre of a patch, moves to y = s R x + t: it is scaled by s and
rotated by R about the centre, and then shifted by t. The pixel at y of the changed patch is
therefore read at x = R^T (y - t) / s, by a cubic spline through all pixels of the photograph.
Content that enters the patch is real, not an extrapolation at the border.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import map_coordinates, spline_filter
from sklearn.utils import check_array, check_random_state

from sklearn_ebm._typing import Array, ArrayLike, RandomState, Size
from sklearn_ebm.datasets._patches import (
    _check_number,
    _image_stacks,
    _patch_dtype,
    _patch_shape,
    _windows,
    _with_contrast,
)

ROUNDING = 1e-9  # pixels; a rotation by 90 degrees must not lose a row, since cos(90) = 6e-17


def sample_transformed_patches(
    images: ArrayLike | Sequence[ArrayLike],
    patch_size: Size,
    max_patches: int,
    *,
    shift: ArrayLike = (0.0, 0.0),
    rotation: ArrayLike = 0.0,
    scale: ArrayLike = 1.0,
    margin: float = 0.0,
    min_variance: float = 0.0,
    random_state: RandomState = None,
) -> tuple[Array, Array]:
    """Draw patches from images, and the same patches shifted, rotated and scaled.

    The changed patches are read from the images at the same positions, by cubic splines. All
    positions at which a patch is inside its image, before and after all changes, are equally
    likely.

    Parameters
    ----------
    images : array of shape (n_images, height, width) or (n_images, height, width, channels), \
            or list of arrays of shape (height, width) or (height, width, channels)
        Images of the same size in an array, or of any sizes in a list. Only images from which
        patches are drawn are read from a memory-mapped array.

    patch_size : int or tuple (patch_height, patch_width)
        Height and width of a patch in pixels.

    max_patches : int
        Number of patches to draw.

    shift : array-like of shape (2,) or (n_changes, 2), default=(0, 0)
        Shift of the content down and to the right, in pixels. Fractions are allowed.

    rotation : float or array-like of shape (n_changes,), default=0
        Rotation of the content about the centre of the patch, in degrees, counter-clockwise as in
        `numpy.rot90`. It is applied before the shift.

    scale : float or array-like of shape (n_changes,), default=1
        Factor by which the content is enlarged about the centre of the patch. It is applied before
        the shift. Images are not blurred before they are reduced, so that factors far below 1 cause
        aliasing.

    margin : float, default=0
        Minimum distance between the centre of a patch and the border of its image, in pixels. It is
        increased if the changes require it. Calls with the same `random_state` and the same margin
        draw the same positions for different changes, if the margin suffices for all of them.

    min_variance : float, default=0
        Minimum variance of the pixels of a patch before the change (mean over the channels, in
        squared units of the images). Patches of lower variance are rejected, and others are drawn
        instead.

    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random positions. Pass an int for reproducible results.

    Returns
    -------
    original : ndarray of shape (max_patches, patch_height * patch_width [* channels])
        One row per patch, in float32 for images of type uint8, float16 or float32, and in float64
        otherwise.

    transformed : ndarray of shape (max_patches, ...) or (n_changes, max_patches, ...)
        The same patches after each change.

    Raises
    ------
    ValueError
        If an image is too small for the patch and its changes, the lengths of shift, rotation and
        scale differ, or :func:`sample_patches` would raise an error.

    See Also
    --------
    sample_patches : Draw patches without changes.
    sklearn_ebm.metrics.invariance_curve : Change of a representation with each change of the data.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.datasets import sample_transformed_patches
    >>> images = np.arange(400.0).reshape(1, 20, 20)  # the next column is larger by 1
    >>> shifts = [(0, 0), (0, 1), (0, 2.5)]
    >>> original, transformed = sample_transformed_patches(images, 4, 6, shift=shifts)
    >>> original.shape, transformed.shape
    ((6, 16), (3, 6, 16))
    >>> (transformed - original).mean(axis=(1, 2)).round(2)  # content from the left enters
    array([ 0. , -1. , -2.5])
    """
    stacks, shape = _image_stacks(images), _patch_shape(patch_size)
    _check_number(max_patches, "max_patches", integral=True)
    _check_number(margin, "margin")
    _check_number(min_variance, "min_variance")
    changes, grids = _grids(shape, shift, rotation, scale)
    photographs = _Photographs(stacks, shape, grids, margin)
    random = check_random_state(random_state)
    drawn = zip(*_with_contrast(photographs, max_patches, min_variance, random), strict=True)
    places, original = map(np.concatenate, drawn)
    transformed = photographs.resample(places, grids)
    return original, transformed.reshape(*changes, *original.shape)


def _grids(shape, shift, rotation, scale):
    """Return the shape () or (n_changes,), and all pixel positions, (n_changes, n_pixels, 2).

    Rows and columns are relative to the first pixel of the patch before the change.
    """
    shift, angle, scale = _changes(shift, rotation, scale)
    changes = np.broadcast_shapes(shift.shape[:-1], angle.shape, scale.shape)
    centre = (np.array(shape) - 1) / 2
    pixels = np.indices(shape).reshape(2, -1).T - centre
    unturned = (pixels - shift[..., np.newaxis, :]) / scale[..., np.newaxis, np.newaxis]
    row, column = np.moveaxis(unturned, -1, 0)
    cos, sin = np.cos(angle)[..., np.newaxis], np.sin(angle)[..., np.newaxis]
    read_at = np.stack([cos * row + sin * column, cos * column - sin * row], axis=-1) + centre
    return changes, read_at.reshape(-1, len(pixels), 2)


def _changes(shift, rotation, scale):
    """Return the changes as scalars or arrays of the same length, with angles in radians."""
    shift, rotation, scale = (
        # no minimum number of samples, because the values may be numbers
        check_array(value, dtype=np.float64, ensure_2d=False, ensure_min_samples=0, input_name=name)
        for value, name in ((shift, "shift"), (rotation, "rotation"), (scale, "scale"))
    )
    if shift.ndim not in (1, 2) or shift.shape[-1] != 2:
        raise ValueError(
            "shift must be a pair (down, right) or an array of shape (n_changes, 2), got an array "
            f"of shape {shift.shape}."
        )
    lengths = {}
    for name, numbers in (("shift", shift[..., 0]), ("rotation", rotation), ("scale", scale)):
        if numbers.ndim > 1:
            raise ValueError(f"{name} must be a number or a 1D array, got a {numbers.ndim}D array.")
        if not numbers.size:
            raise ValueError(f"Found 0 changes in {name} while a minimum of 1 is required.")
        lengths.update({name: len(numbers)} if numbers.ndim else {})
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Found input variables with inconsistent numbers of changes: {lengths}.")
    if scale.min() <= 0:
        raise ValueError(f"scale == {scale.min()}, must be > 0.")
    return shift, np.deg2rad(rotation), scale


class _Photographs:
    """Numbered positions at which a patch is inside an image with all its changes."""

    def __init__(self, stacks, shape, grids, margin):
        self.images = [image for stack in stacks for image in stack]
        self.shape, self.n_channels = shape, stacks[0].shape[3]
        self.dtype = _patch_dtype(stacks)
        self.first, n_places = self._rooms(grids, margin)
        self.n_columns = n_places[:, 1]
        self.ends = np.cumsum(n_places.prod(axis=1))

    def _rooms(self, grids, margin):
        """Return the first position and the number of positions in each image, as (row, column)."""
        last_pixel = np.array(self.shape) - 1
        read_at = np.concatenate([grids.reshape(-1, 2), [0 * last_pixel, last_pixel]])
        least = np.minimum(read_at.min(axis=0), last_pixel / 2 - margin)
        greatest = np.maximum(read_at.max(axis=0), last_pixel / 2 + margin)
        before = np.ceil(-least - ROUNDING).astype(np.int64)
        after = np.ceil(greatest - ROUNDING).astype(np.int64)
        sizes = np.array([image.shape[:2] for image in self.images])
        n_places = sizes - before - after
        if n_places.min() < 1:
            (height, width), needed = sizes[n_places.min(axis=1) < 1][0], before + after + 1
            raise ValueError(
                f"patch_size={self.shape[0]}x{self.shape[1]} with these changes and "
                f"margin={margin} requires images of at least {needed[0]}x{needed[1]} pixels, "
                f"got an image of {height}x{width}. Decrease patch_size, margin or the changes."
            )
        return before, n_places

    def draw(self, n, random):
        """Return random positions: the image, and the row and column of the first pixel."""
        number = random.randint(0, self.ends[-1], size=n, dtype=np.int64)
        image = np.searchsorted(self.ends, number, side="right")
        within = number - np.concatenate([[0], self.ends])[image]
        row, column = self.first[:, np.newaxis] + np.divmod(within, self.n_columns[image])
        return np.stack([image, row, column], axis=1)

    def crop(self, places):
        """Return the patches before the changes, one row each."""
        patches = np.empty((len(places), self.n_channels, *self.shape), dtype=self.dtype)
        for image, here in self._by_image(places):
            windows = _windows(image[np.newaxis], self.shape)[0]
            patches[here] = windows[places[here, 1], places[here, 2]]
        rows = np.moveaxis(patches, 1, -1).reshape(len(places), -1)  # channels last
        return check_array(rows, input_name="images")

    def resample(self, places, grids):
        """Return the patches on each grid, (n_grids, n, n_pixels, n_channels)."""
        n_grids, n_pixels, _ = grids.shape
        patches = np.empty((n_grids, len(places), n_pixels, self.n_channels), dtype=self.dtype)
        for image, here in self._by_image(places):
            corners = places[here, 1:].T[..., np.newaxis]
            for channel in range(self.n_channels):
                levels = check_array(image[..., channel], dtype=np.float64, input_name="images")
                spline = spline_filter(levels, mode="mirror")
                for grid, changed in zip(grids, patches, strict=True):
                    changed[here, :, channel] = map_coordinates(
                        spline, corners + grid.T[:, np.newaxis], prefilter=False, mode="mirror"
                    )
        return patches

    def _by_image(self, places):
        for index in np.unique(places[:, 0]):
            yield self.images[index], places[:, 0] == index
