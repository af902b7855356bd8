"""Categorical visible units: one-hot states of features, with the energy -b.v.

Given a field r = W h, a feature has category k with the probability

    p_k = exp(b_k + r_k) / sum_l exp(b_l + r_l),

a softmax over its own columns (Salakhutdinov, Mnih & Hinton 2007, eq. 1). Adding a number to all
columns of a feature does not change p. In the energy, it shifts constants and hidden biases only.
"""

from dataclasses import dataclass, field
from typing import Any

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, cumulated, new_matrix
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
        """Return one-hot samples given a field, in place, by the inverse distribution function.

        Each feature uses one uniform number.
        """
        backend, n_features = self.backend_for(field), len(self.categories.sizes)
        uniform = backend.uniform(new_matrix((field.shape[0], n_features), field), key)
        field[...] = self.categories.map(_drawn, float(scale) * field + self.bias, uniform)
        return field

    def log_partition(self, field):
        """Return log sum_v exp(r.v - E_v(v)) for each row of fields."""
        xp = array_namespace(field)
        sums = self.categories.map(_log_sum, field + self.bias, of_features=True)
        return xp.sum(sums, axis=1)


def _raised(field):
    """Return exp(field) relative to the largest entry of each feature, and that entry."""
    xp = array_namespace(field)
    largest = xp.max(field, axis=1, keepdims=True)
    return xp.exp(field - largest), largest


def _softmax(field):
    powers, _ = _raised(field)
    return powers / array_namespace(field).sum(powers, axis=1, keepdims=True)


def _log_sum(field):
    xp = array_namespace(field)
    powers, largest = _raised(field)
    return xp.log(xp.sum(powers, axis=1)) + largest[:, 0, :]


def _drawn(field, uniform):
    """Return 1 for the first category whose cumulative probability exceeds a uniform number."""
    xp, size = array_namespace(field), field.shape[1]
    powers, _ = _raised(field)
    sums = cumulated(powers)
    is_passed = sums[:, :-1, :] <= uniform * sums[:, -1:, :]
    chosen = xp.sum(xp.astype(is_passed, xp.int64), axis=1, keepdims=True)
    return xp.astype(chosen == xp.arange(size)[None, :, None], field.dtype)
