"""The distance of the hidden units from saturation (Goroshin & LeCun 2013)."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.regularizers._regularizer import Regularizer, weighted


@stored
class Saturation(Regularizer):
    """alpha sum_j d(u_j), the distance of u_j from the closest point with s'(u) = 0.

    The activation must have a method `saturation`.

    Parameters
    ----------
    alpha : float
        Weight of the term.
    """

    def __init__(self, alpha):
        self.alpha = alpha

    def differentiate(self, encoder, code, weight):
        """Return the term and its derivatives; see `Regularizer`."""
        distance, slope = encoder.activation.saturation(code)
        values = self.alpha * array_namespace(code).sum(distance, axis=1)
        return values, weighted(self.alpha * slope, weight), {}
