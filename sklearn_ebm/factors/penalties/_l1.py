"""The L1 penalty alpha ||z||_1, of either sign or positive."""

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.backends._rules import PositiveSoftThreshold, SoftThreshold
from sklearn_ebm.factors.penalties._specification import PenaltySpecification


class L1Penalty(PenaltySpecification):
    """Penalty alpha sum_j |z_j|: sparse codes, each component by itself.

    ``penalty="l1"`` is short for ``penalty=L1Penalty()``.

    See Also
    --------
    GroupPenalty : Components that are on or off in groups.

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

    def __init__(self):
        super().__init__()

    def resolve(self, n_components, alpha, positive=False):
        """Return the factor alpha sum_j |z_j|.

        Parameters
        ----------
        n_components : int
            Ignored: the penalty suits any number of components.
        alpha : float
            Weight of the penalty.
        positive : bool, default=False
            Whether codes are constrained to be non-negative.

        Returns
        -------
        L1
            The factor.
        """
        return L1(alpha, positive)


class L1:
    """alpha sum_j |z_j|; its conjugate is zero on max_j |u_j| <= alpha and infinite outside.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    positive : bool, default=False
        Infinite where a code is negative; the conjugate's box has no lower side.
    """

    name = "L1Penalty"
    separable = True

    def __init__(self, alpha, positive=False):
        self.alpha = alpha
        self.positive = positive

    def value(self, code):
        """Penalty of each row, shape (n_samples,)."""
        xp = array_namespace(code)
        return self.alpha * xp.sum(xp.abs(code), axis=1)

    def gradient(self, code):
        """Slope with respect to each entry: alpha sign(z), and at zero the subgradient zero."""
        return self.rule(1, float).gradient(code)

    def dual_norm(self, correlation, code=None, eta=None):
        """max_j |q_j| / alpha of each row: at most one where the penalty alone keeps z at zero."""
        return self.rule(1, float).dual_norm(correlation)

    def prox(self, code, step_size):
        """argmin_z 1/2 ||z - code||^2 + step_size * penalty(z), entry by entry."""
        return self.rule(step_size, float).prox(code)

    def rule(self, step_size, dtype):
        """The proximal operator as plain numbers of `dtype`, for fused kernels."""
        kind = PositiveSoftThreshold if self.positive else SoftThreshold
        return kind(dtype(self.alpha * step_size))
