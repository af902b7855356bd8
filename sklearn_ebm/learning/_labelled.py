"""Batches of samples with labels: of any type that can be indexed, or of checked rows."""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from sklearn_ebm.backends import array_namespace, is_cupy
from sklearn_ebm.inputs._rows import dense_rows
from sklearn_ebm.learning._samples import Batch, Samples
from sklearn_ebm.learning._stages import transformed

LOOKED_AT = 512  # samples in a batch of evaluation


@dataclass
class LabelledSamples(Samples):
    """Samples of any type that can be indexed; iterating yields batches for evaluation.

    Attributes
    ----------
    before : list of transformers
        Fitted steps that are not trained. They transform each batch first.
    """

    before: list = field(default_factory=list)

    def take(self, rows):
        """Return a batch with labels as an indicator matrix, and with weights."""
        x = as_input(transformed(self.before, _safe_indexing(self.X, rows)), self.dtype)
        target, weight = (
            self.backend.to_device(np.ascontiguousarray(part[rows], self.dtype))
            for part in (self.target, self.weight)
        )
        return Batch(self.backend.to_device(x), target, weight=weight)

    def __iter__(self):
        rows = np.arange(_num_samples(self.X)) if self.index is None else self.index
        for first in range(0, len(rows), LOOKED_AT):
            yield self.take(rows[first : first + LOOKED_AT])


@dataclass
class ClassifiedRows(Samples):
    """Rows with the number of their class as `target`; batches are dense and have indicators.

    Attributes
    ----------
    n_classes : int
        Number of classes.
    """

    n_classes: int = 0

    def take(self, rows):
        """Return the batch of some rows."""
        X = dense_rows(self.X, rows, self.dtype)
        target = weight = None
        if self.target is not None:
            target = self.target[rows, None] == np.arange(self.n_classes)
            target = self.backend.to_device(target.astype(self.dtype))
        if self.weight is not None:
            weight = self.backend.to_device(self.weight[rows].astype(self.dtype))
        return Batch(X, target, weight=weight)

    def __iter__(self):
        """Yield batches of all samples, for evaluation."""
        return map(self.take, self.in_order(LOOKED_AT))


def as_input(x, dtype=None):
    """Return the input of a network: rows, or images with channels, of one dtype.

    The dtype is float32 if x is float32, and float64 otherwise, unless `dtype` is given.
    """
    if sparse.issparse(x):
        x = x.toarray()
    if not is_cupy(x):
        x = np.ascontiguousarray(x)
    xp = array_namespace(x)
    if dtype is None:
        dtype = x.dtype if x.dtype == xp.float32 else xp.float64
    x = xp.asarray(x, dtype=dtype)
    return x[..., None] if x.ndim == 3 else x
