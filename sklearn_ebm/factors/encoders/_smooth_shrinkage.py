"""Smooth shrinkage of x W + b (Kavukcuoglu et al. 2010, eq. 4)."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.encoders._affine import AffineEncoder
from sklearn_ebm.factors.encoders._encoder import keep_at_least

FIRST_SLOPE = 10.0  # Kavukcuoglu et al. 2010, section 4
SMALLEST_SLOPE = 1e-2


class SmoothShrinkageEncoder(AffineEncoder):
    """sign(u) (log(exp(s b) + exp(s |u|) - 1) / s - b), slope s and location b per component."""

    kernel = "smooth_shrink_preactivation"

    @staticmethod
    def _first_parameters(bias, lipschitz, alpha):
        location = bias + alpha / lipschitz
        return {"slope": bias + FIRST_SLOPE, "location": location}

    def _slopes(self, preactivation, code):
        """Slopes with respect to u, s and b.

        With A = exp(s b), B = exp(s |u|), T = A + B - 1 and h = log(T) / s:
        d/d|u| = B / T, d/db = A / T - 1, d/ds = (b A + |u| B) / (s T) - h / s.
        A / T and B / T come from logarithms, so that nothing overflows.
        """
        xp = array_namespace(code)
        slope, location = self.parameters["slope"], self.parameters["location"]
        size = xp.abs(preactivation)
        log_sum = slope * (xp.abs(code) + location)  # log T, since |code| = log(T) / s - b
        share_size = xp.exp(slope * size - log_sum)
        share_location = xp.exp(slope * location - log_sum)
        sign = xp.sign(preactivation)
        by_slope = (location * share_location + size * share_size - log_sum / slope) / slope
        return share_size, {"slope": sign * by_slope, "location": sign * (share_location - 1)}

    def project(self):
        """Slopes stay positive and locations at or above zero."""
        keep_at_least(self.parameters["slope"], SMALLEST_SLOPE)
        keep_at_least(self.parameters["location"], 0)
