"""The limited memory of L-BFGS (Nocedal & Wright 2006, section 7.2)."""

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.learning._optimizers import OPTIMIZERS, Optimizer

N_PAIRS = 10  # changes of the parameters and of the gradients that are kept
CURVATURE = 1e-10  # smallest cosine of the angle between the two changes


@stored
class LimitedMemory(Optimizer):
    """The L-BFGS approximation of the Hessian (Nocedal & Wright 2006, algorithm 7.4).

    Parameters
    ----------
    parameters, scales, decay, units
        As for `Optimizer`. Scales and decay are not used.
    """

    is_stochastic = False

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.pairs = []

    def restart(self):
        """Forget all changes."""
        self.n_steps = 0
        self.pairs = []

    def record(self, moved, change):
        """Keep a change of the parameters and of the gradient if the curvature is positive."""
        product = dot(moved, change)
        if product > CURVATURE * (dot(moved, moved) * dot(change, change)) ** 0.5:
            self.pairs = [*self.pairs[1 - N_PAIRS :], (moved, change)]

    def direction(self, gradient):
        """Return a direction of descent."""
        if not self.pairs:
            length = dot(gradient, gradient) ** 0.5
            return -gradient / length if length > 0 else -gradient
        result, shares = -gradient, []
        for moved, change in reversed(self.pairs):
            share = dot(moved, result) / dot(moved, change)
            result = result - share * change
            shares.append(share)
        moved, change = self.pairs[-1]
        result = result * (dot(moved, change) / dot(change, change))
        for (moved, change), share in zip(self.pairs, reversed(shares), strict=True):
            result = result + (share - dot(change, result) / dot(moved, change)) * moved
        return result


ALL_OPTIMIZERS = {**OPTIMIZERS, "lbfgs": LimitedMemory}  # also the one of a line search


def dot(first, second):
    """Return the inner product of two vectors as a number."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(first @ second)
