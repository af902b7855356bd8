"""The product of experts that users specify."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, Literal

import numpy as np

from sklearn_ebm._typing import ArrayLike, Size
from sklearn_ebm.factors.energies._expert_functions import EXPERTS
from sklearn_ebm.factors.energies._product_of_experts import ProductOfExperts
from sklearn_ebm.factors.penalties._group_penalty import GroupPenalty
from sklearn_ebm.factors.penalties._specification import Specification

# Initial deviation of the responses of softplus experts, whose bends are then narrower than the
# data. On a ring and on digits, contrastive noise fitted much worse with one.
STEEPNESS = 4.0


class ExpertEnergy(Specification):
    """Energy that is a sum of functions of linear filter responses, a product of experts.

    The energy of a sample x is the sum of an expert function of each response s = x W + b, times a
    trained strength a, and optionally of q/2 ||x - m||^2:

        E(x) = sum_j a_j psi(s_j) + q/2 ||x - m||^2

    With pools, a function of the pooled squares replaces the first sum:

        E(x) = sum_g a_g phi(sum_j p_gj s_j^2) + q/2 ||x - m||^2

    Parameters
    ----------
    expert : {"student_t", "l2", "logcosh", "softplus"}, default="student_t"
        Expert function: log(1 + s^2 / 2), with the heavy tails of a Student t-distribution;
        sqrt(s^2 + 1e-4); log cosh s; or log(1 + exp(s)). The strengths of the first and the third
        are positive. The strengths of "softplus" have any sign, so that the energy can have any
        shape. "l2" has no strengths, since the length of the filters has the same effect.
    groups : int, list of int arrays, or None, default=None
        Components of each group, disjoint or overlapping. An int divides the components into groups
        of that many neighbours; the last group may be smaller. Groups are pools with the weights
        one. None uses windows on the map if `map_shape` is given, and no pools otherwise. "logcosh"
        and "softplus" have no pools.
    map_shape : tuple of two ints or None, default=None
        Rows and columns of the map of components, numbered row by row. The pools are then windows
        on this map, with weights p that decrease from the centre, and wrap around the edges.
    pool_shape : int or tuple of two ints, default=(3, 3)
        Number of rows and columns of a window. An int applies to both.
    precision : float, default=0.0
        Initial value of q for data of unit scale. If it is positive, q and m are trained; 0 omits
        the term. "softplus" requires it, since exp(-E) has no finite integral otherwise.
    bias : bool, default=False
        Whether b is trained; otherwise, it is zero.

    See Also
    --------
    GroupPenalty : The same pools for penalties.

    Notes
    -----
    The partition function is known if the number of components equals the number of features, no
    component is in two pools, and `precision` is zero. The strengths are one if the loss is the
    exact likelihood. With "logcosh" this is independent component analysis, with "l2" and groups
    independent subspace analysis.

    References
    ----------
    G. E. Hinton (2002). Training products of experts by minimizing contrastive divergence. M.
    Welling, G. E. Hinton, S. Osindero (2002). Learning sparse topographic representations with
    products of Student-t distributions. A. Hyvarinen, P. Hoyer (2000). Emergence of phase- and
    shift-invariant features by decomposition of natural images into independent feature subspaces.

    Examples
    --------
    >>> from sklearn_ebm import ExpertEnergy
    >>> energy = ExpertEnergy("l2", groups=2)
    >>> energy.get_params()["groups"]
    2
    >>> ExpertEnergy("logcosh", groups=2).first(4, 4)
    Traceback (most recent call last):
    ...
    ValueError: groups and map_shape must be None for expert='logcosh', which is not a function of
    squares, got groups=2. Use expert='student_t' or 'l2'.
    """

    parameter = "energy_function"

    def __init__(
        self,
        expert: Literal["student_t", "l2", "logcosh", "softplus"] = "student_t",
        *,
        groups: int | Sequence[ArrayLike] | None = None,
        map_shape: Sequence[int] | None = None,
        pool_shape: Size = (3, 3),
        precision: float = 0.0,
        bias: bool = False,
    ) -> None:
        super().__init__(
            expert=expert,
            groups=groups,
            map_shape=map_shape,
            pool_shape=pool_shape,
            precision=precision,
            bias=bias,
        )

    def first(
        self,
        n_features: int,
        n_components: int | None = None,
        mean: ArrayLike = 0.0,
        rng: Any = None,
        *,
        exact: bool = False,
        scale: float = 1.0,
    ) -> Any:
        """Check the parameters, and return an energy with random filters.

        Parameters
        ----------
        n_features : int
            Number of features.
        n_components : int or None, default=None
            Number of filters. None uses the number of features.
        mean : array-like of shape (n_features,), default=0.0
            Mean of the data.
        rng : numpy.random.RandomState or None, default=None
            Generator of the filters. None uses the seed zero.
        exact : bool, default=False
            Whether the partition function must be known.
        scale : float, default=1.0
            Standard deviation of the data.

        Returns
        -------
        Energy
            The energy in double precision. See `sklearn_ebm.protocols.Energy`.

        Raises
        ------
        ValueError
            If a parameter is not valid, or if `exact` is true and the partition function is not
            known.
        """
        self._require_valid()
        n_components = n_features if n_components is None else n_components
        rng = np.random.RandomState(0) if rng is None else rng
        mean = np.broadcast_to(np.asarray(mean, np.float64), n_features).copy()
        pools = self._pools(n_components)
        steepness = STEEPNESS if self.expert == "softplus" else 1.0
        weights = steepness / scale * _first_filters(n_features, n_components, rng)
        parameters = {"weights": weights}
        if self.bias:
            places = rng.standard_normal(n_components) if self.expert == "softplus" else 0.0
            parameters["bias"] = steepness * places - mean @ weights
        if not exact:
            n_experts = n_components if pools is None else pools.n_pools
            parameters |= _first_strengths(EXPERTS[self.expert].strength, n_experts, rng)
        if self.precision > 0:
            parameters["log_precision"] = np.log([self.precision / scale**2])
            parameters["center"] = mean
        energy = ProductOfExperts(parameters, self.expert, pools, float(scale))
        if exact and energy.log_partition is None:
            self._refuse_exact(n_features, n_components, pools)
        return energy

    def _require_valid(self):
        if not (isinstance(self.expert, str) and self.expert in EXPERTS):
            names = ", ".join(map(repr, EXPERTS))
            raise ValueError(f"expert must be one of {names}, got {self.expert!r}.")
        if not isinstance(self.bias, bool | np.bool_):
            raise ValueError(f"bias must be True or False, got {self.bias!r}.")
        precision = self.precision
        is_number = isinstance(precision, Real) and not isinstance(precision, bool)
        if not (is_number and 0 <= precision < np.inf):
            raise ValueError(f"precision must be a non-negative number, got {precision!r}.")
        if self.expert == "softplus" and precision == 0:
            raise ValueError(
                "precision must be positive for expert='softplus', since exp(-E) has no finite "
                "integral otherwise, got 0."
            )

    def _pools(self, n_components):
        """Return the checked pools, or None."""
        if self.groups is None and self.map_shape is None:
            return None
        if not EXPERTS[self.expert].takes_pools:
            given = "map_shape" if self.groups is None else "groups"
            raise ValueError(
                f"groups and map_shape must be None for expert={self.expert!r}, which is not a "
                f"function of squares, got {given}={getattr(self, given)!r}. Use "
                "expert='student_t' or 'l2'."
            )
        penalty = GroupPenalty(self.groups, map_shape=self.map_shape, pool_shape=self.pool_shape)
        return penalty.pools(n_components)

    def _refuse_exact(self, n_features, n_components, pools):
        """Raise a ValueError that says why the partition function is not known."""
        start = "loss='maximum_likelihood' requires"
        if not np.isfinite(EXPERTS[self.expert].log_volume(1)):
            raise ValueError(
                f"{start} experts with a finite integral, which expert={self.expert!r} does not "
                "have. Use expert='logcosh', or another loss."
            )
        if self.precision > 0:
            raise ValueError(f"{start} precision=0, got {self.precision!r}. Use another loss.")
        if n_components != n_features:
            raise ValueError(
                f"{start} as many components as features, got n_components={n_components} and "
                f"n_features={n_features}. Set n_components=None, or use another loss."
            )
        if pools is not None and not pools.is_disjoint:
            raise ValueError(
                f"{start} that no component is in two pools. Use disjoint groups, or another loss."
            )
        raise ValueError(
            f"{start} experts with a finite integral, which expert={self.expert!r} does not have "
            "if pools have several components. Use expert='l2', or another loss."
        )


def _first_filters(n_features, n_components, rng):
    """Return random filters of unit length, orthogonal if there are not more than features."""
    drawn = rng.standard_normal((n_features, n_components))
    if n_components <= n_features:
        return np.linalg.qr(drawn)[0]
    return drawn / np.linalg.norm(drawn, axis=0)


def _first_strengths(kind, n_experts, rng):
    """Return the initial strengths of experts by the name of the parameter."""
    if kind is None:
        return {}
    if kind == "positive":
        return {"log_strengths": np.zeros(n_experts)}
    # the sum of the experts has unit scale, and as many of them raise the energy as lower it
    return {"strengths": rng.choice([-1.0, 1.0], n_experts) / (STEEPNESS * n_experts**0.5)}
