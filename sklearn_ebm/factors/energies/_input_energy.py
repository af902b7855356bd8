"""Base class of energies of x alone: named arrays, their units, copies, dtypes and a backend."""

import numpy as np

from sklearn_ebm.backends import array_namespace, copied, resolve_backend, to_host
from sklearn_ebm.factors.units._units import sharing


class InputEnergy:
    """Named parameters and settings of an energy E(x); a subclass defines E and its derivatives.

    Parameters
    ----------
    parameters : dict of str to array
        Trained arrays. Criteria change them in place.
    **settings
        Values that are not trained.
    """

    is_binary = False  # whether samples consist of zeros and ones
    _backend = None  # None uses the backend of the data

    def __init__(self, parameters, **settings):
        self.parameters = parameters
        self.settings = settings

    def __getstate__(self):
        """Store parameters and settings; a module of kernels cannot be pickled."""
        return {"parameters": self.parameters, "settings": self.settings}

    @property
    def scales(self):
        """Units of parameters by name: a step of an optimizer is proportional to the unit."""
        return {}

    @property
    def dtype(self):
        """Dtype of the parameters."""
        return next(iter(self.parameters.values())).dtype

    def on(self, backend):
        """Return the energy with the kernels of a backend, and with the same parameters."""
        return sharing(self, _backend=backend)

    def backend_for(self, array):
        """Return the backend of the energy, or the backend of an array if the energy has none."""
        return resolve_backend("auto", array) if self._backend is None else self._backend

    def with_parameters(self, parameters):
        """Return the energy with other parameters of the same names."""
        return sharing(self, parameters=parameters)

    def copy(self):
        """Return the energy with copies of the parameters."""
        return self.with_parameters({k: copied(value) for k, value in self.parameters.items()})

    def astype(self, dtype):
        """Return the energy with parameters in a dtype; the same object if they have it."""
        if self.dtype == dtype:
            return self
        xp = array_namespace(*self.parameters.values())
        return self.with_parameters({k: xp.astype(v, dtype) for k, v in self.parameters.items()})

    def fits(self, limit):
        """Return whether the magnitudes of all parameters are below a limit."""
        xp = array_namespace(*self.parameters.values())
        return all(float(xp.max(xp.abs(value))) < limit for value in self.parameters.values())

    def project(self):
        """Project the parameters onto their allowed range."""


def in_double(array):
    """Return an array as a NumPy array in double precision."""
    return to_host(array).astype(np.float64)
