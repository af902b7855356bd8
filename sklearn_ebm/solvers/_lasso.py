"""Solvers of lasso problems by name; `SOLVERS` lists them."""

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Any

from sklearn_ebm.backends import array_namespace, copied, put_rows
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._certificate import is_certified
from sklearn_ebm.backends._problems import Lasso
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers._proximal import feasible, fista, ista
from sklearn_ebm.solvers._reweighted import reweighted
from sklearn_ebm.solvers._solution import Criterion, Outcome, Solution
from sklearn_ebm.solvers._verification import (
    SMALLEST,
    may_be_limited_by_rounding,
    refuse_underflow,
    sanitize,
    verify,
)

PATIENT_SWEEPS = 500  # sweeps over groups; FISTA, which may suit the samples better, follows
ROUNDS = 24  # rounds of the active set; samples that need more have coherent atoms, or cycle
EXACT_SHARE = 0.3  # share of tol that leaves room for the rounding of gaps in single precision
LEFT_FOR_ROUNDING = 0.9  # share of tol to reach before codes are rounded to single precision
DENSE = 0.3  # share of non-zero codes of an image above which FISTA is faster than descent
RESOLVED = 1e-3  # share of ||x||^2 above which single precision computes errors to three digits
RESOLVED_SLOPES = 1e-5  # violations of first-order conditions that single precision resolves
SINGLE_RANGE = 1e30  # an active set searches in single precision, with a maximum of 3e38


# Capabilities that a problem or its penalty may lack, in words.
MISSING = {
    "gram": "a Hessian that all samples share; with missing values, each sample has its own",
    "rule": "a separable penalty with a rule for compiled kernels; {penalty} has no such rule",
    "group_rule": (
        "a penalty on disjoint groups with one weight each; {penalty} is not such a penalty"
    ),
    "limit_rule": "an L1Constraint and a model whose samples are rows, got {penalty}",
    "inhibition_rule": ("an InhibitionPenalty and a model whose samples are rows, got {penalty}"),
    "support_rule": "an L0Penalty and a model whose samples are rows, got {penalty}",
    "tangent": "a LogSumPenalty or an LqPenalty, got {penalty}",
    "prox": "a proximal operator; {penalty} has none if only tol is set",
    "convex": "a convex penalty; {penalty} is not convex",
    "as_local_lasso": "a convolutional decoder",
    "in_fourier_domain": "a convolutional decoder",
}
NOT_SEPARABLE = "a separable penalty; {penalty} is not separable"


@dataclass(frozen=True)
class Entry:
    """A solver, the capabilities that it requires, and the name of its kernel in the backend.

    The criterion is that of the penalty if it is None.
    """

    solve: Any
    requires: tuple = ()
    kernel: str | None = None
    criterion: Criterion | None = None


def _outcome(problem, solution, claimed, tol, max_iter, backend):
    """Return how a solver ended, given the gaps that it claimed and the recomputed gaps."""
    xp, late = array_namespace(solution.measure), solution.is_late(tol)
    if not bool(xp.any(late)):
        return Outcome.CONVERGED
    if solution.criterion is Criterion.NORM and bool(xp.any(solution.measure > 1)):
        return Outcome.UNREACHABLE
    is_unfinished = late & ~(claimed <= tol)
    if solution.n_iter < max_iter or not bool(xp.any(is_unfinished)):
        return Outcome.PRECISION
    if may_be_limited_by_rounding(solution, problem, tol, backend):
        return Outcome.MAX_ITER_OR_PRECISION
    return Outcome.MAX_ITER


def _coordinate_descent(problem, code, warm, tol, max_iter, backend):
    if not warm:
        code[...] = 0
    gap, n_iter = backend.coordinate_descent(problem.as_lasso(), code, tol, max_iter)
    return gap, n_iter


def _block_descent(problem, code, warm, tol, max_iter, backend):
    if not warm:
        code[...] = 0
    sweeps = min(max_iter, PATIENT_SWEEPS)
    descend = getattr(backend, problem.descent)
    gap, n_iter = descend(problem.as_group_lasso(), code, tol, sweeps)
    if max_iter > sweeps:  # if most groups are on, steps on all groups at once converge faster
        n_iter += _go_on(_accelerated_steps, problem, code, gap, tol, max_iter - sweeps, backend)
    return gap, n_iter


def in_single_range(problem, start):
    """Return whether atoms, correlations and codes are within the range of single precision."""
    xp = array_namespace(problem.gram)
    smallest, largest = (curvature**0.5 for curvature in problem.curvatures)
    smallest = max(smallest, 1 / SINGLE_RANGE)
    norm = (2 * float(xp.max(problem.half_norm))) ** 0.5
    sizes = (largest**2, 1 / smallest**2, norm * largest, norm / smallest)
    return max(*sizes, 0.0 if start is None else float(xp.max(xp.abs(start)))) < SINGLE_RANGE


def _active_set(problem, code, warm, tol, max_iter, backend):
    """Run the active set for some rounds, then feature-sign search, which ends for any dictionary.

    The search also runs if no iterations are left: without new atoms it ends at the minimum for the
    support, while the active set may stop anywhere. FISTA continues with samples whose gap is above
    tol only because of rounding.
    """
    gap, rounds = _first_rounds(problem, code, warm, tol, min(max_iter, ROUNDS), backend)
    return gap, rounds + finish_active_set(problem, code, gap, tol, max_iter - rounds, backend)


def finish_active_set(problem, code, gap, tol, steps, backend):
    """Continue with samples whose gap is above tol after some rounds; return the iterations."""
    n_iter = _go_on(_feature_signs, problem, code, gap, tol, steps, backend)
    if steps > 0:
        n_iter += _go_on(_accelerated_steps, problem, code, gap, tol, steps, backend)
    return n_iter


def _first_rounds(problem, code, warm, tol, max_iter, backend):
    if in_single_range(problem, code if warm else None):
        return backend.active_set(problem.as_lasso(), code, tol, max_iter, warm=warm)
    if not warm:
        code[...] = 0
    xp = array_namespace(code)
    return xp.full(code.shape[0], xp.inf), 0


def _go_on(method, problem, code, gap, tol, max_iter, backend):
    """Continue with the samples whose gap is above tol, in place and in double precision.

    Return the iterations of the slowest sample.
    """
    xp, is_late = array_namespace(code), ~(gap <= tol)
    if not bool(xp.any(is_late)):
        return 0
    late = xp.nonzero(is_late)[0]
    rest = problem.rows(late).in_double().on(backend)
    better = xp.asarray(xp.take(code, late, axis=0), dtype=rest.half_norm.dtype)
    if better.dtype != code.dtype:
        tol *= LEFT_FOR_ROUNDING
    rest_gap, n_iter = method(rest, better, tol, max_iter, backend)
    put_rows(code, late, xp.asarray(better, dtype=code.dtype))
    put_rows(gap, late, rest_gap)
    return n_iter


def _feature_signs(problem, code, tol, max_iter, backend):
    """Run a search that restarts from zero if its start has lost its accuracy."""
    code[...] = feasible(problem.penalty, code)
    return backend.feature_sign(problem.as_lasso(), code, tol, max_iter)


def _rescue(max_iter, backend, is_single):
    """Return the most robust method that a problem allows, for samples with wrong gaps.

    It receives problems in double precision. If they were solved in single precision, the same
    search of a constraint in double precision is accurate, and faster than a search of the weight.
    """

    def rescue(problem, code, tol):
        problem = problem.on(backend)
        lacks = _absent(("gram", "rule"), problem) or getattr(backend, "feature_sign", None) is None
        method = _accelerated_steps if lacks else _feature_signs
        if offers(problem.penalty, "limit_rule"):
            method = _constrained_from_zero if is_single else _weight_search
        with _unweighted(problem, code) as problem:
            return method(problem, code, tol, max_iter, backend)[0]

    return rescue


@contextlib.contextmanager
def _unweighted(problem, code, warm=True):
    """Provide a problem without weights of the penalty, and `code` in its variables w_j z_j."""
    weights = problem.weights
    if weights is None:
        yield problem
        return
    if warm:
        code *= weights
    else:
        code[...] = 0
    yield problem.unweighted()
    code /= weights


def _accelerated_steps(problem, code, tol, max_iter, backend):
    sanitize(problem, code, backend)
    return _proximal_steps(fista, problem, code, tol, max_iter, backend)


def _proximal_steps(method, problem, code, tol, max_iter, backend):
    """Use the backend's kernel for single samples if there is one, else steps of the batch."""
    fused = getattr(backend, "proximal_gradient", None)
    if fused is None or _absent(("gram", "rule"), problem):
        return method(problem, code, tol=tol, max_iter=max_iter, backend=backend)[1:]
    lasso, lipschitz = problem.as_lasso(), problem.lipschitz
    return fused(lasso, code, tol, max_iter, lipschitz, accelerated=method is fista)


def _proximal(method):
    def solve(problem, code, warm, tol, max_iter, backend):
        if not warm:
            code[...] = 0
        gap, n_iter = _proximal_steps(method, problem, code, tol, max_iter, backend)
        return gap, n_iter

    return solve


def _local_descent(problem, code, warm, tol, max_iter, backend):
    if not warm:
        code[...] = 0
    maps = problem.decoder.as_maps(code)
    gap, n_iter = backend.local_descent(problem.as_local_lasso(), maps, tol, max_iter, DENSE)
    xp = array_namespace(code)
    is_dense = xp.count_nonzero(code, axis=1) > int(DENSE * code.shape[1])
    dense_gap = xp.where(is_dense, gap, xp.zeros_like(gap))  # FISTA finishes these images
    n_steps = _go_on(_accelerated_steps, problem, code, dense_gap, tol, max_iter, backend)
    gap = xp.where(is_dense, dense_gap, gap)
    return gap, max(n_iter, n_steps)


def _fourier_fista(problem, code, warm, tol, max_iter, backend):
    return _proximal(fista)(problem.in_fourier_domain(), code, warm, tol, max_iter, backend)


def _reweighted(problem, code, warm, tol, max_iter, backend):
    """Solve weighted problems, in double precision if energies are too close for single."""
    gap, n_iter = reweighted(problem, code, warm, tol, max_iter, backend, _solve_convex)
    xp = array_namespace(code)
    if code.dtype == xp.float64:
        return gap, n_iter
    if n_iter < max_iter:
        n_iter += _go_on(_weighted_problems, problem, code, gap, tol, max_iter - n_iter, backend)
    underflows = (problem.half_norm < SMALLEST) & xp.any(problem.correlation != 0, axis=1)
    if bool(xp.any(underflows)):
        apart = xp.where(underflows, xp.full_like(gap, xp.inf), xp.zeros_like(gap))
        n_iter = max(n_iter, _go_on(_from_zero, problem, code, apart, tol, max_iter, backend))
        gap = xp.where(underflows, apart, gap)
    return gap, n_iter


def _from_zero(problem, code, tol, max_iter, backend):
    return reweighted(problem, code, False, tol, max_iter, backend, _solve_convex)


def _weighted_problems(problem, code, tol, max_iter, backend):
    return reweighted(problem, code, True, tol, max_iter, backend, _solve_convex)


def _solve_convex(problem, code, warm, tol, max_iter, backend):
    if offers(problem, "separated"):
        problem, code = problem.separated(code)
    entry = suitable("auto", problem, backend)
    return entry.solve(problem, code, warm, tol, max_iter, backend)


def _inhibited_descent(problem, code, warm, tol, max_iter, backend):
    """Descend along coordinates, in double precision where single cannot resolve the slopes."""
    if not warm:
        code[...] = 0
    is_double = code.dtype == array_namespace(code).float64
    resolved = tol if is_double else max(tol, RESOLVED_SLOPES)
    measure, n_iter = _descend(problem, code, resolved, max_iter, backend)
    if not is_double:
        n_iter += _go_on(_descend, problem, code, measure, tol, max_iter - n_iter, backend)
    return measure, n_iter


def _descend(problem, code, tol, max_iter, backend):
    measure, n_iter = array_namespace(code).empty_like(problem.half_norm), 0
    for rows, lasso in _by_grams(problem, problem.penalty.inhibition_rule(problem.half_norm)):
        measure[rows], steps = backend.inhibited_descent(lasso, code[rows, :], tol, max_iter)
        n_iter = max(n_iter, steps)
    return measure, n_iter


def _pursuit(problem, code, warm, tol, max_iter, backend):
    """Select supports from zero, whatever the codes are; the limits are those of the penalty."""
    xp, part, rule = array_namespace(code), code, problem.penalty.support_rule
    if not (_squares_fit(problem) and _resolves(problem, rule.tol)):
        problem, part = problem.in_double(), xp.zeros_like(code, dtype=xp.float64)
    n_iter = 0
    for rows, lasso in _by_grams(problem, rule):
        n_iter = max(n_iter, backend.pursue(lasso, part[rows, :], rule.n_nonzero_coefs))
    if part is not code:
        code[...] = xp.asarray(part, dtype=code.dtype)
    return xp.zeros_like(problem.half_norm), n_iter


def _constrained(problem, code, warm, tol, max_iter, backend):
    """Search from zero, whatever the codes are; the reference continues with late samples.

    Codes in single precision are searched in double precision before.
    """
    xp, limit = array_namespace(code), problem.penalty.limit_rule
    is_double = code.dtype == xp.float64
    gap, n_iter = xp.full_like(problem.half_norm, xp.inf), 0
    if _squares_fit(problem) and _meets_in_single(problem, limit):
        share = 1 if is_double else EXACT_SHARE
        gap, n_iter = _searched(backend.constrained_codes, problem, code, share * tol, ROUNDS)
    else:
        code[...] = 0
    method = _weight_search if is_double else _constrained_from_zero
    return gap, n_iter + _go_on(method, problem, code, gap, tol, max_iter, backend)


def _constrained_from_zero(problem, code, tol, max_iter, backend):
    return _constrained(problem, code, False, tol, max_iter, backend)


def _meets_in_single(problem, limit):
    xp = array_namespace(problem.half_norm)
    is_double = problem.half_norm.dtype == xp.float64
    return is_double or limit.degree == 1 or (limit.limit > 0 and _resolves(problem, limit.limit))


def _weight_search(problem, code, tol, max_iter, backend):
    minimize = getattr(backend, "feature_sign", None) or backend.coordinate_descent
    search = partial(reference.constrained_codes, minimize=minimize)
    return _searched(search, problem, code, tol, max_iter)


def _searched(search, problem, code, tol, max_iter):
    """Search the codes under a constraint; return gaps and iterations."""
    gap, n_iter = array_namespace(code).empty_like(problem.half_norm), 0
    for rows, lasso in _by_grams(problem, problem.penalty.limit_rule):
        gap[rows], steps = search(lasso, code[rows, :], tol, max_iter)
        n_iter = max(n_iter, steps)
    return gap, n_iter


def _by_grams(problem, rule):
    """Yield rows with the same Gram matrix, and their lasso with a rule and true half norms."""
    for rows, gram in _grams(problem):
        yield rows, Lasso(gram, problem.correlation[rows, :], problem.half_norm[rows], rule)


def _grams(problem):
    """Yield rows and the Gram matrix of their observed features."""
    if problem.gram is not None:
        yield slice(None), problem.gram
        return
    source = problem.source
    atoms, mask = source.decoder.dictionary, source.mask
    xp = array_namespace(atoms)
    ridge = source.ridge * xp.eye(atoms.shape[0], dtype=atoms.dtype) if source.ridge else 0.0
    for n in range(mask.shape[0]):
        observed = atoms * mask[n, :]
        yield slice(n, n + 1), observed @ observed.T + ridge


def _resolves(problem, tol):
    """Return whether a squared error of `tol` is far above the rounding of single precision."""
    half_norm = problem.half_norm
    return not tol or tol > RESOLVED * 2 * float(array_namespace(half_norm).max(half_norm))


def _squares_fit(problem):
    """Return whether squares of correlations are within the range of single precision."""
    xp, half_norm = array_namespace(problem.half_norm), problem.half_norm
    smallest, largest = problem.curvatures
    if largest * float(xp.max(half_norm)) >= SINGLE_RANGE:
        return False
    if smallest * float(xp.min(half_norm)) > 1 / SINGLE_RANGE:
        return True
    is_zero = ~xp.any(problem.correlation != 0, axis=1)
    lowest = float(xp.min(xp.where(is_zero, xp.full_like(half_norm, xp.inf), half_norm)))
    return smallest * lowest > 1 / SINGLE_RANGE


def _without(*needs):
    return tuple(name for name, entry in SOLVERS.items() if not {*needs} & {*entry.requires})


SOLVERS = {
    "constrained": Entry(_constrained, requires=("limit_rule",), kernel="constrained_codes"),
    "omp": Entry(_pursuit, requires=("support_rule",), kernel="pursue"),
    "reweighted": Entry(_reweighted, requires=("tangent",)),
    "inhibited_cd": Entry(
        _inhibited_descent,
        requires=("inhibition_rule",),
        kernel="inhibited_descent",
        criterion=Criterion.STATIONARITY,
    ),
    "active_set": Entry(_active_set, requires=("gram", "rule"), kernel="active_set"),
    "cd": Entry(_coordinate_descent, requires=("gram", "rule"), kernel="coordinate_descent"),
    "block_cd": Entry(_block_descent, requires=("gram", "group_rule"), kernel="block_descent"),
    "local_cd": Entry(_local_descent, requires=("as_local_lasso", "rule"), kernel="local_descent"),
    "fista": Entry(_proximal(fista), requires=("convex", "prox")),
    "fista_fft": Entry(_fourier_fista, requires=("in_fourier_domain", "convex")),
    "ista": Entry(_proximal(ista), requires=("prox",)),
}
AUTOMATIC = (  # in order of preference
    "constrained", "omp", "reweighted", "inhibited_cd", "active_set", "block_cd", "local_cd",
    "fista", "ista",
)  # fmt: skip
MATRIX_SOLVERS = _without("as_local_lasso", "in_fourier_domain")  # for dictionaries as matrices
CONVOLUTION_SOLVERS = _without(
    "gram", "group_rule", "limit_rule", "support_rule", "inhibition_rule"
)


def _absent(names, problem):
    """Return the given capabilities that neither the problem nor its penalty has."""
    penalty = _solved_penalty(problem)
    return [name for name in names if not _has(name, problem, penalty)]


def _solved_penalty(problem):
    """Return the penalty of the problem that a solver receives; see `_unweighted`."""
    return problem.penalty if problem.weights is None else problem.penalty.unweighted


def _has(name, problem, penalty):
    if name == "convex":
        return getattr(penalty, "convex", True)
    if name == "prox":
        return offers(penalty, "prox") or offers(penalty, "majorant")
    return any(offers(owner, name) for owner in (problem, penalty))


def _lacks(entry, problem, backend):
    """Return the reason why a solver cannot be used; empty if it can."""
    absent = _absent(entry.requires, problem)
    if absent:
        penalty, words = problem.penalty, MISSING[absent[0]]
        if absent[0] == "rule" and getattr(penalty, "separable", None) is False:
            words = NOT_SEPARABLE
        name = getattr(penalty, "name", type(penalty).__name__)
        return f"requires {words.format(penalty=name)}"
    if entry.kernel is not None and getattr(backend, entry.kernel, None) is None:
        return f"is not available with backend={backend.name!r}"
    return ""


def suitable(solver, problem, backend):
    """Return a solver's entry, or the first in `AUTOMATIC` that the problem allows."""
    penalty = _solved_penalty(problem)
    for name in AUTOMATIC if solver == "auto" else (solver,):
        entry = SOLVERS[name]
        if all(_has(need, problem, penalty) for need in entry.requires):
            if entry.kernel is None or offers(backend, entry.kernel):
                return entry
    raise ValueError(_refusal(solver, problem, backend))


def _refusal(solver, problem, backend):
    """Return why a problem does not allow a solver, and the solver to use instead."""
    reasons = {}
    for name in (solver, *AUTOMATIC) if solver != "auto" else AUTOMATIC:
        reasons[name] = _lacks(SOLVERS[name], problem, backend)
        if not reasons[name]:
            break
    if reasons[name]:
        first = next(iter(reasons))
        return f"solver={first!r} {reasons[first]}, and solver={name!r} {reasons[name]}."
    return f"solver={solver!r} {reasons[solver]}. Use solver={name!r}."


def solve_lasso(problem, *, solver="auto", code=None, warm=False, tol=1e-4, max_iter=1000,
                certify=False, backend):  # fmt: skip
    """Minimise a batch of problems with a penalty on entries or on groups.

    Parameters
    ----------
    problem : GramProblem, MaskedProblem or ConvolutionalProblem
        The batch.
    solver : {"auto", "constrained", "omp", "reweighted", "inhibited_cd", "active_set", "cd", \
            "block_cd", "local_cd", "fista", "fista_fft", "ista"}, default="auto"
        "auto" searches the weight of the penalty if the norm or the error is limited, uses
        orthogonal matching pursuit if the penalty limits the number of non-zero entries, solves
        weighted L1 problems if the penalty is concave, and uses coordinate descent if components
        inhibit each other. Otherwise, it uses the active set (or block
        coordinate descent for disjoint groups) if the Hessian is a matrix, local coordinate descent
        for convolutions, and else FISTA, or ISTA if the penalty is not convex.
    code : array of shape (n_samples, n_components) or None, default=None
        Receives the solution. None allocates a new array.
    warm : bool, default=False
        Whether `code` contains initial codes.
    tol : float, default=1e-4
        Tolerance for the duality gap relative to 1/2 ||x||^2. If the penalty has no certificate, it
        applies to the decrease of the energy, as defined in `sklearn_ebm.solvers._proximal`, or,
        with "inhibited_cd", to the largest violation of the first-order conditions over max_j |c_j|
        (`sklearn_ebm.backends._inhibition`).
    max_iter : int, default=1000
        Maximum number of rounds, sweeps or steps.
    certify : bool, default=False
        Whether to compute all gaps from x, z and D in double precision. If False, this is done only
        for samples whose gap may be above tol because of rounding, and for warm starts.
    backend : module
        Module of kernels.

    Returns
    -------
    solution : Solution
        Codes, their gaps, and the stopping criterion.

    Raises
    ------
    ValueError
        If the problem or the backend lacks a capability, or if squares underflow.
    """
    problem = problem.on(backend)
    refuse_underflow(problem)
    if code is None:
        code = problem.new_code()
    if warm:
        sanitize(problem, code, backend)
    entry = suitable(solver, problem, backend)
    with _unweighted(problem, code, warm) as solved:
        measure, n_iter = entry.solve(solved, code, warm, tol, max_iter, backend)
    criterion = entry.criterion or _criterion(problem.penalty)
    solution = Solution(code, n_iter, [], measure, criterion=criterion)
    return verified(solution, problem, tol, max_iter, certify or warm, backend)


def _criterion(penalty):
    if getattr(penalty, "minimizes_norm", False):
        return Criterion.NORM
    return Criterion.GAP if is_certified(penalty) else Criterion.DECREASE


def verified(solution, problem, tol, max_iter, everything, backend):
    """Return a solution with true gaps in place of claimed ones, and how the solver ended."""
    claimed = copied(solution.measure)
    is_single = solution.code.dtype != array_namespace(claimed).float64
    rescue = _rescue(max_iter, backend, is_single)
    verify(solution, problem, rescue, tol, everything, backend)
    solution.outcome = _outcome(problem, solution, claimed, tol, max_iter, backend)
    return solution
