"""Missing values in the input of a network."""

import math

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._rows import split_missing
from sklearn_ebm.protocols import ModuleMixin


class Filled(ModuleMixin):
    """Replace missing values by zeros, or by a value for each feature.

    Parameters
    ----------
    missing_values : float
        Value that marks missing values. It may be NaN.
    values : array of shape (n_features,) or None, default=None
        Values of the features in place of missing ones. None means zeros.
    """

    def __init__(self, missing_values, values=None):
        self.missing_values = missing_values
        self.values = values

    def forward(self, x, tape=None, stream=None):
        """Return x with other values in place of missing ones; nothing is recorded."""
        xp = array_namespace(x)
        rows = xp.reshape(x, (x.shape[0], math.prod(x.shape[1:])))
        rows, observed = split_missing(rows, self.missing_values)
        if self.values is not None and observed is not None:
            rows = xp.where(observed != 0, rows, xp.asarray(self.values, dtype=rows.dtype))
        return xp.reshape(rows, x.shape)

    def backward(self, tape, dy, input_gradient=True):
        """Return dy; no earlier module needs the gradient at missing values."""
        return dy if input_gradient else None, {}
