"""Detection of learning that diverges, and the message for users."""

import math
from numbers import Real

from sklearn.exceptions import ConvergenceWarning

from sklearn_ebm._storage import stored
from sklearn_ebm._warnings import warn


class Diverged(ValueError):
    """Raised if a loss is not finite or far too large; the step is not taken."""


@stored
class Watch:
    """Raises `Diverged` if a mean loss is NaN, or far above its usual size and the initial loss.

    Parameters
    ----------
    factor : float
        Largest accepted multiple.
    """

    def __init__(self, factor):
        self.factor = factor
        self.first = None

    def begin(self, loss):
        """Record the initial loss, which may have any size."""
        self.first = loss if math.isfinite(loss) else 0.0

    def limit(self, usual):
        """Return the largest accepted mean loss, given its usual size."""
        return self.factor * max(usual, self.first or 0.0)

    def require(self, loss, usual):
        """Compare a mean loss with its usual size and with the initial loss."""
        if self.first is None:
            self.begin(loss)
        if not loss <= self.limit(usual):  # true for NaN
            raise Diverged


def divergence_message(learning_rate):
    """Return the text of the `ConvergenceWarning`, with the parameter as the user set it."""
    shown = learning_rate if isinstance(learning_rate, Real) else repr(learning_rate)
    return (
        f"Training diverged with learning_rate={shown}; the best parameters before divergence "
        "are kept. Lower learning_rate."
    )


def warn_of_divergence(outcome, estimator):
    """Issue a `ConvergenceWarning` that shows the learning rate if learning diverged."""
    if outcome.has_diverged:
        warn(divergence_message(estimator.learning_rate), ConvergenceWarning)
