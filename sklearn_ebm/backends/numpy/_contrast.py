"""Products with states of which few units are on, and the ascent of a matrix of weights."""

from sklearn_ebm.backends._namespace import array_namespace, multiply_into


def project(states, weights, result):
    """result = states @ weights.

    Parameters
    ----------
    states : array of shape (n_rows, n_visible)
        Often with many zeros.
    weights : array of shape (n_visible, n_hidden)
        What each visible unit sends to each hidden one.
    result : array of shape (n_rows, n_hidden)
        Overwritten.

    Returns
    -------
    result : array
    """
    return multiply_into(states, weights, result)


def ascend(weights, velocity, states, result=None):
    """velocity = momentum velocity + rate (sum_n share_n left_n' right_n - decay weights), added.

    Parameters
    ----------
    weights : array of shape (n_visible, n_hidden)
        Where the step begins.
    velocity : array of shape (n_visible, n_hidden)
        Changed in place.
    states : Ascent
        Rows of both sides, their shares, rate, momentum and decay.
    result : array of shape (n_visible, n_hidden) or None, default=None
        Gets weights + velocity; None puts it into `weights`.

    Returns
    -------
    largest : float
        Largest magnitude in the result.
    """
    xp = array_namespace(weights)
    velocity *= states.momentum
    velocity += (states.left * (states.rate * states.share)[:, None]).T @ states.right
    if states.decay:
        velocity -= states.rate * states.decay * weights
    result = weights if result is None else result
    result[...] = weights + velocity
    return float(xp.max(xp.abs(result)))
