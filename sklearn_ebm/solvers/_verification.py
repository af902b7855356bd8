"""Verification of the gaps of solvers, which may be too small because of rounding.

A solver computes its certificate from sums in the dtype of the data. In single precision, their
error is about 1e-7 ||x|| ||d||, which a small alpha magnifies. The gap is
1/2 (1 - s)^2 ||r||^2 + alpha ||z||_1 - s z q' with s = alpha / max_j |q_j|: an error delta of q
changes 1 - s by up to delta / alpha and the rest by up to 2 delta ||z||_1. If that may matter, gaps
are computed again in double precision from x, z and D, and samples that turn out to be above tol
are solved in double precision.
"""

import numpy as np

from sklearn_ebm.backends import array_namespace, put_rows
from sklearn_ebm.backends._certificate import is_certified
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers._proximal import feasible

ROUNDINGS = 2  # errors relative to the largest terms of a sum, since rounding errors mostly cancel
SMALLEST = 1e-30  # smaller half norms may have lost digits to underflow
SMALLEST_IN_DOUBLE = 1e-290
ATTEMPTS = 3  # number of attempts to reduce falsely claimed gaps below tol


def require_certificate(penalty, method):
    """Refuse a penalty whose codes have no duality gap.

    Parameters
    ----------
    penalty : PenaltyFactor
        Penalty on the codes.
    method : str
        Method that requires the gap, for the message.

    Raises
    ------
    ValueError
        If the penalty has neither a dual norm nor a conjugate, or is not convex.
    """
    if not is_certified(penalty):
        name = getattr(penalty, "name", type(penalty).__name__)
        raise ValueError(
            f"{method} requires a convex penalty with `dual_norm` or `conjugate`; {name} has no "
            "duality gap."
        )


def refuse_underflow(problem):
    """Raise ValueError for samples whose energy at zero underflows in double precision.

    In single precision, such samples are solved again in double precision. Samples whose code is
    zero are accepted.

    Raises
    ------
    ValueError
        If a sample with a non-zero code underflows.
    """
    xp = array_namespace(problem.half_norm)
    is_tiny = problem.half_norm < SMALLEST_IN_DOUBLE
    if problem.half_norm.dtype != xp.float64 or not bool(xp.any(is_tiny)):
        return
    tiny = problem.rows(xp.nonzero(is_tiny)[0])
    if bool(xp.any(_has_code(tiny.penalty, tiny.correlation))):
        raise ValueError(
            "Input X contains rows that are too small for dtype('float64'): their squares "
            "underflow. Multiply X and alpha by a common factor, for instance 1e100."
        )


def _has_code(penalty, correlation):
    """Return whether the code of each sample may be non-zero."""
    xp = array_namespace(correlation)
    if offers(penalty, "dual_norm"):
        return penalty.dual_norm(correlation, xp.zeros_like(correlation)) > 1
    return xp.any(correlation != 0, axis=1)


def sanitize(problem, code, backend):
    """Make starting codes feasible, and replace codes that are worse than zero by zero."""
    xp = array_namespace(code)
    # Squares of large starts overflow to infinity or NaN, which are not below half_norm.
    with np.errstate(over="ignore", invalid="ignore"):
        code[...] = feasible(problem.penalty, code)
        for energy in (problem.penalty.value, lambda code: problem.energy(code, backend)):
            is_worse = ~(energy(code) <= problem.half_norm)
            code[...] = xp.where(is_worse[:, None], xp.zeros_like(code), code)


def verify(solution, problem, rescue, tol, everything, backend):
    """Replace claimed gaps by true ones, and improve codes whose gap is not at most tol as claimed.

    Parameters
    ----------
    solution : Solution
        Result of a solver. Its codes and gaps are updated in place.
    problem : GramProblem or MaskedProblem
        Problem that was solved.
    rescue : callable
        `rescue(problem, code, tol)` continues with some samples, in double precision and in place.
    tol : float
        Relative gap at which a sample has converged.
    everything : bool
        Whether to recompute all gaps, or only the gaps that rounding may have changed.
    backend : module
        Module of kernels.
    """
    if not solution.criterion.is_gap or problem.source is None:
        return
    code, gap = solution.code, solution.measure
    xp = array_namespace(code)
    is_double = code.dtype == xp.float64
    if is_double and offers(problem.penalty, "majorant"):
        return  # steps on a majorant recompute each certificate
    if is_double and offers(problem.penalty, "gap") and not everything:
        return
    has_bound = offers(problem.penalty, "dual_norm") or offers(problem.penalty, "limit_rule")
    if everything or not has_bound:
        rows = xp.arange(code.shape[0])
    else:
        rows = xp.nonzero(_in_doubt(problem, code, gap, tol, backend))[0]
    if rows.shape[0] == 0:
        return
    problem = problem.rows(rows).in_double()
    part, claimed = xp.take(code, rows, axis=0), xp.take(gap, rows)
    true = _true_gaps(problem, part, claimed, rescue, tol)
    put_rows(code, rows, part)
    put_rows(gap, rows, true)


def _in_doubt(problem, code, gap, tol, backend):
    """Select samples whose gap may be above tol, given the rounding of single precision."""
    xp = array_namespace(code)
    if code.dtype == xp.float64:
        return gap != gap
    is_doubtful = ~(_with_rounding(problem, code, gap, backend) <= tol)
    if float(xp.min(problem.half_norm)) < SMALLEST:
        is_doubtful |= (problem.half_norm < SMALLEST) & xp.any(problem.correlation != 0, axis=1)
    return is_doubtful


def _with_rounding(problem, code, gap, backend):
    """Return an upper bound of the gaps, given rounding errors of the gaps or of the codes."""
    xp = array_namespace(code)
    if offers(problem.penalty, "limit_rule"):
        return gap + _rounding_at_limit(problem, code)
    if offers(problem.penalty, "dual_norm_of_ones"):
        dual_norm = problem.penalty.dual_norm_of_ones
    else:
        ones = xp.ones((1, code.shape[1]), dtype=code.dtype)
        dual_norm = float(xp.max(problem.penalty.dual_norm(ones, code[:1, :])))
    roundings = ROUNDINGS * float(xp.finfo(code.dtype).eps) / 2
    return backend.gap_with_rounding(
        code, gap, problem.unit, roundings, problem.largest_atom, dual_norm
    )


def _rounding_at_limit(problem, code):
    xp, atom = array_namespace(code), problem.largest_atom
    size = xp.sum(xp.abs(code), axis=1)
    roundings = ROUNDINGS * float(xp.finfo(code.dtype).eps) / 2
    delta = roundings * atom * (xp.sqrt(2 * problem.half_norm) + atom * size)
    limit = problem.penalty.limit_rule
    return limit.rounding(delta, problem.half_norm, problem.correlation, code)


def may_be_limited_by_rounding(solution, problem, tol, backend):
    """Return whether rounding of the codes alone may cause all gaps above tol (upper bound)."""
    code, gap = solution.code, solution.measure
    if problem.source is None or not offers(problem.penalty, "dual_norm"):
        return False
    floor = _with_rounding(problem, code, gap - gap, backend)
    return not bool(array_namespace(gap).any(~(gap <= tol) & (floor <= tol)))


def _true_gaps(problem, code, claimed, rescue, tol):
    """Return gaps in double precision; continue with samples that are above tol, in place."""
    xp = array_namespace(code)
    gap = problem.certificate(code)
    for _ in range(ATTEMPTS):
        late = xp.nonzero((claimed <= tol) & ~(gap <= tol))[0]
        if late.shape[0] == 0:
            break
        rest = problem.rows(late)
        better = xp.asarray(xp.take(code, late, axis=0), dtype=xp.float64)
        rescue(rest, better, tol / 2)
        put_rows(code, late, xp.asarray(better, dtype=code.dtype))
        put_rows(gap, late, rest.certificate(xp.take(code, late, axis=0)))
    return gap
