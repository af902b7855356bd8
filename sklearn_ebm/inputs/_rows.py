"""Checks of rows of data, with scikit-learn and for arrays of other libraries.

scikit-learn checks arrays of other namespaces, such as CuPy, only if array API dispatch is enabled,
which users must do before they import scipy. This package does not require it: such arrays are
checked by the functions below, on their device, with scikit-learn's messages and types.

Layers compute with arrays of any library that implements the array API. The kernels of models read
NumPy and CuPy arrays only. Tensors of PyTorch, which lacks the namespace of the array API, become
NumPy arrays.
"""

import math
from contextlib import contextmanager, nullcontext

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_ebm.backends import array_namespace, is_cupy
from sklearn_ebm.inputs._chunks import refuse_dask

FLOATS = ("float64", "float32")
NAMES = {np.dtype(name).char: name for name in FLOATS}


def native(X):
    """Convert arrays, sparse arrays and data frames to the byte order of the machine.

    Single precision is preserved. scikit-learn alone would convert it to float64 if the array has
    another byte order or a nullable pandas type, and would keep the byte order of some data frames,
    which compiled kernels cannot read.
    """
    if isinstance(X, np.ndarray) or sparse.issparse(X):
        is_native = X.dtype.isnative or X.dtype.kind not in "iufc"
        return X if is_native else X.astype(X.dtype.newbyteorder("="))
    refuse_dask(X)
    if _is_tensor(X):
        return _on_host(X)
    if type(X).__module__.startswith("cupyx."):
        raise TypeError(
            f"Sparse arrays on a CUDA device are not supported, got {type(X).__name__}. Convert X "
            "to a dense CuPy array with X.toarray(), or move it to the host with X.get()."
        )
    if hasattr(X, "iloc") and hasattr(X, "dtypes"):
        dtypes = [getattr(each, "numpy_dtype", each) for each in np.atleast_1d(X.dtypes)]
        singles = [isinstance(each, np.dtype) and each.str[1:] == "f4" for each in dtypes]
        return X.astype("float32") if singles and all(singles) else _native_frame(X)
    return X


def _is_tensor(X):
    """Return whether X is an array of a library without the namespace of the array API."""
    return hasattr(X, "__dlpack__") and array_namespace(X) is np


def _on_host(X):
    try:
        return np.asarray(X)
    except RuntimeError as error:  # a tensor that requires a gradient
        raise TypeError(f"X cannot be converted to a NumPy array. {error}") from error


def require_library(estimator, X):
    """Refuse arrays of a library that an estimator cannot compute with.

    Raises
    ------
    TypeError
        If the array belongs to a library other than NumPy and CuPy that implements the array API,
        and the estimator is not a layer.
    """
    xp = array_namespace(X)
    if xp is np or is_cupy(X) or getattr(estimator, "_reads_any_library", True):
        return
    raise TypeError(
        f"{type(estimator).__name__} does not support arrays of {xp.__name__}. Convert X to a "
        "NumPy array, for example with numpy.asarray(X), or to a CuPy array."
    )


def _native_frame(X):
    """Return a data frame whose numeric columns have the byte order of the machine."""
    swapped = [
        number
        for number, dtype in enumerate(np.atleast_1d(X.dtypes))
        if isinstance(dtype, np.dtype) and dtype.kind in "iufc" and not dtype.isnative
    ]
    if not swapped:
        return X
    X = X.copy(deep=False)
    for number in swapped:  # column names need not be unique
        values = X.iloc[:, number].to_numpy()
        X.isetitem(number, values.astype(values.dtype.newbyteorder("=")))
    return X


def checked_array(X, dtype=FLOATS, **options):
    """Call `sklearn.utils.check_array`, and return an array in the byte order of the machine."""
    if dtype is FLOATS:
        dtype = [np.dtype(name) for name in dtype]
    with np.errstate(over="ignore"):  # numbers out of the range of the type are refused as infinity
        return native(check_array(native(X), dtype=dtype, **options))


@contextmanager
def naming_the_remedy(name, has_missing_values):
    """Add the parameter that allows NaN, if there is one, to the error for NaN in X."""
    try:
        yield
    except ValueError as error:
        if not has_missing_values or not str(error).startswith("Input X contains NaN."):
            raise
        raise ValueError(
            f"Input X contains NaN.\n{name} accepts missing values encoded as NaN if "
            "missing_values=np.nan. Set this parameter, or impute the missing values."
        ) from None


def is_nan(value):
    """Return whether the placeholder for missing values is NaN, which is not equal to itself."""
    return value is not None and value != value


def canonical(X):
    """Return a sparse matrix as a CSR array of distinct, non-zero entries; dense X is unchanged.

    The matrix that the user passed is not changed.
    """
    if not sparse.issparse(X):
        return X
    X = sparse.csr_array(X)
    if not (X.has_canonical_format and np.all(X.data)):
        X = X.copy()
        X.sum_duplicates()
        X.eliminate_zeros()
    return X


def require_complete(X, missing_values, mask=None):
    """Refuse missing values in sparse X, in which absent entries are zeros.

    Raises
    ------
    ValueError
        If X is sparse, and a placeholder for missing values or a mask is given.
    """
    if not sparse.issparse(X) or (missing_values is None and mask is None):
        return
    name, value = "missing_values", repr(missing_values)
    if missing_values is None:
        name, value = "mask", "an array"
    raise ValueError(
        f"{name} must be None if X is sparse, because entries that are not stored are zeros, got "
        f"{value}. Convert X to a dense array with X.toarray()."
    )


def split_missing(X, missing_values):
    """Return X with zeros for missing values, and the mask of observed values, or None."""
    xp = array_namespace(X)
    if missing_values is None:
        return X, None
    missing_values = float(missing_values)  # a NumPy scalar may have a wider type than X
    missing = xp.isnan(X) if is_nan(missing_values) else missing_values == X
    if not bool(missing.any()):
        return X, None
    if bool(missing.all(axis=1).any()):
        row = int(missing.all(axis=1).nonzero()[0][0])
        raise ValueError(
            f"Each sample must have at least one observed feature, got none in sample {row}."
        )
    return xp.where(missing, xp.zeros_like(X), X), (~missing).astype(X.dtype)


def naming_the_remedy_of(estimator):
    """Return `naming_the_remedy` for an estimator."""
    has_missing_values = "missing_values" in getattr(estimator, "_parameter_constraints", {})
    return naming_the_remedy(type(estimator).__name__, has_missing_values)


def check_rows(
    estimator,
    X,
    *,
    reset,
    dtype=FLOATS,
    accept_sparse=False,
    allow_nan=False,
    finite=True,
    **options,
):
    """Return X as a checked two-dimensional array.

    If `reset` is True, `n_features_in_` is set, otherwise it is compared. `dtype` lists the types
    that are preserved; other types are converted to the first of them. None preserves all real
    types. If `finite` is False, infinity and NaN are accepted. `options` are further parameters of
    `sklearn.utils.check_array`.
    """
    if not reset and not options and _is_ready(estimator, X, dtype):
        return X
    xp = array_namespace(X)
    if xp is np:  # lists, data frames and sparse matrices too
        kept = "numeric" if dtype is None else [np.dtype(name) for name in dtype]
        finite = finite and ("allow-nan" if allow_nan else True)
        remedy = nullcontext() if sparse.issparse(X) else naming_the_remedy_of(estimator)
        with remedy, np.errstate(over="ignore"):
            return native(validate_data(
                estimator, native(X), reset=reset, dtype=kept, accept_sparse=accept_sparse,
                ensure_all_finite=finite, **options,
            ))  # fmt: skip
    require_library(estimator, X)
    _check_shape(X)
    _check_width(estimator, X.shape[1], reset)
    with naming_the_remedy_of(estimator):
        return check_values_elsewhere(X, dtype, allow_nan, finite)


def _is_ready(estimator, X, dtype):
    """Return whether X is a float array that `validate_data` would return unchanged.

    The full validation takes longer than the encoding of one sample. If a sum overflows, the result
    is False.
    """
    if type(X) is not np.ndarray:
        return False
    name = NAMES.get(X.dtype.char)  # `dtype.name` is computed anew, as slowly as all that follows
    return (
        name is not None
        and (dtype is None or name in dtype)
        and X.dtype.isnative
        and X.ndim == 2
        and X.shape[0] > 0
        and X.shape[1] == getattr(estimator, "n_features_in_", None)
        and not hasattr(estimator, "feature_names_in_")
        and _has_finite_sum(X)
    )


def _has_finite_sum(X):
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(X.sum())


def check_values_elsewhere(X, dtype=FLOATS, allow_nan=False, finite=True, name="X"):
    """Check the values of an array of another library, and convert it to a supported type.

    Raises
    ------
    ValueError
        If the array does not contain real numbers, or contains infinity or NaN that is not allowed.
    """
    xp = array_namespace(X)
    X = _with_kept_type(X, xp, dtype)
    is_float = xp.isdtype(X.dtype, "real floating")
    if not finite or not is_float or bool(xp.all(xp.isfinite(X))):
        return X
    if not allow_nan and bool(xp.any(xp.isnan(X))):
        raise ValueError(f"Input {name} contains NaN.")
    if bool(xp.any(xp.isinf(X))):
        raise ValueError(
            f"Input {name} contains infinity or a value too large for dtype({str(X.dtype)!r})."
        )
    return X


def _check_shape(X):
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead.")
    for count, what in zip(X.shape, ("sample", "feature"), strict=True):
        if count == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={tuple(X.shape)}) while a minimum of 1 is "
                "required."
            )


def _check_width(estimator, n_features, reset):
    if reset:
        estimator.n_features_in_ = n_features
        estimator.__dict__.pop("feature_names_in_", None)  # names of an earlier fit on a data frame
    expected = getattr(estimator, "n_features_in_", n_features)
    if n_features != expected:
        raise ValueError(
            f"X has {n_features} features, but {type(estimator).__name__} is expecting {expected} "
            "features as input."
        )


def _with_kept_type(X, xp, dtype):
    if not xp.isdtype(X.dtype, ("bool", "integral", "real floating")):
        raise ValueError(f"X must contain real numbers, got dtype {X.dtype}.")
    kept = () if dtype is None else tuple(getattr(xp, name) for name in dtype)
    return X if dtype is None or X.dtype in kept else xp.asarray(X, dtype=kept[0])


def dense_rows(X, rows, dtype):
    """Return rows of an array or CSR array, given by a slice or by indices, as a dense array."""
    if sparse.issparse(X):
        return X[rows, :].toarray().astype(dtype, copy=False)
    xp = array_namespace(X)
    part = X[rows, :] if isinstance(rows, slice) else xp.take(X, xp.asarray(rows), axis=0)
    return xp.asarray(part, dtype=dtype)


def float_type(X):
    """Return the type in which a model of X computes."""
    return np.dtype(np.float64 if "64" in str(X.dtype) else np.float32)
