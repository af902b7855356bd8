"""Patches drawn at random from images, one row per patch.

Normalising the contrast of a patch p with mean m and standard deviation s yields (p - m) / s, which
has the norm sqrt(n_features) and does not depend on the illumination. A flat patch contains only
noise, which the division by s would amplify. Such patches are rejected, and others are drawn.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.utils import check_array, check_random_state, gen_batches

from sklearn_ebm._typing import Array, ArrayLike, RandomState, Size

CANDIDATES = 4096  # patches that are processed at once, so that a few megabytes suffice
LEAST_SHARE = 0.01  # minimum fraction of accepted candidates, tested after JUDGED_AFTER of them
JUDGED_AFTER = 10_000  # the fraction is then known to 0.1 %


def sample_patches(
    images: ArrayLike | Sequence[ArrayLike],
    patch_size: Size,
    max_patches: int,
    *,
    min_variance: float = 0.0,
    random_state: RandomState = None,
) -> Array:
    """Draw patches from images at random positions, with replacement.

    All positions are equally likely.

    Parameters
    ----------
    images : array of shape (n_images, height, width) or (n_images, height, width, channels), \
            or list of arrays of shape (height, width) or (height, width, channels)
        Images of the same size in an array, or of any sizes in a list. Only the drawn patches of a
        memory-mapped array are read.

    patch_size : int or tuple (patch_height, patch_width)
        Height and width of a patch in pixels.

    max_patches : int
        Number of patches to draw.

    min_variance : float, default=0.0
        Minimum variance of the pixels of a patch (mean over the channels, in squared units of the
        images). Patches of lower variance are rejected, and others are drawn instead.

    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random positions. Pass an int for reproducible results.

    Returns
    -------
    ndarray of shape (max_patches, patch_height * patch_width [* channels])
        One row per patch, in float32 for images of type uint8, float16 or float32, and in float64
        otherwise.

    Raises
    ------
    ValueError
        If a patch is larger than an image, the images differ in their number of channels or do not
        contain numbers, fewer than 1 % of the drawn patches reach `min_variance`, or a patch
        contains NaN or infinity.

    See Also
    --------
    load_natural_patches : Contrast-normalised patches of two photographs.
    sklearn.feature_extraction.image.extract_patches_2d : Patches of a single image.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.datasets import sample_patches
    >>> images = np.arange(2 * 10 * 10, dtype=np.uint8).reshape(2, 10, 10)
    >>> patches = sample_patches(images, 3, 5, random_state=0)
    >>> patches.shape, patches.dtype
    ((5, 9), dtype('float32'))
    >>> np.diff(patches[0].reshape(3, 3), axis=0)  # the next row is larger by 10
    array([[10., 10., 10.],
           [10., 10., 10.]], dtype=float32)
    """
    source = _PatchSource(_image_stacks(images), _patch_shape(patch_size))
    _check_number(max_patches, "max_patches", integral=True)
    _check_number(min_variance, "min_variance")
    random = check_random_state(random_state)
    patches = np.empty((max_patches, source.n_features), dtype=source.dtype)
    n_kept = 0
    for _, kept in _with_contrast(source, max_patches, min_variance, random):
        patches[n_kept : n_kept + len(kept)] = kept
        n_kept += len(kept)
    return patches


def _with_contrast(source, max_patches, min_variance, random):
    """Yield positions of patches with sufficient contrast, and these patches, in several parts.

    `source` has the methods `draw(n, random)`, which returns random positions, and `crop(places)`,
    which returns the patches, one row each. Its attribute `n_channels` is the number of channels.
    """
    n_kept = n_drawn = 0
    while n_kept < max_patches:
        if n_drawn >= JUDGED_AFTER and n_kept < LEAST_SHARE * n_drawn:
            raise ValueError(_too_few(n_kept, n_drawn, min_variance))
        drawn = source.draw(min(CANDIDATES, max(64, 2 * (int(max_patches) - n_kept))), random)
        candidates = source.crop(drawn)
        variance = _variance(candidates, source.n_channels)
        passed = np.flatnonzero(variance >= min_variance)[: max_patches - n_kept]
        yield drawn[passed], candidates[passed]
        n_kept += len(passed)
        n_drawn += len(drawn)


def _variance(patches, n_channels):
    """Return the variance over the pixels of each patch, averaged over its channels."""
    pixels = patches.reshape(len(patches), -1, n_channels)
    return pixels.var(axis=1, dtype=np.float64).mean(axis=1)


class _PatchSource:
    """Numbered positions of patches in a list of image stacks."""

    def __init__(self, stacks, shape):
        self.dtype = _patch_dtype(stacks)
        self.n_channels = stacks[0].shape[3]
        self.n_features = shape[0] * shape[1] * self.n_channels
        self.windows = [_windows(stack, shape) for stack in stacks]
        self.ends = np.cumsum([int(np.prod(windows.shape[:3])) for windows in self.windows])

    def draw(self, n, random):
        """Return the numbers of n random positions."""
        return random.randint(0, self.ends[-1], size=n, dtype=np.int64)

    def crop(self, position):
        """Return the patches at given positions, (n, n_features)."""
        stack_of = np.searchsorted(self.ends, position, side="right")
        patches = np.empty((len(position), self.n_features), dtype=self.dtype)
        for index in np.unique(stack_of):
            here = stack_of == index
            windows = self.windows[index]
            within = position[here] - (self.ends[index - 1] if index else 0)
            drawn = windows[np.unravel_index(within, windows.shape[:3])]
            patches[here] = np.moveaxis(drawn, 1, -1).reshape(len(drawn), -1)  # channels last
        return check_array(patches, input_name="images")


def _windows(stack, shape):
    """Return a view (n_images, rows, columns, channels, *shape) of all patches of a stack."""
    if stack.shape[1] < shape[0] or stack.shape[2] < shape[1]:
        raise ValueError(
            "patch_size must not exceed the height and width of any image, got "
            f"patch_size={shape[0]}x{shape[1]} for an image of {stack.shape[1]}x{stack.shape[2]}."
        )
    return sliding_window_view(stack, shape, axis=(1, 2))


def _image_stacks(images):
    """Return a list of views (n_images, height, width, channels), one per array."""
    if hasattr(images, "ndim"):
        stacks = [_with_channels(images, without=3)]
    else:
        stacks = [_with_channels(image, without=2)[np.newaxis] for image in images]
    if not stacks or not len(stacks[0]):
        raise ValueError("Found 0 images while a minimum of 1 is required.")
    channels = {stack.shape[3] for stack in stacks}
    if len(channels) > 1:
        raise ValueError(
            f"All images must have the same number of channels, got {sorted(channels)}."
        )
    return stacks


def _with_channels(array, without):
    """Return the array with a last axis of channels. Without it, the array has `without` axes."""
    array = np.asanyarray(array)  # memory maps remain memory maps
    if array.dtype.kind not in "buif":
        raise ValueError(f"images must contain real numbers, got dtype {array.dtype}.")
    if array.ndim == without:
        return array[..., np.newaxis]
    if array.ndim == without + 1:
        return array
    raise ValueError(
        "images must be an array of shape (n_images, height, width[, channels]) or a list of "
        f"arrays of shape (height, width[, channels]), got an array of shape {array.shape}. "
        "Pass a single image as a list of one image."
    )


def _patch_dtype(stacks):
    """Return float32 if it can represent all values of the images, otherwise float64."""
    wanted = np.result_type(np.float32, *(stack.dtype for stack in stacks))
    small = all(stack.dtype.kind in "bf" or stack.dtype == np.uint8 for stack in stacks)
    return np.dtype(np.float32) if small and wanted == np.float32 else np.dtype(np.float64)


def _patch_shape(patch_size):
    """Return (height, width) of a patch from an int or a pair."""
    shape = tuple(patch_size) if np.iterable(patch_size) else (patch_size, patch_size)
    if len(shape) != 2:
        raise ValueError(
            f"patch_size must be an int or a pair (height, width), got {patch_size!r}."
        )
    for side in shape:
        _check_number(side, "patch_size", integral=True)
    return shape


def _check_number(value, name, integral=False):
    kind, type_name, least = (
        (numbers.Integral, "int", 1) if integral else (numbers.Real, "float", 0)
    )
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(
            f"{name} must be an instance of {type_name}, not {type(value).__qualname__}."
        )
    if not value >= least:
        raise ValueError(f"{name} == {value}, must be >= {least}.")


def _too_few(n_kept, n_drawn, min_variance):
    return (
        f"Only {n_kept} of {n_drawn} patches drawn have a variance of at least "
        f"min_variance={min_variance}. Lower min_variance, which is in squared units of the "
        "images, or pass images with more contrast."
    )


def normalize_patches(patches: ArrayLike) -> Array:
    """Subtract the mean of each patch, and divide by its standard deviation.

    Parameters
    ----------
    patches : array-like of shape (n_patches, n_features)
        Patches, one per row.

    Returns
    -------
    ndarray of shape (n_patches, n_features)
        Rows with mean 0 and variance 1. Constant rows become zero. float32 is preserved; all other
        types become float64.

    Examples
    --------
    >>> from sklearn_ebm.datasets import normalize_patches
    >>> normalize_patches([[1.0, 3.0], [5.0, 5.0]])
    array([[-1.,  1.],
           [ 0.,  0.]])
    """
    patches = check_array(patches, dtype=(np.float64, np.float32), input_name="patches")
    normalized = np.empty(patches.shape, dtype=patches.dtype)
    for rows in gen_batches(len(patches), CANDIDATES):
        normalized[rows] = _normalized(patches[rows].astype(np.float64))
    return normalized


def _normalized(patches):
    """Normalize a block of rows in float64."""
    largest = abs(patches).max(axis=1, keepdims=True)
    # Rows are first scaled to a largest value of 1, so that squares neither overflow nor underflow.
    scaled = patches / np.where(largest > 0, largest, 1)
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    flat = spread <= 10 * np.finfo(np.float64).eps  # rounding error of a constant row
    return np.where(flat, 0, centred / np.where(flat, 1, spread))
