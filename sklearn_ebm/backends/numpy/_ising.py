"""One sweep of Gibbs sampling over binary units with pairwise couplings."""

from sklearn_ebm.backends._namespace import array_namespace
from sklearn_ebm.backends.numpy._bernoulli import LARGEST_EXPONENT
from sklearn_ebm.backends.numpy._random import uniform


def ising_sweep(states, couplings, bias, key, uniform=uniform):
    """Sample each unit given all others, one after the other, in place.

    The logit of the unit i is bias_i + sum_j states_j couplings_ji.

    Parameters
    ----------
    states : array of shape (n_rows, n_units)
        States of the units, 0 or 1. They are changed in place.
    couplings : array of shape (n_units, n_units)
        Symmetric, with a diagonal of zeros.
    bias : array of shape (n_units,)
        Logits if all other units are off.
    key : Key
        Key of the draw.
    uniform : callable, default=the function of this package
        Fills a matrix with uniform numbers.

    Returns
    -------
    states : array
    """
    xp = array_namespace(states)
    largest = LARGEST_EXPONENT[xp.finfo(states.dtype).bits // 8]
    drawn = uniform(xp.empty(states.shape, dtype=states.dtype), key)
    for i in range(states.shape[1]):
        logit = states @ couplings[:, i] + bias[i]
        total = 1 + xp.exp(xp.clip(-logit, -largest, largest))
        states[:, i] = xp.astype(drawn[:, i] * total < 1, states.dtype)
    return states
