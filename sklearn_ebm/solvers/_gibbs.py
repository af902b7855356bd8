"""Block Gibbs sampling: all units of a layer are sampled at once, given the other layer.

It applies to any distribution with `gibbs_step(hidden, visible, keys, mean)`.
"""

from itertools import pairwise

from sklearn_ebm.backends import array_namespace, new_matrix
from sklearn_ebm.inputs._rows import dense_rows

PIECE_ROWS = 64  # chains that one thread moves at a time


def piece_bounds(n_rows, backend):
    """Return (first, last) of pieces of equal size, independently of the number of threads."""
    n_pieces = max(1, -(-n_rows // (PIECE_ROWS * backend.pieces_at_once)))
    bounds = [n_rows * piece // n_pieces for piece in range(n_pieces + 1)]
    return list(pairwise(bounds))


def map_bounds(work, pieces, backend):
    """Call work(*piece) for each piece; threads process consecutive pieces."""

    def some(begin, end):
        for piece in pieces[begin:end]:
            work(*piece)

    backend.map_pieces(some, len(pieces), 1)


def gibbs_keys(stream, n_steps):
    """Return a pair of keys for each step, common to all pieces."""
    return [(stream.key(), stream.key()) for _ in range(n_steps)]


def gibbs(conditionals, hidden, visible, keys, first_row=0, mean=None):
    """Move chains by several steps, each of the visible units and then of the hidden units.

    Parameters
    ----------
    conditionals : conditionals of an energy
        Provide `gibbs_step`.
    hidden : array of shape (n_chains, n_hidden)
        Initial states of the chains, replaced by their final states.
    visible : array of shape (n_chains, n_visible)
        Overwritten with the final visible states.
    keys : list of pairs of Key
        One pair for each step.
    first_row : int, default=0
        Row of the first chain among all chains.
    mean : array of shape (n_chains, n_hidden) or None, default=None
        Receives the probabilities of the final hidden states.

    Returns
    -------
    visible : array
    """
    for number, pair in enumerate(keys):
        own = [key.from_row(first_row) for key in pair]
        is_last = number == len(keys) - 1
        conditionals.gibbs_step(hidden, visible, own, mean if is_last else None)
    return visible


def move_samples(energy, X, n_steps, stream):
    """Return the final states of chains that start at samples.

    Parameters
    ----------
    energy : BilinearEnergy
        Provides the dtype of the chains and the backend.
    X : array or csr_array of shape (n_samples, n_visible)
        Samples in the units of the data.
    n_steps : int
        Number of steps of each chain.
    stream : Stream
        Random numbers.

    Returns
    -------
    array of shape (n_samples, n_visible)
        Visible units in the units of the data.
    """
    dtype, (n_visible, n_hidden) = energy.weights.dtype, energy.weights.shape
    conditionals, inner = energy.conditionals, energy.inner().conditionals
    start, keys = stream.key(), gibbs_keys(stream, n_steps)
    result = array_namespace(energy.weights).empty((X.shape[0], n_visible), dtype=dtype)

    def work(first, last):
        rows = dense_rows(X, slice(first, last), dtype)
        hidden = new_matrix((last - first, n_hidden), energy.weights)
        conditionals.sample_hidden(rows, start.from_row(first), hidden)
        moved = gibbs(inner, hidden, result[first:last, :], keys, first)
        energy.visible.coordinates.outward(moved)

    backend = energy.backend_for(result)
    map_bounds(work, piece_bounds(X.shape[0], backend), backend)
    return result
