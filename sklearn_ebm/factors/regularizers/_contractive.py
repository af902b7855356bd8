"""The squared Frobenius norm of the Jacobian of the encoder (Rifai et al. 2011)."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.encoders._activation import own_parameters
from sklearn_ebm.factors.regularizers._regularizer import Regularizer, weighted


@stored
class Contraction(Regularizer):
    """alpha ||df/dx||^2 = alpha sum_j s'(u_j)^2 ||w_j||^2.

    For piecewise linear activations, the slopes s' are constant almost everywhere, so that only
    the norms of the filters change, of components that are not saturated.

    Parameters
    ----------
    alpha : float
        Weight of the term.
    """

    def __init__(self, alpha):
        self.alpha = alpha

    def differentiate(self, encoder, code, weight):
        """Return the term and its derivatives; see `Regularizer`."""
        xp, parameters = array_namespace(code), encoder.parameters
        weights = parameters["weights"]
        slope, by_code, by_own = encoder.activation.contraction(code, parameters)
        strength = self.alpha * xp.sum(weights * weights, axis=0)
        twice = weighted(2 * slope, weight)
        square = xp.sum(twice * slope, axis=0)
        direct = {"weights": self.alpha * square * weights}
        for name in own_parameters(parameters):
            if name in by_own:
                direct[name] = strength * xp.sum(twice * by_own[name], axis=0)
        change = 0 * code if by_code is None else twice * by_code * strength
        return (slope * slope) @ strength, change, direct
