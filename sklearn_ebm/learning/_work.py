"""What a step asks of a batch: the sums of its pieces, wherever these are."""

import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends import new_matrix, resolve_backend
from sklearn_ebm.learning._merging import Merger
from sklearn_ebm.protocols import offers


class Particles(NamedTuple):
    """Particles of persistent chains, or those of one of several pieces.

    Attributes
    ----------
    states : array of shape (n_chains, n_hidden)
        Hidden states of some chains.
    first : int, default=0
        Number of the first of these chains.
    n_all : int or None, default=None
        Number of all chains; None if these are all.
    """

    states: Any
    first: int = 0
    n_all: int | None = None

    @classmethod
    def of(cls, shard):
        """Return a shard as particles, unchanged if it already has this form."""
        return shard if isinstance(shard, cls) else cls(shard, 0, shard.shape[0])

    def __reduce__(self):
        """Pickle states that are zeros and ones as bits, since they travel in each step."""
        states = self.states
        if isinstance(states, np.ndarray) and ((states == 0) | (states == 1)).all():
            bits = np.packbits(states.astype(bool), axis=1)
            return _from_bits, (bits, states.shape[1], states.dtype, self.first, self.n_all)
        return Particles, tuple(self)


def _from_bits(bits, n_hidden, dtype, first, n_all):
    bits = np.unpackbits(bits, axis=1, count=n_hidden)
    states = new_matrix(bits.shape, bits, dtype)
    states[:] = bits
    return Particles(states, first, n_all)


def contributor(criterion):
    """Return a copy for `contribute` and `measure`, without what only `apply` needs."""
    light = copy.copy(criterion)
    for name, lighter in criterion.sent.items():
        setattr(light, name, lighter(getattr(criterion, name)))
    return light


@dataclass(frozen=True)
class Work:
    """A call of `contribute`, or of `measure`, on all pieces of a batch.

    Attributes
    ----------
    criterion : Criterion
        Its parameters are not changed.
    stream : Stream or None, default=None
        Random numbers of the criterion.
    shard : object or None, default=None
        State of the criterion that belongs to the data.
    only_measures : bool, default=False
        Whether sums contain no gradients.
    is_condensed : bool, default=False
        Whether the sums of a piece are condensed.
    """

    criterion: Any
    stream: Any = None
    shard: Any = None
    only_measures: bool = False
    is_condensed: bool = False

    def sums(self, model, batch, memory):
        """Return the sums of a batch in memory, and the successor of the shard.

        Threads process the pieces. Sums are merged in the order of the rows.

        Parameters
        ----------
        model : object
            Result of the criterion's `prepare`.
        batch : Batch
            Samples.
        memory : Memory
            Tapes and buffers.

        Returns
        -------
        sums : dict
            Merged sums.
        shard : object or None
            Successor of the shard.
        """
        backend = resolve_backend(self.criterion.backend, batch.X)
        merger, shards = Merger(memory.part), {}

        def on_piece(first, last):
            def contribute(memory):
                sums, shards[first] = self._of_piece(model, batch.rows(first, last), memory)
                return sums

            merger.add(first, last, contribute)

        n_rows = batch.n_samples
        backend.map_pieces(on_piece, n_rows, self.criterion.piece_rows(model) or max(1, n_rows))
        sums, shard = merger.sums, shards[max(shards)]
        return self.criterion.condensed(model, sums) if self.is_condensed else sums, shard

    def elsewhere(self, n_samples):
        """Return the work on a batch of other processes, without the shard, which is divided."""
        criterion, is_condensed = self.criterion, False
        if offers(criterion, "condensed") and not self.only_measures:
            is_condensed = criterion.is_condensed(n_samples)
        light = contributor(criterion)
        return replace(self, criterion=light, shard=None, is_condensed=is_condensed)

    def part_of_shard(self, place, n_pieces):
        """Return the part of the shard for one of several pieces in different places, or None.

        Particles are divided evenly, whatever the size of the pieces is.
        """
        if self.shard is None or self.only_measures:
            return None
        if offers(self.shard, "divided"):
            return self.shard.divided(place, n_pieces)
        n_all = self.shard.shape[0]
        first, last = (n_all * each // n_pieces for each in (place, place + 1))
        return Particles(self.shard[first:last, :], first, n_all)

    def joined(self, parts):
        """Return the successor of the shard from those of all pieces, in order."""
        if self.shard is None or self.only_measures:
            return self.shard
        if offers(self.shard, "joined"):
            return self.shard.joined(parts)
        joined, first = new_matrix(self.shard.shape, self.shard), 0
        for part in parts:
            states = Particles.of(part).states
            joined[first : first + states.shape[0], :] = states
            first += states.shape[0]
        return joined

    def _of_piece(self, model, piece, memory):
        if self.only_measures:
            return self.criterion.measure(model, piece, memory), self.shard
        stream = copy.copy(self.stream)  # all pieces draw from the same keys
        return self.criterion.contribute(model, piece, memory, stream, self.shard)
