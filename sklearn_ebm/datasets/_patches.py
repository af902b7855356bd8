"""Patches drawn at random from images, one row per patch.

A patch p of mean m and standard deviation s becomes (p - m) / s when its contrast is normalised: it
then has norm sqrt(n_features), whatever the light in its part of the photograph was. A flat patch
holds nothing but noise, which the division by s would blow up: such patches are drawn again.
"""

import numbers

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.datasets import load_sample_images
from sklearn.utils import check_array, check_random_state, gen_batches

LUMINANCE = (0.299, 0.587, 0.114)  # weights of red, green and blue, ITU-R BT.601

# Variance 25 is a standard deviation of 5 grey levels of 255. In scikit-learn's two photographs the
# spread of 12x12 patches has two humps: sky and blurred background at 0.5 to 2.5 levels, which are
# noise and JPEG blocks, and texture above 10. Five lies in the valley; half of all patches pass.
NATURAL_MIN_VARIANCE = 25.0

CANDIDATES = 4096  # patches looked at together, so that memory stays a few megabytes
LEAST_SHARE = 0.01  # of candidates that must pass, judged after JUDGED_AFTER of them: the share
JUDGED_AFTER = (
    10_000  # measured is then good to 0.1 %, and the search ends after 100 candidates a patch
)


def sample_patches(images, size, n_samples, *, min_variance=0.0, random_state=None):
    """Draw patches from images, every position being equally likely, with replacement.

    Parameters
    ----------
    images : array of shape (n_images, height, width) or (n_images, height, width, channels), \
            or list of arrays of shape (height, width) or (height, width, channels)
        Images of one size in an array, or of any sizes in a list. A memory-mapped array is read
        where patches are drawn, and nowhere else.

    size : int or tuple (height, width)
        Size of a patch in pixels.

    n_samples : int
        Number of patches to draw.

    min_variance : float, default=0.0
        Patches whose pixels have a lower variance (mean over the channels, in squared units of the
        images) are rejected and others drawn instead.

    random_state : int, RandomState instance or None, default=None
        Pass an int to draw the same patches again.

    Returns
    -------
    ndarray of shape (n_samples, height * width [* channels])
        One row per patch: float32 for images of type uint8, float16 or float32, else float64.

    Raises
    ------
    ValueError
        When a patch is larger than an image; when the images differ in their number of channels or
        hold no numbers; when fewer than 1 % of the patches drawn reach `min_variance`; when a patch
        holds NaN or infinity.

    See Also
    --------
    load_natural_patches : Patches of two photographs, contrast-normalised.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.datasets import sample_patches
    >>> images = np.arange(2 * 10 * 10, dtype=np.uint8).reshape(2, 10, 10)
    >>> patches = sample_patches(images, 3, 5, random_state=0)
    >>> patches.shape, patches.dtype
    ((5, 9), dtype('float32'))
    >>> np.diff(patches[0].reshape(3, 3), axis=0)  # one row further down is 10 more
    array([[10., 10., 10.],
           [10., 10., 10.]], dtype=float32)
    """
    source = _PatchSource(_image_stacks(images), _patch_shape(size))
    _check_number(n_samples, "n_samples", integral=True)
    _check_number(min_variance, "min_variance")
    random = check_random_state(random_state)
    patches = np.empty((n_samples, source.n_features), dtype=source.dtype)
    n_kept = 0
    for _, kept in _with_contrast(source, n_samples, min_variance, random):
        patches[n_kept : n_kept + len(kept)] = kept
        n_kept += len(kept)
    return patches


def _with_contrast(source, n_samples, min_variance, random):
    """Places of n_samples patches that have contrast enough, and these patches, some at a time.

    `source` has `draw(n, random)`, which gives random places, `crop(places)`, which gives the
    patches, one row each, and `n_channels`.
    """
    n_kept = n_drawn = 0
    while n_kept < n_samples:
        if n_drawn >= JUDGED_AFTER and n_kept < LEAST_SHARE * n_drawn:
            raise ValueError(_too_few(n_kept, n_drawn, min_variance))
        drawn = source.draw(min(CANDIDATES, max(64, 2 * (int(n_samples) - n_kept))), random)
        candidates = source.crop(drawn)
        variance = _variance(candidates, source.n_channels)
        passed = np.flatnonzero(variance >= min_variance)[: n_samples - n_kept]
        yield drawn[passed], candidates[passed]
        n_kept += len(passed)
        n_drawn += len(drawn)


def _variance(patches, n_channels):
    """Variance over the pixels of each patch, mean over its channels."""
    pixels = patches.reshape(len(patches), -1, n_channels)
    return pixels.var(axis=1, dtype=np.float64).mean(axis=1)


class _PatchSource:
    """Every position of a patch in a list of image stacks, numbered through."""

    def __init__(self, stacks, shape):
        self.dtype = _patch_dtype(stacks)
        self.n_channels = stacks[0].shape[3]
        self.n_features = shape[0] * shape[1] * self.n_channels
        self.windows = [_windows(stack, shape) for stack in stacks]
        self.ends = np.cumsum([int(np.prod(windows.shape[:3])) for windows in self.windows])

    def draw(self, n, random):
        """The numbers of n random positions."""
        return random.randint(0, self.ends[-1], size=n, dtype=np.int64)

    def crop(self, position):
        """The patches at some positions, (n, n_features)."""
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
    """A view (n_images, rows, columns, channels, *shape) of every patch of a stack of images."""
    if stack.shape[1] < shape[0] or stack.shape[2] < shape[1]:
        raise ValueError(
            f"size={shape[0]}x{shape[1]} is larger than an image of height {stack.shape[1]} and "
            f"width {stack.shape[2]}."
        )
    return sliding_window_view(stack, shape, axis=(1, 2))


def _image_stacks(images):
    """A list of views (n_images, height, width, channels), one per array of equal images."""
    if hasattr(images, "ndim"):
        stacks = [_with_channels(images, without=3)]
    else:
        stacks = [_with_channels(image, without=2)[np.newaxis] for image in images]
    if not stacks or not len(stacks[0]):
        raise ValueError("Found 0 images while a minimum of 1 is required.")
    channels = {stack.shape[3] for stack in stacks}
    if len(channels) > 1:
        raise ValueError(f"All images must have as many channels; got {sorted(channels)}.")
    return stacks


def _with_channels(array, without):
    """The array with a last axis of channels; `without` is its number of axes when it has none."""
    array = np.asanyarray(array)  # a memory map stays one
    if array.dtype.kind not in "buif":
        raise ValueError(f"images must hold real numbers; got dtype {array.dtype}.")
    if array.ndim == without:
        return array[..., np.newaxis]
    if array.ndim == without + 1:
        return array
    raise ValueError(
        "images must be an array of shape (n_images, height, width[, channels]) or a list of "
        f"arrays of shape (height, width[, channels]); got an array of shape {array.shape}. "
        "Pass one image as a list of one."
    )


def _patch_dtype(stacks):
    """float32 where it holds every value of the images, else float64."""
    wanted = np.result_type(np.float32, *(stack.dtype for stack in stacks))
    small = all(stack.dtype.kind in "bf" or stack.dtype == np.uint8 for stack in stacks)
    return np.dtype(np.float32) if small and wanted == np.float32 else np.dtype(np.float64)


def _patch_shape(size):
    """(height, width) of a patch from an int or a pair."""
    shape = tuple(size) if np.iterable(size) else (size, size)
    if len(shape) != 2:
        raise ValueError(f"size must be an int or a pair (height, width); got {size!r}.")
    for side in shape:
        _check_number(side, "size", integral=True)
    return shape


def _check_number(value, name, integral=False):
    kind, least = (numbers.Integral, 1) if integral else (numbers.Real, 0)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name} must be {kind.__name__.lower()}; got {value!r}.")
    if not value >= least:
        raise ValueError(f"{name} == {value}, must be >= {least}.")


def _too_few(n_kept, n_drawn, min_variance):
    return (
        f"Only {n_kept} of {n_drawn} patches drawn have a variance of at least "
        f"min_variance={min_variance}: lower min_variance (it is in squared units of the images), "
        "or pass images with more contrast."
    )


def normalize_patches(patches):
    """Remove the mean of each row and divide by its standard deviation.

    Parameters
    ----------
    patches : array-like of shape (n_patches, n_features)
        One row per patch.

    Returns
    -------
    ndarray of shape (n_patches, n_features)
        Rows of mean 0 and variance 1. A row of one value, which has no contrast, becomes zero.
        float32 stays float32; everything else becomes float64.

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
    """normalize_patches for a block of rows in float64."""
    largest = abs(patches).max(axis=1, keepdims=True)
    # Rows are brought to a largest value of 1 first, so that no square overflows or vanishes.
    scaled = patches / np.where(largest > 0, largest, 1)
    centred = scaled - scaled.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1, keepdims=True)
    flat = spread <= 10 * np.finfo(np.float64).eps  # what rounding leaves of a constant row
    return np.where(flat, 0, centred / np.where(flat, 1, spread))


def load_natural_patches(
    n_samples=10_000,
    *,
    size=12,
    normalize=True,
    min_variance=NATURAL_MIN_VARIANCE,
    dtype=np.float32,
    random_state=0,
):
    """Draw grey patches from the two photographs that scikit-learn ships; nothing is downloaded.

    Reading the photographs needs Pillow.

    Parameters
    ----------
    n_samples : int, default=10_000
        Number of patches.

    size : int or tuple (height, width), default=12
        Size of a patch in pixels.

    normalize : bool, default=True
        Whether to remove the mean of each patch and divide by its standard deviation, so that
        models see structure and not light. If False, patches hold grey levels from 0 to 255.

    min_variance : float, default=25.0
        Patches of lower variance, in squared grey levels, are drawn again. The default, a standard
        deviation of 5 levels of 255, leaves out sky and blurred background: their patches are
        sensor noise and JPEG blocks, and normalising would bring these to the contrast of edges.

    dtype : {np.float32, np.float64}, default=np.float32
        Type of the patches.

    random_state : int, RandomState instance or None, default=0
        Seed of the positions; the same seed gives the same patches.

    Returns
    -------
    ndarray of shape (n_samples, height * width)
        One row per patch.

    See Also
    --------
    sample_patches : The same for images of your own.

    Examples
    --------
    >>> from sklearn_ebm.datasets import load_natural_patches
    >>> patches = load_natural_patches(100, size=8)
    >>> patches.shape, patches.dtype
    ((100, 64), dtype('float32'))
    >>> bool(abs(patches.var(axis=1) - 1).max() < 1e-5)
    True
    """
    grey = [image @ np.array(LUMINANCE) for image in load_sample_images().images]
    patches = sample_patches(
        grey, size, n_samples, min_variance=min_variance, random_state=random_state
    )
    return (normalize_patches(patches) if normalize else patches).astype(dtype, copy=False)
