"""The sweep over filters of rank one, on their waveforms and channel patterns.

The moments of a filter are convolved with one waveform for each other filter, at a cost that does
not depend on the number of channels.
"""

import math

import numpy as np

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends.numba._convolutional_moments import bound_of_curvature
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numpy._convolutional_moments import SMALLEST_USE

ROUNDS = 500  # power iterations converge slowly if two singular values are almost equal
STILL = 10.0  # squared change of the pattern, in units of eps**2, at which they end


@inner
def _explain(waveforms, code_moment, k, explained):
    """Compute explained[m, u] = sum over v of A_km[u - v] w_m[v]."""
    n_components, height, width = waveforms.shape
    tall, wide = code_moment.shape[2] // 2, code_moment.shape[3] // 2
    explained[...] = 0
    for m in range(n_components):
        for i in range(-tall, tall + 1):
            for j in range(-wide, wide + 1):
                amount = code_moment[k, m, i + tall, j + wide]
                if amount == 0:
                    continue
                first, last = max(0, j), min(width, width + j)
                for row in range(max(0, i), min(height, height + i)):
                    place = explained[m, row, first:last]
                    shifted = waveforms[m, row - i, first - j : last - j]
                    for u in range(last - first):
                        place[u] += amount * shifted[u]


@inner
def _step(waveforms, patterns, k, explained, cross_moment, curvature, table, moved):
    """Compute the filter after a step along the gradient, which may have any rank."""
    n_components, n_pixels = waveforms.shape
    for u in range(n_pixels):
        for c in range(patterns.shape[1]):
            moved[u, c] = cross_moment[k, u, c]
        for m in range(n_components):
            for c in range(patterns.shape[1]):
                moved[u, c] -= explained[m, u] * patterns[m, c]
        for c in range(patterns.shape[1]):
            step = moved[u, c] / curvature * table[k, c]
            moved[u, c] = waveforms[k, u] * patterns[k, c] + step


@inner
def _multiply(moved, pattern, waveform):
    """Compute the waveform `moved @ pattern`."""
    for u in range(moved.shape[0]):
        total = pattern[0] - pattern[0]
        for c in range(moved.shape[1]):
            total += moved[u, c] * pattern[c]
        waveform[u] = total


@inner
def _multiply_transposed(moved, waveform, pattern):
    """Compute the pattern `waveform @ moved`."""
    pattern[...] = 0
    for u in range(moved.shape[0]):
        for c in range(moved.shape[1]):
            pattern[c] += moved[u, c] * waveform[u]


@inner
def _normalize(vector):
    """Scale a vector to norm one. Return False if it is zero."""
    square = vector[0] - vector[0]
    for t in range(vector.shape[0]):
        square += vector[t] * vector[t]
    norm = math.sqrt(square)
    if not norm > 0:
        return False
    for t in range(vector.shape[0]):
        vector[t] /= norm
    return True


@inner
def _approximate(moved, waveforms, patterns, k, still, waveform, pattern):
    """Replace a waveform and a pattern by the leading singular vectors of the moved filter.

    Power iterations start from the previous pattern. Each reduces the distance from the moved
    filter, so that the error does not increase however early they end.
    """
    for _ in range(ROUNDS):
        _multiply(moved, patterns[k], waveform)
        if not _normalize(waveform):
            return
        _multiply_transposed(moved, waveform, pattern)
        if not _normalize(pattern):
            return
        change = pattern[0] - pattern[0]
        for c in range(pattern.shape[0]):
            change += (pattern[c] - patterns[k, c]) ** 2
            patterns[k, c] = pattern[c]
        for u in range(waveform.shape[0]):
            waveforms[k, u] = waveform[u]
        if change <= still:
            return


@kernel
def _sweep(waveforms, rows, patterns, code_moment, cross_moment, limits, table, rooms):
    """Update the waveforms and patterns. `rows` is a view of `waveforms` with a row for each."""
    (floor, still), (explained, explained_rows, moved, waveform, pattern) = limits, rooms
    for k in range(waveforms.shape[0]):
        curvature = bound_of_curvature(code_moment, k)
        if curvature > floor:
            _explain(waveforms, code_moment, k, explained)
            _step(rows, patterns, k, explained_rows, cross_moment, curvature, table, moved)
            _approximate(moved, rows, patterns, k, still, waveform, pattern)


def _factors(kernels):
    """Return waveforms (n_components, n_pixels) and patterns of filters of rank one."""
    rows = kernels.reshape(len(kernels), -1, kernels.shape[3])
    place = np.argmax(np.vecdot(rows, rows), axis=1)
    patterns = rows[np.arange(len(rows)), place]
    patterns = patterns / np.linalg.norm(patterns, axis=1, keepdims=True)
    return np.ascontiguousarray((rows @ patterns[:, :, None])[:, :, 0]), patterns


def update_rank_one_kernels(kernels, code_moment, cross_moment, table=None):
    """Sweep over waveforms; see `sklearn_ebm.backends.numpy.update_rank_one_kernels`."""
    dtype, shape, n_channels = kernels.dtype, kernels.shape[:3], kernels.shape[3]
    floor = dtype.type(SMALLEST_USE * np.abs(code_moment).max())
    still = dtype.type(STILL * np.finfo(dtype).eps ** 2)
    table = np.ones((shape[0], n_channels)) if table is None else table
    rows, patterns = _factors(kernels)
    explained, moved = np.empty_like(rows), np.empty((rows.shape[1], n_channels), dtype)
    rooms = explained.reshape(shape), explained, moved, np.empty_like(rows[0]), moved[0].copy()
    _sweep(
        rows.reshape(shape), rows, patterns, read_only(np.ascontiguousarray(code_moment)),
        read_only(cross_moment.reshape(shape[0], *moved.shape)),
        (floor, still), read_only(np.asarray(table, dtype)), rooms,
    )  # fmt: skip
    kernels[...] = (rows[:, :, None] * patterns[:, None, :]).reshape(kernels.shape)
