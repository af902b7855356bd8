"""The penalty of lateral inhibition as users specify it: a matrix, a map, a tree, or learned."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Literal

import numpy as np

from sklearn_ebm._typing import Array, ArrayLike
from sklearn_ebm.factors.penalties._inhibition import Inhibition, LearnedInhibition
from sklearn_ebm.factors.penalties._specification import PenaltySpecification, require_places
from sklearn_ebm.factors.penalties._strengths import (
    checked_strength,
    map_distances,
    tree_distances,
    tree_parents,
    uniform_strength,
)

LEARNED_SHARE = 0.9  # sum of a row of learned strengths, relative to its maximum


class InhibitionPenalty(PenaltySpecification):
    """Penalty on pairs of components, which then inhibit each other.

    The penalty is alpha/2 sum_ij S_ij |z_i| |z_j|. Two components with S_ij > 0 are rarely on in
    the same code; a single active component has no penalty. Components that do not inhibit each
    other become similar, or active for the same samples: neighbours on a map, or parents and
    children in a tree. The strengths S can also be learned together with the dictionary.

    Parameters
    ----------
    strength : array-like of shape (n_components, n_components) or None, default=None
        S: symmetric, non-negative, zero on the diagonal. None uses `structure`.
    structure : {"map", "tree", "learned"}, default="map"
        Structure of S if `strength` is None. "map" sets S_ij to 1 if the distance of i and j on a
        map is above `inner_radius` and at most `outer_radius`, else to 0. "tree" sets S_ij to the
        number of edges between i and j in a tree minus 1, so that it is 0 between a parent and a
        child, and grows with the distance. "learned" learns S from the codes, with entries from 0
        to `largest` and rows that sum to `total`; it requires a model.
    map_shape : tuple of two ints or None, default=None
        Rows and columns of the map of components, numbered row by row. Required if `structure` is
        "map" and `strength` is None.
    inner_radius : float, default=2.5
        Largest distance without inhibition, in rows or columns of the map.
    outer_radius : float or None, default=None
        Largest distance with inhibition. None inhibits at any distance above `inner_radius`.
    torus : bool, default=True
        Whether distances wrap around the edges of the map.
    branching : int or tuple of ints, default=5
        Number of children of a component in the tree. Components are numbered level by level;
        component 0 is the root. An int fills one level after another until there are `n_components`
        nodes. A tuple contains the number for each level, and the tree must have `n_components`
        nodes.
    total : float or None, default=None
        Sum of each row of learned strengths. None is 0.9 times the maximum,
        ``largest * (n_components - 1)``.
    largest : float, default=1.0
        Largest learned strength.

    See Also
    --------
    GroupPenalty : A penalty for groups of components.
    sklearn_ebm.inspection.TreeDisplay : Display of atoms as a tree.
    sklearn_ebm.inspection.TopographicMapDisplay : Display of atoms on a map.

    Notes
    -----
    Codes are inferred by coordinate descent (``solver="inhibited_cd"``, the default with this
    penalty): greedy steps, then sweeps and steps along their change. No step increases the energy.
    The energy is convex if alpha times the largest eigenvalue of S is at most the smallest
    eigenvalue of D D'; otherwise, codes may be local minima. There is no duality gap. Inference
    stops when the largest violation of the first-order conditions, relative to the largest
    correlation of the sample with an atom, is at most the tolerance (`code_tol` of models, `tol` of
    functions).

    The penalty has degree 2: for the same alpha, the codes of c X are c times the codes of X.
    Therefore alpha="scale" of a model means alpha=1 with this penalty.

    A model with learned strengths has the fitted attribute `inhibition_`, with S. After each batch,
    S takes a projected gradient step that decreases the penalty of the batch's codes.
    Convolutional models and functions require `strength`, a map or a tree.

    References
    ----------
    K. Gregor, A. Szlam, Y. LeCun (2011). Structured sparse coding via lateral inhibition, NIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import InhibitionPenalty, sparse_encode
    >>> S = 1 - np.eye(2)
    >>> print(sparse_encode([[3.0, 1.0]], np.eye(2), alpha=1.0, penalty=InhibitionPenalty(S)))
    [[3. 0.]]
    >>> print(InhibitionPenalty(structure="tree", branching=2).strengths(4))
    [[0. 0. 0. 1.]
     [0. 0. 1. 0.]
     [0. 1. 0. 2.]
     [1. 0. 2. 0.]]
    """

    separable = False
    degree = 2

    def __init__(
        self,
        strength: ArrayLike | None = None,
        *,
        structure: Literal["map", "tree", "learned"] = "map",
        map_shape: Sequence[int] | None = None,
        inner_radius: float = 2.5,
        outer_radius: float | None = None,
        torus: bool = True,
        branching: int | Sequence[int] = 5,
        total: float | None = None,
        largest: float = 1.0,
    ) -> None:
        super().__init__(
            strength=strength,
            structure=structure,
            map_shape=map_shape,
            inner_radius=inner_radius,
            outer_radius=outer_radius,
            torus=torus,
            branching=branching,
            total=total,
            largest=largest,
        )

    def resolve(self, n_components: int, alpha: float, positive: bool = False) -> Inhibition:
        """Return the factor alpha/2 |z| S |z|'.

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
        Inhibition
            The penalty with its weight.

        Raises
        ------
        ValueError
            If the parameters are not compatible with each other or with the number of components.
        """
        strength = self.strengths(n_components)
        if self.strength is None and self.structure == "learned":
            limits = _checked_limits(self.total, self.largest, n_components)
            return LearnedInhibition(alpha, strength, positive, *limits)
        return Inhibition(alpha, strength, positive)

    def strengths(self, n_components: int) -> Array:
        """Check the parameters, and compute S.

        Parameters
        ----------
        n_components : int
            Number of components.

        Returns
        -------
        ndarray of shape (n_components, n_components)
            S. With ``structure="learned"``, the initial S, whose entries are equal.

        Raises
        ------
        ValueError
            If the parameters are not compatible with each other or with the number of components.
        """
        if self.strength is not None:
            return checked_strength(self.strength, n_components)
        structures = {"map": self._of_map, "tree": self._of_tree, "learned": self._initial}
        if not isinstance(self.structure, str) or self.structure not in structures:
            raise ValueError(
                f"structure must be 'map', 'tree' or 'learned', got {self.structure!r}."
            )
        return structures[self.structure](n_components)

    def parents(self, n_components: int) -> Array:
        """Return the parent of each component in the tree.

        Parameters
        ----------
        n_components : int
            Number of components.

        Returns
        -------
        ndarray of shape (n_components,)
            Indices of the parents; -1 for the root, component 0.

        Raises
        ------
        ValueError
            If `branching` is not compatible with the number of components.
        """
        return tree_parents(n_components, _checked_branching(self.branching, n_components))

    def _of_map(self, n_components):
        distance = map_distances(_checked_map(self.map_shape, n_components), self.torus)
        inner = _checked_radius(self.inner_radius, "inner_radius")
        outer = np.inf
        if self.outer_radius is not None:
            outer = _checked_radius(self.outer_radius, "outer_radius")
        strength = np.asarray((distance > inner) & (distance <= outer), dtype=float)
        if not strength.any():
            raise ValueError(
                f"map_shape={self.map_shape} must have two components at a distance above "
                f"inner_radius={self.inner_radius} and at most outer_radius={self.outer_radius}, "
                "got none. Lower inner_radius or increase outer_radius."
            )
        return strength

    def _of_tree(self, n_components):
        strength = np.maximum(tree_distances(self.parents(n_components)) - 1.0, 0.0)
        if not strength.any():
            raise ValueError(
                "structure='tree' requires at least 3 components, since a parent and its child do "
                f"not inhibit each other, got n_components={n_components}."
            )
        return strength

    def _initial(self, n_components):
        total, _ = _checked_limits(self.total, self.largest, n_components)
        return uniform_strength(n_components, total)


def _checked_map(map_shape, n_components):
    sizes = tuple(map_shape) if np.iterable(map_shape) and not isinstance(map_shape, str) else ()
    if len(sizes) != 2 or not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(
            "map_shape must be a pair of positive integers if structure='map' and strength is "
            f"None, got {map_shape!r}."
        )
    require_places(sizes, n_components)
    return sizes


def _checked_radius(radius, name):
    if not (isinstance(radius, Real) and radius >= 0):
        raise ValueError(f"{name} must be a non-negative number, got {radius!r}.")
    return float(radius)


def _checked_branching(branching, n_components):
    """Return the number of children, for all nodes or for each level."""
    is_one = isinstance(branching, Integral)
    numbers = (branching,)
    if not is_one:
        is_list = np.iterable(branching) and not isinstance(branching, str)
        numbers = tuple(branching) if is_list else ()
    if not numbers or not all(_is_positive_integer(number) for number in numbers):
        raise ValueError(
            "branching must be a positive integer or a tuple of positive integers, got "
            f"{branching!r}."
        )
    if is_one:
        return int(branching)
    n_nodes = sum(np.cumprod([1, *numbers]).tolist())
    if n_nodes != n_components:
        raise ValueError(
            f"branching={branching!r} must describe a tree of n_components={n_components} nodes, "
            f"got a tree of {n_nodes} nodes. Pass an int to fill incomplete levels."
        )
    return numbers


def _is_positive_integer(number):
    return isinstance(number, Integral) and not isinstance(number, bool) and number > 0


def _checked_limits(total, largest, n_components):
    """Return the row sum and the largest entry of learned strengths."""
    if not (isinstance(largest, Real) and 0 < largest < np.inf):
        raise ValueError(f"largest must be a positive number, got {largest!r}.")
    most = float(largest) * (n_components - 1)
    if n_components < 2:
        raise ValueError("structure='learned' requires at least 2 components, got n_components=1.")
    if total is None:
        return LEARNED_SHARE * most, float(largest)
    if not (isinstance(total, Real) and 0 < total <= most):
        raise ValueError(
            "total must be a positive number, at most largest * (n_components - 1) = "
            f"{most:g}, got {total!r}."
        )
    return float(total), float(largest)
