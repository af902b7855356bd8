"""Curves of learning: named lists with one entry for each pass."""

import numpy as np

from sklearn_ebm._storage import stored


@stored
class Curves:
    """Named lists, and facts of the last pass.

    Curves that describe held-out samples have one more entry, from before the first pass.

    Attributes
    ----------
    latest : dict
        Facts of the last pass that are not curves, by name, such as the usage of each component.
    """

    def __init__(self):
        self._lists = {}
        self.latest = {}

    def __getitem__(self, name):
        """Return a curve; an empty list if it has no entries."""
        return self._lists.get(name, [])

    def add(self, entries):
        """Append one entry to each of the named curves."""
        for name, value in entries.items():
            self._lists.setdefault(name, []).append(value)

    def last(self, name):
        """Return the last entry of a curve."""
        return self._lists[name][-1]

    def attributes(self, *names):
        """Return some curves, and the number of passes, as fitted attributes by name."""
        arrays = {f"{name}_curve_": np.asarray(self[name]) for name in names}
        return {"n_iter_": self.n_passes, **arrays}

    @property
    def n_passes(self):
        """Number of passes, including a last one that the maximum time has shortened."""
        return len(self["seconds"])
