"""Codes of many samples, computed in pieces so that memory beyond X and the codes is O(piece)."""

from functools import partial

from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm._warnings import warn
from sklearn_ebm.backends import array_namespace, take_rows
from sklearn_ebm.protocols import rows_of
from sklearn_ebm.solvers._lasso import SOLVERS, solve_lasso
from sklearn_ebm.solvers._solution import Outcome

SMALL_PIECE = 1 << 17  # correlations, rows times components, that fit into a core's cache
LARGE_PIECE = 1 << 19  # correlations in a piece whose fixed costs are negligible
FEWEST_PIECES = 16  # of many samples, so that there are pieces for all threads


def piece_rows(n_components, n_samples):
    """Return the number of rows in a piece, whatever the number of threads."""
    n_components = max(1, n_components)
    small, large = SMALL_PIECE // n_components, LARGE_PIECE // n_components
    return min(4096, max(64, small, min(large, n_samples // FEWEST_PIECES)))


def warn_unconverged(solutions, tol, max_iter, dtype):
    """Issue one `ConvergenceWarning` for all pieces: number of codes and largest gap."""
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
    """Compute argmin_z E(x, z) for each row of X.

    Parameters
    ----------
    energy : SparseEnergy
        Decoder, penalty and weight of the prediction.
    X : array of shape (n_samples, n_features)
        Data. Masked entries are zero.
    solver, tol, max_iter, backend
        As in `solve_lasso`.
    mask : array of shape (n_samples, n_features) or None, default=None
        1 for observed features, else 0.
    prediction : callable or None, default=None
        Function f that maps a batch of X to its predicted codes.
    init : array of shape (n_samples, n_components) or None, default=None
        Initial codes; not changed.
    sparse_output : bool, default=False
        Whether to return the codes as a CSR array.
    certify : bool, default=False
        Whether to recompute all gaps in double precision.

    Returns
    -------
    code : array or csr_array of shape (n_samples, n_components)
    gap : array of shape (n_samples,)
        Relative duality gap; NaN if the penalty has no certificate.
    """
    options = {"solver": solver, "tol": tol, "max_iter": max_iter, "certify": certify}
    code, solutions = _in_pieces(
        energy, X, energy.group_size, backend, options, mask, prediction, init, sparse_output
    )
    warn_unconverged(solutions, tol, max_iter, X.dtype)
    return code, _gaps(solutions)


def infer_jointly(energy, X, groups, *, solver, tol, max_iter, backend, mask=None, init=None,
                  sparse_output=False, certify=False):  # fmt: skip
    """Compute codes of groups of samples that share a support.

    Parameters
    ----------
    groups : SampleGroups
        Samples of each group.
    energy, X, solver, tol, max_iter, backend, mask, init, sparse_output, certify
        As in `infer`.

    Returns
    -------
    code : array or csr_array of shape (n_samples, n_components)
    gap : array of shape (n_samples,)
        Relative duality gap of the group of each sample; NaN if the penalty has no certificate.
    """
    xp, options = array_namespace(X), {"solver": solver, "tol": tol, "max_iter": max_iter}
    options["certify"] = certify
    codes, gaps, everything = [], [], []
    needs_groups = solver != "auto" and "group_rule" in SOLVERS[solver].requires
    for size, members in groups.by_size():
        shared = size if size > 1 or needs_groups else None
        part, solutions = _in_pieces(
            energy, _taken(X, members), shared, backend, options, _taken(mask, members), None,
            _taken(init, members), sparse_output,
        )  # fmt: skip
        codes.append(part)
        gaps.append(xp.repeat(_gaps(solutions), size))
        everything += solutions
    warn_unconverged(everything, tol, max_iter, X.dtype)
    join = partial(sparse.vstack, format="csr") if sparse_output else xp.concat
    code = join(codes) if len(codes) > 1 else codes[0]
    return _taken(code, groups.positions()), _taken(xp.concat(gaps), groups.positions())


def _taken(rows, index):
    """Return rows in a given order, without a copy if it is the order that they have."""
    if rows is None or (index.shape[0] == rows.shape[0] and bool((index[1:] > index[:-1]).all())):
        return rows
    is_sparse = sparse.issparse(rows)
    return take_rows(rows, index if is_sparse else array_namespace(rows).asarray(index))


def _in_pieces(energy, X, size, backend, options, mask, prediction, init, sparse_output):
    """Return codes, and solutions of pieces; consecutive `size` samples share a support.

    If `size` is None, each sample has a support of its own.
    """
    xp, decoder = array_namespace(X), energy.decoder
    shape, each = (X.shape[0], decoder.code_size), size or 1
    if init is None:
        code = None if sparse_output else xp.empty(shape, dtype=X.dtype)
    else:
        code = xp.asarray(init, dtype=X.dtype, copy=True)
    solutions = {}

    def work(first, last):
        rows = slice(first * each, last * each)
        predicted = None if prediction is None else prediction(X[rows])
        own = rows_of(energy, rows)
        problem = own.problem(X[rows], predicted, None if mask is None else mask[rows], size)
        room = None if code is None else xp.reshape(code[rows], problem.correlation.shape)
        solution = solve_lasso(
            problem, code=room, warm=init is not None, backend=backend, **options
        )
        if sparse_output:
            solution.code = backend.to_csr(xp.reshape(solution.code, (-1, shape[1])))
        solutions[first] = solution

    rows = decoder.piece_rows or piece_rows(shape[1], shape[0])
    backend.map_pieces(work, X.shape[0] // each, max(1, rows // each))
    solutions = [solutions[first] for first in sorted(solutions)]
    if sparse_output:
        code = sparse.vstack([solution.code for solution in solutions], format="csr")
    return code, solutions


def _gaps(solutions):
    return array_namespace(solutions[0].measure).concat([each.gap for each in solutions])
