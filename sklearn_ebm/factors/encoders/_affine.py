"""What all encoders of the form activation(x W + b) share."""

from sklearn_ebm.backends import array_namespace, resolve_backend


class AffineEncoder:
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

    def __init__(self, parameters):
        self.parameters = parameters

    @classmethod
    def from_dictionary(cls, dictionary, lipschitz, alpha):
        """First encoder: one ISTA step sh_{alpha/L}(x D' / L), as far as the activation can."""
        xp = array_namespace(dictionary)
        n_components, n_features = dictionary.shape
        weights = xp.empty((n_features, n_components), dtype=dictionary.dtype)
        weights[...] = dictionary.T / lipschitz  # rows, not columns, lie together
        bias = xp.zeros(n_components, dtype=dictionary.dtype)
        own = cls._first_parameters(bias, lipschitz, alpha)
        return cls({"weights": weights, "bias": bias, **own})

    @property
    def filters(self):
        """What each component looks for, shape (n_components, n_features)."""
        return self.parameters["weights"].T

    @property
    def _own(self):
        return {
            name: value
            for name, value in self.parameters.items()
            if name not in ("weights", "bias")
        }

    def astype(self, dtype):
        """The encoder with parameters of this type; itself where they are."""
        if self.parameters["weights"].dtype == dtype:
            return self
        xp = array_namespace(self.parameters["weights"])
        return type(self)({k: xp.asarray(v, dtype=dtype) for k, v in self.parameters.items()})

    def encode(self, X, backend=None):
        """Codes f(X), shape (n_samples, n_components), by the fused kernel."""
        return self._activate(X @ self.parameters["weights"], X, backend)

    def _activate(self, product, X, backend):
        """The activation of x W + b, which takes the place of `product`, x W."""
        backend = resolve_backend("auto", X) if backend is None else backend
        activation = getattr(backend, self.kernel)
        return activation(product, self.parameters["bias"], *self._own.values())

    def forward(self, X, backend=None):
        """Codes and the tape that `backward` reads."""
        product = X @ self.parameters["weights"]
        kept = array_namespace(X).asarray(product, copy=True) if self.slopes_need_product else None
        code = self._activate(product, X, backend)
        return code, (X, code, kept)

    def backward(self, tape, code_gradient, input_gradient=True):
        """Gradient of a loss with respect to X (or None) and to each parameter, from the code's."""
        X, code, product = tape
        xp = array_namespace(code)
        preactivation = None if product is None else product + self.parameters["bias"]
        slope, own = self._slopes(preactivation, code)
        preactivation_gradient = code_gradient * slope
        gradients = {
            "weights": X.T @ preactivation_gradient,
            "bias": xp.sum(preactivation_gradient, axis=0),
        }
        for name, derivative in own.items():
            gradients[name] = xp.sum(code_gradient * derivative, axis=0)
        if not input_gradient:
            return None, gradients
        return preactivation_gradient @ self.parameters["weights"].T, gradients

    def project(self):
        """Bring parameters back to where they are allowed, after a gradient step."""
