"""What every encoder f is: named parameters, and a forward pass that can be run backwards.

`forward(X, backend, tape)` gives the codes and a tape; `backward(tape, code_gradient)` gives the
gradient of a loss with respect to X and to each parameter, from that with respect to the codes. A
tape that is handed in is filled again, so that batches of one size after another allocate nothing;
codes and gradients are its memory, good until it is used again.
"""

import math
from typing import NamedTuple

import numpy as np

from sklearn_ebm.backends import array_namespace, new_array, read_only, resolve_backend

USUAL_SIZE = 0.01  # root mean square of the parameters for which a learning rate is their step


class Tape:
    """Named arrays that a forward pass leaves for its backward pass, and the next pass fills again.

    Pickles without its memory, which the next pass makes anew.
    """

    def __init__(self):
        self._memory = {}
        self.kept = {}

    def __getstate__(self):
        return {"_memory": {}, "kept": {}}

    def array(self, name, shape, like, dtype=None):
        """Room for an array of this name, of the type of `like` and on its device; not cleared."""
        xp, size = array_namespace(like), math.prod(shape)
        dtype = like.dtype if dtype is None else getattr(xp, dtype)
        held = self._memory.get(name)
        fits = held is not None and held.dtype == dtype and held.shape[0] >= size
        if not fits or array_namespace(held) is not xp:
            held = self._memory[name] = new_array((size,), like, dtype)
        return xp.reshape(held[:size], shape)

    def zeros(self, name, like):
        """The same for the shape of `like`, cleared."""
        cleared = self.array(name, like.shape, like)
        cleared[...] = 0
        return cleared


def placed(values, like=None):
    """A copy whose rows lie together and begin well, in the type of `like` or its own.

    Lists and arrays of objects, which users may set and models check, stay as they are.
    """
    if getattr(getattr(values, "dtype", np.dtype(object)), "kind", "f") == "O":
        return values
    copied = new_array(values.shape, values if like is None else like)
    copied[...] = values
    return copied


class Tapes:
    """One tape for each piece of a batch; pickles without them."""

    def __init__(self):
        self._tapes = {}

    def __getstate__(self):
        return {"_tapes": {}}

    def __getitem__(self, piece):
        return self._tapes.setdefault(piece, Tape())


class Scale(NamedTuple):
    """Typical size of an entry of the data and of the codes.

    If the data, the codes and alpha are multiplied by c, and every parameter of an encoder in
    proportion to its unit, then the energy is multiplied by c^2 and nothing else changes. Learning
    that moves parameters in these units has the same symmetry.
    """

    data: float = 1.0
    code: float = 1.0

    @classmethod
    def of(cls, dictionary, data):
        """Scale of a dictionary's codes of data of this size; longer atoms have smaller codes."""
        norm = root_mean_square(dictionary) * math.prod(dictionary.shape[1:]) ** 0.5
        return cls(data, data / norm)


UNSCALED = Scale()


class Encoder:
    """Named parameters and settings; a subclass gives `from_dictionary`, `encode` and the passes.

    It also gives `units`, the size by which each parameter is measured: optimisers take steps in
    proportion to it.

    Parameters
    ----------
    parameters : dict of str to array
        What is trained; "weights" is one of them.
    scale : Scale, default=(1.0, 1.0)
        Typical size of data and codes.
    **settings
        What is not: numbers and masks that belong to the architecture.
    """

    apart = ()  # parameters that are not added to, or compared with, what the weights give

    def __init__(self, parameters, *, scale=UNSCALED, **settings):
        self.parameters = parameters
        self.settings = {"scale": scale, **settings}

    def __setstate__(self, state):
        """Memory that comes from a file begins anywhere; the dictionary is also the optimiser's."""
        self.__dict__.update(state)
        self.parameters.update({name: placed(value) for name, value in self.parameters.items()})

    def copy(self):
        """An encoder with its own parameters."""
        parameters = {name: placed(value) for name, value in self.parameters.items()}
        return type(self)(parameters, **self.settings)

    def read_only(self):
        """The encoder with views of the parameters that cannot be written."""
        parameters = {name: read_only(value) for name, value in self.parameters.items()}
        return type(self)(parameters, **self.settings)

    @property
    def filters(self):
        """What each component looks for, shape (n_components, n_features)."""
        return self.parameters["weights"].T

    @property
    def scale(self):
        """Typical size of data and codes."""
        return self.settings["scale"]

    @property
    def tuning_units(self):
        """Units of the parameters when a trained encoder is trained further, with labels.

        Weights are measured by the size that they have now. So are the parameters that are added to
        their products or compared with them; the others, `apart`, keep their units.
        """
        units = self.units
        growth = root_mean_square(self.parameters["weights"]) / (USUAL_SIZE * units["weights"])
        return {
            name: unit * (1.0 if name in self.apart else growth) for name, unit in units.items()
        }

    def astype(self, dtype):
        """The encoder with parameters of this type; itself where they are."""
        if self.parameters["weights"].dtype == dtype:
            return self
        xp = array_namespace(self.parameters["weights"])
        cast = {k: placed(xp.asarray(v, dtype=dtype)) for k, v in self.parameters.items()}
        return type(self)(cast, **self.settings)

    def for_samples(self, shape):
        """The encoder of samples of a shape; itself, since samples are rows."""
        return self

    def project(self):
        """Bring parameters back to where they are allowed, after a gradient step."""


def resolve(backend, X):
    """The backend that follows the data, where none is given."""
    return resolve_backend("auto", X) if backend is None else backend


def root_mean_square(values):
    """Size of an array's entries, whose squares the type need not hold; one for no size at all."""
    xp = array_namespace(values)
    largest = float(xp.max(xp.abs(values))) if values.size else 0.0
    if not largest > 0:
        return 1.0
    scaled = values / largest
    return largest * float(xp.sqrt(xp.mean(scaled * scaled)))


def keep_at_least(values, smallest):
    """Bring entries below `smallest` up to it, in place."""
    values[values < smallest] = smallest
