"""What every encoder f is: named parameters, and a forward pass that can be run backwards.

`forward(X, backend, tape)` gives the codes and a tape; `backward(tape, code_gradient)` gives the
gradient of a loss with respect to X and to each parameter, from that with respect to the codes. A
tape that is handed in is filled again, so that batches of one size after another allocate nothing;
codes and gradients are its memory, good until it is used again.
"""

import math

from sklearn_ebm.backends import array_namespace, new_array, resolve_backend

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
    """A copy whose rows lie together and begin well, in the type of `like` or its own."""
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


class Encoder:
    """Named parameters and settings; a subclass gives `from_dictionary`, `encode` and the passes.

    Parameters
    ----------
    parameters : dict of str to array
        What is trained; "weights" is one of them.
    **settings
        What is not: numbers and masks that belong to the architecture.
    """

    apart = ()  # parameters that are not added to, or compared with, what the weights give

    def __init__(self, parameters, **settings):
        self.parameters = parameters
        self.settings = settings

    def __setstate__(self, state):
        """Memory that comes from a file begins anywhere; the dictionary is also the optimiser's."""
        self.__dict__.update(state)
        self.parameters.update({name: placed(value) for name, value in self.parameters.items()})

    def copy(self):
        """An encoder with its own parameters."""
        parameters = {name: placed(value) for name, value in self.parameters.items()}
        return type(self)(parameters, **self.settings)

    @property
    def filters(self):
        """What each component looks for, shape (n_components, n_features)."""
        return self.parameters["weights"].T

    @property
    def step_scales(self):
        """Factor of the learning rate for parameters by name; one for those that are not named."""
        return {}

    @property
    def units(self):
        """What each parameter is measured in, so that training does not depend on the scale of X.

        Weights, and what is added to or compared with what they give, are measured in the size of
        the weights as they stand; those that `step_scales` names in the size they were begun with;
        those of another kind, `apart`, in themselves.
        """
        size = root_mean_square(self.parameters["weights"]) / USUAL_SIZE
        own = {name: 1.0 for name in self.apart}
        return {name: size for name in self.parameters} | own | self.step_scales

    def astype(self, dtype):
        """The encoder with parameters of this type; itself where they are."""
        if self.parameters["weights"].dtype == dtype:
            return self
        xp = array_namespace(self.parameters["weights"])
        cast = {k: placed(xp.asarray(v, dtype=dtype)) for k, v in self.parameters.items()}
        return type(self)(cast, **self.settings)

    def project(self):
        """Bring parameters back to where they are allowed, after a gradient step."""


def resolve(backend, X):
    """The backend that follows the data, where none is given."""
    return resolve_backend("auto", X) if backend is None else backend


def root_mean_square(values):
    """Size of an array's entries; one for an array of zeros, or without entries."""
    xp = array_namespace(values)
    size = float(xp.sqrt(xp.mean(values * values))) if values.size else 0.0
    return size if size > 0 else 1.0


def keep_at_least(values, smallest):
    """Bring entries below `smallest` up to it, in place."""
    values[values < smallest] = smallest
