"""The encoder sh_theta(x W + b)."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.encoders._activation import Activation, is_nonzero
from sklearn_ebm.factors.encoders._affine import AffineEncoder
from sklearn_ebm.factors.encoders._encoder import keep_at_least


class Shrinkage(Activation):
    """sign(u) max(|u| - theta, 0), with one threshold theta >= 0 per component."""

    kernel, backward_kernel = "shrink_preactivation", "shrink_backward"
    slopes_need_product = False

    def first(self, weights, zero, threshold, scale):
        """Return the parameters of one ISTA step."""
        return {"weights": weights, "bias": zero, "threshold": zero + threshold}

    def units(self, scale):
        """Return the units; biases and thresholds have the unit of codes."""
        data, code = scale
        return {"weights": code / data, "bias": code, "threshold": code}

    def project(self, parameters, scale):
        """Set negative thresholds to zero."""
        keep_at_least(parameters["threshold"], 0)

    def contraction(self, code, parameters):
        """Return the slope, and its derivatives with respect to the code and to own parameters."""
        return is_nonzero(code), None, {}

    def saturation(self, code):
        """Return the distance of u from the interval of slope zero, and its derivative."""
        xp = array_namespace(code)
        return xp.abs(code), xp.sign(code)


@stored
class ShrinkageEncoder(AffineEncoder):
    """sign(u) max(|u| - theta, 0) of u = x W + b, with one threshold theta >= 0 per component."""

    activation = Shrinkage()
