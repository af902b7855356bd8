"""ISTA and FISTA with restart, on batches that samples leave once they have converged."""

from sklearn_ebm.backends import array_namespace, put_rows

CHECK_EVERY = 10  # a certificate costs as much as a step


def _steps(problem, start, accelerated, tol, max_iter, backend):
    xp = array_namespace(problem.correlation)
    result = xp.zeros_like(problem.correlation) if start is None else start
    gap = problem.relative_gap(result)
    rows = xp.nonzero(gap > tol)[0]
    n_iter = 0
    while rows.shape[0] > 0 and n_iter < max_iter:
        batch, code = problem.rows(rows), xp.take(result, rows, axis=0)
        extrapolated = xp.asarray(code, copy=True)
        momentum = xp.ones_like(batch.half_norm) if accelerated else None
        while True:
            n_iter += 1
            backend.proximal_step(
                batch.product(extrapolated), batch.correlation, code, extrapolated, momentum,
                1 / batch.lipschitz, batch.penalty,
            )  # fmt: skip
            if n_iter % CHECK_EVERY and n_iter < max_iter:
                continue
            batch_gap = batch.relative_gap(code)
            on = xp.nonzero(batch_gap > tol)[0]
            if on.shape[0] == rows.shape[0] and n_iter < max_iter:
                continue
            put_rows(result, rows, code)
            put_rows(gap, rows, batch_gap)
            if on.shape[0] == 0 or n_iter >= max_iter:
                return result, gap, n_iter
            rows, batch, code = xp.take(rows, on), batch.rows(on), xp.take(code, on, axis=0)
            extrapolated = xp.take(extrapolated, on, axis=0)
            momentum = xp.take(momentum, on) if accelerated else None
    return result, gap, n_iter


def ista(problem, start=None, *, tol, max_iter, backend):
    """Proximal gradient steps z <- prox(z - (z H - c) / L) (Daubechies et al. 2004).

    Parameters
    ----------
    problem : GramProblem or MaskedProblem
        The batch.
    start : array of shape (n_samples, n_components) or None
        Codes to start from, overwritten; None starts from zero.
    tol : float
        Relative duality gap at which a sample leaves the batch.
    max_iter : int
        Steps.
    backend : module
        Where the fused step comes from.

    Returns
    -------
    code : array of shape (n_samples, n_components)
    gap : array of shape (n_samples,)
    n_iter : int
    """
    return _steps(problem, start, False, tol, max_iter, backend)


def fista(problem, start=None, *, tol, max_iter, backend):
    """Accelerated steps (Beck & Teboulle 2009) with a restart for each sample on its own.

    Parameters and returns are those of `ista`; the restart is O'Donoghue & Candes (2015), eq. 12.
    """
    return _steps(problem, start, True, tol, max_iter, backend)
