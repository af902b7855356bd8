"""Smooth shrinkage of x W + b (Kavukcuoglu et al. 2010, eq. 4)."""

from sklearn_ebm._storage import stored
from sklearn_ebm.factors.encoders._activation import Activation
from sklearn_ebm.factors.encoders._affine import AffineEncoder
from sklearn_ebm.factors.encoders._encoder import keep_at_least

FIRST_SLOPE = 10.0  # for codes of size one (Kavukcuoglu et al. 2010, section 4)
SMALLEST_SLOPE = 1e-2


class SmoothShrinkage(Activation):
    """sign(u) (log(exp(s b) + exp(s |u|) - 1) / s - b), slope s and location b per component."""

    kernel, backward_kernel = "smooth_shrink_preactivation", "smooth_shrink_backward"
    apart = ("slope",)

    def first(self, weights, zero, threshold, scale):
        """Return the parameters of one ISTA step, smoothed."""
        own = {"slope": zero + FIRST_SLOPE / scale.code, "location": zero + threshold}
        return {"weights": weights, "bias": zero, **own}

    def units(self, scale):
        """Return the units; biases and locations have the unit of codes, s |u| is dimensionless."""
        data, code = scale
        return {"weights": code / data, "bias": code, "slope": 1 / code, "location": code}

    def project(self, parameters, scale):
        """Keep slopes positive, and set negative locations to zero."""
        keep_at_least(parameters["slope"], SMALLEST_SLOPE / scale.code)
        keep_at_least(parameters["location"], 0)


@stored
class SmoothShrinkageEncoder(AffineEncoder):
    """Smooth shrinkage of x W + b, with one slope and one location per component."""

    activation = SmoothShrinkage()
