"""Losses of the scores of a classifier; `SCORE_LOSSES` names them.

A loss maps scores and targets to the loss of each sample, and to its gradient by the scores.
"""

from sklearn_ebm.backends import array_namespace


def log_probabilities(scores):
    """log softmax of each row, shape (n_samples, n_classes); nothing overflows."""
    xp = array_namespace(scores)
    shifted = scores - xp.max(scores, axis=1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))


def cross_entropy(scores, target):
    """-log p of the right class, and its gradient p - [class is right] by the scores.

    Parameters
    ----------
    scores : array of shape (n_samples, n_classes)
        One for each class; p is their softmax.
    target : array of shape (n_samples, n_classes)
        One for the right class, zero for the others.

    Returns
    -------
    loss : array of shape (n_samples,)
    gradient : array of shape (n_samples, n_classes)
    """
    xp = array_namespace(scores)
    log_p = log_probabilities(scores)
    return -xp.sum(target * log_p, axis=1), xp.exp(log_p) - target


SCORE_LOSSES = {"cross_entropy": cross_entropy}
