"""The loop that models with a partition function share: passes over batches, curves, averages.

What a pass costs beyond its batches is a look at a few rows of the data.
"""

import time
from dataclasses import dataclass, field

import numpy as np

from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.inputs._rows import dense_rows
from sklearn_ebm.learning._samples import Samples

CHUNK = 20  # batches between two looks at signals and callbacks
SMALLEST_LOOK, LARGEST_LOOK, LOOK_SHARE = 100, 2000, 0.01  # rows that a monitor looks at
SURELY = 0.01  # a unit that is never more likely on than that is dead


@dataclass
class ContrastiveCurves:
    """What learning looked like, one entry a pass."""

    objective: list = field(default_factory=list)
    reconstruction: list = field(default_factory=list)
    gap: list = field(default_factory=list)
    seconds: list = field(default_factory=list)


class Monitor:
    """A look at a few rows of the data after each pass.

    Parameters
    ----------
    X : array or csr_array of shape (n_samples, n_features)
        Data.
    rows : int array
        Of the samples that are learned from.
    held_out : int array
        Of those that are not; may be empty.
    dtype : dtype
        Of the model.
    draws : bool
        Whether entries between zero and one are drawn as zeros and ones.
    random_state : numpy.random.RandomState
        Chooses the rows and the features that are flipped.
    """

    def __init__(self, X, rows, held_out, dtype, draws, random_state):
        self.X = _some_rows(X, rows, dtype, draws, random_state)
        self.held_out = _some_rows(X, held_out, dtype, draws, random_state)

    def look(self, energy, backend, curves):
        """Add one entry to each curve."""
        xp = array_namespace(energy.weights)
        reconstruction = float(xp.mean(reconstruction_error(energy, self.X, backend)))
        curves.reconstruction.append(reconstruction)
        if energy.visible.is_binary:
            score = pseudo_likelihood(energy, self.X, backend)
            curves.objective.append(-float(xp.mean(score)))
        else:
            curves.objective.append(reconstruction)
        if self.held_out.shape[0]:
            held_out, learned = (energy.free_energy(X, backend) for X in (self.held_out, self.X))
            curves.gap.append(float(xp.mean(held_out)) - float(xp.mean(learned)))

    def stuck_units(self, energy, backend):
        """Numbers of hidden units that are off, and on, for all rows looked at."""
        xp = array_namespace(energy.weights)
        hidden = energy.hidden_mean(self.X, backend)
        off = xp.count_nonzero(xp.max(hidden, axis=0) < SURELY)
        on = xp.count_nonzero(xp.min(hidden, axis=0) > 1 - SURELY)
        return int(off), int(on)


def _some_rows(X, rows, dtype, draws, random_state):
    n_rows = min(len(rows), max(SMALLEST_LOOK, min(LARGEST_LOOK, int(LOOK_SHARE * len(rows)))))
    rows = np.sort(random_state.permutation(rows)[:n_rows])
    X = dense_rows(X, rows, dtype)
    if draws:
        xp = array_namespace(X)
        X = xp.astype(xp.asarray(random_state.uniform(size=X.shape)) < X, dtype)
    return X


def reconstruction_error(energy, X, backend):
    """Mean squared error over the features of each row that is encoded and decoded once."""
    error = X - energy.visible_mean(energy.hidden_mean(X, backend), backend)
    return array_namespace(X).mean(error * error, axis=1)


def pseudo_likelihood(energy, X, backend, first_row=0):
    """log p(v_i | the other features) of one feature i of each row, of all features in turn.

    It is log 1 / (1 + exp(F(v) - F(v'))) with v' the row with v_i flipped.
    """
    xp = array_namespace(X)
    n_rows, n_features = X.shape
    rows = first_row + np.arange(n_rows)
    flipped = xp.asarray(rows * _stride(n_features) % n_features)
    chosen = xp.take_along_axis(X, flipped[:, None], axis=1)[:, 0]
    change = 1 - 2 * chosen
    field = energy.hidden_field(X, backend)
    before = backend.softplus_sums(field, energy.hidden_bias)
    field += change[:, None] * xp.take(energy.weights, flipped, axis=0)
    after = backend.softplus_sums(field, energy.hidden_bias)
    rise = before - after - change * xp.take(energy.visible.bias, flipped)
    return -xp.log1p(xp.exp(-xp.abs(rise))) + xp.minimum(rise, xp.zeros_like(rise))


def _stride(n_features):
    """A step through all features that leaves neighbours far apart."""
    stride = max(1, round(0.618 * n_features))
    while np.gcd(stride, n_features) > 1:
        stride += 1
    return stride


class Average:
    """The mean of parameters over the last steps of learning (Polyak & Juditsky 1992)."""

    def __init__(self, energy):
        self.energy = energy.copy()
        self.n_taken = 1

    def take(self, energy):
        """One more of them."""
        self.n_taken += 1
        parameters = energy.parameters
        for name, mean in self.energy.parameters.items():
            mean += (parameters[name] - mean) / self.n_taken


class ContrastivePasses:
    """Passes over X with a learner: curves, averages, and what callbacks see.

    Parameters
    ----------
    learner : ContrastiveLearner
        Changed in place.
    how : Ascending
        How it moves.
    schedule : callable
        Learning rate at each completed share of the passes, from 0 to 1.
    max_iter : int
        Passes.
    batch_size : int
        Samples a step.
    average : float
        Share of the steps, the last ones, whose parameters are averaged.
    random_state : numpy.random.RandomState
        Shuffles the samples.
    """

    def __init__(self, learner, how, schedule, max_iter, batch_size, average, random_state):
        self.learner = learner
        self.how = how
        self.schedule = schedule
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.average = average
        self.random_state = random_state

    def run(self, X, rows, monitor, estimator, context, backend):
        """Make the passes, or as many as callbacks let."""
        began = time.perf_counter()
        label = "pass"
        samples = Samples(X, index=rows)
        for n_pass in range(self.max_iter):
            batches = samples.batches(self.batch_size, self.random_state)
            n_chunks = -(-len(batches) // CHUNK)
            subcontext = context.subcontext(task_name=label, max_subtasks=n_chunks)
            subcontext.call_on_fit_task_begin(estimator=estimator)
            self._one_pass(X, batches, n_pass, estimator, subcontext, backend)
            curves = self.learner.curves
            monitor.look(self.learner.energy, backend, curves)
            curves.seconds.append(time.perf_counter() - began)
            label = self.label()
            if estimator.verbose:
                print(f"[{type(estimator).__name__}] {label}")
            stop = subcontext.call_on_fit_task_end(
                estimator=estimator, X=X, reconstruction_attributes=estimator._snapshot
            )
            if stop:
                return

    def _one_pass(self, X, batches, n_pass, estimator, context, backend):
        learner = self.learner
        total = self.max_iter * len(batches)
        for first in range(0, len(batches), CHUNK):
            subcontext = context.subcontext(task_name="batches")
            subcontext.call_on_fit_task_begin(estimator=estimator)
            chunk = batches[first : first + CHUNK]
            done = n_pass * len(batches) + first
            rates = [self.schedule((done + n) / total) for n in range(len(chunk))]
            learner.learn(X, chunk, rates, self.how, backend)
            if done + len(chunk) > (1 - self.average) * total:
                if learner.average is None:
                    learner.average = Average(learner.energy)
                else:
                    learner.average.take(learner.energy)
            subcontext.call_on_fit_task_end(estimator=estimator)

    def label(self):
        """Where learning stands, for progress bars and verbose output."""
        curves = self.learner.curves
        activity = float(np.mean(to_host(self.learner.activity)))
        gap = f" gap {curves.gap[-1]:.4g}," if curves.gap else ""
        return (
            f"pass {len(curves.objective)}: objective {curves.objective[-1]:.4g}, "
            f"error {curves.reconstruction[-1]:.4g},{gap} {100 * activity:.1f} % active"
        )
