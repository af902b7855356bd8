"""ISTA and FISTA with restart, on batches that samples leave once they have converged.

A penalty without a closed proximal operator gives a majorant instead, which touches it at the point
that a step is made from and has one; a step on it still lowers the energy. Such a penalty is
smoothed where it has its kinks, by no more than a share of the gap that is allowed, and `settled`
makes zero what that smoothing alone keeps away from it. The gap is that of the settled code, in the
penalty as it is. A majorant that bends more than the penalty makes steps shorter, by its
`curvature`.

A sample leaves the batch if it has converged, or if its steps have become as small as rounding
errors, so that more steps would not help. It has converged if its measure is at most tol:

- If the penalty has a dual norm or a conjugate, the measure is the duality gap over 1/2 ||x||^2.
- If it has neither, or is not convex, the measure is the decrease of the energy, as follows. The
  energy E_k is computed every ten steps. Energies of proximal steps fall like 1/k, in the worst
  case, and then E_k exceeds its limit by k/10 |E_{k-10} - E_k|. The measure is this estimate over
  1/2 ||x||^2, the larger one of the last two checks, so that a single small step does not end the
  iteration. It is not a certificate.
"""

from sklearn_ebm.backends import array_namespace, put_rows
from sklearn_ebm.backends._certificate import is_certified
from sklearn_ebm.protocols import offers

CHECK_EVERY = 10  # a certificate costs as much as a step
NEGLECTED = 0.3  # share of the gap allowed that smoothing may add to the energy
PATIENCE = 300  # steps for which it is as large; half after twice as many, then a third
ROUNDING = 20  # codes that move by fewer eps between two checks do not improve any more


def feasible(penalty, code):
    """The closest codes at which the penalty is finite, by a proximal step of length zero."""
    if not offers(penalty, "prox"):
        xp = array_namespace(code)
        penalty = penalty.majorant(code, xp.ones(code.shape[0], dtype=code.dtype))
    return penalty.prox(code, 0.0)


class _Gap:
    """The duality gap of each sample."""

    def of(self, problem, code, eta, n_iter):
        """Measure codes after some iterations."""
        return problem.relative_gap(code, eta)

    def rows(self, index):
        """The measure of some of the samples."""
        return self


class _Decrease:
    """An estimate of how much the energy of each sample will still decrease."""

    def __init__(self, energy=None, estimate=None, n_iter=0):
        self.energy = energy  # at the last check
        self.estimate = estimate  # at the last check
        self.n_iter = n_iter

    def of(self, problem, code, eta, n_iter):
        """Measure codes after some iterations; infinite until there are two estimates."""
        xp, energy = array_namespace(code), problem.energy(code)
        if self.energy is None:
            estimate = measure = xp.full_like(energy, xp.inf)
        else:
            spans = n_iter / max(1, n_iter - self.n_iter)
            estimate = spans * xp.abs(self.energy - energy) / problem.unit
            measure = xp.maximum(estimate, self.estimate)
        self.energy, self.estimate, self.n_iter = energy, estimate, n_iter
        return measure

    def rows(self, index):
        """The measure of some of the samples."""
        take = array_namespace(self.energy).take
        return _Decrease(take(self.energy, index), take(self.estimate, index), self.n_iter)


class _Batch:
    """The samples that have not converged yet, and where their steps are."""

    def __init__(self, problem, code, tol, accelerated):
        xp = array_namespace(code)
        self.problem = problem
        self.code = code
        self.last = code
        self.extrapolated = code
        self.momentum = xp.ones_like(problem.half_norm) if accelerated else None
        self.tol = tol
        self.measure = _Gap() if is_certified(problem.penalty) else _Decrease()
        self.neglect(0)

    def neglect(self, n_iter):
        """Smooth by less after many steps: the certificate may lose more by what is turned off."""
        least = float(array_namespace(self.code).finfo(self.code.dtype).eps)
        share = NEGLECTED / max(1, n_iter / PATIENCE)
        self.neglected = share * max(self.tol, least) * self.problem.unit

    def step(self, backend):
        """One step of every sample."""
        penalty, lipschitz = self.problem.penalty, self.problem.lipschitz
        if not offers(penalty, "prox"):
            penalty = penalty.majorant(self.extrapolated, self.neglected)
            lipschitz += penalty.curvature
        backend.proximal_step(
            self.problem.product(self.extrapolated), self.problem.correlation, self.code,
            self.extrapolated, self.momentum, 1 / lipschitz, penalty,
        )  # fmt: skip

    def measured(self, n_iter):
        """Codes as they would be handed out now, and their measures."""
        penalty = self.problem.penalty
        code, eta = self.code, None
        if offers(penalty, "settled"):
            code, eta = penalty.settled(code, self.neglected)
        return code, self.measure.of(self.problem, code, eta, n_iter)

    def judged(self, n_iter):
        """Return codes, measures, and which samples continue: unfinished ones that improve."""
        xp = array_namespace(self.code)
        code, measure = self.measured(n_iter)
        goes_on = measure > self.tol
        if not offers(self.problem.penalty, "settled"):  # less smoothing moves codes again
            least = ROUNDING * float(xp.finfo(code.dtype).eps)
            moves = _size(self.code - self.last) > least * _size(self.code)
            goes_on = goes_on & (moves | ~xp.isfinite(measure))
            self.last = xp.asarray(self.code, copy=True)
        return code, measure, goes_on

    def rows(self, index):
        """Some of the samples, on their way as they are."""
        xp = array_namespace(self.code)
        part = _Batch(self.problem.rows(index), xp.take(self.code, index, axis=0), self.tol, False)
        part.extrapolated = xp.take(self.extrapolated, index, axis=0)  # a copy, also of the start
        part.last = xp.take(self.last, index, axis=0)
        part.momentum = None if self.momentum is None else xp.take(self.momentum, index)
        part.neglected = xp.take(self.neglected, index)
        part.measure = self.measure.rows(index)
        return part


def _size(rows):
    """Largest magnitude of each row."""
    xp = array_namespace(rows)
    return xp.max(xp.abs(rows), axis=1)


def _steps(problem, start, accelerated, tol, max_iter, backend):
    xp = array_namespace(problem.correlation)
    result = xp.zeros_like(problem.correlation) if start is None else start
    batch = _Batch(problem, result, tol, accelerated)
    code, measure = batch.measured(0)
    rows, done = xp.nonzero(measure > tol)[0], xp.nonzero(~(measure > tol))[0]
    n_iter = 0
    batch = batch.rows(rows)
    put_rows(result, done, xp.take(code, done, axis=0))
    if rows.shape[0] == 0 or max_iter == 0:
        return result, measure, n_iter
    while True:
        n_iter += 1
        batch.step(backend)
        if n_iter % CHECK_EVERY and n_iter < max_iter:
            continue
        batch.neglect(n_iter)
        code, batch_measure, goes_on = batch.judged(n_iter)
        on = xp.nonzero(goes_on)[0]
        if on.shape[0] == rows.shape[0] and n_iter < max_iter:
            continue
        put_rows(result, rows, code)
        put_rows(measure, rows, batch_measure)
        if on.shape[0] == 0 or n_iter >= max_iter:
            return result, measure, n_iter
        rows, batch = xp.take(rows, on), batch.rows(on)


def ista(problem, start=None, *, tol, max_iter, backend):
    """Proximal gradient steps z <- prox(z - (z H - c) / L) (Daubechies et al. 2004).

    Parameters
    ----------
    problem : GramProblem or MaskedProblem
        The batch.
    start : array of shape (n_samples, n_components) or None
        Codes to start from, overwritten; None starts from zero.
    tol : float
        Measure at which a sample leaves the batch.
    max_iter : int
        Steps.
    backend : module
        Where the fused step comes from.

    Returns
    -------
    code : array of shape (n_samples, n_components)
    measure : array of shape (n_samples,)
        Relative duality gap, or decrease of the energy if the penalty has no certificate.
    n_iter : int
    """
    return _steps(problem, start, False, tol, max_iter, backend)


def fista(problem, start=None, *, tol, max_iter, backend):
    """Accelerated steps (Beck & Teboulle 2009) with a restart for each sample on its own.

    Parameters and returns are those of `ista`; the restart is O'Donoghue & Candes (2015), eq. 12.
    """
    return _steps(problem, start, True, tol, max_iter, backend)
