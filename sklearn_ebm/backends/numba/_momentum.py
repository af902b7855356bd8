"""Nesterov's momentum of one sample, with a restart."""

import math

from sklearn_ebm.backends.numba._rules import inner


@inner
def accelerate(momentum, against):
    """The momentum of the next step and its weight; it starts again where `against` is positive."""
    one = momentum / momentum
    if against > 0:
        return one, one - one
    following = (one + math.sqrt(one + 4 * momentum * momentum)) / 2
    return following, (momentum - one) / following
