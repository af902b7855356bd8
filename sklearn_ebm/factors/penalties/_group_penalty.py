"""The group penalty that users specify, and the checks of its groups, windows and weights."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Literal

import numpy as np

from sklearn_ebm._typing import ArrayLike, Size
from sklearn_ebm.factors.penalties._group import DisjointGroupNorm, GroupNorm, group_norm
from sklearn_ebm.factors.penalties._pools import Pools, pools_of_groups, pools_of_map
from sklearn_ebm.factors.penalties._specification import (
    LARGEST_FACTOR,
    PenaltySpecification,
    in_range,
    require_places,
)
from sklearn_ebm.inputs._checks import numbers_of

WINDOWS = ("gaussian", "uniform")
SIZE = 4  # size of groups if the user specifies neither groups nor a map


class GroupPenalty(PenaltySpecification):
    """Penalty on the norms of groups of components, which are then on together.

    The penalty is alpha sum_g sqrt(sum_j w_gj z_j^2).

    Parameters
    ----------
    groups : int, list of int arrays, or None, default=None
        Components of each group, disjoint or overlapping. An int divides the components into groups
        of that many neighbours; the last group may be smaller. None uses windows on the map if
        `map_shape` is given, and groups of four otherwise.
    map_shape : tuple of two ints or None, default=None
        Rows and columns of the map of components, numbered row by row. The groups are then windows
        on this map.
    pool_shape : int or tuple of two ints, default=(6, 6)
        Number of rows and columns of a window. An int applies to both.
    pool_stride : int or tuple of two ints, default=1
        Number of rows and columns between neighbouring windows. An int applies to both.
    pool_weights : {"gaussian", "uniform"} or array-like of shape (n_groups,), default="gaussian"
        Weights of the components in a window: decreasing from its centre, or equal. An array
        contains a positive factor for the norm of each group, with equal weights in windows. The
        weights in `groups` are one.
    torus : bool, default=True
        Whether windows wrap around the edges of the map; otherwise they are cut there.

    See Also
    --------
    GroupSparsePSD : A model that learns pooled features with this penalty.
    SparseCoder : A model that accepts it as `penalty`.

    Notes
    -----
    The weights of windows are scaled such that a constant map has the same penalty as under the L1
    norm, for any size and stride, so that alpha has about the same effect. Given groups are
    penalised by ||z_g||; groups of one component are the L1 norm.

    References
    ----------
    M. Yuan, Y. Lin (2006). Model selection and estimation in regression with grouped variables. K.
    Kavukcuoglu, M. Ranzato, R. Fergus, Y. LeCun (2009). Learning invariant features through
    topographic filter maps, eq. 2.

    Examples
    --------
    >>> from sklearn_ebm import GroupPenalty
    >>> GroupPenalty([[0, 1], [1, 2]]).pools(3).weights
    array([[1., 1., 0.],
           [0., 1., 1.]])
    """

    separable = False

    def __init__(
        self,
        groups: int | Sequence[ArrayLike] | None = None,
        *,
        map_shape: Sequence[int] | None = None,
        pool_shape: Size = (6, 6),
        pool_stride: Size = 1,
        pool_weights: Literal["gaussian", "uniform"] | ArrayLike = "gaussian",
        torus: bool = True,
    ) -> None:
        super().__init__(
            groups=groups,
            map_shape=map_shape,
            pool_shape=pool_shape,
            pool_stride=pool_stride,
            pool_weights=pool_weights,
            torus=torus,
        )

    def pools(self, n_components: int) -> Pools:
        """Check the groups, and return their weights.

        Parameters
        ----------
        n_components : int
            Number of components.

        Returns
        -------
        Pools
            Their `weights` are the w_gj, of shape (n_groups, n_components).

        Raises
        ------
        ValueError
            If a component is in no group, twice in one group, or does not exist; if a group is
            empty, a window is larger than the map, or a weight is not positive.
        """
        self._require_known_weights()
        if self.map_shape is not None:
            if self.groups is not None:
                raise ValueError(
                    "groups must be None if map_shape is given. Set groups or map_shape to None."
                )
            return self._windows(n_components)
        groups = _checked_groups(SIZE if self.groups is None else self.groups, n_components)
        return pools_of_groups(groups, n_components, self._factors(len(groups)))

    def resolve(
        self, n_components: int, alpha: float, positive: bool = False
    ) -> DisjointGroupNorm | GroupNorm:
        """Return the factor alpha sum_g sqrt(sum_j w_gj z_j^2).

        Parameters
        ----------
        n_components : int
            Number of components.
        alpha : float
            Weight of the penalty.
        positive : bool, default=False
            Whether codes are constrained to be non-negative.

        Returns
        -------
        DisjointGroupNorm or GroupNorm
            The penalty with its weight.

        Raises
        ------
        ValueError
            If `pools` raises it.
        """
        return group_norm(alpha, self.pools(n_components), positive)

    def _windows(self, n_components):
        if not isinstance(self.torus, bool | np.bool_):
            raise ValueError(f"torus must be True or False, got {self.torus!r}.")
        shape = two_numbers(self.map_shape, "map_shape")
        window = one_or_two_numbers(self.pool_shape, "pool_shape")
        stride = one_or_two_numbers(self.pool_stride, "pool_stride")
        require_places(shape, n_components)
        if window[0] > shape[0] or window[1] > shape[1]:
            raise ValueError(f"pool_shape must not exceed map_shape={shape}, got {window}.")
        if stride[0] > window[0] or stride[1] > window[1]:
            raise ValueError(
                f"pool_stride must not exceed pool_shape={window}, so that every component is in a "
                f"pool, got {stride}."
            )
        kind = self.pool_weights if isinstance(self.pool_weights, str) else "uniform"
        pools = pools_of_map(shape, window, stride, kind, self.torus)
        factors = self._factors(pools.n_pools)
        return pools if factors is None else pools.scaled(factors)

    def _require_known_weights(self):
        if isinstance(self.pool_weights, str) and self.pool_weights not in WINDOWS:
            raise ValueError(
                f"pool_weights must be {', '.join(map(repr, WINDOWS))} or an array, got "
                f"{self.pool_weights!r}."
            )

    def _factors(self, n_pools):
        """Return the checked factors of the pools' norms, or None."""
        if isinstance(self.pool_weights, str):
            return None
        factors = numbers_of(self.pool_weights, "pool_weights")
        if factors.shape != (n_pools,):
            raise ValueError(
                f"pool_weights must have shape {(n_pools,)}, one per group, got {factors.shape}."
            )
        bad = ~in_range(factors)
        if np.any(bad):
            first = int(np.argmax(bad))
            raise ValueError(
                f"pool_weights must be positive numbers from {1 / LARGEST_FACTOR:g} to "
                f"{LARGEST_FACTOR:g}, got pool_weights[{first}]={factors[first]:g}."
            )
        if factors.max() > LARGEST_FACTOR * factors.min():
            raise ValueError(
                "The largest of pool_weights must be at most "
                f"{LARGEST_FACTOR:g} times the smallest, got {factors.max():g} and "
                f"{factors.min():g}."
            )
        return factors


def one_or_two_numbers(value, name):
    """Return a pair of positive integers; a single integer is repeated."""
    return two_numbers((value, value) if isinstance(value, Integral) else value, name)


def two_numbers(value, name):
    """Return a pair of positive integers, or raise a ValueError that names the parameter."""
    numbers = tuple(value) if np.iterable(value) and not isinstance(value, str) else (value,)
    if len(numbers) != 2 or not all(isinstance(n, Integral) and n >= 1 for n in numbers):
        raise ValueError(f"{name} must be a pair of positive integers, got {value!r}.")
    return int(numbers[0]), int(numbers[1])


def _checked_groups(groups, n_components):
    """Return the groups as integer arrays that together contain all components."""
    if isinstance(groups, Integral) and not isinstance(groups, bool):
        if groups < 1:
            raise ValueError(
                f"groups must be a positive integer or a list of index arrays, got {groups}."
            )
        return np.split(np.arange(n_components), range(int(groups), n_components, int(groups)))
    if isinstance(groups, str) or not np.iterable(groups):
        raise ValueError(
            f"groups must be a positive integer or a list of index arrays, got {groups!r}."
        )
    groups = [_checked_group(members, row, n_components) for row, members in enumerate(groups)]
    missing = np.setdiff1d(np.arange(n_components), np.concatenate([*groups, [-1]]))
    if len(missing):
        raise ValueError(
            f"groups must contain all n_components={n_components} components, got groups without "
            f"components {_some(missing)}."
        )
    return groups


def _checked_group(members, row, n_components):
    try:
        members = np.asarray(members)
    except ValueError:  # nested lists of different lengths
        members = np.asarray(None)
    if members.size == 0:
        raise ValueError(f"groups[{row}] must contain at least one component, got an empty group.")
    if members.ndim != 1 or members.dtype.kind not in "iu":
        raise ValueError(
            f"groups[{row}] must be a list of component indices, got an array of shape "
            f"{members.shape} and dtype {members.dtype}."
        )
    beyond = members[(members < 0) | (members >= n_components)]
    if len(beyond):
        raise ValueError(
            f"groups[{row}] must contain components from 0 to {n_components - 1}, got "
            f"{_some(beyond)}."
        )
    values, counts = np.unique(members, return_counts=True)
    if np.any(counts > 1):
        raise ValueError(
            f"groups[{row}] must not contain a component more than once, got duplicates of "
            f"{_some(values[counts > 1])}."
        )
    return members


def _some(values):
    shown = ", ".join(str(int(value)) for value in values[:5])
    return shown + (", ..." if len(values) > 5 else "")
