"""Group sparsity: alpha sum_g sqrt(sum_j w_gj z_j^2), over disjoint or overlapping pools.

Disjoint pools have a closed-form proximal operator and dual norm. For other pools, both follow from

    ||z_g|| = min_{eta > 0} (||z_g||^2 / eta + eta) / 2,

with the minimum at eta = ||z_g|| (Bach, Jenatton, Mairal & Obozinski 2012, section 5). For a given
eta, the penalty is a weighted sum of squares: a majorant that touches the penalty at one point.
Each eta also splits a correlation q_j over the pools that contain component j, in proportion to
w_gj / eta_g. The largest norm of a pool's part is an upper bound of the dual norm. The bound is
tight for the eta of an optimal code.
"""

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._groups import GroupSoftThreshold
from sklearn_ebm.backends._rules import positive_or_one, row_maximum
from sklearn_ebm.factors.penalties._smooth import SmoothGroupNorm

REFINEMENTS = 1  # updates of an eta from a step; each decreases the bound of the dual norm
BLIND_REFINEMENTS = 300  # the same for an eta that is computed from a code
BLIND_FLOOR = 1e-6  # lower bound of that eta, relative to the largest
FLOOR = 1e-12  # lower bound of any eta, so that squares of its inverse are finite in float32


def group_norm(alpha, pools, positive=False):
    """Return the penalty of pools, `DisjointGroupNorm` if they are disjoint.

    A power of two is moved from the weights of the pools to alpha, so that sums are in the range of
    single precision.
    """
    normalized, factor = pools.normalized()
    kind = DisjointGroupNorm if pools.is_disjoint else GroupNorm
    return kind(alpha * factor, normalized, positive)


class GroupMajorant:
    """The squares alpha/2 sum_g (||z_g||^2 / eta_g + eta_g), a majorant of `GroupNorm`.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    pools : Pools
        Weights w_gj.
    code : array of shape (n_samples, n_components)
        Codes at which the majorant touches the penalty.
    width : array of shape (n_samples, 1)
        Lower bound of eta. Below it, the norm of a pool is smoothed.
    positive : bool
        Whether codes are constrained to be non-negative.
    """

    curvature = 0.0  # `prox` includes all squares

    def __init__(self, alpha, pools, code, width, positive):
        self.alpha = alpha
        self.pools = pools
        self.code = code
        self.width = width
        self.positive = positive

    @property
    def windows(self):
        """Weights of the rows and columns of windows on a map, for fused kernels; or None."""
        return self.pools.windows

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size * penalty(z), elementwise."""
        eta = array_namespace(code).maximum(self.pools.norms(self.code), self.width)
        weight = self.alpha * self.pools.spread(1 / eta)
        return _feasible(code, self.positive) / (1 + step_size * weight)


@stored
class DisjointGroupNorm:
    """alpha sum_g v_g ||z_g||, each component in one group.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    pools : Pools
        Disjoint groups, with weights v_g^2 of the squares.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    """

    name = "GroupPenalty"
    separable = False

    def __init__(self, alpha, pools, positive=False):
        self.alpha = alpha
        self.pools = pools
        self.positive = positive

    def group_rule(self, like):
        """Return the penalty as plain data, with the dtype and the device of an array."""
        xp, pools = array_namespace(like), self.pools
        threshold = self.alpha * pools.like(like, "factors")
        members, starts = xp.asarray(pools.members), xp.asarray(pools.starts)
        membership = pools.like(like, "membership")
        return GroupSoftThreshold(threshold, membership, members, starts, self.positive)

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        xp = array_namespace(code)
        return self.alpha * xp.sum(self.pools.norms(code), axis=1)

    def gradient(self, code):
        """Return the gradient, with the subgradient zero for groups that are off."""
        return self.group_rule(code).gradient(code)

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size * penalty(z), group by group."""
        return self.group_rule(code).prox(code, step_size)

    def dual_norm(self, correlation, code=None, eta=None):
        """Return max_g ||q_g|| / (alpha v_g) of each row."""
        return self.group_rule(correlation).dual_norm(correlation)

    def smoothed(self, epsilon):
        """Return alpha sum_g sqrt(v_g^2 ||z_g||^2 + epsilon)."""
        return SmoothGroupNorm(self.alpha, epsilon, self.pools)


@stored
class GroupNorm:
    """alpha sum_g sqrt(sum_j w_gj z_j^2) over pools that may share components.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    pools : Pools
        Weights w_gj.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    backend : module
        Kernels for sums over pools.
    """

    name = "GroupPenalty"
    separable = False

    def __init__(self, alpha, pools, positive=False, backend=reference):
        self.alpha = alpha
        self.pools = pools
        self.positive = positive
        self.backend = backend

    def __getstate__(self):
        """Drop the backend, a module that cannot be pickled; solvers set it again."""
        return {"alpha": self.alpha, "pools": self.pools, "positive": self.positive}

    def __setstate__(self, state):
        self.__init__(**state)

    def on(self, backend):
        """Return the penalty with the sums of another backend."""
        return GroupNorm(self.alpha, self.pools, self.positive, backend)

    def _norms(self, code):
        return self.pools.norms(code, self.backend)

    def _spread(self, values):
        return self.pools.spread(values, self.backend)

    value = DisjointGroupNorm.value
    smoothed = DisjointGroupNorm.smoothed

    def gradient(self, code):
        """Return the gradient, with the subgradient zero for pools that are off."""
        norms = self._norms(code)
        xp = array_namespace(code)
        inverse = xp.where(norms > 0, 1 / positive_or_one(norms), xp.zeros_like(norms))
        return self.alpha * code * self._spread(inverse)

    def majorant(self, code, neglected):
        """Return squares that exceed the penalty and touch it at a code, up to `neglected`.

        Norms of pools below a small width are replaced by the width, so that the penalty is smooth
        there instead of having a kink.

        Parameters
        ----------
        code : array of shape (n_samples, n_components)
            Codes at which the majorant touches the penalty.
        neglected : array of shape (n_samples,)
            Energy that may be neglected.

        Returns
        -------
        penalty : GroupMajorant
        """
        return GroupMajorant(self.alpha, self.pools, code, self._width(neglected), self.positive)

    def _width(self, neglected):
        """Return a width below which smoothing changes the energy by less than `neglected`."""
        return (neglected / (self.alpha * self.pools.n_pools))[:, None]

    def settled(self, code, neglected):
        """Return the code without pools whose norm is below the width, and its previous eta."""
        xp = array_namespace(code)
        norms, width = self._norms(code), self._width(neglected)
        is_off = self._spread(xp.asarray(norms < width, dtype=code.dtype)) > 0
        return xp.where(is_off, xp.zeros_like(code), code), xp.maximum(norms, width)

    def dual_norm(self, correlation, code, eta=None):
        """Return an upper bound of the dual norm over alpha, by splitting q over the pools.

        Parameters
        ----------
        correlation : array of shape (n_samples, n_components)
            q.
        code : array of shape (n_samples, n_components)
            The code with this residual correlation.
        eta : array of shape (n_samples, n_pools) or None, default=None
            Weights of the split. With None, they are computed from the code.

        Returns
        -------
        bound : array of shape (n_samples,)
        """
        xp = array_namespace(correlation)
        correlation = _feasible(correlation, self.positive)
        n_refinements = BLIND_REFINEMENTS if eta is None else REFINEMENTS
        if eta is None:
            eta = _relative(self._norms(code), BLIND_FLOOR)
        eta = _relative(eta, FLOOR)
        size = self._part_norms(correlation, eta)
        bound = row_maximum(size)
        for _ in range(n_refinements):
            eta = _relative(eta * size, FLOOR)
            size = self._part_norms(correlation, eta)
            bound = xp.minimum(bound, row_maximum(size))
        return bound

    @property
    def dual_norm_of_ones(self):
        """Upper bound of the dual norm of ones over alpha, cached, since bounds take many steps."""

        def bound():
            ones = np.ones((1, self.pools.n_components))
            return float(GroupNorm(1.0, self.pools).dual_norm(ones, ones)[0])

        return self.pools.remember("dual norm of ones", bound) / self.alpha

    def _part_norms(self, correlation, eta):
        """Return ||q_g|| / alpha of each pool, where eta splits q over the pools."""
        share = 1 / eta
        code = correlation / self._spread(share)
        return self._norms(code) * share / self.alpha


def _relative(eta, floor):
    """Return eta relative to the largest entry of its row, but at least `floor`."""
    xp = array_namespace(eta)
    largest = xp.max(eta, axis=1, keepdims=True)
    return xp.maximum(eta / positive_or_one(largest), xp.full_like(eta, floor))


def _feasible(code, positive):
    xp = array_namespace(code)
    return xp.maximum(code, xp.zeros_like(code)) if positive else code
