"""Missing values in the input of a network."""

import math

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._rows import split_missing
from sklearn_ebm.protocols import ModuleMixin


class ZeroFilled(ModuleMixin):
    """Replace missing values by zeros.

    Parameters
    ----------
    missing_values : float
        Value that marks missing values. It may be NaN.
    """

    def __init__(self, missing_values):
        self.missing_values = missing_values

    def forward(self, x, tape=None, stream=None):
        """Return x with zeros in place of missing values; nothing is recorded."""
        xp = array_namespace(x)
        rows = xp.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
        return xp.reshape(split_missing(rows, self.missing_values)[0], x.shape)

    def backward(self, tape, dy, input_gradient=True):
        """Return dy; no earlier module needs the gradient at missing values."""
        return dy if input_gradient else None, {}
