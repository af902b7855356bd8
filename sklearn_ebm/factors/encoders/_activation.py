"""Activations of encoders: elementwise functions of u = x W + b, with W a matrix or filters."""

from sklearn_ebm.backends import array_namespace, new_array
from sklearn_ebm.backends.numpy._encoders import chain
from sklearn_ebm.factors.encoders._encoder import placed


class Activation:
    """An elementwise function with its own parameters, one number per component.

    A subclass implements `first` and `units`, and names its forward and backward kernels. Without a
    kernel it overrides `apply`; without a backward kernel it implements `slopes`.

    Two methods are optional. ``contraction(code, parameters)`` returns the slope s'(u) as a
    function of the code, its derivative with respect to the code (None if it is zero), and a
    dictionary of its derivatives with respect to own parameters. ``saturation(code)`` returns the
    distance of u from the closest point of slope zero, and its derivative with respect to the code.
    """

    kernel = backward_kernel = None
    slopes_need_product = True  # if False, the slopes follow from the code, and x W is not recorded
    is_linear = False
    apart = ()  # own parameters that are not added to, or compared with, x W

    def first(self, weights, zero, threshold, scale):
        """Return the initial parameters by name, which approximate an ISTA step.

        Parameters
        ----------
        weights : array
            W of the step.
        zero : array of shape (n_components,)
            Zeros.
        threshold : float
            Threshold of the step.
        scale : Scale
            Typical size of data and codes.
        """
        raise NotImplementedError

    def units(self, scale):
        """Return the typical size of each parameter for data and codes of a given scale."""
        raise NotImplementedError

    def apply(self, rows, parameters, backend):
        """Replace rows of x W by the activation of x W + b, in place."""
        kernel = getattr(backend, self.kernel)
        kernel(rows, parameters["bias"], *own_parameters(parameters).values())

    def slopes(self, preactivation, code, parameters):
        """Return the derivatives with respect to u, and to each own parameter by name."""
        raise NotImplementedError

    def differentiate(self, backend, product, code, gradient, parameters, result, sums):
        """Differentiate the activation; see `sklearn_ebm.backends.numpy.shrink_backward`."""
        own = own_parameters(parameters)
        if self.backward_kernel is not None:
            kernel = getattr(backend, self.backward_kernel)
            given = parameters["bias"], *own.values()
            return kernel(product, code, gradient, given, result, sums)
        preactivation = None if product is None else product + parameters["bias"]
        slope, by_own = self.slopes(preactivation, code, parameters)
        return chain(slope, [by_own[name] for name in own], gradient, result, sums)

    def project(self, parameters, scale):
        """Move parameters in place to the nearest allowed values."""


def is_nonzero(code):
    """Return one for entries that differ from zero, and zero for others, in the same dtype."""
    return array_namespace(code).asarray(code != 0, dtype=code.dtype)


def own_parameters(parameters):
    """Return the activation's own parameters, in the order of the kernel's arguments."""
    return {name: value for name, value in parameters.items() if name not in ("weights", "bias")}


def first_parameters(activation, weights, n_components, threshold, scale):
    """Return the initial parameters, which approximate an ISTA step with these weights."""
    zero = array_namespace(weights).zeros(n_components, dtype=weights.dtype)
    first = activation.first(weights, zero, threshold, scale)
    return {**first, "weights": placed(first["weights"])}


class AffineMap:
    """The forward and backward passes of activation(x W + b).

    Parameters
    ----------
    activation : Activation
        Elementwise function.
    linear : object
        W, with `code_size`, `product(x, room)`, `weights_gradient(x, slope, room)` and
        `input_gradient(slope)`.
    parameters : dict of str to array
        "weights", "bias" of shape (n_components,), and the activation's own parameters.
    backend : module
        Module of kernels.
    """

    def __init__(self, activation, linear, parameters, backend):
        self.activation = activation
        self.linear = linear
        self.parameters = parameters
        self.backend = backend

    def codes(self, x, tape=None):
        """Return the codes, one row per sample."""
        shape = x.shape[0], self.linear.code_size
        room = new_array(shape, x) if tape is None else tape.array("code", shape, x)
        code = self.linear.product(x, room)
        if tape is not None:
            tape.kept = {"x": x, "code": code, "product": self._kept(code, tape)}
        self.activation.apply(self._by_component(code), self.parameters, self.backend)
        return code

    def _kept(self, product, tape):
        """Return a copy of x W on the tape if the slopes require it."""
        if not self.activation.slopes_need_product:
            return None
        kept = tape.array("product", product.shape, product)
        kept[...] = product
        return kept

    def _by_component(self, code):
        """Return rows of one number per component; a sample may have several rows."""
        n_components = self.parameters["bias"].shape[0]
        if code.shape[1] == n_components:
            return code
        return array_namespace(code).reshape(code, (-1, n_components))

    def gradients(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to x (or None), and to each parameter."""
        x, code, parameters = tape.kept["x"], tape.kept["code"], self.parameters
        names = "bias", *own_parameters(parameters)
        slope = tape.array("slope", code.shape, code)
        sums = new_array((len(names), parameters["bias"].shape[0]), code)
        product, *rows = (
            None if array is None else self._by_component(array)
            for array in (tape.kept["product"], code, dy)
        )
        self.activation.differentiate(
            self.backend, product, *rows, parameters, self._by_component(slope), sums
        )
        gradients = {name: sums[k, ...] for k, name in enumerate(names)}
        room = tape.array("weights", parameters["weights"].shape, code)
        gradients["weights"] = self.linear.weights_gradient(x, slope, room)
        return self.linear.input_gradient(slope) if input_gradient else None, gradients
