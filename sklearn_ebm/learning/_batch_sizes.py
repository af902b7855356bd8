"""Number of samples per training step, if it depends on the number of samples."""

import sys
from dataclasses import dataclass
from numbers import Integral

from sklearn_ebm._sklearn import Interval, StrOptions

AUTO = "auto"
BATCH_SIZE_CONSTRAINTS = [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})]


@dataclass(frozen=True)
class BatchSizes:
    """Batch sizes of a model, among which `batch_size="auto"` chooses.

    A gradient step costs about the same for 10 samples as for 100, so that large batches save time
    on large data. On small data they leave too few steps in a pass.

    Attributes
    ----------
    n_batches : int
        Number of batches in a pass, unless their size is at a limit.
    smallest : int
        Lower limit of the size.
    largest : int
        Upper limit of the size.
    """

    n_batches: int
    smallest: int
    largest: int

    def of_pass(self, batch_size, n_samples):
        """Return the batch size for passes over some samples."""
        if batch_size != AUTO:
            return int(batch_size)
        return max(self.smallest, min(self.largest, n_samples // self.n_batches))

    def of_chunk(self, batch_size):
        """Return the batch size of `partial_fit`, which does not know the number of samples."""
        return self.largest if batch_size == AUTO else int(batch_size)


# An encoder takes gradient steps, and needs more of them than atoms, which are minimised in turn.
DICTIONARY_BATCHES = BatchSizes(n_batches=2, smallest=64, largest=512)
ENCODER_BATCHES = BatchSizes(n_batches=50, smallest=32, largest=512)
GRADIENT_BATCHES = BatchSizes(n_batches=100, smallest=10, largest=100)
ALL_SAMPLES = BatchSizes(n_batches=1, smallest=1, largest=sys.maxsize)
