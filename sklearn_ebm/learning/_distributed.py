"""Learning from the chunks of Dask arrays: the work of a step runs on the workers that hold them.

A batch has rows of several chunks. The scheduler of Dask calls `contribute` on the rows of each
chunk, in threads, processes or on other machines, and merges the sums in a tree. The parameters
are updated where `fit` was called. A piece, its random numbers and the order of the sums depend on
the chunks and on the size of the batches only, not on the number of workers, so that the result is
the same if workers are lost and their tasks run again elsewhere.
"""

import copy
import functools
import math
import uuid
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._threads import shared_threads
from sklearn_ebm.inputs._chunked import computed, naming_chunk, rows_of, scaled, shared
from sklearn_ebm.learning._memory import ThreadMemory
from sklearn_ebm.learning._samples import Batch, Rows, merged
from sklearn_ebm.learning._work import Particles

ROWS_PER_TASK = 4096  # rows of a batch for each of its chunks: fewer do not repay a task,
NUMBERS_PER_TASK = 2**19  # unless the rows have so many entries
FAN_IN = 8  # sums that one task merges


class Order:
    """The order of the rows in one pass.

    Chunks are visited in groups. Within a group, each chunk contributes the same share of its rows
    to each batch.

    Parameters
    ----------
    rows : callable
        Maps the number of a chunk to its rows, in the order in which they are visited.
    lengths : list of int
        Number of rows of each chunk.
    groups : list of list of int
        Numbers of the chunks of each group.
    """

    def __init__(self, rows, lengths, groups):
        self.rows = rows
        self.lengths = lengths
        self.groups = groups
        sizes = [sum(lengths[number] for number in group) for group in groups]
        self._bounds = [*pairwise([0, *accumulate(sizes)])]
        self._held = {}

    def groups_of(self, first, last):
        """Return the groups to which the rows from one position to another belong."""
        spans = zip(self.groups, self._bounds, strict=True)
        return [(group, *each) for group, each in spans if each[0] < last and first < each[1]]

    def pieces(self, first, last):
        """Return pairs of a chunk and some of its rows, from one position in the pass to another.

        Positions must not decrease from call to call.
        """
        spans = self.groups_of(first, last)
        numbers = [number for group, *_ in spans for number in group]
        self._held = {n: self._held.get(n) for n in numbers}
        for number in numbers:  # random orders are drawn in the order of the visits
            if self._held[number] is None:
                self._held[number] = self.rows(number)
        return [piece for span in spans for piece in self._of_group(*span, first, last)]

    def _of_group(self, group, start, stop, first, last):
        share = [(max(first, start) - start), (min(last, stop) - start)]
        for number in group:
            begin, end = (each * self.lengths[number] // (stop - start) for each in share)
            if begin < end:
                rows = self._held[number]
                yield number, slice(begin, end) if rows is None else rows[begin:end]


class ChunkedSamples:
    """Samples in chunks of Dask arrays, with the methods of `Samples`.

    Parameters
    ----------
    chunks : Chunks
        Arrays of samples.
    load : callable
        Returns the arrays of one chunk, passed by name, as `Samples`.
    some : Samples
        Some of the samples, in memory, which have the form and the dtype of all of them.
    index : int array or None, default=None
        Training rows in increasing order; None means all.
    """

    is_plain = False  # batches are not in memory

    def __init__(self, chunks, load, some, index=None):
        self.chunks = chunks
        self.load = load
        self.some = some
        self.like = some.beginning(1).X
        self.index = index
        self._order = None
        self._loaded = {}
        self._name = uuid.uuid4().hex  # of memory that tasks reuse

    @property
    def X(self):
        """The samples as a Dask array."""
        return self.chunks.X

    @functools.cached_property
    def _rows(self):
        """Training rows of each chunk; None means all."""
        if self.index is None:
            return [None] * len(self.chunks.lengths)
        ends = np.searchsorted(self.index, [*self.chunks.firsts, self.chunks.n_rows])
        parts = [self.index[first:last] for first, last in pairwise(ends)]
        return [part - first for part, first in zip(parts, self.chunks.firsts, strict=True)]

    def _kind(self, number):
        """Return samples like those of a chunk, without values, which can order them."""
        shape = (self.chunks.lengths[number], *self.some.X.shape[1:])
        return replace(self.some, X=np.broadcast_to(0.0, shape), index=self._rows[number])

    @functools.cached_property
    def _delayed(self):
        return self.chunks.delayed()

    # -------------------------------------------------------------------------------------- passes
    def batches(self, batch_size, random_state):
        """Return the positions of the batches of one pass, in random order within the chunks."""
        lengths = [kind.n_shuffled for kind in self._kinds()]
        numbers = np.flatnonzero(lengths).tolist()
        if len(numbers) > 1:
            numbers = random_state.permutation(numbers).tolist()
        return self._begin(
            lambda number: self._kind(number).shuffled(random_state), lengths, numbers, batch_size
        )

    def in_order(self, batch_size):
        """Return the positions of the batches of one pass in the order of the rows."""
        lengths = [kind.n_in_order for kind in self._kinds()]
        numbers = np.flatnonzero(lengths).tolist()
        return self._begin(
            lambda number: self._kind(number).rows_in_order(), lengths, numbers, batch_size
        )

    def __iter__(self):
        """Yield batches of all samples, for evaluation."""
        for span in self.in_order(FAN_IN * self._rows_per_task):
            yield self.take(span)
        self.release()

    @property
    def _rows_per_task(self):
        if sparse.issparse(self.like):
            return ROWS_PER_TASK
        return max(1, min(ROWS_PER_TASK, NUMBERS_PER_TASK // math.prod(self.like.shape[1:])))

    def _kinds(self):
        return map(self._kind, range(len(self.chunks.lengths)))

    def _begin(self, rows, lengths, numbers, batch_size):
        n_rows, size = sum(lengths), max(1, batch_size // self._rows_per_task)
        groups = [numbers[i : i + size] for i in range(0, len(numbers), size)]
        self._order = Order(rows, lengths, groups)
        return [(i, min(i + batch_size, n_rows)) for i in range(0, n_rows, batch_size)]

    def take(self, span):
        """Return the batch of some positions in the pass."""
        pieces = [
            (number, rows if isinstance(rows, slice) else self.some.forwards(rows))
            for number, rows in self._order.pieces(*span)
        ]
        self.hold([n for group, *_ in self._order.groups_of(*span) for n in group])
        return ChunkedBatch(self, pieces)

    def loaded(self, number):
        """Return the samples of a chunk as a delayed object."""
        if number not in self._loaded:
            self.hold([*self._loaded, number])
        return self._loaded[number]

    def part(self, index):
        """Return some of the samples; all of them if the index is None."""
        return ChunkedSamples(self.chunks, self.load, self.some, index)

    def release(self):
        """Release all chunks, even if a traceback keeps the samples alive."""
        self.hold()
        self._order = None

    def with_targets(self, compute):
        """Return the samples with targets, which are computed for each chunk when it is loaded."""
        return ChunkedSamples(self.chunks, _Both(self.load, compute), self.some, self.index)

    def fetch(self, rows):
        """Return some rows in memory, given by their numbers in increasing order."""
        import dask

        ends = np.searchsorted(rows, [*self.chunks.firsts, self.chunks.n_rows])
        task, load, parts = dask.delayed(_fetched, pure=False), shared(self.load), []
        numbers = [n for n, (first, last) in enumerate(pairwise(ends)) if first < last]
        for number in numbers:
            own = rows[ends[number] : ends[number + 1]] - self.chunks.firsts[number]
            name = self.chunks.name_of(number)
            parts.append(task(load, name, own, len(numbers), **self._delayed[number]))
        if not parts:
            return Batch(self.like[:0, ...])
        batches = computed(parts, self.chunks, numbers)
        fetched = merged([{"rows": Rows(*batch[:4])} for batch in batches])
        return Batch(*fetched["rows"].arrays)

    def hold(self, numbers=()):
        """Load chunks, and release all others."""
        import dask

        self._loaded = {n: value for n, value in self._loaded.items() if n in numbers}
        new = [number for number in numbers if number not in self._loaded]
        if not new:
            return
        task, load = dask.delayed(_loaded, pure=False), shared(self.load)
        chunks, name = self.chunks, self._name
        values = [
            task(load, name, chunks.name_of(n), len(numbers), **self._delayed[n]) for n in new
        ]
        values = computed(values, chunks, new, dask.persist)
        self._loaded.update(zip(new, values, strict=True))


@dataclass(frozen=True)
class Load:
    """Reads the samples of one chunk.

    Attributes
    ----------
    read : callable
        Checks the arrays, and returns `Data`.
    exponent : int
        Weights are divided by 2**exponent.
    like : Samples
        Samples of the same kind and dtype, without values.
    """

    read: Any
    exponent: int
    like: Any

    def __call__(self, X, mask=None, sample_weight=None):
        """Return the samples, from which batches are taken."""
        data = self.read(X, mask)
        weights = scaled(sample_weight, self.exponent, data.X)
        return replace(self.like, X=data.X, mask=data.mask, weight=weights)


@dataclass(frozen=True)
class _Both:
    """Two functions, one after the other."""

    first: Any
    second: Any

    def __call__(self, **arrays):
        return self.second(self.first(**arrays))


def samples_of(data, weights, like):
    """Return training samples in memory, or those in the chunks of a Dask array.

    Parameters
    ----------
    data : Data
        Checked samples, or some of those in chunks.
    weights : array of shape (n_samples,) or None
        Their weights.
    like : Samples
        Samples of the same kind and dtype, without values.
    """
    samples, source = replace(like, X=data.X, mask=data.mask, weight=weights), data.source
    if source is None:
        return samples
    return ChunkedSamples(source.chunks, Load(source.read, source.exponent, like), samples)


class LoadedChunk:
    """Samples of a chunk on a worker, with the memory of the threads that work on them.

    Chunks with the same name of their memory share it. It is released with the last of them.

    Parameters
    ----------
    samples : Samples
        Samples of the chunk.
    memory_name : str
        Name of the memory.
    """

    def __init__(self, samples, memory_name):
        self.samples = samples
        self.memory = ThreadMemory(memory_name)


def _loaded(load, memory_name, name, n_tasks, **arrays):
    """Return the samples of one chunk, and memory for tasks."""
    with naming_chunk(name), shared_threads(n_tasks):
        return LoadedChunk(load(**arrays), memory_name)


def _fetched(load, name, rows, n_tasks, **arrays):
    """Return the batch of some rows of one chunk."""
    arrays = {key: rows_of(array, rows) for key, array in arrays.items()}
    with naming_chunk(name), shared_threads(n_tasks):
        return load(**arrays).take(slice(0, len(rows)))


class ChunkedBatch:
    """Rows of several chunks, with the part of the interface of `Batch` that steps need.

    Parameters
    ----------
    samples : ChunkedSamples
        Samples of the batch.
    pieces : list of tuple
        Number of a chunk, and its rows in the batch.
    """

    first = 0

    def __init__(self, samples, pieces):
        self.samples = samples
        self.pieces = pieces
        sizes = [_size(rows) for _, rows in pieces]
        self.n_samples = sum(sizes)
        self._firsts = [0, *accumulate(sizes)]

    @property
    def X(self):
        """Zeros in the form of the batch, which take no memory."""
        like = self.samples.like
        shape = (self.n_samples, *like.shape[1:])
        if sparse.issparse(like):
            return sparse.csr_array(shape, dtype=like.dtype)
        xp = array_namespace(like)
        return xp.broadcast_to(xp.zeros((1,) * len(shape), dtype=like.dtype), shape)

    def perform(self, work, model, memory):
        """Return the sums of some work on these samples, and the successor of its shard."""
        from dask.delayed import Delayed

        step, graph, keys = uuid.uuid4().hex, {}, []
        graph[f"work-{step}"] = work.elsewhere(self.n_samples)
        for place, (number, rows) in enumerate(self.pieces):
            loaded = self.samples.loaded(number)
            graph.update(loaded.__dask_graph__())
            keys.append(f"sums-{step}-{place}")
            graph[keys[-1]] = (
                _performed,
                f"work-{step}",
                loaded.key,
                self._piece(place, number, rows, work),
            )
        while len(keys) > FAN_IN:
            groups = [keys[i : i + FAN_IN] for i in range(0, len(keys), FAN_IN)]
            keys = [f"merged-{step}-{len(keys)}-{place}" for place in range(len(groups))]
            graph.update({key: (_merged, group) for key, group in zip(keys, groups, strict=True)})
        # One graph: delayed objects, each with a graph of its own, took ten times as long.
        numbers = [number for number, _ in self.pieces]
        parts = computed([Delayed(key, graph) for key in keys], self.samples.chunks, numbers)
        sums, shards = _merged(parts)  # here, since a task for the last sums would cost a step more
        return sums, work.joined(shards)

    def _piece(self, place, number, rows, work):
        name, n_pieces = self.samples.chunks.name_of(number), len(self.pieces)
        shard = work.part_of_shard(place, n_pieces)
        return Piece(name, rows, self._firsts[place], n_pieces, shard)


@dataclass(frozen=True)
class Piece:
    """Rows of a chunk in a batch.

    Attributes
    ----------
    name : str
        Name of the chunk in error messages.
    rows : int array or slice
        Rows of the chunk.
    first : int
        Number of the first row in the batch.
    n_pieces : int
        Number of all pieces of the batch.
    shard : object or None
        Part of the shard: the particles of this piece.
    """

    name: str
    rows: Any
    first: int
    n_pieces: int
    shard: Any


def _performed(work, chunk, piece):
    """Return the sums of a piece, and the successor of its part of the shard in a list."""
    work = replace(work, shard=piece.shard)
    with naming_chunk(piece.name), shared_threads(piece.n_pieces):
        batch = chunk.samples.take(piece.rows)._replace(first=piece.first)
        result = work.sums(work.criterion.prepare(batch), batch, chunk.memory.of_thread())
    sums, shard = copy.deepcopy(result)  # the next task overwrites the memory
    return sums, [Particles.of(shard) if isinstance(piece.shard, Particles) else shard]


def _merged(parts):
    """Return the merged sums of several pieces, and the parts of the shard in order."""
    sums, shards = zip(*parts, strict=True)
    # A copy, since a task whose worker is lost may run again on the same values.
    return merged(copy.deepcopy([*sums])), [shard for each in shards for shard in each]


def _size(rows):
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)
