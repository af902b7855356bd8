"""Learning of filters: the meaning of the moments, and the sweeps over filters."""

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import array_namespace, numba, numpy
from sklearn_ebm.factors import ConvolutionalDecoder
from sklearn_ebm.learning._online_dictionary import PATIENCE
from sklearn_ebm.learning._online_filters import OnlineKernels
from tests.registries.image_models import SHAPE, SIZE, borders, spikes, unit_kernels

N_SAMPLES = 4
TABLE = np.array([[1, 0], [0, 1], [1, 1], [1, 0], [0, 1]])
backends = pytest.mark.parametrize("backend", [numpy, numba], ids=["numpy", "numba"])
masks = pytest.mark.parametrize("masked", [False, True], ids=["all seen", "masked"])
tables = pytest.mark.parametrize("table", [None, TABLE], ids=["all channels", "table"])


def update(online, X, code, backend, decoder):
    """Make one update by a batch; its windows may replace filters."""
    used = np.count_nonzero(np.asarray(decoder.as_maps(code)), axis=(0, 1, 2))
    online.update(array_namespace(X).asarray(used), (X, code, None), backend, decoder)


class Batch:
    """Images, codes and weights of a batch, and the energy of filters by its definition."""

    def __init__(self, border, masked=False, seed=0, table=None, density=0.1):
        random = np.random.default_rng(seed)
        self.border = border
        self.kernels = unit_kernels(random, *SIZE, SHAPE[2])
        if table is not None:
            self.kernels *= table[:, None, None, :]
            self.kernels /= np.sqrt(np.sum(self.kernels**2, axis=(1, 2, 3), keepdims=True))
        self.X = random.standard_normal((N_SAMPLES, np.prod(SHAPE)))
        self.mask = (random.random(self.X.shape) < 0.7).astype(float) if masked else None
        if masked:
            self.X *= self.mask
        self.code = spikes(random, (N_SAMPLES, self.decoder(self.kernels).code_size), density)
        self.weight = np.ones(N_SAMPLES)

    def decoder(self, kernels):
        return ConvolutionalDecoder(kernels, SHAPE, self.border)

    def contribution(self, online, backend=numba):
        decoder = self.decoder(online.dictionary)
        return online.contribution(decoder, self.X, self.mask, self.code, self.weight, backend)

    def energy(self, kernels):
        """Return 1/2 ||M (x - sum_k d_k * z_k)||^2, summed over all images with their weights."""
        residual = self.X - self.decoder(kernels).on(numpy).decode(self.code)
        residual *= 1 if self.mask is None else self.mask
        return np.sum(residual**2 * self.weight[:, None]) / 2


def quadratic(online, kernels):
    """Return 1/2 sum d_k[u] A_kl[u - v] d_l[v] - sum B_k[u] d_k[u], as defined by the moments."""
    _, height, width, _ = kernels.shape
    value = -np.sum(online.cross_moment * kernels)
    for u in np.ndindex(height, width):
        for v in np.ndindex(height, width):
            shift = u[0] - v[0] + height - 1, u[1] - v[1] + width - 1
            left, right = kernels[:, u[0], u[1]], kernels[:, v[0], v[1]]
            value += np.einsum("kc, kl, lc", left, online.code_moment[:, :, *shift], right) / 2
    return value


def absorbed(batch, backend=numba, table=None):
    """Return the moments after only this batch."""
    online = OnlineKernels(batch.kernels.copy(), table)
    online.absorb(**batch.contribution(online, backend))
    return online


def test_moments_of_few_shifts_are_those_of_all_with_zeros_beyond():
    """With one position, filters interact only there, for any size of the moments."""
    batch, shape = Batch("valid"), (*SIZE[1:3], SHAPE[2])
    online = OnlineKernels(batch.kernels.copy())
    decoder = ConvolutionalDecoder(batch.kernels, shape, "valid")
    X, code = np.ones((3, np.prod(shape))), np.arange(3.0 * SIZE[0]).reshape(3, -1)
    few = online.contribution(decoder, X, None, code, np.ones(3), numba)
    assert_allclose(few["code_moment"][:, :, 0, 0], code.T @ code)
    online.absorb(**batch.contribution(online))
    all_shifts = online.contribution(decoder, X, None, code, np.ones(3), numba)["code_moment"]
    middle = tuple(size // 2 for size in all_shifts.shape[2:])
    assert_array_equal(all_shifts[:, :, *middle], few["code_moment"][:, :, 0, 0])
    all_shifts[:, :, *middle] = 0
    assert not all_shifts.any()


def other_kernels(batch, n=5):
    random = np.random.default_rng(7)
    for size in np.geomspace(1e-3, 1, n):
        yield batch.kernels + size * unit_kernels(random, *batch.kernels.shape)


@backends
@pytest.mark.parametrize("border", ["valid", "circular"])
def test_moments_are_the_energy_where_every_pixel_is_seen(border, backend):
    """As functions of the filters, up to a constant of the images."""
    batch = Batch(border)
    batch.weight = np.array([1.0, 0.0, 2.5, 0.3])
    online = absorbed(batch, backend)
    constant = np.sum(batch.X**2 * batch.weight[:, None]) / 2
    for kernels in (batch.kernels, *other_kernels(batch)):
        # sums of some thousand numbers of size one
        assert_allclose(quadratic(online, kernels) + constant, batch.energy(kernels), rtol=1e-11)


@backends
@masks
@borders
def test_moments_majorise_the_energy_and_touch_it_at_the_kernels(border, masked, backend):
    """Unobserved pixels are filled with the reconstruction, without error at these filters."""
    batch = Batch(border, masked)
    online = absorbed(batch, backend)
    constant = batch.energy(batch.kernels) - quadratic(online, batch.kernels)
    everything_is_seen = border in ("valid", "circular") and not masked
    for kernels in other_kernels(batch):
        above = quadratic(online, kernels) + constant - batch.energy(kernels)
        if everything_is_seen:
            assert abs(above) < 1e-9
        else:
            assert above > 0


@masks
@borders
def test_moments_have_the_slope_of_the_energy(border, masked):
    """A majoriser that touches a function has the same slope there."""
    batch = Batch(border, masked)
    online = absorbed(batch)
    for direction in np.random.default_rng(3).standard_normal((3, *batch.kernels.shape)):
        step = 1e-4 * direction
        slopes = [
            (function(batch.kernels + step) - function(batch.kernels - step)) / 2e-4
            for function in (batch.energy, lambda kernels: quadratic(online, kernels))
        ]
        assert_allclose(slopes[0], slopes[1], rtol=1e-7)  # both are exact up to rounding


@backends
def test_moments_of_several_batches_are_their_sum_and_the_past_fades(backend):
    first, second = Batch("full", seed=1), Batch("full", seed=2)
    second.kernels = first.kernels
    online = OnlineKernels(first.kernels.copy())
    for batch in (first, second):
        online.absorb(**batch.contribution(online, backend))
    old, new = (absorbed(batch, backend).moments for batch in (first, second))
    keep = np.vdot(online.code_moment - new[0], old[0]) / np.vdot(old[0], old[0])
    assert 0 < keep < 1
    for moment, past, present in zip(online.moments, old, new, strict=True):
        assert_allclose(moment, keep * past + present, atol=1e-11)


def test_the_moment_of_codes_is_symmetric():
    """A_kl[s] and A_lk[-s] count the same pairs."""
    moment = absorbed(Batch("full")).code_moment
    assert_allclose(moment, moment.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1], atol=1e-12)


@backends
@masks
@tables
@borders
def test_a_sweep_lowers_the_energy_and_keeps_norm_and_table(border, table, masked, backend):
    batch = Batch(border, masked, table=table)
    online = absorbed(batch, backend, table)
    for _ in range(5):
        before = quadratic(online, online.dictionary), batch.energy(online.dictionary)
        start = online.dictionary.copy()
        update(online, batch.X, batch.code, backend, batch.decoder(start))
        assert quadratic(online, online.dictionary) < before[0]
        assert batch.energy(online.dictionary) < before[1]
        norm = np.sqrt(np.sum(online.dictionary**2, axis=(1, 2, 3)))
        assert_allclose(norm, 1, rtol=1e-14)
        if table is not None:
            assert np.all(np.any(online.dictionary != 0, axis=(1, 2)) == (table > 0))


@backends
@borders
def test_kernels_that_explain_the_images_stay(border, backend):
    batch = Batch(border)
    batch.X = batch.decoder(batch.kernels).decode(batch.code)
    online = absorbed(batch, backend)
    update(online, batch.X, batch.code, backend, batch.decoder(batch.kernels))
    assert_allclose(online.dictionary, batch.kernels, atol=1e-13)


@backends
@tables
def test_idle_kernels_become_the_windows_that_are_rebuilt_worst(backend, table):
    batch = Batch("full", table=table)
    maps = batch.decoder(batch.kernels).as_maps(batch.code)
    maps[..., 1:3] = 0
    corner = batch.X.reshape(-1, *SHAPE)[2, 4:8, 3:6]  # of windows of 4 by 3 in a grid
    corner *= 100
    online = absorbed(batch, backend, table)
    online.idle[...] = [0, PATIENCE - 1, 0, PATIENCE - 1, 0]  # the last but one is used again
    decoder = batch.decoder(batch.kernels)
    update(online, batch.X, batch.code, backend, decoder)
    assert online.n_replaced == 1
    assert online.idle.tolist() == [0, 0, 1, 0, 0]
    expected = corner * (1 if table is None else table[1])
    assert_allclose(online.dictionary[1], expected / np.linalg.norm(expected), atol=1e-14)
    for moment in (online.code_moment[1], online.code_moment[:, 1], online.cross_moment[1]):
        assert_array_equal(moment, 0)  # moments of the replaced filter
    assert_array_equal(online.dictionary[2], batch.kernels[2])  # not replaced yet


@pytest.mark.parametrize("border", ["full", "circular"])
def test_learning_runs_on_any_array_library(border):
    batch = Batch(border, masked=True, table=TABLE)
    expected = absorbed(batch, numpy, TABLE)
    idle = np.array([0, PATIENCE - 1, 0, 0, 0])

    def strict(array):
        return array_api_strict.asarray(array)

    online = OnlineKernels(strict(batch.kernels), strict(TABLE.astype(float)))
    decoder = batch.decoder(online.dictionary)
    arrays = [strict(array) for array in (batch.X, batch.mask, batch.code, batch.weight)]
    online.absorb(**online.contribution(decoder, *arrays, numpy))
    maps = batch.decoder(batch.kernels).as_maps(batch.code)
    maps[..., 1] = 0
    for each, wrap in ((expected, np.asarray), (online, strict)):
        each.idle = wrap(idle)
        update(each, wrap(batch.X), wrap(batch.code), numpy, batch.decoder(each.dictionary))
    assert online.n_replaced == expected.n_replaced == 1
    for one, other in zip(online.moments, expected.moments, strict=True):
        assert_allclose(np.asarray(one), other, atol=1e-11)
    assert_allclose(np.asarray(online.dictionary), expected.dictionary, atol=1e-12)
