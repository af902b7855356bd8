"""Codes for a decreasing sequence of weights of the penalty, each from the codes of the last."""

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.protocols import rows_of
from sklearn_ebm.solvers._inference import piece_rows, warn_unconverged
from sklearn_ebm.solvers._lasso import (
    ROUNDS,
    SOLVERS,
    finish_active_set,
    in_single_range,
    solve_lasso,
    suitable,
    verified,
)
from sklearn_ebm.solvers._solution import Solution
from sklearn_ebm.solvers._verification import refuse_underflow


def infer_path(energy, penalties, X, *, solver, tol, max_iter, backend, mask=None,
               sparse_output=False):  # fmt: skip
    """Compute argmin_z E(x, z) for each row of X and each penalty.

    Parameters
    ----------
    energy : SparseEnergy
        Decoder, and any of the penalties.
    penalties : list of penalty factors
        Penalties of decreasing weight.
    X : array of shape (n_samples, n_features)
        Data. Masked entries are zero.
    solver, tol, max_iter, backend
        As in `solve_lasso`.
    mask : array of shape (n_samples, n_features) or None, default=None
        1 for observed features, else 0.
    sparse_output : bool, default=False
        Whether to return CSR arrays.

    Returns
    -------
    code : array of shape (n_penalties, n_samples, n_components), or list of csr_array
    gap : array of shape (n_penalties, n_samples)
        Relative duality gap; NaN if the penalties have no certificate.
    """
    xp, n_components = array_namespace(X), energy.decoder.code_size
    options = {"solver": solver, "tol": tol, "max_iter": max_iter, "backend": backend}
    shape = len(penalties), X.shape[0], n_components
    code = None if sparse_output else xp.empty(shape, dtype=X.dtype)
    pieces = {}

    def work(first, last):
        rows = slice(first, last)
        own = rows_of(energy, rows)
        problem = own.problem(X[rows], None, None if mask is None else mask[rows])
        room = _room(shape, last - first, X) if sparse_output else code[:, rows, :]
        pieces[first] = solve_path(
            [problem.with_penalty(rows_of(each, rows)) for each in penalties], room, **options
        )
        if sparse_output:
            for solution in pieces[first]:
                solution.code = backend.to_csr(solution.code)

    backend.map_pieces(work, X.shape[0], piece_rows(n_components, X.shape[0]))
    pieces = [pieces[first] for first in sorted(pieces)]
    warn_unconverged([each for piece in pieces for each in piece], tol, max_iter, X.dtype)
    gap = xp.concat([xp.stack([each.gap for each in piece]) for piece in pieces], axis=1)
    if sparse_output:
        parts = zip(*pieces, strict=True)  # of each penalty
        code = [sparse.vstack([each.code for each in part], format="csr") for part in parts]
    return code, gap


def _room(shape, n_rows, like):
    return array_namespace(like).empty((shape[0], n_rows, shape[2]), dtype=like.dtype)


def solve_path(problems, code, *, solver, tol, max_iter, backend):
    """Minimise problems with the same samples and penalties of decreasing weight.

    Parameters
    ----------
    problems : list of GramProblem or MaskedProblem
        One for each penalty.
    code : array of shape (n_problems, n_samples, n_components)
        Receives the codes.
    solver, tol, max_iter, backend
        As in `solve_lasso`.

    Returns
    -------
    list of Solution
        One for each problem.
    """
    problems = [problem.on(backend) for problem in problems]
    options = {"tol": tol, "max_iter": max_iter, "backend": backend}
    if _is_one_search(problems, solver, backend):
        return _search(problems, code, **options)
    solutions = []
    is_convex = getattr(problems[0].penalty, "convex", True)  # else codes depend on the start
    for k, problem in enumerate(problems):
        options["warm"] = k > 0 and is_convex
        code[k, ...] = code[k - 1, ...] if options["warm"] else 0
        solutions.append(solve_lasso(problem, solver=solver, code=code[k, ...], **options))
    return solutions


def _is_one_search(problems, solver, backend):
    """Return whether an active set can follow the path: Hessians differ by their ridges only."""
    first = problems[0]
    if suitable(solver, first, backend) is not SOLVERS["active_set"]:
        return False
    if not _share(problems, "gram") and (first.weights is not None or first.source is None):
        return False
    return _share(problems, "correlation") and in_single_range(_unweighted(problems[-1]), None)


def _share(problems, name):
    return all(getattr(each, name) is getattr(problems[0], name) for each in problems)


def _unweighted(problem):
    return problem if problem.weights is None else problem.unweighted()


def _search(problems, code, tol, max_iter, backend):
    """Follow the path with an active set; other methods continue with single codes."""
    last, solutions = problems[-1], []
    refuse_underflow(last)
    weights = last.weights
    base = _unweighted(last)
    solved = problems if weights is None else [_in_variables_of(base, each) for each in problems]
    thresholds = [each.penalty.rule(1, float).threshold for each in solved]
    lasso, ridges = base.as_lasso(), np.zeros(len(problems))
    if not _share(problems, "gram"):
        lasso = lasso._replace(gram=last.source.decoder.gram)
        ridges = np.array([each.source.ridge for each in problems])
    gaps, rounds = backend.active_set_path(
        lasso, thresholds, ridges, code, tol, min(max_iter, ROUNDS)
    )
    for k, problem in enumerate(problems):
        gap, n_iter = gaps[k], int(rounds[k])
        n_iter += finish_active_set(solved[k], code[k], gap, tol, max_iter - n_iter, backend)
        if weights is not None:
            code[k] /= weights
        solution = Solution(code[k], n_iter, [], gap)
        solutions.append(verified(solution, problem, tol, max_iter, False, backend))
    return solutions


def _in_variables_of(base, problem):
    return base.with_penalty(problem.penalty.unweighted)
