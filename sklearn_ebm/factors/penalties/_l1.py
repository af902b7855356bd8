"""The L1 penalty alpha ||z||_1, optionally with non-negative codes."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._rules import PositiveSoftThreshold, SoftThreshold
from sklearn_ebm.factors.penalties._specification import PenaltySpecification


class L1Penalty(PenaltySpecification):
    """Penalty on the absolute values of a code, which is then sparse.

    The penalty is alpha sum_j |z_j|.
    ``penalty="l1"`` is equivalent to ``penalty=L1Penalty()``.

    See Also
    --------
    GroupPenalty : A penalty for groups of components.

    References
    ----------
    R. Tibshirani (1996). Regression shrinkage and selection via the lasso.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import L1Penalty, sparse_encode
    >>> print(sparse_encode([[3.0, 4.0]], np.eye(2), alpha=3.0, penalty=L1Penalty()))
    [[0. 1.]]
    """

    separable = True

    def __init__(self) -> None:
        super().__init__()

    def resolve(self, n_components: int, alpha: float, positive: bool = False) -> "L1":
        """Return the factor alpha sum_j |z_j|.

        Parameters
        ----------
        n_components : int
            Ignored: the penalty can be used with any number of components.
        alpha : float
            Weight of the penalty.
        positive : bool, default=False
            Whether codes are constrained to be non-negative.

        Returns
        -------
        L1
            The penalty with its weight.
        """
        return L1(alpha, positive)


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

    separable = True

    def __init__(self, alpha, positive=False, name="L1Penalty"):
        self.alpha = alpha
        self.positive = positive
        self.name = name

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        xp = array_namespace(code)
        return self.alpha * xp.sum(xp.abs(code), axis=1)

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
