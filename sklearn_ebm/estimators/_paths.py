"""Weights of the penalty: the smallest with codes of zeros, and codes for a sequence of weights."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from scipy import sparse

from sklearn_ebm._sklearn import Interval, StrOptions, validate_params
from sklearn_ebm._typing import (
    Array,
    ArrayLike,
    Backend,
    MatrixLike,
    MatrixSolver,
    PenaltyLike,
    SparseOrDense,
)
from sklearn_ebm.backends import BACKENDS, array_namespace, put_rows, take_rows, to_host
from sklearn_ebm.estimators._functions import checked_problem
from sklearn_ebm.estimators._largest_alphas import largest_alphas
from sklearn_ebm.factors import PENALTY, LinearDecoder, SparseEnergy, resolve_penalty, takes_alpha
from sklearn_ebm.inputs._checks import check_weight, numbers_of
from sklearn_ebm.inputs._groups import SampleGroups
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers import MATRIX_SOLVERS
from sklearn_ebm.solvers._path import infer_path

SHARED_CONSTRAINTS: dict = {
    "penalty": PENALTY,
    "positive": ["boolean"],
    "missing_values": [None, Real],
    "backend": [StrOptions({"auto", *BACKENDS})],
}


@validate_params(
    {**SHARED_CONSTRAINTS, "per_sample": ["boolean"], "groups": ["array-like", None]},
    prefer_skip_nested_validation=True,
)
def alpha_max(
    X: MatrixLike,
    dictionary: ArrayLike,
    *,
    penalty: PenaltyLike = "l1",
    positive: bool = False,
    per_sample: bool = False,
    missing_values: float | None = None,
    groups: ArrayLike | None = None,
    backend: Backend = "auto",
) -> float | Array:
    """Compute the smallest alpha for which all codes are zero.

    For the L1 penalty, this is max_j |d_j . x|, the largest absolute inner product of a sample and
    an atom. For other norms it is the dual norm of the inner products. It is rounded up, so that
    codes are exactly zero in the dtype of X.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples.
    dictionary : array-like of shape (n_components, n_features)
        Atoms, one per row.
    penalty : {"l1"} or Penalty, default="l1"
        Sparsity penalty on the codes, as in `sparse_encode`. It must have a dual norm. The dual
        norm of overlapping groups is bounded from above.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    per_sample : bool, default=False
        Whether to return one value for each sample instead of the largest of them.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. It must be None if X is sparse.
    groups : array-like of shape (n_samples,) or None, default=None
        Label of the group of each sample, as in `sparse_encode`.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.

    Returns
    -------
    float or ndarray of shape (n_samples,)
        Smallest alpha for which all codes are zero, or, for each sample, for which its code is
        zero. Zero if codes are zero for every alpha. With groups, the value of a sample is that of
        its group.

    Raises
    ------
    ValueError
        If shapes do not match, X is not finite, or the penalty has no dual norm.

    See Also
    --------
    alpha_path : Codes for a decreasing sequence of alphas.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import alpha_max, sparse_encode
    >>> X, dictionary = np.array([[3.0, -4.0], [1.0, 2.0]]), np.eye(2)
    >>> print(f"{alpha_max(X, dictionary):.3f}")
    4.000
    >>> print(alpha_max(X, dictionary, per_sample=True).round(3))
    [4. 2.]
    >>> bool(sparse_encode(X, dictionary, alpha_max(X, dictionary)).any())
    False
    """
    X, dictionary, _, module = checked_problem(X, dictionary, missing_values, backend, "alpha_max")
    factor = resolve_penalty(penalty, dictionary.shape[0], 1.0, bool(positive), X.shape[0])
    decoder = LinearDecoder(dictionary)
    if groups is None:
        largest = largest_alphas(X, decoder, factor, module, "alpha_max")
    else:
        largest = _of_groups(SampleGroups(groups, X), X, decoder, factor, module)
    return largest if per_sample else float(array_namespace(largest).max(largest))


@validate_params(
    {
        **SHARED_CONSTRAINTS,
        "alphas": ["array-like", None],
        "n_alphas": [Interval(Integral, 1, None, closed="left")],
        "eps": [Interval(Real, 0, 1, closed="neither")],
        "solver": [StrOptions({"auto", *MATRIX_SOLVERS})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "sparse_output": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def alpha_path(
    X: MatrixLike,
    dictionary: ArrayLike,
    *,
    alphas: ArrayLike | None = None,
    n_alphas: int = 30,
    eps: float = 1e-2,
    penalty: PenaltyLike = "l1",
    solver: MatrixSolver = "auto",
    positive: bool = False,
    max_iter: int = 1000,
    tol: float = 1e-4,
    sparse_output: bool = False,
    missing_values: float | None = None,
    backend: Backend = "auto",
) -> tuple[Array, SparseOrDense, Array]:
    """Infer sparse codes of samples for a decreasing sequence of alphas.

    The codes for each alpha are those of `sparse_encode`, up to `tol`. Each search continues from
    the code for the previous alpha if the penalty is convex. With an L1 penalty, with or without
    weights, and with the elastic net, the path takes about twice as long as its last alpha alone,
    and much less time than separate calls. With other penalties, it takes about the same time as
    separate calls.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples. float32 is preserved.
    dictionary : array-like of shape (n_components, n_features)
        Atoms, one per row. They need not have unit norm.
    alphas : array-like of shape (n_alphas,) or None, default=None
        Weights of the sparsity penalty, greater than zero, in any order. None computes `n_alphas`
        weights, evenly spaced on a log scale from `alpha_max` to `eps` times this value.
    n_alphas : int, default=30
        Number of weights if `alphas` is None.
    eps : float, default=1e-2
        Smallest weight divided by the largest, if `alphas` is None.
    penalty : {"l1"} or Penalty, default="l1"
        Sparsity penalty on the codes, as in `sparse_encode`. It must have a dual norm if `alphas`
        is None.
    solver : {"auto", "reweighted", "inhibited_cd", "active_set", "cd", "block_cd", "fista", \
            "ista"}, default="auto"
        Algorithm that infers the codes, as in `sparse_encode`.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    max_iter : int, default=1000
        Maximum number of iterations of the solver for each alpha.
    tol : float, default=1e-4
        Tolerance for each alpha. The solver stops when the duality gap of a code, relative to
        1/2 ||x||^2, is at most this value.
    sparse_output : bool, default=False
        Whether to return the codes as CSR arrays. Dense codes have n_alphas times the size of the
        output of `sparse_encode`.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. It must be None if X is sparse.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.

    Returns
    -------
    alphas : ndarray of shape (n_alphas,)
        Weights in decreasing order.
    code : ndarray of shape (n_samples, n_components, n_alphas), or list of csr_array
        Codes for each alpha. With `sparse_output=True`, a list of `n_alphas` arrays of shape
        (n_samples, n_components).
    gap : ndarray of shape (n_samples, n_alphas)
        Relative duality gap of each code; NaN if the penalty has no duality gap.

    Raises
    ------
    ValueError
        If shapes do not match, X is not finite, an alpha is not positive, or all codes are zero for
        every alpha and `alphas` is None.

    Warns
    -----
    ConvergenceWarning
        If a duality gap is still above `tol` at the end. The message reports the largest gap.

    See Also
    --------
    alpha_max : Smallest alpha for which all codes are zero.
    sparse_encode : Codes for a single alpha.
    sklearn.linear_model.lasso_path : A path for a single sample, with another unit of alpha.

    References
    ----------
    J. Friedman, T. Hastie, R. Tibshirani (2010). Regularization paths for generalized linear models
    via coordinate descent, section 2.5.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import alpha_path
    >>> X, dictionary = np.array([[3.0, -4.0], [1.0, 2.0]]), np.eye(2)
    >>> alphas, code, gap = alpha_path(X, dictionary, alphas=[1.0, 3.0, 5.0])
    >>> print(alphas)
    [5. 3. 1.]
    >>> print(code[0])  # a row for each atom, a column for each alpha
    [[ 0.  0.  2.]
     [ 0. -1. -3.]]
    """
    X, dictionary, mask, module = checked_problem(
        X, dictionary, missing_values, backend, "alpha_path"
    )
    decoder, n_components = LinearDecoder(dictionary), dictionary.shape[0]
    if not takes_alpha(penalty):
        raise ValueError(
            f"alpha_path requires a penalty with a weight; {type(penalty).__name__} has none. Call "
            "sparse_encode for each value of the constraint."
        )
    if alphas is None:
        factor = resolve_penalty(penalty, n_components, 1.0, bool(positive), X.shape[0])
        largest = to_host(largest_alphas(X, decoder, factor, module, "alpha_path", "Pass alphas."))
        alphas = _grid(float(largest.max()), int(n_alphas), float(eps))
    else:
        alphas = _checked_alphas(alphas)
    for alpha in (alphas[0], alphas[-1]):
        check_weight(float(alpha), X.dtype, "alpha")
    penalties = _resolved(penalty, n_components, alphas, bool(positive), X.shape[0])
    energy = SparseEnergy(decoder, penalties[0])
    code, gap = infer_path(
        energy, penalties, X, solver=solver, tol=float(tol), max_iter=int(max_iter),
        backend=module, mask=mask, sparse_output=sparse_output,
    )  # fmt: skip
    if not sparse_output:
        code = array_namespace(code).permute_dims(code, (1, 2, 0))
    return alphas, code, gap.T


def _of_groups(groups, X, decoder, factor, module):
    """Return the smallest alpha for which the codes of each sample's group are zero."""
    largest = array_namespace(X).empty(X.shape[0], dtype=X.dtype)
    for size, members in groups.by_size():
        index = array_namespace(largest).asarray(members)
        rows = take_rows(X, members if sparse.issparse(X) else index)
        each = largest_alphas(rows, decoder, factor, module, "alpha_max", group_size=size)
        put_rows(largest, index, array_namespace(largest).repeat(each, size))
    return largest


def _resolved(penalty, n_components, alphas, positive, n_samples):
    """Return the factor of a penalty for each alpha."""
    first, *others = map(float, alphas)
    factor = resolve_penalty(penalty, n_components, first, positive, n_samples)
    if offers(factor, "with_alpha"):
        return [factor, *map(factor.with_alpha, others)]
    return [
        factor,
        *(resolve_penalty(penalty, n_components, each, positive, n_samples) for each in others),
    ]


def _grid(largest, n_alphas, eps):
    """Return weights that decrease from the largest by the same factor each time."""
    if not largest > 0:
        raise ValueError(
            "X must not be orthogonal to all atoms, got codes of zeros for every alpha. Pass "
            "alphas, or another dictionary."
        )
    return largest * np.geomspace(1, eps, n_alphas)


def _checked_alphas(alphas):
    alphas = np.sort(numbers_of(alphas, "alphas").ravel())[::-1]
    if alphas.size == 0 or not (alphas[-1] > 0 and np.isfinite(alphas[0])):
        raise ValueError(f"alphas must be positive numbers, at least one, got {alphas}.")
    return alphas
