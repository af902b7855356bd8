"""Borders and the filters of convolutional codes equal their definitions."""

import importlib

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.backends._rules import SoftThreshold
from tests.registries.kernels.convolutions import draw_images, draw_kernels, draw_maps, new_lasso

SHAPE, SIZE = (9, 12, 2), (5, 4, 3)  # of images; number, height and width of filters
SEVERAL_TILES = (70, 150, 1)  # eight tiles, shared by two threads
DOUBLE = np.dtype(np.float64)
RELATIVE = 1e-12  # sums of some thousand products in double precision


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    return importlib.import_module(f"sklearn_ebm.backends.{request.param}")


@pytest.fixture
def images(rng):
    return draw_images(rng, DOUBLE, 2, SHAPE)


@pytest.fixture
def kernels(rng):
    return draw_kernels(rng, DOUBLE, SIZE, SHAPE[2])


@pytest.fixture(params=BORDERS)
def border(request, kernels):
    return BORDERS[request.param](kernels.shape[1:])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("full", (12, 14)), ("same", (9, 12)), ("valid", (6, 10)), ("circular", (9, 12))],
)
def test_maps_of_9_by_12_pixels_and_kernels_of_4_by_3(name, expected):
    assert BORDERS[name]((4, 3)).map_shape((9, 12), (4, 3)) == expected


def test_fold_is_the_adjoint_of_extend(border, images, kernels, rng):
    extended = border.extend(images, kernels.shape[1:])
    canvas = rng.standard_normal(extended.shape)
    folded = border.fold(canvas, images.shape[1:])
    assert folded.shape == images.shape
    assert np.sum(extended * canvas) == pytest.approx(np.sum(images * folded), abs=1e-11)


def test_products_are_derivatives_of_one_trilinear_form(backend, border, images, kernels, rng):
    """Each product is the derivative of sum_q z[q] (image . d at q), which is trilinear.

    Entries are of size one, some thousand of them.
    """
    maps = draw_maps(rng, DOUBLE, images, kernels, border)
    by_maps = backend.correlate(images, kernels, border, np.empty_like(maps))
    by_images = backend.synthesize(maps, kernels, border, np.empty_like(images))
    by_kernels = backend.correlate_kernels(maps, images, border, np.zeros_like(kernels))
    form = np.sum(by_maps * maps)
    scale = np.linalg.norm(by_maps) * np.linalg.norm(maps)
    assert abs(np.sum(by_images * images) - form) <= RELATIVE * scale
    assert abs(np.sum(by_kernels * kernels) - form) <= RELATIVE * scale


def test_circular_products_are_products_of_spectra(backend, images, kernels):
    border, axes = BORDERS["circular"](kernels.shape[1:]), (1, 2)
    image, kernel = (np.fft.rfft2(array, SHAPE[:2], axes=axes) for array in (images, kernels))
    product = np.einsum("nijc, kijc -> nijk", image, kernel.conj())
    expected = np.fft.irfft2(product, SHAPE[:2], axes=axes)
    maps = backend.correlate(images, kernels, border, np.empty(expected.shape))
    assert_allclose(maps, expected, atol=RELATIVE * np.abs(expected).max())


@pytest.mark.parametrize("is_one", [True, False])
@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-3, 2)])
@pytest.mark.parametrize("circular", [False, True])
def test_moments_are_plain_sums_over_pairs(backend, rng, circular, shift, is_one):
    left = rng.standard_normal((2, 6, 7, 3))
    right = left if is_one else rng.standard_normal(left.shape)
    moment = backend.add_code_moment(left, right, circular, np.ones((3, 3, 7, 5)))
    expected = np.ones((3, 3))
    for n, y, x in np.ndindex(left.shape[:3]):
        other = y + shift[0], x + shift[1]
        if circular:
            other = other[0] % 6, other[1] % 7
        if 0 <= other[0] < 6 and 0 <= other[1] < 7:
            expected += np.outer(left[n, y, x], right[n, *other])
    assert_allclose(moment[:, :, 3 + shift[0], 2 + shift[1]], expected, atol=1e-12)


@pytest.fixture(params=["valid", "circular"])
def exact_moments(request, backend, images, kernels, rng):
    """Return maps with no filter over an edge, and a function from images to moments and the error.

    The second filter is not used.
    """
    border = BORDERS[request.param](kernels.shape[1:])
    maps = draw_maps(rng, DOUBLE, images, kernels, border, 0.3)
    maps[..., 1] = 0
    n_components, height, width, _ = kernels.shape
    shape = n_components, n_components, 2 * height - 1, 2 * width - 1

    def describe(images):
        moment = backend.add_code_moment(maps, maps, border.circular, np.zeros(shape))
        cross = backend.correlate_kernels(maps, images, border, np.zeros_like(kernels))
        return moment, cross

    def synthesize(kernels):
        return reference.synthesize(maps, kernels, border, np.empty_like(images))

    return describe, synthesize


def test_a_sweep_over_kernels_lowers_the_error(backend, exact_moments, images, kernels):
    """Also on the sphere: the point nearest to the step minimises the parabola."""
    describe, synthesize = exact_moments
    moved, moments = kernels.copy(), describe(images)
    error = np.sum((images - synthesize(kernels)) ** 2)
    for _ in range(3):
        backend.update_kernels(moved, *moments)
        lower = np.sum((images - synthesize(moved)) ** 2)
        assert lower < error
        error = lower
    assert_array_equal(moved[1], kernels[1])
    assert_allclose(np.sum(moved**2, axis=(1, 2, 3)), 1, rtol=1e-14)


def test_kernels_that_explain_the_images_stay(backend, exact_moments, kernels):
    describe, synthesize = exact_moments
    moved = kernels.copy()
    backend.update_kernels(moved, *describe(synthesize(kernels)))
    assert_allclose(moved, kernels, atol=1e-14)


@pytest.fixture
def threads():
    """Return a function that sets Numba's number of threads, which is restored afterwards."""
    before = numba.get_num_threads()
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("there is one thread only")
    yield numba.set_num_threads
    numba.set_num_threads(before)


def _photograph(rng, dtype, border, n_images=1, **options):
    """Return a problem with several tiles."""
    kernels = draw_kernels(rng, dtype, (6, 5, 4), 1)
    images = 5 * draw_images(rng, dtype, n_images, SEVERAL_TILES)
    border = BORDERS[border](kernels.shape[1:])
    lasso = new_lasso(rng, images, kernels, border, SoftThreshold(4.0), **options)
    return lasso, np.zeros_like(draw_maps(rng, dtype, images, kernels, border))


@pytest.mark.parametrize("border", BORDERS)
def test_local_descent_does_not_depend_on_the_number_of_threads(threads, rng, border, dtype):
    backend = importlib.import_module("sklearn_ebm.backends.numba")
    lasso, start = _photograph(rng, dtype, border)
    codes = []
    for number in (1, 2):
        threads(number)
        code = start.copy()
        gap, n_iter = backend.local_descent(lasso, code, 1e-4, 50)
        codes.append((code, gap, n_iter))
    for one, two in zip(*codes, strict=True):
        assert_array_equal(one, two)


@pytest.mark.parametrize("density", [0.1, 1.0])
def test_products_of_maps_do_not_depend_on_the_number_of_threads(threads, rng, density):
    backend = importlib.import_module("sklearn_ebm.backends.numba")
    lasso, code = _photograph(rng, np.dtype(np.float32), "full", n_images=5)
    maps = draw_maps(rng, code.dtype, lasso.images, lasso.kernels, lasso.border, density)
    sums = []
    for number in (1, 2):
        threads(number)
        kernels = np.zeros_like(lasso.kernels)
        sums.append(backend.correlate_kernels(maps, lasso.images, lasso.border, kernels))
    assert_array_equal(*sums)


def _duality_gap(lasso, code):
    """Return energy minus dual value at the scaled residual, over the energy of zero codes."""
    axes, alpha = (1, 2, 3), lasso.rule.threshold
    seen = 1 if lasso.mask is None else lasso.mask
    explained = reference.synthesize(
        code, lasso.kernels, lasso.border, np.empty(lasso.images.shape)
    )
    residual = seen * (lasso.images - explained)
    aim = np.zeros_like(code) if lasso.prediction is None else lasso.prediction
    correlation = reference.correlate(residual, lasso.kernels, lasso.border, np.empty_like(code))
    correlation += lasso.ridge * (aim - code)
    scale = np.minimum(1, alpha / np.abs(correlation).max(axis=axes, keepdims=True))

    def energy(image, code):
        return (np.sum(image**2, axis=axes) + lasso.ridge * np.sum(code**2, axis=axes)) / 2

    primal = energy(residual, aim - code) + alpha * np.abs(code).sum(axis=axes)
    off = energy(lasso.images - scale * residual, aim - scale * (aim - code))
    zero = energy(lasso.images, aim)
    return (primal - (zero - off)) / zero


@pytest.mark.parametrize("options", [{}, {"masked": True, "ridge": 0.5}], ids=["plain", "all"])
@pytest.mark.parametrize("border", BORDERS)
def test_the_gap_is_that_of_the_codes(rng, border, options, dtype):
    """Also if descent is stopped early. The unit is the energy of zero, up to a few roundings."""
    backend = importlib.import_module("sklearn_ebm.backends.numba")
    lasso, code = _photograph(rng, dtype, border, n_images=2, **options)
    gap, _ = backend.local_descent(lasso, code, 1e-3, 10)
    wide = [array if array is None else array.astype(np.float64) for array in lasso[:4]]
    expected = _duality_gap(type(lasso)(*wide, *lasso[4:]), code.astype(np.float64))
    assert_allclose(gap, expected, atol=20 * np.finfo(dtype).eps)
