"""g tanh(x W + b), the encoder of Kavukcuoglu, Ranzato & LeCun (2008)."""

from sklearn_ebm.factors.encoders._affine import AffineEncoder


class TanhEncoder(AffineEncoder):
    """gain * tanh(x W + b), with a gain per component."""

    kernel, backward_kernel = "tanh_preactivation", "tanh_backward"
    apart = ("gain",)

    @staticmethod
    def _step(weights, zero, threshold, scale):
        return {"weights": weights / scale.code, "bias": zero, "gain": zero + scale.code}

    @property
    def _units(self):
        """Gains are codes, and x W + b is a number."""
        return {"weights": 1 / self.scale.data, "bias": 1.0, "gain": self.scale.code}
