"""The penalty of disjoint groups as plain data, for kernels that process one group at a time."""

from typing import Any, NamedTuple

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import positive_or_one, row_maximum


class GroupSoftThreshold(NamedTuple):
    """z_g max(0, 1 - t_g / ||z_g||), the proximal operator of sum_g t_g ||z_g||; disjoint groups.

    Attributes
    ----------
    threshold : array of shape (n_groups,)
        t_g.
    membership : array of shape (n_groups, n_components)
        1 if a component belongs to the group, else 0; used for whole batches.
    members : array of shape (n_components,)
        Components of all groups, concatenated.
    starts : array of shape (n_groups + 1,)
        Start of each group in `members`, and the end of the last group.
    positive : bool
        Whether codes are constrained to be non-negative.
    """

    threshold: Any
    membership: Any
    members: Any
    starts: Any
    positive: bool = False

    def _part(self, value):
        xp = array_namespace(value)
        return xp.maximum(value, xp.zeros_like(value)) if self.positive else value

    def _norms(self, value):
        return array_namespace(value).sqrt((value * value) @ self.membership.T)

    def prox(self, value, step_size=1):
        """Shrink the norm of each group by its threshold, at most to zero."""
        value = self._part(value)
        norms = self._norms(value)
        xp = array_namespace(norms)
        excess = norms - step_size * self.threshold
        share = xp.maximum(excess, xp.zeros_like(excess)) / positive_or_one(norms)
        return value * (share @ self.membership)

    def dual_norm(self, correlation, code=None, eta=None):
        """Return the largest ||q_g|| / t_g of each row."""
        return row_maximum(self._norms(self._part(correlation)) / self.threshold)

    def gradient(self, code):
        """Return t_g z_g / ||z_g||, and zero for groups that are off."""
        norms = self._norms(code)
        return code * ((self.threshold / positive_or_one(norms)) @ self.membership)
