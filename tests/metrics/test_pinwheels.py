"""Pinwheels compared with a loop over paths of units, and on maps with known pinwheels."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.inspection import fit_gabor
from sklearn_ebm.metrics import pinwheels

SHAPE = (5, 7)
PATH = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]  # counter-clockwise, with the first row at the top


@pytest.fixture
def orientation():
    return np.random.default_rng(0).uniform(-7, 7, 35)  # several periods of pi


def by_loops(orientation, shape, torus, valid=None):
    """Return position -> sign, from the angles of the double orientations along each path."""
    n_rows, n_columns = shape
    pointer = np.exp(2j * np.asarray(orientation)).reshape(shape)
    valid = np.ones(shape, bool) if valid is None else valid.reshape(shape)
    found = {}
    for row in range(n_rows if torus else n_rows - 1):
        for column in range(n_columns if torus else n_columns - 1):
            path = [((row + i) % n_rows, (column + j) % n_columns) for i, j in PATH]
            steps = [np.angle(pointer[b] / pointer[a]) for a, b in pairwise(path)]
            winding = round(sum(steps) / (2 * np.pi))
            if winding and all(valid[unit] for unit in path):
                found[row + 0.5, column + 0.5] = winding / 2
    return found


def as_dict(found):
    return {tuple(map(float, at)): float(sign) for at, sign in zip(*found, strict=True)}


def around(centres, shape):
    """Return orientations with a pinwheel of each sign at its centre, far from the border."""
    rows, columns = np.indices(shape)
    angle = sum(
        sign * np.arctan2(row - rows, columns - column) for (row, column), sign in centres.items()
    )
    return angle.ravel()


@pytest.mark.parametrize("torus", [True, False], ids=["torus", "sheet"])
@pytest.mark.parametrize("shape", [(5, 7), (7, 5), (1, 35), (35, 1), (2, 3), (2, 2)])
def test_pinwheels_are_where_the_double_orientation_turns(shape, torus):
    for seed in range(10):
        orientation = np.random.default_rng(seed).uniform(-7, 7, shape[0] * shape[1])
        expected = by_loops(orientation, shape, torus)
        assert as_dict(pinwheels(orientation, shape, torus=torus)) == expected


def test_signs_on_a_torus_add_up_to_zero():
    for seed in range(50):
        random = np.random.default_rng(seed)
        shape = random.integers(1, 9, 2)
        size = int(np.prod(shape))
        # many differences between quarters of the period are exactly half a period
        quarters = random.integers(0, 4, size) * np.pi / 4
        for orientation in (random.uniform(0, np.pi, size), quarters):
            if size > 1:
                assert pinwheels(orientation, shape).signs.sum() == 0


def test_the_pinwheels_of_a_map_are_found_at_their_places_with_their_signs():
    centres = {(2.5, 3.5): 0.5, (7.5, 2.5): -0.5, (5.5, 9.5): -0.5, (10.5, 10.5): 0.5}
    found = pinwheels(around(centres, (13, 14)), (13, 14), torus=False)
    assert as_dict(found) == centres


def test_a_constant_map_and_stripes_have_none():
    assert pinwheels(np.full(35, 0.3), SHAPE).positions.shape == (0, 2)
    once_round = np.repeat(np.pi * np.arange(8) / 8, 8)
    assert len(pinwheels(once_round, (8, 8)).signs) == 0


def test_one_square_of_three_is_a_pinwheel_in_random_order():
    """Four independent angles wind once in one of three cases, with either sign alike."""
    orientation = np.random.default_rng(0).uniform(0, np.pi, 100**2)
    signs = pinwheels(orientation, (100, 100)).signs
    # squares that share a side are dependent: twice the deviation of independent ones, five times
    assert abs(len(signs) / 100**2 - 1 / 3) < 5 * 2 * np.sqrt(2 / 9) / 100
    assert set(signs) == {-0.5, 0.5}


def test_all_orientations_may_turn_by_the_same_angle(orientation):
    expected = pinwheels(orientation, SHAPE)
    for angle in (0.4, -2.0, 7 * np.pi):
        turned = pinwheels(orientation + angle, SHAPE)
        assert_array_equal(turned.positions, expected.positions)
        assert_array_equal(turned.signs, expected.signs)


def test_orientations_have_a_period_of_pi(orientation):
    turns = np.random.default_rng(1).integers(-3, 4, 35)
    expected = as_dict(pinwheels(orientation, SHAPE))
    assert as_dict(pinwheels(orientation + np.pi * turns, SHAPE)) == expected


def test_a_mirror_flips_signs(orientation):
    expected = as_dict(pinwheels(orientation, SHAPE, torus=False))
    mirrored = orientation.reshape(SHAPE)[:, ::-1].ravel()
    found = as_dict(pinwheels(mirrored, SHAPE, torus=False))
    assert found == {(row, 6 - column): -sign for (row, column), sign in expected.items()}
    # if the filters themselves are mirrored, their orientations turn the other way as well
    found = as_dict(pinwheels(-mirrored, SHAPE, torus=False))
    assert found == {(row, 6 - column): sign for (row, column), sign in expected.items()}


def test_a_map_may_be_magnified():
    """Between repeated units, orientations do not differ, so that pinwheels only move apart."""
    orientation = np.random.default_rng(2).uniform(0, np.pi, 16)
    small = as_dict(pinwheels(orientation, (4, 4)))
    large = np.kron(orientation.reshape(4, 4), np.ones((3, 3))).ravel()
    found = as_dict(pinwheels(large, (12, 12)))
    assert found == {(3 * row + 1, 3 * column + 1): sign for (row, column), sign in small.items()}


def test_on_a_torus_the_map_may_be_rolled(orientation):
    expected = as_dict(pinwheels(orientation, SHAPE))
    rolled = np.roll(orientation.reshape(SHAPE), (1, 2), axis=(0, 1)).ravel()
    found = as_dict(pinwheels(rolled, SHAPE))
    assert found == {((row + 1) % 5, (col + 2) % 7): sign for (row, col), sign in expected.items()}


def test_squares_with_an_invalid_unit_are_left_out(orientation):
    valid = np.random.default_rng(3).random(35) < 0.8
    masked = np.where(valid, orientation, np.nan)
    expected = by_loops(orientation, SHAPE, True, valid)
    assert 0 < len(expected) < len(by_loops(orientation, SHAPE, True))
    assert as_dict(pinwheels(masked, SHAPE, valid=valid)) == expected


def test_without_a_valid_square_there_are_none(orientation):
    for valid in (np.arange(35) < 7, np.arange(35) % 7 == 0, np.zeros(35, dtype=bool)):
        positions, signs = pinwheels(orientation, SHAPE, valid=valid)
        assert positions.shape == (0, 2)
        assert signs.shape == (0,)


def test_gabor_fits_of_a_pinwheel_have_it():
    """The orientation of fitted stripes turns as the map was built, also if a filter is zero."""
    centres = {(1.5, 2.5): -0.5}
    orientation = around(centres, (4, 5))
    rows, columns = np.indices((9, 9)) - 4
    envelope = np.exp(-(rows**2 + columns**2) / 8)
    filters = [
        (envelope * np.cos(1.3 * (rows * np.cos(angle) + columns * np.sin(angle)))).ravel()
        for angle in orientation
    ]
    filters[-1] *= 0
    fit = fit_gabor(filters)
    found = pinwheels(fit.orientation, (4, 5), torus=False, valid=fit.is_good())
    assert as_dict(found) == centres


def test_lists_and_single_precision_are_accepted(orientation):
    expected = pinwheels(orientation, SHAPE)
    for given in (orientation.tolist(), orientation.astype(np.float32)):
        found = pinwheels(given, SHAPE, valid=[True] * 35)
        assert_array_equal(found.positions, expected.positions)
        assert_allclose(found.signs, expected.signs)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"map_shape": (4, 4)}, r"orientation has shape \(35, 1\), but map_shape=\(4, 4\) has 16"),
        ({"map_shape": 35}, "map_shape must be a pair"),
        ({"valid": np.ones(34, dtype=bool)}, r"valid has shape \(34,\)"),
        ({"orientation": np.full(35, np.nan)}, "Input orientation contains NaN"),
        ({"orientation": np.full(35, np.inf)}, "Input orientation contains infinity"),
        ({"orientation": np.zeros((35, 2))}, "must have one value per unit, got 2"),
        ({"orientation": np.zeros((5, 7))}, r"orientation has shape \(5, 7\)"),
    ],
)
def test_invalid_maps_are_refused(orientation, changed, message):
    with pytest.raises(ValueError, match=message):
        pinwheels(**({"orientation": orientation, "map_shape": SHAPE} | changed))
