"""Base class of visible units, with a bias and a backend."""

from dataclasses import dataclass, field, replace
from typing import Any

from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.inputs._rows import float_type


@dataclass(eq=False)
class Units:
    """Base class of visible units.

    A subclass defines E_v(v), the signal to the hidden units, and the conditional means.

    Attributes
    ----------
    bias : array of shape (n_units,)
        b.
    backend : module or None, default=None
        Module of kernels. None uses the backend of the data. It is not pickled.
    """

    categories = None  # one-hot columns of categorical features

    bias: Any
    backend: Any = field(default=None, kw_only=True, repr=False)

    def __getstate__(self):
        """Store the parameters; a module of kernels cannot be pickled."""
        return {**vars(self), "backend": None}

    def on(self, backend):
        """Return the units with the kernels of a backend, and with the same parameters."""
        return self if backend is self.backend else sharing(self, backend=backend)

    def backend_for(self, array):
        """Return the backend of the units, or the backend of an array if the units have none."""
        return resolve_backend("auto", array) if self.backend is None else self.backend

    def shifted(self, change):
        """Return the units with `change` added to the bias."""
        return replace(self, bias=self.bias + change)

    def filled(self, visible, observed):
        """Return rows with the mean of each unit without hidden units in place of missing values.

        Parameters
        ----------
        visible : array of shape (n_rows, n_features)
            Rows of any real dtype.
        observed : array of shape (n_rows, n_features) or None
            1 for observed values, otherwise 0. None returns the rows themselves.

        Returns
        -------
        array of shape (n_rows, n_features)
            Rows in a floating-point dtype if any value is missing.
        """
        if observed is None:
            return visible
        xp, dtype = array_namespace(visible), float_type(visible)
        mean = xp.astype(self.placeholder(), dtype)
        return xp.where(observed != 0, xp.astype(visible, dtype), mean)

    def placeholder(self):
        """Return the values that stand for missing features: their means without hidden units."""
        return self.mean(array_namespace(self.bias).zeros_like(self.bias)[None, :])[0, :]

    def affine_signal(self):
        """Return (gain, origin) such that the signal is (v - origin) gain."""
        return self.precision / self.coordinates.unit, self.coordinates.origin + 0 * self.bias


def sharing(part, **changes):
    """Return a copy that shares the arrays, with some changes. Fast, as it runs for each sample."""
    other = object.__new__(type(part))
    other.__dict__.update(part.__dict__, **changes)
    return other
