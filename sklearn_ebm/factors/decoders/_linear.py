"""The linear decoder z D."""

import functools
import math

from scipy import sparse

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import (
    add_multiple,
    array_namespace,
    diagonal,
    multiply_into,
    new_array,
    squared_norms,
)
from sklearn_ebm.factors.problems import GramProblem, MaskedProblem, largest_eigenvalue
from sklearn_ebm.factors.problems._gram import positive_range
from sklearn_ebm.protocols import ModuleMixin


@stored
class LinearDecoder(ModuleMixin):
    """Reconstruction z @ dictionary, with cached products for inference.

    As a module, it maps codes to data, and its parameter is the dictionary. `gram`, `lipschitz`,
    `correlate` and problems assume a constant dictionary. After an optimizer step, inference
    requires a new decoder.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Atoms, one per row.
    """

    piece_rows = None  # None: the launcher chooses the number of samples in a piece

    def __init__(self, dictionary):
        self.dictionary = dictionary
        self.parameters = {"dictionary": dictionary}
        self._casts = {}
        self._grams_with = {}

    def __getstate__(self):
        """Store only the atoms: products and casts are computed again when they are needed."""
        return {"dictionary": self.dictionary}

    def __setstate__(self, state):
        self.__init__(**state)

    @functools.cached_property
    def gram(self):
        """D D', shape (n_components, n_components)."""
        dictionary = self.dictionary
        room = new_array((dictionary.shape[0], dictionary.shape[0]), dictionary)
        return multiply_into(dictionary, dictionary.T, room)

    @functools.cached_property
    def lipschitz(self):
        """Upper bound of the largest eigenvalue of D D'."""
        return largest_eigenvalue(self.gram)

    @functools.cached_property
    def curvatures(self):
        """The smallest positive squared norm of an atom, and the largest."""
        return positive_range(diagonal(self.gram))

    @property
    def code_size(self):
        """Number of entries in the code of a sample."""
        return self.dictionary.shape[0]

    def for_samples(self, shape):
        """Return the decoder itself, since samples are rows."""
        return self

    def astype(self, dtype):
        """Return the decoder with a dictionary in a dtype, cached."""
        if dtype == self.dictionary.dtype:
            return self
        if dtype not in self._casts:
            xp = array_namespace(self.dictionary)
            self._casts[dtype] = LinearDecoder(xp.asarray(self.dictionary, dtype=dtype))
        return self._casts[dtype]

    def decode(self, code):
        """Return z D as a dense array, also for sparse codes."""
        return code @ self.dictionary

    def forward(self, x, tape=None, stream=None):
        """Return the reconstructions of codes."""
        if tape is not None:
            tape.kept = x
        return self.decode(x)

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to the codes (or None), and to the dictionary."""
        room = tape.array("dictionary", self.dictionary.shape, dy)
        gradients = {"dictionary": multiply_into(tape.kept.T, dy, room)}
        return dy @ self.dictionary.T if input_gradient else None, gradients

    def project(self):
        """Scale atoms with a norm above one to norm one."""
        shorten(self.dictionary)

    def correlate(self, X, room=None):
        """Return X D', the adjoint of `decode`, in the given memory if any. X may be sparse."""
        columns = self._columns if sparse.issparse(X) else self._rounded.T
        return X @ columns if room is None else multiply_into(X, columns, room)

    @functools.cached_property
    def _columns(self):
        """D' with contiguous rows, which each sparse product would copy."""
        rounded = without_tails(self.dictionary)  # not kept: dictionaries of texts are large
        return array_namespace(rounded).asarray(rounded.T, order="C")

    def squared_errors(self, X, code):
        """Return ||x - z D||^2 of each sample. For sparse X, no dense residual is formed."""
        if sparse.issparse(X):
            return self.errors_of_sparse(X, code)[0]
        return squared_norms(X - self.decode(code))

    def errors_of_sparse(self, X, code):
        """Return ||x - z D||^2 and (x - z D) D' for sparse X, without a dense residual."""
        correlation = self.correlate(X)
        q = correlation - code @ self.gram
        fit = array_namespace(code).sum(code * (correlation + q), axis=1)
        return squared_norms(X) - fit, q

    @functools.cached_property
    def _rounded(self):
        return without_tails(self.dictionary)

    def problem(self, source, penalty, products=None, tape=None):
        """Return the inference problem of all rows of X; `products` is X D' if it is known.

        If a tape is given, the correlations lie in its memory.
        """
        correlation, ridge = products, source.ridge
        if products is None:
            correlation = self.correlate(source.X, self._room(source.X, tape))
        if source.prediction is not None:
            add_multiple(correlation, ridge, source.prediction)
        shared = correlation, source.half_norm, penalty, lambda: self.lipschitz + ridge, source
        if source.mask is not None:
            return MaskedProblem(None, *shared)
        return GramProblem(self._gram_with(ridge) if ridge else self.gram, *shared)

    def _room(self, X, tape):
        """Return memory for X D'; None without a tape, or if the product has another dtype."""
        if tape is None or sparse.issparse(X) or X.dtype != self.dictionary.dtype:
            return None
        return tape.array("correlation", (X.shape[0], self.code_size), self.dictionary)

    def _gram_with(self, ridge):
        if ridge not in self._grams_with:
            xp, shape = array_namespace(self.gram), self.gram.shape
            entries = new_array((shape[0] * shape[0],), self.gram)
            entries[...] = xp.reshape(self.gram, (-1,))
            entries[:: shape[0] + 1] += ridge  # the diagonal
            self._grams_with[ridge] = xp.reshape(entries, shape)
        return self._grams_with[ridge]


def without_tails(rows):
    """Return atoms without entries that are negligible relative to the largest entry of their atom.

    Products with such entries may be denormal numbers, which slow down a matrix product thirtyfold.
    In single precision, the tails of peaks have many of them.
    """
    xp, size = array_namespace(rows), abs(rows)
    precision = float(xp.finfo(rows.dtype).eps) ** 2
    n_small = int(xp.count_nonzero(size < precision * xp.max(size)))
    if n_small == math.prod(size.shape) - int(xp.count_nonzero(size)):  # all of them are zeros
        return rows
    is_lost = size < precision * xp.max(size, axis=1, keepdims=True)
    if not bool(xp.any(is_lost & (size > 0))):
        return rows
    return xp.where(is_lost, xp.zeros_like(rows), rows)


def shorten(rows, longest=1.0):
    """Scale rows with a norm above `longest` to this norm, in place."""
    xp = array_namespace(rows)
    excess = xp.sqrt(squared_norms(rows)) / longest
    allowed = 1 + 4 * float(xp.finfo(rows.dtype).eps)  # one up to rounding
    rows /= xp.where(excess > allowed, excess, xp.ones_like(excess))[:, None]


def half_norm(X):
    """Return 1/2 ||x||^2 of each row."""
    return squared_norms(X) / 2
