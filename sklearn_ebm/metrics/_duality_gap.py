"""Duality gap of sparse codes, computed from its definition in double precision."""

from __future__ import annotations

from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.utils import check_consistent_length, gen_batches

from sklearn_ebm._sklearn import Interval, validate_params
from sklearn_ebm._typing import Array, ArrayLike, MatrixLike, PenaltyLike
from sklearn_ebm.backends import to_host
from sklearn_ebm.backends._certificate import gap_of_misfit
from sklearn_ebm.factors import PENALTY, resolve_penalty
from sklearn_ebm.factors.penalties._ridge import without_ridge
from sklearn_ebm.factors.problems import joint_penalty, require_joint
from sklearn_ebm.inputs._groups import SampleGroups
from sklearn_ebm.inputs._rows import (
    checked_array,
    is_nan,
    naming_the_remedy,
    require_complete,
    split_missing,
)
from sklearn_ebm.protocols import offers, rows_of
from sklearn_ebm.solvers import require_certificate

PIECE_NUMBERS = 2**22  # entries of sparse X that are dense at a time: 32 MB
LEAST_EXPONENT = -4000  # exponent of rows of zeros, smaller than the exponent of any product


@validate_params(
    {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "positive": ["boolean"],
        "penalty": PENALTY,
        "missing_values": [None, Real],
        "groups": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def duality_gap(
    X: MatrixLike,
    code: MatrixLike,
    dictionary: ArrayLike,
    alpha: float,
    positive: bool = False,
    penalty: PenaltyLike = "l1",
    missing_values: float | None = None,
    groups: ArrayLike | None = None,
) -> Array:
    """Compute the duality gap of sparse codes, an upper bound on the excess of their energy.

    The energy E(x, z) = 1/2 ||x - z D||^2 + alpha ||z||_1 of a code exceeds the minimum energy of
    the sample by at most the duality gap. With the residual r = x - z D and the dual point theta =
    r min(1, alpha / max_j |d_j . r|), the gap is E(x, z) - (1/2 ||x||^2 - 1/2 ||x - theta||^2). It
    is divided by 1/2 ||x||^2.

    For other norms, the dual norm replaces max_j |d_j . r|; the dual norm of overlapping groups is
    bounded from above by an iteration. Penalties that are not norms require a conjugate. All values
    that float64 can represent are accepted.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples.
    code : array-like of shape (n_samples, n_components)
        Codes of X, dense or sparse.
    dictionary : array-like of shape (n_components, n_features)
        Atoms, one per row.
    alpha : float
        Weight of the sparsity penalty.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    penalty : {"l1"} or Penalty, default="l1"
        Sparsity penalty on the codes: "l1" for ||z||_1, an `L1Penalty` for weights of components,
        an `ElasticNetPenalty` for additional squares, a `GroupPenalty` for the norms of groups of
        components, or any object with the method `dual_norm` or `conjugate` (see
        :ref:`add_a_penalty`).
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. It must be None if X is sparse.
    groups : array-like of shape (n_samples,) or None, default=None
        Label of the group of each sample, as in `sparse_encode`.
        The gap of a sample is that of its group, relative to 1/2 ||X_g||^2 of the group.

    Returns
    -------
    ndarray of shape (n_samples,)
        Relative duality gap, float64. Zero if x and its code are zero; infinite if
        `positive=True` and the code has a negative entry, or if float64 cannot hold the gap.

    Raises
    ------
    ValueError
        If shapes do not match, alpha is not positive, an array contains NaN or infinity, or the
        penalty provides no duality gap.

    References
    ----------
    S.-J. Kim, K. Koh, M. Lustig, S. Boyd, D. Gorinevsky (2007). An interior-point method for
    large-scale l1-regularized least squares, section III.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm.metrics import duality_gap
    >>> print(duality_gap([[3.0, 4.0]], [[0.0, 3.0]], np.eye(2), alpha=3.0))
    [0.48]
    >>> print(duality_gap([[3.0, 4.0]], [[0.0, 1.0]], np.eye(2), alpha=3.0))
    [0.]
    """
    if sparse.issparse(X):
        require_complete(X, missing_values)
        X, mask = checked_array(X, accept_sparse="csr", input_name="X"), None
    else:
        X, mask = _checked_data(X, missing_values)
    code, dictionary = _checked(code, "code"), _checked(dictionary, "dictionary")
    _require_shapes(X, code, dictionary)

    def resolved(weight):
        return resolve_penalty(penalty, len(dictionary), weight, bool(positive), X.shape[0])

    unit = resolved(1.0)
    require_certificate(unit, "duality_gap")
    factor = resolved(float(alpha))
    if groups is not None:
        require_joint(factor)
    gap = np.empty(X.shape[0])
    for size, rows in _pieces(X, groups):
        samples = _in_double(X[rows].toarray()) if sparse.issparse(X) else X[rows]
        observed = None if mask is None else mask[rows]
        some, own, observed = (_joined(each, size) for each in (samples, code[rows], observed))
        part = _gaps(
            some, own, dictionary, alpha, rows_of(unit, rows), rows_of(factor, rows), observed, size
        )
        gap[rows] = np.repeat(_feasible(part, own, positive), size)
    return gap


def _feasible(gap, code, positive):
    """Return gaps that are infinite for codes with a negative entry if codes are non-negative."""
    return np.where(positive & np.any(code < 0, axis=1), np.inf, gap)


def _joined(rows, size):
    """Return the rows of each group as one row."""
    return None if rows is None else rows.reshape(len(rows) // size, -1)


def _gaps(X, code, dictionary, alpha, unit, factor, mask, size):
    """Return the gaps of rows that contain `size` samples each."""
    is_scaled = offers(unit, "dual_norm")  # otherwise the penalty depends on the unit of the codes
    penalty, ridge = (unit, 0.0) if is_scaled else without_ridge(factor)
    if size > 1:
        penalty = joint_penalty(penalty, size)
    with np.errstate(over="ignore"):  # gaps that overflow are infinite
        if is_scaled:
            return _relative_gap(X, code, dictionary, alpha, penalty, mask)
        return _gap_by_conjugate(X, code, dictionary, penalty, ridge, mask)


def _product(rows, matrix):
    """Return the products of each sample in rows that contain one or more samples."""
    return (rows.reshape(-1, len(matrix)) @ matrix).reshape(len(rows), -1)


def _pieces(X, groups):
    """Yield the size of groups, and samples of a piece; sparse rows are dense in pieces."""
    n_rows = max(1, PIECE_NUMBERS // X.shape[1]) if sparse.issparse(X) else X.shape[0]
    if groups is None:
        yield from ((1, rows) for rows in gen_batches(X.shape[0], n_rows))
        return
    for size, members in SampleGroups(groups, X).by_size():
        for each in gen_batches(len(members) // size, max(1, n_rows // size)):
            yield size, members[each.start * size : each.stop * size]


def _checked_data(X, missing_values):
    """Return X in float64, with zeros for missing entries, and the mask of observed entries."""
    finite = "allow-nan" if is_nan(missing_values) else True
    with naming_the_remedy("duality_gap", has_missing_values=True):
        X = checked_array(to_host(X), ensure_all_finite=finite, input_name="X")
    X, mask = split_missing(X, missing_values)  # in the type of X, as `sparse_encode` does
    return _in_double(X), mask


def _in_double(X):
    return X.astype(np.float64, copy=False)


def _checked(array, name):
    array = array.toarray() if hasattr(array, "toarray") else array
    return checked_array(to_host(array), dtype=np.float64, input_name=name)


def _require_shapes(X, code, dictionary):
    check_consistent_length(X, code)
    if dictionary.shape[1] != X.shape[1]:
        raise ValueError(
            f"dictionary has {dictionary.shape[1]} features, but X has {X.shape[1]} features."
        )
    if code.shape[1] != dictionary.shape[0]:
        raise ValueError(
            f"code has {code.shape[1]} components, but dictionary has {dictionary.shape[0]} rows."
        )


def _relative_gap(X, code, dictionary, alpha, factor, mask):
    """Return the gap relative to 1/2 ||x||^2. Each sample is scaled by a power of two.

    Scaling by powers of two is exact, so that the gap does not depend on the units of X and the
    dictionary.
    """
    X, X_exponent = _split(X)
    code, code_exponent = _split(code)
    alpha, alpha_exponent = np.frexp(alpha)
    atoms_exponent = np.frexp(np.abs(dictionary).max())[1]
    dictionary = np.ldexp(dictionary, -atoms_exponent)
    unit = np.maximum(  # of x and of z D
        np.where(X.any(axis=1), X_exponent, LEAST_EXPONENT),
        np.where(code.any(axis=1), code_exponent + atoms_exponent, LEAST_EXPONENT),
    )
    target = _times_power(X, X_exponent - unit)
    residual = target - _product(
        _times_power(code, code_exponent + atoms_exponent - unit), dictionary
    )
    if mask is not None:
        residual *= mask
    correlation, exponent = _split(_product(residual, dictionary.T))
    exponent += unit + atoms_exponent - alpha_exponent
    dual_norm = np.ldexp(factor.dual_norm(correlation, code) / alpha, exponent)
    penalty = np.ldexp(alpha * factor.value(code), alpha_exponent + code_exponent - 2 * unit)
    theta = residual / np.maximum(1, dual_norm)[:, None]
    gap = _half_norm(residual) + penalty - _half_norm(target) + _half_norm(target - theta)
    half_norm = _half_norm(X)
    relative = np.maximum(gap, 0) / np.where(half_norm > 0, half_norm, 1)
    return np.ldexp(relative, 2 * (unit - X_exponent))


def _gap_by_conjugate(X, code, dictionary, penalty, ridge, mask):
    residual = X - _product(code, dictionary)
    if mask is not None:
        residual *= mask
    misfit = _half_norm(residual) + ridge * _half_norm(code)
    correlation = _product(residual, dictionary.T) - ridge * code
    return gap_of_misfit(penalty, misfit, _half_norm(X), code, correlation)


def _split(rows):
    """Return rows divided by powers of two, with largest entries in [1/2, 1), and the exponents."""
    exponent = np.frexp(np.abs(rows).max(axis=1))[1]
    return _times_power(rows, -exponent), exponent


def _times_power(rows, exponent):
    return np.ldexp(rows, exponent[:, None])


def _half_norm(rows):
    return 0.5 * (rows**2).sum(axis=1)
