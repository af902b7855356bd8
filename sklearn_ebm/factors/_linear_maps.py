"""Linear modules: a trained head and a fixed map."""

from sklearn_ebm.backends import array_namespace, multiply_into, new_array
from sklearn_ebm.protocols import ModuleMixin


class LinearHead(ModuleMixin):
    """The scores x W + b of the classes.

    Parameters
    ----------
    weights : array of shape (n_features, n_classes)
        W.
    bias : array of shape (n_classes,)
        b.
    """

    def __init__(self, weights, bias):
        self.parameters = {"weights": weights, "bias": bias}

    def forward(self, x, tape=None, stream=None):
        """Return the scores, shape (n_samples, n_classes)."""
        scores = new_array((x.shape[0], self.parameters["bias"].shape[0]), x)
        multiply_into(x, self.parameters["weights"], scores)
        scores += self.parameters["bias"]
        if tape is not None:
            tape.kept = x
        return scores

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradients with respect to the features (or None), and to W and b."""
        room = tape.array("weights", self.parameters["weights"].shape, dy)
        gradients = {"bias": array_namespace(dy).sum(dy, axis=0)}
        gradients["weights"] = multiply_into(tape.kept.T, dy, room)
        return dy @ self.parameters["weights"].T if input_gradient else None, gradients


class FixedMap(ModuleMixin):
    """y = x A + b without trained parameters.

    Parameters
    ----------
    linear : ndarray of shape (n_features, n_outputs) or (n_features,) or ()
        The matrix A, or one factor for each feature, or one for all.
    shift : ndarray of shape (n_outputs,) or ()
        b.
    """

    def __init__(self, linear, shift):
        self.linear = linear
        self.shift = shift

    def forward(self, x, tape=None, stream=None):
        """Return x A + b. A linear map records nothing."""
        linear, shift = _like(x, self.linear), _like(x, self.shift)
        return (x @ linear if linear.ndim == 2 else x * linear) + shift

    def backward(self, tape, dy, input_gradient=True):
        """Return the gradient with respect to x (or None), and no others."""
        if not input_gradient:
            return None, {}
        linear = _like(dy, self.linear)
        return dy @ linear.T if linear.ndim == 2 else dy * linear, {}


def _like(x, array):
    return array_namespace(x).asarray(array, dtype=x.dtype)
