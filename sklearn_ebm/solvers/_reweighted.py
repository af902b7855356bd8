"""Majorise-minimise iterations for concave penalties: one weighted L1 problem after another.

The tangent of the penalty at the current codes is an L1 penalty with weights for each sample and
component, which lies above it. Its exact minimum is the next code, so that the energy never
increases (Candes, Wakin & Boyd 2008; Gasso, Rakotomamonjy & Canu 2009).

The measure of a code is its duality gap for its own tangent. It is zero if and only if the code
meets the first-order conditions of the energy, and bounds the decrease of the next step.
"""

from sklearn_ebm.backends import array_namespace, copied, put_rows

SHARE = 0.1  # of tol, the gap of a weighted problem: each step decreases the energy by the rest
INNER = 1000  # iterations for a weighted problem that are always allowed: it must be solved
ROUNDINGS = 4  # relative to 1/2 ||x||^2, possible errors of an energy


def reweighted(problem, code, warm, tol, max_iter, backend, solve):
    """Replace the codes by stationary points of the energy, in place.

    Parameters
    ----------
    problem : GramProblem, MaskedProblem or ConvolutionalProblem
        The batch; its penalty has a `tangent`, and a convex penalty `first` for the first codes.
    code : array of shape (n_samples, n_components)
        Initial codes if `warm`; replaced by the result.
    warm : bool
        Whether to start from `code` instead of the codes for the penalty `first`.
    tol : float
        Gap below which a sample has converged.
    max_iter : int
        Maximum number of weighted problems.
    backend : module
        Module of kernels.
    solve : callable
        solve(problem, code, warm, tol, max_iter, backend) solves a convex problem in place.

    Returns
    -------
    measure : array of shape (n_samples,)
        Gap of each code for its own tangent, relative to 1/2 ||x||^2.
    n_iter : int
        Number of weighted problems.
    """
    xp = array_namespace(code)
    rounding = ROUNDINGS * float(xp.finfo(code.dtype).eps)
    limits = SHARE * tol, max(max_iter, INNER)
    if not warm:
        first = problem.with_penalty(problem.penalty.first)
        solve(first, code, False, *limits, backend)
    rows, part, n_iter = xp.arange(code.shape[0]), problem, 0
    measure, energy = xp.full_like(problem.half_norm, xp.inf), problem.energy(code, backend)
    is_lower = measure > 0
    while True:
        current = xp.take(code, rows, axis=0)
        tangent = part.with_penalty(part.penalty.tangent(current))
        gap = tangent.relative_gap(current)
        improves = is_lower | (gap < xp.take(measure, rows))  # else rounding errors are larger
        put_rows(measure, rows, gap)
        late = xp.nonzero(~(gap <= tol) & improves)[0]
        if late.shape[0] == 0 or n_iter >= max_iter:
            return measure, n_iter
        n_iter += 1
        rows, part, energy = xp.take(rows, late), part.rows(late), xp.take(energy, late)
        current = xp.take(current, late, axis=0)
        updated = copied(current)
        solve(tangent.rows(late), updated, True, *limits, backend)
        reached = part.energy(updated, backend)
        is_higher = reached > energy + rounding * part.half_norm
        put_rows(code, rows, xp.where(is_higher[:, None], current, updated))
        is_lower = reached < energy - rounding * part.half_norm
        energy = xp.where(is_higher, energy, reached)
