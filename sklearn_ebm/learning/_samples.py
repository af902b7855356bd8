"""The samples that a model learns from, and the batches that they are cut into."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Samples:
    """The rows of X that take part, with what stands beside each: a mask or a target, a weight."""

    X: Any
    beside: Any = None
    weight: Any = None
    index: Any = None  # of the rows that take part; None means all
    dtype: Any = None  # of what is taken, the model's; None means that of X

    def batches(self, batch_size, random_state):
        """Index arrays of one pass, each sorted, so that a memory map is read forwards."""
        rows = np.arange(self.X.shape[0]) if self.index is None else self.index
        order = random_state.permutation(rows)
        return [np.sort(order[i : i + batch_size]) for i in range(0, len(order), batch_size)]

    def in_order(self, batch_size):
        """The same, in the order of the rows."""
        return [slice(i, i + batch_size) for i in range(0, self.X.shape[0], batch_size)]

    def take(self, rows):
        """X, what stands beside it, and the weights of some rows; None where there are none."""
        return tuple(part(array, rows, self.dtype) for array in (self.X, self.beside, self.weight))


def part(array, rows, dtype=None):
    """Some rows of an array that may be absent, in a type if one is given."""
    return None if array is None else as_type(array[rows, ...], dtype)


def as_type(array, dtype):
    """An array, dense or sparse, in a type; itself if it has the type, or if none is given."""
    return array if dtype is None or array.dtype == dtype else array.astype(dtype)


def summed(parts):
    """Gradients by name, summed over the pieces of a batch in the order of the rows.

    The first piece's arrays get the sum.
    """
    first, *others = (parts[row] for row in sorted(parts))
    for other in others:
        for name, gradient in other.items():
            first[name] += gradient
    return first
