"""A clock for limits of time, which advances by one second with each training step."""

from sklearn_ebm.learning import _progress
from sklearn_ebm.learning._trainer import Trainer


class StepClock:
    """Tells the number of steps of all trainers, and records their batches.

    Attributes
    ----------
    now : float
        Seconds.
    made : list of (Trainer, batch)
        Steps in order.
    """

    def __init__(self):
        self.now = 0.0
        self.made = []

    def __call__(self):
        return self.now

    def install(self, monkeypatch):
        """Replace the clock of `fit`."""
        whole = Trainer.steps

        def steps(trainer, samples, batches, *args):
            whole(trainer, samples, batches, *args)
            self.now += len(batches)
            self.made += [(trainer, batch) for batch in batches]

        monkeypatch.setattr(Trainer, "steps", steps)
        monkeypatch.setattr(_progress, "clock", self)
        return self

    def counts(self):
        """Return the number of steps of each trainer, in the order of their first steps."""
        trainers = [id(trainer) for trainer, _ in self.made]
        return [trainers.count(each) for each in dict.fromkeys(trainers)]
