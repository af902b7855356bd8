"""Samples from which models with visible units learn: in memory, or in chunks of a Dask array."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sklearn_ebm.backends import array_namespace, stored_entries
from sklearn_ebm.estimators._density_data import checked_units, is_categorical, with_means
from sklearn_ebm.factors import UNITS
from sklearn_ebm.inputs._chunked import Chunks, opened, stand_in
from sklearn_ebm.learning._distributed import ChunkedSamples
from sklearn_ebm.learning.criteria import DenseSamples


@dataclass(frozen=True)
class Flips:
    """What a loss requires of the features.

    Attributes
    ----------
    is_used : bool
        Whether the loss flips features.
    draws : bool
        Whether values between 0 and 1 are replaced by random zeros and ones.
    """

    is_used: bool
    draws: bool

    def require_bits(self, model, data):
        """Raise a ValueError if features have to be flipped and cannot be."""
        if not self.is_used:
            return
        loss, visible = model.loss, model.visible
        if not UNITS[visible].is_binary:
            raise ValueError(
                f"loss={loss!r} requires visible='bernoulli', got visible={visible!r}. Use "
                "loss='pcd', 'cd' or 'fpcd'."
            )
        values = stored_entries(data.X)
        wrong = (values != 0) & (values != 1)
        if data.observed is not None:
            wrong &= data.observed != 0
        if not self.draws and bool(array_namespace(values).any(wrong)):
            raise ValueError(
                f"loss={loss!r} requires X of zeros and ones, got {float(values[wrong][0]):.4g}. "
                "Binarize X, set binarize=True to draw zeros and ones with the probabilities X, "
                "or use loss='pcd', 'cd' or 'fpcd'."
            )


@dataclass(frozen=True)
class UnitsReader:
    """Checks the samples of one chunk.

    Attributes
    ----------
    model : DensityModel
        Copy of the model without its fitted attributes.
    categories : Categories or None
        Categories of the features, if they are known.
    dtype : dtype or None
        Dtype of the learner, if learning continues.
    flips : Flips
        Requirements of the loss.
    """

    model: Any
    categories: Any
    dtype: Any
    flips: Any

    def __call__(self, X, sample_weight=None):
        """Return the `Data` of a chunk, with zeros in place of missing values."""
        is_first = not hasattr(self.model, "n_features_in_")
        data, _ = checked_units(self.model, X, self.categories, is_first, self.dtype)
        self.flips.require_bits(self.model, data)
        return data


@dataclass(frozen=True)
class UnitsLoad:
    """Reads the samples of one chunk.

    Attributes
    ----------
    read : UnitsReader
        Checks the samples.
    base : units
        Units whose means replace missing values.
    dtype : dtype
        Dtype of the batches.
    """

    read: UnitsReader
    base: Any
    dtype: Any

    def __call__(self, X, sample_weight=None):
        """Return the samples, from which batches are taken."""
        data = with_means(self.read(X), self.base)
        return DenseSamples(data.X, mask=data.observed, weight=sample_weight, dtype=self.dtype)


def opened_units(model, X, base, dtype, flips):
    """Check a Dask array; return the source of its chunks, and some of its rows.

    Parameters
    ----------
    model : DensityModel
        Model that error messages name.
    X : dask array of shape (n_samples, n_features)
        Samples.
    base : units or None
        Units with the moments of the data. None if learning begins.
    dtype : dtype or None
        Dtype of the learner, if learning continues.
    flips : Flips
        Requirements of the loss.
    """
    if base is None and is_categorical(model) and isinstance(model.n_categories, str):
        raise ValueError(
            f"n_categories must be an int or an array if X is a Dask array, got "
            f"{model.n_categories!r}."
        )
    categories = None if base is None else base.categories
    read = UnitsReader(stand_in(model, is_new=base is None), categories, dtype, flips)
    source, rows = opened(Chunks(X), read)
    return source, rows["X"]


def samples_in_memory(data, rows, weights, dtype):
    """Return training samples in memory: all of them, or those of a Dask array that are.

    Parameters
    ----------
    data : Data
        Checked data.
    rows : int array
        Training rows, among all samples.
    weights : ndarray of shape (n_samples,) or None
        Weights of all samples.
    dtype : dtype
        Dtype of the batches.
    """
    if data.source is not None:
        numbers = data.source.numbers
        rows = np.flatnonzero(np.isin(numbers, rows))
        weights = None if weights is None else weights[numbers]
    return DenseSamples(data.X, mask=data.observed, weight=weights, index=rows, dtype=dtype)


def all_samples(samples, data, rows, weights, trainer):
    """Return all training samples: those in memory, or those of a Dask array."""
    if data.source is None:
        return samples
    base = trainer.criterion.base
    read = replace(data.source.read, categories=base.categories)
    chunks = Chunks(data.source.chunks.X, sample_weight=weights)
    return ChunkedSamples(chunks, UnitsLoad(read, base, trainer.dtype), samples, rows)
