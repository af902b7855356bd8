"""g tanh(x W + b), the encoder of Kavukcuoglu, Ranzato & LeCun (2008)."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.encoders._affine import AffineEncoder


class TanhEncoder(AffineEncoder):
    """gain * tanh(x W + b), with a gain per component."""

    kernel = "tanh_preactivation"

    @staticmethod
    def _first_parameters(bias, lipschitz, alpha):
        return {"gain": bias + 1}

    def _slopes(self, preactivation, code):
        squashed = array_namespace(code).tanh(preactivation)
        return self.parameters["gain"] * (1 - squashed * squashed), {"gain": squashed}
