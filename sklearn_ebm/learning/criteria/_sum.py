"""A weighted sum of criteria."""

from types import MappingProxyType

from sklearn_ebm.learning._samples import add_to, count
from sklearn_ebm.learning._work import contributor
from sklearn_ebm.learning.criteria._base import BaseCriterion


class Sum(BaseCriterion):
    """sum_i w_i L_i; gradients with respect to a shared array are added.

    Parameters that are updated from moments, such as the atoms of a dictionary, are updated only by
    the criterion that holds the moments.

    Parameters
    ----------
    criteria : list of Criterion
        The terms; their own optimizers are unused.
    weights : list of float
        Weights of the losses and gradients of the terms.
    new_optimizer : callable
        Returns the optimizer of `parameters`, a dictionary of arrays.
    """

    sent = MappingProxyType(
        {**BaseCriterion.sent, "criteria": lambda criteria: [*map(contributor, criteria)]}
    )

    def __init__(self, criteria, weights, new_optimizer):
        super().__init__()
        self.criteria = criteria
        self.weights = weights
        self.optimizer = new_optimizer(self.parameters)

    def __setstate__(self, state):
        vars(self).update(state)
        self.optimizer.parameters = self.parameters  # an unpickled encoder has new arrays

    @property
    def dtype(self):
        """Dtype of the parameters."""
        return self.criteria[0].dtype

    @property
    def parameters(self):
        """All parameters, each array once, by the index of a criterion and its name there."""
        held = {}
        for number, criterion in enumerate(self.criteria):
            for name, value in criterion.parameters.items():
                held.setdefault(id(value), ((number, name), value))
        return dict(held.values())

    def follow(self, rate):
        """Set the learning rate; the terms have their own `follow` for other parameters.

        Parameters
        ----------
        rate : callable
            Maps the completed share of training to the learning rate.

        Returns
        -------
        Sum
            The criterion itself.
        """
        self.rate = rate
        self.backend = self.criteria[0].backend
        return self

    def prepare(self, batch):
        """Return the models of all criteria."""
        return [criterion.prepare(batch) for criterion in self.criteria]

    def piece_rows(self, model):
        """Return the smallest number of samples among all criteria; None if it is None for any."""
        sizes = [
            criterion.piece_rows(own) for criterion, own in zip(self.criteria, model, strict=True)
        ]
        return None if None in sizes else min(sizes)

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Return the sums of all criteria, by index."""
        sums = {}
        for number, (criterion, own) in enumerate(zip(self.criteria, model, strict=True)):
            sums[number], _ = criterion.contribute(own, batch, memory.part(number), stream)
        return {**sums, "report": self._report(sums, batch)}, None

    def measure(self, model, batch, memory):
        """Return the sums of all criteria without gradients, by index."""
        sums = {
            number: criterion.measure(own, batch, memory.part(number))
            for number, (criterion, own) in enumerate(zip(self.criteria, model, strict=True))
        }
        return {**sums, "report": self._report(sums, batch)}

    def _report(self, sums, batch):
        report = {}
        for weight, own in zip(self.weights, sums.values(), strict=True):
            own = own.get("report", {"loss": 0.0})
            count(report, {**own, "loss": weight * own["loss"]})
        return {**report, "weight": batch.total_weight(), "n_samples": batch.n_samples}

    def require(self, sums, batch):
        """Raise `Diverged` if a criterion raises it."""
        for number, criterion in enumerate(self.criteria):
            criterion.require(sums[number], batch)

    def absorb(self, model, sums, batch):
        """Update the parameters that are computed from moments."""
        for number, criterion in enumerate(self.criteria):
            criterion.n_steps = self.n_steps
            criterion.absorb(model[number], sums[number], batch)

    def gradients(self, sums):
        """Return the weighted sum of the gradients."""
        names = {id(value): name for name, value in self.parameters.items()}
        total = {}
        for number, (criterion, weight) in enumerate(zip(self.criteria, self.weights, strict=True)):
            own, held = criterion.gradients(sums[number]), criterion.parameters
            add_to(total, {names[id(held[key])]: weight * value for key, value in own.items()})
        return total

    def project(self):
        """Project all parameters onto their allowed range."""
        for criterion in self.criteria:
            criterion.project()

    def snapshot(self):
        """Return the snapshots of all criteria."""
        return [criterion.snapshot() for criterion in self.criteria]

    def restore(self, kept):
        """Restore the snapshots of all criteria."""
        for criterion, own in zip(self.criteria, kept, strict=True):
            if own is not None:
                criterion.restore(own)
