"""The contracts of trainers, which run the steps of learning, and of policies."""

from typing import Any, Protocol


class Trainer(Protocol):
    """The loop over batches: the same for every criterion.

    A step calls the criterion's `prepare`, then `contribute` on each piece of the batch, merges the
    sums in the order of the rows, and calls `apply`. Results therefore do not depend on the number
    of threads. Threads, processes and a cluster use the same mechanism and differ only in the place
    where `contribute` is called.

    The trainer can be pickled between any two calls. Buffers and tapes are not pickled.

    Attributes
    ----------
    criterion : Criterion
        Minimised by the trainer.
    curves : Curves
        One entry for each pass.
    n_steps : int
        Number of steps.
    dtype : dtype
        Dtype of the parameters.
    """

    criterion: Any
    curves: Any
    n_steps: int
    dtype: Any

    def begin(self):
        """Reset the curves, for a new call of `fit`."""

    def run(self, samples, policies, plan, estimator, context):
        """Make passes over shuffled batches until a policy, a callback or the time ends them.

        Parameters
        ----------
        samples : Samples
            Source of the batches.
        policies : sequence of Policy
            Policies, called in order.
        plan : Plan
            Limits of learning, size of the batches, and source of their order.
        estimator : estimator
            Estimator for callbacks; if it is `verbose`, a line is printed for each pass.
        context : callback context
            Context whose tasks are passes and batches.

        Returns
        -------
        outcome : Outcome
            Whether a policy, a callback or the time ended the passes, and whether they diverged.
        """

    def run_once(self, samples, policies, batch_size):
        """Make one step for each batch in the order of the rows, at the initial learning rate."""


class Policy(Protocol):
    """A decision about learning, such as when it ends or which parameters are kept."""

    def begin(self, trainer):
        """Run before the first step."""

    def after_steps(self, trainer, n_done, n_total):
        """Run after some steps.

        Parameters
        ----------
        trainer : Trainer
            Makes the steps.
        n_done : int
            Number of steps made.
        n_total : int or float
            Number of steps that training is expected to make. If the time is limited, it is
            extrapolated.
        """

    def end_pass(self, trainer):
        """Run after the last step of a pass, before its curves are recorded."""

    def look(self, trainer):
        """Run after the curves of a pass are recorded."""

    def recover(self, trainer):
        """Recover from divergence if possible; return whether the step may be repeated."""

    def is_done(self, trainer):
        """Return whether learning ends after this pass."""

    def interrupted(self, trainer):
        """Run after Ctrl-C; raise `Diverged` if the last step diverged."""

    def end(self, trainer, has_diverged):
        """Run at the end, however learning ended."""
