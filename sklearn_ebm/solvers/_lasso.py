"""Solvers of lasso problems, by name; a new one is one more entry in `SOLVERS`."""

from dataclasses import dataclass
from typing import Any

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.solvers._proximal import fista, ista
from sklearn_ebm.solvers._solution import Outcome, Solution

POLISH_SWEEPS = 2000  # of coordinate descent, for the samples that an active set left unfinished


@dataclass(frozen=True)
class Entry:
    """A solver, what it asks of a problem, and the kernel that it asks of the backend."""

    solve: Any
    requires: tuple = ()
    kernel: str | None = None


def _finished(problem, code, gap, n_iter, tol, max_iter):
    xp = array_namespace(gap)
    if not bool(xp.any(gap > tol)):
        outcome = Outcome.CONVERGED
    elif n_iter >= max_iter:
        outcome = Outcome.MAX_ITER
    else:
        outcome = Outcome.PRECISION
    return Solution(code, n_iter, [], gap, outcome)


def _coordinate_descent(problem, start, tol, max_iter, backend):
    code = start if start is not None else array_namespace(problem.correlation).zeros_like(
        problem.correlation
    )  # fmt: skip
    gap, n_iter = backend.coordinate_descent(problem.as_lasso(), code, tol, max_iter)
    return _finished(problem, code, gap, n_iter, tol, max_iter)


def _active_set(problem, start, tol, max_iter, backend):
    xp = array_namespace(problem.correlation)
    code = start if start is not None else xp.empty_like(problem.correlation)
    gap, n_iter = backend.active_set(
        problem.as_lasso(), code, tol, max_iter, warm=start is not None
    )
    late = (gap > tol).nonzero()[0]
    if late.size and n_iter < max_iter:
        rest, rest_code = problem.rows(late), code[late]
        gap[late], _ = backend.coordinate_descent(rest.as_lasso(), rest_code, tol, POLISH_SWEEPS)
        code[late] = rest_code
    return _finished(problem, code, gap, n_iter, tol, max_iter)


def _proximal(method):
    def solve(problem, start, tol, max_iter, backend):
        code, gap, n_iter = method(problem, start, tol=tol, max_iter=max_iter, backend=backend)
        return _finished(problem, code, gap, n_iter, tol, max_iter)

    return solve


SOLVERS = {
    "active_set": Entry(_active_set, requires=("gram",), kernel="active_set"),
    "cd": Entry(_coordinate_descent, requires=("gram",), kernel="coordinate_descent"),
    "fista": Entry(_proximal(fista)),
    "ista": Entry(_proximal(ista)),
}
AUTOMATIC = ("active_set", "fista")  # the first that problem and backend allow


def _lacks(entry, problem, backend):
    """What stands in the way of a solver, in words; empty where nothing does."""
    missing = [name for name in entry.requires if getattr(problem, name, None) is None]
    if missing:
        return f"needs {', '.join(missing)}, which this problem does not have (missing values?)"
    if entry.kernel is not None and getattr(backend, entry.kernel, None) is None:
        return f"is not available on backend={backend.name!r}"
    return ""


def solve_lasso(problem, *, solver="auto", start=None, tol=1e-4, max_iter=1000, backend):
    """Minimise a batch of lasso problems.

    Parameters
    ----------
    problem : GramProblem or MaskedProblem
        The batch.
    solver : {"auto", "active_set", "cd", "fista", "ista"}, default="auto"
        "auto" takes the active set where the Hessian is a matrix, else FISTA.
    start : array of shape (n_samples, n_components) or None, default=None
        Codes to start from; overwritten.
    tol : float, default=1e-4
        Duality gap relative to 1/2 ||x||^2 at which a sample is done.
    max_iter : int, default=1000
        Rounds, sweeps or steps.
    backend : module
        Where the kernels come from.

    Returns
    -------
    solution : Solution
        Codes and their certificate.

    Raises
    ------
    ValueError
        If the solver asks for more than problem or backend have.
    """
    names = AUTOMATIC if solver == "auto" else (solver,)
    reasons = {name: _lacks(SOLVERS[name], problem, backend) for name in names}
    for name in names:
        if not reasons[name]:
            return SOLVERS[name].solve(problem, start, tol, max_iter, backend)
    raise ValueError(f"solver={solver!r} {reasons[names[-1]]}. Use solver='fista'.")
