"""Common parts of the tests of convolutional models: D as a matrix, models, planted filters."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_ebm import ConvPSD, ConvSparseCoder
from sklearn_ebm.backends._border import BORDERS

ALPHA = 0.3
SETTINGS = {"max_iter": 3, "tol": 0, "batch_size": 8, "crop_size": 10}  # of quick fits
SHAPE, SIZE = (9, 10, 2), (5, 4, 3)  # of images; number, height and width of filters
MODELS = {
    "ConvSparseCoder": ConvSparseCoder(),
    "ConvPSD": ConvPSD(),
    "ConvPSD-optimal": ConvPSD(inference="optimal"),
}
KINDS = ["ConvSparseCoder", "ConvPSD"]  # one of each class
borders = pytest.mark.parametrize("border", BORDERS)
models = pytest.mark.parametrize("name", MODELS)
kinds = pytest.mark.parametrize("name", KINDS)


def make(name, n_components=5, **parameters):
    """Return a new model with a given name in `MODELS`."""
    settings = {"n_components": n_components, "kernel_size": 3, "alpha": ALPHA, "random_state": 0}
    return clone(MODELS[name]).set_params(**{**settings, **parameters})


def fitted_attributes(model):
    """Return the public fitted attributes, by name."""
    return {name: value for name, value in vars(model).items() if name.endswith("_")}


def unit_kernels(random, n_components, height, width, n_channels=1):
    """Return random filters of unit norm."""
    kernels = random.standard_normal((n_components, height, width, n_channels))
    return kernels / np.sqrt(np.sum(kernels**2, axis=(1, 2, 3), keepdims=True))


def dense_dictionary(kernels, image_shape, border):
    """Return D as a matrix with a row of pixels for each entry of a code, by its definition.

    The code at a position refers to the window that starts `before` pixels above and to the left.
    Pixels beyond an edge are dropped, or wrapped around.
    """
    _, height, width, n_channels = kernels.shape
    n_rows, n_columns = image_shape[:2]
    before = {"full": (height - 1, width - 1), "same": ((height - 1) // 2, (width - 1) // 2)}
    top, left = before.get(border, (0, 0))
    free = {"full": (height - 1, width - 1), "valid": (1 - height, 1 - width)}.get(border, (0, 0))
    places = np.ndindex(n_rows + free[0], n_columns + free[1])
    atoms = []
    for (i, j), kernel in ((place, kernel) for place in places for kernel in kernels):
        image = np.zeros((n_rows, n_columns, n_channels))
        for a, b in np.ndindex(height, width):
            y, x = i - top + a, j - left + b
            if border == "circular":
                y, x = y % n_rows, x % n_columns
            if 0 <= y < n_rows and 0 <= x < n_columns:
                image[y, x] += kernel[a, b]
        atoms.append(image.ravel())
    return np.array(atoms)


def spikes(random, shape, density):
    """Return maps with a few large entries."""
    on = random.random(shape) < density
    return on * random.choice([-1.0, 1.0], shape) * (1 + random.random(shape))


def similarity(first, second):
    """Return the largest absolute cross-correlation over all shifts for each pair of filters."""
    size = [sum(lengths) - 1 for lengths in zip(first.shape[1:3], second.shape[1:3], strict=True)]
    left, right = (np.fft.fft2(kernels, size, axes=(1, 2)) for kernels in (first, second))
    product = np.einsum("kijc, lijc -> klij", left, right.conj())
    return np.abs(np.fft.ifft2(product, axes=(2, 3)).real).max(axis=(2, 3))


@functools.cache
def photograph_parts():
    """(12, 16, 14) float64, read-only: high-passed parts of a photograph, of unit variance."""
    from scipy.ndimage import gaussian_filter
    from sklearn.datasets import load_sample_image

    grey = load_sample_image("china.jpg").mean(axis=2)
    detail = grey - gaussian_filter(grey, 3)
    parts = [detail[y : y + 16, x : x + 14] for y in (150, 200, 250) for x in (200, 300, 400, 500)]
    parts = np.stack(parts)
    parts /= parts.std()
    parts.setflags(write=False)
    return parts


def three_channels():
    """(6, 12, 11, 3) float64, with independent channels."""
    return np.random.default_rng(0).standard_normal((6, 12, 11, 3))


def learned(model):
    """Return all learned numbers, by name."""
    numbers = {"components_": model.components_, "objective_curve_": model.objective_curve_}
    return {**numbers, **getattr(getattr(model, "encoder_", None), "parameters", {})}


def assert_same(first, second, **tolerance):
    """Assert that the same parameters were learned."""
    for name, value in learned(first).items():
        assert_allclose(learned(second)[name], value, err_msg=name, **tolerance)
