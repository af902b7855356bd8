"""Memory of the forward passes of modules; see `sklearn_ebm.protocols.Tape`."""

import math

from sklearn_ebm.backends import array_namespace, new_array


class Tape:
    """Named arrays that a forward pass stores for its backward pass. The next pass reuses them.

    The arrays are not pickled; the next pass allocates them again.
    """

    def __init__(self):
        self._memory = {}
        self.kept = {}

    def __getstate__(self):
        return {"_memory": {}, "kept": {}}

    def array(self, name, shape, like, dtype=None):
        """Return uninitialised memory of this name, with the dtype and the device of `like`."""
        xp, size = array_namespace(like), math.prod(shape)
        dtype = like.dtype if dtype is None else getattr(xp, dtype)
        held = self._memory.get(name)
        fits = held is not None and held.dtype == dtype and held.shape[0] >= size
        if not fits or array_namespace(held) is not xp:
            held = self._memory[name] = new_array((size,), like, dtype)
        return xp.reshape(held[:size], shape)

    def zeros(self, name, like):
        """Return memory of this name, with the shape and the dtype of `like`, filled with zeros."""
        cleared = self.array(name, like.shape, like)
        cleared[...] = 0
        return cleared


class Tapes:
    """One tape for each piece of a batch. They are not pickled."""

    def __init__(self):
        self._tapes = {}

    def __getstate__(self):
        return {"_tapes": {}}

    def __getitem__(self, piece):
        return self._tapes.setdefault(piece, Tape())
