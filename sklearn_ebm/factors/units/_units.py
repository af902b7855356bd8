"""Base class of visible units, with a bias and a backend."""

from dataclasses import dataclass, field, replace
from typing import Any

from sklearn_ebm.backends import resolve_backend


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

    def affine_signal(self):
        """Return (gain, origin) such that the signal is (v - origin) gain."""
        return self.precision / self.coordinates.unit, self.coordinates.origin + 0 * self.bias


def sharing(part, **changes):
    """Return a copy that shares the arrays, with some changes. Fast, as it runs for each sample."""
    other = object.__new__(type(part))
    other.__dict__.update(part.__dict__, **changes)
    return other
