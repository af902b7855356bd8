"""Samples, the batches that they are divided into, and sums over batches."""

import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace


class Batch(NamedTuple):
    """Samples with their targets, masks and weights. Fields may be None."""

    X: Any
    target: Any = None  # codes or labels to predict
    mask: Any = None  # 1 for observed features
    weight: Any = None
    first: int = 0  # index of the first sample in the whole batch

    @property
    def n_samples(self):
        """Number of samples."""
        return self.X.shape[0]

    def rows(self, first, last):
        """Return the samples from row `first` to row `last`, as views."""
        rows = slice(first, last)
        arrays = (part(array, rows) for array in self[:4])
        return Batch(*arrays, first=self.first + first)

    def perform(self, work, model, memory):
        """Return the sums of some work on these samples, and the successor of its shard."""
        return work.sums(model, self, memory)

    def total_weight(self):
        """Return the sum of the weights as a number."""
        if self.weight is None:
            return float(self.n_samples)
        return float(array_namespace(self.weight).sum(self.weight))

    def weighted_sum(self, losses):
        """Return the weighted sum of one number per sample; infinite or NaN if it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            weighted = losses if self.weight is None else losses * self.weight
            return float(array_namespace(losses).sum(weighted))


@dataclass
class Samples:
    """Training samples: rows of X with their targets, masks and weights."""

    X: Any  # may be sparse; batches of it are sparse, too
    target: Any = None  # may be sparse; batches are dense
    mask: Any = None
    weight: Any = None
    index: Any = None  # training rows; None means all
    dtype: Any = None  # dtype of the batches; None means the dtype of X
    backend: Any = None  # device for batches of sparse targets

    @property
    def is_plain(self):
        """Whether one compiled call can process several batches: all that is needed is X."""
        return self.weight is None and self.mask is None

    def batches(self, batch_size, random_state):
        """Return the index arrays of one pass, sorted so that a memory map is read forwards."""
        order = self.shuffled(random_state)
        pieces = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
        return [self.forwards(piece) for piece in pieces]

    def in_order(self, batch_size):
        """Return the indices of one pass in the order of the rows."""
        rows, n_rows = self.rows_in_order(), self.n_in_order
        slices = [slice(i, min(i + batch_size, n_rows)) for i in range(0, n_rows, batch_size)]
        return slices if rows is None else [rows[each] for each in slices]

    @property
    def n_shuffled(self):
        """Number of entries of `shuffled`."""
        return self.X.shape[0] if self.index is None else len(self.index)

    @property
    def n_in_order(self):
        """Number of entries of `rows_in_order`."""
        return self.n_shuffled

    def shuffled(self, random_state):
        """Return the indices of all rows in random order."""
        return random_state.permutation(self.X.shape[0] if self.index is None else self.index)

    def forwards(self, rows):
        """Return some of these indices in the order of the rows."""
        return np.sort(rows)

    def rows_in_order(self):
        """Return the indices of all rows in order; None means all rows."""
        return self.index

    def beginning(self, n_rows):
        """Return a batch of the first rows."""
        return self.take(slice(n_rows))

    def take(self, rows):
        """Return the batch of some rows."""
        X, target, mask, weight = (
            part(array, rows, self.dtype) for array in (self.X, self.target, self.mask, self.weight)
        )
        if sparse.issparse(target):
            target = self.backend.to_device(target.toarray())
        return Batch(X, target, mask, weight)

    def part(self, index):
        """Return some of the samples; all of them if the index is None."""
        return replace(self, index=index)

    def release(self):
        """Release what was loaded; all of it is in memory anyway."""

    def with_targets(self, compute):
        """Return compute(samples), the samples with their targets."""
        return compute(self)

    def fetch(self, rows):
        """Return some rows in memory."""
        return self.take(rows)


def part(array, rows, dtype=None):
    """Return some rows of an array, converted to `dtype` if given; None if the array is None."""
    return None if array is None else as_type(array[rows, ...], dtype)


def as_type(array, dtype):
    """Return an array, dense or sparse, in a dtype; the same object if it already has it."""
    return array if dtype is None or array.dtype == dtype else array.astype(dtype)


def merged(parts):
    """Return the sums over several pieces, added in order.

    Entries are numbers, arrays, dictionaries of them, or objects with `+=`. The arrays of the
    first piece are overwritten with the sums.
    """
    first, *others = parts
    for other in others:
        add_to(first, other)
    return first


def add_to(sums, others):
    """Add the entries of one dictionary of sums to another, in place."""
    for name, value in others.items():
        if name not in sums:
            sums[name] = copy.deepcopy(value)  # its memory may be used again
        elif isinstance(value, dict):
            add_to(sums[name], value)
        else:
            sums[name] += value


def count(tally, report):
    """Add the numbers of a report to a tally without changing the arrays of the report."""
    for name, value in report.items():
        tally[name] = tally.get(name, 0) + value


class Rows:
    """Rows of several arrays that merge by concatenation, once for all pieces.

    Parameters
    ----------
    *arrays : array or None
        Arrays with equal numbers of rows.
    """

    def __init__(self, *arrays):
        self._pieces = [arrays]

    def __iadd__(self, other):
        self._pieces += other._pieces
        return self

    @property
    def n_rows(self):
        """Number of rows of all pieces."""
        return sum(piece[0].shape[0] for piece in self._pieces)

    @property
    def arrays(self):
        """The arrays, each with the rows of all pieces."""
        return tuple(map(_joined, zip(*self._pieces, strict=True)))


def _joined(pieces):
    if sparse.issparse(pieces[0]):
        return sparse.vstack(pieces, format="csr")
    return None if pieces[0] is None else array_namespace(pieces[0]).concat(pieces)
