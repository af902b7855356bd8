"""Codes and energies of windows of frames, a block of windows at a time, and generated frames."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends import array_namespace, in_type
from sklearn_ebm.inputs._checks import check_codes
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


def checked_features(name, value, n_features, dtype):
    """Return features that users pass, in the dtype of the model."""
    value = check_codes(value, input_name=name)
    if value.shape[1] != n_features:
        raise ValueError(f"{name} must have {n_features} features, got {value.shape[1]}.")
    return in_type(value, dtype)


def generated(parts, what, where):
    """Return the samples that a fitted model generates from units and codes without gain."""
    xp = array_namespace(what)
    if what.shape[0] != where.shape[0]:
        raise ValueError(
            "what and where must have the same number of samples, got "
            f"{what.shape[0]} and {where.shape[0]}."
        )
    if bool(xp.any(what < 0)):
        raise ValueError(f"what must be non-negative, got a minimum of {float(xp.min(what)):g}.")
    with np.errstate(over="ignore", invalid="ignore"):
        code = where * parts.penalty.gain(what)
        samples = parts.decoder.astype(what.dtype).decode(code)
    if not bool(xp.all(xp.isfinite(samples))):
        raise ValueError(
            f"what and where must have samples in the range of {np.dtype(what.dtype)!r}, got a "
            f"maximum of {float(xp.max(what)):.1e} in what. Pass smaller units."
        )
    return samples
