"""Group sparsity: alpha sum_g sqrt(sum_j w_gj z_j^2), over disjoint or overlapping pools.

Disjoint pools have a closed proximal operator and dual norm. For others, both come from

    ||z_g|| = min_{eta > 0} (||z_g||^2 / eta + eta) / 2,

where eta = ||z_g|| is best (Bach, Jenatton, Mairal & Obozinski 2012, section 5). For a given eta
the penalty is a weighted sum of squares: a majorant, which touches it at one point. And each eta
splits a correlation q_j over the pools that have component j, in proportion to w_gj / eta_g; the
largest norm of any pool's part bounds the dual norm from above, and closely for the eta of an
optimal code.
"""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._groups import GroupSoftThreshold
from sklearn_ebm.backends._rules import positive_or_one, row_maximum

REFINEMENTS = 1  # of an eta that a step left, each of which lowers the bound of the dual norm
BLIND_REFINEMENTS = 300  # of one that a code alone suggests
BLIND_FLOOR = 1e-6  # of that, in units of the largest
FLOOR = 1e-12  # of eta in any case, so that squares of its inverse are numbers in float32


def group_norm(alpha, pools, positive=False):
    """Return the penalty of pools, `DisjointGroupNorm` if they are disjoint.

    A power of two moves from the weights of the pools to alpha, so that sums stay in the range of
    single precision.
    """
    normalized, factor = pools.normalized()
    kind = DisjointGroupNorm if pools.is_disjoint else GroupNorm
    return kind(alpha * factor, normalized, positive)


class GroupMajorant:
    """Squares alpha/2 sum_g (||z_g||^2 / eta_g + eta_g) that touch `GroupNorm` at one code.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    pools : Pools
        Weights w_gj.
    code : array of shape (n_samples, n_components)
        Where they touch.
    width : array of shape (n_samples, 1)
        Least eta: the norm of a pool below it is rounded off.
    positive : bool
        Infinite where a code is negative.
    """

    curvature = 0.0  # `prox` has the whole of the squares

    def __init__(self, alpha, pools, code, width, positive):
        self.alpha = alpha
        self.pools = pools
        self.code = code
        self.width = width
        self.positive = positive

    @property
    def windows(self):
        """Weights of the pools' rows and columns on a map, for fused kernels; None elsewhere."""
        return self.pools.windows

    def prox(self, code, step_size):
        """argmin_z 1/2 ||z - code||^2 + step_size * penalty(z), entry by entry."""
        eta = array_namespace(code).maximum(self.pools.norms(self.code), self.width)
        weight = self.alpha * self.pools.spread(1 / eta)
        return _feasible(code, self.positive) / (1 + step_size * weight)


class DisjointGroupNorm:
    """alpha sum_g v_g ||z_g||, each component in one group.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    pools : Pools
        Disjoint groups, with weights v_g^2 of the squares.
    positive : bool, default=False
        Infinite where a code is negative.
    """

    name = "GroupPenalty"
    separable = False

    def __init__(self, alpha, pools, positive=False):
        self.alpha = alpha
        self.pools = pools
        self.positive = positive

    def group_rule(self, like):
        """The penalty as plain data of the type and on the device of an array."""
        xp, pools = array_namespace(like), self.pools
        threshold = self.alpha * pools.like(like, "factors")
        members, starts = xp.asarray(pools.members), xp.asarray(pools.starts)
        membership = pools.like(like, "membership")
        return GroupSoftThreshold(threshold, membership, members, starts, self.positive)

    def value(self, code):
        """Penalty of each row, shape (n_samples,)."""
        xp = array_namespace(code)
        return self.alpha * xp.sum(self.pools.norms(code), axis=1)

    def gradient(self, code):
        """Slope with respect to each entry, and zero where a group is off."""
        return self.group_rule(code).gradient(code)

    def prox(self, code, step_size):
        """argmin_z 1/2 ||z - code||^2 + step_size * penalty(z): every group shortened."""
        return self.group_rule(code).prox(code, step_size)

    def dual_norm(self, correlation, code=None, eta=None):
        """max_g ||q_g|| / (alpha v_g) of each row."""
        return self.group_rule(correlation).dual_norm(correlation)


class GroupNorm:
    """alpha sum_g sqrt(sum_j w_gj z_j^2) over pools that may share components.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    pools : Pools
        Weights w_gj.
    positive : bool, default=False
        Infinite where a code is negative.
    backend : module
        Where sums over pools come from.
    """

    name = "GroupPenalty"
    separable = False

    def __init__(self, alpha, pools, positive=False, backend=reference):
        self.alpha = alpha
        self.pools = pools
        self.positive = positive
        self.backend = backend

    def __getstate__(self):
        """Store no backend, which is a module: solvers give a penalty the one that they run on."""
        return {"alpha": self.alpha, "pools": self.pools, "positive": self.positive}

    def __setstate__(self, state):
        self.__init__(**state)

    def on(self, backend):
        """The penalty with the sums of another backend."""
        return GroupNorm(self.alpha, self.pools, self.positive, backend)

    def _norms(self, code):
        return self.pools.norms(code, self.backend)

    def _spread(self, values):
        return self.pools.spread(values, self.backend)

    value = DisjointGroupNorm.value

    def gradient(self, code):
        """Slope with respect to each entry, and zero where all pools are off."""
        norms = self._norms(code)
        xp = array_namespace(code)
        inverse = xp.where(norms > 0, 1 / positive_or_one(norms), xp.zeros_like(norms))
        return self.alpha * code * self._spread(inverse)

    def majorant(self, code, neglected):
        """Squares that touch the penalty at a code, up to `neglected`, and are above it elsewhere.

        A pool whose norm is below a width is taken as one of that width: the penalty is round there
        instead of having a kink.

        Parameters
        ----------
        code : array of shape (n_samples, n_components)
            Where they touch.
        neglected : array of shape (n_samples,)
            Energy that does not matter.

        Returns
        -------
        penalty : GroupMajorant
        """
        return GroupMajorant(self.alpha, self.pools, code, self._width(neglected), self.positive)

    def _width(self, neglected):
        """Norms below it cost less than `neglected`, all pools together."""
        return (neglected / (self.alpha * self.pools.n_pools))[:, None]

    def settled(self, code, neglected):
        """The code with pools that are all but off turned off, and the eta it had before."""
        xp = array_namespace(code)
        norms, width = self._norms(code), self._width(neglected)
        is_off = self._spread(xp.asarray(norms < width, dtype=code.dtype)) > 0
        return xp.where(is_off, xp.zeros_like(code), code), xp.maximum(norms, width)

    def dual_norm(self, correlation, code, eta=None):
        """A bound from above of the dual norm over alpha, by splitting q over the pools.

        Parameters
        ----------
        correlation : array of shape (n_samples, n_components)
            q.
        code : array of shape (n_samples, n_components)
            A code that has this residual correlation.
        eta : array of shape (n_samples, n_pools) or None, default=None
            How to split; None finds out, from the code.

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

    def _part_norms(self, correlation, eta):
        """||q_g|| / alpha of each pool, where eta splits q over the pools."""
        share = 1 / eta
        code = correlation / self._spread(share)
        return self._norms(code) * share / self.alpha


def _relative(eta, floor):
    """In units of the largest of a row, and no smaller than a floor."""
    xp = array_namespace(eta)
    largest = xp.max(eta, axis=1, keepdims=True)
    return xp.maximum(eta / positive_or_one(largest), xp.full_like(eta, floor))


def _feasible(code, positive):
    xp = array_namespace(code)
    return xp.maximum(code, xp.zeros_like(code)) if positive else code
