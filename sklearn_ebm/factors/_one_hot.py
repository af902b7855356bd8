"""Categorical features in the input of a network."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.inputs._categories import require_codes
from sklearn_ebm.inputs._rows import split_missing
from sklearn_ebm.protocols import ModuleMixin


class OneHot(ModuleMixin):
    """Replace codes of categories by one-hot columns.

    Parameters
    ----------
    categories : Categories
        Numbers of categories of the features.
    missing_values : float or None, default=None
        Value that marks missing values. It may be NaN.
    values : array of shape (n_columns,) or None, default=None
        Values of the columns of missing features. Only used if `missing_values` is not None.
    """

    def __init__(self, categories, missing_values=None, values=None):
        self.categories = categories
        self.missing_values = missing_values
        self.values = values

    def forward(self, x, tape=None, stream=None):
        """Return the columns of each row; nothing is recorded."""
        xp = array_namespace(x)
        rows, observed = split_missing(x, self.missing_values)
        require_codes(rows, observed, "RBM")
        states, observed = self.categories.encode(rows, observed)
        if observed is None:
            return states
        return xp.where(observed != 0, states, xp.asarray(self.values, dtype=states.dtype))

    def backward(self, tape, dy, input_gradient=True):
        """Return zeros, since the columns are constant near codes."""
        if not input_gradient:
            return None, {}
        shape = dy.shape[0], len(self.categories.sizes)
        return array_namespace(dy).zeros(shape, dtype=dy.dtype), {}
