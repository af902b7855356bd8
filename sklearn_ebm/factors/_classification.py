"""Losses of the scores of a classifier; `SCORE_LOSSES` names them.

A loss maps scores and targets to the loss of each sample and its gradient by the scores.
"""

from sklearn_ebm.backends import array_namespace


def log_probabilities(scores):
    """Return log softmax of each row, shape (n_samples, n_classes), without overflow."""
    xp = array_namespace(scores)
    shifted = scores - xp.max(scores, axis=1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))


def cross_entropy(scores, target):
    """Return -log p of the right class, and the gradient p - target with respect to the scores.

    Parameters
    ----------
    scores : array of shape (n_samples, n_classes)
        Scores of the classes. p is their softmax.
    target : array of shape (n_samples, n_classes)
        1 for the right class, 0 for the others.

    Returns
    -------
    loss : array of shape (n_samples,)
    gradient : array of shape (n_samples, n_classes)
    """
    xp = array_namespace(scores)
    log_p = log_probabilities(scores)
    return -xp.sum(target * log_p, axis=1), xp.exp(log_p) - target


SCORE_LOSSES = {"cross_entropy": cross_entropy}
