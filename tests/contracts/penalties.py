"""All built-in and user-defined penalties, in all variants. A new penalty is one entry."""

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_ebm import (
    ElasticNetPenalty,
    GroupPenalty,
    InhibitionPenalty,
    L0Penalty,
    L1Constraint,
    L1Penalty,
    LogSumPenalty,
    LqPenalty,
)
from sklearn_ebm.factors import resolve_penalty
from sklearn_ebm.protocols import offers

N_COMPONENTS = 6
ALPHA = 0.7


class PlainL1:
    """||z||_1 with only `value` and `prox`, as users may write it."""

    def value(self, code):
        return np.abs(code).sum(axis=1)

    def prox(self, code, step_size):
        return np.sign(code) * np.maximum(np.abs(code) - step_size, 0)


class WeightedL1(BaseEstimator):
    """sum_j w_j |z_j|, a norm with parameters; `weights` are in double precision."""

    separable = True

    def __init__(self, weights=2.0):
        self.weights = weights

    def value(self, code):
        return (self.weights * np.abs(code)).sum(axis=1)

    def prox(self, code, step_size):
        return np.sign(code) * np.maximum(np.abs(code) - step_size * self.weights, 0)

    def gradient(self, code):
        return self.weights * np.sign(code)

    def dual_norm(self, correlation):
        return (np.abs(correlation) / self.weights).max(axis=1)


class ElasticNet:
    """||z||_1 + 1/2 ||z||^2, with a finite conjugate."""

    separable = True

    def value(self, code):
        return np.abs(code).sum(axis=1) + (code**2).sum(axis=1) / 2

    def prox(self, code, step_size):
        return np.sign(code) * np.maximum(np.abs(code) - step_size, 0) / (1 + step_size)

    def gradient(self, code):
        return np.sign(code) + code

    def conjugate(self, correlation):
        return (np.maximum(np.abs(correlation) - 1, 0) ** 2).sum(axis=1) / 2


class Huber:
    """sum_j of z^2/2 up to |z| = 1, and |z| - 1/2 beyond; the conjugate is infinite beyond one."""

    separable = True

    def value(self, code):
        size = np.abs(code)
        return np.where(size <= 1, code**2 / 2, size - 0.5).sum(axis=1)

    def prox(self, code, step_size):
        return code - step_size * np.clip(code / (1 + step_size), -1, 1)

    def gradient(self, code):
        return np.clip(code, -1, 1)

    def conjugate(self, correlation):
        inside = (correlation**2).sum(axis=1) / 2
        return np.where(np.abs(correlation).max(axis=1) <= 1, inside, np.inf)


class Counting:
    """The number of non-zero components, which is neither convex nor continuous."""

    convex = False

    def value(self, code):
        return np.count_nonzero(code, axis=1)

    def prox(self, code, step_size):
        return np.where(code**2 > 2 * step_size, code, 0)


CHAIN = [[0, 1, 2], [2, 3], [3, 4, 5], [5, 0]]
PENALTIES = {
    "l1": "l1",
    "L1Penalty": L1Penalty(),
    "L0Penalty": L0Penalty(2),
    "L1Constraint, norm": L1Constraint(0.6),
    "L1Penalty with weights": L1Penalty([0.5, 1, 2, 0.7, 1, 3]),
    "ElasticNetPenalty": ElasticNetPenalty(0.6),
    "LogSumPenalty": LogSumPenalty(1.5),
    "LqPenalty": LqPenalty(0.6),
    "disjoint groups": GroupPenalty([[4], [5, 0, 2], [1, 3]], pool_weights=[1, 0.5, 2]),
    "overlapping groups": GroupPenalty(CHAIN),
    "map": GroupPenalty(map_shape=(2, 3), pool_shape=(2, 2)),
    "inhibition": InhibitionPenalty(map_shape=(2, 3), inner_radius=1.0),
    "inhibition in a tree": InhibitionPenalty(structure="tree", branching=3),
    "value and prox": PlainL1(),
    "norm with parameters": WeightedL1(np.linspace(0.5, 2, N_COMPONENTS)),
    "conjugate": ElasticNet(),
    "bounded conjugate": Huber(),
    "not convex": Counting(),
}
POSITIVE = {  # names of the penalties that support positive=True
    name
    for name, kind in PENALTIES.items()
    if isinstance(kind, str) or offers(kind, "resolve") or offers(kind, "separable")
} - {"L0Penalty"}
CASES = [(name, False) for name in PENALTIES] + [(name, True) for name in sorted(POSITIVE)]


def make(name, positive=False, alpha=ALPHA):
    """Return the factor of a penalty with a given name."""
    return resolve_penalty(PENALTIES[name], N_COMPONENTS, alpha, positive)
