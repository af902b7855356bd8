"""Base class of encoders: named parameters with units, copies, dtypes and a backend.

Encoders are modules (see `sklearn_ebm.protocols.Module`): `forward(x)` returns the codes.
"""

import math
from typing import NamedTuple

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, new_array, read_only, resolve_backend

USUAL_SIZE = 0.01  # root mean square of parameters whose step equals the learning rate


def placed(values, like=None):
    """Return a copy with contiguous, aligned rows, in the dtype of `like` or its own.

    Arrays of objects and lists, which users may set and models check, are returned unchanged.
    """
    if getattr(getattr(values, "dtype", np.dtype(object)), "kind", "f") == "O":
        return values
    copied = new_array(values.shape, values if like is None else like)
    copied[...] = values
    return copied


@stored
class Scale(NamedTuple):
    """Typical size of an entry of the data and of the codes.

    If the data, the codes and alpha are multiplied by c, and each parameter of an encoder in
    proportion to its unit, then the energy is multiplied by c^2 and nothing else changes. Learning
    that takes steps in these units has the same symmetry.
    """

    data: float = 1.0
    code: float = 1.0

    @classmethod
    def of(cls, dictionary, data):
        """Return the scale for data of a given size; longer atoms have smaller codes."""
        norm = root_mean_square(dictionary) * math.prod(dictionary.shape[1:]) ** 0.5
        return cls(data, data / norm)


UNSCALED = Scale()


class Encoder:
    """Named parameters and settings; a subclass defines `from_dictionary` and the two passes.

    It also defines its `activation`, or else `_units`, the typical size of each parameter for data
    and codes of a given scale.

    Parameters
    ----------
    parameters : dict of str to array
        Trained arrays, including "weights".
    scale : Scale, default=(1.0, 1.0)
        Typical size of data and codes.
    **settings
        Numbers and masks that are not trained.
    """

    activation = None  # function of the sums of products with the weights, if there is one
    _backend = None  # None uses the backend of the data
    _growth = 1.0  # growth of the weights since the encoder was created; see `rescaled`

    def __init__(self, parameters, *, scale=UNSCALED, **settings):
        self.parameters = parameters
        self.settings = {"scale": scale, **settings}

    def __getstate__(self):
        """Store parameters and settings; a module of kernels cannot be pickled."""
        kept = dict(self.__dict__)
        for name in ("_backend", "_growth"):
            kept.pop(name, None)
        return kept

    def __setstate__(self, state):
        """Copy the parameters to aligned memory, in the same dictionary, which optimizers share."""
        self.__dict__.update(state)
        self.parameters.update({name: placed(value) for name, value in self.parameters.items()})

    def on(self, backend):
        """Return the encoder with the kernels of a backend, and with the same parameters."""
        return self._sharing(_backend=backend)

    def _sharing(self, **attributes):
        """Return an encoder with the same parameters and settings; it runs for each sample."""
        encoder = object.__new__(type(self))
        encoder.__dict__.update(self.__dict__, **attributes)
        return encoder

    def with_parameters(self, parameters):
        """Return the encoder with other parameters of the same names."""
        return self._sharing(parameters=parameters)

    def _backend_for(self, x):
        return resolve_backend("auto", x) if self._backend is None else self._backend

    def copy(self):
        """Return the encoder with copies of the parameters."""
        parameters = {name: placed(value) for name, value in self.parameters.items()}
        return type(self)(parameters, **self.settings)

    def read_only(self):
        """Return the encoder with read-only views of the parameters."""
        parameters = {name: read_only(value) for name, value in self.parameters.items()}
        return type(self)(parameters, **self.settings)

    @property
    def filters(self):
        """Filters of the components, shape (n_components, n_features)."""
        return self.parameters["weights"].T

    @property
    def scale(self):
        """Typical size of data and codes."""
        return self.settings["scale"]

    @property
    def apart(self):
        """Parameters that are not added to, or compared with, the product with the weights."""
        return () if self.activation is None else self.activation.apart

    @property
    def _units(self):
        return self.activation.units(self.scale)

    @property
    def scales(self):
        """Units of the parameters, to which optimizer steps are proportional."""
        return {
            name: unit * (1.0 if name in self.apart else self._growth)
            for name, unit in self._units.items()
        }

    def rescaled(self):
        """Return the encoder with the units of its present weights, for further training.

        The unit of the weights becomes their current size. The units of parameters that are added
        to x W or compared with it change by the same factor. Parameters listed in `apart` keep
        their units. Copies and pickles have the original units.
        """
        usual = USUAL_SIZE * self._units["weights"]
        return self._sharing(_growth=root_mean_square(self.parameters["weights"]) / usual)

    def astype(self, dtype):
        """Return the encoder with parameters in a dtype; the same object if they have it."""
        if self.parameters["weights"].dtype == dtype:
            return self
        xp = array_namespace(self.parameters["weights"])
        cast = {k: placed(xp.asarray(v, dtype=dtype)) for k, v in self.parameters.items()}
        return self._sharing(parameters=cast)

    def for_samples(self, shape):
        """Return the encoder for samples of a shape: itself, since samples are rows."""
        return self

    def project(self):
        """Project the parameters onto their allowed range, after a gradient step."""
        if self.activation is not None:
            self.activation.project(self.parameters, self.scale)


def root_mean_square(values):
    """Return the root mean square of an array without overflow; one for zeros."""
    xp = array_namespace(values)
    largest = float(xp.max(xp.abs(values))) if values.size else 0.0
    if not largest > 0:
        return 1.0
    scaled = values / largest
    return largest * float(xp.sqrt(xp.mean(scaled * scaled)))


def keep_at_least(values, smallest):
    """Replace entries below `smallest` by it, in place."""
    values[values < smallest] = smallest
