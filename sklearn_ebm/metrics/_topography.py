"""Topographic order: smoothness of a property of units on a two-dimensional map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.utils import check_array, check_scalar

from sklearn_ebm._typing import ArrayLike
from sklearn_ebm.backends import to_host


class TopographicOrder(NamedTuple):
    """Mean differences of a property between units.

    Attributes
    ----------
    adjacent : float
        Mean difference between horizontally or vertically adjacent units.
    all_pairs : float
        Mean difference between all pairs of units, regardless of their positions.
    ratio : float
        `adjacent / all_pairs`: near 0 for a smooth map, and about 1 for units in random order.
    """

    adjacent: float
    all_pairs: float
    ratio: float


def topographic_order(
    values: ArrayLike,
    map_shape: Sequence[int],
    *,
    period: float | None = None,
    torus: bool = True,
    valid: ArrayLike | None = None,
) -> TopographicOrder:
    """Compare the differences of a property between adjacent units and between all units of a map.

    A map is ordered by a property if the mean absolute difference between adjacent units is much
    smaller than the mean absolute difference between all pairs of units. For a property with
    several columns, such as a position, the Euclidean distance is used.

    Parameters
    ----------
    values : array-like of shape (n_units,) or (n_units, n_columns)
        Property of each unit. Units are numbered row by row on the map.

    map_shape : tuple (n_rows, n_columns)
        Shape of the map; the product is n_units.

    period : float, default=None
        Period of a cyclic property, for instance pi for the orientation of an edge in radians.
        Differences are then at most period / 2. None means that the property is not cyclic.

    torus : bool, default=True
        Whether the last row is adjacent to the first, and the last column to the first.

    valid : array-like of shape (n_units,), bool, default=None
        True for units that are used. The values of other units are ignored and may be NaN. None
        uses all units.

    Returns
    -------
    TopographicOrder
        A named tuple of floats:

        adjacent
            Mean difference between horizontally or vertically adjacent units.
        all_pairs
            Mean difference between all pairs of units, regardless of their positions.
        ratio
            `adjacent / all_pairs`: near 0 for a smooth map, 1 on average for units in random order.

    Raises
    ------
    ValueError
        If the number of values or flags differs from the number of places on the map, no two valid
        units are adjacent, or all valid values are equal.

    References
    ----------
    A. Hyvärinen, P. O. Hoyer, M. Inki (2001). Topographic independent component analysis. Neural
    Computation 13, 1527-1558: maps of orientation, frequency and position.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.metrics import topographic_order
    >>> orientation = np.repeat(np.pi * np.arange(8) / 8, 8)  # turns once from top to bottom
    >>> topographic_order(orientation, (8, 8), period=np.pi).ratio
    0.246
    >>> shuffled = np.random.default_rng(0).permutation(orientation)
    >>> topographic_order(shuffled, (8, 8), period=np.pi).ratio
    1.0
    """
    shape = _checked_shape(map_shape)
    values, valid = _checked_units(values, valid, shape)
    _check_period(period, values)
    one, other = _adjacent_units(shape, torus)
    counted = valid[one] & valid[other]
    if not counted.any():
        raise ValueError("valid must contain at least two adjacent units, got none.")
    between = np.linalg.norm(values[one[counted]] - values[other[counted]], axis=1)
    adjacent = _round_a_period(between, period).mean()
    all_pairs = _round_a_period(pdist(values[valid]), period).mean()
    if all_pairs == 0:
        raise ValueError("values must differ between valid units, got the same values for all.")
    return TopographicOrder(float(adjacent), float(all_pairs), float(adjacent / all_pairs))


def _checked_shape(map_shape):
    if not np.iterable(map_shape) or len(map_shape) != 2:
        raise ValueError(f"map_shape must be a pair (n_rows, n_columns), got {map_shape!r}.")
    for length in map_shape:
        check_scalar(length, "map_shape", Integral, min_val=1)
    return tuple(map(int, map_shape))


def _checked_units(values, valid, shape):
    """Return the values as float64 rows, and which of them are valid. Invalid values may be NaN."""
    values = np.asarray(to_host(values), dtype=np.float64)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    n_units = math.prod(shape)
    valid = np.ones(n_units, dtype=bool) if valid is None else to_host(valid)
    if valid.dtype != bool:
        raise ValueError(f"valid must be a boolean array, got dtype {valid.dtype}.")
    for name, array in (("values", values), ("valid", valid)):
        if array.shape[:1] != (n_units,):
            raise ValueError(
                f"{name} has shape {array.shape}, but map_shape={shape} has {n_units} units."
            )
    check_array(values[valid], ensure_min_samples=2, input_name="values")
    return values, valid


def _check_period(period, values):
    if period is None:
        return
    check_scalar(period, "period", Real, min_val=0, include_boundaries="neither")
    if values.shape[1] > 1:
        raise ValueError(f"values must have one column if period is given, got {values.shape[1]}.")


def _adjacent_units(shape, torus):
    """Return two arrays of units, which contain each pair of adjacent units once."""
    units = np.arange(math.prod(shape)).reshape(shape)
    pairs = []
    for axis, length in enumerate(shape):
        # With two rows, wrapping around would repeat pairs; with one, a row would adjoin itself.
        n_pairs = length if torus and length > 2 else length - 1
        both = np.stack([units, np.roll(units, -1, axis)])
        pairs.append(both.take(range(n_pairs), axis + 1).reshape(2, -1))
    return np.concatenate(pairs, axis=1)


def _round_a_period(difference, period):
    """Return the shorter difference of cyclic values; other differences do not change."""
    if period is None:
        return difference
    difference = difference % period
    return np.minimum(difference, period - difference)
