"""The encoder 1 / (1 + exp(-x W - b)), as the hidden units of an RBM."""

from sklearn_ebm._storage import stored
from sklearn_ebm.factors.encoders._activation import Activation
from sklearn_ebm.factors.encoders._affine import AffineEncoder


class Logistic(Activation):
    """1 / (1 + exp(-u))."""

    kernel, backward_kernel = "bernoulli_mean", "logistic_backward"
    slopes_need_product = False

    def units(self, scale):
        """Return the units; u is dimensionless."""
        return {"weights": 1 / scale.data, "bias": 1.0}

    def contraction(self, code, parameters):
        """Return the slope, and its derivatives with respect to the code and to own parameters."""
        return code * (1 - code), 1 - 2 * code, {}


@stored
class LogisticEncoder(AffineEncoder):
    """The logistic function of x W + b, the probability that each hidden unit is on."""

    activation = Logistic()
