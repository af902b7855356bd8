"""Checks of images and masks, shared by the models of images."""

import math

import numpy as np

from sklearn_ebm.backends import array_namespace

FAR_ABOVE_UNDERFLOW = 1e4  # multiple of the smallest number whose square is a normal number


def flat(images):
    """Return images or maps as rows; None remains None."""
    if images is None or images.ndim == 2:
        return images
    return array_namespace(images).reshape(images, (images.shape[0], math.prod(images.shape[1:])))


def check_mask(mask, images, form):
    """Return a mask as rows of zeros and ones, in the shape of flattened images.

    Raises
    ------
    ValueError
        If the mask has another shape, or does not contain numbers.
    """
    xp = array_namespace(images)
    mask = xp.asarray(mask)
    _require_numbers(mask, xp)
    shape = tuple(mask.shape)
    expected = tuple(flat(images).shape) if form.is_flat else tuple(images.shape)
    if shape != expected and (form.is_flat or shape != expected[:3]):
        raise ValueError(f"mask has shape {shape}, but X has shape {expected}.")
    if mask.ndim == 3:
        mask = xp.broadcast_to(mask[..., None], images.shape)
    return xp.asarray(flat(mask) != 0, dtype=images.dtype)


def _require_numbers(mask, xp):
    if not xp.isdtype(mask.dtype, ("bool", "integral", "real floating")):
        raise ValueError(f"mask must contain booleans or numbers, got dtype {mask.dtype}.")
    if xp.isdtype(mask.dtype, "real floating") and bool(xp.any(xp.isnan(mask))):
        raise ValueError("mask must be 1 where X is observed and 0 elsewhere, got NaN.")


def without_unseen(images, mask):
    """Return images in which pixels are zero if their mask is zero."""
    xp = array_namespace(images)
    seen = xp.reshape(mask, images.shape) > 0
    return xp.where(seen, images, xp.zeros_like(images))


def require_squares(images, alpha):
    """Refuse to learn from values whose squares underflow.

    If alpha is larger, all codes are zero, and squares do not matter.

    Raises
    ------
    ValueError
        If alpha and the largest value of the images are too small.
    """
    xp = array_namespace(images)
    least = FAR_ABOVE_UNDERFLOW * float(xp.finfo(images.dtype).smallest_normal) ** 0.5
    largest = float(xp.max(xp.abs(images)))
    if alpha < least and 0 < largest < least:
        raise ValueError(
            f"Input X contains only values too small for {np.dtype(images.dtype)!r}: squares of "
            f"{largest:.1e} underflow. Rescale X, for instance with StandardScaler."
        )


def require_observed(mask):
    """Refuse samples without any observed value."""
    xp = array_namespace(mask)
    empty = xp.nonzero(~xp.any(mask != 0, axis=1))[0]
    if empty.shape[0]:
        raise ValueError(
            "mask must have at least one non-zero entry for each sample, got none for sample "
            f"{int(empty[0])}."
        )
