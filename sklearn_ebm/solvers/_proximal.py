"""ISTA and FISTA with restart, on batches from which converged samples are removed.

A penalty without a closed-form proximal operator provides a majorant that touches it at the current
point. A step on the majorant still decreases the energy. Such a penalty is smoothed at its kinks,
by at most a share of the accepted gap, and `settled` sets entries to zero that are non-zero only
due to smoothing. The gap is computed for the settled code and the original penalty. The `curvature`
of a majorant is added to the Lipschitz constant.

A sample is removed from the batch if it has converged, or if its steps have become as small as
rounding errors, so that more steps would not help. It has converged if its measure is at most tol:

- If the penalty has a dual norm or a conjugate, the measure is the duality gap over 1/2 ||x||^2.
- If it has neither, or is not convex, the measure is the decrease of the energy, as follows. The
  energy E_k is computed every ten steps. In the worst case, energies of proximal steps decrease
  like 1/k, and E_k exceeds its limit by k/10 |E_{k-10} - E_k|. The measure is this estimate over
  1/2 ||x||^2, or the previous estimate if that is larger, so that a single small step does not end
  the iteration. It is not a certificate. If a code does not move between two checks, it is a fixed
  point of the steps, and only the last estimate counts.
"""

from sklearn_ebm.backends import array_namespace, put_rows
from sklearn_ebm.backends._certificate import is_certified
from sklearn_ebm.protocols import offers

CHECK_EVERY = 10  # a certificate is as expensive as a step
NEGLECTED = 0.3  # share of the accepted gap that smoothing may add to the energy
NEGLIGIBLE = 1e-3  # relative size of entries that `settled` may set to zero without a check
PATIENCE = 300  # steps with this share; it is halved after twice as many, and so on
ROUNDING = 20  # number of steps with the full share, which then decreases like 1 / n_iter


def feasible(penalty, code):
    """Return the closest codes with a finite penalty, by a proximal step of length zero."""
    if not offers(penalty, "prox") and not offers(penalty, "majorant"):
        return code
    if not offers(penalty, "prox"):
        xp = array_namespace(code)
        penalty = penalty.majorant(code, xp.ones(code.shape[0], dtype=code.dtype))
    return penalty.prox(code, 0.0)


class _Gap:
    """The duality gap of each sample."""

    def of(self, problem, code, eta, n_iter):
        """Return the measure of codes after some iterations."""
        return problem.relative_gap(code, eta)

    def at_rest(self, measure):
        """Return the measure of codes that have stopped to move."""
        return measure

    def rows(self, index):
        """Return the measure of some of the samples."""
        return self


class _Decrease:
    """An estimate of the remaining decrease of the energy of each sample."""

    def __init__(self, energy=None, estimate=None, n_iter=0):
        self.energy = energy  # at the last check
        self.estimate = estimate  # at the last check
        self.n_iter = n_iter

    def of(self, problem, code, eta, n_iter):
        """Return the measure of codes after some iterations; infinite for a first estimate."""
        xp, energy = array_namespace(code), problem.energy(code)
        if self.energy is None:
            estimate = measure = xp.full_like(energy, xp.inf)
        else:
            spans = n_iter / max(1, n_iter - self.n_iter)
            estimate = spans * xp.abs(self.energy - energy) / problem.unit
            measure = xp.maximum(estimate, self.estimate)
        self.energy, self.estimate, self.n_iter = energy, estimate, n_iter
        return measure

    def at_rest(self, measure):
        """Return the measure of codes that have stopped to move: the last estimate."""
        return self.estimate

    def rows(self, index):
        """Return the measure of some of the samples."""
        take = array_namespace(self.energy).take
        return _Decrease(take(self.energy, index), take(self.estimate, index), self.n_iter)


class _Batch:
    """The samples that have not converged yet, and the state of their iterations."""

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
        """Reduce smoothing after many steps, since it limits the accuracy of the certificate."""
        least = float(array_namespace(self.code).finfo(self.code.dtype).eps)
        share = NEGLECTED / max(1, n_iter / PATIENCE)
        self.neglected = share * max(self.tol, least) * self.problem.unit

    def step(self, backend):
        """Make one step for each sample."""
        penalty, lipschitz = self.problem.penalty, self.problem.lipschitz
        if not offers(penalty, "prox"):
            penalty = penalty.majorant(self.extrapolated, self.neglected)
            lipschitz += penalty.curvature
        backend.proximal_step(
            self.problem.product(self.extrapolated), self.problem.correlation, self.code,
            self.extrapolated, self.momentum, 1 / lipschitz, penalty,
        )  # fmt: skip

    def measured(self, n_iter):
        """Return the codes as they would be returned now, and their measures."""
        code, eta = self.code, None
        if offers(self.problem.penalty, "settled"):
            code, eta = self._settled()
        return code, self.measure.of(self.problem, code, eta, n_iter)

    def _settled(self):
        """Return settled codes and their eta; codes that the reconstruction needs do not change.

        If the penalty is tiny, `settled` may set entries to zero that hardly change the penalty.
        """
        xp = array_namespace(self.code)
        settled, eta = self.problem.penalty.settled(self.code, self.neglected)
        change = self.code - settled
        if xp.any(_size(change) > NEGLIGIBLE * _size(self.code)):
            growth = xp.sum(change * self.problem.product(change), axis=1) / 2
            settled = xp.where((growth > self.neglected)[:, None], self.code, settled)
        return settled, eta

    def judged(self, n_iter):
        """Return codes, measures, and which samples continue: those that are still improving."""
        xp = array_namespace(self.code)
        code, measure = self.measured(n_iter)
        goes_on = measure > self.tol
        if not offers(self.problem.penalty, "settled"):  # with less smoothing, codes move again
            least = ROUNDING * float(xp.finfo(code.dtype).eps)
            moves = _size(self.code - self.last) > least * _size(self.code)
            goes_on = goes_on & (moves | ~xp.isfinite(measure))
            measure = xp.where(moves, measure, self.measure.at_rest(measure))
            self.last = xp.asarray(self.code, copy=True)
        return code, measure, goes_on

    def rows(self, index):
        """Return the state of some of the samples."""
        xp = array_namespace(self.code)
        part = _Batch(self.problem.rows(index), xp.take(self.code, index, axis=0), self.tol, False)
        part.extrapolated = xp.take(self.extrapolated, index, axis=0)  # a copy, also of the start
        part.last = xp.take(self.last, index, axis=0)
        part.momentum = None if self.momentum is None else xp.take(self.momentum, index)
        part.neglected = xp.take(self.neglected, index)
        part.measure = self.measure.rows(index)
        return part


def _size(rows):
    """Return the largest magnitude of each row."""
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
        Initial codes, overwritten. None starts from zero.
    tol : float
        Value of the measure below which a sample has converged.
    max_iter : int
        Maximum number of steps.
    backend : module
        Module of kernels.

    Returns
    -------
    code : array of shape (n_samples, n_components)
    measure : array of shape (n_samples,)
        Relative duality gap, or decrease of the energy if the penalty has no certificate.
    n_iter : int
    """
    return _steps(problem, start, False, tol, max_iter, backend)


def fista(problem, start=None, *, tol, max_iter, backend):
    """Accelerated proximal gradient steps (Beck & Teboulle 2009) with a restart for each sample.

    Parameters and returns are those of `ista`. The restart is eq. 12 of O'Donoghue & Candes (2015).
    """
    return _steps(problem, start, True, tol, max_iter, backend)
