"""Checks that scikit-learn does not provide, in the wording of its error messages."""

import math

import numpy as np

from sklearn_ebm.backends import array_namespace, is_cupy, stored_entries, to_host
from sklearn_ebm.inputs._rows import check_rows, check_values_elsewhere, checked_array

LARGEST_POWER = {np.dtype(np.float32): 1e30, np.dtype(np.float64): 1e200}  # sums remain finite

SMALLEST_WEIGHT = {np.dtype(np.float32): 1e-34, np.dtype(np.float64): 1e-140}


def largest_value(dtype, degree=2):
    """Return the largest magnitude whose powers are in range. Its inverse is the smallest one."""
    return LARGEST_POWER[np.dtype(dtype)] ** (1 / degree)


def check_data(estimator, X, reset, allow_nan=False, degree=2, dtype=None, **options):
    """Return X as a two-dimensional floating-point array, with its precision and on its device.

    Parameters
    ----------
    estimator : estimator
        Estimator. If `reset` is True, its `n_features_in_` is set, otherwise it is compared.
    X : array-like of shape (n_samples, n_features)
        Data.
    reset : bool
        Whether this is the first call of `fit` or `partial_fit`.
    allow_nan : bool, default=False
        Whether NaN marks a missing value.
    degree : int, default=2
        Highest power of X that the estimator computes.
    dtype : dtype or None, default=None
        Type to which X will be cast. None if X keeps its type.
    **options
        Further parameters of `sklearn.utils.check_array`.

    Returns
    -------
    X : array of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        The errors of `sklearn.utils.validation.validate_data`; or if powers of X would overflow.
    """
    X = check_rows(estimator, X, reset=reset, allow_nan=allow_nan, **options)
    check_magnitude(X, degree, dtype)
    return X


def check_codes(X, input_name="X", **options):
    """Return codes as a floating-point array, with their precision and on their device."""
    if is_cupy(X):
        return check_values_elsewhere(X, name=input_name)
    return checked_array(X, input_name=input_name, **options)


def require_same_place(estimator, X):
    """Refuse data on a different device from the device of a fitted model."""
    is_there = is_cupy(getattr(estimator, "components_", X))
    if is_there != is_cupy(X):
        name = type(estimator).__name__
        raise ValueError(
            f"Inputs passed to {name} must use the same namespace and the same device as those "
            "passed to fit(). "
            + (
                "The model was fitted on a CUDA device. Move X there with cupy.asarray(X), or the "
                "model to the host with sklearn_ebm.host_copy(model)."
                if is_there
                else "The model was fitted on the host. Move X there with cupy.asnumpy(X), or fit "
                "the model again with CuPy arrays or backend='cupy'."
            )
        )


def check_magnitude(X, degree=2, dtype=None, unit=1.0):
    """Refuse values of X / unit whose powers would overflow.

    The powers are computed in the dtype of X, or in `dtype` if its range is smaller. Returns the
    largest magnitude. X may be sparse.
    """
    X = stored_entries(X)
    if not X.size:  # a sparse array without entries
        return 0.0
    xp = array_namespace(X)
    dtypes = (X.dtype,) if dtype is None else (X.dtype, dtype)
    dtype = min(dtypes, key=largest_value)
    highest, lowest = float(X.max()), float(X.min())
    if math.isnan(highest):
        observed = xp.where(xp.isnan(X), xp.zeros_like(X), X)
        highest, lowest = float(observed.max()), float(observed.min())
    largest = max(abs(highest), abs(lowest)) / unit
    if largest > largest_value(dtype, degree):
        raise ValueError(
            "Input X contains infinity or a value too large for "
            f"{np.dtype(dtype)!r}: powers of {largest:.1e} overflow. Rescale X, for "
            "instance with StandardScaler."
        )
    return largest


def numbers_of(values, name):
    """Return an array-like of real numbers as a new array in double precision, on the host."""
    try:
        numbers = np.asarray(to_host(values))
        if np.iscomplexobj(numbers):
            raise TypeError
        return np.array(numbers, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of numbers, got {values!r}.") from None


def check_weight(value, dtype, name):
    """Refuse the weight of a term of the energy if it is out of the range of the dtype."""
    if value > largest_value(dtype):
        raise ValueError(f"{name}={value} is too large for {np.dtype(dtype)!r}.")
    if value < SMALLEST_WEIGHT[np.dtype(dtype)]:
        raise ValueError(
            f"{name}={value} is too small for {np.dtype(dtype)!r}: squares of such values "
            "underflow. Rescale X and the weights."
        )


def check_dictionary(dictionary, n_components, n_features, dtype, name="dictionary"):
    """Return a given dictionary as a floating-point array without atoms of norm zero.

    Raises
    ------
    ValueError
        If its shape does not match, or the squared norm of a row is zero or out of range.
    """
    if not is_cupy(dictionary):
        dictionary = checked_array(dictionary, dtype=dtype, order="C", input_name=name)
    dictionary = dictionary.astype(dtype, copy=False)
    if n_features is not None and dictionary.shape[1] != n_features:
        raise ValueError(
            f"{name} has {dictionary.shape[1]} features, but X has {n_features} features."
        )
    if n_components is not None and dictionary.shape[0] != n_components:
        raise ValueError(f"{name} has {dictionary.shape[0]} rows, but n_components={n_components}.")
    _check_atoms(dictionary, name)
    return dictionary


def _check_atoms(dictionary, name):
    xp = array_namespace(dictionary)
    size = xp.max(xp.abs(dictionary), axis=1)
    if not bool(xp.all(size > 0)):
        raise ValueError(
            f"{name} must not contain rows of norm zero, got zeros in rows {_some_rows(size == 0)}."
        )
    extreme = _beyond(dictionary, dictionary.dtype)
    if bool(xp.any(extreme)):
        raise ValueError(
            f"{name} must have rows whose squared norm is in the range of "
            f"{np.dtype(dictionary.dtype)!r}, got rows {_some_rows(extreme)} out of range. Scale "
            "the rows, for instance to unit norm."
        )


def _beyond(atoms, dtype):
    """Return which atoms have a squared norm out of the range of a type, except zero."""
    xp = array_namespace(atoms)
    size = xp.max(xp.abs(atoms), axis=tuple(range(1, atoms.ndim)))
    size = xp.asarray(size, dtype=xp.float64)  # which can represent the limits of all types
    limit = largest_value(dtype)
    return (size > limit) | ((size < 1 / limit) & (size > 0))


def require_magnitude(values, name):
    """Refuse values of a fitted attribute whose squares overflow."""
    size = float(array_namespace(values).max(abs(values))) if values.size else 0.0
    if not size <= largest_value(values.dtype):
        raise ValueError(
            f"{name} contains a value too large for {np.dtype(values.dtype)!r}: squares of "
            f"{size:.1e} overflow."
        )


def require_atoms(dictionary, name):
    """Refuse atoms whose squared norm is out of range, except unused atoms of norm zero."""
    extreme = _beyond(dictionary, dictionary.dtype)
    if bool(extreme.any()):
        raise ValueError(
            f"{name} must have atoms whose squared norm is in the range of "
            f"{np.dtype(dictionary.dtype)!r}, got atoms {_some_rows(extreme)} out of range. Scale "
            "the atoms, for instance to unit norm."
        )


def require_castable(atoms, dtype):
    """Refuse a dtype if the squared norms of the atoms are out of its range."""
    if dtype == atoms.dtype:
        return
    extreme = _beyond(atoms, dtype)
    if bool(extreme.any()):
        raise ValueError(
            f"components_ must have atoms whose squared norm is in the range of {dtype!r}, got "
            f"atom {int(extreme.nonzero()[0][0])} out of range. Convert X to "
            f"{np.dtype(atoms.dtype)!r}."
        )


def _some_rows(selected):
    rows = [str(int(row)) for row in selected.nonzero()[0]]
    return ", ".join([*rows[:5], *(["..."] if len(rows) > 5 else [])])
