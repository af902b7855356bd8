"""Sparse codes without an estimator."""

from numbers import Integral, Real

from sklearn_ebm._sklearn import Interval, StrOptions, validate_params
from sklearn_ebm.backends import BACKENDS, is_cupy, resolve_backend
from sklearn_ebm.factors import PENALTY, LinearDecoder, SparseEnergy, resolve_penalty
from sklearn_ebm.inputs._checks import (
    check_dictionary,
    check_magnitude,
    check_weight,
)
from sklearn_ebm.inputs._rows import (
    check_values_elsewhere,
    checked_array,
    is_nan,
    naming_the_remedy,
    split_missing,
)
from sklearn_ebm.solvers import MATRIX_SOLVERS
from sklearn_ebm.solvers._inference import infer


def _checked(X, missing_values):
    allow_nan = is_nan(missing_values)
    with naming_the_remedy("sparse_encode", has_missing_values=True):
        if is_cupy(X):
            X = check_values_elsewhere(X, allow_nan=allow_nan)
        else:
            finite = "allow-nan" if allow_nan else True
            X = checked_array(X, ensure_all_finite=finite, input_name="X")
    check_magnitude(X)
    return split_missing(X, missing_values)


def _checked_init(init, shape, dtype):
    if init is None:
        return None
    init = init.toarray() if hasattr(init, "toarray") else init
    if not is_cupy(init):
        init = checked_array(init, dtype=dtype, input_name="init")
    if init.shape != shape:
        raise ValueError(f"init has shape {init.shape}, but codes have shape {shape}.")
    return init


@validate_params(
    {
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "solver": [StrOptions({"auto", *MATRIX_SOLVERS})],
        "penalty": PENALTY,
        "positive": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "return_gap": ["boolean"],
        "sparse_output": ["boolean"],
        "missing_values": [None, Real],
        "backend": [StrOptions({"auto", *BACKENDS})],
    },
    prefer_skip_nested_validation=True,
)
def sparse_encode(
    X,
    dictionary,
    alpha,
    *,
    penalty="l1",
    solver="auto",
    positive=False,
    init=None,
    max_iter=1000,
    tol=1e-4,
    return_gap=False,
    sparse_output=False,
    missing_values=None,
    backend="auto",
):
    """Find the code z of each row x of X that minimises 1/2 ||x - z D||^2 + alpha ||z||_1.

    Another penalty may take the place of ||z||_1.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Data. float32 stays float32.
    dictionary : array-like of shape (n_components, n_features)
        Atoms, one a row. They are usually of unit norm, and need not be.
    alpha : float
        Weight of the sparsity, above zero.
    penalty : {"l1"}, GroupPenalty or Penalty, default="l1"
        What alpha weighs: ||z||_1, the norms of groups of components, or any object with `value`
        and `prox` (see :ref:`add_a_penalty`).
    solver : {"auto", "active_set", "cd", "block_cd", "fista", "ista"}, default="auto"
        "active_set" is exact and the fastest on the CPU; "auto" takes it wherever it can,
        "block_cd" for disjoint groups, else "fista". With missing values only "fista" and "ista"
        can.
    positive : bool, default=False
        Constrain codes to be positive.
    init : array-like of shape (n_samples, n_components) or None, default=None
        Codes to start from, dense or sparse.
    max_iter : int, default=1000
        Rounds, sweeps or steps for each batch of samples.
    tol : float, default=1e-4
        Duality gap, relative to 1/2 ||x||^2, at which a sample has converged.
    return_gap : bool, default=False
        Return the gaps that were reached, too.
    sparse_output : bool, default=False
        Return a CSR array.
    missing_values : float or None, default=None
        Entries of X with this value, `np.nan` or a number, are left out of the sum.
    backend : {"auto", "numpy", "numba", "cupy"}, default="auto"
        Where to compute; "auto" follows the data.

    Returns
    -------
    code : ndarray or csr_array of shape (n_samples, n_components)
        Codes, on the device of X.
    gap : ndarray of shape (n_samples,)
        Relative duality gap of each code. Only returned if `return_gap` is True.

    Raises
    ------
    ValueError
        If shapes do not fit, X is not finite, an atom is zero, or the solver cannot do this
        problem.

    Warns
    -----
    ConvergenceWarning
        If a gap is above `tol` at the end; the message names it.

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
    X, mask = _checked(X, missing_values)
    alpha = float(alpha)
    check_weight(alpha, X.dtype, "alpha")
    dictionary = check_dictionary(dictionary, None, X.shape[1], X.dtype)
    module = resolve_backend(backend, X)
    X, dictionary = module.to_device(X), module.to_device(dictionary)
    mask = None if mask is None else module.to_device(mask)
    init = _checked_init(init, (X.shape[0], dictionary.shape[0]), X.dtype)
    factor = resolve_penalty(penalty, dictionary.shape[0], alpha, bool(positive))
    energy = SparseEnergy(LinearDecoder(dictionary), factor)
    code, gap = infer(
        energy, X, solver=solver, tol=float(tol), max_iter=int(max_iter), backend=module, mask=mask,
        init=init, sparse_output=sparse_output, certify=return_gap,
    )  # fmt: skip
    return (code, gap) if return_gap else code


def fista(X, dictionary, alpha, **options):
    """Sparse codes by accelerated proximal steps with restart; see `sparse_encode`.

    On the CPU each sample goes to its end on its own, with steps as long as the curvature along
    them allows and a threshold that falls to alpha on the way. On a GPU, and with missing values, a
    batch takes steps of one length together, and samples leave it once they have converged.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Data.
    dictionary : array-like of shape (n_components, n_features)
        Atoms.
    alpha : float
        Weight of the sparsity.
    **options
        Keywords of `sparse_encode` but `solver`.

    Returns
    -------
    ndarray of shape (n_samples, n_components)
        Codes, and the gaps with `return_gap=True`.

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


def ista(X, dictionary, alpha, **options):
    """Sparse codes by plain proximal steps; see `sparse_encode`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Data.
    dictionary : array-like of shape (n_components, n_features)
        Atoms.
    alpha : float
        Weight of the sparsity.
    **options
        Keywords of `sparse_encode` but `solver`.

    Returns
    -------
    ndarray of shape (n_samples, n_components)
        Codes, and the gaps with `return_gap=True`.

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
