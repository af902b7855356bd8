"""One Adam update of a parameter (Kingma & Ba 2015, algorithm 1), for arrays of any shape."""

from sklearn_ebm.backends._namespace import array_namespace


def adam_step(parameter, gradient, first, second, rate, constants):
    """Update p -= rate m / (sqrt(v) + epsilon) with the running moments m and v, all in place.

    Parameters
    ----------
    parameter, first, second : array
        p, m and v.
    gradient : array of the same shape
        Gradient of the loss.
    rate : float
        Learning rate, corrected for the initialisation of the moments with zero.
    constants : tuple of three floats
        Decay of m, decay of v, epsilon.
    """
    first_decay, second_decay, epsilon = constants
    first += (1 - first_decay) * (gradient - first)
    second += (1 - second_decay) * (gradient * gradient - second)
    parameter -= rate * first / (array_namespace(second).sqrt(second) + epsilon)
