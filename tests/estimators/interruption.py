"""Ctrl-C during training."""

from sklearn_ebm.learning._trainer import Trainer


def interrupt_after(monkeypatch, criterion, n_batches):
    """Make the trainer raise KeyboardInterrupt in the batch after the n-th of a criterion."""
    whole_step, made = Trainer.step, []

    def step(self, *args, **options):
        if not isinstance(self.criterion, criterion):
            return whole_step(self, *args, **options)
        if len(made) == n_batches:
            raise KeyboardInterrupt
        made.append(1)
        return whole_step(self, *args, **options)

    monkeypatch.setattr(Trainer, "step", step)
