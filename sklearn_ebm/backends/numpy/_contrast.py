"""Products with states in which few units are on, and the update of a weight matrix."""

from sklearn_ebm.backends._namespace import array_namespace, multiply_into


def project(states, weights, result):
    """Compute result = states @ weights.

    Parameters
    ----------
    states : array of shape (n_rows, n_visible)
        States, often with many zeros.
    weights : array of shape (n_visible, n_hidden)
        Weights.
    result : array of shape (n_rows, n_hidden)
        Overwritten.

    Returns
    -------
    result : array
    """
    return multiply_into(states, weights, result)


def ascend(weights, velocity, states, result=None):
    """Compute velocity = momentum velocity + rate (sum share left' right - decay weights).

    Parameters
    ----------
    weights : array of shape (n_visible, n_hidden)
        Initial weights.
    velocity : array of shape (n_visible, n_hidden)
        Changed in place.
    states : Ascent
        Rows of both layers, their shares, learning rate, momentum and decay.
    result : array of shape (n_visible, n_hidden) or None, default=None
        Receives weights + velocity. None writes it to `weights`.

    Returns
    -------
    largest : float
        Largest magnitude of an entry of the result.
    """
    xp = array_namespace(weights)
    velocity *= states.momentum
    velocity += (states.left * (states.rate * states.share)[:, None]).T @ states.right
    if states.decay:
        velocity -= states.rate * states.decay * weights
    result = weights if result is None else result
    result[...] = weights + velocity
    return float(xp.max(xp.abs(result)))
