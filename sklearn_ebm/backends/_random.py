"""Random numbers that depend only on a seed and a position, by Philox-4x32-10 (Salmon et al. 2011).

A draw fills a matrix. Its entry in row r and column k is word (k // 16) % 4 of the block with the
counter (16 (k // 64) + k % 16, r, draw, draw >> 32). It does not depend on the thread that computes
it or on the order of computation. Sixteen adjacent entries are the same word of sixteen blocks, so
that vector registers hold them without shuffling.
"""

from typing import NamedTuple

from sklearn_ebm._storage import stored

LANES = 16
WORDS = 4
GROUP = LANES * WORDS  # columns that sixteen blocks fill
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
LOW_BITS = 0xFFFFFFFF
USED_BITS = 23  # of a word, so that (2 n + 1) / 2**24 is exact in single precision


class Key(NamedTuple):
    """Identifier of a draw; with a position, it determines a random number."""

    seed: tuple  # two words
    draw: int
    first_row: int = 0

    def from_row(self, first_row):
        """Return the key for a piece of the rows, with the same numbers as in the whole matrix."""
        return self._replace(first_row=self.first_row + first_row)


@stored
class Stream:
    """A sequence of draws, each with its own key.

    Parameters
    ----------
    random_state : numpy.random.RandomState
        Generator of the seed.
    """

    def __init__(self, random_state):
        words = random_state.randint(0, 1 << 32, size=2, dtype="uint64")
        self.seed = int(words[0]), int(words[1])
        self.n_draws = 0

    def key(self):
        """Return the key of the next draw."""
        self.n_draws += 1
        return Key(self.seed, self.n_draws)
