"""Scores of predictions, computed from sums over batches, and the size of usual losses."""

import math

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, to_host

OUTLIERS = 100.0  # squared error of usual batches, in units of the squared error of the mean


@stored
class Accuracy:
    """Share of the samples whose class has the largest score."""

    name = label = "accuracy"

    def sums(self, batch, scores):
        """Return the weight of the samples with a correct prediction."""
        right = array_namespace(scores).asarray(
            self._right(scores, batch.target), dtype=scores.dtype
        )
        return {"right": batch.weighted_sum(right)}

    def of(self, report):
        """Return the score of all samples, from the merged report of their batches."""
        return report["right"] / max(report["weight"], np.finfo(float).tiny)

    def text(self, value):
        """Return a score as text."""
        return f"{100 * value:.2f} %"

    def usual_sum(self, target):
        """Return the sum of the losses of random guesses."""
        return target.shape[0] * math.log(target.shape[1])

    def usual_loss(self, mean):
        """Return a mean loss above which training may have diverged, from the mean of the sums."""
        return mean

    def _right(self, scores, target):
        xp = array_namespace(scores)
        return xp.argmax(scores, axis=1) == xp.argmax(target, axis=1)


class SubsetAccuracy(Accuracy):
    """Share of the samples for which the predictions of all labels are correct."""

    def usual_sum(self, target):
        """Return the sum of the losses of random guesses."""
        return math.prod(target.shape) * math.log(2)

    def _right(self, scores, target):
        return array_namespace(scores).all((scores > 0) == (target > 0), axis=1)


class R2:
    """R^2, averaged over the outputs, as `sklearn.metrics.r2_score`."""

    name, label = "r2", "R^2"

    def sums(self, batch, scores):
        """Return weighted sums of squared errors, targets, and squared targets, by output."""
        target = batch.target
        with np.errstate(over="ignore", invalid="ignore"):
            error = scores - target
            values = {"error": error**2, "first": target, "second": target**2}
            return {name: self._by_output(batch, each) for name, each in values.items()}

    def _by_output(self, batch, values):
        weighted = values if batch.weight is None else values * batch.weight[:, None]
        return np.asarray(to_host(array_namespace(values).sum(weighted, axis=0)), dtype=float)

    def of(self, report):
        """Return the score of all samples, from the merged report of their batches."""
        weight = max(report["weight"], np.finfo(float).tiny)
        total = report["second"] - report["first"] ** 2 / weight
        # The sums of constant targets differ by rounding errors only
        varies = total > 1e-6 * report["second"]
        share = report["error"] / np.where(varies, total, 1.0)
        constant = np.where(report["error"] > 0, 1.0, 0.0)
        return float(np.mean(1 - np.where(varies, share, constant)))

    def text(self, value):
        """Return a score as text."""
        return f"{value:.4f}"

    def usual_sum(self, target):
        """Return the sum of squared targets, averaged over the outputs."""
        return float(array_namespace(target).sum(target**2)) / target.shape[1]

    def usual_loss(self, mean):
        """Return a loss above which training may have diverged, for targets of unit variance.

        Squared errors have no bound: an outlier among the samples or the targets may have an error
        of many standard deviations. Training that diverges exceeds any limit within a few steps.
        """
        return OUTLIERS * max(1.0, mean)
