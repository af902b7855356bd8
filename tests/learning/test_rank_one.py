"""Filters of rank one: the projection, and the sweep over waveforms and channel patterns."""

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numba, numpy
from sklearn_ebm.backends.numpy._rank_one import factors_of_rank_one, of_rank_one
from sklearn_ebm.learning._online_dictionary import PATIENCE
from sklearn_ebm.learning._online_filters import OnlineKernels
from tests.learning.test_online_filters import Batch, backends, quadratic, tables, update
from tests.registries.image_models import SHAPE, borders, unit_kernels


def singular_values(filters):
    return np.linalg.svd(filters.reshape(len(filters), -1, filters.shape[3]), compute_uv=False)


def random_filters(random, n_components=6, shape=(4, 3), n_channels=5):
    waveforms = random.standard_normal((n_components, *shape))
    patterns = random.standard_normal((n_components, n_channels))
    filters = waveforms[..., None] * patterns[:, None, None]
    return filters / np.sqrt(np.sum(filters**2, axis=(1, 2, 3), keepdims=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_projection_is_nearer_than_any_other_filter_of_rank_one(dtype):
    random = np.random.default_rng(0)
    filters = unit_kernels(random, 6, 4, 3, 5).astype(dtype)
    nearest = of_rank_one(filters)
    assert nearest.dtype == dtype
    values = singular_values(filters)
    eps = np.finfo(dtype).eps
    # the inner product with the nearest filter is the largest singular value
    products = np.sum(nearest * filters, axis=(1, 2, 3))
    assert_allclose(products, values[:, 0], rtol=10 * eps)
    for size in np.geomspace(1e-2, 10, 20):
        close = nearest + size * random_filters(random)
        others = random_filters(random), of_rank_one(close)
        for other in others:
            assert np.all(np.sum(other * filters, axis=(1, 2, 3)) <= products + 10 * eps)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_factors_have_norm_one_and_the_sign_of_the_largest_channel(scale):
    filters = random_filters(np.random.default_rng(1)).astype(np.float32)
    waveforms, patterns = factors_of_rank_one(np.float32(scale) * filters)
    assert_allclose(waveforms[..., None] * patterns[:, None, None], filters, atol=1e-6)
    assert_allclose(np.linalg.norm(patterns, axis=1), 1, rtol=1e-6)
    assert_allclose(np.sqrt(np.sum(waveforms**2, axis=(1, 2))), 1, rtol=1e-6)
    largest = np.argmax(abs(patterns), axis=1)
    assert np.all(patterns[np.arange(6), largest] > 0)


def test_zeros_stay_zeros():
    filters = random_filters(np.random.default_rng(2))
    filters[0] = 0
    filters[1, ..., 2:] = 0
    waveforms, patterns = factors_of_rank_one(filters)
    assert not waveforms[0].any()
    assert not patterns[0].any()
    assert_array_equal(patterns[1, 2:], 0)
    assert np.all(patterns[1, :2] != 0)


def started(batch, table=None, backend=numba):
    """Return filters of rank one, and the moments of a batch that was encoded with them."""
    batch.kernels = of_rank_one(batch.kernels)
    online = OnlineKernels(batch.kernels.copy(), table, rank_one=True)
    online.absorb(**batch.contribution(online, backend))
    return online


@backends
@tables
@borders
def test_a_sweep_lowers_the_energy_and_keeps_rank_norm_and_table(border, table, backend):
    batch = Batch(border, table=table)
    online = started(batch, table, backend)
    for _ in range(5):
        before = quadratic(online, online.dictionary), batch.energy(online.dictionary)
        start = online.dictionary.copy()
        update(online, batch.X, batch.code, backend, batch.decoder(start))
        assert quadratic(online, online.dictionary) < before[0]
        assert batch.energy(online.dictionary) < before[1]
        values = singular_values(online.dictionary)
        assert_allclose(values[:, 0], 1, rtol=1e-14)
        assert np.all(values[:, 1:] < 1e-14)
        if table is not None:
            assert np.all(np.any(online.dictionary != 0, axis=(1, 2)) == (table > 0))


@backends
def test_sweeps_end_at_a_minimum_over_waveforms_and_patterns(backend):
    online = started(Batch("circular"))
    for _ in range(3000):
        before = online.dictionary.copy()
        backend.update_rank_one_kernels(online.dictionary, *online.moments)
        if abs(online.dictionary - before).max() < 1e-13:
            break
    random = np.random.default_rng(0)
    least = quadratic(online, online.dictionary)
    waveforms, patterns = factors_of_rank_one(online.dictionary)
    for _ in range(50):
        moved = [rows + 1e-3 * random.standard_normal(rows.shape) for rows in (waveforms, patterns)]
        near = moved[0][..., None] * moved[1][:, None, None]
        near /= np.sqrt(np.sum(near**2, axis=(1, 2, 3), keepdims=True))
        assert quadratic(online, near) > least


@backends
def test_one_channel_is_updated_as_without_the_constraint(backend):
    random = np.random.default_rng(4)
    kernels, cross = unit_kernels(random, 4, 3, 5), random.standard_normal((4, 3, 5, 1))
    moment = random.standard_normal((4, 4, 5, 9))
    free = kernels.copy()
    backend.update_kernels(free, moment, cross)
    backend.update_rank_one_kernels(kernels, moment, cross)
    assert_allclose(kernels, free, atol=1e-13)


@backends
def test_windows_that_replace_idle_filters_have_rank_one(backend):
    batch = Batch("full")
    maps = batch.decoder(batch.kernels).as_maps(batch.code)
    maps[..., 1] = 0
    corner = batch.X.reshape(-1, *SHAPE)[2, 4:8, 3:6]
    corner *= 100
    online = started(batch, backend=backend)
    online.idle[...] = [0, PATIENCE - 1, 0, 0, 0]
    update(online, batch.X, batch.code, backend, batch.decoder(batch.kernels))
    assert online.n_replaced == 1
    assert_allclose(online.dictionary[1], of_rank_one(corner[None])[0], atol=1e-14)


def test_rank_one_works_on_any_array_library():
    batch = Batch("full")
    expected = started(batch, backend=numpy)
    strict = [array_api_strict.asarray(array) for array in (expected.dictionary, *expected.moments)]
    numpy.update_rank_one_kernels(*strict)
    numpy.update_rank_one_kernels(expected.dictionary, *expected.moments)
    assert_allclose(np.asarray(strict[0]), expected.dictionary, atol=1e-13)
