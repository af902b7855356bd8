"""E(x, z) = 1/2 ||x - zD||^2 + penalty(z) + beta/2 ||z - f(x)||^2 and its inference problem."""

from dataclasses import dataclass, replace
from typing import Any

from sklearn_ebm.factors.decoders._linear import half_norm


@dataclass(frozen=True)
class Energy:
    """The sum of a model's factors.

    Attributes
    ----------
    decoder : LinearDecoder or ConvolutionalDecoder
        Gives the reconstruction term.
    penalty : penalty factor
        Has `value`, `prox` and possibly `rule`.
    beta : float, default=0
        Weight of the prediction term; zero leaves it out.
    """

    decoder: Any
    penalty: Any
    beta: float = 0.0

    def on(self, backend):
        """The energy with the products of a backend."""
        return replace(self, decoder=self.decoder.on(backend))

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
        problem : GramProblem, MaskedProblem or ConvolutionalProblem
        """
        if self.beta == 0:
            prediction = None
        return self.decoder.problem(X, self.penalty, prediction, self.beta, mask)

    def value(self, X, code, prediction=None, mask=None):
        """Energy of each sample with its code, shape (n_samples,)."""
        residual = X - self.decoder.decode(code)
        if mask is not None:
            residual = residual * mask
        energy = half_norm(residual) + self.penalty.value(code)
        if prediction is not None and self.beta != 0:
            energy += self.beta * half_norm(code - prediction)
        return energy

    def gradient(self, X, code):
        """Gradient of 1/2 ||x - zD||^2 + penalty(z) with respect to the code, in its shape."""
        slope = self.decoder.correlate(self.decoder.decode(code) - X)
        return slope + self.penalty.gradient(code)
