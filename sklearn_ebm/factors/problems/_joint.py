"""Inference problems of groups of samples that share a support, one group per row.

A row contains the codes of all samples of a group. The Hessian of a group is block diagonal, with
the Hessian of each sample as a block, so that only products with the latter are computed.
"""

import copy

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.backends._certificate import gap_of_misfit
from sklearn_ebm.factors.penalties._ridge import without_ridge
from sklearn_ebm.factors.problems._gram import GramProblem
from sklearn_ebm.protocols import require

REMEDY = "Pass groups=None, or an L1Penalty, an ElasticNetPenalty or an L0Penalty."


def require_joint(penalty):
    """Refuse a penalty that has no form for groups of samples."""
    require(without_ridge(penalty)[0], "jointly", "groups requires a penalty", REMEDY)


def joint_penalty(penalty, size):
    """Return the penalty on groups of samples, each of `size` samples.

    Raises
    ------
    ValueError
        If the penalty has no form for groups of samples.
    """
    require_joint(penalty)
    return penalty.jointly(size)


class JointProblem(GramProblem):
    """The problem of groups of consecutive samples, each of `size` samples.

    Parameters
    ----------
    samples : GramProblem or MaskedProblem
        The problem of the single samples, whose penalty has `jointly`.
    size : int
        Number of samples in a group.
    """

    descent = "joint_descent"

    def __init__(self, samples, size):
        xp = array_namespace(samples.half_norm)
        self.samples = samples
        self.size = size
        half_norm = xp.sum(xp.reshape(samples.half_norm, (-1, size)), axis=1)
        penalty = self._penalty_of(samples.penalty, size)
        super().__init__(samples.gram, None, half_norm, penalty, None, samples.source)

    def _penalty_of(self, penalty, size):
        """Return the penalty on groups."""
        return joint_penalty(penalty, size)

    @property
    def correlation(self):
        """X D' of each group, shape (n_groups, size * n_components)."""
        return self._as_groups(self.samples.correlation)

    @property
    def lipschitz(self):
        """Upper bound of the largest eigenvalue of the Hessian of a sample."""
        return self.samples.lipschitz

    @property
    def largest_atom(self):
        """The largest norm of an atom."""
        return self.samples.largest_atom

    @property
    def weights(self):
        """None: kernels and proximal operators receive the weights."""

    def _as_groups(self, rows):
        n_groups = rows.shape[0] // self.size
        return array_namespace(rows).reshape(rows, (n_groups, self.size * rows.shape[1]))

    def _as_samples(self, rows):
        shape = rows.shape[0] * self.size, rows.shape[1] // self.size
        return array_namespace(rows).reshape(rows, shape)

    def product(self, code):
        """Return Z H of each group."""
        return self._as_groups(self.samples.product(self._as_samples(code)))

    def rows(self, index):
        """Return the problem of some of the groups."""
        xp = array_namespace(self.half_norm)
        within = xp.arange(self.size, dtype=index.dtype)
        part = copy.copy(self)
        part.samples = self.samples.rows(xp.reshape(index[:, None] * self.size + within, (-1,)))
        part.half_norm = xp.take(self.half_norm, index)
        part.source = part.samples.source
        return part

    def in_double(self):
        """Return the problem in double precision, recomputed from its data if necessary."""
        double = self.samples.in_double()
        return self if double is self.samples else type(self)(double, self.size)

    def with_penalty(self, factor):
        """Return the problem with a penalty on single samples."""
        return SeparateProblem(self.samples.with_penalty(factor), self.size)

    def certificate(self, code):
        """Return the relative gap of each group computed from X, Z and D in double precision."""
        xp = array_namespace(code)
        source = self.samples.source.astype(xp.float64)
        code = xp.asarray(code, dtype=xp.float64)
        misfit, q = source.judge(self._as_samples(code))
        sums = (
            xp.sum(xp.reshape(each, (-1, self.size)), axis=1) for each in (misfit, source.half_norm)
        )
        return gap_of_misfit(self.penalty, *sums, code, self._as_groups(q))

    def _quadratic(self, code, backend):
        return array_namespace(code).sum(code * (self.product(code) / 2 - self.correlation), axis=1)


class SeparateProblem(JointProblem):
    """The problem of groups of samples whose penalty is a sum over the samples of a group.

    Its solution consists of the solutions for the samples, and its gap is the sum of their gaps.
    """

    def _penalty_of(self, penalty, size):
        return penalty

    def separated(self, code):
        """Return the problem of the samples, and a view of their codes."""
        return self.samples, self._as_samples(code)

    def energy(self, code, backend=reference):
        """Return the sum of the energies of each group; shape (n_groups,)."""
        return self._totals(self.samples.energy(self._as_samples(code), backend))

    def relative_gap(self, code, eta=None):
        """Return the sum of the duality gaps over that of 1/2 ||x||^2 of each group."""
        samples = self.samples
        gap = samples.relative_gap(self._as_samples(code))
        return self._totals(gap * samples.unit) / self.unit

    def _totals(self, values):
        xp = array_namespace(values)
        return xp.sum(xp.reshape(values, (-1, self.size)), axis=1)
