"""The two photographs that are part of scikit-learn, and patches of them."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_sample_images

from sklearn_ebm._extras import install_hint
from sklearn_ebm._typing import Array, DTypeLike, RandomState, Size
from sklearn_ebm.datasets._patches import normalize_patches, sample_patches

LUMINANCE = (0.299, 0.587, 0.114)  # weights of red, green and blue, ITU-R BT.601

# A variance of 25 is a standard deviation of 5 of 255 levels. In scikit-learn's photographs, the
# standard deviations of 12x12 patches have two modes: 0.5 to 2.5 levels for sky and blurred
# background, which contain only noise and JPEG blocks, and more than 10 for texture. The threshold
# of 5 levels is between the modes, and half of all patches exceed it.
NATURAL_MIN_VARIANCE = 25.0


def load_natural_images(*, dtype: DTypeLike = np.float32) -> Array:
    """Load the two photographs that are part of scikit-learn as grey images.

    They show a Chinese palace and a flower. Nothing is downloaded. Reading the photographs requires
    Pillow.

    Parameters
    ----------
    dtype : {np.float32, np.float64}, default=np.float32
        Data type of the images.

    Returns
    -------
    ndarray of shape (2, 427, 640)
        Luminance of each pixel, from 0 to 255.

    See Also
    --------
    load_natural_patches : Contrast-normalised patches of the photographs.
    sklearn.datasets.load_sample_images : The photographs in colour.

    Examples
    --------
    >>> from sklearn_ebm.datasets import load_natural_images
    >>> images = load_natural_images()
    >>> images.shape, images.dtype
    ((2, 427, 640), dtype('float32'))
    """
    return np.stack(_grey()).astype(dtype)


def _grey():
    """Return the photographs as a list of grey images, in float64."""
    try:
        colours = load_sample_images().images
    except ImportError as error:
        raise ImportError(f"The photographs require Pillow. {install_hint('plot')}") from error
    return [image @ np.array(LUMINANCE) for image in colours]


def load_natural_patches(
    n_samples: int = 10_000,
    *,
    patch_size: Size = 12,
    normalize: bool = True,
    min_variance: float = NATURAL_MIN_VARIANCE,
    dtype: DTypeLike = np.float32,
    random_state: RandomState = 0,
) -> Array:
    """Draw grey patches from the two photographs that are part of scikit-learn.

    Nothing is downloaded. Reading the photographs requires Pillow.

    Parameters
    ----------
    n_samples : int, default=10_000
        Number of patches.

    patch_size : int or tuple (height, width), default=12
        Height and width of a patch in pixels.

    normalize : bool, default=True
        Whether to subtract the mean of each patch and divide by its standard deviation, so that
        models learn structure instead of illumination. If False, patches contain grey levels from 0
        to 255.

    min_variance : float, default=25.0
        Minimum variance of a patch, in squared grey levels. Patches of lower variance are rejected,
        and others are drawn instead. The default, a standard deviation of 5 of 255 levels, excludes
        sky and blurred background: these patches contain sensor noise and JPEG blocks, which the
        normalisation would amplify to the contrast of edges.

    dtype : {np.float32, np.float64}, default=np.float32
        Data type of the patches.

    random_state : int, RandomState instance or None, default=0
        Seed or generator of the random positions. Pass an int for reproducible results.

    Returns
    -------
    ndarray of shape (n_samples, height * width)
        One row per patch.

    See Also
    --------
    load_natural_images : The two photographs.
    sample_patches : Draw patches from given images.

    Examples
    --------
    >>> from sklearn_ebm.datasets import load_natural_patches
    >>> patches = load_natural_patches(100, patch_size=8)
    >>> patches.shape, patches.dtype
    ((100, 64), dtype('float32'))
    >>> bool(abs(patches.var(axis=1) - 1).max() < 1e-5)
    True
    """
    patches = sample_patches(
        _grey(), patch_size, n_samples, min_variance=min_variance, random_state=random_state
    )
    return (normalize_patches(patches) if normalize else patches).astype(dtype, copy=False)
