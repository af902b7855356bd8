"""What a step asks of a batch: the sums of its pieces, wherever these are."""

import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sklearn_ebm.backends import new_matrix, resolve_backend
from sklearn_ebm.learning._samples import merged
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
    """

    criterion: Any
    stream: Any = None
    shard: Any = None
    only_measures: bool = False

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
        backend, results = resolve_backend(self.criterion.backend, batch.X), {}

        def on_piece(first, last):
            piece = batch.rows(first, last)
            results[first] = self._of_piece(model, piece, memory.part(first))

        n_rows = batch.n_samples
        backend.map_pieces(on_piece, n_rows, self.criterion.piece_rows(model) or max(1, n_rows))
        parts = [results[first] for first in sorted(results)]
        return merged([sums for sums, _ in parts]), parts[-1][1]

    def part(self, place, n_pieces):
        """Return the work of one of several pieces in different places: it has a part of the shard.

        Particles are divided evenly, whatever the size of the pieces is.
        """
        if self.shard is None:
            return self
        if offers(self.shard, "divided"):
            return replace(self, shard=self.shard.divided(place, n_pieces))
        n_all = self.shard.shape[0]
        first, last = (n_all * each // n_pieces for each in (place, place + 1))
        return replace(self, shard=Particles(self.shard[first:last, :], first, n_all))

    def joined(self, parts):
        """Return the successor of the shard from those of all pieces, in order."""
        if self.shard is None or self.only_measures:
            return self.shard
        if offers(self.shard, "joined"):
            return self.shard.joined(parts)
        joined, first = new_matrix(self.shard.shape, self.shard), 0
        for part in parts:
            joined[first : first + part.shape[0], :] = part
            first += part.shape[0]
        return joined

    def _of_piece(self, model, piece, memory):
        if self.only_measures:
            return self.criterion.measure(model, piece, memory), self.shard
        stream = copy.copy(self.stream)  # all pieces draw from the same keys
        return self.criterion.contribute(model, piece, memory, stream, self.shard)
