"""sh_theta(x W + b), the talk's encoder."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.encoders._affine import AffineEncoder
from sklearn_ebm.factors.encoders._encoder import keep_at_least


class ShrinkageEncoder(AffineEncoder):
    """sign(u) max(|u| - theta, 0) of u = x W + b, with a threshold theta >= 0 per component."""

    kernel = "shrink_preactivation"
    slopes_need_product = False

    @staticmethod
    def _first_parameters(bias, lipschitz, alpha):
        return {"threshold": bias + alpha / lipschitz}

    def _slopes(self, preactivation, code):
        # d sh / d u is one where the unit is on, and d sh / d theta is -sign(u) there.
        sign = array_namespace(code).sign(code)
        return sign * sign, {"threshold": -sign}

    def project(self):
        """Thresholds stay at or above zero."""
        keep_at_least(self.parameters["threshold"], 0)
