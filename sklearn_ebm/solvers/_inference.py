"""Codes of many samples, a batch at a time, so that memory beyond X and the codes is O(batch)."""

from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.solvers._lasso import solve_lasso
from sklearn_ebm.solvers._solution import Outcome

PIECE_NUMBERS = 1 << 17  # correlations that one thread holds at once: rows times components


def piece_rows(n_components):
    """Rows of a piece whose correlations and codes stay in a core's cache."""
    return max(64, min(4096, PIECE_NUMBERS // max(1, n_components)))


def warn_unconverged(solutions, tol, max_iter, dtype):
    """One `ConvergenceWarning` for all pieces: the number of codes, and the one furthest off."""
    bad = [solution for solution in solutions if solution.outcome is not Outcome.CONVERGED]
    if bad:
        worst = max(bad, key=lambda solution: float(solution.measure.max()))
        text = worst.outcome.message(
            worst.criterion,
            n_late=sum(int(solution.is_late(tol).sum()) for solution in bad),
            n_samples=sum(solution.measure.shape[0] for solution in solutions),
            measure=float(worst.measure.max()), tol=tol, max_iter=max_iter, dtype=dtype,
        )  # fmt: skip
        warn(text, ConvergenceWarning)


def infer(energy, X, *, solver, tol, max_iter, backend, mask=None, prediction=None, init=None,
          sparse_output=False, certify=False):  # fmt: skip
    """argmin_z E(x, z) for each row of X.

    Parameters
    ----------
    energy : SparseEnergy
        Decoder, penalty and weight of the prediction.
    X : array of shape (n_samples, n_features)
        Data, zero where masked.
    solver, tol, max_iter, backend
        As in `solve_lasso`.
    mask : array of shape (n_samples, n_features) or None, default=None
        One where a feature is observed.
    prediction : callable or None, default=None
        f, from a batch of X to its codes.
    init : array of shape (n_samples, n_components) or None, default=None
        Codes to start from; not changed.
    sparse_output : bool, default=False
        Return the codes as a CSR array.
    certify : bool, default=False
        Compute every gap anew in double precision.

    Returns
    -------
    code : array or csr_array of shape (n_samples, n_components)
    gap : array of shape (n_samples,)
        Relative duality gap; NaN if the penalty has no certificate.
    """
    xp = array_namespace(X)
    decoder = energy.decoder
    shape = (X.shape[0], decoder.code_size)
    if init is None:
        code = None if sparse_output else xp.empty(shape, dtype=X.dtype)
    else:
        code = xp.asarray(init, dtype=X.dtype, copy=True)
    solutions = {}

    def work(first, last):
        rows = slice(first, last)
        predicted = None if prediction is None else prediction(X[rows])
        problem = energy.problem(X[rows], predicted, None if mask is None else mask[rows])
        solution = solve_lasso(
            problem, solver=solver, code=None if code is None else code[rows],
            warm=init is not None, tol=tol, max_iter=max_iter, certify=certify, backend=backend,
        )  # fmt: skip
        if sparse_output:
            solution.code = sparse.csr_array(to_host(solution.code))
        solutions[first] = solution

    rows = decoder.piece_rows or piece_rows(shape[1])
    backend.map_pieces(work, X.shape[0], rows)
    solutions = [solutions[first] for first in sorted(solutions)]
    warn_unconverged(solutions, tol, max_iter, X.dtype)
    gap = xp.concat([solution.gap for solution in solutions])
    if sparse_output:
        return sparse.vstack([solution.code for solution in solutions], format="csr"), gap
    return code, gap
