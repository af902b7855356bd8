"""Codes and energies of windows of frames, a block of windows at a time."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._windows import in_windows

BLOCK = 4096  # windows whose frames are in memory at the same time


class Frames(NamedTuple):
    """Samples of one call, and their windows."""

    data: Any  # Data
    windows: Any  # Windows

    def _blocks(self):
        """Yield the rows of the next windows."""
        n_samples = self.windows.n_samples
        for first in range(0, n_samples, BLOCK):
            yield self.windows.rows(np.arange(first, min(first + BLOCK, n_samples)))

    def codes(self, parts):
        """Return the code of each sample, and the sum of the codes over its window.

        Parameters
        ----------
        parts : Fitted
            Parts of the fitted model.

        Returns
        -------
        code, activity : array of shape (n_samples, n_components)
        """
        xp = array_namespace(parts.decoder.dictionary)
        if not parts.is_optimal:
            code = parts.encode(self.data)
            sums = (parts.penalty.activity(code[rows.reshape(-1), :]) for rows in self._blocks())
            return code, xp.concat([*sums])
        blocks = [parts.optimal(in_windows(self.data, rows)) for rows in self._blocks()]
        size = self.windows.size
        code = xp.concat([block[size - 1 :: size, :] for block in blocks])
        return code, xp.concat([parts.penalty.activity(block) for block in blocks])

    def energies(self, parts):
        """Return the energy of each window."""
        blocks = (in_windows(self.data, rows) for rows in self._blocks())
        values = [parts.value(block, parts.optimal(block)) for block in blocks]
        return array_namespace(parts.decoder.dictionary).concat(values)
