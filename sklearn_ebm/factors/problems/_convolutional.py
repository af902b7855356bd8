"""The inference problem of convolutional codes, with images and maps as flat rows.

H = D' M D + ridge I is never formed: D and D' are convolutions, computed directly or in the Fourier
domain, and M is the mask of observed pixels.
"""

import copy
import functools

from sklearn_ebm.backends import array_namespace, squared_norms
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._certificate import gap_of_misfit
from sklearn_ebm.backends._problems import ConvolutionalLasso
from sklearn_ebm.factors.problems._fourier import FourierProducts
from sklearn_ebm.factors.problems._gram import GramProblem
from sklearn_ebm.protocols import offers, rows_of


class ConvolutionalProblem(GramProblem):
    """min_z 1/2 ||M(x - Dz)||^2 + ridge/2 ||z - prediction||^2 + penalty(z) for each row x of X.

    Parameters
    ----------
    source : Source
        Images, mask, prediction, weight of the prediction, and the ConvolutionalDecoder.
    penalty : penalty factor
        Penalty on the codes.
    """

    def __init__(self, source, penalty):
        self.source = source
        self.penalty = penalty
        self.half_norm = source.half_norm

    @property
    def decoder(self):
        """Filters, border and shapes."""
        return self.source.decoder

    @property
    def lipschitz(self):
        """Upper bound of the largest eigenvalue of H."""
        return self.decoder.lipschitz + self.source.ridge

    @property
    def largest_atom(self):
        """Largest norm of a filter."""
        kernels = self.decoder.dictionary
        xp = array_namespace(kernels)
        return float(xp.max(xp.sum(kernels * kernels, axis=(1, 2, 3)))) ** 0.5

    def on(self, backend):
        """Return the problem with the convolutions and sums of a backend."""
        return super().on(backend)._with_products(backend)

    def _with_products(self, products):
        problem = copy.copy(self)
        problem.source = self.source._replace(decoder=self.decoder.on(products))
        return problem

    def in_fourier_domain(self):
        """Return the problem with convolutions in the Fourier domain."""
        return self._with_products(FourierProducts(self.decoder.dictionary))

    def rows(self, index):
        """Return the problem of some of the images."""
        part = copy.copy(self)
        part.__dict__.pop("correlation", None)
        part.half_norm = array_namespace(self.half_norm).take(self.half_norm, index)
        part.penalty = rows_of(self.penalty, index)
        part.source = self.source.rows(index)
        return part

    def new_code(self):
        """Return uninitialised memory for the codes of all images."""
        images = self.source.X
        shape = images.shape[0], self.decoder.code_size
        return array_namespace(images).empty(shape, dtype=images.dtype)

    @functools.cached_property
    def correlation(self):
        """c = D' x + ridge * prediction."""
        correlation = self.decoder.correlate(self.source.X)
        if self.source.prediction is not None:
            correlation += self.source.ridge * self.source.prediction
        return correlation

    def product(self, code):
        """Return z H."""
        image = self.decoder.decode(code)
        if self.source.mask is not None:
            image *= self.source.mask
        product = self.decoder.correlate(image)
        if self.source.ridge:
            product += self.source.ridge * code
        return product

    def relative_gap(self, code, eta=None):
        """Return the duality gap relative to 1/2 ||x||^2, from the residual; shape (n_samples,)."""
        misfit, q = self.source.judge(code)
        return gap_of_misfit(self.penalty, misfit, self.unit, code, q, eta)

    def energy(self, code, backend=reference):
        """Return 1/2 ||M(x - Dz)||^2 + ridge/2 ||z - prediction||^2 + penalty(z), (n_samples,)."""
        source = self.source
        residual = source.X - self.decoder.decode(code)
        if source.mask is not None:
            residual *= source.mask
        energy = squared_norms(residual) / 2 + self.penalty.value(code)
        if source.ridge:
            energy = energy + source.ridge * squared_norms(source.distance(code)) / 2
        return energy + source.constant

    @property
    def weights(self):
        """w if the penalty is one of the variables w_j z_j; None if they have different ridges."""
        return None if self.source.ridge else super().weights

    def unweighted(self):
        """Return the problem in the variables w_k z_k, with the filters d_k / w_k."""
        kernels = self.decoder.dictionary
        kernels = kernels / self.weights[: kernels.shape[0], None, None, None]
        source = self.source._replace(decoder=self.decoder.with_filters(kernels))
        return ConvolutionalProblem(source, self.penalty.unweighted)

    @property
    def as_local_lasso(self):
        """A function that returns the arrays for a descent on tiles.

        None if weights differ between samples.
        """
        return None if offers(self.penalty, "rows") else self._as_local_lasso

    def _as_local_lasso(self):
        source, prediction = self.source, self.source.prediction
        if source.ridge and prediction is None:
            prediction = array_namespace(source.X).zeros_like(self.correlation)
        return ConvolutionalLasso(
            self.decoder.dictionary,
            self.decoder.as_images(source.X),
            None if source.mask is None else self.decoder.as_images(source.mask),
            None if prediction is None else self.decoder.as_maps(prediction),
            source.ridge,
            self.decoder.border,
            self.unit,
            self.penalty.rule(1, float),
        )
