"""Partition functions of energies of a few binary units, as sums over all states."""

import math

import numpy as np
from scipy.special import logsumexp

from sklearn_ebm.backends import array_namespace, binary_states, to_host


def enumerated_log_partition(n_units, energy, like):
    """Return log sum_s exp(-energy(s)) over all states of binary units.

    Parameters
    ----------
    n_units : int
        Number of units.
    energy : callable
        Maps states of shape (n_rows, n_units) to the energy of each row.
    like : array
        Array with the dtype and the device of the states.

    Returns
    -------
    float
    """
    parts = [logsumexp(-_of_states(energy, states)) for states in binary_states(n_units, like)]
    return float(logsumexp(parts))


def enumerated_gradients(n_units, energy, parameter_gradients, like):
    """Return the gradients of `enumerated_log_partition` with respect to the parameters.

    Parameters
    ----------
    n_units : int
        Number of units.
    energy : callable
        Maps states of shape (n_rows, n_units) to the energy of each row.
    parameter_gradients : callable
        Maps states and weights to the gradients of the weighted sum of their energies, by name.
    like : array
        Array with the dtype and the device of the states.

    Returns
    -------
    dict of str to array
    """
    xp, total, gradients = array_namespace(like), -math.inf, None
    for states in binary_states(n_units, like):
        logs = -_of_states(energy, states)
        before, total = total, float(np.logaddexp(total, logsumexp(logs)))
        share = xp.asarray(np.exp(logs - total), dtype=like.dtype)
        new = parameter_gradients(states, -share)
        if gradients is not None:  # shares of all states are relative to the sum of all so far
            rest = math.exp(before - total)
            new = {name: rest * gradients[name] + value for name, value in new.items()}
        gradients = new
    return gradients


def _of_states(energy, states):
    return to_host(energy(states)).astype(np.float64)
