"""The linear decoder z D."""

import functools

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.solvers import largest_eigenvalue


class LinearDecoder:
    """Reconstruction z @ dictionary, with the products that inference needs computed once.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Atoms, one a row.
    """

    def __init__(self, dictionary):
        self.dictionary = dictionary
        self._casts = {}

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
