"""Gaussian windows on images, cut at the border.

The window is the product of the same weights along columns and rows. At the border, the part inside
the image is scaled to sum to one: with C the convolution with zero padding and D the diagonal
matrix of C 1, the local mean is D^-1 C. C is symmetric, so that the transpose of the local mean is
C D^-1.
"""

import itertools
import math
from typing import Any, NamedTuple

from sklearn_ebm.backends._namespace import array_namespace

DEVIATIONS = 2  # from the centre of a window to its edge; a window of 9 pixels has deviation 2.25


class Window(NamedTuple):
    """A Gaussian window on images of one size."""

    weights: tuple  # symmetric, with an odd length
    scale: Any  # (height, width), D^-1: one over the sum of the weights inside the image


def gaussian_window(size, maps):
    """Return a window of odd `size` for maps (n_samples, height, width, n_maps)."""
    radius, deviation = size // 2, size / (2 * DEVIATIONS)
    places = range(-radius, radius + 1)
    weights = [math.exp(-0.5 * (place / deviation) ** 2) for place in places]
    weights = tuple(weight / sum(weights) for weight in weights)
    xp = array_namespace(maps)
    down, across = (
        xp.asarray(_scales(weights, length), dtype=maps.dtype) for length in maps.shape[1:3]
    )
    return Window(weights, down[:, None] * across[None, :])


def _scales(weights, length):
    """Return one over the sum of the weights inside, for each position on a line."""
    radius = len(weights) // 2
    sums = [0.0, *itertools.accumulate(weights)]
    inside = [
        sums[min(radius, length - 1 - place) + radius + 1] - sums[radius - min(radius, place)]
        for place in range(length)
    ]
    return [1 / each for each in inside]
