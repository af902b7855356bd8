"""Pieces of the rows for a device: fewer and larger ones than for a core and its cache."""

from sklearn_ebm.backends import numpy as reference

PIECES_AT_ONCE = (
    64  # a single piece would leave most of a device idle, and the memory for 64 pieces is small
)


def map_pieces(work, n_rows, piece):
    """Call work(first, last) for that many pieces at a time."""
    reference.map_pieces(work, n_rows, PIECES_AT_ONCE * piece)
