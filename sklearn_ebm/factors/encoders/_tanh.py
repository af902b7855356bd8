"""g tanh(x W + b), the encoder of Kavukcuoglu, Ranzato & LeCun (2008)."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, divide_or_zero
from sklearn_ebm.factors.encoders._activation import Activation
from sklearn_ebm.factors.encoders._affine import AffineEncoder


class Tanh(Activation):
    """gain * tanh(u), with one gain per component."""

    kernel, backward_kernel = "tanh_preactivation", "tanh_backward"
    apart = ("gain",)

    def first(self, weights, zero, threshold, scale):
        """Return the parameters of one ISTA step without its threshold."""
        return {"weights": weights / scale.code, "bias": zero, "gain": zero + scale.code}

    def units(self, scale):
        """Return the units; gains have the unit of codes, u is dimensionless."""
        return {"weights": 1 / scale.data, "bias": 1.0, "gain": scale.code}

    def contraction(self, code, parameters):
        """Return the slope, and its derivatives with respect to the code and to own parameters."""
        gain = parameters["gain"]
        square = array_namespace(code).broadcast_to(gain * gain, code.shape)
        squashed = divide_or_zero(code * gain, square)
        square = squashed * squashed
        return gain * (1 - square), -2 * squashed, {"gain": 1 + square}


@stored
class TanhEncoder(AffineEncoder):
    """gain * tanh(x W + b), with one gain per component."""

    activation = Tanh()
