"""E(x, z) = 1/2 ||x - zD||^2 + penalty(z) + beta/2 ||z - f(x)||^2 and its inference problem."""

import functools
from dataclasses import dataclass
from typing import Any

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.solvers import GramProblem, MaskedProblem


def half_norm(X):
    """1/2 ||x||^2 of each row."""
    xp = array_namespace(X)
    return xp.sum(X * X, axis=1) / 2


@dataclass(frozen=True)
class Energy:
    """The sum of a model's factors.

    Attributes
    ----------
    decoder : LinearDecoder
        Gives the reconstruction term.
    penalty : penalty factor
        Has `value`, `prox` and possibly `rule`.
    beta : float, default=0
        Weight of the prediction term; zero leaves it out.
    """

    decoder: Any
    penalty: Any
    beta: float = 0.0

    def problem(self, X, prediction=None, mask=None):
        """The energy as a function of z, for all rows of X at once.

        The prediction term adds beta I to the Hessian and beta f(x) to the correlations: it is a
        lasso on the data [x, sqrt(beta) f(x)] with the atoms [D, sqrt(beta) I].

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Data; zero where the mask is.
        prediction : array of shape (n_samples, n_components) or None
            f(x).
        mask : array of shape (n_samples, n_features) or None
            One where a feature is observed.

        Returns
        -------
        problem : GramProblem or MaskedProblem
        """
        decoder = self.decoder
        correlation, energy_of_zero = X @ decoder.dictionary.T, half_norm(X)
        if prediction is not None and self.beta != 0:
            correlation += self.beta * prediction
            energy_of_zero += self.beta * half_norm(prediction)
            ridge = self.beta
        else:
            ridge = 0.0
        if mask is not None:
            return MaskedProblem(
                decoder.dictionary, mask, correlation, energy_of_zero, self.penalty,
                lambda: decoder.lipschitz + ridge, ridge,
            )  # fmt: skip
        gram = self._predictive_gram if ridge else decoder.gram
        return GramProblem(
            gram, correlation, energy_of_zero, self.penalty, lambda: decoder.lipschitz + ridge
        )

    @functools.cached_property
    def _predictive_gram(self):
        xp = array_namespace(self.decoder.gram)
        identity = xp.eye(self.decoder.gram.shape[0], dtype=self.decoder.gram.dtype)
        return self.decoder.gram + self.beta * identity

    def value(self, X, code, prediction=None, mask=None):
        """Energy of each sample with its code, shape (n_samples,)."""
        residual = X - code @ self.decoder.dictionary
        if mask is not None:
            residual = residual * mask
        energy = half_norm(residual) + self.penalty.value(code)
        if prediction is not None and self.beta != 0:
            energy += self.beta * half_norm(code - prediction)
        return energy

    def gradient(self, X, code):
        """Gradient of 1/2 ||x - zD||^2 + penalty(z) with respect to the code, in its shape."""
        dictionary = self.decoder.dictionary
        return (code @ dictionary - X) @ dictionary.T + self.penalty.gradient(code)
