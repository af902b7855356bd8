"""The samples that a model learns from, the batches that they are cut into, and sums over them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace


class Batch(NamedTuple):
    """Samples with their targets, masks and weights. Fields may be None."""

    X: Any
    target: Any = None  # codes or labels to be predicted
    mask: Any = None  # 1 for observed features
    weight: Any = None
    first: int = 0  # row of the whole batch at which these samples begin

    @property
    def n_samples(self):
        """Number of samples."""
        return self.X.shape[0]

    def rows(self, first, last):
        """Return the samples from row `first` to row `last`, as views."""
        rows = slice(first, last)
        arrays = (part(array, rows) for array in self[:4])
        return Batch(*arrays, first=self.first + first)

    def total_weight(self):
        """Return the sum of the weights as a number."""
        if self.weight is None:
            return float(self.n_samples)
        return float(array_namespace(self.weight).sum(self.weight))

    def weighted_sum(self, losses):
        """Return the weighted sum of one number a sample, infinite or NaN if it overflows."""
        with np.errstate(over="ignore", invalid="ignore"):
            weighted = losses if self.weight is None else losses * self.weight
            return float(array_namespace(losses).sum(weighted))


@dataclass
class Samples:
    """Rows of X that take part in learning, with their targets, masks and weights."""

    X: Any
    target: Any = None  # may be sparse; batches are dense
    mask: Any = None
    weight: Any = None
    index: Any = None  # rows that take part; None means all
    dtype: Any = None  # type of the batches; None means that of X
    backend: Any = None  # where sparse targets are brought to

    def batches(self, batch_size, random_state):
        """Index arrays of one pass, each sorted, so that a memory map is read forwards."""
        rows = np.arange(self.X.shape[0]) if self.index is None else self.index
        order = random_state.permutation(rows)
        return [np.sort(order[i : i + batch_size]) for i in range(0, len(order), batch_size)]

    def in_order(self, batch_size):
        """The same, in the order of the rows."""
        if self.index is not None:
            return [self.index[i : i + batch_size] for i in range(0, len(self.index), batch_size)]
        n_rows = self.X.shape[0]
        return [slice(i, min(i + batch_size, n_rows)) for i in range(0, n_rows, batch_size)]

    def take(self, rows):
        """Return some rows as a batch."""
        X, target, mask, weight = (
            part(array, rows, self.dtype) for array in (self.X, self.target, self.mask, self.weight)
        )
        if sparse.issparse(target):
            target = self.backend.to_device(target.toarray())
        return Batch(X, target, mask, weight)


def part(array, rows, dtype=None):
    """Some rows of an array that may be absent, in a type if one is given."""
    return None if array is None else as_type(array[rows, ...], dtype)


def as_type(array, dtype):
    """An array, dense or sparse, in a type; itself if it has the type, or if none is given."""
    return array if dtype is None or array.dtype == dtype else array.astype(dtype)


def merged(parts):
    """Return the sums of several pieces, added in their order.

    Entries are numbers, arrays, dictionaries of them, or objects with `__add__`. Arrays of the
    first piece receive the sum.
    """
    first, *others = parts
    for other in others:
        add_to(first, other)
    return first


def add_to(sums, others):
    """Add the entries of one dictionary of sums to another, in place."""
    for name, value in others.items():
        if name not in sums:
            sums[name] = value
        elif isinstance(value, dict):
            add_to(sums[name], value)
        else:
            sums[name] += value


def summed(parts):
    """Return gradients by name, summed over the pieces of a batch in the order of the rows."""
    return merged([parts[row] for row in sorted(parts)])


def count(tally, report):
    """Add the numbers of a report to a tally; arrays of the report are not changed later."""
    for name, value in report.items():
        tally[name] = tally.get(name, 0) + value


class Rows:
    """Rows of several arrays that merge by concatenation.

    Parameters
    ----------
    *arrays : array or None
        Arrays with equal numbers of rows.
    """

    def __init__(self, *arrays):
        self.arrays = arrays

    def __add__(self, other):
        return Rows(*map(_joined, self.arrays, other.arrays))


def _joined(first, second):
    return None if first is None else array_namespace(first).concat([first, second])
