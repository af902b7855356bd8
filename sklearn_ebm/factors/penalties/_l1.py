"""The L1 penalty alpha sum_j w_j |z_j|, optionally with non-negative codes."""

from sklearn_ebm._storage import stored
from sklearn_ebm._typing import ArrayLike
from sklearn_ebm.backends import absolute_sums, array_namespace, take_rows
from sklearn_ebm.backends._rules import (
    PositiveSoftThreshold,
    SoftThreshold,
    WeightedPositiveSoftThreshold,
    WeightedSoftThreshold,
)
from sklearn_ebm.factors.penalties._joint import JointL1
from sklearn_ebm.factors.penalties._smooth import SmoothL1
from sklearn_ebm.factors.penalties._specification import (
    LARGEST_FACTOR,
    PenaltySpecification,
    in_range,
)
from sklearn_ebm.inputs._checks import numbers_of


class L1Penalty(PenaltySpecification):
    """Penalty on the absolute values of a code, which is then sparse.

    The penalty is alpha sum_j w_j |z_j|, with weights w_j = 1 by default.
    ``penalty="l1"`` is equivalent to ``penalty=L1Penalty()``.

    Parameters
    ----------
    weights : array-like of shape (n_components,) or (n_samples, n_components), or None, \
            default=None
        Positive factor of alpha for each component. Components with a larger weight are used less.
        In convolutional models, there is one weight for each feature map. None is a weight of one
        for all components. Two dimensions are weights for each sample and component, which only
        functions accept, such as `sparse_encode`: a model also encodes samples without weights.

    See Also
    --------
    ElasticNetPenalty : The same penalty plus squares of the code.
    GroupPenalty : A penalty for groups of components.

    Notes
    -----
    Solvers use the variables w_j z_j, in which the penalty has equal weights, so that weights do
    not make inference slower. The exceptions are missing values, and models with both convolutions
    and an encoder, for which FISTA is the fastest solver that supports weights. Weights for each
    sample are part of the solvers: in the variables w_j z_j, each sample would have another
    dictionary.

    References
    ----------
    R. Tibshirani (1996). Regression shrinkage and selection via the lasso.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import L1Penalty, sparse_encode
    >>> print(sparse_encode([[3.0, 4.0]], np.eye(2), alpha=3.0, penalty=L1Penalty()))
    [[0. 1.]]
    >>> penalty = L1Penalty(weights=[1.0, 0.5])
    >>> print(sparse_encode([[3.0, 4.0]], np.eye(2), alpha=2.0, penalty=penalty))
    [[1. 3.]]

    Weights for each sample:

    >>> penalty = L1Penalty(weights=[[1.0, 0.5], [0.5, 1.0]])
    >>> print(sparse_encode([[3.0, 4.0], [3.0, 4.0]], np.eye(2), alpha=2.0, penalty=penalty))
    [[1. 3.]
     [2. 2.]]
    """

    separable = True

    def __init__(self, weights: ArrayLike | None = None) -> None:
        super().__init__(weights=weights)

    def resolve(
        self, n_components: int, alpha: float, positive: bool = False
    ) -> "L1 | WeightedL1 | SampleWeightedL1":
        """Return the factor alpha sum_j w_j |z_j|.

        Parameters
        ----------
        n_components : int
            Number of components, which must be the number of weights.
        alpha : float
            Weight of the penalty.
        positive : bool, default=False
            Whether codes are constrained to be non-negative.

        Returns
        -------
        L1, WeightedL1 or SampleWeightedL1
            The penalty with its weight; a `SampleWeightedL1` if weights differ between samples.

        Raises
        ------
        ValueError
            If the weights are not `n_components` positive numbers, or rows of as many, or if they
            are out of range.
        """
        if self.weights is None:
            return L1(alpha, positive)
        weights = _checked_weights(self.weights, n_components)
        if weights.ndim == 2:
            return SampleWeightedL1(alpha, weights, positive)
        return WeightedL1(L1(alpha, positive), weights)


def _checked_weights(weights, n_components):
    """Return the weights as an array in double precision."""
    checked = numbers_of(weights, "weights")  # a copy: users may change theirs
    if checked.ndim not in (1, 2) or checked.shape[-1] != n_components or checked.size == 0:
        raise ValueError(
            f"weights must have the shape (n_components,) = ({n_components},) or (n_samples, "
            f"n_components), got an array of shape {checked.shape}."
        )
    smallest, largest = checked.min(), checked.max()
    if not (in_range(smallest) and in_range(largest)):
        raise ValueError(
            f"weights must be positive numbers from {1 / LARGEST_FACTOR:g} to {LARGEST_FACTOR:g}, "
            f"got values from {smallest} to {largest}. Codes of components without a penalty have "
            "no duality gap; use a small weight instead of 0."
        )
    return checked


@stored
class L1:
    """alpha sum_j |z_j|; its conjugate is zero on max_j |u_j| <= alpha and infinite outside.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    positive : bool, default=False
        Whether codes are non-negative. The conjugate's box then has no lower bound.
    name : str, default="L1Penalty"
        Name of the penalty in error messages.
    """

    name = "L1Penalty"
    separable = True

    def __init__(self, alpha, positive=False, name=name):
        self.alpha = alpha
        self.positive = positive
        self.name = name

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        return self.alpha * absolute_sums(code)

    def gradient(self, code):
        """Return alpha sign(z), with the subgradient zero at z = 0."""
        return self.rule(1, float).gradient(code)

    def dual_norm(self, correlation, code=None, eta=None):
        """Return max_j |q_j| / alpha of each row; at most one if the optimal code is zero."""
        return self.rule(1, float).dual_norm(correlation)

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size * penalty(z), elementwise."""
        return self.rule(step_size, float).prox(code)

    def rule(self, step_size, dtype):
        """Return the proximal operator as plain numbers of `dtype`, for fused kernels."""
        kind = PositiveSoftThreshold if self.positive else SoftThreshold
        return kind(dtype(self.alpha * step_size))

    def jointly(self, size):
        """Return alpha sum_j ||Z_j||, for groups of `size` samples."""
        return JointL1(self.alpha, size, None, self.positive)

    def smoothed(self, epsilon):
        """Return alpha sum_j sqrt(z_j^2 + epsilon)."""
        return SmoothL1(self.alpha, epsilon)


@stored
class WeightedL1:
    """alpha sum_j w_j |z_j|, which is `unweighted` at the variables w_j z_j.

    Parameters
    ----------
    unweighted : L1
        alpha sum_j |z_j|.
    weights : ndarray of shape (n_components,)
        w, positive; the same at each position of maps.
    """

    name = "L1Penalty"
    separable = True

    def __init__(self, unweighted, weights):
        self.unweighted = unweighted
        self.weights = weights

    def weights_of(self, code):
        """Return the weight of each entry of a code, which may be maps as a flat row."""
        xp, n_positions = array_namespace(code), code.shape[1] // self.weights.shape[0]
        return xp.tile(xp.asarray(self.weights, dtype=code.dtype), (n_positions,))

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        return self.unweighted.value(code * self.weights_of(code))

    def gradient(self, code):
        """Return alpha w_j sign(z_j), with the subgradient zero at z_j = 0."""
        return self.unweighted.gradient(code) * self.weights_of(code)

    def dual_norm(self, correlation, code=None, eta=None):
        """Return max_j |q_j| / (alpha w_j) of each row; at most one if the optimal code is zero."""
        return self.unweighted.dual_norm(correlation / self.weights_of(correlation))

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size * penalty(z), elementwise."""
        rule = self.unweighted.rule(step_size, float)
        return type(rule)(rule.threshold * self.weights_of(code)).prox(code)

    def jointly(self, size):
        """Return alpha sum_j w_j ||Z_j||, for groups of `size` samples."""
        l1 = self.unweighted
        return JointL1(l1.alpha, size, self.weights, l1.positive)

    def smoothed(self, epsilon):
        """Return alpha sum_j w_j sqrt(z_j^2 + epsilon)."""
        return SmoothL1(self.unweighted.alpha, epsilon, self.weights)


class SampleWeightedL1:
    """alpha sum_j w_nj |z_nj| of sample n.

    It is a penalty for some samples only, or the majorant of a concave penalty at their codes.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    weights : array of shape (n_samples, n_components)
        w, positive.
    positive : bool, default=False
        Whether codes are non-negative.
    name : str, default="L1Penalty"
        Name of the penalty in error messages.
    """

    name = "L1Penalty with weights for each sample"
    separable = True

    def __init__(self, alpha, weights, positive=False, name=name):
        self.alpha = alpha
        self.weights = weights
        self.positive = positive
        self.name = name

    curvature = 0  # of a majorant: weight of the squared distance that `prox` leaves out

    @property
    def n_samples(self):
        """Number of samples that the penalty is for."""
        return self.weights.shape[0]

    def rows(self, index):
        """Return the penalty of some of the samples."""
        weights = self.weights
        some = weights[index, :] if isinstance(index, slice) else take_rows(weights, index)
        return self._with(self.alpha, some)

    def on(self, backend):
        """Return the penalty with weights on the device of a backend."""
        return self._with(self.alpha, backend.to_device(self.weights))

    def with_alpha(self, alpha):
        """Return the penalty with the same weights and another alpha."""
        return self._with(alpha, self.weights)

    def _with(self, alpha, weights):
        return SampleWeightedL1(alpha, weights, self.positive, self.name)

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        xp = array_namespace(code)
        return self.alpha * xp.sum(xp.asarray(self.weights, dtype=code.dtype) * abs(code), axis=1)

    def gradient(self, code):
        """Return alpha w_nj sign(z_nj), with the subgradient zero at z_nj = 0."""
        return self.rule(1, float).gradient(code)

    def dual_norm(self, correlation, code=None, eta=None):
        """Return max_j |q_nj| / (alpha w_nj); at most one if the optimal code is zero."""
        return self.rule(1, float).dual_norm(correlation)

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size * penalty(z), elementwise."""
        return self.rule(step_size, float).prox(code)

    def rule(self, step_size, dtype):
        """Return the proximal operator as plain numbers and arrays, for fused kernels."""
        kind = WeightedPositiveSoftThreshold if self.positive else WeightedSoftThreshold
        return kind(dtype(self.alpha * step_size), self.weights)
