"""Enumeration of all states of a few binary units."""

import numpy as np

from sklearn_ebm.backends._namespace import array_namespace

LARGEST_ENUMERATION = 20  # number of units, with about a million states
ENUMERATED_ROWS = 4096


def binary_states(n_units, like):
    """Yield all states of binary units, in matrices of at most `ENUMERATED_ROWS` rows.

    Parameters
    ----------
    n_units : int
        Number of units, at most `LARGEST_ENUMERATION`.
    like : array
        Array with the dtype and the device of the states.

    Yields
    ------
    array of shape (n_rows, n_units)
    """
    xp, units = array_namespace(like), np.arange(n_units)
    for first in range(0, 2**n_units, ENUMERATED_ROWS):
        numbers = np.arange(first, min(first + ENUMERATED_ROWS, 2**n_units))
        yield xp.asarray(numbers[:, None] >> units & 1, dtype=like.dtype)
