"""The penalty of disjoint groups as plain data, for kernels that go from group to group."""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends._rules import positive_or_one, row_maximum


class GroupSoftThreshold(NamedTuple):
    """z_g max(0, 1 - t_g / ||z_g||), the proximal operator of sum_g t_g ||z_g||, disjoint groups.

    Attributes
    ----------
    threshold : array of shape (n_groups,)
        t_g.
    membership : array of shape (n_groups, n_components)
        One where a component belongs to the group, else zero; for whole batches.
    members : array of shape (n_components,)
        The same as a list: components, one group after another.
    starts : array of shape (n_groups + 1,)
        Where each group begins in `members`, and where the last one ends.
    positive : bool
        Whether codes are positive.
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
        """Shorten each group; one whose norm is at most its threshold becomes zero."""
        value = self._part(value)
        norms = self._norms(value)
        xp = array_namespace(norms)
        excess = norms - step_size * self.threshold
        share = xp.maximum(excess, xp.zeros_like(excess)) / positive_or_one(norms)
        return value * (share @ self.membership)

    def dual_norm(self, correlation, code=None, eta=None):
        """The largest ||q_g|| / t_g of each row."""
        return row_maximum(self._norms(self._part(correlation)) / self.threshold)

    def gradient(self, code):
        """t_g z_g / ||z_g||, and zero for groups that are off."""
        norms = self._norms(code)
        return code * ((self.threshold / positive_or_one(norms)) @ self.membership)


class Combination(NamedTuple):
    """The map R M C of a matrix M for two given ones, R by its entries that are not zero.

    Attributes
    ----------
    taps : array of shape (n_rows_out, n_taps)
        Rows of M that each row of the result takes.
    weights : array of shape (n_rows_out, n_taps)
        How much.
    across : array of shape (n_columns_in, width)
        C, with columns of zeros up to whole vectors.
    """

    taps: Any
    weights: Any
    across: Any


def combination(rows, columns, lanes):
    """R M C' for R = rows and C = columns, on vectors of so many lanes."""
    n_taps = int((rows != 0).sum(axis=1).max())
    taps = np.argsort(rows == 0, axis=1, kind="stable")[:, :n_taps]
    weights = np.take_along_axis(rows, taps, axis=1)
    width = -(-columns.shape[0] // lanes) * lanes
    across = np.zeros((columns.shape[1], width), columns.dtype)
    across[:, : columns.shape[0]] = columns.T
    return Combination(np.ascontiguousarray(taps), np.ascontiguousarray(weights), across)
