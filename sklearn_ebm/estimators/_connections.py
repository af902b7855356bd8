"""Which channels each kernel reads: all, a random subset of so many, or a given table."""

from numbers import Integral

import numpy as np


def connection_table(connections, n_components, n_channels, random_state, name="connections"):
    """A table of shape (n_components, n_channels), one where a kernel reads a channel, or None.

    Parameters
    ----------
    connections : None, int or array-like of shape (n_components, n_channels)
        None reads everything. A number is how many channels each kernel reads; they are dealt out
        so that all are read about equally often.
    n_components, n_channels : int
        Kernels, and the channels of the images.
    random_state : numpy.random.RandomState
        Deals the channels.
    name : str, default="connections"
        What messages call the table.

    Returns
    -------
    table : ndarray of bool or None

    Raises
    ------
    ValueError
        If the table has another shape, a kernel reads nothing, or a channel is read by none.
    """
    if connections is None:
        return None
    if isinstance(connections, Integral):
        connections = int(connections)
        if connections > n_channels:
            raise ValueError(
                f"connections={connections}, but X has {n_channels} channels to connect."
            )
        table = _dealt(connections, n_components, n_channels, random_state)
    else:
        table = np.asarray(connections) != 0
    if table.shape != (n_components, n_channels):
        raise ValueError(
            f"{name} has shape {table.shape}, but there are {n_components} components and "
            f"{n_channels} channels."
        )
    for axis, what in ((1, "Component"), (0, "Channel")):
        alone = np.flatnonzero(~table.any(axis=axis))
        if alone.size:
            verb = "reads no channel" if axis else "is read by no component"
            raise ValueError(f"{what} {alone[0]} {verb} according to {name}.")
    return table


def _dealt(n_each, n_components, n_channels, random_state):
    """Each row takes the channels that were taken least so far, in random order."""
    table = np.zeros((n_components, n_channels), dtype=bool)
    taken = np.zeros(n_channels)
    for row in table:
        chosen = np.lexsort((random_state.uniform(size=n_channels), taken))[:n_each]
        row[chosen] = True
        taken[chosen] += 1
    return table
