"""Local filters: the decoder as a matrix, shared filters, curvature, and pools around units."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numba
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.backends._places import Places
from sklearn_ebm.factors import (
    LOCAL_ENCODERS,
    GroupPenalty,
    LocalDecoder,
    MapPenalty,
    PooledMaps,
    Pools,
    Tape,
)
from sklearn_ebm.factors.penalties._pools import pools_around
from tests.registries.image_models import unit_kernels

IMAGE = (9, 8)
CASES = {  # units per pixel in each direction, phase, rows and columns of the tile
    "one unit": (1, (0, 0), (3, 4)),
    "phase": (1, (2, 3), (3, 4)),
    "four units": (2, (2, 0), (4, 6)),
    "nine units": (3, (0, 3), (3, 6)),
    "nothing shared": (1, (0, 0), None),
}
cases = pytest.mark.parametrize("name", CASES)


def make(name, n_channels=2, image_shape=IMAGE, size=(4, 3), seed=0):
    fineness, phase, tile_shape = CASES[name]
    places = Places(fineness, phase)
    period = places.map_shape(image_shape, size) if tile_shape is None else tile_shape
    filters = unit_kernels(np.random.default_rng(seed), np.prod(period), *size, n_channels)
    return LocalDecoder(filters, image_shape, tile_shape, places)


def dense(decoder):
    """Return D as a matrix with a row of pixels for each place of the map, by its definition."""
    (n_rows, n_columns), filters = decoder.period, decoder.dictionary
    _, height, width, n_channels = filters.shape
    fineness, (first_row, first_column) = decoder.places
    atoms = []
    for i, j in np.ndindex(decoder.map_shape[:2]):
        unit = (i + first_row) % n_rows * n_columns + (j + first_column) % n_columns
        image = np.zeros((*decoder.image_shape, n_channels))
        y, x = i // fineness, j // fineness
        image[y : y + height, x : x + width] = filters[unit]
        atoms.append(image.ravel())
    return np.array(atoms)


@cases
@pytest.mark.parametrize("backend", [reference, numba])
def test_the_decoder_is_a_matrix(name, backend):
    decoder, random = make(name).on(backend), np.random.default_rng(1)
    matrix = dense(decoder)
    code = random.standard_normal((19, decoder.code_size))  # more than the lanes of a vector
    X = random.standard_normal((19, matrix.shape[1]))
    assert_allclose(decoder.decode(code), code @ matrix, atol=1e-12)
    assert_allclose(decoder.correlate(X), X @ matrix.T, atol=1e-12)


@cases
def test_the_gradient_of_the_filters_agrees_with_finite_differences(name):
    decoder, random = make(name), np.random.default_rng(1)
    code = random.standard_normal((3, decoder.code_size))
    weight = random.standard_normal((3, np.prod(IMAGE) * 2))
    tape = Tape()
    decoder.forward(code, tape)
    gradient = decoder.backward(tape, weight)[1]["dictionary"]
    direction = random.standard_normal(gradient.shape)
    moved = decoder.with_filters(decoder.dictionary + direction)  # the decoder is linear in D
    slope = np.vdot(weight, moved.decode(code) - decoder.decode(code))
    assert_allclose(np.vdot(gradient, direction), slope, rtol=1e-10)


def test_a_tile_of_units_is_a_convolution_with_gaps():
    """A tile of P x P units is a convolution with P^2 filters, applied at every P-th pixel."""
    period, places = 3, Places()
    filters = unit_kernels(np.random.default_rng(0), period**2, 4, 5)
    decoder = LocalDecoder(filters, (12, 13), (period, period), places)
    images = np.random.default_rng(1).standard_normal((2, 12, 13, 1))
    border = BORDERS["valid"]((4, 5))
    maps = np.empty((2, *border.map_shape(images.shape[1:], (4, 5)), period**2))
    reference.correlate(images, filters, border, maps)
    found = decoder.as_maps(decoder.correlate(images.reshape(2, -1)))[..., 0]
    for k in range(period**2):
        rows, columns = slice(k // period, None, period), slice(k % period, None, period)
        assert_allclose(found[:, rows, columns], maps[:, rows, columns, k], atol=1e-12)


@cases
def test_the_curvature_bounds_the_largest_eigenvalue_for_maps_of_any_size_and_phase(name):
    """The bound is 10 % above an estimate that is a few percent too small."""
    decoder = make(name)
    exact = np.linalg.norm(dense(decoder), 2) ** 2
    assert decoder.lipschitz >= exact
    if decoder.tile_shape is None:
        assert decoder.lipschitz <= 1.11 * exact
        return
    larger = decoder.for_samples((19, 18))
    assert decoder.lipschitz >= np.linalg.norm(dense(larger), 2) ** 2
    assert larger.lipschitz == decoder.lipschitz


def test_the_curvature_of_similar_filters_takes_a_few_iterations():
    decoder = make("phase")
    _, vectors = decoder.curvature()
    noise = np.random.default_rng(1).standard_normal(decoder.dictionary.shape)
    moved = decoder.with_filters(decoder.dictionary + 0.01 * noise)
    assert_allclose(moved.curvature(vectors, 3)[0], moved.curvature()[0], rtol=0.02)


def test_filters_of_zeros_have_a_curvature_of_one():
    decoder = make("phase")
    assert decoder.with_filters(0 * decoder.dictionary).lipschitz == 1


@cases
def test_usage_counts_the_places_of_each_unit(name):
    decoder = make(name)
    code = np.random.default_rng(1).standard_normal((5, decoder.code_size))
    code *= code > 0
    unit = decoder.at_places(np.arange(np.prod(decoder.period)))
    used, present = decoder.usage(code)
    for k in range(len(used)):
        assert used[k] == np.count_nonzero(code[:, unit == k])
        assert present[k] == 5 * np.count_nonzero(unit == k)


# ---------------------------------------------------------------------------------------- encoders
@cases
@pytest.mark.parametrize("kind", LOCAL_ENCODERS)
def test_gradients_of_encoders_agree_with_finite_differences(name, kind):
    decoder, random = make(name), np.random.default_rng(2)
    encoder = LOCAL_ENCODERS[kind].from_dictionary(
        decoder.dictionary, decoder.lipschitz, 0.3, image_shape=IMAGE,
        tile_shape=decoder.tile_shape, fineness=decoder.places.fineness, phase=decoder.places.phase,
    )  # fmt: skip
    for value in encoder.parameters.values():
        value += 0.1 * random.random(value.shape)
    X, tape = random.standard_normal((3, np.prod(IMAGE) * 2)), Tape()
    weight = random.standard_normal(encoder.forward(X, tape).shape)
    dx, gradients = encoder.backward(tape, weight)

    def loss():
        return np.vdot(weight, encoder.forward(X))

    for value, gradient in (
        (X, dx),
        *((encoder.parameters[key], gradients[key]) for key in gradients),
    ):
        direction, step, kept = random.standard_normal(value.shape), 1e-6, value.copy()
        value += step * direction
        after = loss()
        value[...] = kept - step * direction
        slope = (after - loss()) / (2 * step)
        value[...] = kept
        # a code that crosses its threshold between both points changes the slope a little
        assert_allclose(np.vdot(gradient, direction), slope, rtol=1e-4, atol=1e-4)


def test_images_and_rows_have_the_same_codes():
    decoder = make("four units")
    encoder = LOCAL_ENCODERS["shrinkage"].from_dictionary(
        decoder.dictionary, 2.0, 0.3, image_shape=(*IMAGE, 2), tile_shape=(4, 6), fineness=2
    )
    X = np.random.default_rng(0).standard_normal((2, *IMAGE, 2))
    maps = encoder.forward(X)
    assert maps.shape == (2, *decoder.map_shape)
    assert_array_equal(encoder.forward(X.reshape(2, -1)), maps.reshape(2, -1))


# ------------------------------------------------------------------------------------------- pools
def test_pools_around_units_are_windows_that_are_cut_at_the_edges():
    pools = pools_around((5, 6), 1.0)
    centre = pools.weights[2 * 6 + 3].reshape(5, 6)
    assert_allclose(centre.sum(), 1)
    assert_allclose(centre[2, 4] / centre[2, 3], np.exp(-1 / 2))
    assert_allclose(centre[0, 3] / centre[2, 3], np.exp(-4 / 2))
    assert centre[2, 0] == 0  # three columns away
    assert_allclose(pools.weights.sum(axis=1), 1)
    assert (pools.n_pools, pools.n_components) == (30, 30)


def test_separable_pools_equal_pools_with_all_weights():
    separable = pools_around((7, 5), 0.8)
    full = Pools(separable.weights)
    code = np.random.default_rng(0).standard_normal((4, 35))
    assert_allclose(separable.norms(code), full.norms(code), rtol=1e-12)
    assert_allclose(separable.spread(code), full.spread(code), rtol=1e-12)
    assert separable.is_disjoint == full.is_disjoint
    normalized, factor = separable.normalized()
    expected, expected_factor = full.normalized()
    assert factor == expected_factor
    assert_allclose(normalized.weights, expected.weights, rtol=1e-12)


def test_the_penalty_of_a_map_is_the_group_penalty_of_its_pools():
    factor = MapPenalty(1.0).resolve(None, 0.7).on_map((5, 6))
    pools = pools_around((5, 6), 1.0)
    code = np.random.default_rng(0).standard_normal((3, 30))
    expected = 0.7 * np.sqrt(code**2 @ pools.weights.T).sum(axis=1)
    assert_allclose(factor.value(code), expected)


def test_a_single_unit_is_its_own_pool():
    factor = MapPenalty(2.0).resolve(None, 0.7).on_map((1, 1))
    assert_allclose(factor.value(np.array([[-3.0]])), 2.1)


def test_the_bound_of_rounding_errors_is_not_smaller_than_the_dual_norm():
    norm = GroupPenalty([[0, 1], [1, 2]]).resolve(3, 0.5)
    ones = np.ones((1, 3))
    assert norm.dual_norm_of_ones >= float(norm.dual_norm(ones, ones)[0]) * (1 - 1e-12)


def test_gradients_of_pooled_maps_agree_with_finite_differences():
    module, random = PooledMaps(1.0, (5, 6)), np.random.default_rng(0)
    maps, weight = random.standard_normal((2, 5, 6, 1))
    maps, weight = maps[None], weight[None]
    tape = Tape()
    assert module.forward(maps, tape).shape == maps.shape
    dx, _ = module.backward(tape, weight)
    direction = random.standard_normal(maps.shape)
    ahead, behind = (np.vdot(weight, module.forward(maps + s * direction)) for s in (1e-6, -1e-6))
    assert_allclose(np.vdot(dx, direction), (ahead - behind) / 2e-6, rtol=1e-6)
    assert_array_equal(module.forward(maps.reshape(1, -1)), module.forward(maps).reshape(1, -1))


@cases
def test_products_run_on_any_array_api_library(name):
    xp = pytest.importorskip("array_api_strict")
    decoder, random = make(name), np.random.default_rng(1)
    strict = decoder.with_filters(xp.asarray(decoder.dictionary)).on(reference)
    code = random.standard_normal((2, decoder.code_size))
    X = random.standard_normal((2, np.prod(IMAGE) * 2))
    results = {
        "decode": (decoder.decode(code), strict.decode(xp.asarray(code))),
        "correlate": (decoder.correlate(X), strict.correlate(xp.asarray(X))),
        "curvature": (decoder.lipschitz, strict.lipschitz),
        "usage": (decoder.usage(code)[0], strict.usage(xp.asarray(code))[0]),
        "gradient": (
            decoder.on(reference).add_filter_gradient(code, X, 0 * decoder.dictionary),
            strict.add_filter_gradient(xp.asarray(code), xp.asarray(X), 0 * strict.dictionary),
        ),
    }
    for expected, found in results.values():
        assert_allclose(np.asarray(found), expected, rtol=1e-10, atol=1e-12)
