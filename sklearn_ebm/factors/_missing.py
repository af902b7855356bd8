"""Missing values in the input of a network."""

import math

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._rows import split_missing
from sklearn_ebm.protocols import ModuleMixin


class ZeroFilled(ModuleMixin):
    """The samples with zeros in place of missing values.

    Parameters
    ----------
    missing_values : float
        Number that marks missing values. May be NaN.
    """

    def __init__(self, missing_values):
        self.missing_values = missing_values

    def forward(self, x, tape=None, stream=None):
        """Return x with zeros; nothing is recorded."""
        xp = array_namespace(x)
        rows = xp.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
        return xp.reshape(split_missing(rows, self.missing_values)[0], x.shape)

    def backward(self, tape, dy, input_gradient=True):
        """Return dy; no module before this one needs the gradient at missing values."""
        return dy if input_gradient else None, {}
