"""What all encoders of the form activation(x W + b) share."""

from sklearn_ebm.backends import array_namespace, multiply_into
from sklearn_ebm.factors.encoders._encoder import Encoder, Tape, placed, resolve


class AffineEncoder(Encoder):
    """activation(x W + b) with named parameters; an activation is one subclass.

    A subclass names its fused kernel and gives the activation's slopes.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" (n_features, n_components), "bias" (n_components,), and the activation's own,
        one number per component, in the order in which the kernel takes them.
    """

    kernel = None
    slopes_need_product = True  # whether the tape holds x W: the code alone may tell the slopes

    @classmethod
    def from_dictionary(cls, dictionary, lipschitz, alpha, **options):
        """First encoder: one ISTA step sh_{alpha/L}(x D' / L), as far as the activation can.

        `options` are those of deeper encoders.
        """
        xp = array_namespace(dictionary)
        weights = placed(dictionary.T / lipschitz)
        bias = xp.zeros(dictionary.shape[0], dtype=dictionary.dtype)
        own = cls._first_parameters(bias, lipschitz, alpha)
        return cls({"weights": weights, "bias": bias, **own})

    @property
    def _own(self):
        return {
            name: value
            for name, value in self.parameters.items()
            if name not in ("weights", "bias")
        }

    def encode(self, X, backend=None):
        """Codes f(X), shape (n_samples, n_components), by the fused kernel."""
        return self._activate(X @ self.parameters["weights"], X, backend)

    def _activate(self, product, X, backend):
        """The activation of x W + b, which takes the place of `product`, x W."""
        activation = getattr(resolve(backend, X), self.kernel)
        return activation(product, self.parameters["bias"], *self._own.values())

    def forward(self, X, backend=None, tape=None):
        """Codes and the tape that `backward` reads."""
        tape = Tape() if tape is None else tape
        weights = self.parameters["weights"]
        shape = (X.shape[0], weights.shape[1])
        product = multiply_into(X, weights, tape.array("code", shape, X))
        kept = None
        if self.slopes_need_product:
            kept = tape.array("product", shape, X)
            kept[...] = product
        code = self._activate(product, X, backend)
        tape.kept = {"X": X, "code": code, "product": kept}
        return code, tape

    def backward(self, tape, code_gradient, input_gradient=True):
        """Gradient of a loss with respect to X (or None) and to each parameter, from the code's."""
        X, code, product = (tape.kept[name] for name in ("X", "code", "product"))
        xp, weights = array_namespace(code), self.parameters["weights"]
        preactivation = None if product is None else product + self.parameters["bias"]
        slope, own = self._slopes(preactivation, code)
        slope *= code_gradient
        by_weights = tape.array("weights", weights.shape, code)
        gradients = {
            "weights": multiply_into(X.T, slope, by_weights),
            "bias": xp.sum(slope, axis=0),
        }
        for name, derivative in own.items():
            gradients[name] = xp.sum(code_gradient * derivative, axis=0)
        return slope @ weights.T if input_gradient else None, gradients
