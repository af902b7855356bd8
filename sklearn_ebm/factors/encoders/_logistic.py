"""1 / (1 + exp(-x W - b)): the hidden units of a restricted machine, as an encoder."""

from sklearn_ebm.factors.encoders._affine import AffineEncoder


class LogisticEncoder(AffineEncoder):
    """The logistic function of x W + b, the probability of each hidden unit to be on."""

    kernel, backward_kernel = "bernoulli_mean", "logistic_backward"
    slopes_need_product = False

    @property
    def _units(self):
        """x W + b is a number."""
        return {"weights": 1 / self.scale.data, "bias": 1.0}
