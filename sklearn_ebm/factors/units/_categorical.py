"""Categorical visible units: one-hot states of features, with the energy -b.v.

Given a field r = W h, a feature has category k with the probability

    p_k = exp(b_k + r_k) / sum_l exp(b_l + r_l),

a softmax over its own columns (Salakhutdinov, Mnih & Hinton 2007, eq. 1). Adding a number to all
columns of a feature does not change p. In the energy, it shifts constants and hidden biases only.
"""

from dataclasses import dataclass, field
from typing import Any

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends.numpy._categorical import raised
from sklearn_ebm.factors.units._discrete import SMALLEST_SHARE, DiscreteUnits
from sklearn_ebm.inputs._categories import Categories


@stored
@dataclass(eq=False)
class CategoricalUnits(DiscreteUnits):
    """E_v(v) = -b.v with one-hot columns v of each feature.

    Parameters
    ----------
    bias : array of shape (n_columns,)
        b, the logarithms of the probabilities if the field is zero, up to a constant of each
        feature.
    categories : Categories or None, default=None
        Numbers of categories of the features. None means a single feature.
    """

    is_binary = False

    categories: Any = field(default=None, kw_only=True)

    def __post_init__(self):
        if self.categories is None:
            self.categories = Categories((self.bias.shape[0],))

    @classmethod
    def from_moments(cls, mean, deviation, categories=None):
        """Return the units that have these means without hidden units."""
        xp = array_namespace(mean)
        bias = xp.log(xp.maximum(mean, xp.full_like(mean, SMALLEST_SHARE)))
        return cls(bias, categories=categories)

    def _first_mean(self):
        return self.placeholder()

    def mean(self, field):
        """Return the probabilities of the categories given a field, in place."""
        field[...] = self.categories.map(_softmax, field + self.bias)
        return field

    def sample(self, field, key, scale=1.0):
        """Return one-hot samples given a field, in place."""
        sample = self.backend_for(field).categorical_sample
        return sample(field, self.bias, scale, key, self.categories)

    def log_partition(self, field):
        """Return log sum_v exp(r.v - E_v(v)) for each row of fields."""
        xp = array_namespace(field)
        sums = self.categories.map(_log_sum, field + self.bias, of_features=True)
        return xp.sum(sums, axis=1)


def _softmax(field):
    powers, _ = raised(field)
    return powers / array_namespace(field).sum(powers, axis=1, keepdims=True)


def _log_sum(field):
    xp = array_namespace(field)
    powers, largest = raised(field)
    return xp.log(xp.sum(powers, axis=1)) + largest[:, 0, :]
