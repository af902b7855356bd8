"""Reusable tapes and buffers for a piece of a batch."""

from sklearn_ebm.backends import new_matrix
from sklearn_ebm.factors import Tape


class Memory:
    """One tape, named buffers, and the memory of smaller pieces."""

    def __init__(self):
        self.tape = Tape()
        self._buffers = Tape()
        self._matrices = {}
        self._parts = {}

    def part(self, key):
        """Return the memory of a part, such as a piece that starts at a given row."""
        return self._parts.setdefault(key, Memory())

    def array(self, name, shape, like):
        """Return an uninitialised array in the dtype of `like`."""
        return self._buffers.array(name, shape, like)

    def matrix(self, name, shape, like):
        """Return a matrix in the layout of kernels, reused if the shape is the same."""
        if name not in self._matrices or self._matrices[name].shape != shape:
            self._matrices[name] = new_matrix(shape, like)
        return self._matrices[name]
