"""sh_theta(x W + b), the talk's encoder."""

from sklearn_ebm.factors.encoders._affine import AffineEncoder
from sklearn_ebm.factors.encoders._encoder import keep_at_least


class ShrinkageEncoder(AffineEncoder):
    """sign(u) max(|u| - theta, 0) of u = x W + b, with a threshold theta >= 0 per component."""

    kernel, backward_kernel = "shrink_preactivation", "shrink_backward"
    slopes_need_product = False

    @staticmethod
    def _step(weights, zero, threshold, scale):
        return {"weights": weights, "bias": zero, "threshold": zero + threshold}

    @property
    def _units(self):
        """Biases and thresholds are codes."""
        data, code = self.scale
        return {"weights": code / data, "bias": code, "threshold": code}

    def project(self):
        """Thresholds stay at or above zero."""
        keep_at_least(self.parameters["threshold"], 0)
