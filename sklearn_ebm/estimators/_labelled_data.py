"""Samples with targets, in memory or in the chunks of a Dask array."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import get_tags, indexable

from sklearn_ebm.backends import resolve_backend
from sklearn_ebm.inputs._chunked import Chunks, opened
from sklearn_ebm.inputs._chunks import is_dask
from sklearn_ebm.inputs._rows import checked_array, native, require_library
from sklearn_ebm.learning._distributed import ChunkedSamples
from sklearn_ebm.learning._labelled import LabelledSamples
from sklearn_ebm.learning._stages import on_host


class Values(NamedTuple):
    """Checked values of a chunk."""

    X: Any


@dataclass(frozen=True)
class ValuesReader:
    """Checks that the values of one chunk are numbers, and finite unless NaN is allowed."""

    finite: Any

    def __call__(self, X):
        """Return the values."""
        options = {"ensure_2d": False, "allow_nd": True, "ensure_all_finite": self.finite}
        return Values(checked_array(X, input_name="X", **options))


@dataclass(frozen=True)
class NetworkInput:
    """What a network requires of its samples.

    Attributes
    ----------
    head : estimator
        The last step of the pipeline.
    units : Units
        Units of the targets.
    before : list of transformers
        Fitted steps that are not trained.
    backend : str
        Name of the backend.
    dtype : dtype
        Dtype of the batches.
    """

    head: Any
    units: Any
    before: list
    backend: str
    dtype: Any

    def samples(self, X, targets, weights):
        """Return the samples of a network."""
        return LabelledSamples(
            X, targets.encoded(self.head, self.units), weight=weights, before=self.before,
            backend=resolve_backend(self.backend, None), dtype=self.dtype,
        )  # fmt: skip


@dataclass(frozen=True)
class LabelledLoad:
    """Reads the samples of one chunk."""

    network: NetworkInput
    kind: Any  # targets without values

    def __call__(self, X, y, sample_weight):
        """Return the samples, from which batches are taken."""
        return self.network.samples(X, replace(self.kind, y=y), sample_weight)


@dataclass(frozen=True)
class LabelledData:
    """Samples with targets.

    Attributes
    ----------
    X : array-like
        Samples in memory.
    targets : Targets
        Targets of all samples.
    source : Source or None
        Chunks of a Dask array, of which X contains some rows. None if X contains all samples.
    """

    X: Any
    targets: Any
    source: Any = None

    @classmethod
    def read(cls, model, X, y, sample_weight):
        """Check the samples and targets of one call."""
        if not is_dask(X):
            require_library(model, X)
            (X,) = indexable(native(X))
            return cls(X, model._read_targets(X, on_host(y), on_host(sample_weight)))
        chunks = Chunks(X)
        targets = model._read_targets(X, np.asarray(y), _in_memory(sample_weight))
        finite = "allow-nan" if get_tags(model).input_tags.allow_nan else True
        source, rows = opened(chunks, ValuesReader(finite))
        return cls(rows["X"], targets, source)

    @property
    def passed(self):
        """All samples, for callbacks: a checked array, or the Dask array that the user passed."""
        return self.X if self.source is None else self.source.chunks.X

    def in_memory(self, rows):
        """Return the targets of the samples in memory, and which of them are among some rows."""
        if self.source is None:
            return self.targets, rows
        numbers = self.source.numbers
        return self.targets.part(numbers), np.flatnonzero(np.isin(numbers, rows))

    def samples(self, network, weights):
        """Return all samples of a network.

        Parameters
        ----------
        network : NetworkInput
            Requirements of the network.
        weights : ndarray of shape (n_samples,)
            Weights of all samples.
        """
        if self.source is None:
            return network.samples(self.X, self.targets, weights)
        targets, X = self.targets, self.source.chunks.X
        some, _ = self.in_memory(())
        some = network.samples(self.X, some, weights[self.source.numbers])
        kind = replace(targets, y=None, weights=None, sample_weights=None)
        chunks = Chunks(X, y=targets.y, sample_weight=weights)
        return ChunkedSamples(chunks, LabelledLoad(network, kind), some)


def _in_memory(array):
    return None if array is None else np.asarray(array)
