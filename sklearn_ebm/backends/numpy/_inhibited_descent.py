"""Coordinate descent for lateral inhibition in Gram form, vectorised over the rows of a batch."""

from sklearn_ebm.backends._inhibition import extrapolated, stationarity
from sklearn_ebm.backends._namespace import array_namespace, copied, diagonal
from sklearn_ebm.backends._rules import positive_or_one

GREEDY_STEPS = 30  # a few large coefficients determine which minimum the sweeps reach
INNER_SWEEPS = 8  # over the non-zero coordinates, after each sweep over all coordinates


def inhibited_descent(lasso, code, tol, max_iter):
    """Minimise over one coordinate after another, in place, until codes are stationary.

    With the other coordinates fixed, the energy of z_j is that of a lasso with the threshold
    (|z| S)_j, and its minimum has a closed form. The first steps are greedy: each changes the
    coordinate that decreases the energy most. Rounds of cyclic sweeps follow, each with a step
    along the change of the round (`sklearn_ebm.backends._inhibition.extrapolated`). No step
    increases the energy.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and an `InhibitionRule`.
    code : array of shape (n_samples, n_components)
        Initial codes, replaced by the solution.
    tol : float
        Stationarity below which a row has converged; see `sklearn_ebm.backends._inhibition`.
    max_iter : int
        Maximum number of sweeps.

    Returns
    -------
    stationarity : array of shape (n_samples,)
        Largest violation of the first-order conditions over max_j |c_j|.
    n_iter : int
        Number of sweeps.
    """
    descent = _Descent(lasso, code)
    for _ in range(GREEDY_STEPS):
        descent.greedy_step()
    n_iter = 0
    while True:
        descent.refresh()
        measure = stationarity(lasso, code, descent.correlation, descent.threshold)
        is_late = measure > tol
        if n_iter >= max_iter or not bool(array_namespace(code).any(is_late)):
            return measure, n_iter
        sweeps = min(1 + INNER_SWEEPS, max_iter - n_iter)
        before = copied(code)
        for sweep in range(sweeps):
            descent.sweep(is_late, everything=sweep == 0)
        code[...] = extrapolated(lasso, code, before)
        n_iter += sweeps


class _Descent:
    """The codes of a batch, with updated q = c - z H and t = |z| S."""

    def __init__(self, lasso, code):
        xp = array_namespace(code)
        self.lasso = lasso
        self.code = code
        squares = diagonal(lasso.gram)
        self.has_norm = squares > 0
        self.curvature = positive_or_one(squares)
        self.root = xp.sqrt(xp.where(self.has_norm, squares, xp.zeros_like(squares)))
        self.refresh()

    def refresh(self):
        """Recompute q and t, which accumulate rounding errors."""
        code = self.code
        self.correlation = self.lasso.correlation - code @ self.lasso.gram
        self.threshold = array_namespace(code).abs(code) @ self.lasso.rule.strength

    def minimum(self, j=slice(None)):
        """Return the minimum over coordinate j, or over each coordinate alone."""
        xp, threshold = array_namespace(self.code), self.threshold[:, j]
        wished = self.correlation[:, j] + self.curvature[j] * self.code[:, j]
        threshold = xp.maximum(threshold, xp.zeros_like(threshold))
        updated = self.lasso.rule.prox(wished, threshold) / self.curvature[j]
        # an atom of norm zero has no effect
        return xp.where(self.has_norm[j], updated, xp.zeros_like(updated))

    def greedy_step(self):
        """Make the step that decreases the energy most in each row."""
        xp, lasso, code = array_namespace(self.code), self.lasso, self.code
        wished = self.minimum()
        best = xp.argmax(xp.abs(wished - code) * self.root[None, :], axis=1)
        value = xp.take_along_axis(wished, best[:, None], axis=1)
        before = xp.take_along_axis(code, best[:, None], axis=1)
        self.correlation -= (value - before) * xp.take(lasso.gram, best, axis=0)
        growth = xp.abs(value) - xp.abs(before)
        self.threshold += growth * xp.take(lasso.rule.strength, best, axis=0)
        is_best = xp.arange(code.shape[1])[None, :] == best[:, None]
        code[...] = xp.where(is_best, value, code)

    def sweep(self, is_late, everything):
        """Minimise over all coordinates, or over the non-zero ones, of some rows."""
        xp, lasso, code = array_namespace(self.code), self.lasso, self.code
        for j in range(code.shape[1]):
            before = code[:, j]
            moves = is_late if everything else is_late & (before != 0)
            if not bool(xp.any(moves)):
                continue
            updated = xp.where(moves, self.minimum(j), before)
            growth = xp.abs(updated) - xp.abs(before)
            self.correlation -= (updated - before)[:, None] * lasso.gram[j, :][None, :]
            self.threshold += growth[:, None] * lasso.rule.strength[j, :][None, :]
            code[:, j] = updated
