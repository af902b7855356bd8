"""Flips of binary visible units as plain data, for the kernels of any backend."""

from typing import Any, NamedTuple


class FlipFactors(NamedTuple):
    """Probabilities of hidden units, and the factors by which flips change their odds.

    If the unit v_i flips, the odds of the hidden unit h_j are multiplied by exp(w_ij) or
    exp(-w_ij), and the sum over the states of h_j by off_j + on_j exp(+-w_ij).
    """

    on: Any  # (n_rows, n_hidden), probability that a hidden unit is on
    off: Any  # (n_rows, n_hidden), 1 - on, without cancellation
    rise: Any  # (n_visible, n_hidden), exp(w), if the visible unit is off before the flip
    fall: Any  # (n_visible, n_hidden), exp(-w), if it is on
    tops: Any  # (n_visible,), the largest magnitude of a weight of each visible unit
