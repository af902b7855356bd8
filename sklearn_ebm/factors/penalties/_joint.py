"""Penalties on the codes of a group of samples that share a support.

A group is one row, as for `JointSoftThreshold`: the codes of its first sample, of its second
sample, and so on. Each penalty is that of a single sample if the group has one sample.
"""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._groups import JointSoftThreshold


@stored
class JointL1:
    """alpha sum_j w_j ||Z_j||, with the coefficients Z_j of atom j in all samples of a group.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    size : int
        Number of samples in a group.
    weights : ndarray of shape (n_components,) or None, default=None
        w; None is a weight of one for all components.
    positive : bool, default=False
        Whether codes are non-negative.
    """

    name = "L1Penalty with groups of samples"
    separable = False

    def __init__(self, alpha, size, weights=None, positive=False):
        self.alpha = alpha
        self.size = size
        self.weights = weights
        self.positive = positive

    def group_rule(self, like):
        """Return the proximal operator as plain data, in the dtype of an array of codes."""
        xp, n_components = array_namespace(like), like.shape[1] // self.size
        threshold = xp.full((n_components,), self.alpha, dtype=like.dtype)
        if self.weights is not None:
            threshold = threshold * xp.asarray(self.weights, dtype=like.dtype)
        return JointSoftThreshold(threshold, self.positive)

    def value(self, code):
        """Return the penalty of each group, shape (n_groups,)."""
        rule = self.group_rule(code)
        return array_namespace(code).sum(rule.threshold * rule.norms(code), axis=1)

    def gradient(self, code):
        """Return alpha w_j Z_j / ||Z_j||, with the subgradient zero at Z_j = 0."""
        return self.group_rule(code).gradient(code)

    def dual_norm(self, correlation, code=None, eta=None):
        """Return max_j ||Q_j|| / (alpha w_j); at most one if the optimal codes are zero."""
        return self.group_rule(correlation).dual_norm(correlation)

    def prox(self, code, step_size):
        """Return argmin_Z 1/2 ||Z - code||^2 + step_size * penalty(Z)."""
        return self.group_rule(code).prox(code, step_size)


@stored
class JointErrorLimit:
    """Zero for every code; the limit of the error concerns the samples, too.

    Parameters
    ----------
    support_rule : SupportRule
        Limits, and choice of the next atom. Its `tol` concerns the sum over the group.
    size : int
        Number of samples in a group.
    """

    name = "L0Penalty with groups of samples"
    convex = False
    separable = False

    def __init__(self, support_rule, size):
        self.support_rule = support_rule
        self.size = size

    def value(self, code):
        """Return zeros, shape (n_groups,)."""
        return array_namespace(code).zeros(code.shape[0], dtype=code.dtype)


class JointL0(JointErrorLimit):
    """Zero for groups whose codes use at most k atoms together, and infinite for others."""

    def _norms(self, code):
        xp, n_components = array_namespace(code), code.shape[1] // self.size
        threshold = xp.ones((n_components,), dtype=code.dtype)
        return JointSoftThreshold(threshold).norms(code)

    def value(self, code):
        """Return zero or infinity for each group, shape (n_groups,)."""
        xp, value = array_namespace(code), super().value(code)
        too_many = xp.count_nonzero(self._norms(code), axis=1) > self.support_rule.n_nonzero_coefs
        return xp.where(too_many, xp.full_like(value, xp.inf), value)

    def prox(self, code, step_size):
        """Keep the k atoms with the largest norms in each group, and set others to zero."""
        xp, k = array_namespace(code), self.support_rule.n_nonzero_coefs
        order = xp.argsort(xp.argsort(-self._norms(code), axis=1), axis=1)
        is_kept = xp.tile(order < k, (1, self.size))
        return xp.where(is_kept, code, xp.zeros_like(code))
