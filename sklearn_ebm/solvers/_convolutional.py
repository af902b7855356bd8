"""The inference problem of convolutional codes, with images and maps as flat rows.

H = D' M D + ridge I is never formed: D and D' are products with kernels, direct ones or through the
Fourier domain, and M drops what is not observed.
"""

import copy
import functools
import math

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._problems import ConvolutionalLasso
from sklearn_ebm.solvers._fourier import FourierProducts
from sklearn_ebm.solvers._problem import GramProblem


class ConvolutionalProblem(GramProblem):
    """min_z 1/2 ||M(x - Dz)||^2 + ridge/2 ||z - prediction||^2 + penalty(z) for each row x of X.

    Parameters
    ----------
    decoder : ConvolutionalDecoder
        Kernels, border, shapes and the largest eigenvalue.
    X : array of shape (n_samples, height * width * n_channels)
        Images, zero where the mask is.
    penalty : penalty factor
        Of the codes.
    prediction : array of shape (n_samples, n_components) or None
        What codes are drawn to.
    ridge : float
        How much.
    mask : array of the shape of X or None
        One where a pixel is observed.
    """

    def __init__(self, decoder, X, penalty, prediction=None, ridge=0.0, mask=None):
        xp = array_namespace(X)
        self.decoder = decoder
        self.penalty = penalty
        self.kernels = decoder.dictionary
        self.half_norm = xp.sum(X * X, axis=1) / 2
        if prediction is not None:
            self.half_norm = self.half_norm + ridge * xp.sum(prediction * prediction, axis=1) / 2
        self._X = X
        self._prediction = prediction
        self._ridge = ridge
        self._mask = mask
        self._products = reference

    @property
    def lipschitz(self):
        """Largest eigenvalue of H, from above."""
        return self.decoder.lipschitz + self._ridge

    def on(self, backend):
        """The problem with the products and sums of a backend."""
        problem = copy.copy(super().on(backend))
        problem._products = backend
        return problem

    def in_fourier_domain(self):
        """The problem with products through the Fourier domain."""
        problem = copy.copy(self)
        problem._products = FourierProducts(self.kernels)
        return problem

    def rows(self, index):
        """The problem of some of the images."""
        xp = array_namespace(self._X)
        part = copy.copy(self)
        part.__dict__.pop("correlation", None)
        part.half_norm = xp.take(self.half_norm, index)
        for name in ("_X", "_prediction", "_mask"):
            array = getattr(self, name)
            setattr(part, name, None if array is None else xp.take(array, index, axis=0))
        return part

    def new_code(self):
        """Room for the codes of all images."""
        xp = array_namespace(self._X)
        shape = self._X.shape[0], math.prod(self.decoder.map_shape)
        return xp.empty(shape, dtype=self._X.dtype)

    @functools.cached_property
    def correlation(self):
        """c = D' x + ridge * prediction."""
        correlation = self._correlate(self._X)
        if self._prediction is not None:
            correlation += self._ridge * self._prediction
        return correlation

    def product(self, code):
        """Rows of z H."""
        image = self.decoder.decode(code, self._products)
        if self._mask is not None:
            image *= self._mask
        product = self._correlate(image)
        if self._ridge:
            product += self._ridge * code
        return product

    def _correlate(self, X):
        return self.decoder.correlate(X, self._products)

    def energy(self, code, backend=reference):
        """1/2 ||M(x - Dz)||^2 + ridge/2 ||z - prediction||^2 + penalty(z); shape (n_samples,)."""
        xp = array_namespace(code)
        residual = self._X - self.decoder.decode(code, self._products)
        if self._mask is not None:
            residual *= self._mask
        energy = xp.sum(residual * residual, axis=1) / 2 + self.penalty.value(code)
        if self._prediction is not None:
            distance = code - self._prediction
            energy = energy + self._ridge * xp.sum(distance * distance, axis=1) / 2
        return energy

    def as_local_lasso(self):
        """The arrays that a descent on tiles takes."""
        prediction = self._prediction
        return ConvolutionalLasso(
            self.kernels,
            self.decoder.as_images(self._X),
            None if self._mask is None else self.decoder.as_images(self._mask),
            None if prediction is None else self.decoder.as_maps(prediction),
            self._ridge if prediction is not None else 0.0,
            self.decoder.border,
            self.unit,
            self.penalty.rule(1, float),
        )
