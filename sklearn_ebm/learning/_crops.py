"""Learning from images: the samples of a trainer are random crops."""

import math
from dataclasses import dataclass

import numpy as np

from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.learning._samples import Batch, Samples, as_type


@dataclass
class Crops(Samples):
    """Random crops of images (n, height, width, channels), with about as many pixels in a pass."""

    shape: tuple = (1, 1)

    def _sides(self):
        """Return the pairs (image size, crop size) of both axes."""
        return zip(self.X.shape[1:3], self.shape, strict=True)

    @property
    def n_shuffled(self):
        """Number of crops in a pass in random order."""
        return self.X.shape[0] * math.prod(self._counts())

    @property
    def n_in_order(self):
        """Number of crops that cover all images."""
        return self.X.shape[0] * math.prod(-(-size // crop) for size, crop in self._sides())

    def _counts(self):
        return [max(1, round(size / crop)) for size, crop in self._sides()]

    def shuffled(self, random_state):
        """Return the positions of the crops of one pass in random order: image, row, column."""
        counts = self._counts()
        places = np.stack(np.indices((self.X.shape[0], *counts)), axis=-1).reshape(-1, 3)
        for axis, (count, (size, crop)) in enumerate(zip(counts, self._sides(), strict=True), 1):
            # one random position per stratum, so that all passes cover the images about equally
            within = random_state.uniform(size=len(places))
            places[:, axis] = (places[:, axis] + within) / count * (size - crop + 1)
        return places[random_state.permutation(len(places))]

    def forwards(self, rows):
        """Return some of these positions, sorted by image."""
        return rows[np.argsort(rows[:, 0], kind="stable")]

    def rows_in_order(self):
        """Return the positions of crops that cover all images, evenly spaced from edge to edge."""
        steps = [
            np.linspace(0, size - crop, -(-size // crop)).astype(int)
            for size, crop in self._sides()
        ]
        images = np.arange(self.X.shape[0])
        return np.stack(np.meshgrid(images, *steps, indexing="ij"), axis=-1).reshape(-1, 3)

    def beginning(self, n_rows):
        """Return a batch of the first crops."""
        return self.take(self.rows_in_order()[:n_rows])

    def take(self, rows):
        """Return crops, with their masks and the weights of their images."""
        weight = None
        if self.weight is not None:
            rows_of_images = array_namespace(self.weight).asarray(rows[:, 0])
            weight = as_type(self.weight[rows_of_images], self.dtype)
        return Batch(self._cut(self.X, rows), None, self._cut(self.mask, rows), weight)

    def _cut(self, images, places):
        if images is None:
            return None
        height, width = self.shape
        crops = [images[n, y : y + height, x : x + width, :] for n, y, x in places.tolist()]
        return as_type(array_namespace(images).stack(crops), self.dtype)


DRAWS = 4  # candidate windows per filter, of which the ones with the largest norms are chosen


def first_kernels(images, shape, random_state, sample_weight=None):
    """Return windows with large norms, scaled to norm one; random directions if there are too few.

    The probability of an image is proportional to its weight. The result depends neither on their
    order, nor on whether an image is repeated or has a larger weight instead.

    Parameters
    ----------
    images : array of shape (n_samples, height, width, n_channels)
        Images to draw windows from.
    shape : tuple of int
        Number, height and width of the filters.
    random_state : numpy.random.RandomState
        Generator of the draws.
    sample_weight : array of shape (n_samples,) or None, default=None
        Weight of each image.

    Returns
    -------
    kernels : array of shape (n_components, kernel_height, kernel_width, n_channels)
    """
    n_components, height, width = shape
    n_samples, *size, n_channels = images.shape
    order = _along_a_direction(images, random_state)
    weights = np.ones(n_samples) if sample_weight is None else to_host(sample_weight)[order]
    cumulated = np.cumsum(weights, dtype=np.float64)
    draws = random_state.uniform(size=(3, DRAWS * n_components))
    places = order[np.searchsorted(cumulated, draws[0] * cumulated[-1], side="right")]
    corners = [
        (draw * (total - window + 1)).astype(int)
        for draw, total, window in zip(draws[1:], size, (height, width), strict=True)
    ]
    windows = np.stack(
        [
            to_host(images[n, y : y + height, x : x + width, :])
            for n, y, x in zip(places, *corners, strict=True)
        ]
    )
    windows = np.unique(windows.reshape(len(windows), -1), axis=0)
    norms = np.linalg.norm(windows.astype(np.float64), axis=1)
    best = np.argsort(-norms, kind="stable")[:n_components]
    best = random_state.permutation(best[norms[best] > 0])
    kernels = random_state.standard_normal((n_components, windows.shape[1]))
    kernels[: len(best)] = windows[best]
    kernels /= np.linalg.norm(kernels, axis=1, keepdims=True)
    kernels = kernels.reshape(n_components, height, width, n_channels)
    return array_namespace(images).asarray(kernels, dtype=images.dtype)


def _along_a_direction(images, random_state):
    """Return the indices of images sorted along a random direction, so that copies are adjacent."""
    xp = array_namespace(images)
    rows = xp.reshape(images, (images.shape[0], -1))
    direction = xp.asarray(random_state.standard_normal(rows.shape[1]), dtype=images.dtype)
    return np.argsort(to_host(rows @ direction), kind="stable")
