"""Two-dimensional maps of units: smoothness of a property, and pinwheels of orientation.

The winding of a map of orientations around a plaquette, that is the square between four adjacent
units, is the sum of the differences of twice the orientation along its four sides, each of them
taken the shorter way, divided by 2 pi. It is an integer, and not zero at a pinwheel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.utils import check_array, check_scalar

from sklearn_ebm._typing import Array, ArrayLike
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

    See Also
    --------
    pinwheels : Points of a map around which the orientation turns.

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


class Pinwheels(NamedTuple):
    """Points of a map around which the orientation turns by half a turn.

    Attributes
    ----------
    positions : ndarray of shape (n_pinwheels, 2)
        Row and column of each pinwheel, in the middle of four units.
    signs : ndarray of shape (n_pinwheels,)
        1/2 if the orientation turns counter-clockwise on a counter-clockwise path around the
        pinwheel, and -1/2 if it turns clockwise.
    """

    positions: Array
    signs: Array


def pinwheels(
    orientation: ArrayLike,
    map_shape: Sequence[int],
    *,
    torus: bool = True,
    valid: ArrayLike | None = None,
) -> Pinwheels:
    """Find the pinwheels of a map of orientations.

    On a smooth map, orientations change continuously except at pinwheels. All orientations meet at
    a pinwheel, and the orientation turns by half a turn on a path around it. The map is searched
    for them by the winding of twice the orientation around each square of four adjacent units. A
    smooth map has fewer pinwheels than a map with the same orientations in random order, on which
    one of three squares is a pinwheel on average.

    Parameters
    ----------
    orientation : array-like of shape (n_units,)
        Orientation of each unit in radians, with period pi. Units are numbered row by row on the
        map.

    map_shape : tuple (n_rows, n_columns)
        Shape of the map; the product is n_units.

    torus : bool, default=True
        Whether the last row is adjacent to the first, and the last column to the first.

    valid : array-like of shape (n_units,), bool, default=None
        True for units that are used. The orientations of other units are ignored and may be NaN,
        and squares that contain them are left out. None uses all units.

    Returns
    -------
    Pinwheels
        A named tuple of arrays:

        positions
            Row and column of each pinwheel, of shape (n_pinwheels, 2). (0.5, 0.5) is the middle of
            the first two units of the first two rows. On a torus, n_rows - 0.5 is between the last
            row and the first.
        signs
            Sign of each pinwheel, of shape (n_pinwheels,): 1/2 if the orientation turns
            counter-clockwise on a counter-clockwise path around the pinwheel, and -1/2 if it turns
            clockwise, with the first row at the top. The signs of all pinwheels on a torus add up
            to zero if all units are valid.

    Raises
    ------
    ValueError
        If the number of orientations or flags differs from the number of places on the map, or the
        orientation of a valid unit is NaN or infinite.

    See Also
    --------
    topographic_order : Measure of the order of a property on a map.
    sklearn_ebm.inspection.OrientationMapDisplay : Display of orientations and pinwheels.

    References
    ----------
    K. Obermayer, G. G. Blasdel (1993). Geometry of orientation and ocular dominance columns in
    monkey striate cortex. Journal of Neuroscience 13, 4114-4129.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.metrics import pinwheels
    >>> rows, columns = np.indices((6, 6))
    >>> angle = np.arctan2(1.5 - rows, columns - 3.5)  # counter-clockwise, seen from (1.5, 3.5)
    >>> positions, signs = pinwheels((angle / 2).ravel(), (6, 6), torus=False)
    >>> print(positions, signs)
    [[1.5 3.5]] [0.5]
    """
    shape = _checked_shape(map_shape)
    orientation, valid = _checked_units(orientation, valid, shape, "orientation", 0)
    if orientation.shape[1] != 1:
        raise ValueError(
            f"orientation must have one value per unit, got {orientation.shape[1]} values."
        )
    half_turns = np.where(valid, orientation[:, 0] / np.pi % 1, np.nan).reshape(shape)
    winding = _windings(half_turns)
    winding = winding if torus else winding[:-1, :-1]
    rows, columns = np.nonzero(np.nan_to_num(winding))
    return Pinwheels(np.stack([rows, columns], axis=1) + 0.5, winding[rows, columns] / 2)


def _windings(half_turns):
    """Return the winding around each square of units; NaN if one of its units is NaN.

    The path goes down, right, up and left. Adjacent squares use the same difference with opposite
    signs, so that the sum over a torus is zero even for differences of exactly half a period.
    """
    down, right = (_shorter(np.roll(half_turns, -1, axis) - half_turns) for axis in (0, 1))
    return np.rint(down + np.roll(right, -1, axis=0) - np.roll(down, -1, axis=1) - right)


def _shorter(difference):
    """Return the equivalent difference from -1/2 to 1/2 of values with period one."""
    return difference - np.rint(difference)


def _checked_shape(map_shape):
    if not np.iterable(map_shape) or len(map_shape) != 2:
        raise ValueError(f"map_shape must be a pair (n_rows, n_columns), got {map_shape!r}.")
    for length in map_shape:
        check_scalar(length, "map_shape", Integral, min_val=1)
    return tuple(map(int, map_shape))


def _checked_units(values, valid, shape, name="values", least=2):
    """Return the values as float64 rows, and which of them are valid. Invalid values may be NaN."""
    values = np.asarray(to_host(values), dtype=np.float64)
    values = values[:, np.newaxis] if values.ndim == 1 else values
    n_units = math.prod(shape)
    valid = np.ones(n_units, dtype=bool) if valid is None else to_host(valid)
    if valid.dtype != bool:
        raise ValueError(f"valid must be a boolean array, got dtype {valid.dtype}.")
    for each, array in ((name, values), ("valid", valid)):
        if array.shape[:1] != (n_units,):
            raise ValueError(
                f"{each} has shape {array.shape}, but map_shape={shape} has {n_units} units."
            )
    check_array(values[valid], ensure_min_samples=least, input_name=name)
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
