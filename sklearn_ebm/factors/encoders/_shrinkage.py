"""sh_theta(x W + b), the talk's encoder."""

from sklearn_ebm.factors.encoders._affine import AffineEncoder
from sklearn_ebm.factors.encoders._encoder import keep_at_least


class ShrinkageEncoder(AffineEncoder):
    """sign(u) max(|u| - theta, 0) of u = x W + b, with a threshold theta >= 0 per component."""

    kernel, backward_kernel = "shrink_preactivation", "shrink_backward"
    slopes_need_product = False

    @staticmethod
    def _first_parameters(bias, lipschitz, alpha):
        return {"threshold": bias + alpha / lipschitz}

    def project(self):
        """Thresholds stay at or above zero."""
        keep_at_least(self.parameters["threshold"], 0)
