"""Block Gibbs sampling: one layer given the other, all units of it at once.

Any distribution can be sampled that has `gibbs_step(hidden, visible, keys, mean)`.
"""

from itertools import pairwise

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
