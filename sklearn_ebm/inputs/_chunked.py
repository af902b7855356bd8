"""Samples in the chunks of a Dask array: a check of all of them, and some of them in memory.

Learning looks at all chunks once before its first step. This checks every sample, and returns the
extremes of the data and a sample of the rows, from which initial values are computed.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace, stored_entries
from sklearn_ebm.backends._threads import shared_threads
from sklearn_ebm.inputs._chunks import is_dask, require_row_chunks, with_chunks_of
from sklearn_ebm.inputs._weights import check_sample_weight, normalized, weights_in_type_of

MOST_ROWS = 16_384  # rows in memory, from which initial values are computed,
MOST_BYTES = 2**28  # unless they are larger than this,
FEWEST_ROWS = 1024  # but at least so many


class View(NamedTuple):
    """What is known of one chunk, or of all of them."""

    extremes: Any  # smallest and largest value
    heaviest: Any  # smallest and largest weight of a chunk, largest weight of all
    numbers: Any  # numbers of some rows
    rows: dict  # these rows of each array, by name


class Chunks:
    """Arrays of samples with the same chunks of rows.

    Parameters
    ----------
    X : dask array
        Samples.
    **others : array or None
        Further arrays with as many rows, by name.

    Attributes
    ----------
    arrays : dict
        Dask arrays by name; X is the first.
    lengths : ndarray of int
        Number of rows of each chunk.
    firsts : ndarray of int
        Number of the first row of each chunk.
    """

    def __init__(self, X, **others):
        require_row_chunks(X)
        given = {name: value for name, value in others.items() if value is not None}
        lengths = np.asarray(X.chunks[0], dtype=float)
        if np.isnan(lengths).any():
            raise ValueError(
                "The lengths of the chunks of X must be known, got unknown lengths. Call "
                "X.compute_chunk_sizes() first."
            )
        self.arrays = {"X": X, **{k: with_chunks_of(X, v, k) for k, v in given.items()}}
        self.lengths = lengths.astype(int)
        self.firsts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        if not self.n_rows:
            raise ValueError(
                f"Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is required."
            )

    @property
    def X(self):
        """The samples as a Dask array."""
        return self.arrays["X"]

    @property
    def n_rows(self):
        """Number of samples."""
        return int(self.lengths.sum())

    def delayed(self):
        """Return the arrays of each chunk, by name, as delayed objects."""
        blocks = {name: array.to_delayed().ravel() for name, array in self.arrays.items()}
        return [{name: blocks[name][n] for name in blocks} for n in range(len(self.lengths))]

    def name_of(self, number):
        """Return where a chunk is, for error messages."""
        first, length = self.firsts[number], self.lengths[number]
        return f"chunk {number} of X (samples {first} to {first + length - 1})"

    # ------------------------------------------------------------------------------- one look
    def look(self, read):
        """Check all samples; return the extremes, and some of the rows.

        If there are few samples, the rows are all of them. Otherwise they are drawn from all
        chunks, by the same share, with a fixed seed.

        Parameters
        ----------
        read : callable
            Checks the arrays of a chunk, and returns their values.

        Returns
        -------
        View
        """
        import dask

        X = self.X
        n_bytes = max(1, int(np.prod(X.shape[1:])) * X.dtype.itemsize)  # of a row
        if sparse.issparse(X._meta):
            n_bytes = 1
        most = min(self.n_rows, MOST_ROWS, max(FEWEST_ROWS, MOST_BYTES // n_bytes))
        ends = [0, *accumulate(self.lengths)]
        bounds = [most * end // self.n_rows for end in ends]
        task, reader = dask.delayed(_view, pure=False), shared(read)
        views = [
            task(
                reader,
                self.name_of(number),
                len(self.lengths),
                self.firsts[number],
                last - first,
                **arrays,
            )
            for number, (arrays, (first, last)) in enumerate(
                zip(self.delayed(), pairwise(bounds), strict=True)
            )
            if self.lengths[number]
        ]
        return _together(computed(views, self))


def _view(read, name, n_tasks, first, n_rows, **arrays):
    """Return the view of a chunk, with some of its rows as the user passed them."""
    with naming_chunk(name), shared_threads(n_tasks):
        values = stored_entries(read(**arrays).X)
    length = arrays["X"].shape[0]
    rows = np.arange(length)
    if n_rows < length:
        rows = np.sort(np.random.default_rng(first).choice(length, n_rows, replace=False))
    extremes = [values.min(), values.max()] if values.size else [0.0, 0.0]
    weight = np.asarray(arrays.get("sample_weight", 1.0), dtype=np.float64)
    taken = {name: rows_of(array, rows) for name, array in arrays.items()}
    heaviest = np.array([weight.min(), weight.max()])
    return View(np.asarray(extremes), heaviest, first + rows, taken)


def rows_of(array, rows):
    """Return some rows of an array of one chunk, which may be sparse in any format."""
    return sparse.csr_array(array)[rows] if sparse.issparse(array) else array[rows]


def _together(views):
    """Return the views of all chunks as one."""
    extremes, heaviest, numbers = (
        np.concatenate([view[field] for view in views]) for field in range(3)
    )
    rows = {name: _stacked([view.rows[name] for view in views]) for name in views[0].rows}
    check_sample_weight(heaviest, heaviest)
    bounds = np.array([extremes.min(), extremes.max()])
    return View(bounds, float(heaviest.max()), numbers, rows)


def _stacked(parts):
    if sparse.issparse(parts[0]):
        return sparse.vstack(parts, format="csr")
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


# --------------------------------------------------------------------------- samples of one call
@dataclass(frozen=True)
class Reader:
    """Checks the samples of one chunk.

    Attributes
    ----------
    adapter : Rows
        Input adapter.
    stand_in : estimator
        Copy of the estimator, with its parameters and without its fitted attributes.
    options : dict
        Options of the adapter's `read`.
    """

    adapter: Any
    stand_in: Any
    options: dict

    def __call__(self, X, mask=None, sample_weight=None):
        """Return the `Data` of a chunk."""
        return self.adapter.read(self.stand_in, X, mask, **self.options)


def stand_in(estimator, is_new):
    """Return an estimator with the same parameters, and the number of features unless it is new."""
    copied = object.__new__(type(estimator))
    vars(copied).update({**estimator.get_params(deep=False), "random_state": None})
    if not is_new:
        copied.n_features_in_ = estimator.n_features_in_
    return copied


class Source(NamedTuple):
    """Chunks from which samples are read.

    Attributes
    ----------
    chunks : Chunks
        Arrays of samples.
    read : callable
        Checks the arrays of a chunk.
    exponent : int
        The weights are divided by 2**exponent.
    extremes : ndarray of shape (2,)
        Smallest and largest value of all samples.
    numbers : ndarray of int
        Numbers of the rows that are in memory.
    """

    chunks: Chunks
    read: Any
    exponent: int
    extremes: Any
    numbers: Any


def opened(chunks, read):
    """Look at all chunks; return their source, and some rows of each array by name.

    Parameters
    ----------
    chunks : Chunks
        Arrays of samples.
    read : callable
        Checks the arrays of a chunk, and returns an object with its values as `X`.
    """
    view = chunks.look(read)
    exponent = normalized(np.array([view.heaviest]))[1]
    return Source(chunks, read, exponent, view.extremes, view.numbers), view.rows


def scaled(sample_weight, exponent, X):
    """Return weights divided by 2**exponent in the dtype of X; None without weights."""
    if sample_weight is None:
        return None
    weights = np.ldexp(np.asarray(sample_weight, dtype=np.float64), -exponent)
    return array_namespace(X).asarray(weights, dtype=X.dtype)


def all_weights(data, weights):
    """Return the weights of all samples: those given, or those of a Dask array, in memory."""
    if data.source is None:
        return weights
    weights = data.source.chunks.arrays.get("sample_weight")
    return None if weights is None else np.asarray(weights)


def read_samples(adapter, estimator, X, mask, sample_weight, **options):
    """Check the samples of a call that learns, in memory or in chunks.

    Parameters
    ----------
    adapter : Rows
        Input adapter.
    estimator : estimator
        Estimator that error messages name.
    X : {array-like, sparse matrix, dask array}
        Samples.
    mask : {array-like, dask array} or None
        1, or True, for observed entries.
    sample_weight : {array-like, dask array} or None
        Weight of each sample.
    **options
        Options of the adapter's `read`.

    Returns
    -------
    data : Data
        Samples. If X is a Dask array, these are some of its rows, and `data.source` has all chunks.
    weights : array of shape (n_samples,) or None
        Their weights in the dtype of X, divided by 2**exponent.
    exponent : int
        Exponent of the scale of the weights.
    """
    if not is_dask(X):
        data = adapter.read(estimator, X, mask, **options)
        return data, *weights_in_type_of(data.X, sample_weight)
    chunks = Chunks(X, mask=mask, sample_weight=sample_weight)
    source, rows = opened(chunks, Reader(adapter, stand_in(estimator, options["reset"]), options))
    exponent = source.exponent
    data = adapter.read(estimator, rows["X"], rows.get("mask"), **options)
    weights = scaled(rows.get("sample_weight"), exponent, data.X)
    return replace(data, source=source), weights, exponent


# ------------------------------------------------------------------------------------- computing
@contextmanager
def naming_chunk(name):
    """Add the name of a chunk to errors."""
    try:
        yield
    except Exception as error:
        error.add_note(f"The error occurred in {name}.")
        raise


def shared(value):
    """Return a value as a delayed object, which is sent to each worker once."""
    import dask

    return dask.delayed(value, pure=False, traverse=False)


def computed(delayed, chunks, numbers=None, compute=None):
    """Return the values of delayed objects, from the active scheduler of Dask.

    Parameters
    ----------
    delayed : list
        Delayed objects.
    chunks : Chunks
        Chunks that they depend on.
    numbers : list of int or None, default=None
        Numbers of these chunks. None means all.
    compute : callable or None, default=None
        Function of Dask. None is `dask.compute`.

    Raises
    ------
    Exception
        The first error of a task. A note names its chunk, even if the chunk cannot be loaded.
    """
    import dask

    try:
        return (dask.compute if compute is None else compute)(*delayed)
    except Exception as error:
        if not getattr(error, "__notes__", None):
            _find_chunk(error, chunks, range(len(chunks.lengths)) if numbers is None else numbers)
        raise


def _find_chunk(error, chunks, numbers):
    """Add the name of the chunk that cannot be loaded to an error."""
    import dask

    shape, delayed = dask.delayed(np.shape), chunks.delayed()
    for number in numbers:
        try:
            dask.compute(*map(shape, delayed[number].values()))
        except type(error):
            error.add_note(f"The error occurred in {chunks.name_of(number)}.")
            return
