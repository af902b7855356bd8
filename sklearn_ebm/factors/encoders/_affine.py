"""What all encoders of the form activation(x W + b) share."""

from sklearn_ebm.backends import array_namespace, multiply_into, new_array
from sklearn_ebm.backends.numpy._encoders import chain
from sklearn_ebm.factors.encoders._encoder import UNSCALED, Encoder, placed


class AffineEncoder(Encoder):
    """activation(x W + b) with named parameters; an activation is one subclass.

    A subclass names the kernels of the activation, forwards and backwards; in place of the latter
    it may give the activation's slopes by u = x W + b and, by name, by each parameter of its own,
    `_slopes(preactivation, code)`.

    Parameters
    ----------
    parameters : dict of str to array
        "weights" (n_features, n_components), "bias" (n_components,), and the activation's own,
        one number per component, in the order in which the kernel takes them.
    """

    kernel = backward_kernel = None
    slopes_need_product = True  # whether the tape holds x W: the code alone may tell the slopes
    component_axis = -1  # of the weights

    @classmethod
    def from_dictionary(cls, dictionary, lipschitz, alpha, scale=UNSCALED, **options):
        """First encoder: one ISTA step sh_{alpha/L}(x D' / L), as far as the activation can.

        `options` are those of deeper encoders.
        """
        first = cls._first_parameters(dictionary.T / lipschitz, alpha / lipschitz, scale)
        return cls(first, scale=scale)

    @classmethod
    def _first_parameters(cls, weights, threshold, scale):
        """Those of one ISTA step with these weights and this threshold."""
        xp = array_namespace(weights)
        zero = xp.zeros(weights.shape[cls.component_axis], dtype=weights.dtype)
        first = cls._step(weights, zero, threshold, scale)
        return {**first, "weights": placed(first["weights"])}

    def _product(self, X, backend, room):
        """x W in `room`: `multiply_into`, unless W is a convolution."""
        return multiply_into(X, self.parameters["weights"], room)

    def _weights_gradient(self, X, slope, backend, room):
        """The adjoint with respect to W, in `room`."""
        return multiply_into(X.T, slope, room)

    def _input_gradient(self, slope, backend):
        """The adjoint with respect to X."""
        return slope @ self.parameters["weights"].T

    @property
    def _own(self):
        return {
            name: value
            for name, value in self.parameters.items()
            if name not in ("weights", "bias")
        }

    @property
    def _code_size(self):
        """Numbers in the code of a sample."""
        return self.parameters["bias"].shape[0]

    def _activate(self, product, backend):
        """The activation of x W + b, which takes the place of `product`, x W."""
        activation = getattr(backend, self.kernel)
        activation(self._by_component(product), self.parameters["bias"], *self._own.values())
        return product

    def _by_component(self, code):
        """Rows of one number per component, of what has several rows in each sample."""
        n_components = self.parameters["bias"].shape[0]
        if code.shape[1] == n_components:
            return code
        return array_namespace(code).reshape(code, (-1, n_components))

    def forward(self, x, tape=None, stream=None):
        """Return the codes, shape (n_samples, n_components), by the fused kernel."""
        backend, shape = self._backend_for(x), (x.shape[0], self._code_size)
        if tape is None:
            return self._activate(self._product(x, backend, new_array(shape, x)), backend)
        product = self._product(x, backend, tape.array("code", shape, x))
        kept = None
        if self.slopes_need_product:
            kept = tape.array("product", shape, x)
            kept[...] = product
        code = self._activate(product, backend)
        tape.kept = {"x": x, "code": code, "product": kept, "backend": backend}
        return code

    def _differentiate(self, backend, product, code, gradient, result, sums):
        """The activation's way back; see `sklearn_ebm.backends.numpy.shrink_backward`."""
        parameters = self.parameters["bias"], *self._own.values()
        if self.backward_kernel is not None:
            kernel = getattr(backend, self.backward_kernel)
            return kernel(product, code, gradient, parameters, result, sums)
        preactivation = None if product is None else product + parameters[0]
        slope, own = self._slopes(preactivation, code)
        return chain(slope, [own[name] for name in self._own], gradient, result, sums)

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to x, or None, and to each parameter."""
        x, backend = tape.kept["x"], tape.kept["backend"]
        code, names = tape.kept["code"], ("bias", *self._own)
        slope = tape.array("slope", code.shape, code)
        sums = new_array((len(names), self.parameters["bias"].shape[0]), code)
        product, *rows = (
            None if array is None else self._by_component(array)
            for array in (tape.kept["product"], code, dy)
        )
        self._differentiate(backend, product, *rows, self._by_component(slope), sums)
        gradients = {name: sums[k, ...] for k, name in enumerate(names)}
        room = tape.array("weights", self.parameters["weights"].shape, code)
        gradients["weights"] = self._weights_gradient(x, slope, backend, room)
        return self._input_gradient(slope, backend) if input_gradient else None, gradients
