"""Rows of data at a layer's door: scikit-learn's checks, and the same ones for arrays elsewhere.

scikit-learn looks at arrays of other namespaces (CuPy's above all) only when array API dispatch is
switched on, which users must do before they import scipy. We ask nothing of the kind: such an array
goes through the checks below, on its own device, with scikit-learn's words and types.
"""

import numpy as np
from sklearn.utils.validation import validate_data

from sklearn_ebm.backends import array_namespace

FLOATS = ("float64", "float32")


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
    """X as a checked 2-D array; sets `n_features_in_` when `reset`, else compares with it.

    `dtype` names the types that are kept; all others become the first. None keeps every real type.
    If `finite` is False, infinity and NaN are accepted.
    `options` are more of `sklearn.utils.check_array`.
    """
    xp = array_namespace(X)
    if xp is np:  # lists, data frames and sparse matrices too
        kept = "numeric" if dtype is None else [np.dtype(name) for name in dtype]
        finite = finite and ("allow-nan" if allow_nan else True)
        return validate_data(
            estimator, X, reset=reset, dtype=kept, accept_sparse=accept_sparse,
            ensure_all_finite=finite, **options,
        )  # fmt: skip
    _check_shape(X)
    _check_width(estimator, X.shape[1], reset)
    X = _with_kept_type(X, xp, dtype)
    if finite and xp.isdtype(X.dtype, "real floating") and not _is_finite(xp, X, allow_nan):
        raise ValueError("Input X contains NaN or infinity.")
    return X


def _is_finite(xp, X, allow_nan):
    finite = xp.isfinite(X)
    return bool(xp.all(finite | xp.isnan(X) if allow_nan else finite))


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
        estimator.__dict__.pop("feature_names_in_", None)  # those of an earlier fit on a DataFrame
    expected = getattr(estimator, "n_features_in_", n_features)
    if n_features != expected:
        raise ValueError(
            f"X has {n_features} features, but {type(estimator).__name__} is expecting {expected} "
            "features as input."
        )


def _with_kept_type(X, xp, dtype):
    if not xp.isdtype(X.dtype, ("bool", "integral", "real floating")):
        raise ValueError(f"X must hold real numbers; got dtype {X.dtype}.")
    kept = () if dtype is None else tuple(getattr(xp, name) for name in dtype)
    return X if dtype is None or X.dtype in kept else xp.asarray(X, dtype=kept[0])
