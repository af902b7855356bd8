"""Moments of convolutional codes from their non-zero entries, and the sweep over filters."""

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from sklearn_ebm.backends._namespace import read_only
from sklearn_ebm.backends._random import LANES
from sklearn_ebm.backends.numba._launcher import split_rows
from sklearn_ebm.backends.numba._layouts import any_layout
from sklearn_ebm.backends.numba._rules import inner, kernel
from sklearn_ebm.backends.numba._simd import (
    add_scaled,
    lanes_that_are_on,
    load_first,
    lowest_bit,
    splat,
    store_first,
)
from sklearn_ebm.backends.numba._tiles import source
from sklearn_ebm.backends.numpy._convolutional_moments import SMALLEST_USE, of_all_shifts

MANY_CHANNELS = 4  # number of channels above which BLAS is faster despite the copy of its operands
BLOCK = 16  # filters whose slopes are computed by one product


@kernel
def _list_maps(maps, n, stop, column, component, value):
    """List the non-zero entries in each row of the maps of an image, from left to right."""
    size = 0
    for y in range(maps.shape[1]):
        for x in range(maps.shape[2]):
            for k in range(0, maps.shape[3], LANES):
                count = min(LANES, maps.shape[3] - k)
                bits = lanes_that_are_on(load_first(maps, (n, y, x, k), count))
                while bits:
                    which = k + np.int64(lowest_bit(bits))
                    bits &= bits - np.uint64(1)
                    column[size], component[size] = x, which
                    value[size] = maps[n, y, x, which]
                    size += 1
        stop[y] = size


@inner
def _add_pairs(entry, others, bounds, shift, moment, row):
    """Add the products of one entry and the entries of a row of maps within reach."""
    x, k, amount = entry
    column, component, value = others
    first, last = bounds
    reach = moment.shape[3] // 2
    for e in range(first, last):
        distance = column[e] + shift - x
        if distance > reach:
            return
        if distance >= -reach:
            moment[k, component[e], row, distance + reach] += amount * value[e]


@inner
def _first_within(column, first, last, place):
    """Return the first entry of a row at or beyond a position."""
    while first < last:
        middle = (first + last) // 2
        if column[middle] < place:
            first = middle + 1
        else:
            last = middle
    return first


@kernel
def _add_code_moment(left, left_stop, right, right_stop, width, circular, moment, shifts):
    n_rows = left_stop.shape[0]
    tall, wide = moment.shape[2] // 2, moment.shape[3] // 2
    start = 0
    for y in range(n_rows):
        for e in range(start, left_stop[y]):
            x = left[0][e]
            entry = x, left[1][e], left[2][e]
            for i in range(shifts[0] - tall, shifts[1] - tall):
                other = source(y + i, n_rows, circular)
                if other < 0:
                    continue
                first = right_stop[other - 1] if other > 0 else 0
                last = right_stop[other]
                near = _first_within(right[0], first, last, x - wide)
                _add_pairs(entry, right, (near, last), 0, moment, i + tall)
                if circular:
                    if x + wide >= width:
                        _add_pairs(entry, right, (first, last), width, moment, i + tall)
                    if x - wide < 0:
                        near = _first_within(right[0], first, last, x - wide + width)
                        _add_pairs(entry, right, (near, last), -width, moment, i + tall)
        start = left_stop[y]


def _listed(maps, n):
    size = int(np.count_nonzero(maps[n]))
    column, component = np.empty((2, size), np.int64)
    value, stop = np.empty(size, maps.dtype), np.empty(maps.shape[1], np.int64)
    _list_maps(maps, n, stop, column, component, value)
    return (column, component, value), stop


def add_code_moment(left, right, circular, moment):
    """Sum over pairs of non-zeros; see `sklearn_ebm.backends.numpy.add_code_moment`."""
    lists = [_listed(left, n) for n in range(len(left))]
    other_lists = lists if right is left else [_listed(right, n) for n in range(len(right))]

    def work(first, last):
        """Add the moments of a range of row shifts; threads write to disjoint ranges."""
        for (entries, stop), (others, other_stop) in zip(lists, other_lists, strict=True):
            _add_code_moment(
                entries, stop, others, other_stop, left.shape[2], circular, moment, (first, last)
            )

    split_rows(work, moment.shape[2], 1)
    return moment


@kernel
def bound_of_curvature(code_moment, k):
    """Return a bound of the curvature along one filter."""
    curvature = abs(code_moment[k, k, 0, 0])
    for i in range(code_moment.shape[2]):
        for j in range(code_moment.shape[3]):
            if i + j > 0:
                curvature += abs(code_moment[k, k, i, j])
    return curvature


@inner
def _explain(kernels, code_moment, k, slope):
    """Compute slope[c, u] = sum over m and v of A_km[u - v] d_m[v]."""
    _, height, width, n_channels = kernels.shape
    for c in range(n_channels):
        for row in range(0, height, 4):
            for u in range(0, width, LANES):
                _explain_rows(kernels, code_moment, k, c, (row, u), slope)


@inner
def _explain_rows(kernels, code_moment, k, c, corner, slope):
    """Compute four rows of `slope` in registers; rows beyond the last one repeat it."""
    n_components, height, width, _ = kernels.shape
    row, u = corner
    count = min(LANES, width - u)
    zero = splat(kernels[0, 0, 0, 0] - kernels[0, 0, 0, 0])
    first, second, third, fourth = zero, zero, zero, zero
    bottom = 2 * height - 2
    for m in range(n_components):
        for i in range(height):
            at = row - i + height - 1
            for j in range(width):
                weight, near = kernels[m, i, j, c], u + width - 1 - j
                first = add_scaled(first, weight, load_first(
                    code_moment, (k, m, at, near), count))  # fmt: skip
                second = add_scaled(second, weight, load_first(
                    code_moment, (k, m, min(at + 1, bottom), near), count))  # fmt: skip
                third = add_scaled(third, weight, load_first(
                    code_moment, (k, m, min(at + 2, bottom), near), count))  # fmt: skip
                fourth = add_scaled(fourth, weight, load_first(
                    code_moment, (k, m, min(at + 3, bottom), near), count))  # fmt: skip
    for r, total in enumerate((first, second, third, fourth)):
        if row + r < height:
            store_first(slope, (c, row + r, u), total, count)


@kernel
def _move(kernels, k, slope, cross_moment, curvature, table):
    """Update a filter, and scale it to norm one."""
    _, height, width, n_channels = kernels.shape
    square = curvature - curvature
    for i in range(height):
        for j in range(width):
            for c in range(n_channels):
                step = (cross_moment[k, i, j, c] - slope[c, i, j]) / curvature
                slope[c, i, j] = kernels[k, i, j, c] + step * table[k, c]
                square += slope[c, i, j] * slope[c, i, j]
    norm = math.sqrt(square)
    if norm > 0:
        for i in range(height):
            for j in range(width):
                for c in range(n_channels):
                    kernels[k, i, j, c] = slope[c, i, j] / norm


@kernel
def _sweep(kernels, code_moment, cross_moment, slope, floor, table):
    for k in range(kernels.shape[0]):
        curvature = bound_of_curvature(code_moment, k)
        if curvature > floor:
            _explain(kernels, code_moment, k, slope)
            _move(kernels, k, slope, cross_moment, curvature, table)


def _sweep_by_products(kernels, code_moment, cross_moment, floor, table):
    """Make the sweep with matrix products for the sums over other filters.

    The moments of a filter are treated as an image with one channel for each other filter. Its
    windows, copied to rows, are multiplied with all flipped filters.
    """
    n_components, height, width, n_channels = kernels.shape
    moments = np.ascontiguousarray(code_moment.transpose(0, 2, 3, 1))
    turned = np.ascontiguousarray(kernels[:, ::-1, ::-1].transpose(1, 2, 0, 3))
    columns, aligned = turned.reshape(-1, n_channels), turned[::-1, ::-1]
    windows = np.empty((height, width, height, width, n_components), kernels.dtype)
    _, down, across, _ = moments.strides
    steps = down, across, down, across, moments.itemsize
    for k in range(n_components):
        curvature = bound_of_curvature(code_moment, k)
        if curvature > floor:
            windows[...] = as_strided(moments[k], windows.shape, steps)
            explained = windows.reshape(height * width, -1) @ columns
            slope = explained.reshape(height, width, n_channels).transpose(2, 0, 1)
            _move(kernels, k, any_layout(slope), cross_moment, curvature, table)
            aligned[:, :, k] = kernels[k]


def _sweep_of_one_position(kernels, code_moment, cross_moment, floor, table):
    """Make the sweep for maps with one position, for which there are no shifted filters.

    The slopes of a block of filters are computed by one product, and corrected after each update.
    """
    atoms, moment = kernels.reshape(len(kernels), -1).copy(), code_moment[:, :, 0, 0]
    for first in range(0, len(kernels), BLOCK):
        block = slice(first, first + BLOCK)
        explained = moment[block] @ atoms
        for k in range(first, first + len(explained)):
            curvature = abs(moment[k, k])
            if curvature > floor:
                slope = explained[k - first].reshape(kernels.shape[1:]).transpose(2, 0, 1)
                _move(kernels, k, any_layout(slope), cross_moment, curvature, table)
                moved = kernels[k].reshape(-1)
                explained += np.outer(moment[block, k], moved - atoms[k])
                atoms[k] = moved


def update_kernels(kernels, code_moment, cross_moment, table=None):
    """Fused sweep; see `sklearn_ebm.backends.numpy.update_kernels`."""
    floor = kernels.dtype.type(SMALLEST_USE * np.abs(code_moment).max())
    n_components, height, width, n_channels = kernels.shape
    if table is None:
        table = np.ones((n_components, n_channels))
    table = read_only(np.asarray(table, kernels.dtype))
    cross_moment = read_only(cross_moment)
    if code_moment.shape[2:] == (1, 1):
        _sweep_of_one_position(kernels, code_moment, cross_moment, floor, table)
        return
    code_moment = read_only(of_all_shifts(code_moment, (height, width)))
    if n_channels >= MANY_CHANNELS:
        _sweep_by_products(kernels, code_moment, cross_moment, floor, table)
    else:
        slope = np.empty((n_channels, height, width), kernels.dtype)
        _sweep(kernels, code_moment, cross_moment, slope, floor, table)
