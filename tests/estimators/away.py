"""Replacements for device arrays, for tests on the host."""

import numpy as np


class Away(np.ndarray):
    """An array that the host treats as a device array."""

    def get(self):
        return np.array(self)


def kept_away(values, dtype=None, copy=None):
    return np.array(values, dtype=dtype, copy=copy or None, subok=True)
