"""The convolutional decoder and the convolutional encoders: products, bounds, gradients."""

import importlib
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.linalg import LinearOperator, eigsh

from sklearn_ebm.backends._border import BORDERS
from sklearn_ebm.factors import CONVOLUTIONAL_ENCODERS, ENCODERS, ConvolutionalDecoder, Tape
from sklearn_ebm.factors.encoders._smooth_shrinkage import SMALLEST_SLOPE
from sklearn_ebm.factors.problems._fourier import FourierProducts
from tests.registries.image_models import borders, dense_dictionary, unit_kernels

SHAPES = {  # of images; number, height and width of filters
    "grey": ((9, 8, 1), (3, 4, 3)),
    "colour": ((6, 7, 3), (4, 3, 2)),
    "signals": ((1, 15, 1), (3, 1, 4)),
    "signals of many channels": ((1, 9, 6), (2, 1, 3)),
    "one pixel": ((4, 5, 2), (3, 1, 1)),
    "as large as the image": ((4, 5, 1), (2, 4, 5)),
}
N_SAMPLES = 3
TABLE = np.array([[1, 0], [0, 1], [1, 1]])
ALLOWED_FROM = {"threshold": 0, "location": 0, "slope": SMALLEST_SLOPE}
ROUNDING = 1e-12  # sums of some hundred products of size one, also in the Fourier domain
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
encoders = pytest.mark.parametrize("name", CONVOLUTIONAL_ENCODERS)
tables = pytest.mark.parametrize("table", [None, TABLE], ids=["all channels", "table"])


@pytest.fixture
def random():
    return np.random.default_rng(0)


def _products(name, kernels):
    if name == "fourier":
        return FourierProducts(kernels)
    return importlib.import_module(f"sklearn_ebm.backends.{name}")


products = pytest.mark.parametrize("products", ["numpy", "numba", "fourier"])


def _decoder(random, shape, border):
    image_shape, size = shape
    return ConvolutionalDecoder(unit_kernels(random, *size, image_shape[2]), image_shape, border)


# The decoder


@products
@borders
@shapes
def test_decode_and_correlate_are_the_matrix_and_its_transpose(random, shape, border, products):
    decoder = _decoder(random, shape, border)
    atoms = dense_dictionary(decoder.dictionary, shape[0], border)
    assert atoms.shape == (decoder.code_size, np.prod(shape[0]))
    code = random.standard_normal((N_SAMPLES, decoder.code_size))
    X = random.standard_normal((N_SAMPLES, atoms.shape[1]))
    products = _products(products, decoder.dictionary)
    assert_allclose(decoder.on(products).decode(code), code @ atoms, atol=ROUNDING)
    assert_allclose(decoder.on(products).correlate(X), X @ atoms.T, atol=ROUNDING)


@products
@borders
@shapes
def test_correlate_is_the_adjoint_of_decode(random, shape, border, products, dtype):
    """<z D, x> = <z, x D'>: both sides sum the same products in another order."""
    decoder = _decoder(random, shape, border).astype(dtype)
    code = random.standard_normal((N_SAMPLES, decoder.code_size)).astype(dtype)
    X = random.standard_normal((N_SAMPLES, np.prod(shape[0]))).astype(dtype)
    products = _products(products, decoder.dictionary)
    image, correlation = decoder.on(products).decode(code), decoder.on(products).correlate(X)
    assert image.dtype == correlation.dtype == dtype
    scale = np.linalg.norm(image) * np.linalg.norm(X)
    difference = np.sum(image * X) - np.sum(code * correlation)
    assert abs(difference) < 100 * np.finfo(dtype).eps * scale


@borders
@shapes
def test_lipschitz_is_above_the_largest_eigenvalue(random, shape, border):
    decoder = _decoder(random, shape, border)
    exact = np.linalg.norm(dense_dictionary(decoder.dictionary, shape[0], border), 2) ** 2
    assert exact <= decoder.lipschitz * (1 + ROUNDING)


@borders
@pytest.mark.parametrize("n_channels", [1, 3])
def test_lipschitz_is_close_to_the_largest_eigenvalue_of_large_images(random, border, n_channels):
    """The effect of edges decreases with the square of the filter size over the image size."""
    decoder = _decoder(random, ((60, 50, n_channels), (6, 5, 4)), border)

    def twice(code):
        return decoder.correlate(decoder.decode(code[None])).ravel()

    shape = decoder.code_size, decoder.code_size
    start = random.standard_normal(decoder.code_size)
    gram = LinearOperator(shape, matvec=twice, dtype=np.float64)
    (exact,) = eigsh(gram, k=1, v0=start, tol=1e-3, return_eigenvectors=False)
    assert exact <= decoder.lipschitz <= 1.15 * exact


@pytest.mark.parametrize("frequency", [32, 33, 34, 35])
def test_lipschitz_is_above_what_lies_between_the_frequencies_it_looks_at(frequency):
    """Waves for which a filter of length 8 has the largest gain, between two frequencies."""
    phase = 2 * np.pi * frequency / 512 * np.arange(8)
    kernels = np.stack([np.cos(phase), np.sin(phase)], axis=-1).reshape(1, 1, 8, 2) / 8**0.5
    gain = np.abs(np.fft.fft(kernels, 512, axis=2)) ** 2
    exact = gain.sum(axis=3).max()  # for a circular signal of 512 entries
    bound = ConvolutionalDecoder(kernels, (1, 512), "circular").lipschitz
    assert exact <= bound * (1 + ROUNDING)
    assert bound <= 1.03 * exact


def test_lipschitz_of_a_mean_is_that_of_constant_images():
    """All entries are 1 / n on n pixels: a constant code is an eigenvector, with gain sqrt(n)."""
    kernels = np.full((1, 4, 4, 1), 1 / 4)
    bound = ConvolutionalDecoder(kernels, (40, 40), "circular").lipschitz
    assert 16 <= bound <= 1.15 * 16


@pytest.mark.parametrize(("border", "is_fair"), [("full", True), ("circular", True),
                                                 ("same", False), ("valid", False)])  # fmt: skip
def test_full_and_circular_borders_reach_every_pixel_alike(border, is_fair):
    """The corner is covered by as many filters at as many positions as the centre."""
    decoder = ConvolutionalDecoder(np.ones((2, 3, 4, 1)), (9, 11), border)
    reached = decoder.decode(np.ones((1, decoder.code_size)))
    assert reached.max() == 2 * 3 * 4
    assert np.all(reached == reached.max()) == is_fair


@borders
def test_a_pickled_decoder_is_the_same(random, border):
    decoder = _decoder(random, SHAPES["colour"], border)
    code = random.standard_normal((N_SAMPLES, decoder.code_size))
    copy = pickle.loads(pickle.dumps(decoder))
    assert_array_equal(copy.decode(code), decoder.decode(code))


# Encoders


def _encoder(random, name, border, table=None, image_shape=(5, 6), dtype=np.float64):
    """Return an encoder with generic parameters near its initial ones, without zero gradients."""
    kernels = unit_kernels(random, 3, 3, 2, 2)
    encoder = CONVOLUTIONAL_ENCODERS[name].from_dictionary(
        kernels, 1.5, 0.4, image_shape=image_shape, border=border, table=table
    )
    for value in encoder.parameters.values():
        value += 0.1 * random.uniform(size=value.shape)
    return encoder.astype(np.dtype(dtype))


@encoders
def test_maps_are_what_the_encoder_of_patches_gives_on_every_window(random, name):
    """With filters inside of the image, each position is one patch."""
    encoder = _encoder(random, name, "valid")
    weights = encoder.parameters["weights"]
    flat_weights = np.ascontiguousarray(weights.reshape(len(weights), -1).T)
    of_patches = ENCODERS[name]({**encoder.parameters, "weights": flat_weights})
    images = random.standard_normal((N_SAMPLES, 5, 6, 2))
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 2), axis=(1, 2))
    patches = np.moveaxis(windows, 3, 5).reshape(-1, 3 * 2 * 2)
    code = encoder.forward(images.reshape(N_SAMPLES, -1))
    assert_allclose(code.reshape(-1, 3), of_patches.forward(patches), atol=ROUNDING)


@encoders
@pytest.mark.parametrize("border", ["full", "same"])
def test_beyond_an_edge_an_encoder_sees_zeros(random, name, border):
    """Maps of an image in a black frame equal the maps without it, with a margin."""
    encoder = _encoder(random, name, border)
    images = random.standard_normal((N_SAMPLES, 5, 6, 2))
    framed = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)))
    shape, inside = ((13, 14), (7, 7)) if border == "full" else ((13, 14), (5, 6))
    large = encoder.on_images(shape).forward(framed.reshape(N_SAMPLES, -1))
    maps = large.reshape(N_SAMPLES, *BORDERS[border]((3, 2)).map_shape(shape, (3, 2)), 3)
    part = maps[:, 4 : 4 + inside[0], 4 : 4 + inside[1]]
    code = encoder.forward(images.reshape(N_SAMPLES, -1))
    assert_allclose(part.reshape(N_SAMPLES, -1), code, atol=ROUNDING)


@encoders
def test_project_keeps_the_constraints_and_moves_nothing_else(random, name):
    encoder = _encoder(random, name, "full", TABLE)
    for value in encoder.parameters.values():
        value -= 20 * (np.arange(value.size) % 2).reshape(value.shape)  # every second one far below
    before = {key: value.copy() for key, value in encoder.parameters.items()}
    before["weights"] *= TABLE[:, None, None, :]
    encoder.project()
    for key, value in encoder.parameters.items():
        assert_array_equal(value, np.maximum(before[key], ALLOWED_FROM.get(key, -np.inf)), key)


@encoders
def test_a_map_does_not_depend_on_channels_that_its_table_leaves_out(random, name):
    encoder = _encoder(random, name, "full", TABLE)
    encoder.project()
    images = random.standard_normal((N_SAMPLES, 5, 6, 2))
    changed = images.copy()
    changed[..., 1] = random.standard_normal((N_SAMPLES, 5, 6))  # not read by the first map
    maps, others = (
        encoder.forward(each.reshape(N_SAMPLES, -1)).reshape(N_SAMPLES, 7, 7, 3)
        for each in (images, changed)
    )
    assert_array_equal(maps[..., 0], others[..., 0])
    assert np.all(np.any(maps != others, axis=(0, 1, 2)) == [False, True, True])


@encoders
def test_encoders_of_other_images_share_their_parameters(random, name):
    encoder = _encoder(random, name, "full", TABLE)
    for other in (encoder.on_images((7, 8)), encoder.with_border("valid")):
        assert other.parameters is encoder.parameters
        assert other.settings["table"] is TABLE
    assert encoder.on_images((7, 8)).forward(np.zeros((1, 112))).shape == (1, 9 * 9 * 3)
    assert encoder.with_border("valid").forward(np.zeros((1, 60))).shape == (1, 3 * 5 * 3)


@encoders
def test_a_tape_is_filled_again_by_images_of_any_size(random, name, dtype):
    first, tape = _encoder(random, name, "full", dtype=dtype), Tape()
    for n_samples, image_shape in ((4, (5, 6)), (1, (9, 8)), (2, (4, 3)), (4, (5, 6))):
        encoder = first.on_images(image_shape)
        X = random.standard_normal((n_samples, np.prod(image_shape) * 2)).astype(dtype)
        results = []
        for used in (None, tape):
            filled = Tape() if used is None else used
            code = encoder.forward(X, filled)
            input_gradient, gradients = encoder.backward(filled, np.cos(code))
            results.append({"code": code, "X": input_gradient, **gradients})
        for key, value in results[0].items():
            assert value.dtype == dtype
            assert_array_equal(results[1][key], value, key)


@encoders
def test_first_parameters_are_allowed_and_own_their_memory(random, name):
    kernels = unit_kernels(random, 3, 3, 2, 2)
    settings = {"image_shape": (5, 6), "border": "full", "table": None}
    encoder = CONVOLUTIONAL_ENCODERS[name].from_dictionary(kernels, 4.0, 1.0, **settings)
    before = {key: value.copy() for key, value in encoder.parameters.items()}
    encoder.project()
    for key, value in encoder.parameters.items():
        assert_array_equal(value, before[key])
        assert not np.shares_memory(value, kernels)
    assert_array_equal(encoder.filters, kernels / 2)  # a step of 1 / sqrt(L)
