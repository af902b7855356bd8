"""The training loop: passes over batches, and one step on a batch, for every criterion."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.learning._curves import Curves
from sklearn_ebm.learning._divergence import Diverged
from sklearn_ebm.learning._memory import Memory
from sklearn_ebm.learning._progress import Progress
from sklearn_ebm.learning._samples import count
from sklearn_ebm.learning._work import Work


@dataclass(frozen=True)
class Plan:
    """Limits of learning, size of the batches, and source of their order.

    Attributes
    ----------
    max_iter : int
        Maximum number of passes.
    batch_size : int
        Number of samples in a batch.
    random_state : numpy.random.RandomState
        Generator that shuffles the samples.
    max_time : float or None, default=None
        Maximum number of seconds. None sets no limit.
    """

    max_iter: int
    batch_size: int
    random_state: Any
    max_time: float | None = None


@dataclass
class Outcome:
    """How learning ended.

    Attributes
    ----------
    is_stopped : bool
        Whether a policy, a callback or the maximum time ended it before the maximum number of
        passes.
    error : Diverged or None
        Error of the step that diverged.
    """

    is_stopped: bool = False
    error: Any = None

    @property
    def has_diverged(self):
        """Whether a step diverged."""
        return self.error is not None


@stored
class Trainer:
    """Runs steps of a criterion; see `sklearn_ebm.protocols.Trainer`.

    Parameters
    ----------
    criterion : Criterion
        Its parameters are changed in place.
    stream : Stream or None, default=None
        Random numbers of the criterion, if it draws any.
    shard : object or None, default=None
        State of the criterion that belongs to the data, such as particles of chains.
    """

    def __init__(self, criterion, stream=None, shard=None):
        self.criterion = criterion
        self.stream = stream
        self.shard = shard
        self.curves = Curves()
        self.average = None
        self._memory = Memory()
        self._batch = None

    def __getstate__(self):
        """Leave out everything that the next step does not need."""
        return {name: vars(self)[name] for name in ("criterion", "stream", "shard", "curves")}

    def __setstate__(self, state):
        self.__init__(state["criterion"], state["stream"], state["shard"])
        self.curves = state["curves"]

    @property
    def n_steps(self):
        """Number of steps."""
        return self.criterion.n_steps

    @property
    def dtype(self):
        """Dtype of the parameters, to which batches are cast."""
        return self.criterion.dtype

    def begin(self):
        """Reset the curves, for a new call of `fit`."""
        self.curves = Curves()
        self.average = None

    # --------------------------------------------------------------------------------------- passes
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
        Outcome
            How learning ended. If it diverged, policies have restored good parameters.
        """
        with self._guarded(policies, samples) as outcome:
            outcome.is_stopped = self._passes(samples, policies, plan, estimator, context)
        return outcome

    def run_once(self, samples, policies, batch_size):
        """Make one step for each batch in the order of the rows, at the initial learning rate.

        Parameters
        ----------
        samples : Samples
            Source of the batches.
        policies : sequence of Policy
            Policies, called in order.
        batch_size : int
            Number of samples in a batch.

        Returns
        -------
        Outcome
            How learning ended.
        """
        self.average, tally = None, {}
        try:
            with self._guarded(policies, samples) as outcome:
                for group in _groups(samples.in_order(batch_size), self.criterion.chunk):
                    self.steps(samples, group, [0.0] * len(group), policies, tally)
                for policy in policies:
                    policy.end_pass(self)
        finally:
            self.curves.latest = self.criterion.facts(tally)
        return outcome

    @contextmanager
    def _guarded(self, policies, samples):
        """Call the policies before and after learning, even if it is interrupted."""
        outcome = Outcome()
        for policy in policies:
            policy.begin(self)
        try:
            yield outcome
        except Diverged as error:
            outcome.error = error
        except KeyboardInterrupt:
            outcome.error = self._judge_interruption(policies)
            raise
        finally:
            for policy in policies:
                policy.end(self, outcome.has_diverged)
            self._batch = None
            samples.release()

    def _judge_interruption(self, policies):
        try:
            for policy in policies:
                policy.interrupted(self)
        except Diverged as error:
            return error
        return None

    def _passes(self, samples, policies, plan, estimator, context):
        """Make the passes; return whether a policy, a callback or the time ended them.

        If the time ends in the middle of a pass, the pass ends there, and counts like any other.
        """
        progress, label = Progress(plan.max_time), "pass"
        for n_pass in range(plan.max_iter):
            batches = samples.batches(plan.batch_size, plan.random_state)
            groups = _groups(batches, self.criterion.chunk)
            subcontext = context.subcontext(task_name=label, max_subtasks=len(groups))
            subcontext.call_on_fit_task_begin(estimator=estimator)
            progress.begin_pass(n_pass, len(batches), plan.max_iter)
            tally = self._one_pass(samples, groups, progress, policies, estimator, subcontext)
            for policy in policies:
                policy.end_pass(self)
            self._record(tally, progress.seconds)
            for policy in policies:
                policy.look(self)
            label = f"pass {self.curves.n_passes}: {self.criterion.label(self.curves)}"
            if estimator.verbose:
                print(f"[{type(estimator).__name__}] {label}")
            stop = subcontext.call_on_fit_task_end(
                estimator=estimator, X=samples.X, reconstruction_attributes=estimator._snapshot
            )
            if stop or progress.is_over or any(policy.is_done(self) for policy in policies):
                return True
        return False

    def _one_pass(self, samples, groups, progress, policies, estimator, context):
        """Make one step for each batch; callbacks run after each group of batches."""
        task, tally = "batch" if self.criterion.chunk == 1 else "batches", {}
        for group in groups:
            subcontext = context.subcontext(task_name=task)
            subcontext.call_on_fit_task_begin(estimator=estimator)
            for batches, shares in progress.parts(group):
                self.steps(samples, batches, shares, policies, tally)
            for policy in policies:
                policy.after_steps(self, progress.n_done, progress.n_total)
            subcontext.call_on_fit_task_end(estimator=estimator)
            if progress.is_over:
                break
        return tally

    def _record(self, tally, seconds):
        self.curves.add({**self.criterion.summary(tally), "seconds": seconds})
        self.curves.latest = self.criterion.facts(tally)

    # ---------------------------------------------------------------------------------------- steps
    def steps(self, samples, batches, done, policies=(), tally=None):
        """Make one step for each batch, in one compiled call if the criterion offers it.

        A compiled call requires samples of equal weight without missing values.

        Parameters
        ----------
        samples : Samples
            Source of the batches.
        batches : list
            Rows of each batch.
        done : list of float
            Completed share of training at each step.
        policies : sequence of Policy, default=()
            Policies that may repeat a step that diverged.
        tally : dict or None, default=None
            Receives the sums of the reports of all steps.

        Raises
        ------
        Diverged
            If a step diverged and no policy recovers from it.
        """
        if samples.is_plain and self._can_advance(samples):
            for first, last in _equal_sizes([_size(rows) for rows in batches]):
                index = np.stack([np.r_[rows] for rows in batches[first:last]])
                reports = self.criterion.advance(
                    samples, index, done[first:last], self.stream, self.shard
                )
                for report in () if tally is None else reports:
                    count(tally, report)
            return
        for rows, share in zip(batches, done, strict=True):
            self._batch = samples.take(rows)
            try:
                report = self.step(self._batch, share)
            except Diverged:
                if not self._recovers(policies):
                    raise
                report = self.step(self._batch, share)
            if tally is not None:
                count(tally, report)

    def _can_advance(self, samples):
        return self.criterion.can_advance(resolve_backend(self.criterion.backend, samples.X))

    def recovering(self, policies, work, *args):
        """Call work(*args), and repeat it if it diverges and a policy recovers."""
        try:
            return work(*args)
        except Diverged:
            if not self._recovers(policies):
                raise
            return work(*args)

    def _recovers(self, policies):
        """Return whether a policy has recovered from divergence, so that work may be repeated."""
        return any(policy.recover(self) for policy in policies)

    def step(self, batch, done=0.0):
        """Make one step on a batch.

        Parameters
        ----------
        batch : Batch
            Samples.
        done : float, default=0.0
            Completed share of training.

        Returns
        -------
        dict
            Report of the criterion, for curves.

        Raises
        ------
        Diverged
            If the step diverged. The parameters are unchanged.
        """
        criterion = self.criterion
        model = criterion.prepare(batch)
        work = Work(criterion, self.stream, self.shard)
        sums, shard = batch.perform(work, model, self._memory)
        criterion.apply(model, sums, batch, done)
        self.shard = shard
        if self.stream is not None:
            self.stream.n_draws += criterion.n_draws
        return sums["report"]

    # ------------------------------------------------------------------------- called by policies
    def measure(self, batch):
        """Return the sums of a batch, without gradients.

        Parameters
        ----------
        batch : Batch
            Samples.

        Returns
        -------
        dict
            Merged sums of the pieces.
        """
        work = Work(self.criterion, only_measures=True)
        return batch.perform(work, self.criterion.prepare(batch), self._memory)[0]

    def confirm(self):
        """Raise `Diverged` if the last step diverged, judged on the batch that it was made on."""
        if self._batch is not None:
            self.criterion.require(self.measure(self._batch), self._batch)

    def go_back(self, kept):
        """Restore a snapshot of the criterion, and reset the optimizer."""
        if kept is not None:
            self.criterion.restore(kept)
            self.criterion.restart()

    def take_average(self):
        """Include the current parameters in the average of the last steps."""
        if self.average is None:
            self.average = Average(self.criterion.parameters)
        else:
            self.average.take(self.criterion.parameters)


class Average:
    """The mean of parameters over several steps (Polyak & Juditsky 1992)."""

    def __init__(self, parameters):
        self.parameters = {
            name: array_namespace(value).asarray(value, copy=True)
            for name, value in parameters.items()
        }
        self.n_taken = 1

    def take(self, parameters):
        """Include the current parameters in the mean."""
        self.n_taken += 1
        for name, mean in self.parameters.items():
            mean += (parameters[name] - mean) / self.n_taken


def _groups(batches, size):
    """Return consecutive groups of batches."""
    return [batches[i : i + size] for i in range(0, len(batches), size)]


def _size(rows):
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def _equal_sizes(sizes):
    """Return (first, last) of each run of batches of equal size."""
    ends = [i for i in range(1, len(sizes)) if sizes[i] != sizes[i - 1]]
    return list(zip([0, *ends], [*ends, len(sizes)], strict=True)) if sizes else []
