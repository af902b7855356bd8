"""Encoders with piecewise linear activations: u, max(u, 0), and u clipped to [0, 1]."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.encoders._activation import Activation, is_nonzero
from sklearn_ebm.factors.encoders._affine import AffineEncoder


class PiecewiseLinear(Activation):
    """Base class of functions whose slope is zero or one."""

    slopes_need_product = False

    def units(self, scale):
        """Return the units; codes have the unit of the biases."""
        return {"weights": scale.code / scale.data, "bias": scale.code}

    def slopes(self, preactivation, code, parameters):
        """Return the derivative with respect to u."""
        return self.contraction(code, parameters)[0], {}


class Linear(PiecewiseLinear):
    """The identity."""

    is_linear = True

    def apply(self, rows, parameters, backend):
        """Add the biases, in place."""
        rows += parameters["bias"]

    def contraction(self, code, parameters):
        """Return the slope, and its derivatives with respect to the code and to own parameters."""
        return array_namespace(code).ones_like(code), None, {}


class Relu(PiecewiseLinear):
    """max(u, 0)."""

    def first(self, weights, zero, threshold, scale):
        """Return the parameters of one ISTA step for non-negative codes."""
        return {"weights": weights, "bias": zero - threshold}

    def apply(self, rows, parameters, backend):
        """Replace rows of x W by the code, in place."""
        xp = array_namespace(rows)
        rows += parameters["bias"]
        rows[...] = xp.maximum(rows, xp.asarray(0, dtype=rows.dtype))

    def contraction(self, code, parameters):
        """Return the slope, and its derivatives with respect to the code and to own parameters."""
        return is_nonzero(code), None, {}

    def saturation(self, code):
        """Return the distance of u from the interval of slope zero, and its derivative."""
        return code, is_nonzero(code)


class SaturatedLinear(PiecewiseLinear):
    """min(max(u, 0), 1)."""

    def apply(self, rows, parameters, backend):
        """Replace rows of x W by the code, in place."""
        xp = array_namespace(rows)
        rows += parameters["bias"]
        rows[...] = xp.clip(rows, 0, 1)

    def contraction(self, code, parameters):
        """Return the slope, and its derivatives with respect to the code and to own parameters."""
        xp = array_namespace(code)
        return xp.asarray((code > 0) & (code < 1), dtype=code.dtype), None, {}

    def saturation(self, code):
        """Return the distance of u from the intervals of slope zero, and its derivative."""
        xp = array_namespace(code)
        return xp.minimum(code, 1 - code), xp.sign(0.5 - code)


@stored
class LinearEncoder(AffineEncoder):
    """x W + b."""

    activation = Linear()


@stored
class ReluEncoder(AffineEncoder):
    """max(x W + b, 0)."""

    activation = Relu()


@stored
class SaturatedLinearEncoder(AffineEncoder):
    """x W + b, clipped to the interval from 0 to 1."""

    activation = SaturatedLinear()
