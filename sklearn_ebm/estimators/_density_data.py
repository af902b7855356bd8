"""Samples of models with visible units: their checks, one-hot columns and missing values."""

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace, resolve_backend, stored_entries
from sklearn_ebm.factors import UNITS
from sklearn_ebm.inputs._categories import Categories, require_codes
from sklearn_ebm.inputs._checks import check_magnitude, largest_value
from sklearn_ebm.inputs._rows import (
    check_rows,
    float_type,
    is_nan,
    require_complete,
    split_missing,
)

LARGEST_INTEGER = 65535.0  # largest value of the integer types that are kept by `_with_type`


class Data(NamedTuple):
    """Samples of one call.

    Attributes
    ----------
    X : array or csr_array of shape (n_samples, n_features)
        Samples.
    observed : array of shape (n_samples, n_features) or None
        1 for observed values, otherwise 0. None if all values are observed.
    backend : module
        Backend that computes with the samples.
    categories : Categories or None
        Categories of the features, whose one-hot columns X contains.
    source : Source or None
        Chunks of a Dask array, of which X contains some rows. None if X contains all samples.
    """

    X: Any
    observed: Any
    backend: Any
    categories: Any = None
    source: Any = None

    @property
    def values(self):
        """Values with the extremes of all samples."""
        if self.source is not None:
            return self.source.extremes
        return stored_entries(self.X)


def is_categorical(model):
    """Return whether the visible units are categorical."""
    return model.visible == "categorical"


def has_categories(model):
    """Raise an AttributeError unless the visible units are categorical."""
    if not is_categorical(model):
        raise AttributeError(f"It requires visible='categorical', got {model.visible!r}.")
    return True


def checked_units(model, X, categories, reset, dtype):
    """Return data on their device, with zeros in place of missing values, and their largest value.

    Parameters
    ----------
    model : DensityModel
        Model that error messages name.
    X : {array-like, sparse array}
        Samples.
    categories : Categories or None
        Categories of the features. None determines them, if the units are categorical.
    reset : bool
        Whether this is the first call of `fit` or `partial_fit`.
    dtype : dtype or None
        Dtype of the learner, if X is used to continue learning.

    Returns
    -------
    data : Data
    size : float
        Largest magnitude that X may have.
    """
    on_host = model.backend != "cupy"
    accepted = "csr" if UNITS[model.visible].is_binary and on_host else False
    X = check_rows(
        model, X, reset=reset, dtype=None, accept_sparse=accepted,
        allow_nan=is_nan(model.missing_values),
    )  # fmt: skip
    require_complete(X, model.missing_values)
    X, observed = split_missing(_with_type(X), model.missing_values)
    if is_categorical(model):
        X = array_namespace(X).astype(X, float_type(X), copy=False)
        require_codes(X, observed, type(model).__name__)
        if categories is None:
            categories = Categories.of(X, observed, model.n_categories)
        X, observed = categories.encode(X, observed)
    values, size = stored_entries(X), LARGEST_INTEGER
    if _is_float(X) and values.size:
        size = check_magnitude(values, dtype=dtype)
    backend = resolve_backend(model.backend, X)
    if not sparse.issparse(X):
        X = backend.to_device(X)
    if observed is not None:
        observed = backend.to_device(observed)
    return Data(X, observed, backend, categories), size


def with_means(data, base):
    """Return the data with the means of a base in place of missing values."""
    return data._replace(X=base.on(data.backend).filled(data.X, data.observed))


def require_near(X, size, dtype, coordinates):
    """Raise a ValueError if standardized values are too large to be squared."""
    farthest = coordinates.farthest(X, size)
    if farthest > largest_value(dtype):
        raise ValueError(
            f"Input X contains infinity or a value too large for {np.dtype(dtype)!r}: it is "
            f"{farthest:.1e} standard deviations away from the mean of the training data."
        )


def _is_float(X):
    return array_namespace(X).isdtype(X.dtype, "real floating")


def _with_type(X):
    """Return X in a type that models can learn from.

    float64, float32, booleans and integers of up to 16 bits are kept, float16 becomes float32, and
    all other types become float64, as in scikit-learn.
    """
    name = str(X.dtype)
    if name in ("float64", "float32", "bool", "int8", "uint8", "int16", "uint16"):
        return X
    if name == "float16":
        return X.astype(np.float32)
    return X.astype(np.float64)
