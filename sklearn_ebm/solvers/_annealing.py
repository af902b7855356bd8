"""Annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008, algorithm 1).

Particles move along a path of energies (1 - share) E_base + share E, from a model with a known
partition function to a model with an unknown one. The mean of their weights estimates the ratio.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from sklearn_ebm.backends import binary_states, to_host
from sklearn_ebm.solvers._gibbs import map_bounds, piece_bounds


@dataclass(frozen=True)
class LogPartition:
    """Estimate of log Z and its accuracy.

    Attributes
    ----------
    value : float
        The estimate of log Z, in nats.
    error : float
        Standard error of the estimate, in nats. Zero if log Z is exact.
    log_weights : ndarray of shape (n_runs,) or None
        Estimate of log Z from each particle. None if log Z is exact.
    """

    value: float
    error: float = 0.0
    log_weights: Any = None

    def __float__(self):
        return self.value


def sum_states(n_units, free_energy, like):
    """Compute log sum_s exp(-free_energy(s)) over all states of binary units.

    Parameters
    ----------
    n_units : int
        Number of units, at most `LARGEST_ENUMERATION`.
    free_energy : callable
        Maps states of shape (n_rows, n_units) to the free energy of each row.
    like : array
        Array with the dtype and the device of the states.

    Returns
    -------
    log_partition : LogPartition
        Exact up to rounding.
    """
    parts = []
    for states in binary_states(n_units, like):
        parts.append(logsumexp(-to_host(free_energy(states)).astype(np.float64)))
    return LogPartition(float(logsumexp(parts)))


def anneal(path, shares, n_runs, stream):
    """Estimate log Z of the energy at the end of a path.

    Parameters
    ----------
    path : path factor
        Provides `backend`, `log_partition_of_base()`, `start(n_runs, key)` and
        `advance(state, share, next_share, keys)`, which moves the particles and returns the changes
        of their log weights.
    shares : array of shape (n_temperatures,)
        Shares of the energy in increasing order, from zero to one.
    n_runs : int
        Number of particles.
    stream : Stream
        Random numbers.

    Returns
    -------
    log_partition : LogPartition
    """
    keys = [(stream.key(), stream.key()) for _ in shares]
    shares = [float(share) for share in shares]  # NumPy scalars would promote float32 to float64
    log_weights = np.empty(n_runs)

    def work(first, last):
        state = path.start(last - first, keys[0][0].from_row(first))
        total = 0.0
        for number in range(1, len(shares)):
            own = [key.from_row(first) for key in keys[number]]
            change = path.advance(state, shares[number - 1], shares[number], own)
            total = total + to_host(change).astype(np.float64)
        log_weights[first:last] = total

    map_bounds(work, piece_bounds(n_runs, path.backend), path.backend)
    log_weights += path.log_partition_of_base()
    return LogPartition(*_log_mean(log_weights), log_weights)


def _log_mean(log_weights):
    """Return log of the mean weight, and its standard error: std(w) / (sqrt(n) mean(w))."""
    n = len(log_weights)
    value = float(logsumexp(log_weights) - math.log(n))
    relative = np.exp(log_weights - value)
    return value, float(np.std(relative, ddof=1) / math.sqrt(n)) if n > 1 else math.inf
