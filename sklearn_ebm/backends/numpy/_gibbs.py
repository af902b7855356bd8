"""One step of Gibbs sampling between two layers of units that are on or off."""

from sklearn_ebm.backends._namespace import multiply_into
from sklearn_ebm.backends.numpy._bernoulli import bernoulli_sample
from sklearn_ebm.backends.numpy._contrast import project


def gibbs_step(
    hidden, visible, weights, biases, keys, mean=None, *, bernoulli_sample=bernoulli_sample
):
    """Draw the visible units given the hidden ones, and then these given the new visible ones.

    Parameters
    ----------
    hidden : array of shape (n_rows, n_hidden)
        States, replaced by the next ones.
    visible : array of shape (n_rows, n_visible)
        Overwritten.
    weights : array of shape (n_visible, n_hidden)
        Between the layers.
    biases : tuple of arrays of shapes (n_visible,) and (n_hidden,)
        Logits without a field.
    keys : tuple of two Key
        Of the two draws.
    mean : array of shape (n_rows, n_hidden) or None, default=None
        Gets the probabilities of the second draw, where they are wanted.
    bernoulli_sample : callable, default=the function of this package
        Draws units given a field.

    Returns
    -------
    visible : array
    """
    bernoulli_sample(multiply_into(hidden, weights.T, visible), biases[0], 1.0, keys[0])
    bernoulli_sample(project(visible, weights, hidden), biases[1], 1.0, keys[1], mean)
    return visible
