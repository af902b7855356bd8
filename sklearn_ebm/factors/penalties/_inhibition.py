"""Lateral inhibition: alpha/2 |z| S |z|', with strengths S_ij >= 0.

For any two codes z and y, let a = |z|, and let s be the largest eigenvalue of S. Then

    a_z S a_z' <= a_y S a_y' + 2 (a_z - a_y) S a_y' + s ||a_z - a_y||^2
    ||a_z - a_y|| <= ||z - y||

A weighted L1 norm with the thresholds alpha |y| S, plus a square of curvature alpha s, is therefore
a majorant of the penalty that touches it at y. A proximal step on it, of length 1 / L with
L = eig(DD') + alpha s, never increases the energy (majorisation-minimisation).
"""

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.backends._inhibition import InhibitionRule
from sklearn_ebm.factors.penalties._strengths import checked_strength, projected_strength

LEARNING_RATE = 0.01  # change of S in a step, relative to `largest`, for a pair of mean activity


@stored
class Inhibition:
    """alpha/2 |z| S |z|' as a factor of an energy; not convex.

    Parameters
    ----------
    alpha : float
        Weight of the penalty.
    strength : ndarray of shape (n_components, n_components)
        S.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    """

    name = "InhibitionPenalty"
    convex = False
    separable = False
    kept: tuple[str, ...] = ("alpha", "strength", "positive")  # parameters

    def __init__(self, alpha, strength, positive=False):
        self.alpha = alpha
        self.strength = strength
        self.positive = positive
        self._casts = {}

    def __getstate__(self):
        return {name: vars(self)[name] for name in self.kept}

    def __setstate__(self, state):
        self.__init__(**state)

    def _weighted(self, like):
        """Return alpha S in the dtype and on the device of an array."""
        xp = array_namespace(like)
        key = xp.__name__, str(like.dtype)
        if key not in self._casts:
            self._casts[key] = self.alpha * xp.asarray(self.strength, dtype=like.dtype)
        return self._casts[key]

    def _thresholds(self, code):
        """Return alpha |z| S, the threshold of each component."""
        return array_namespace(code).abs(code) @ self._weighted(code)

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        xp = array_namespace(code)
        return xp.sum(xp.abs(code) * self._thresholds(code), axis=1) / 2

    def gradient(self, code):
        """Return alpha sign(z) (|z| S)', in the shape of the code; zero at z = 0."""
        return array_namespace(code).sign(code) * self._thresholds(code)

    def inhibition_rule(self, like):
        """Return the strengths for kernels, in the dtype and on the device of an array."""
        return InhibitionRule(self._weighted(like), self.positive)

    def majorant(self, code, neglected):
        """Return the weighted L1 norm and the square that touch the penalty at a code.

        Parameters
        ----------
        code : array of shape (n_samples, n_components)
            Codes at which they touch the penalty.
        neglected : array of shape (n_samples,)
            Ignored, since nothing is smoothed.

        Returns
        -------
        InhibitionMajorant
            Contains the proximal operator of the norm, and the curvature of the square.
        """
        if "curvature" not in self._casts:
            largest = float(np.linalg.eigvalsh(self.strength)[-1])
            self._casts["curvature"] = self.alpha * max(0.0, largest)
        return InhibitionMajorant(self._thresholds(code), self._casts["curvature"], self.positive)


@stored
class LearnedInhibition(Inhibition):
    """alpha/2 |z| S |z|' with a matrix S that the model learns.

    For given codes, the penalty is lowest if pairs that are often active together have no strength.
    The entries of S are limited, and so are its row sums, since S = 0 would be best otherwise.

    Parameters
    ----------
    alpha, strength, positive
        As in `Inhibition`.
    total : float
        Sum of each row of S.
    largest : float
        Upper bound of the entries.
    """

    kept = (*Inhibition.kept, "total", "largest")

    def __init__(self, alpha, strength, positive, total, largest):
        super().__init__(alpha, strength, positive)
        self.total = total
        self.largest = largest

    @property
    def learned(self):
        """The current S."""
        return self.strength

    def with_learned(self, strength):
        """Return the penalty with another S, the fitted attribute `inhibition_`."""
        return self._with(checked_strength(strength, len(self.strength), "inhibition_"))

    def _with(self, strength):
        return LearnedInhibition(self.alpha, strength, self.positive, self.total, self.largest)

    def moment(self, code, weight):
        """Return sum_n weight_n |z_n|'|z_n|, the use of pairs of components."""
        size = array_namespace(code).abs(code)
        return (size * weight[:, None]).T @ size

    def updated(self, moment):
        """Return the penalty after a projected gradient step on S, given a moment of codes.

        The step does not depend on the scale of the codes.
        """
        moment = np.asarray(to_host(moment), dtype=np.float64)
        n_components = len(moment)
        mean = (moment.sum() - np.trace(moment)) / max(1, n_components * (n_components - 1))
        if not mean > 0:  # no two components are active together
            return self
        step = LEARNING_RATE * self.largest * (moment / mean)
        strength = self.strength - (step + step.T) / 2
        return self._with(projected_strength(strength, self.total, self.largest))


class InhibitionMajorant:
    """sum_j t_j |z_j| + curvature/2 ||z - y||^2, where `prox` handles the first term.

    Parameters
    ----------
    thresholds : array of shape (n_samples, n_components)
        t.
    curvature : float
        Weight of the squared distance.
    positive : bool
        Whether codes are constrained to be non-negative.
    """

    def __init__(self, thresholds, curvature, positive):
        self.thresholds = thresholds
        self.curvature = curvature
        self.positive = positive

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size sum_j t_j |z_j|, elementwise."""
        xp = array_namespace(code)
        thresholds = step_size * self.thresholds
        if self.positive:
            return xp.maximum(code - thresholds, xp.zeros_like(code))
        return xp.sign(code) * xp.maximum(xp.abs(code) - thresholds, xp.zeros_like(code))
