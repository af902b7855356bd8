"""One step of Gibbs sampling between two layers of binary units."""

from sklearn_ebm.backends._namespace import multiply_into
from sklearn_ebm.backends.numpy._bernoulli import bernoulli_sample
from sklearn_ebm.backends.numpy._contrast import project


def gibbs_step(
    hidden, visible, weights, biases, keys, mean=None, *, bernoulli_sample=bernoulli_sample
):
    """Sample the visible units given the hidden ones, then the hidden ones given the visible ones.

    Parameters
    ----------
    hidden : array of shape (n_rows, n_hidden)
        Hidden states, updated in place.
    visible : array of shape (n_rows, n_visible)
        Overwritten.
    weights : array of shape (n_visible, n_hidden)
        Weights between the layers.
    biases : tuple of arrays of shapes (n_visible,) and (n_hidden,)
        Logits if the fields are zero.
    keys : tuple of two Key
        Keys of the two draws.
    mean : array of shape (n_rows, n_hidden) or None, default=None
        Receives the probabilities of the second draw. None if they are not needed.
    bernoulli_sample : callable, default=the function of this package
        Samples units given a field.

    Returns
    -------
    visible : array
    """
    bernoulli_sample(multiply_into(hidden, weights.T, visible), biases[0], 1.0, keys[0])
    bernoulli_sample(project(visible, weights, hidden), biases[1], 1.0, keys[1], mean)
    return visible
