"""Reusable tapes and buffers for a piece of a batch."""

import threading
from weakref import WeakKeyDictionary, WeakValueDictionary

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
        """Return an uninitialised matrix in the layout of kernels and in the dtype of `like`."""
        held, (n_rows, n_columns) = self._matrices.get(name), shape
        fits = held is not None and held.shape[0] >= n_rows and held.shape[1] == n_columns
        if not fits or held.dtype != like.dtype:
            held = self._matrices[name] = new_matrix(shape, like)
        return held[:n_rows, :]


class ThreadMemory:
    """The memory of each thread for tasks that follow each other, such as those of a Dask worker.

    In each thread, all objects of this name have the same memory. They keep it alive, unless its
    thread ends first. It is not pickled.

    Parameters
    ----------
    name : str
        Name of the memory.
    """

    _local = threading.local()

    def __init__(self, name):
        self.name = name
        self._held = WeakKeyDictionary()

    def __reduce__(self):
        return ThreadMemory, (self.name,)

    def of_thread(self):
        """Return the memory of the calling thread."""
        memories = vars(self._local).setdefault("memories", WeakValueDictionary())
        memory = memories.setdefault(self.name, Memory())
        self._held[threading.current_thread()] = memory
        return memory
