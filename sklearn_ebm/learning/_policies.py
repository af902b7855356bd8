"""Policies: the end of learning, the parameters that are kept, and recovery from divergence.

A trainer calls a list of policies in order; see `sklearn_ebm.protocols.Policy`. Each policy makes
one decision. Estimators compose the list.
"""

import math

from sklearn_ebm._warnings import distinct
from sklearn_ebm.learning._samples import count

BACK_OFF = 3.0  # divisor of a learning rate that is too large
WORSE = 1.2  # multiple of the best loss above which the rate is too large
WORSE_SHARE = 0.2  # likewise the excess over the best loss, in units of the total decrease
WINDOW = 5  # number of passes whose mean objective is compared with that of as many before
SLOWEST = 0.02  # share of the initial rate below which passes without progress end training


class Policy:
    """Base class of policies. Its methods do nothing."""

    def begin(self, trainer):
        """Run before the first step."""

    def after_steps(self, trainer, n_done, n_total):
        """Run after some of the steps that training is expected to make."""

    def end_pass(self, trainer):
        """Run after the last step of a pass, before its curves are recorded."""

    def look(self, trainer):
        """Run after the curves of a pass are recorded."""

    def recover(self, trainer):
        """Return whether a step that diverged may be repeated."""
        return False

    def is_done(self, trainer):
        """Return whether learning ends after this pass."""
        return False

    def interrupted(self, trainer):
        """Run after Ctrl-C."""

    def end(self, trainer, has_diverged):
        """Run at the end, however learning ended."""


class RelativeChange(Policy):
    """Stop if the objective changes little from one pass to the next.

    Parameters
    ----------
    tol : float
        Relative change at which learning ends. With 0, it never ends.
    """

    def __init__(self, tol):
        self.tol = tol
        self.change = math.inf

    def look(self, trainer):
        """Compare the last two passes."""
        *before, last = trainer.curves["objective"]
        if before:
            self.change = abs(before[-1] - last) / max(abs(before[-1]), 1e-300)

    def is_done(self, trainer):
        """Return whether another pass would change little."""
        return self.tol > 0 and self.change <= self.tol

    def message(self, plan):
        """Return the text of the warning that learning has not converged after the last pass."""
        reached = _reached(plan)
        if math.isinf(self.change):
            return f"{reached}, which requires at least two passes. Increase max_iter."
        change, tol = distinct(self.change, self.tol)
        return (
            f"{reached}: the relative change of the objective is {change} > tol={tol}. "
            "Increase max_iter or tol."
        )


class Plateau(Policy):
    """Stop if the mean objective of five passes differs little from that of the five before.

    Single passes do not decide: the objective of one may resemble that of another by chance if it
    is noisy, and a line search may make little progress in one pass and much in the next.

    Parameters
    ----------
    tol : float
        Relative change at which learning ends. With 0, it does not end by this change.
    ends_if_equal : bool, default=False
        Whether learning also ends if the last two objectives are equal, since no step of a line
        search decreases the objective.
    """

    def __init__(self, tol, ends_if_equal=False):
        self.tol = tol
        self.ends_if_equal = ends_if_equal
        self.change = math.inf
        self.is_stuck = False

    def look(self, trainer):
        """Compare the last passes."""
        objective = trainer.curves["objective"]
        self.is_stuck = self.ends_if_equal and len(objective) > 1 and objective[-1] == objective[-2]
        if len(objective) >= 2 * WINDOW:
            last = math.fsum(objective[-WINDOW:])
            before = math.fsum(objective[-2 * WINDOW : -WINDOW])
            self.change = abs(before - last) / max(abs(before), 1e-300)

    def is_done(self, trainer):
        """Return whether more passes would change little."""
        return self.is_stuck or (self.tol > 0 and self.change <= self.tol)

    def message(self, plan):
        """Return the text of the warning that learning has not converged after the last pass."""
        reached = _reached(plan)
        if math.isinf(self.change):
            return f"{reached}, which requires at least {2 * WINDOW} passes. Increase max_iter."
        change, tol = distinct(self.change, self.tol)
        return (
            f"{reached}: the relative change of the mean objective of {WINDOW} passes is {change} "
            f"> tol={tol}. Increase max_iter or tol."
        )


def _reached(plan):
    limit = f"Maximum number of iterations (max_iter={plan.max_iter})"
    return f"{limit} reached before convergence"


class ConfirmLastStep(Policy):
    """Check the last step of a pass on the batch that it was made on.

    Other steps are checked by the loss of the next batch.

    Parameters
    ----------
    recovering : sequence of Policy, default=()
        Policies that may recover from divergence.
    """

    def __init__(self, recovering=()):
        self.recovering = recovering

    def end_pass(self, trainer):
        """Raise `Diverged` if the last step diverged."""
        trainer.recovering(self.recovering, trainer.confirm)

    def interrupted(self, trainer):
        """Raise `Diverged` if the last step diverged."""
        trainer.recovering(self.recovering, trainer.confirm)


class FirstLoss(Policy):
    """Accept the initial loss of some samples, however large, as not diverged.

    Parameters
    ----------
    batches : iterable of Batch
        Samples.
    """

    def __init__(self, batches):
        self.batches = batches

    def begin(self, trainer):
        """Measure the loss."""
        trainer.criterion.begin(self._entries(trainer))

    def _entries(self, trainer):
        return trainer.criterion.held_out(measured(trainer, self.batches))


class SampleLoss(FirstLoss):
    """Evaluate some samples also after each pass, without adding an entry to the curves.

    Parameters
    ----------
    batches : sequence of Batch
        Samples.
    """

    loss = None  # mean loss of the current parameters

    def begin(self, trainer):
        """Measure the loss before training."""
        entries = self._entries(trainer)
        trainer.criterion.begin(entries)
        self.loss = entries["validation"]

    def look(self, trainer):
        """Measure the loss after a pass."""
        self.loss = self._entries(trainer)["validation"]


class HeldOut(Policy):
    """Evaluate held-out samples before the first pass and after each: the curves `validation...`.

    Parameters
    ----------
    batches : iterable of Batch
        Held-out samples.
    merit : callable
        Maps the entries of the curves to a number or a tuple, larger if the model is better.
    is_guarded : bool, default=False
        Whether a loss far above its usual size counts as divergence.
    recovering : sequence of Policy, default=()
        Policies that may recover from divergence.
    """

    def __init__(self, batches, merit, is_guarded=False, recovering=()):
        self.batches = batches
        self.merit_of = merit
        self.is_guarded = is_guarded
        self.recovering = recovering
        self.merits = []
        self.merit = None  # merit of the parameters that were evaluated last

    def begin(self, trainer):
        """Evaluate the model before training; its loss may have any size."""
        entries = trainer.criterion.held_out(measured(trainer, self.batches))
        trainer.criterion.begin(entries)
        self._keep(trainer, entries)

    def look(self, trainer):
        """Evaluate the model after a pass."""
        self._keep(trainer, trainer.recovering(self.recovering, self._entries, trainer))

    def interrupted(self, trainer):
        """Evaluate the model in the middle of a pass, without adding an entry to the curves."""
        self.merit = self.merit_of(self._entries(trainer))

    def _entries(self, trainer):
        criterion = trainer.criterion
        report = measured(trainer, self.batches, criterion.require if self.is_guarded else None)
        return criterion.held_out(report)

    def _keep(self, trainer, entries):
        trainer.curves.add(entries)
        self.merit = self.merit_of(entries)
        self.merits.append(self.merit)


def measured(trainer, batches, require=None):
    """Return the merged reports of some batches; `require(sums, batch)` may refuse each."""
    total = {}
    for batch in batches:
        sums = trainer.measure(batch)
        if require is not None:
            require(sums, batch)
        count(total, sums["report"])
    return total


class KeepBest(Policy):
    """Keep a copy of the best parameters after each pass, and restore it.

    Parameters
    ----------
    merit : callable
        Maps the trainer to the merit of its parameters, larger if they are better.
    always : bool, default=True
        Whether the best parameters are restored at the end. If False, they are restored only if
        learning diverges.
    """

    def __init__(self, merit, always=True):
        self.merit_of = merit
        self.always = always
        self.kept = None
        self.merit = None

    def begin(self, trainer):
        """Keep the initial parameters."""
        self.look(trainer)

    def look(self, trainer):
        """Keep the parameters if they are the best so far."""
        merit = self.merit_of(trainer)
        if self.merit is None or merit > self.merit:
            self.kept, self.merit = trainer.criterion.snapshot(), merit

    def interrupted(self, trainer):
        """Keep the parameters in the middle of a pass if they are the best so far."""
        self.look(trainer)

    def end(self, trainer, has_diverged):
        """Restore the best parameters."""
        if has_diverged:
            trainer.go_back(self.kept)
        elif self.always and self.kept is not None:
            trainer.criterion.restore(self.kept)
        self.kept = None


def least_objective(trainer):
    """Return the merit of the last pass: minus its objective, or its number if there is none."""
    if not trainer.criterion.has_objective:
        return trainer.curves.n_passes
    objective = trainer.curves["objective"]
    return -objective[-1] if objective else -math.inf


def undoing_divergence():
    """Return policies that restore the best pass if a step diverges."""
    return [ConfirmLastStep(), KeepBest(least_objective, always=False)]


class SlowDown(Policy):
    """Restore the best parameters, and continue with smaller steps.

    Parameters
    ----------
    best : KeepBest
        Holds the parameters to return to.
    """

    def __init__(self, best):
        self.best = best

    def recover(self, trainer):
        """Continue from the best parameters."""
        trainer.criterion.damping /= BACK_OFF
        trainer.go_back(self.best.kept)
        return True

    def is_exhausted(self, trainer):
        """Slow down after passes without progress; return whether smaller steps are pointless."""
        self.recover(trainer)
        return trainer.criterion.damping < SLOWEST


class BackOff(SlowDown):
    """Slow down not only if learning diverges, but also if the held-out loss rises.

    Parameters
    ----------
    best : KeepBest
        Holds the parameters to return to. Its merit is minus the loss.
    """

    def look(self, trainer):
        """Compare the loss after a pass with the best one; energies are mostly constant."""
        best, first = -self.best.merit, trainer.criterion.watch.first
        too_large = min(WORSE * best, best + WORSE_SHARE * (first - best))
        if not -self.best.merit_of(trainer) <= too_large:  # true for NaN
            self.recover(trainer)


class Patience(Policy):
    """End learning after some passes without progress on held-out samples.

    Parameters
    ----------
    held_out : HeldOut
        Evaluates the model.
    n_passes : int
        Number of passes without progress.
    tol : float, default=0.0
        Relative change of the merit that counts as progress.
    then : callable or None, default=None
        Function of the trainer that is called after passes without progress. It returns whether
        learning ends. None ends learning.
    """

    def __init__(self, held_out, n_passes, tol=0.0, then=None):
        self.held_out = held_out
        self.n_passes = n_passes
        self.tol = tol
        self.then = then
        self._n_passes_before = 0  # number of passes at the last call of `then`

    def is_done(self, trainer):
        """Return whether the last passes made no progress."""
        merits = self.held_out.merits
        recent = merits[self._n_passes_before + 1 :][-self.n_passes :]
        if len(recent) < self.n_passes:
            return False
        best = max(merits[: -self.n_passes])
        if max(recent) > ((1 - self.tol) * best if self.tol else best):
            return False
        self._n_passes_before = len(merits) - 1
        return self.then is None or self.then(trainer)


class AverageLastSteps(Policy):
    """Average the parameters of the last steps (Polyak & Juditsky 1992).

    Parameters
    ----------
    share : float
        Share of all steps, counted from the end, whose parameters are averaged.
    """

    def __init__(self, share):
        self.share = share

    def after_steps(self, trainer, n_done, n_total):
        """Include the parameters in the mean once training has reached the last steps."""
        if n_done > (1 - self.share) * n_total:
            trainer.take_average()


class Observe(Policy):
    """Add the measurements of a monitor to the curves after each pass.

    Parameters
    ----------
    monitor : Monitor
        Its `measure(criterion)` returns entries by name.
    """

    def __init__(self, monitor):
        self.monitor = monitor

    def look(self, trainer):
        """Measure the model."""
        trainer.curves.add(self.monitor.measure(trainer.criterion))
