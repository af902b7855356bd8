"""Connections between filters and channels: all, a random subset of a given size, or a table."""

from numbers import Integral

import numpy as np


def connection_table(connections, n_components, n_channels, random_state, name="connections"):
    """Return which filters read which channels.

    Parameters
    ----------
    connections : None, int or array-like of shape (n_components, n_channels)
        None connects each filter to all channels. An int is the number of channels that each filter
        reads; they are chosen at random such that all channels are read about equally often. An
        array has non-zero entries for connections.
    n_components, n_channels : int
        Number of filters, and number of channels of the images.
    random_state : numpy.random.RandomState
        Random number generator that chooses the channels.
    name : str, default="connections"
        Name of the table in error messages.

    Returns
    -------
    table : ndarray of bool of shape (n_components, n_channels), or None
        True for connections. None if all filters read all channels.

    Raises
    ------
    ValueError
        If the table has another shape, a filter reads no channel, or a channel is not read by any
        filter.
    """
    if connections is None:
        return None
    if isinstance(connections, Integral):
        connections = int(connections)
        if connections > n_channels:
            raise ValueError(
                f"connections must be at most {n_channels}, the number of channels of X, got "
                f"{connections}."
            )
        table = _dealt(connections, n_components, n_channels, random_state)
    else:
        table = np.asarray(connections) != 0
    if table.shape != (n_components, n_channels):
        raise ValueError(
            f"{name} must have shape (n_components, n_channels) = {(n_components, n_channels)}, "
            f"got {table.shape}."
        )
    for axis, units in ((1, ("component", "channel")), (0, ("channel", "component"))):
        alone = np.flatnonzero(~table.any(axis=axis))
        if alone.size:
            one, other = units
            raise ValueError(
                f"{name} must connect each {one} to at least one {other}, got none for {one} "
                f"{alone[0]}."
            )
    return table


def _dealt(n_each, n_components, n_channels, random_state):
    """Connect each filter to the channels that are read least so far, in random order."""
    table = np.zeros((n_components, n_channels), dtype=bool)
    taken = np.zeros(n_channels)
    for row in table:
        chosen = np.lexsort((random_state.uniform(size=n_channels), taken))[:n_each]
        row[chosen] = True
        taken[chosen] += 1
    return table
