"""Short sequences of patches: a window moves over a photograph, or over the frames of a film."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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


def sample_moving_patches(
    images: ArrayLike | Sequence[ArrayLike],
    patch_size: Size,
    max_sequences: int,
    *,
    n_frames: int = 3,
    shift: float = 1.0,
    film: bool = False,
    min_variance: float = 0.0,
    random_state: RandomState = None,
) -> tuple[Array, Array]:
    """Draw short sequences of patches whose position moves with a constant velocity.

    The direction of each sequence is random. Positions are rounded to whole pixels, so that no
    pixel is interpolated. All paths that remain inside the image are possible.

    Parameters
    ----------
    images : array of shape (n_images, height, width) or (n_images, height, width, channels), \
            or list of arrays of shape (height, width) or (height, width, channels)
        Images of the same size in an array, or of any sizes in a list. Only the drawn patches of a
        memory-mapped array are read.

    patch_size : int or tuple (patch_height, patch_width)
        Height and width of a patch in pixels.

    max_sequences : int
        Number of sequences to draw.

    n_frames : int, default=3
        Number of patches in a sequence.

    shift : float, default=1.0
        Distance between the positions of successive patches in pixels. With 0, the position is
        constant.

    film : bool, default=False
        Whether `images` is an array of the successive frames of a film. The patches of a sequence
        are then from successive frames. Otherwise, they are from the same image.

    min_variance : float, default=0.0
        Minimum variance of the pixels of the first patch (mean over the channels, in squared units
        of the images). Sequences of lower variance are rejected, and others are drawn instead.

    random_state : int, RandomState instance or None, default=None
        Seed or generator of the random positions and directions. Pass an int for reproducible
        results.

    Returns
    -------
    patches : ndarray of shape (max_sequences * n_frames, patch_height * patch_width [* channels])
        One row per patch, one sequence after another, in float32 for images of type uint8, float16
        or float32, and in float64 otherwise.

    groups : ndarray of shape (max_sequences * n_frames,)
        Number of the sequence of each patch.

    Raises
    ------
    ValueError
        If an image is too small for the patch and its path, a film has fewer than `n_frames`
        frames, or :func:`sample_patches` would raise an error.

    See Also
    --------
    sample_patches : Draw single patches.
    sample_transformed_patches : Patches after shifts by fractions of a pixel, and rotations.
    sklearn_ebm.WhatWherePSD : A model of sequences.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.datasets import sample_moving_patches
    >>> images = np.arange(400.0).reshape(1, 20, 20)
    >>> patches, groups = sample_moving_patches(images, 4, 2, n_frames=3, random_state=0)
    >>> patches.shape, groups
    ((6, 16), array([0, 0, 0, 1, 1, 1]))
    """
    stacks, shape = _image_stacks(images), _patch_shape(patch_size)
    for value, name in ((max_sequences, "max_sequences"), (n_frames, "n_frames")):
        _check_number(value, name, integral=True)
    _check_number(shift, "shift")
    _check_number(min_variance, "min_variance")
    if film and len(stacks) > 1:
        raise ValueError(
            "images must be an array of frames of the same size with film=True, got a list of "
            f"{len(stacks)} images. Pass numpy.stack(images)."
        )
    paths = _Paths(stacks, shape, int(n_frames), float(shift), bool(film))
    random = check_random_state(random_state)
    drawn = [places for places, _ in _with_contrast(paths, max_sequences, min_variance, random)]
    patches = paths.follow(np.concatenate(drawn))
    return patches, np.repeat(np.arange(int(max_sequences)), int(n_frames))


class _Paths:
    """Random paths of patches: rows (stack, image, row, column, angle) of their first patches."""

    def __init__(self, stacks, shape, n_frames, shift, film):
        self.dtype = _patch_dtype(stacks)
        self.n_channels = stacks[0].shape[3]
        self.n_features = shape[0] * shape[1] * self.n_channels
        self.windows = [_windows(stack, shape) for stack in stacks]
        self.time = np.arange(n_frames)
        self.shift = shift
        self.film = film
        self._require_room()
        images = np.array([len(windows) for windows in self.windows])
        self.sizes = np.array([windows.shape[1:3] for windows in self.windows])
        self.n_first = images - (n_frames - 1) * film  # images in which a path can begin
        self.share = np.cumsum(self.n_first * self.sizes.prod(axis=1), dtype=np.float64)

    def _require_room(self):
        needed = int(np.ceil(self.shift * self.time[-1])) + 1
        for windows in self.windows:
            if min(windows.shape[1:3]) < needed:
                height, width = np.add(windows.shape[1:3], windows.shape[4:6]) - 1
                raise ValueError(
                    f"patch_size={windows.shape[4]}x{windows.shape[5]} with n_frames="
                    f"{len(self.time)} and shift={self.shift} requires images that are "
                    f"{needed - 1} pixels larger than the patch, got an image of {height}x{width}."
                )
            if self.film and len(windows) < len(self.time):
                raise ValueError(
                    f"A film must have at least n_frames={len(self.time)} frames, got "
                    f"{len(windows)}."
                )

    def draw(self, n, random):
        """Return n random paths; images are drawn by the number of their positions."""
        stack = np.searchsorted(self.share, random.uniform(0, self.share[-1], n), side="right")
        angle = random.uniform(0, 2 * np.pi, n)
        offsets = self._offsets(angle)
        room = self.sizes[stack] - np.ptp(offsets, axis=1)
        corner = np.floor(random.uniform(size=(n, 2)) * room) - offsets.min(axis=1)
        image = np.floor(random.uniform(size=n) * self.n_first[stack])
        return np.column_stack([stack, image, corner, angle])

    def _offsets(self, angle):
        """Return rows and columns relative to the first patch, (n, n_frames, 2)."""
        direction = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
        return np.round(self.shift * self.time[:, np.newaxis] * direction[:, np.newaxis, :])

    def crop(self, paths):
        """Return the first patch of each path, (n, n_features)."""
        return self._patches(*paths[:, :4].T)

    def follow(self, paths):
        """Return all patches, (n * n_frames, n_features), one path after another."""
        stack, image, row, column, angle = paths.T[..., np.newaxis]
        down, right = np.moveaxis(self._offsets(angle[:, 0]), -1, 0)
        every = stack, image + self.time * self.film, row + down, column + right
        return self._patches(*(each.ravel() for each in np.broadcast_arrays(*every)))

    def _patches(self, stack, *places):
        places = np.stack(places).astype(np.int64)
        patches = np.empty((len(stack), self.n_features), dtype=self.dtype)
        for index in np.unique(stack):
            here = stack == index
            drawn = self.windows[int(index)][tuple(places[:, here])]
            patches[here] = np.moveaxis(drawn, 1, -1).reshape(len(drawn), -1)  # channels last
        return check_array(patches, input_name="images")
