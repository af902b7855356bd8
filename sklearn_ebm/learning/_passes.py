"""Passes over shuffled batches of X: curves, stopping, and what callbacks see.

A learner holds the whole state of learning. It is changed by `step` only, a batch at a time, so
that an interrupted fit keeps what the last whole batch left.
"""

import time

import numpy as np

from sklearn_ebm.backends import array_namespace
from sklearn_ebm.learning._curves import Tally
from sklearn_ebm.learning._divergence import Diverged, has_diverged


class Passes:
    """Passes over X with a learner: curves, stopping, and what callbacks see.

    Parameters
    ----------
    learner : object
        Has `step(X, beside, weight, learning_rate)`, `confirm`, `remember`, `go_back` and
        `curves`; changed in place.
    schedule : callable
        Learning rate at each completed share of the passes, from 0 to 1.
    max_iter : int
        Passes at the most.
    tol : float
        Relative change of the mean energy from one pass to the next at which learning stops.
    batch_size : int
        Samples a step.
    random_state : numpy.random.RandomState
        Shuffles the samples.
    """

    def __init__(self, learner, schedule, max_iter, tol, batch_size, random_state):
        self.learner = learner
        self.schedule = schedule
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.random_state = random_state
        self.change = np.inf
        self.has_diverged = False
        self._batch = None

    new_tally = Tally

    def run(self, samples, estimator, context):
        """Make the passes; True where they were enough, or a callback asked to stop.

        However they end, the learner is left with parameters that have not diverged.
        """
        self._begin(samples)
        try:
            return self._make_all(samples, estimator, context)
        except Diverged:
            self.has_diverged = True
            return False
        except KeyboardInterrupt:
            self._look_once_more()
            raise
        finally:
            self._end()

    def _begin(self, samples):
        """Remember what learning begins with."""
        self.learner.remember()

    def _look(self):
        """Judge the parameters after a pass."""
        self.learner.remember(-self.learner.curves.objective[-1])

    def _look_once_more(self):
        """Judge the parameters after an interruption."""
        self.has_diverged = has_diverged(self.learner, self._batch)

    def _end(self):
        """Leave the learner with good parameters."""
        if self.has_diverged:
            self.learner.go_back()
        self.learner.best = None

    def _make_all(self, samples, estimator, context):
        began = time.perf_counter()
        label = "pass"
        for n_pass in range(self.max_iter):
            batches = samples.batches(self.batch_size, self.random_state)
            subcontext = context.subcontext(task_name=label, max_subtasks=len(batches))
            subcontext.call_on_fit_task_begin(estimator=estimator)
            tally = self._one_pass(samples, batches, n_pass, estimator, subcontext)
            self._record(tally, time.perf_counter() - began)
            label = self.label()
            if estimator.verbose:
                print(f"[{type(estimator).__name__}] {label}")
            stop = subcontext.call_on_fit_task_end(
                estimator=estimator, X=samples.X, reconstruction_attributes=estimator._snapshot
            )
            if stop or self._is_done():
                return True
        return self.tol == 0

    def _is_done(self):
        """Whether another pass would change little."""
        return self.change <= self.tol

    def _one_pass(self, samples, batches, n_pass, estimator, context):
        tally = self.new_tally()
        total = self.max_iter * len(batches)
        for number, rows in enumerate(batches):
            subcontext = context.subcontext(task_name="batch")
            subcontext.call_on_fit_task_begin(estimator=estimator)
            batch = self._batch = samples.take(rows)
            rate = self.schedule((n_pass * len(batches) + number) / total)
            objective, code = self.learner.step(*batch, rate)
            tally.add(objective, code, batch[-1])
            subcontext.call_on_fit_task_end(estimator=estimator)
        self._confirm()
        return tally

    def _confirm(self):
        """Check the last step of the pass on its batch."""
        self.learner.confirm(*self._batch)

    def _record(self, tally, seconds):
        curves = self.learner.curves
        if curves.objective:
            before = curves.objective[-1]
            self.change = abs(before - tally.mean_objective) / max(abs(before), 1e-300)
        curves.objective.append(tally.mean_objective)
        curves.seconds.append(seconds)
        curves.end_pass(tally.usage)
        curves.sparsity.append(float(array_namespace(tally.usage).mean(tally.usage)))
        self._look()

    def label(self):
        """Where learning stands, for progress bars and verbose output."""
        curves = self.learner.curves
        return (
            f"pass {len(curves.objective)}: objective {curves.objective[-1]:.4g}, "
            f"{100 * curves.sparsity[-1]:.1f} % active"
        )
