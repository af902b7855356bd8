"""The loss of a network's scores and their targets, such as the cross-entropy of labels."""

import numpy as np

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.learning._divergence import Watch
from sklearn_ebm.learning.criteria._base import plain_sum
from sklearn_ebm.learning.criteria._scored import ScoredCriterion
from sklearn_ebm.learning.criteria._scores import Accuracy

# Training has diverged above this multiple of the usual loss, or of the initial loss.
WITHOUT_A_WAY_BACK = 10.0


class Labels(ScoredCriterion):
    """The mean loss of a network on batches with a `target`, such as indicators of the classes.

    The network itself divides batches into pieces. The mean is taken over the number of samples,
    whatever their weights are.

    Parameters
    ----------
    network : Network
        Trained in place.
    optimizer : Optimizer or None, default=None
        Optimizer of the network's parameters. None if the criterion is a term of a sum.
    score : object or None, default=None
        Quality of the predictions; see `sklearn_ebm.learning.criteria._scores`. None is the
        accuracy.
    """

    def __init__(self, network, optimizer=None, score=None):
        super().__init__(Accuracy() if score is None else score, Watch(WITHOUT_A_WAY_BACK))
        self.network = network
        self.optimizer = optimizer

    @property
    def dtype(self):
        """Dtype of the parameters."""
        return self.network.head.parameters["weights"].dtype

    @property
    def parameters(self):
        """Parameters of the network, by step, part and name."""
        return self.network.parameters

    def follow(self, rate, backend):
        """Set the parameters that users may change before they continue a fit.

        Parameters
        ----------
        rate : callable
            Maps the completed share of training to the learning rate.
        backend : str
            Name of the backend.

        Returns
        -------
        Labels
            The criterion itself.
        """
        self.rate = rate
        self.backend = backend
        return self

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Return losses, sums of the score and the gradients of the network's parameters."""
        xp = array_namespace(batch.X)
        weight = xp.ones(batch.n_samples, dtype=batch.X.dtype)
        weight = weight if batch.weight is None else batch.weight
        with np.errstate(over="ignore", invalid="ignore"):  # `require` detects them
            losses, scores, gradients = self.network.losses_and_gradients(
                batch.X, batch.target, weight * batch.n_samples, (self.n_steps + 1, batch.first),
                memory,
            )  # fmt: skip
        return {**self._losses(batch, losses, scores), "gradients": gradients}, None

    def measure(self, model, batch, memory):
        """Return losses and sums of the score."""
        with np.errstate(over="ignore", invalid="ignore"):
            scores = self.network.scores(batch.X)
            losses, _ = self.network.loss(scores, batch.target)
        return self._losses(batch, losses, scores)

    def _losses(self, batch, losses, scores):
        report = {
            "loss": batch.weighted_sum(losses),
            **self.score.sums(batch, scores),
            "weight": batch.total_weight(),
            "n_samples": batch.n_samples,
        }
        usual = self.score.usual_sum(batch.target)
        return {"report": report, "losses": plain_sum(losses), "usual": usual}

    def require(self, sums, batch):
        """Raise `Diverged` if the mean loss is far above its usual size."""
        n_samples = sums["report"]["n_samples"]
        usual = self.score.usual_loss(sums["usual"] / n_samples)
        self.watch.require(sums["losses"] / n_samples, usual)

    def gradients(self, sums):
        """Return the gradients of the mean loss."""
        for gradient in sums["gradients"].values():
            gradient /= sums["report"]["n_samples"]
        return sums["gradients"]

    def project(self):
        """Project all parameters onto their allowed range."""
        self.network.project()
