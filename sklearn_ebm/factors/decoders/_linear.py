"""The linear decoder z D."""

import functools

from sklearn_ebm.backends import array_namespace, diagonal, squared_norms
from sklearn_ebm.factors.problems import GramProblem, MaskedProblem, Source, largest_eigenvalue
from sklearn_ebm.factors.problems._gram import positive_range


class LinearDecoder:
    """Reconstruction z @ dictionary, with the products that inference needs computed once.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Atoms, one a row.
    """

    piece_rows = None  # as many samples at a time as suits the work

    def __init__(self, dictionary):
        self.dictionary = dictionary
        self._casts = {}
        self._predictive_grams = {}

    def __getstate__(self):
        """Store the atoms alone: products and casts are computed again where they are needed."""
        return {"dictionary": self.dictionary}

    def __setstate__(self, state):
        self.__init__(**state)

    @functools.cached_property
    def gram(self):
        """D D', shape (n_components, n_components)."""
        return self.dictionary @ self.dictionary.T

    @functools.cached_property
    def lipschitz(self):
        """Largest eigenvalue of D D', from above."""
        return largest_eigenvalue(self.gram)

    @functools.cached_property
    def curvatures(self):
        """The smallest squared norm above zero of an atom, and the largest one."""
        return positive_range(diagonal(self.gram))

    @property
    def code_size(self):
        """Numbers in the code of a sample."""
        return self.dictionary.shape[0]

    def on(self, products):
        """The decoder itself: its products are those of the array library."""
        return self

    def for_samples(self, shape):
        """The decoder itself: samples are rows."""
        return self

    def astype(self, dtype):
        """The decoder with a dictionary of this type; remembered."""
        if dtype == self.dictionary.dtype:
            return self
        if dtype not in self._casts:
            xp = array_namespace(self.dictionary)
            self._casts[dtype] = LinearDecoder(xp.asarray(self.dictionary, dtype=dtype))
        return self._casts[dtype]

    def decode(self, code):
        """z D; sparse codes give a dense reconstruction."""
        return code @ self.dictionary

    def correlate(self, X):
        """X D', the adjoint of `decode`."""
        return X @ self._rounded.T

    @functools.cached_property
    def _rounded(self):
        """Atoms without the entries that rounding loses in a sum with the largest of their atom.

        Their products may be denormal numbers, which slow a matrix product down thirtyfold. The
        tails of peaks have many of them in single precision.
        """
        xp, size = array_namespace(self.dictionary), abs(self.dictionary)
        precision = float(xp.finfo(self.dictionary.dtype).eps) ** 2
        is_lost = size < precision * xp.max(size, axis=1, keepdims=True)
        if not bool(xp.any(is_lost & (size > 0))):
            return self.dictionary
        return xp.where(is_lost, xp.zeros_like(self.dictionary), self.dictionary)

    def problem(self, X, penalty, prediction=None, beta=0.0, mask=None):
        """The inference problem of all rows of X; see `Energy.problem`."""
        correlation = self.correlate(X)
        if prediction is not None:
            correlation += beta * prediction
        ridge = 0.0 if prediction is None else beta
        source = Source(self, X, prediction, ridge, mask)
        shared = correlation, source.half_norm, penalty, lambda: self.lipschitz + ridge, source
        if mask is not None:
            return MaskedProblem(None, *shared)
        return GramProblem(self._predictive_gram(ridge) if ridge else self.gram, *shared)

    def _predictive_gram(self, ridge):
        if ridge not in self._predictive_grams:
            xp = array_namespace(self.gram)
            identity = xp.eye(self.gram.shape[0], dtype=self.gram.dtype)
            self._predictive_grams[ridge] = self.gram + ridge * identity
        return self._predictive_grams[ridge]


def half_norm(X):
    """1/2 ||x||^2 of each row."""
    return squared_norms(X) / 2
