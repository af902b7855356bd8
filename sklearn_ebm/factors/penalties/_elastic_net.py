"""The elastic net, alpha (l1_ratio ||z||_1 + (1 - l1_ratio)/2 ||z||^2)."""

from numbers import Real

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import squared_norms
from sklearn_ebm.factors.penalties._l1 import L1
from sklearn_ebm.factors.penalties._specification import (
    LARGEST_FACTOR,
    PenaltySpecification,
    in_range,
)


class ElasticNetPenalty(PenaltySpecification):
    """Penalty on the absolute values and the squares of a code.

    The penalty is alpha (l1_ratio sum_j |z_j| + (1 - l1_ratio)/2 sum_j z_j^2). The squares make the
    optimal code unique and a continuous function of the sample. Similar atoms have similar
    coefficients, while the L1 penalty alone may select one of them arbitrarily.

    Parameters
    ----------
    l1_ratio : float, default=0.5
        Share of the L1 penalty, greater than 0 and at most 1. With 1, the penalty is that of
        `L1Penalty`.

    See Also
    --------
    L1Penalty : The same penalty without squares.

    Notes
    -----
    The two terms have degrees 1 and 2, so that no alpha is proportional to a power of the scale of
    the data. Set alpha of a model to a number; alpha="scale" raises an error if l1_ratio < 1.

    References
    ----------
    H. Zou, T. Hastie (2005). Regularization and variable selection via the elastic net.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ebm import ElasticNetPenalty, sparse_encode
    >>> penalty = ElasticNetPenalty(l1_ratio=0.5)
    >>> print(sparse_encode([[3.0, 0.5]], np.eye(2), alpha=2.0, penalty=penalty).round(6))
    [[1. 0.]]
    """

    separable = True

    def __init__(self, l1_ratio: float = 0.5) -> None:
        super().__init__(l1_ratio=l1_ratio)

    @property
    def degree(self) -> int | None:
        """1 if the penalty has no squares. Otherwise None: the sum has no degree."""
        return 1 if self.l1_ratio == 1 else None

    def resolve(self, n_components: int, alpha: float, positive: bool = False) -> "ElasticNet | L1":
        """Return the factor alpha (l1_ratio ||z||_1 + (1 - l1_ratio)/2 ||z||^2).

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
        ElasticNet or L1
            The penalty with its weight.

        Raises
        ------
        ValueError
            If `l1_ratio` is not in (0, 1].
        """
        share = _checked_share(self.l1_ratio)
        sparse = L1(alpha * share, positive, "ElasticNetPenalty")
        return sparse if share == 1 else ElasticNet(sparse, alpha * (1 - share))


def _checked_share(l1_ratio):
    is_number = isinstance(l1_ratio, Real) and not isinstance(l1_ratio, bool)
    if not (is_number and 0 < l1_ratio <= 1):
        raise ValueError(
            f"l1_ratio must be a number greater than 0 and at most 1, got {l1_ratio!r}. Without an "
            "L1 penalty, codes are not sparse."
        )
    if not in_range(float(l1_ratio)):
        raise ValueError(
            f"l1_ratio must be at least {1 / LARGEST_FACTOR:g}, got {l1_ratio!r}. With a smaller "
            "share of the L1 penalty, codes are not sparse."
        )
    return float(l1_ratio)


@stored
class ElasticNet:
    """ridge/2 ||z||^2 plus an L1 penalty.

    Parameters
    ----------
    without_ridge : L1
        The L1 penalty with its weight.
    ridge : float
        Weight of 1/2 ||z||^2, greater than zero.
    """

    name = "ElasticNetPenalty"
    separable = True

    def __init__(self, without_ridge, ridge):
        self.without_ridge = without_ridge
        self.ridge = ridge

    def value(self, code):
        """Return the penalty of each row, shape (n_samples,)."""
        return self.without_ridge.value(code) + self.ridge / 2 * squared_norms(code)

    def gradient(self, code):
        """Return the gradient, with the subgradient zero at z = 0."""
        return self.without_ridge.gradient(code) + self.ridge * code

    def prox(self, code, step_size):
        """Return argmin_z 1/2 ||z - code||^2 + step_size * penalty(z), elementwise."""
        return self.without_ridge.prox(code, step_size) / float(1 + step_size * self.ridge)

    def conjugate(self, correlation):
        """Return max_z q z' - penalty(z), which is 1/(2 ridge) ||prox(q)||^2 with the L1 prox."""
        return squared_norms(self.without_ridge.prox(correlation, 1)) / (2 * self.ridge)
