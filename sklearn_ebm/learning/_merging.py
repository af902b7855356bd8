"""Sums of the pieces of a batch, which threads compute in any order."""

import threading

from sklearn_ebm.learning._samples import add_to


class Merger:
    """Merges sums in the order of the rows, those of each piece as soon as all before it are known.

    The result thus depends neither on the number of threads nor on their speed. Pieces borrow
    memory, and return it once their sums are merged. There is about one part of the memory for each
    thread, which remains in its cache.

    Parameters
    ----------
    part : callable
        Returns a part of the memory by its number.

    Attributes
    ----------
    sums : dict or None
        Sums of all pieces so far. Its arrays may lie in the first part of the memory.
    """

    def __init__(self, part):
        self.sums = None
        self._part = part
        self._lock = threading.Lock()
        self._free = []
        self._n_parts = 0
        self._waiting = {}
        self._next = 0

    def add(self, first, last, contribute):
        """Add the sums of a piece.

        Parameters
        ----------
        first, last : int
            First row of the piece, and first row of the next one.
        contribute : callable
            Returns the sums. Its argument is memory, in which they may lie.
        """
        number = self._borrowed()
        sums = contribute(self._part(number))
        with self._lock:
            self._waiting[first] = last, number, sums
            while self._next in self._waiting:
                self._merge(*self._waiting.pop(self._next))

    def _borrowed(self):
        """Return the number of a part of the memory that no other piece uses."""
        with self._lock:
            if self._free:
                return self._free.pop()
            self._n_parts += 1
            return self._n_parts - 1

    def _merge(self, last, number, sums):
        if self.sums is None:  # the first piece keeps its memory
            self.sums = sums
        else:
            add_to(self.sums, sums)
            self._free.append(number)
        self._next = last
