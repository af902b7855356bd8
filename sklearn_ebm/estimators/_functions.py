"""Functions that infer sparse codes without an estimator."""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real
from typing import Any

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
from sklearn_ebm.backends import BACKENDS, is_cupy, resolve_backend
from sklearn_ebm.factors import (
    PENALTY,
    LinearDecoder,
    SparseEnergy,
    check_alpha,
    resolve_penalty,
    takes_alpha,
)
from sklearn_ebm.factors.problems import require_joint
from sklearn_ebm.inputs._checks import (
    check_dictionary,
    check_magnitude,
    check_weight,
)
from sklearn_ebm.inputs._groups import SampleGroups
from sklearn_ebm.inputs._rows import (
    canonical,
    check_values_elsewhere,
    checked_array,
    is_nan,
    naming_the_remedy,
    require_complete,
    split_missing,
)
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers import MATRIX_SOLVERS
from sklearn_ebm.solvers._inference import infer, infer_jointly


def _checked(X, missing_values, backend, function):
    require_complete(X, missing_values)
    allow_nan = is_nan(missing_values)
    if sparse.issparse(X):
        X = checked_array(X, accept_sparse="csr" if backend != "cupy" else False, input_name="X")
        X = canonical(X)
        check_magnitude(X)
        return X, None
    with naming_the_remedy(function, has_missing_values=True):
        if is_cupy(X):
            X = check_values_elsewhere(X, allow_nan=allow_nan)
        else:
            finite = "allow-nan" if allow_nan else True
            X = checked_array(X, ensure_all_finite=finite, input_name="X")
    check_magnitude(X)
    return split_missing(X, missing_values)


def checked_problem(X, dictionary, missing_values, backend, function="sparse_encode"):
    """Return samples, atoms, the mask of observed features or None, and the backend's module."""
    X, mask = _checked(X, missing_values, backend, function)
    dictionary = check_dictionary(dictionary, None, X.shape[1], X.dtype)
    module = resolve_backend(backend, X)
    X, dictionary = module.to_device(X), module.to_device(dictionary)
    return X, dictionary, None if mask is None else module.to_device(mask), module


def _checked_init(init, shape, dtype):
    if init is None:
        return None
    init = init.toarray() if hasattr(init, "toarray") else init
    if not is_cupy(init):
        init = checked_array(init, dtype=dtype, input_name="init")
    if init.shape != shape:
        raise ValueError(f"init must have the shape of the codes, {shape}, got {init.shape}.")
    return init


def _checked_groups(groups, X, factor, mask):
    """Return the groups of samples, for a penalty that has a form for them."""
    groups = SampleGroups(groups, X)
    require_joint(factor)
    if mask is not None and offers(factor, "support_rule"):
        raise ValueError(
            "L0Penalty with groups requires complete samples, got missing_values. Use an "
            "L1Penalty, or pass groups=None."
        )
    return groups


@validate_params(
    {
        "alpha": [Interval(Real, 0, None, closed="neither"), None],
        "solver": [StrOptions({"auto", *MATRIX_SOLVERS})],
        "penalty": PENALTY,
        "positive": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "groups": ["array-like", None],
        "return_gap": ["boolean"],
        "sparse_output": ["boolean"],
        "missing_values": [None, Real],
        "backend": [StrOptions({"auto", *BACKENDS})],
    },
    prefer_skip_nested_validation=True,
)
def sparse_encode(
    X: MatrixLike,
    dictionary: ArrayLike,
    alpha: float | None = None,
    *,
    penalty: PenaltyLike = "l1",
    solver: MatrixSolver = "auto",
    positive: bool = False,
    init: ArrayLike | None = None,
    max_iter: int = 1000,
    tol: float = 1e-4,
    return_gap: bool = False,
    sparse_output: bool = False,
    missing_values: float | None = None,
    groups: ArrayLike | None = None,
    backend: Backend = "auto",
) -> SparseOrDense:
    """Infer sparse codes of samples for a given dictionary.

    The code z of each row x of X minimises 1/2 ||x - z D||^2 + alpha ||z||_1, where the rows of D
    are the atoms. `penalty` replaces ||z||_1 by another penalty.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples. float32 is preserved.
    dictionary : array-like of shape (n_components, n_features)
        Atoms, one per row. They need not have unit norm.
    alpha : float or None, default=None
        Weight of the sparsity penalty, greater than zero. Larger values give sparser codes. It must
        be set unless `penalty` is an `L0Penalty` or an `L1Constraint`, which have no weight.
    penalty : {"l1"} or Penalty, default="l1"
        Sparsity penalty on the codes: "l1" for ||z||_1, an `L1Penalty` for weights of components,
        an `ElasticNetPenalty` for additional squares, a `LogSumPenalty` or an `LqPenalty` to shrink
        large coefficients less, an `L0Penalty` to limit the number of non-zero entries, an
        `L1Constraint` to limit ||z||_1 or the error, a `GroupPenalty` for the norms of groups of
        components, an `InhibitionPenalty` for components that inhibit each other, or any object
        with the methods `value` and `prox` (see :ref:`add_a_penalty`).
    solver : {"auto", "constrained", "omp", "reweighted", "inhibited_cd", "active_set", "cd", \
            "block_cd", "fista", "ista"}, default="auto"
        Algorithm that infers the codes. "active_set" is exact and usually the fastest on the CPU;
        "cd" is coordinate descent. Both require a separable penalty, such as ||z||_1. "block_cd" is
        block coordinate descent and requires disjoint groups with equal weights. "fista" and "ista"
        are proximal gradient methods with and without acceleration; "fista" requires a convex
        penalty, and "ista" accepts any penalty. "omp" is orthogonal matching pursuit and requires
        an `L0Penalty`. "constrained" is exact and requires an `L1Constraint`. "reweighted" solves a
        sequence of weighted L1 problems and requires a `LogSumPenalty` or an `LqPenalty`.
        "inhibited_cd" is coordinate descent for an `InhibitionPenalty`. "auto" selects one of these
        four for its penalties, "active_set" if possible, "block_cd" for disjoint groups, and
        otherwise "fista" or "ista". "active_set", "cd" and "block_cd" do not support missing
        values. With `groups`, the solvers are "block_cd", "fista" and "ista", and
        "omp" for an `L0Penalty`.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    init : array-like of shape (n_samples, n_components) or None, default=None
        Initial codes, dense or sparse. None starts from zero, or from codes of an L1 penalty if the
        penalty is a `LogSumPenalty` or an `LqPenalty`.
    max_iter : int, default=1000
        Maximum number of iterations of the solver.
    tol : float, default=1e-4
        Tolerance. The solver stops when the duality gap of a code, relative to 1/2 ||x||^2, is at
        most this value.
    return_gap : bool, default=False
        Whether to return the duality gaps as well.
    sparse_output : bool, default=False
        Whether to return the codes as a CSR array.
    missing_values : float or None, default=None
        Placeholder for missing entries of X, `np.nan` or a number. The reconstruction error ignores
        missing entries. It must be None if X is sparse.
    groups : array-like of shape (n_samples,) or None, default=None
        Label of the group of each sample. Samples of a group use the same atoms: the penalty of an
        atom is its weight times the norm of its coefficients in all samples of the group, in place
        of their absolute values, and an `L0Penalty` limits the number of atoms of a group. None
        encodes each sample on its own. See :ref:`joint_sparsity`.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Library that performs the computations. "auto" uses CuPy if X is a CuPy array, and Numba
        otherwise.

    Returns
    -------
    code : ndarray or csr_array of shape (n_samples, n_components)
        Codes, on the device of X.
    gap : ndarray of shape (n_samples,)
        Relative duality gap of each code, or of the group of each sample. Only returned if
        `return_gap` is True.

    Raises
    ------
    ValueError
        If shapes do not match, X is not finite, an atom is zero, or the solver does not support the
        problem.

    Warns
    -----
    ConvergenceWarning
        If a duality gap is still above `tol` at the end. The message reports the largest gap.

    References
    ----------
    B. Olshausen, D. Field (1997). Sparse coding with an overcomplete basis set: a strategy employed
    by V1? Eq. 4 with an L1 penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ebm import sparse_encode
    >>> X = load_digits().data / 16
    >>> dictionary = X[:100] / np.linalg.norm(X[:100], axis=1, keepdims=True)
    >>> code, gap = sparse_encode(X[100:110], dictionary, alpha=0.1, return_gap=True)
    >>> code.shape, bool(gap.max() <= 1e-4)
    ((10, 100), True)
    """
    X, dictionary, mask, module = checked_problem(X, dictionary, missing_values, backend)
    check_alpha(penalty, alpha)
    if alpha is None and takes_alpha(penalty):
        raise ValueError(
            "alpha must be a positive number, got None. Only L0Penalty and L1Constraint need none."
        )
    alpha = 1.0 if alpha is None else float(alpha)
    check_weight(alpha, X.dtype, "alpha")
    init = _checked_init(init, (X.shape[0], dictionary.shape[0]), X.dtype)
    factor = resolve_penalty(
        penalty, dictionary.shape[0], alpha, bool(positive), n_samples=X.shape[0]
    )
    energy = SparseEnergy(LinearDecoder(dictionary), factor)
    search = infer
    if groups is not None:
        search = partial(infer_jointly, groups=_checked_groups(groups, X, factor, mask))
    code, gap = search(
        energy, X, solver=solver, tol=float(tol), max_iter=int(max_iter), backend=module, mask=mask,
        init=init, sparse_output=sparse_output, certify=return_gap,
    )  # fmt: skip
    return (code, gap) if return_gap else code


def fista(X: MatrixLike, dictionary: ArrayLike, alpha: float, **options: Any) -> Array:
    """Infer sparse codes by FISTA, the accelerated proximal gradient method.

    This is `sparse_encode` with `solver="fista"`. The acceleration restarts adaptively. On the CPU,
    each sample is processed until it converges, with step sizes that adapt to the local curvature
    and a threshold that decreases to alpha. On a GPU, and with missing values, all samples of a
    batch use the same step size, and leave the batch when they have converged.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples.
    dictionary : array-like of shape (n_components, n_features)
        Atoms, one per row.
    alpha : float
        Weight of the sparsity penalty, greater than zero.
    **options
        Other parameters of `sparse_encode`, except `solver`.

    Returns
    -------
    ndarray of shape (n_samples, n_components)
        Codes. With `return_gap=True`, a tuple of the codes and their duality gaps.

    References
    ----------
    A. Beck, M. Teboulle (2009). A fast iterative shrinkage-thresholding algorithm for linear
    inverse problems, section 4. B. O'Donoghue, E. Candes (2015). Adaptive restart for accelerated
    gradient schemes, eq. 12.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import fista
    >>> print(fista([[3.0, 4.0]], np.eye(2), alpha=3.0, tol=1e-8))
    [[0. 1.]]
    """
    return sparse_encode(X, dictionary, alpha, solver="fista", **options)


def ista(X: MatrixLike, dictionary: ArrayLike, alpha: float, **options: Any) -> Array:
    """Infer sparse codes by ISTA, the proximal gradient method.

    This is `sparse_encode` with `solver="ista"`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples.
    dictionary : array-like of shape (n_components, n_features)
        Atoms, one per row.
    alpha : float
        Weight of the sparsity penalty, greater than zero.
    **options
        Other parameters of `sparse_encode`, except `solver`.

    Returns
    -------
    ndarray of shape (n_samples, n_components)
        Codes. With `return_gap=True`, a tuple of the codes and their duality gaps.

    References
    ----------
    I. Daubechies, M. Defrise, C. De Mol (2004). An iterative thresholding algorithm for linear
    inverse problems with a sparsity constraint, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import ista
    >>> print(ista([[3.0, 4.0]], np.eye(2), alpha=3.0, tol=1e-8))
    [[0. 1.]]
    """
    return sparse_encode(X, dictionary, alpha, solver="ista", **options)
