"""Learning rates as functions of the completed share of training."""

import math
from dataclasses import dataclass
from numbers import Real

from sklearn_ebm._sklearn import Interval, StrOptions
from sklearn_ebm._storage import stored

LEARNING_RATE = [Interval(Real, 0, None, closed="neither"), callable, StrOptions({"auto"})]


@stored
@dataclass(frozen=True)
class LinearDecay:
    """A learning rate that decays linearly from its initial value to zero."""

    initial: float

    def __call__(self, done):
        """Return the learning rate at a completed share of training, from 0 to 1."""
        return self.initial * (1 - done)


@stored
@dataclass(frozen=True)
class ConstantRate:
    """A constant learning rate."""

    rate: float

    def __call__(self, done):
        """Return the learning rate at a completed share of training, from 0 to 1."""
        return self.rate


@dataclass(frozen=True)
class CustomSchedule:
    """A user's function of the completed share of training, whose values are checked."""

    function: object

    def __call__(self, done):
        """Return the learning rate at a completed share of training, from 0 to 1."""
        rate = self.function(done)
        try:
            value = float(rate)
        except (TypeError, ValueError):
            value = math.nan
        if not 0 <= value < math.inf:
            raise ValueError(
                f"learning_rate must return a finite non-negative number, got {rate!r}."
            )
        return value


def learning_rate_schedule(learning_rate, automatic):
    """Return the learning rate as a function of the completed share of training.

    Parameters
    ----------
    learning_rate : "auto", float or callable
        A float is the initial rate, which decays linearly to zero. A callable receives the
        completed share of training, from 0 to 1, and returns the rate.
    automatic : float
        Initial rate if `learning_rate` is "auto".

    Returns
    -------
    callable
        Maps the completed share of training to the rate, a float.

    Raises
    ------
    ValueError
        If the rate that a callable returns is negative, infinite or not a number. The rate at 0 is
        checked here, before training starts; the others are checked during training.
    """
    if callable(learning_rate):
        schedule = CustomSchedule(learning_rate)
        schedule(0.0)
        return schedule
    return LinearDecay(automatic if isinstance(learning_rate, str) else float(learning_rate))
