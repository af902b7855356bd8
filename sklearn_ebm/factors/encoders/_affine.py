"""Base class of encoders of the form activation(x W + b)."""

from sklearn_ebm.backends import multiply_into
from sklearn_ebm.factors.encoders._activation import AffineMap, first_parameters
from sklearn_ebm.factors.encoders._encoder import UNSCALED, Encoder


class Matrix:
    """The product x W of rows with a matrix, and its adjoints.

    Parameters
    ----------
    weights : array of shape (n_features, n_components)
        W.
    """

    def __init__(self, weights):
        self.weights = weights
        self.code_size = weights.shape[1]

    def product(self, x, room):
        """Write x W to `room` and return it."""
        return multiply_into(x, self.weights, room)

    def weights_gradient(self, x, slope, room):
        """Write the adjoint with respect to W to `room` and return it."""
        return multiply_into(x.T, slope, room)

    def input_gradient(self, slope):
        """Return the adjoint with respect to x."""
        return slope @ self.weights.T


class AffineEncoder(Encoder):
    """activation(x W + b) with named parameters; a subclass defines the activation.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" (n_features, n_components), "bias" (n_components,), and the activation's own, one
        number per component, in the order of the kernel's arguments.
    """

    @classmethod
    def from_dictionary(cls, dictionary, lipschitz, alpha, scale=UNSCALED, **options):
        """Return an encoder that approximates one ISTA step sh_{alpha/L}(x D' / L).

        `options` are accepted for the sake of deeper encoders.
        """
        weights, n_components = dictionary.T / lipschitz, dictionary.shape[0]
        threshold = alpha / lipschitz
        first = first_parameters(cls.activation, weights, n_components, threshold, scale)
        return cls(first, scale=scale)

    def _map(self, backend):
        matrix = Matrix(self.parameters["weights"])
        return AffineMap(self.activation, matrix, self.parameters, backend)

    def forward(self, x, tape=None, stream=None):
        """Return the codes, shape (n_samples, n_components), computed by the fused kernel."""
        backend = self._backend_for(x)
        code = self._map(backend).codes(x, tape)
        if tape is not None:
            tape.kept["backend"] = backend
        return code

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to x (or None), and to each parameter."""
        return self._map(tape.kept["backend"]).gradients(tape, dy, input_gradient)
