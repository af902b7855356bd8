"""Binary visible units, with the energy -b.v for v_i in {0, 1}."""

from dataclasses import dataclass

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.units._discrete import SMALLEST_SHARE, DiscreteUnits


@stored
@dataclass(eq=False)
class BernoulliUnits(DiscreteUnits):
    """E_v(v) = -b.v; given a field r = W h, v_i is on with probability 1 / (1 + exp(-b_i - r_i)).

    Parameters
    ----------
    bias : array of shape (n_units,)
        b, the log-odds of each unit if the field is zero.
    """

    is_binary = True

    @classmethod
    def from_moments(cls, mean, deviation, categories=None):
        """Return the units that have these means without hidden units."""
        xp = array_namespace(mean)
        share = xp.clip(mean, SMALLEST_SHARE, 1 - SMALLEST_SHARE)
        return cls(xp.log(share / (1 - share)))

    def _first_mean(self):
        return 1 / (1 + array_namespace(self.bias).exp(-self.bias))

    def mean(self, field):
        """Return the means given a field, in place."""
        return self.backend_for(field).bernoulli_mean(field, self.bias)

    def sample(self, field, key, scale=1.0):
        """Return samples given a field, in place."""
        return self.backend_for(field).bernoulli_sample(field, self.bias, scale, key)

    def log_partition(self, field):
        """Return log sum_v exp(r.v - E_v(v)) for each row of fields."""
        return self.backend_for(field).softplus_sums(field, self.bias)
