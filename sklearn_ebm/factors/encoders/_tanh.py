"""g tanh(x W + b), the encoder of Kavukcuoglu, Ranzato & LeCun (2008)."""

from sklearn_ebm.factors.encoders._affine import AffineEncoder


class TanhEncoder(AffineEncoder):
    """gain * tanh(x W + b), with a gain per component."""

    kernel, backward_kernel = "tanh_preactivation", "tanh_backward"
    apart = ("gain",)

    @staticmethod
    def _first_parameters(bias, lipschitz, alpha):
        return {"gain": bias + 1}
