"""Dask arrays, whose rows are divided into chunks: checks, and methods applied to each chunk.

Dask is imported only if a user passes one of its arrays.
"""

import copy
import functools
import inspect
import itertools
import uuid

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._threads import shared_threads

LIBRARY = "dask."


def is_dask(X):
    """Return whether X is an array or a data frame of Dask, without loading Dask."""
    return type(X).__module__.startswith(LIBRARY)


def refuse_dask(X):
    """Raise a TypeError if X is a Dask collection, for methods that need all samples in memory."""
    if is_dask(X):
        raise TypeError(
            f"X must be an array in memory for this call, got a Dask {type(X).__name__}. Pass "
            "X.compute(), which loads all samples into memory."
        )


def require_row_chunks(X, name="X"):
    """Refuse Dask collections other than arrays whose samples are whole in one chunk.

    Raises
    ------
    TypeError
        If X is not an array.
    ValueError
        If an axis other than the first has several chunks.
    """
    if not hasattr(X, "numblocks"):
        raise TypeError(
            f"{name} must be a Dask array, got a Dask {type(X).__name__}. Convert it with "
            f"{name}.to_dask_array(lengths=True)."
        )
    if X.ndim == 0 or any(number > 1 for number in X.numblocks[1:]):
        whole = {axis: -1 for axis in range(1, X.ndim)}
        raise ValueError(
            f"{name} must be divided into chunks along its first axis only, got chunks of shape "
            f"{X.chunksize}. Use {name}.rechunk({whole})."
        )


def with_chunks_of(X, value, name):
    """Return an array with as many rows as X as a Dask array with the same chunks of rows.

    Raises
    ------
    ValueError
        If the numbers of rows differ.
    """
    import dask.array as da

    if np.ndim(value) == 0 and not is_dask(value):
        value = da.full(X.shape[0], value, chunks=(X.chunks[0],))  # a number
    elif not is_dask(value):
        value = da.from_array(np.asarray(value), chunks=-1)
    require_row_chunks(value, name)
    if value.numblocks[0] == X.numblocks[0] and np.isnan([*X.chunks[0], *value.chunks[0]]).any():
        return value  # chunks of unknown lengths
    if value.shape[0] != X.shape[0]:
        raise ValueError(
            f"{name} must have as many rows as X, {X.shape[0]}, got {value.shape[0]} rows."
        )
    return value if value.chunks[0] == X.chunks[0] else value.rechunk({0: X.chunks[0]})


# -------------------------------------------------------------------------------- chunk by chunk
def blockwise(method):
    """Return a method of an estimator that is applied to each chunk of X if X is a Dask array.

    The result is a Dask array, which is computed on demand. A function whose first arguments are an
    estimator and X may take the place of the method.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def applied(self, X, *args, **kwargs):
        if type(X) is np.ndarray or not is_dask(X):  # the first check is the faster one
            return method(self, X, *args, **kwargs)
        _, _, *rest = signature.bind(self, X, *args, **kwargs).arguments.items()
        return _applied_to_chunks(self, applied, X, dict(rest))

    return applied


def _applied_to_chunks(estimator, method, X, arguments):
    """Return the lazy result of a method. Errors that do not depend on the samples are raised."""
    import dask.array as da

    require_row_chunks(X)
    arrays = {
        name: with_chunks_of(X, value, name)
        for name, value in arguments.items()
        if _has_rows(value)
    }
    others = {name: value for name, value in arguments.items() if name not in arrays}
    call = Call(_frozen(estimator), method, [*arrays], others, X.numblocks[0])
    example = call.of_example(X, *arrays.values())
    operands, axes = [], itertools.count(1)
    for array in (X, *arrays.values()):
        operands += [array, (0, *itertools.islice(axes, array.ndim - 1))]
    out = [*itertools.islice(axes, example.ndim - 1)]
    return da.blockwise(
        call, (0, *out), *operands, new_axes=dict(zip(out, example.shape[1:], strict=True)),
        name=f"{method.__name__}-{uuid.uuid4().hex}", dtype=example.dtype, meta=example[:0],
        concatenate=True,
    )  # fmt: skip


def _has_rows(value):
    """Return whether an argument has one entry for each sample."""
    return is_dask(value) or getattr(value, "ndim", 0) > 0 or isinstance(value, list)


def _frozen(estimator):
    """Return a copy that a later fit of the estimator does not change, without its learner."""
    frozen = copy.copy(estimator)
    vars(frozen).pop("_learner", None)
    if hasattr(frozen, "set_output"):
        frozen.set_output(transform="default")  # chunks are arrays, and so is the result
    return frozen


class Call:
    """A method of an estimator with its arguments, which is called for each chunk.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator.
    method : callable
        The method, which takes the estimator as well.
    names : list of str
        Names of the arrays that are passed with each chunk.
    others : dict
        Arguments that are the same for all chunks.
    n_chunks : int
        Number of chunks, which may be processed at the same time and share the threads.
    """

    def __init__(self, estimator, method, names, others, n_chunks):
        self.estimator = estimator
        self.method = method
        self.names = names
        self.others = others
        self.n_chunks = n_chunks
        self.empty = None  # result for a chunk without rows

    def of_example(self, X, *arrays):
        """Return the result for one sample, which has the form and the dtype of all results."""
        missing = getattr(self.estimator, "missing_values", None)
        observed = 1.0 if missing == 0 else 0.0  # a sample needs an observed value
        result = self(_example(X, observed), *(_example(array, 1.0) for array in arrays))
        self.empty = result[:0]
        return result

    def __call__(self, X, *arrays):
        if X.shape[0] == 0:
            return self.empty
        arguments = dict(zip(self.names, arrays, strict=True))
        with shared_threads(self.n_chunks):
            return self.method(self.estimator, X, **arguments, **self.others)


def _example(array, value):
    """Return an array of the kind and dtype of a Dask array, with one row of equal values."""
    like, shape = array._meta, (1, *array.shape[1:])
    if sparse.issparse(like):
        return type(like)(shape, dtype=array.dtype)
    return array_namespace(like).full(shape, value, dtype=array.dtype)
