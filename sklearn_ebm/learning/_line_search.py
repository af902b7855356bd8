"""L-BFGS: steps on all samples at once, none of which increases the objective."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.learning._divergence import Diverged
from sklearn_ebm.learning._limited_memory import dot
from sklearn_ebm.learning._trainer import Trainer
from sklearn_ebm.learning._work import Work
from sklearn_ebm.learning.criteria._base import mean_loss

SUFFICIENT = 1e-4  # share of the expected decrease (Nocedal & Wright 2006, eq. 3.4)
N_TRIALS = 25  # halvings of a step


@stored
class LineSearchTrainer(Trainer):
    """Runs steps of L-BFGS with a backtracking line search; a batch has all samples.

    The objective of a criterion must not be random. A step that cannot decrease the objective
    changes nothing.
    """

    _latest = None  # report and gradient at the present parameters

    def begin(self):
        """Reset the curves and the last evaluation, for a new call of `fit`."""
        super().begin()
        self._latest = None

    def step(self, batch, done=0.0):
        """Move along the direction of L-BFGS; see `Trainer.step`."""
        criterion = self.criterion
        if self._latest is None:
            sums = self._sums(batch)
            criterion.require(sums, batch)
            self._latest = sums["report"], self._gradient(sums)
        criterion.n_steps += 1
        if not self._descend(batch) and criterion.optimizer.pairs:
            criterion.optimizer.restart()
            self._descend(batch)
        return self._latest[0]

    def go_back(self, kept):
        """Restore a snapshot of the criterion, and reset the optimizer."""
        super().go_back(kept)
        self._latest = None

    def _descend(self, batch):
        """Try smaller and smaller steps; return whether one decreases the objective enough."""
        report, gradient = self._latest
        optimizer = self.criterion.optimizer
        start = self._position()
        direction, size, is_done = optimizer.direction(gradient), 1.0, False
        try:
            for _ in range(N_TRIALS):
                self._place(start + size * direction)
                self.criterion.project()
                moved = self._position() - start
                sums = self._sums(batch)
                bound = mean_loss(report) + SUFFICIENT * min(0.0, dot(gradient, moved))
                if self._is_finite(sums, batch) and mean_loss(sums["report"]) < bound:
                    latest = sums["report"], self._gradient(sums)
                    optimizer.record(moved, latest[1] - gradient)
                    self._latest, is_done = latest, True
                    break
                size /= 2
        finally:  # also if Ctrl-C interrupts a trial
            if not is_done:
                self._place(start)
        return is_done

    def _is_finite(self, sums, batch):
        try:
            self.criterion.require(sums, batch)
        except Diverged:
            return False
        return True

    def _sums(self, batch):
        """Return the merged sums of all samples."""
        work = Work(self.criterion)
        return batch.perform(work, self.criterion.prepare(batch), self._memory)[0]

    def _gradient(self, sums):
        """Return the gradient of the objective by `_position`."""
        gradients = self.criterion.gradients(sums)
        return _flat(gradients[name] * unit for name, _, unit in self._parts())

    def _position(self):
        """Return the parameters in their units, as one vector."""
        return _flat(parameter / unit for _, parameter, unit in self._parts())

    def _place(self, values):
        """Set the parameters to the entries of a vector."""
        first = 0
        for _, parameter, unit in self._parts():
            last = first + parameter.size
            part = array_namespace(values).reshape(values[first:last], parameter.shape)
            parameter[...] = part * unit
            first = last

    def _parts(self):
        """Yield the name, the array and the unit of each parameter."""
        units = self.criterion.optimizer.units
        for name, parameter in self.criterion.parameters.items():
            yield name, parameter, units.get(name, 1.0)


def _flat(arrays):
    """Return all entries of some arrays as one vector."""
    each = list(arrays)
    xp = array_namespace(each[0])
    return xp.concat([xp.reshape(array, (-1,)) for array in each])
