"""Gabor functions: parameters are recovered for every orientation and with noise."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import check_grad

from sklearn_ebm.inspection import fit_gabor
from sklearn_ebm.inspection._gabor import _explained, _gabor, _jacobian

SIDE = 12
NAMES = ("row", "column", "frequency", "width_across", "width_along", "amplitude")


def gabor_filters(drawn, shape):
    """Evaluate the documented formula, filter by filter."""
    rows, columns = np.indices(shape)
    pictures = []
    for index in range(len(drawn.row)):
        one = SimpleNamespace(**{name: values[index] for name, values in vars(drawn).items()})
        y, x = rows - one.row, columns - one.column
        u = y * np.cos(one.orientation) + x * np.sin(one.orientation)
        v = x * np.cos(one.orientation) - y * np.sin(one.orientation)
        envelope = np.exp(-(u**2) / (2 * one.width_across**2) - v**2 / (2 * one.width_along**2))
        wave = np.cos(2 * np.pi * one.frequency * u + one.phase)
        pictures.append((one.amplitude * envelope * wave).ravel())
    return np.array(pictures)


def draw(n, seed, shape=(SIDE, SIDE)):
    """Draw parameters of Gabor functions inside the image that show their wave."""
    generator = np.random.default_rng(seed)
    frequency = generator.uniform(0.1, 0.35, n)
    return SimpleNamespace(
        row=generator.uniform(2, shape[0] - 3, n),
        column=generator.uniform(2, shape[1] - 3, n),
        orientation=generator.uniform(0, np.pi, n),
        frequency=frequency,
        phase=generator.uniform(-np.pi, np.pi, n),
        width_across=np.clip(generator.uniform(0.35, 0.7, n) / frequency, 1.0, SIDE / 4),
        width_along=np.clip(generator.uniform(0.35, 1.0, n) / frequency, 1.0, SIDE / 4),
        amplitude=generator.uniform(0.1, 10, n),
    )


def angle_between(angle, other, period):
    """Return the distance of two angles on a circle."""
    return abs((angle - other + period / 2) % period - period / 2)


def assert_same_gabors(fit, drawn, rtol, atol):
    for name in NAMES:
        assert_allclose(getattr(fit, name), getattr(drawn, name), rtol=rtol, atol=atol)
    assert np.all(angle_between(fit.orientation, drawn.orientation, np.pi) < atol)
    # orientations just above 0 and just below pi are neighbours, with opposite signs of u
    turned = abs(fit.orientation - drawn.orientation) > np.pi / 2
    phase = np.where(turned, -fit.phase, fit.phase)
    assert np.all(angle_between(phase, drawn.phase, 2 * np.pi) < 10 * atol)


@pytest.mark.parametrize("shape", [(12, 12), (10, 16)])
def test_parameters_of_gabor_functions_are_found_again(shape):
    drawn = draw(12, seed=0, shape=shape)
    fit = fit_gabor(gabor_filters(drawn, shape), shape)
    assert_allclose(fit.goodness, 1, atol=1e-8)
    assert_same_gabors(fit, drawn, rtol=1e-4, atol=1e-4)  # up to the convergence of the cost


def test_noise_moves_the_parameters_little():
    drawn = draw(15, seed=1)
    filters = gabor_filters(drawn, (SIDE, SIDE))
    level = 0.1 * np.sqrt((filters**2).mean(axis=1, keepdims=True))
    noise = level * np.random.default_rng(2).standard_normal(filters.shape)
    fit = fit_gabor(filters + noise)
    # noise is a hundredth of the power, and 8 parameters can explain 8 / 144 of it
    assert_allclose(fit.goodness, 0.99, atol=0.005)
    assert np.all(angle_between(fit.orientation, drawn.orientation, np.pi) < 0.1)
    assert_allclose(fit.row, drawn.row, atol=0.3)
    assert_allclose(fit.column, drawn.column, atol=0.3)
    assert_allclose(fit.frequency, drawn.frequency, atol=0.02)
    assert_allclose(fit.evaluate(), filters, atol=0.15 * abs(filters).max())


def test_goodness_is_the_share_of_the_squares_that_the_fit_explains():
    filters = np.random.default_rng(3).standard_normal((5, 30)) + 0.5  # with a mean that matters
    fit = fit_gabor(filters, (5, 6))
    residual = ((filters - fit.evaluate()) ** 2).sum(axis=1)
    assert_allclose(fit.goodness, 1 - residual / (filters**2).sum(axis=1), rtol=1e-12)
    assert_array_equal(fit.is_good(0.5), fit.goodness >= 0.5)


def test_a_fit_evaluates_to_the_formula():
    fit = fit_gabor(np.random.default_rng(4).standard_normal((5, 30)), (5, 6))
    parameters = SimpleNamespace(**vars(fit))
    del parameters.image_shape
    assert_allclose(fit.evaluate(), gabor_filters(parameters, (5, 6)), atol=1e-12)


def test_white_noise_is_no_gabor_function():
    noise = np.random.default_rng(5).standard_normal((12, SIDE**2))
    fit = fit_gabor(noise)
    assert np.all(fit.goodness > 0)
    assert fit.goodness.mean() < 0.2  # the best of many starts; 8 parameters explain 0.06
    assert not fit.is_good(0.5).any()


STRIPES = {
    "lying": (0, np.eye(9)[[4] * 9].T),
    "rising to the right": (np.pi / 4, np.eye(9)[::-1]),
    "upright": (np.pi / 2, np.eye(9)[[4] * 9]),
    "falling to the right": (3 * np.pi / 4, np.eye(9)),
}


@pytest.mark.parametrize("name", STRIPES)
def test_orientation_is_the_direction_of_the_stripes_as_they_are_seen(name):
    orientation, picture = STRIPES[name]
    fit = fit_gabor(picture.reshape(1, -1))
    assert angle_between(fit.orientation[0], orientation, np.pi) < 0.01
    assert 0 <= fit.orientation[0] < np.pi


def test_phase_says_where_across_the_stripes_the_centre_is():
    column = np.arange(12) - 5.5
    picture = np.outer(np.exp(-(column**2) / 18), np.exp(-(column**2) / 8))
    odd = picture * np.sin(2 * np.pi * 0.15 * column)  # increases to the right, like u
    even = picture * np.cos(2 * np.pi * 0.15 * column)
    fit = fit_gabor(np.stack([odd, even, -even]).reshape(3, -1))
    assert_allclose(fit.orientation, np.pi / 2, atol=1e-4)
    assert_allclose(fit.phase[:2], [-np.pi / 2, 0], atol=1e-3)
    assert angle_between(fit.phase[2], np.pi, 2 * np.pi) < 1e-3
    assert np.all(fit.amplitude > 0)


@pytest.mark.parametrize(
    ("move", "moved_orientation"),
    [
        (lambda pictures: np.rot90(pictures, axes=(1, 2)), lambda angle: angle + np.pi / 2),
        (lambda pictures: pictures.transpose(0, 2, 1), lambda angle: np.pi / 2 - angle),
        (lambda pictures: pictures[:, :, ::-1], lambda angle: -angle),
        (lambda pictures: pictures[:, ::-1, ::-1], lambda angle: angle),
    ],
    ids=["a quarter turn to the left", "transposed", "mirrored", "half a turn"],
)
def test_orientation_moves_with_the_picture(move, moved_orientation):
    drawn = draw(5, seed=6)
    pictures = gabor_filters(drawn, (SIDE, SIDE)).reshape(-1, SIDE, SIDE)
    fit = fit_gabor(move(pictures).reshape(5, -1))
    expected = moved_orientation(drawn.orientation)
    assert np.all(angle_between(fit.orientation, expected, np.pi) < 1e-3)
    assert_allclose(fit.frequency, drawn.frequency, rtol=1e-3)
    assert_allclose(fit.width_across, drawn.width_across, rtol=1e-3)


def test_the_scale_of_a_filter_is_its_amplitude_alone():
    drawn = draw(2, seed=7)
    filters = gabor_filters(drawn, (SIDE, SIDE))
    filters += 0.1 * np.random.default_rng(8).standard_normal(filters.shape)
    fit = fit_gabor(filters)
    for scale in (1e-200, 2.0**20, 1e200):  # squares of the first and the last are 0 and infinite
        scaled = fit_gabor(scale * filters)
        assert_allclose(scaled.amplitude, scale * fit.amplitude, rtol=1e-6)
        for name in ("orientation", "frequency", "goodness", "row"):
            assert_allclose(getattr(scaled, name), getattr(fit, name), rtol=1e-6)
    negative = fit_gabor(-filters)
    assert_allclose(negative.evaluate(), -fit.evaluate(), rtol=1e-6, atol=1e-6)
    assert np.all(negative.amplitude > 0)


def test_jacobian_agrees_with_finite_differences():
    pixels = np.indices((7, 9), dtype=float).reshape(2, -1)
    drawn = draw(5, seed=9, shape=(7, 9))
    generator = np.random.default_rng(9)
    for index in range(5):
        shape = [getattr(drawn, name)[index] for name in ("row", "column", "orientation")]
        shape += [getattr(drawn, name)[index] for name in ("frequency", "width_across")]
        parameters = np.array([*shape, drawn.width_along[index], *generator.standard_normal(2)])
        weights = generator.standard_normal(63)
        error = check_grad(
            lambda at, weights=weights: weights @ _gabor(at, pixels),
            lambda at, weights=weights: weights @ _jacobian(at, pixels),
            parameters,
        )
        slope = np.linalg.norm(weights @ _jacobian(parameters, pixels))
        assert error < 1e-5 * slope  # forward differences have an error of about 1e-7


def test_a_grid_point_explains_what_the_best_weights_of_its_two_waves_do():
    targets = np.random.default_rng(15).standard_normal((4, 63))
    pixels = np.indices((7, 9), dtype=float).reshape(2, -1)
    grid = np.array([[3.2, 4.1, 0.3, 0.05, 1.0, 2.0], [1.0, 7.0, 2.0, 0.4, 0.7, 0.7]])
    scores = _explained(targets, grid, pixels)
    for shape, explained in zip(grid, scores.T, strict=True):
        pair = [_gabor(np.array([*shape, *weights]), pixels) for weights in np.eye(2)]
        _, residual, *_ = np.linalg.lstsq(np.transpose(pair), targets.T)
        assert_allclose(explained, (targets**2).sum(axis=1) - residual, rtol=1e-9)


def test_parameters_stay_within_their_bounds():
    generator = np.random.default_rng(10)
    smooth = np.cumsum(generator.standard_normal((5, 40)), axis=1)
    spikes = 0.01 * generator.standard_normal((5, 40)) + np.eye(40)[::8]
    board = (-1.0) ** np.indices((5, 8)).sum(axis=0).reshape(1, -1)  # 0.71 cycles per pixel
    fit = fit_gabor(np.vstack([smooth, spikes, board]), (5, 8))
    assert np.all((fit.row >= -1) & (fit.row <= 5))
    assert np.all((fit.column >= -1) & (fit.column <= 8))
    assert np.all((fit.orientation >= 0) & (fit.orientation < np.pi))
    assert np.all((fit.frequency >= 0.25 / 8) & (fit.frequency <= 0.5))
    for width in (fit.width_across, fit.width_along):
        assert np.all((width >= 0.5) & (width <= 8))


def test_filters_are_fitted_one_by_one_and_always_alike():
    filters = np.random.default_rng(11).standard_normal((4, 49))
    together = fit_gabor(filters)
    again = fit_gabor(filters)
    alone = fit_gabor(filters[2:3].astype(np.float32).tolist())
    for name in (*NAMES, "orientation", "phase", "goodness"):
        assert_array_equal(getattr(again, name), getattr(together, name))
        assert_allclose(getattr(alone, name), getattr(together, name)[2:3], rtol=1e-3)


def test_more_starts_never_end_in_a_worse_fit():
    filters = np.random.default_rng(12).standard_normal((4, 64))
    goodness = [fit_gabor(filters, n_starts=n_starts).goodness for n_starts in (1, 3, 6)]
    assert np.all(np.diff(goodness, axis=0) >= -1e-12)


def test_a_filter_of_zeros_has_no_parameters_and_disturbs_no_other():
    filters = gabor_filters(draw(3, seed=13), (SIDE, SIDE))
    fit = fit_gabor(np.vstack([filters[:1], np.zeros((1, 144)), filters[1:]]))
    alone = fit_gabor(filters)
    assert fit.goodness[1] == 0
    for name in (*NAMES, "orientation", "phase"):
        assert np.isnan(getattr(fit, name)[1])
        assert_allclose(getattr(fit, name)[[0, 2, 3]], getattr(alone, name))
    assert_array_equal(fit.is_good(), [True, False, True, True])
    assert_array_equal(fit.evaluate()[1], 0)
    assert_array_equal(fit_gabor(np.zeros((2, 4))).goodness, 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (2, 2)])
def test_the_smallest_pictures_are_fitted_as_well(shape):
    filters = np.random.default_rng(14).standard_normal((3, shape[0] * shape[1]))
    fit = fit_gabor(filters, shape)
    assert np.all((fit.goodness > 0) & (fit.goodness <= 1))


@pytest.mark.parametrize(
    ("filters", "options", "message"),
    [
        (np.ones(16), {}, "Expected 2D array, got 1D array instead"),
        (np.ones((2, 3, 3)), {}, "Found array with dim 3"),
        (np.ones((0, 16)), {}, r"Found array with 0 sample\(s\)"),
        (np.array([[1.0, np.nan, 0, 0]]), {}, "Input filters contains NaN"),
        (np.array([[1.0, np.inf, 0, 0]]), {}, "Input filters contains infinity"),
        (np.ones((2, 6)), {}, "not a square number, got n_features=6. Pass image_shape="),
        (np.ones((2, 6)), {"image_shape": (2, 2)}, "image_shape must be"),
        (np.ones((2, 12)), {"image_shape": (2, 2, 3)}, "Gabor functions have no colours"),
        (np.ones((2, 4)), {"n_starts": 0}, "n_starts == 0, must be >= 1"),
    ],
)
def test_what_cannot_be_fitted_is_said(filters, options, message):
    with pytest.raises(ValueError, match=message):
        fit_gabor(filters, **options)
