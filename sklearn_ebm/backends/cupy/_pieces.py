"""Pieces of the rows for a device: fewer and larger ones than for a core and its cache."""

from sklearn_ebm.backends import numpy as reference

PIECES_AT_ONCE = (
    64  # one leaves most of a device idle; the memory of so many is a small part of its
)


def map_pieces(work, n_rows, piece):
    """Call work(first, last) on so many pieces at a time, one after another."""
    reference.map_pieces(work, n_rows, PIECES_AT_ONCE * piece)
