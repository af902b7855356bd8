"""Lateral inhibition: alpha/2 |z| S |z|', with strengths S_ij >= 0.

For any two codes z and y, let a = |z|, and let s be the largest eigenvalue of S. Then

    a_z S a_z' <= a_y S a_y' + 2 (a_z - a_y) S a_y' + s ||a_z - a_y||^2
    ||a_z - a_y|| <= ||z - y||

A weighted L1 norm with the thresholds alpha |y| S, plus a square of curvature alpha s, is therefore
a majorant of the penalty that touches it at y. A proximal step on it, of length 1 / L with
L = eig(DD') + alpha s, never increases the energy (majorisation-minimisation).
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Literal

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm._typing import Array, ArrayLike
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors.penalties._specification import PenaltySpecification, require_places
from sklearn_ebm.inputs._checks import numbers_of

STRUCTURES = ("map",)


class InhibitionPenalty(PenaltySpecification):
    """Penalty on pairs of components, which then inhibit each other.

    The penalty is alpha/2 sum_ij S_ij |z_i| |z_j|. Two components with S_ij > 0 are rarely on in
    the same code; a single active component has no penalty. If distant components of a map inhibit
    each other, components that are on together become neighbours on the map. The energy is not
    convex. Codes are local minima without a duality gap, inferred by proximal steps that never
    increase the energy.

    Parameters
    ----------
    strength : array-like of shape (n_components, n_components) or None, default=None
        S: symmetric, non-negative, zero on the diagonal. None uses `structure`.
    structure : {"map"}, default="map"
        Structure of S if `strength` is None. "map" sets S_ij to 1 if the distance of i and j on a
        map is above `inner_radius` and at most `outer_radius`, else to 0.
    map_shape : tuple of two ints or None, default=None
        Rows and columns of the map of components, numbered row by row. Required if `strength` is
        None.
    inner_radius : float, default=2.5
        Largest distance without inhibition, in rows or columns of the map.
    outer_radius : float or None, default=None
        Largest distance with inhibition. None inhibits at any distance above `inner_radius`.
    torus : bool, default=True
        Whether distances wrap around the edges of the map.

    See Also
    --------
    GroupPenalty : A penalty for groups of components.

    Notes
    -----
    The penalty has degree 2: for the same alpha, the codes of c X are c times the codes of X.
    Therefore alpha="scale" of a model means alpha=1 with this penalty.

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
    """

    separable = False
    degree = 2

    def __init__(
        self,
        strength: ArrayLike | None = None,
        *,
        structure: Literal["map"] = "map",
        map_shape: Sequence[int] | None = None,
        inner_radius: float = 2.5,
        outer_radius: float | None = None,
        torus: bool = True,
    ) -> None:
        super().__init__(
            strength=strength,
            structure=structure,
            map_shape=map_shape,
            inner_radius=inner_radius,
            outer_radius=outer_radius,
            torus=torus,
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
        return Inhibition(alpha, self.strengths(n_components), positive)

    def strengths(self, n_components: int) -> Array:
        """Check the parameters, and compute S.

        Parameters
        ----------
        n_components : int
            Number of components.

        Returns
        -------
        ndarray of shape (n_components, n_components)
            S.

        Raises
        ------
        ValueError
            If the parameters are not compatible with each other or with the number of components.
        """
        if self.strength is not None:
            return _checked_strength(self.strength, n_components)
        if self.structure not in STRUCTURES:
            raise ValueError(f"structure must be 'map', got {self.structure!r}.")
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


@stored
class Inhibition:
    """alpha/2 |z| S |z|' as a factor of an energy; not convex.

    Parameters
    ----------
    alpha : float
        Weight of the penalty.
    strength : ndarray of shape (n_components, n_components)
        S.
    positive : bool, default=False
        Whether codes are constrained to be non-negative.
    """

    name = "InhibitionPenalty"
    convex = False
    separable = False

    def __init__(self, alpha, strength, positive=False):
        self.alpha = alpha
        self.strength = strength
        self.positive = positive
        self.curvature = alpha * max(0.0, float(np.linalg.eigvalsh(strength)[-1]))
        self._casts = {}

    def __getstate__(self):
        return {name: vars(self)[name] for name in ("alpha", "strength", "positive")}

    def __setstate__(self, state):
        self.__init__(**state)

    def _thresholds(self, code):
        """Return alpha |z| S, the threshold of each component."""
        xp = array_namespace(code)
        key = xp.__name__, str(code.dtype)
        if key not in self._casts:
            self._casts[key] = xp.asarray(self.strength, dtype=code.dtype)
        return self.alpha * (xp.abs(code) @ self._casts[key])

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        xp = array_namespace(code)
        return xp.sum(xp.abs(code) * self._thresholds(code), axis=1) / 2

    def gradient(self, code):
        """Return alpha sign(z) (|z| S)', in the shape of the code; zero at z = 0."""
        return array_namespace(code).sign(code) * self._thresholds(code)

    def majorant(self, code, neglected):
        """Return the weighted L1 norm and the square that touch the penalty at a code.

        Parameters
        ----------
        code : array of shape (n_samples, n_components)
            Codes at which they touch the penalty.
        neglected : array of shape (n_samples,)
            Ignored, since nothing is smoothed.

        Returns
        -------
        InhibitionMajorant
            Contains the proximal operator of the norm, and the curvature of the square.
        """
        return InhibitionMajorant(self._thresholds(code), self.curvature, self.positive)


class InhibitionMajorant:
    """sum_j t_j |z_j| + curvature/2 ||z - y||^2, where `prox` handles the first term.

    Parameters
    ----------
    thresholds : array of shape (n_samples, n_components)
        t.
    curvature : float
        Weight of the squared distance.
    positive : bool
        Whether codes are constrained to be non-negative.
    """

    def __init__(self, thresholds, curvature, positive):
        self.thresholds = thresholds
        self.curvature = curvature
        self.positive = positive

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size sum_j t_j |z_j|, elementwise."""
        xp = array_namespace(code)
        thresholds = step_size * self.thresholds
        if self.positive:
            return xp.maximum(code - thresholds, xp.zeros_like(code))
        return xp.sign(code) * xp.maximum(xp.abs(code) - thresholds, xp.zeros_like(code))


def map_distances(map_shape, torus):
    """Return the distances between all pairs of components on a map, in rows and columns.

    Parameters
    ----------
    map_shape : tuple of two ints
        Rows and columns.
    torus : bool
        Whether distances wrap around the edges.

    Returns
    -------
    ndarray of shape (n_components, n_components)
        Euclidean distances.
    """
    squares = np.zeros((map_shape[0] * map_shape[1],) * 2)
    for places, size in zip(np.indices(map_shape).reshape(2, -1), map_shape, strict=True):
        distance = np.abs(places[:, None] - places)
        if torus:
            distance = np.minimum(distance, size - distance)
        squares += distance**2
    return np.sqrt(squares)


def _checked_strength(strength, n_components):
    strength = numbers_of(strength, "strength")
    if strength.shape != (n_components, n_components):
        raise ValueError(
            f"strength must have shape {(n_components, n_components)} for "
            f"n_components={n_components}, got {strength.shape}."
        )
    is_valid = np.all(strength >= 0) and np.all(np.isfinite(strength))  # false for NaN
    if not is_valid or np.any(np.diag(strength)) or np.any(strength != strength.T):
        raise ValueError(
            "strength must be symmetric, non-negative and finite, with zeros on the diagonal."
        )
    return strength


def _checked_map(map_shape, n_components):
    sizes = tuple(map_shape) if np.iterable(map_shape) and not isinstance(map_shape, str) else ()
    if len(sizes) != 2 or not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(
            f"map_shape must be a pair of positive integers if strength is None, got {map_shape!r}."
        )
    require_places(sizes, n_components)
    return sizes


def _checked_radius(radius, name):
    if not (isinstance(radius, Real) and radius >= 0):
        raise ValueError(f"{name} must be a non-negative number, got {radius!r}.")
    return float(radius)
