"""Losses of the scores of a network; `SCORE_LOSSES` names them.

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


def log_logistic(scores):
    """Return log(1 / (1 + exp(-s))) of each score s, without overflow."""
    xp = array_namespace(scores)
    return xp.minimum(scores, 0 * scores) - xp.log1p(xp.exp(-xp.abs(scores)))


def binary_cross_entropies(scores, target):
    """Return the sum of the cross-entropies of all labels, and the gradient p - target.

    Parameters
    ----------
    scores : array of shape (n_samples, n_labels)
        Scores of the labels. p is their logistic function, the probability that a label applies.
    target : array of shape (n_samples, n_labels)
        1 for the labels that apply to a sample, 0 for the others.

    Returns
    -------
    loss : array of shape (n_samples,)
    gradient : array of shape (n_samples, n_labels)
    """
    xp = array_namespace(scores)
    # -t log p - (1 - t) log(1 - p) = max(s, 0) - t s + log(1 + exp(-|s|)), which cannot overflow
    positive = xp.maximum(scores, 0 * scores) - target * scores
    losses = positive + xp.log1p(xp.exp(-xp.abs(scores)))
    return xp.sum(losses, axis=1), xp.exp(log_logistic(scores)) - target


def squared_error(scores, target):
    """Return the squared error, averaged over the outputs, and its gradient.

    Parameters
    ----------
    scores : array of shape (n_samples, n_outputs)
        Predicted targets.
    target : array of shape (n_samples, n_outputs)
        Targets. If they have unit variance, the mean loss is 1 - R^2.

    Returns
    -------
    loss : array of shape (n_samples,)
    gradient : array of shape (n_samples, n_outputs)
    """
    xp = array_namespace(scores)
    error = scores - target
    return xp.mean(error**2, axis=1), 2 / scores.shape[1] * error


SCORE_LOSSES = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropies": binary_cross_entropies,
    "squared_error": squared_error,
}
