"""E(x, z) = 1/2 ||x - zD||^2 + penalty(z) + beta/2 ||z - f(x)||^2 and its inference problem."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, in_type
from sklearn_ebm.factors._tape import Tape
from sklearn_ebm.factors.decoders._linear import half_norm
from sklearn_ebm.factors.penalties._ridge import without_ridge
from sklearn_ebm.factors.problems import JointProblem, Source
from sklearn_ebm.protocols import offers, rows_of


@stored
@dataclass(frozen=True)
class SparseEnergy:
    """The sum of reconstruction, penalty and prediction terms.

    All methods accept a mask of observed features, and the prediction f(x) if the caller has
    computed it. Otherwise, the encoder computes the prediction. `problem`, `value` and `gradient`
    accept sparse X, without a mask.

    Attributes
    ----------
    decoder : LinearDecoder or ConvolutionalDecoder
        Defines the reconstruction term.
    penalty : penalty factor
        Provides `value`, `prox` and optionally `rule`.
    beta : float, default=0
        Weight of the prediction term; zero omits it.
    encoder : encoder factor or None, default=None
        f. With None, the energy has a prediction term only if the caller passes a prediction.
    """

    decoder: Any
    penalty: Any
    beta: float = 0.0
    encoder: Any = None

    @classmethod
    def of(cls, decoder, penalty, beta=0.0):
        """Return the energy of a decoder, with a penalty that may depend on the shape of maps."""
        if offers(penalty, "on_map"):
            penalty = penalty.on_map(decoder.map_shape[:2])
        return cls(decoder, penalty, beta)

    @property
    def parameters(self):
        """Parameters of the decoder and of the encoder, by name."""
        own = {f"encoder_{name}": value for name, value in self._encoder_parameters.items()}
        return {**self.decoder.parameters, **own}

    @property
    def _encoder_parameters(self):
        return self.encoder.parameters if self._predicts else {}

    @property
    def _predicts(self):
        """Whether the energy has its own prediction term."""
        return self.beta != 0 and self.encoder is not None

    def on(self, backend):
        """Return the energy with the products of a backend."""
        encoder = None if self.encoder is None else self.encoder.on(backend)
        return replace(self, decoder=self.decoder.on(backend), encoder=encoder)

    def rows(self, index):
        """Return the energy of some of the samples."""
        return replace(self, penalty=rows_of(self.penalty, index))

    def problem(self, X, prediction=None, mask=None, group_size=None, tape=None):
        """Return the energy as a function of z, for all rows of X at once.

        The prediction term adds beta I to the Hessian and beta f(x) to the correlations. It is thus
        a lasso with the data [x, sqrt(beta) f(x)] and the atoms [D, sqrt(beta) I]. A quadratic part
        of the penalty, ridge/2 ||z||^2, is such a term with f(x) = 0.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Data. Unobserved entries are zero.
        prediction : array of shape (n_samples, n_components) or None
            f(x).
        mask : array of shape (n_samples, n_features) or None
            1 for observed features, else 0.
        group_size : int or None, default=None
            Number of consecutive samples that share a support. None is for penalties of samples, or
            of as many consecutive samples as the penalty specifies.
        tape : Tape or None, default=None
            Memory that the problem may use. The next problem overwrites it.

        Returns
        -------
        problem : GramProblem, MaskedProblem, JointProblem or ConvolutionalProblem
        """
        prediction = self._prediction(X, prediction)
        penalty, ridge = without_ridge(self.penalty)
        source = Source.of(self.decoder, X, prediction, self.beta, mask, ridge)
        problem = source.problem(penalty, tape=tape)
        group_size = self.group_size if group_size is None else group_size
        return problem if group_size is None else JointProblem(problem, group_size)

    @property
    def group_size(self):
        """Number of consecutive samples that have one penalty; None for penalties of samples."""
        return getattr(self.penalty, "group_size", None)

    def _prediction(self, X, prediction):
        """Return f(x) if the energy has a prediction term, else None."""
        if self.beta == 0:
            return None
        if prediction is None and self.encoder is not None:
            return self.encoder.forward(X)
        return prediction

    def value(self, x, z, prediction=None, mask=None):
        """Return the energy of each sample with its code, shape (n_samples,).

        If the penalty is one of groups of samples, the energies are those of groups.
        """
        prediction = self._prediction(x, prediction)
        if sparse.issparse(x):
            return self._value_of_sparse(x, z, prediction)
        energy = half_norm(self._residual(x, z, mask))
        if prediction is not None:
            energy += self.beta * half_norm(z - prediction)
        if self.group_size is not None:
            xp = array_namespace(energy)
            energy = xp.sum(xp.reshape(energy, (-1, self.group_size)), axis=1)
        return energy + self.penalty.value(z)

    def _value_of_sparse(self, x, z, prediction):
        """Return the energies from products with D, which cancel and need double precision."""
        energy = replace(self, decoder=self.decoder.astype(np.float64))
        prediction = None if prediction is None else in_type(prediction, np.float64)
        problem = energy.problem(in_type(x, np.float64), prediction)
        rows = array_namespace(z).reshape(z, (-1, problem.size * z.shape[1]))
        return in_type(problem.energy(in_type(rows, np.float64)), x.dtype)

    def _residual(self, x, z, mask):
        residual = x - self.decoder.decode(z)
        return residual if mask is None else residual * mask

    def gradient(self, X, code, mask=None):
        """Return the gradient of 1/2 ||x - zD||^2 + penalty(z) with respect to the code."""
        if sparse.issparse(X):
            slope = code @ self.decoder.gram - self.decoder.correlate(X)
            return slope + self.penalty.gradient(code)
        error = self.decoder.decode(code) - X
        slope = self.decoder.correlate(error if mask is None else error * mask)
        return slope + self.penalty.gradient(code)

    def input_gradient(self, x, z, mask=None):
        """Return mask (x - zD) + beta J' (f(x) - z) for each sample, with J the Jacobian of f.

        It is the gradient of E(x, z) with respect to x and, if z is optimal, also of F(x), since
        the energy is stationary in the optimal code (envelope theorem).
        """
        gradient = self._residual(x, z, mask)
        if self._predicts:
            tape = Tape()
            error = self.beta * (self.encoder.forward(x, tape) - z)
            gradient = gradient + self.encoder.backward(tape, error)[0]
        return gradient

    def parameter_gradients(self, x, z, weight, mask=None):
        """Return the gradients of sum_n weight_n E(x_n, z_n), by the names of `parameters`."""
        weight, tape = weight[:, None], Tape()
        self.decoder.forward(z, tape)
        error = -weight * self._residual(x, z, mask)
        _, gradients = self.decoder.backward(tape, error, input_gradient=False)
        if self._predicts:
            tape = Tape()
            error = self.beta * weight * (self.encoder.forward(x, tape) - z)
            _, own = self.encoder.backward(tape, error, input_gradient=False)
            gradients |= {f"encoder_{name}": gradient for name, gradient in own.items()}
        return gradients
