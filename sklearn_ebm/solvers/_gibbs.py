"""Block Gibbs sampling: one layer given the other, all units of it at once.

Any distribution can be sampled that has `gibbs_step(hidden, visible, keys, mean)`.
"""

from itertools import pairwise

from sklearn_ebm.backends import array_namespace, new_matrix
from sklearn_ebm.inputs._rows import dense_rows

PIECE_ROWS = 64  # chains that one thread moves at once


def piece_bounds(n_rows):
    """(first, last) of pieces of about equal size; they do not depend on the number of threads."""
    n_pieces = max(1, -(-n_rows // PIECE_ROWS))
    bounds = [n_rows * piece // n_pieces for piece in range(n_pieces + 1)]
    return list(pairwise(bounds))


def map_bounds(work, pieces, backend):
    """Call work(*piece) for each of the pieces, which threads share."""

    def some(begin, end):
        for piece in pieces[begin:end]:
            work(*piece)

    backend.map_pieces(some, len(pieces), 1)


def gibbs_keys(stream, n_steps):
    """A pair of keys for each step, for all pieces alike."""
    return [(stream.key(), stream.key()) for _ in range(n_steps)]


def gibbs(conditionals, hidden, visible, keys, first_row=0, mean=None):
    """Move chains by some steps, each of the visible units first and then of the hidden ones.

    Parameters
    ----------
    conditionals : conditionals of an energy
        Have `gibbs_step`.
    hidden : array of shape (n_chains, n_hidden)
        States where the chains begin; replaced by those where they end.
    visible : array of shape (n_chains, n_visible)
        Overwritten with the visible states where the chains end.
    keys : list of pairs of Key
        One pair for each step.
    first_row : int, default=0
        Place of the first chain among all.
    mean : array of shape (n_chains, n_hidden) or None, default=None
        Gets the probabilities of the last draw of the hidden units.

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
    """Return where chains end that start at samples.

    Parameters
    ----------
    energy : BilinearEnergy
        Gives the type of the chains and the backend.
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

    map_bounds(work, piece_bounds(X.shape[0]), energy.backend_for(result))
    return result
