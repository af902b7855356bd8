"""Feature-sign search, one sample after another: the reference for the fused active set."""

import numpy as np

from sklearn_ebm.backends._certificate import lasso_gap

SPAN = 1e-14  # pivots up to this relative size may be rounding errors: the atom is in the span
MOST_STRIKES = 3  # maximum number of attempts of an atom that do not decrease the energy
NO_GAIN = 1e-14  # share of 1/2 ||x||^2; smaller decreases of the energy may be rounding errors


def active_set(lasso, code, tol, max_iter, warm=True):
    """Minimise on a growing support, in place, by `feature_sign` from zero or from `code`.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and penalty rule.
    code : ndarray of shape (n_samples, n_components)
        Initial codes if `warm`; replaced by the solution.
    tol : float
        Relative duality gap below which a row has converged.
    max_iter : int
        Maximum number of atoms that join the support.
    warm : bool, default=True
        Whether to start from `code` instead of zero.

    Returns
    -------
    gap : ndarray of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Largest number of rounds of a sample.
    """
    if not warm:
        code[...] = 0
    return feature_sign(lasso, code, tol, max_iter)


def active_set_path(lasso, thresholds, ridges, code, tol, max_iter):
    """Minimise for decreasing thresholds, each from the code of the previous one.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and a penalty rule, whose threshold is
        replaced.
    thresholds : array-like of shape (n_thresholds,)
        Decreasing thresholds.
    ridges : array-like of shape (n_thresholds,)
        Number that is added to the diagonal of the Gram matrix for each threshold. They must not
        increase.
    code : ndarray of shape (n_thresholds, n_samples, n_components)
        Receives the codes.
    tol : float
        Relative duality gap below which a row has converged.
    max_iter : int
        Maximum number of atoms that join the support for one threshold.

    Returns
    -------
    gap : ndarray of shape (n_thresholds, n_samples)
        Relative duality gap.
    n_iter : ndarray of shape (n_thresholds,)
        Largest number of rounds of a sample.
    """
    gap, n_iter = np.empty(code.shape[:2], code.dtype), np.zeros(len(thresholds), int)
    code[0], identity = 0, np.eye(code.shape[2], dtype=code.dtype)
    for k, (threshold, ridge) in enumerate(zip(thresholds, ridges, strict=True)):
        code[k] = code[max(k - 1, 0)]
        rule = lasso.rule._replace(threshold=code.dtype.type(threshold))
        own = lasso._replace(gram=lasso.gram + code.dtype.type(ridge) * identity, rule=rule)
        gap[k], n_iter[k] = feature_sign(own, code[k], tol, max_iter)
    return gap, n_iter


def feature_sign(lasso, code, tol, max_iter):
    """Add one atom after another to the support, in place, until all optimality conditions hold.

    A step to the minimum on the support ends at the first sign change (Lee et al. 2007, algorithm
    1). If an atom is in the span of the support, it replaces one of the atoms: the energy has no
    curvature along the direction that replaces them, and the step ends when the first of their
    coefficients is zero. An atom is excluded after three attempts that did not decrease the energy.
    Therefore, the search ends for any dictionary. A start with nearly dependent atoms may lose all
    accuracy: if it has no certificate, the search restarts from zero.

    Parameters
    ----------
    lasso : Lasso
        Gram matrix, correlations, half squared norms and penalty rule.
    code : ndarray of shape (n_samples, n_components)
        Initial codes, replaced by the solution.
    tol : float
        Relative duality gap below which a row has converged.
    max_iter : int
        Maximum number of attempts to add an atom.

    Returns
    -------
    gap : ndarray of shape (n_samples,)
        Relative duality gap.
    n_iter : int
        Largest number of attempts of a sample.
    """
    double = lasso._replace(
        gram=lasso.gram.astype(float), correlation=lasso.correlation.astype(float)
    )
    attempts = [0]
    for n in range(code.shape[0]):
        row = double.row(n)
        for start in (code[n], np.zeros_like(code[n])):
            search = _Search(row, start)
            attempts.append(search.run(tol, max_iter))
            gap = lasso_gap(row, search.code[None])[0]
            if gap <= tol or not start.any() or attempts[-1] >= max_iter:
                break
        code[n] = search.code
    return lasso_gap(lasso, code), max(attempts)


class _Search:
    """The code of one sample, its support, and the atoms that are excluded."""

    def __init__(self, lasso, start):
        self.lasso = lasso
        self.code = np.zeros(len(start))
        self.sign = np.zeros(len(start))
        self.support = []
        self.strikes = np.zeros(len(start), int)
        self.is_barred = np.zeros(len(start), bool)
        for atom in np.flatnonzero(start):
            if not self.is_in_span(atom):
                self.join(atom, float(start[atom]), np.sign(start[atom]))

    @property
    def correlation(self):
        """The residual correlation q = c - z H."""
        return self.lasso.correlation[0] - self.code @ self.lasso.gram

    @property
    def hessian(self):
        return self.lasso.gram[np.ix_(self.support, self.support)]

    def limit(self, atoms):
        """Return the largest |q_j| of some atoms at the optimum."""
        return self.lasso.rule.at(atoms).threshold

    def run(self, tol, max_iter):
        """Add atoms until the gap is small or no atom is left; return the number of attempts."""
        self.settle()
        was_stuck = False
        for n_iter in range(max_iter + 1):
            atom = self.strongest_violator()
            if lasso_gap(self.lasso, self.code[None])[0] <= tol or n_iter == max_iter:
                return n_iter
            if atom is None:
                if was_stuck:
                    return n_iter
                self.is_barred = self.strikes >= MOST_STRIKES
                was_stuck = True
                continue
            gain = self.attempt(atom)
            was_stuck = False
            if gain > NO_GAIN * self.lasso.half_norm[0]:
                self.is_barred = self.strikes >= MOST_STRIKES
            else:
                self.strikes[atom] += 1
                self.is_barred[atom] = True
        return max_iter

    def strongest_violator(self):
        """Return the free atom that violates |q_j| <= alpha most, or None."""
        strength = self.lasso.rule.dual_magnitude(self.correlation)
        strength = np.where(self.is_barred, 0, strength)
        strength[self.support] = 0
        atom = int(np.argmax(strength))
        return atom if strength[atom] > self.lasso.rule.threshold else None

    def join(self, atom, value, sign):
        self.support.append(int(atom))
        self.code[atom], self.sign[atom] = value, sign

    def leave(self, atom):
        self.support.remove(atom)
        self.code[atom] = self.sign[atom] = 0

    def replacement(self, atom):
        """Return the weights of the support that best approximate an atom, and the residual."""
        correlation = self.lasso.gram[self.support, atom]
        weights = np.linalg.solve(self.hessian, correlation)
        return weights, self.lasso.gram[atom, atom] - weights @ correlation

    def is_in_span(self, atom):
        weights, pivot = self.replacement(atom)
        norms = np.sqrt(np.diag(self.lasso.gram))
        return pivot <= SPAN * (norms[atom] + abs(weights) @ norms[self.support]) ** 2

    def attempt(self, atom):
        """Add an atom, replacing others if necessary; return the decrease of the energy."""
        q = self.correlation[atom]
        sign, violation = np.sign(q), abs(q) - self.limit(atom)
        value = gain = 0.0
        while self.is_in_span(atom):
            weights, pivot = self.replacement(atom)
            length, blocking = self.crossing(-sign * weights)
            lowers = length * (violation - max(pivot, 0) * length / 2)
            if blocking is None or not lowers > 0:
                return 0.0
            self.code[self.support] -= length * sign * weights
            self.leave(blocking)
            value, gain = value + length * sign, gain + lowers
        self.join(atom, value, sign)
        return gain + self.settle()

    def crossing(self, step):
        """Return the step length to the first zero of a coefficient, and the atom."""
        value, sign = self.code[self.support], self.sign[self.support]
        falls = step * sign < 0
        if not falls.any():
            return 0.0, None
        lengths = np.where(
            falls, np.maximum(value * sign, 0) / np.where(falls, abs(step), 1), np.inf
        )
        first = int(np.argmin(lengths))
        return lengths[first], self.support[first]

    def settle(self):
        """Move to the minimum for the signs of the support; return the decrease of the energy."""
        gain = 0.0
        while self.support:
            sign = self.sign[self.support]
            slope = self.correlation[self.support] - self.limit(self.support) * sign
            step = np.linalg.solve(self.hessian, slope)
            length, blocking = self.crossing(step)
            is_last = blocking is None or length > 1
            length = 1.0 if is_last else length
            self.code[self.support] += length * step
            gain += length * (1 - length / 2) * (slope @ step)
            if is_last:
                break
            self.leave(blocking)
        return gain
