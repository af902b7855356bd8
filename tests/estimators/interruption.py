"""Ctrl-C in the middle of learning."""


def interrupt_after(monkeypatch, learner, n_batches):
    """Make learning raise KeyboardInterrupt in the batch after the n-th."""
    whole_step, made = learner.step, []

    def step(self, *args, **options):
        if len(made) == n_batches:
            raise KeyboardInterrupt
        made.append(1)
        return whole_step(self, *args, **options)

    monkeypatch.setattr(learner, "step", step)
