"""Smooth shrinkage of x W + b (Kavukcuoglu et al. 2010, eq. 4)."""

from sklearn_ebm.factors.encoders._affine import AffineEncoder
from sklearn_ebm.factors.encoders._encoder import keep_at_least

FIRST_SLOPE = 10.0  # of codes of size one (Kavukcuoglu et al. 2010, section 4)
SMALLEST_SLOPE = 1e-2


class SmoothShrinkageEncoder(AffineEncoder):
    """sign(u) (log(exp(s b) + exp(s |u|) - 1) / s - b), slope s and location b per component."""

    kernel, backward_kernel = "smooth_shrink_preactivation", "smooth_shrink_backward"
    apart = ("slope",)

    @staticmethod
    def _step(weights, zero, threshold, scale):
        own = {"slope": zero + FIRST_SLOPE / scale.code, "location": zero + threshold}
        return {"weights": weights, "bias": zero, **own}

    @property
    def _units(self):
        """Biases and locations are codes, and s |u| is a number."""
        data, code = self.scale
        return {"weights": code / data, "bias": code, "slope": 1 / code, "location": code}

    def project(self):
        """Slopes stay positive and locations at or above zero."""
        keep_at_least(self.parameters["slope"], SMALLEST_SLOPE / self.scale.code)
        keep_at_least(self.parameters["location"], 0)
