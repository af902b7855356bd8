"""The training of a network with labels: passes, what is held out, and the best of its parameters.

Whatever ends it, the network is left with the parameters that were best: on the held-out samples
where there are any, else the last ones, or those of least loss where it diverged.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from sklearn_ebm.backends import array_namespace, is_cupy
from sklearn_ebm.learning._divergence import Watch, mean_of
from sklearn_ebm.learning._passes import Passes
from sklearn_ebm.learning._samples import Samples
from sklearn_ebm.learning._stages import transformed

WITHOUT_A_WAY_BACK = 10.0  # times the loss of guessing, or the first, at which a batch has diverged
WORST = -math.inf, -math.inf  # merit of parameters whose loss is not finite
LOOKED_AT = 512  # samples that the network sees at a time when nothing is learned


@dataclass
class TuningCurves:
    """What training looked like, one entry a pass; the held-out ones begin before the first."""

    objective: list = field(default_factory=list)
    accuracy: list = field(default_factory=list)
    validation: list = field(default_factory=list)
    validation_accuracy: list = field(default_factory=list)
    seconds: list = field(default_factory=list)


@dataclass
class Score:
    """Weighted sums of losses and of right answers over the batches of a pass."""

    loss: float = 0.0
    right: float = 0.0
    weight: float = 0.0

    def add(self, losses, right, weight):
        """Count one batch."""
        xp = array_namespace(losses)
        self.loss += float(xp.sum(losses * weight))
        self.right += float(xp.sum(right * weight))
        self.weight += float(xp.sum(weight))

    @property
    def mean_loss(self):
        """Of a sample."""
        return self.loss / max(self.weight, np.finfo(float).tiny)

    @property
    def accuracy(self):
        """Share of right answers."""
        return self.right / max(self.weight, np.finfo(float).tiny)


@dataclass
class LabelledSamples(Samples):
    """Rows of anything that can be indexed, as batches for the network.

    Attributes
    ----------
    before : list of transformers
        Fitted steps that are not trained, through which each batch goes first.
    backend : module
        Where batches are brought to.
    dtype : dtype
        Of the batches.
    """

    before: list = field(default_factory=list)
    backend: Any = None
    dtype: Any = None

    def take(self, rows):
        """A batch, its labels as an indicator matrix, and its weights."""
        x = as_input(transformed(self.before, _safe_indexing(self.X, rows)), self.dtype)
        target, weight = (
            self.backend.to_device(np.ascontiguousarray(part[rows], self.dtype))
            for part in (self.beside, self.weight)
        )
        return self.backend.to_device(x), target, weight

    def part(self, index):
        """Some of the rows, as samples of their own."""
        return replace(self, index=index)

    def looks(self):
        """The rows by batches, in order."""
        rows = np.arange(_num_samples(self.X)) if self.index is None else self.index
        for first in range(0, len(rows), LOOKED_AT):
            yield self.take(rows[first : first + LOOKED_AT])


def as_input(x, dtype=None):
    """What the first part of a network takes: rows, or images with channels, of one type.

    That is float32 where x is, and else float64, unless `dtype` is given.
    """
    if sparse.issparse(x):
        x = x.toarray()
    if not is_cupy(x):
        x = np.ascontiguousarray(x)
    xp = array_namespace(x)
    if dtype is None:
        dtype = x.dtype if x.dtype == xp.float32 else xp.float64
    x = xp.asarray(x, dtype=dtype)
    return x[..., None] if x.ndim == 3 else x


class FineTuning:
    """A network, its optimiser, and the best of its parameters so far.

    Parameters
    ----------
    network : Network
        Trained in place.
    optimizer : optimizer
        Of the network's parameters.
    schedule : callable
        Share of the learning rate that is left when a share of the steps is done.
    backend : module
        Of the kernels.
    """

    def __init__(self, network, optimizer, schedule, backend):
        self.network = network
        self.optimizer = optimizer
        self.schedule = schedule
        self.backend = backend
        self.curves = TuningCurves()
        self.watch = Watch(WITHOUT_A_WAY_BACK)
        self.best = None

    @property
    def n_steps(self):
        """Steps made."""
        return self.optimizer.n_steps

    def step(self, x, target, weight, share=1.0):
        """Losses and right answers of a batch, before one step against its mean loss.

        Raises
        ------
        Diverged
            If the mean loss is not finite or out of all proportion; no step was taken on it.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # seen below, and taken back
            losses, scores, gradients = self.network.losses_and_gradients(x, target, weight)
        self._require_proportion(losses)
        self.optimizer.step(gradients, self.backend, float(self.schedule(1 - share)))
        self.network.project()
        return losses, right_answers(scores, target)

    def _require_proportion(self, losses):
        """Compare a mean loss with that of guessing, and with the first."""
        n_classes = self.network.head.parameters["bias"].shape[0]
        self.watch.require(mean_of(losses), math.log(n_classes))

    def confirm(self, x, target, weight):
        """Raise `Diverged` if the loss is out of all proportion after the last step."""
        with np.errstate(over="ignore", invalid="ignore"):
            losses, _ = self.network.loss(self.network.scores(x), target)
        self._require_proportion(losses)

    def look(self, samples):
        """The score of the network as it stands."""
        score = Score()
        for x, target, weight in samples.looks():
            with np.errstate(over="ignore", invalid="ignore"):
                scores = self.network.scores(x)
                losses, _ = self.network.loss(scores, target)
            score.add(losses, right_answers(scores, target), weight)
        return score

    def begin(self, samples):
        """Training may begin with any loss."""
        self.watch.begin(self.look(samples).mean_loss)

    def remember(self, merit):
        """Keep the parameters as they are if they have more merit than any before."""
        if self.best is None or merit > self.best[0]:
            xp = array_namespace(self.network.head.parameters["weights"])
            values = {
                name: xp.asarray(value, copy=True)
                for name, value in self.network.parameters.items()
            }
            self.best = merit, values

    def go_back(self):
        """Return to the best parameters."""
        if self.best is not None:
            for name, value in self.network.parameters.items():
                value[...] = self.best[1][name]


def right_answers(scores, target):
    """One where the class of the largest score is the right one, else zero."""
    xp = array_namespace(scores)
    right = xp.argmax(scores, axis=1) == xp.argmax(target, axis=1)
    return xp.asarray(right, dtype=scores.dtype)


class TuningPasses(Passes):
    """Passes that look at held-out samples after each, and end where these gain nothing more.

    Parameters
    ----------
    learner : FineTuning
        Changed in place.
    held_out : LabelledSamples or None
        To look at; None looks at nothing, and makes all passes.
    patience : int
        Passes without a gain in accuracy, or in loss at the same accuracy, after which to stop.
    **options
        Those of `Passes`.
    """

    new_tally = Score

    def __init__(self, learner, held_out, patience, **options):
        super().__init__(learner, tol=0, **options)
        self.held_out = held_out
        self.patience = patience
        self._merits = []

    def _begin(self, samples):
        self.learner.begin(samples.part(samples.index[:LOOKED_AT]))
        self._look()

    def _look_once_more(self):
        super()._look_once_more()
        if not self.has_diverged:
            self._look()

    def _end(self):
        """The best parameters are left: without held-out samples, the last ones."""
        if self.held_out is not None:
            self.learner.go_back()
        super()._end()

    def _look(self):
        """Look at the held-out samples, where there are any."""
        learner, curves = self.learner, self.learner.curves
        if self.held_out is None:
            learner.remember(-curves.objective[-1] if curves.objective else -math.inf)
            return
        score = learner.look(self.held_out)
        curves.validation.append(score.mean_loss)
        curves.validation_accuracy.append(score.accuracy)
        is_usable = math.isfinite(score.mean_loss)
        self._merits.append((score.accuracy, -score.mean_loss) if is_usable else WORST)
        learner.remember(self._merits[-1])

    def _record(self, tally, seconds):
        curves = self.learner.curves
        curves.objective.append(tally.mean_loss)
        curves.accuracy.append(tally.accuracy)
        curves.seconds.append(seconds)
        self._look()

    def _is_done(self):
        recent = self._merits[-self.patience :]
        before = self._merits[: -self.patience]
        return bool(before) and max(recent) <= max(before)

    def label(self):
        """Where training stands, for progress bars and verbose output."""
        curves = self.learner.curves
        text = f"loss {curves.objective[-1]:.4g}, accuracy {100 * curves.accuracy[-1]:.2f} %"
        if curves.validation:
            text += (
                f", held out {curves.validation[-1]:.4g} and "
                f"{100 * curves.validation_accuracy[-1]:.2f} %"
            )
        return f"pass {len(curves.objective)}: {text}"
