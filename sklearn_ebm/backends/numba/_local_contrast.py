"""Local means and deviations of maps, image by image, so that each image is read from memory once.

Lines of pixels are stored in rows of whole vectors, padded with zeros by the radius of the window,
so that sums under the window need no case distinction.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    LANES,
    add_scaled,
    load,
    multiply,
    splat,
    store,
)
from sklearn_ebm.backends.numba._support import padded
from sklearn_ebm.backends.numpy._local_contrast import ROUNDINGS

SMALLEST_PIECE = 2**14  # numbers in the images of one thread


class Lines(NamedTuple):
    """The window, and buffers for the lines of one image, all of one dtype."""

    weights: Any  # (2 radius + 1,)
    before: Any  # (height, width up to whole vectors), factors of the pixels
    after: Any  # (height, width up to whole vectors), factors of the sums
    pixels: Any  # (height, radius + width up to whole vectors + radius), zeros at both ends
    across: Any  # (height, width up to whole vectors), sums over pixels of a line
    means: Any  # (height, width up to whole vectors), result


def new_lines(window, dtype, transposed=False):
    """Return buffers of one thread."""
    height, width = window.scale.shape
    whole, radius = padded(width), len(window.weights) // 2
    scale, ones = np.zeros((height, whole), dtype), np.ones((height, whole), dtype)
    scale[:, :width] = window.scale
    before, after = (scale, ones) if transposed else (ones, scale)
    return Lines(
        weights=np.array(window.weights, dtype),
        before=before,
        after=after,
        pixels=np.zeros((height, whole + 2 * radius), dtype),
        across=np.empty((height, whole), dtype),
        means=np.empty((height, whole), dtype),
    )


@inner
def _smooth(lines):
    """Smooth along lines, then along columns; entries beyond the width are undefined."""
    weights, pixels, across, means = lines.weights, lines.pixels, lines.across, lines.means
    height, whole = means.shape
    size = weights.shape[0]
    radius = size // 2
    zero = splat(weights.dtype.type(0))
    for i in range(height):
        for j in range(0, whole, LANES):
            lanes = zero
            for step in range(size):
                lanes = add_scaled(lanes, weights[step], load(pixels, (i, j + step)))
            store(across, (i, j), lanes)
    for i in range(height):
        first, last = max(0, radius - i), min(size, height + radius - i)
        for j in range(0, whole, LANES):
            lanes = zero
            for step in range(first, last):
                lanes = add_scaled(lanes, weights[step], load(across, (i + step - radius, j)))
            store(means, (i, j), multiply(lanes, load(lines.after, (i, j))))


@kernel
def smooth_images(values, lines, result):
    """Smooth images that are stored as rows of pixels."""
    height, radius = lines.means.shape[0], lines.weights.shape[0] // 2
    width = values.shape[1] // height
    for n in range(values.shape[0]):
        for i in range(height):
            for j in range(width):
                lines.pixels[i, radius + j] = lines.before[i, j] * values[n, i * width + j]
        _smooth(lines)
        for i in range(height):
            for j in range(width):
                result[n, i * width + j] = lines.means[i, j]


@inner
def _gather_means(maps, n, n_maps, width, lines):
    """Write the mean over the maps to the pixels."""
    radius = lines.weights.shape[0] // 2
    share = maps.dtype.type(1) / maps.dtype.type(n_maps)
    for i in range(lines.means.shape[0]):
        for j in range(width):
            first = (i * width + j) * n_maps
            total = maps.dtype.type(0)
            for k in range(n_maps):
                total += maps[n, first + k]
            lines.pixels[i, radius + j] = total * share


@inner
def _centre(maps, n, n_maps, width, lines, rounding, centred):
    """Compute v, and write the mean of its squares to the pixels."""
    radius = lines.weights.shape[0] // 2
    nothing = maps.dtype.type(0)
    share = maps.dtype.type(1) / maps.dtype.type(n_maps)
    for i in range(lines.means.shape[0]):
        for j in range(width):
            first = (i * width + j) * n_maps
            mean, total = lines.means[i, j], nothing
            for k in range(n_maps):
                value = maps[n, first + k] - mean
                centred[n, first + k] = value
                total += value * value
            square, least = total * share, rounding * mean
            lines.pixels[i, radius + j] = square if square > least * least else nothing


@inner
def _contrast_image(maps, n, n_maps, width, lines, rounding, centred, deviation):
    _gather_means(maps, n, n_maps, width, lines)
    _smooth(lines)
    _centre(maps, n, n_maps, width, lines, rounding, centred)
    _smooth(lines)
    for i in range(lines.means.shape[0]):
        for j in range(width):
            deviation[n, i * width + j] = np.sqrt(lines.means[i, j])


@kernel
def contrast_images(maps, centred, deviation, n_maps, width, lines, rounding):
    """Process images as rows of pixels; separate loops for one and for several maps."""
    for n in range(maps.shape[0]):
        if n_maps == 1:
            _contrast_image(maps, n, 1, width, lines, rounding, centred, deviation)
        elif n_maps == 3:
            _contrast_image(maps, n, 3, width, lines, rounding, centred, deviation)
        else:
            _contrast_image(maps, n, n_maps, width, lines, rounding, centred, deviation)


@inner
def _image_gain(deviation, n, width, gain):
    """Compute r of each pixel; return c."""
    height, one = gain.shape[0], deviation.dtype.type(1)
    total = 0.0  # sum over all pixels in double precision
    for i in range(height * width):
        total += deviation[n, i]
    floor = deviation.dtype.type(total / (height * width))
    for i in range(height):
        for j in range(width):
            sigma = deviation[n, i * width + j]
            larger = sigma if sigma > floor else floor
            gain[i, j] = one / larger if larger > 0 else larger
    return floor


@kernel
def scale_images(centred, deviation, n_maps, width, gain, result):
    """Process images as rows of pixels, and pixels of maps."""
    for n in range(centred.shape[0]):
        _image_gain(deviation, n, width, gain)
        for i in range(gain.shape[0]):
            for j in range(width):
                first = (i * width + j) * n_maps
                for k in range(n_maps):
                    result[n, first + k] = centred[n, first + k] * gain[i, j]


@inner
def _slopes_of_deviation(centred, deviation, dy, n, n_maps, width, lines, gain):
    """Compute dsigma / sigma of an image in two passes, smoothed by the transpose."""
    radius = lines.weights.shape[0] // 2
    floor = _image_gain(deviation, n, width, gain)
    shared = 0.0  # sum over all pixels in double precision
    for i in range(gain.shape[0]):
        for j in range(width):
            first = (i * width + j) * n_maps
            total = centred.dtype.type(0)
            for k in range(n_maps):
                total += centred[n, first + k] * dy[n, first + k]
            total *= -gain[i, j] * gain[i, j]
            own = deviation[n, i * width + j] > floor
            shared += 0.0 if own else total
            lines.pixels[i, radius + j] = total if own else centred.dtype.type(0)
    share = centred.dtype.type(shared / (gain.shape[0] * width))
    for i in range(gain.shape[0]):
        for j in range(width):
            sigma = deviation[n, i * width + j]
            slope = lines.before[i, j] * (lines.pixels[i, radius + j] + share)
            lines.pixels[i, radius + j] = slope / sigma if sigma > 0 else sigma
    _smooth(lines)


@inner
def _contrast_image_backward(centred, deviation, n, n_maps, width, scaled, lines, gain, dy, dx):
    radius = lines.weights.shape[0] // 2
    share = dx.dtype.type(1) / dx.dtype.type(n_maps)
    if scaled:
        _slopes_of_deviation(centred, deviation, dy, n, n_maps, width, lines, gain)
    for i in range(gain.shape[0]):
        for j in range(width):
            first = (i * width + j) * n_maps
            factor, weight = gain[i, j], lines.means[i, j] * share
            total = dx.dtype.type(0)
            for k in range(n_maps):
                slope = dy[n, first + k]
                if scaled:
                    slope = slope * factor + centred[n, first + k] * weight
                dx[n, first + k] = slope
                total += slope
            lines.pixels[i, radius + j] = lines.before[i, j] * total * share
    _smooth(lines)
    for i in range(gain.shape[0]):
        for j in range(width):
            first = (i * width + j) * n_maps
            for k in range(n_maps):
                dx[n, first + k] -= lines.means[i, j]


@kernel
def contrast_images_backward(centred, deviation, n_maps, width, scaled, lines, gain, dy, dx):
    """Differentiate `contrast_images`; `lines` are transposed."""
    for n in range(centred.shape[0]):
        if n_maps == 1:
            _contrast_image_backward(centred, deviation, n, 1, width, scaled, lines, gain, dy, dx)
        else:
            _contrast_image_backward(
                centred, deviation, n, n_maps, width, scaled, lines, gain, dy, dx
            )


def smooth_maps(values, window, transposed=False):
    """Smooth one image at a time; see `sklearn_ebm.backends.numpy.smooth_maps`."""
    if not isinstance(values, np.ndarray):
        return reference.smooth_maps(values, window, transposed)
    rows = _as_rows(values)
    result = np.empty_like(rows)

    def work(first, last):
        lines = new_lines(window, values.dtype, transposed)
        smooth_images(rows[first:last], lines, result[first:last])

    split_rows(work, len(rows), _smallest_piece(rows))
    return result.reshape(values.shape)


def local_contrast(maps, window, centred, deviation):
    """Process one image at a time; see `sklearn_ebm.backends.numpy.local_contrast`."""
    if not _is_in_rows(centred, deviation):
        return reference.local_contrast(maps, window, centred, deviation)
    n_samples, _, width, n_maps = maps.shape
    source, target, spread = (_as_rows(array) for array in (maps, centred, deviation))
    rounding = maps.dtype.type(ROUNDINGS * np.finfo(maps.dtype).eps)

    def work(first, last):
        lines = new_lines(window, maps.dtype)
        images = read_only(source[first:last])
        pieces = images, target[first:last], spread[first:last]
        contrast_images(*pieces, n_maps, width, lines, rounding)

    split_rows(work, n_samples, _smallest_piece(source))


def scale_contrast(centred, deviation, result):
    """Compute in a single pass; see `sklearn_ebm.backends.numpy.scale_contrast`."""
    if not _is_in_rows(centred, deviation, result):
        return reference.scale_contrast(centred, deviation, result)
    _, height, width, n_maps = centred.shape
    images = [_as_rows(array) for array in (centred, deviation, result)]

    def work(first, last):
        *inputs, target = (rows[first:last] for rows in images)
        source, spread = map(read_only, inputs)
        scale_images(source, spread, n_maps, width, np.empty((height, width), target.dtype), target)

    split_rows(work, len(centred), _smallest_piece(images[0]))
    return result


def local_contrast_backward(centred, deviation, window, scaled, dy, dx):
    """Process one image at a time; see `sklearn_ebm.backends.numpy.local_contrast_backward`."""
    if not _is_in_rows(centred, deviation, dx) or not isinstance(dy, np.ndarray):
        return reference.local_contrast_backward(centred, deviation, window, scaled, dy, dx)
    _, height, width, n_maps = centred.shape
    images = [_as_rows(array) for array in (centred, deviation, dy, dx)]

    def work(first, last):
        *inputs, target = (rows[first:last] for rows in images)
        source, spread, given = map(read_only, inputs)
        lines = new_lines(window, dx.dtype, transposed=True)
        room = lines, np.zeros((height, width), dx.dtype)
        contrast_images_backward(source, spread, n_maps, width, scaled, *room, given, target)

    split_rows(work, len(centred), _smallest_piece(images[0]))
    return dx


def _is_in_rows(*arrays):
    return all(isinstance(array, np.ndarray) and array.flags.c_contiguous for array in arrays)


def _as_rows(array):
    """Return one row per sample, without a copy if the array is contiguous."""
    return np.ascontiguousarray(array).reshape(len(array), math.prod(array.shape[1:]))


def _smallest_piece(rows):
    return max(1, SMALLEST_PIECE // rows.shape[1])
