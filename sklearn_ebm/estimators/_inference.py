"""Codes of many samples, a batch at a time, so that memory beyond X and the codes is O(batch)."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.solvers import Outcome, solve_lasso

BATCH_NUMBERS = 1 << 20  # correlations held at once: rows times components


def batches(n_samples, n_components):
    """Slices of the rows, of a size that keeps a batch's correlations in the cache's reach."""
    rows = max(64, min(8192, BATCH_NUMBERS // max(1, n_components)))
    return [slice(first, min(first + rows, n_samples)) for first in range(0, n_samples, rows)]


def warn_unconverged(solutions, tol, max_iter, dtype):
    """One `ConvergenceWarning` for all batches, which names the gap left."""
    bad = [s for s in solutions if s[0] is not Outcome.CONVERGED]
    if bad:
        outcome, gap = max(bad, key=lambda pair: pair[1])
        text = outcome.value.format(max_iter=max_iter, gap=gap, tol=tol, dtype=np.dtype(dtype))
        warnings.warn(text, ConvergenceWarning, stacklevel=3)


def _collect(parts, gaps, xp, sparse_output):
    code = sparse.vstack(parts, format="csr") if sparse_output else xp.concat(parts, axis=0)
    return code, xp.concat(gaps, axis=0)


def infer(energy, X, *, solver, tol, max_iter, backend, mask=None, prediction=None, init=None,
          sparse_output=False):  # fmt: skip
    """argmin_z E(x, z) for each row of X.

    Parameters
    ----------
    energy : Energy
        Decoder, penalty and weight of the prediction.
    X : array of shape (n_samples, n_features)
        Data, zero where masked.
    solver, tol, max_iter, backend
        As in `solve_lasso`.
    mask : array of shape (n_samples, n_features) or None, default=None
        One where a feature is observed.
    prediction : callable or None, default=None
        f, from a batch of X to its codes; the solver starts there unless `init` is given.
    init : array of shape (n_samples, n_components) or None, default=None
        Codes to start from; not changed.
    sparse_output : bool, default=False
        Return the codes as a CSR array.

    Returns
    -------
    code : array or csr_array of shape (n_samples, n_components)
    gap : array of shape (n_samples,)
        Relative duality gap.
    """
    xp = array_namespace(X)
    n_components = energy.decoder.dictionary.shape[0]
    parts, gaps, outcomes = [], [], []
    for rows in batches(X.shape[0], n_components):
        predicted = None if prediction is None else prediction(X[rows])
        problem = energy.problem(X[rows], predicted, None if mask is None else mask[rows])
        start = None if init is None else xp.asarray(init[rows], dtype=X.dtype, copy=True)
        solution = solve_lasso(
            problem, solver=solver, start=start, tol=tol, max_iter=max_iter, backend=backend
        )
        code = solution.code
        parts.append(sparse.csr_array(to_host(code)) if sparse_output else code)
        gaps.append(solution.gap)
        outcomes.append((solution.outcome, float(xp.max(solution.gap))))
    warn_unconverged(outcomes, tol, max_iter, X.dtype)
    if len(parts) == 1:
        return parts[0], gaps[0]
    return _collect(parts, gaps, xp, sparse_output)
