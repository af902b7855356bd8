"""Checks that scikit-learn has no function for; the wording is its own where it has any."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_ebm.backends import array_namespace, is_cupy

FLOATS = (np.float64, np.float32)
LARGEST = {np.dtype(np.float32): 1e15, np.dtype(np.float64): 1e100}  # sums of squares stay finite


def _check_device_array(X, n_features):
    """What `check_array` asserts, for an array that must not leave its device."""
    xp = array_namespace(X)
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead.")
    if n_features is not None and X.shape[1] != n_features:
        raise ValueError(f"X has {X.shape[1]} features, but {n_features} features are expected.")
    X = X if X.dtype in FLOATS else X.astype(np.float64)
    if not bool(xp.isfinite(X).all()):
        raise ValueError("Input X contains NaN or infinity.")
    return X


def check_data(estimator, X, reset, allow_nan=False, **options):
    """X as a two-dimensional float array of the type and on the device that it came with.

    Parameters
    ----------
    estimator : estimator
        Its `n_features_in_` is set where `reset`, else compared.
    X : array-like of shape (n_samples, n_features)
        Data.
    reset : bool
        Whether this is a first fit.
    allow_nan : bool, default=False
        Whether NaN marks a missing value.
    **options
        For `sklearn.utils.check_array`.

    Returns
    -------
    X : array of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        As `sklearn.utils.validation.validate_data`, and if squares would overflow.
    """
    if is_cupy(X):
        X = _check_device_array(X, None if reset else estimator.n_features_in_)
        estimator.n_features_in_ = X.shape[1]
    else:
        finite = "allow-nan" if allow_nan else True
        X = validate_data(
            estimator, X, reset=reset, dtype=FLOATS, ensure_all_finite=finite, **options
        )
    check_magnitude(X)
    return X


def check_magnitude(X):
    """Refuse values whose squared norm would overflow in the middle of a kernel."""
    xp = array_namespace(X)
    largest = max(abs(float(xp.nanmax(X))), abs(float(xp.nanmin(X))))
    if largest > LARGEST[np.dtype(X.dtype)]:
        raise ValueError(
            "Input X contains infinity or a value too large for "
            f"{np.dtype(X.dtype)!r}: squares of {largest:.1e} overflow. Rescale X, for instance "
            "with StandardScaler."
        )


def split_missing(X, missing_values):
    """X with zeros where values are missing, and the mask of observed ones; no mask if none is."""
    xp = array_namespace(X)
    if missing_values is None:
        return X, None
    missing = xp.isnan(X)
    if not bool(missing.any()):
        return X, None
    if bool(missing.all(axis=1).any()):
        row = int(missing.all(axis=1).nonzero()[0][0])
        raise ValueError(f"Every feature of sample {row} is missing.")
    return xp.where(missing, xp.zeros_like(X), X), (~missing).astype(X.dtype)


def check_dictionary(dictionary, n_components, n_features, dtype, name="dictionary"):
    """A given dictionary as a float array without empty atoms.

    Raises
    ------
    ValueError
        If its shape does not fit, or a row has norm zero.
    """
    if not is_cupy(dictionary):
        dictionary = check_array(dictionary, dtype=dtype, input_name=name)
    dictionary = dictionary.astype(dtype, copy=False)
    if n_features is not None and dictionary.shape[1] != n_features:
        raise ValueError(
            f"{name} has {dictionary.shape[1]} features, but X has {n_features} features."
        )
    if n_components is not None and dictionary.shape[0] != n_components:
        raise ValueError(f"{name} has {dictionary.shape[0]} rows, but n_components={n_components}.")
    empty = ((dictionary * dictionary).sum(axis=1) == 0).nonzero()[0]
    if empty.size:
        raise ValueError(
            f"{name} has rows of norm zero: {', '.join(str(int(row)) for row in empty[:5])}"
            f"{', ...' if empty.size > 5 else ''}. Every atom needs a direction."
        )
    return dictionary
