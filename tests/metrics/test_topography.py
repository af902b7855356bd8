"""The order of a map compared with loops over its units, and for maps with known order."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_ebm.metrics import topographic_order

SHAPE = (4, 5)


@pytest.fixture
def values():
    return np.random.default_rng(0).uniform(-7, 7, 20)  # several periods of pi


def distance(one, other, period=None):
    """Return the shortest distance over all periods."""
    if period is None:
        return np.linalg.norm(one - other)
    return min(abs(one - other + turns * period) for turns in range(-9, 10))


def adjacent_pairs(shape, torus):
    """Return the unordered pairs of adjacent units of the grid, by sets."""
    n_rows, n_columns = shape
    pairs = set()
    for row in range(n_rows):
        for column in range(n_columns):
            for down, right in ((row + 1, column), (row, column + 1)):
                if torus or (down < n_rows and right < n_columns):
                    neighbour = (down % n_rows) * n_columns + right % n_columns
                    pairs.add(frozenset([row * n_columns + column, neighbour]))
    return [tuple(pair) for pair in pairs if len(pair) == 2]


def by_loops(values, shape, torus, period=None, valid=None):
    kept = set(range(len(values)) if valid is None else np.flatnonzero(valid).tolist())
    adjacent, every = (
        np.mean([distance(values[i], values[j], period) for i, j in pairs if {i, j} <= kept])
        for pairs in (adjacent_pairs(shape, torus), combinations(range(len(values)), 2))
    )
    return adjacent, every, adjacent / every


@pytest.mark.parametrize("torus", [True, False], ids=["torus", "sheet"])
@pytest.mark.parametrize("period", [None, np.pi], ids=["line", "circle"])
@pytest.mark.parametrize("shape", [(4, 5), (5, 4), (2, 10), (1, 20), (20, 1)])
def test_order_is_the_mean_over_adjacent_and_over_all_pairs(values, shape, period, torus):
    order = topographic_order(values, shape, period=period, torus=torus)
    assert_allclose(order, by_loops(values, shape, torus, period), rtol=1e-12)
    assert order == (order.adjacent, order.all_pairs, order.ratio)


def test_positions_differ_by_their_euclidean_distance(values):
    positions = np.column_stack([values, values[::-1] ** 2])
    expected = by_loops(positions, SHAPE, torus=True)
    assert_allclose(topographic_order(positions, SHAPE), expected, rtol=1e-12)
    turned = positions @ [[0.6, -0.8], [0.8, 0.6]]
    assert_allclose(topographic_order(turned, SHAPE), expected, rtol=1e-12)


def test_units_without_a_value_are_left_out_of_all_pairs(values):
    valid = np.random.default_rng(1).random(20) < 0.7
    masked = np.where(valid, values, np.nan)
    order = topographic_order(masked, SHAPE, period=np.pi, valid=valid)
    assert_allclose(order, by_loops(values, SHAPE, True, np.pi, valid), rtol=1e-12)


def test_a_smooth_map_is_ordered_and_a_shuffled_one_is_not():
    """Orientations that turn by pi over 32 columns differ by pi / 32 or are equal.

    All pairs differ by pi / 4 on average, except pairs of a unit with itself: 1 in 1024.
    """
    orientation = np.tile(np.pi * np.arange(32) / 32, 32)
    smooth = topographic_order(orientation, (32, 32), period=np.pi)
    assert_allclose(smooth.adjacent, np.pi / 64, rtol=1e-12)
    assert_allclose(smooth.all_pairs, np.pi / 4 * 1024 / 1023, rtol=1e-12)
    assert smooth.ratio == smooth.adjacent / smooth.all_pairs
    shuffled = np.random.default_rng(0).permutation(orientation)
    # 2048 pairs, whose differences have a deviation of 0.58 of their mean: five standard errors
    ratio = topographic_order(shuffled, (32, 32), period=np.pi).ratio
    assert abs(ratio - 1) < 5 * 0.58 / np.sqrt(2048)


def test_the_ratio_is_one_on_average_over_all_orders(values):
    random = np.random.default_rng(0)
    ratios = [topographic_order(random.permutation(values), SHAPE).ratio for _ in range(2000)]
    assert abs(np.mean(ratios) - 1) < 5 * np.std(ratios) / np.sqrt(2000)


def test_on_a_torus_the_map_may_be_rolled_and_on_a_sheet_it_may_not(values):
    rolled = np.roll(values.reshape(SHAPE), (1, 2), axis=(0, 1)).ravel()
    expected = topographic_order(values, SHAPE)
    assert_allclose(topographic_order(rolled, SHAPE), expected, rtol=1e-12)
    sheet = topographic_order(values, SHAPE, torus=False)
    assert topographic_order(rolled, SHAPE, torus=False).adjacent != pytest.approx(sheet.adjacent)


def test_a_difference_goes_the_shorter_way_round():
    nearly_a_turn = topographic_order([0.1, 3.0], (1, 2), period=np.pi)
    assert_allclose(nearly_a_turn.adjacent, np.pi - 2.9, rtol=1e-12)
    farthest = topographic_order([0.0, 7 * np.pi / 2], (2, 1), period=np.pi)
    assert_allclose(farthest.adjacent, np.pi / 2, rtol=1e-12)


def test_values_move_by_whole_periods_without_effect(values):
    turns = np.random.default_rng(1).integers(-3, 4, 20)
    expected = topographic_order(values, SHAPE, period=np.pi)
    turned = topographic_order(values + np.pi * turns, SHAPE, period=np.pi)
    assert_allclose(turned, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"map_shape": (4, 4)}, r"values has shape \(20, 1\), but map_shape=\(4, 4\) has 16 units"),
        ({"map_shape": 20}, "map_shape must be a pair"),
        ({"map_shape": (4, 5, 1)}, "map_shape must be a pair"),
        ({"map_shape": (-4, -5)}, "map_shape == -4, must be >= 1"),
        ({"valid": np.ones(19, dtype=bool)}, r"valid has shape \(19,\)"),
        ({"valid": np.arange(20)}, "valid must be a boolean array, got dtype int64"),
        ({"valid": np.arange(20) == 3}, r"1 sample\(s\).*minimum of 2 is required"),
        (
            {"valid": np.isin(np.arange(20), [0, 7])},
            "valid must contain at least two adjacent units",
        ),
        ({"period": 0}, "period == 0, must be > 0"),
        (
            {"period": np.pi, "values": np.zeros((20, 2))},
            "values must have one column if period is given, got 2",
        ),
        ({"values": np.zeros(20)}, "values must differ between valid units"),
        ({"values": np.full(20, np.nan)}, "values contains NaN"),
        ({"values": np.zeros((20, 2, 2))}, "Found array with dim 3"),
    ],
)
def test_invalid_maps_are_refused(values, changed, message):
    with pytest.raises(ValueError, match=message):
        topographic_order(**({"values": values, "map_shape": SHAPE} | changed))


def test_lengths_of_a_map_are_whole_numbers(values):
    with pytest.raises(TypeError, match="map_shape must be an instance of int"):
        topographic_order(values, (2.5, 8))
