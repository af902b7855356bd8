"""The factor alpha P(z) of a user's penalty P, with an optional constraint to z >= 0."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.protocols import offers


@stored
class WeightedPenalty:
    """alpha P(z), optionally constrained to z >= 0.

    If P is separable and convex with a minimum at zero, the proximal operator on z >= 0 is the
    positive part of the unconstrained operator, and the conjugate and the dual norm are evaluated
    at max(q, 0).

    Results are cast to the dtype of the code. Methods that P lacks are None.

    Parameters
    ----------
    penalty : Penalty
        P, with `value`, and `prox` or `majorant`.
    alpha : float
        Weight of the penalty.
    positive : bool, default=False
        Whether codes are non-negative. Requires a separable convex penalty with `prox`.

    Raises
    ------
    ValueError
        If `positive` is True and the penalty does not support it.
    """

    def __init__(self, penalty, alpha, positive=False):
        self.penalty = penalty
        self.alpha = alpha
        self.positive = positive
        if positive and not (self.separable and self.convex and offers(penalty, "prox")):
            raise ValueError(
                "positive=True requires a convex penalty with `prox` that declares separable=True; "
                f"{self.name} is not such a penalty. Set positive=False and enforce the constraint "
                "in `prox`."
            )

    @property
    def name(self):
        """Name of the penalty in error messages."""
        return type(self.penalty).__name__

    @property
    def convex(self):
        """Whether P is convex; True unless P declares otherwise."""
        return bool(getattr(self.penalty, "convex", True))

    @property
    def separable(self):
        """Whether P is a sum over components; None if P does not declare it."""
        return getattr(self.penalty, "separable", None)

    def value(self, code):
        """Return alpha P of each row, shape (n_samples,)."""
        value = self._checked(self.penalty.value(code), code, "value", code.shape[:1])
        return self.alpha * value

    @property
    def prox(self):
        """The proximal operator of step_size alpha P."""
        return self._prox if offers(self.penalty, "prox") else None

    def _prox(self, code, step_size):
        result = self.penalty.prox(code, step_size * self.alpha)
        return self._feasible(self._checked(result, code, "prox", code.shape))

    def _checked(self, result, code, method, shape):
        """Return the result of a method in the dtype of the code, or raise a ValueError."""
        xp, result = array_namespace(code), _cast(result, code)
        if result.shape != shape:
            raise ValueError(
                f"{self.name}.{method} must return an array of shape {shape} for codes of shape "
                f"{code.shape}, got {result.shape}."
            )
        if bool(xp.isnan(xp.sum(result))) and not bool(xp.isnan(xp.sum(code))):
            raise ValueError(f"{self.name}.{method} returned NaN for codes without NaN.")
        return result

    @property
    def majorant(self):
        """A function that maps a code to a majorant of alpha P."""
        return self._majorant if offers(self.penalty, "majorant") else None

    def _majorant(self, code, neglected):
        return WeightedMajorant(self.penalty.majorant(code, neglected / self.alpha), self.alpha)

    @property
    def gradient(self):
        """A subgradient of alpha P."""
        return self._gradient if offers(self.penalty, "gradient") else None

    def _gradient(self, code):
        gradient = self._checked(self.penalty.gradient(code), code, "gradient", code.shape)
        return self.alpha * gradient

    @property
    def dual_norm(self):
        """The dual norm of each row, divided by alpha."""
        return self._dual_norm if offers(self.penalty, "dual_norm") else None

    def _dual_norm(self, correlation, code=None, eta=None):
        norm = self.penalty.dual_norm(self._feasible(correlation))
        norm = self._checked(norm, correlation, "dual_norm", correlation.shape[:1])
        if bool((norm < 0).any()):
            raise ValueError(f"{self.name}.dual_norm returned negative values.")
        return norm / self.alpha

    @property
    def conjugate(self):
        """The conjugate alpha P*(q / alpha) of each row."""
        return self._conjugate if offers(self.penalty, "conjugate") else None

    def _conjugate(self, correlation):
        conjugate = self.penalty.conjugate(self._feasible(correlation) / self.alpha)
        shape = correlation.shape[:1]
        return self.alpha * self._checked(conjugate, correlation, "conjugate", shape)

    def _feasible(self, code):
        xp = array_namespace(code)
        return xp.maximum(code, xp.zeros_like(code)) if self.positive else code


class WeightedMajorant:
    """alpha times a majorant.

    Parameters
    ----------
    majorant : penalty with `prox` and `curvature`
        Majorant of P.
    alpha : float
        Weight of the penalty.
    """

    def __init__(self, majorant, alpha):
        self.majorant = majorant
        self.alpha = alpha

    @property
    def curvature(self):
        """Weight of the squared distance that `prox` does not include."""
        return self.alpha * self.majorant.curvature

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size * majorant(z)."""
        return _cast(self.majorant.prox(code, step_size * self.alpha), code)


def _cast(values, like):
    """Return the values in the dtype of an array, without a copy if they already have it."""
    return array_namespace(like).asarray(values, dtype=like.dtype)
