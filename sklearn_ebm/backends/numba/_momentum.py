"""Nesterov's momentum of one sample, with a restart."""

import math

from sklearn_ebm.backends.numba._rules import inner


@inner
def accelerate(momentum, against):
    """Return the next momentum and its weight; a positive `against` resets it."""
    one = momentum / momentum
    if against > 0:
        return one, one - one
    following = (one + math.sqrt(one + 4 * momentum * momentum)) / 2
    return following, (momentum - one) / following
