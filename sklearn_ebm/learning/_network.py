"""A pipeline as a network: its steps one after another, a linear head, and gradients of both.

A batch is cut into pieces, which threads take forwards and backwards by themselves; gradients are
summed in the order of the rows, so that results do not depend on the number of threads.
"""

import copy
import math

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import (
    array_namespace,
    is_cupy,
    multiply_into,
    new_array,
    resolve_backend,
    to_host,
)
from sklearn_ebm.factors import cross_entropy
from sklearn_ebm.factors.encoders import placed
from sklearn_ebm.learning._parts import Part
from sklearn_ebm.learning._samples import summed

PIECE_NUMBERS = 2**20  # in the outputs of all parts for the rows of a piece: a cache holds them
LARGEST_PIECE = 64


class Head(Part):
    """Scores x W + b of the classes, from a linear classifier; two classes have a score each.

    Parameters
    ----------
    weights : array of shape (n_features, n_classes)
        W.
    bias : array of shape (n_classes,)
        b.
    """

    def __init__(self, weights, bias):
        self.parameters = {"weights": weights, "bias": bias}

    def forward(self, x, backend):
        """Scores, shape (n_samples, n_classes)."""
        scores = new_array((x.shape[0], self.parameters["bias"].shape[0]), x)
        multiply_into(x, self.parameters["weights"], scores)
        scores += self.parameters["bias"]
        return scores, x

    def backward(self, tape, dy, input_gradient=True):
        """Gradients by the features and by W and b."""
        gradients = {"weights": tape.T @ dy, "bias": array_namespace(dy).sum(dy, axis=0)}
        return dy @ self.parameters["weights"].T if input_gradient else None, gradients


def require_linear(name, is_linear, classifier):
    """Refuse a classifier that has no scores x W + b."""
    if not is_linear:
        raise ValueError(
            f"The classifier {name!r}, {type(classifier).__name__}, is not linear: it must have a "
            "coef_ and an intercept_ for each class, as LogisticRegression has."
        )


def linear_head(name, classifier, like):
    """The scores of a fitted linear classifier as the head of a network, in the type of `like`."""
    coef, intercept = (getattr(classifier, key, None) for key in ("coef_", "intercept_"))
    n_classes = len(classifier.classes_)
    n_scores = 1 if n_classes == 2 else n_classes
    coef = coef.toarray() if sparse.issparse(coef) else coef
    has_both = coef is not None and intercept is not None
    coef = np.atleast_2d(to_host(coef)) if has_both else None  # a row of two, as RidgeClassifier's
    require_linear(name, has_both and coef.shape[0] == n_scores, classifier)
    intercept = np.broadcast_to(to_host(intercept), (n_scores,))
    if n_scores == 1:  # softmax of s/2 and -s/2 is the logistic function of s
        coef, intercept = np.concatenate([-coef, coef]) / 2, np.array([-1, 1]) / 2 * intercept
    return Head(
        *(placed(array_namespace(like).asarray(part), like) for part in (coef.T, intercept))
    )


def with_head(classifier, head):
    """A copy of the classifier with the scores of a head."""
    weights, bias = (to_host(head.parameters[name]) for name in ("weights", "bias"))
    coef = weights.T
    if len(bias) == 2:
        coef, bias = coef[1:] - coef[:1], bias[1:] - bias[:1]
    tuned = copy.deepcopy(classifier)
    dtype = classifier.coef_.dtype
    shape = np.shape(classifier.coef_)
    tuned.coef_ = np.array(coef, dtype, order="C").reshape(shape)
    tuned.intercept_ = np.array(bias, dtype)
    return tuned


def backend_of(steps, row, wish):
    """Backend that steps are trained on: where their parameters are, or else what comes to them.

    Raises
    ------
    ValueError
        If another place is wished for.
    """
    held = (value for step in steps for part in step.parts for value in part.parameters.values())
    like = next(held, row)
    backend = resolve_backend(wish, like)
    if is_cupy(like) != (backend.name == "cupy"):
        place = "a CUDA device" if is_cupy(like) else "the host"
        raise ValueError(
            f"backend={wish!r}, but the steps that are trained are on {place}: give them the same "
            "backend, or leave it at 'auto'."
        )
    return backend


class Network:
    """Steps, and the head that reads their output.

    Parameters
    ----------
    steps : list of Step
        In their order.
    name : str
        Of the classifier.
    head : Head
        Reads rows of features.
    """

    def __init__(self, steps, name, head):
        self.steps = steps
        self.head = head
        self._parts = [
            ((step.name, number), part) for step in steps for number, part in enumerate(step.parts)
        ]
        self._parts.append(((name, 0), head))
        trained = [place for place, (_, part) in enumerate(self._parts) if part.parameters]
        self._first_trained = min(trained)
        self._piece_rows = None

    @property
    def parameters(self):
        """What is trained, by step, part and name."""
        return self._named("parameters")

    @property
    def units(self):
        """What they are measured in, by the same names."""
        return self._named("units")

    def _named(self, kind):
        return {
            (*place, name): value
            for place, part in self._parts
            for name, value in getattr(part, kind).items()
        }

    def project(self):
        """Bring all parameters back to where they are allowed."""
        for _, part in self._parts:
            part.project()

    def piece_rows(self, x, backend):
        """Samples that a thread takes at a time, by the size of what lies between the parts."""
        if self._piece_rows is None:
            n_numbers, y = 0, x[:1, ...]
            for _, part in self._parts:
                y = part.apply(y, backend)
                n_numbers += math.prod(y.shape)
            self._piece_rows = max(1, min(LARGEST_PIECE, PIECE_NUMBERS // n_numbers))
        return self._piece_rows

    def scores(self, x, backend):
        """Scores of the classes, shape (n_samples, n_classes)."""
        scores = new_array((x.shape[0], self.head.parameters["bias"].shape[0]), x)

        def work(first, last):
            y = x[first:last, ...]
            for _, part in self._parts:
                y = part.apply(y, backend)
            scores[first:last, ...] = y

        backend.map_pieces(work, x.shape[0], self.piece_rows(x, backend))
        return scores

    def losses_and_gradients(self, x, target, weight, backend):
        """Cross-entropy and scores of each sample, and the gradients of the weighted mean loss.

        Parameters
        ----------
        x : array of shape (n_samples, n_features) or (n_samples, height, width, n_channels)
            A batch.
        target : array of shape (n_samples, n_classes)
            One for the right class of each sample.
        weight : array of shape (n_samples,)
            Of the samples' losses; the mean is that over the samples, whatever their weights.
        backend : module
            Of the kernels.

        Returns
        -------
        losses : array of shape (n_samples,)
        scores : array of shape (n_samples, n_classes)
        gradients : dict
            By step, part and name of the parameter.
        """
        losses, scores = new_array((x.shape[0],), x), new_array(target.shape, x)
        gradients, share = {}, weight / x.shape[0]
        for _, part in self._parts:
            part.begin_batch()

        def work(first, last):
            rows = slice(first, last)
            scores[rows, ...], tapes = self._forward(x[rows, ...], backend, first)
            losses[rows], dy = cross_entropy(scores[rows, ...], target[rows, ...])
            gradients[first] = self._backward(tapes, dy * share[rows][:, None])

        backend.map_pieces(work, x.shape[0], self.piece_rows(x, backend))
        return losses, scores, summed(gradients)

    def _forward(self, x, backend, first):
        tapes = []
        for _, part in self._parts:
            x, tape = part.on_rows(first).forward(x, backend)
            tapes.append(tape)
        return x, tapes

    def _backward(self, tapes, dy):
        gradients = {}
        for place in reversed(range(self._first_trained, len(self._parts))):
            name, part = self._parts[place]
            dy, own = part.backward(tapes.pop(), dy, place > self._first_trained)
            gradients.update({(*name, key): value for key, value in own.items()})
        return gradients
