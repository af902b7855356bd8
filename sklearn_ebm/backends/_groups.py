"""Penalties of disjoint groups as plain data, for kernels that process one group at a time.

Groups consist of components of one sample, or of the entries of one component in several samples.
"""

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


class JointSoftThreshold(NamedTuple):
    """The proximal operator of sum_j t_j ||Z_j||, with one column Z_j of a matrix per component.

    A row contains the matrix of a group of samples that share a support: the codes of its first
    sample, of its second sample, and so on.

    Attributes
    ----------
    threshold : array of shape (n_components,)
        t_j.
    positive : bool
        Whether codes are constrained to be non-negative.
    """

    threshold: Any
    positive: bool = False

    def _matrices(self, rows):
        n_components = self.threshold.shape[0]
        shape = rows.shape[0], rows.shape[1] // n_components, n_components
        return array_namespace(rows).reshape(rows, shape)

    def _part(self, value):
        xp = array_namespace(value)
        return xp.maximum(value, xp.zeros_like(value)) if self.positive else value

    def norms(self, rows):
        """Return ||Z_j|| of each row and component, of the positive part if codes are positive."""
        part = self._matrices(self._part(rows))
        xp = array_namespace(part)
        return xp.sqrt(xp.sum(part * part, axis=1))

    def prox(self, value, step_size=1):
        """Shrink the norm of each column by its threshold, at most to zero."""
        xp, norms = array_namespace(value), self.norms(value)
        excess = norms - step_size * self.threshold
        share = xp.maximum(excess, xp.zeros_like(excess)) / positive_or_one(norms)
        shrunk = self._matrices(self._part(value)) * share[:, None, :]
        return xp.reshape(shrunk, value.shape)

    def dual_norm(self, correlation, code=None, eta=None):
        """Return the largest ||Q_j|| / t_j of each row."""
        return row_maximum(self.norms(correlation) / self.threshold)

    def gradient(self, code):
        """Return t_j Z_j / ||Z_j||, and zero for columns that are zero."""
        share = self.threshold / positive_or_one(self.norms(code))
        slope = self._matrices(code) * share[:, None, :]
        return array_namespace(code).reshape(slope, code.shape)
