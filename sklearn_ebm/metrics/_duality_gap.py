"""The duality gap of sparse codes, by its definition and in double precision."""

import numpy as np

from sklearn_ebm.backends import to_host
from sklearn_ebm.factors import penalty_kind


def duality_gap(X, code, dictionary, alpha, positive=False, penalty="l1"):
    """Certificate of sparse codes: an upper bound on what a better code could still save.

    With the residual r = x - z D and the dual point theta = r min(1, alpha / max_j |d_j . r|), the
    gap is E(x, z) - (1/2 ||x||^2 - 1/2 ||x - theta||^2), here over 1/2 ||x||^2. Another penalty has
    its own dual norm in place of max_j |d_j . r|; that of overlapping groups is a bound from above,
    found by iteration.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Data.
    code : array-like of shape (n_samples, n_components)
        Codes, dense or sparse.
    dictionary : array-like of shape (n_components, n_features)
        Atoms.
    alpha : float
        Weight of the sparsity.
    positive : bool, default=False
        Whether codes are constrained to be positive.
    penalty : {"l1"} or GroupPenalty, default="l1"
        What alpha weighs.

    Returns
    -------
    ndarray of shape (n_samples,)
        Relative duality gap, float64; zero where x is zero and so is its code.

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
    code = code.toarray() if hasattr(code, "toarray") else code
    X, code, dictionary = (
        np.asarray(to_host(array), dtype=np.float64) for array in (X, code, dictionary)
    )
    residual = X - code @ dictionary
    factor = penalty_kind(penalty).factory(len(dictionary))(float(alpha), positive=positive)
    dual_norm = factor.dual_norm(residual @ dictionary.T, code)
    theta = residual / np.maximum(1, dual_norm)[:, None]
    energy = 0.5 * (residual**2).sum(axis=1) + factor.value(code)
    half_norm = 0.5 * (X**2).sum(axis=1)
    gap = energy - half_norm + 0.5 * ((X - theta) ** 2).sum(axis=1)
    return np.maximum(gap, 0) / np.where(half_norm > 0, half_norm, 1)
