"""The training of an encoder on a finished dictionary, which can only lower its loss.

The loss is looked at before the first pass and after each, on samples that take no part. The
parameters that were best there are the result, so it is never worse than what it began with.
"""

import contextlib
import math
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.estimators._learning import Curves, Passes, part, summed
from sklearn_ebm.factors import Tapes, half_norm
from sklearn_ebm.solvers import Adam

PIECE_ROWS = 128  # what a thread takes of a batch, which is smaller here than that of a dictionary
FIRST_RATE = 3e-3
BACK_OFF = 3.0  # what the learning rate is divided by when it turns out too large
WORSE = 1.2  # times the best loss at the end of a pass say so
WORSE_SHARE = 0.2  # so does a loss this far above it, in units of what has been gained so far
SLOWEST = 0.02  # share of the first learning rate at which passes without progress end training
EXPLODED = 1e4  # times the size of data and codes, at which a loss has no way back


class Diverged(Exception):
    """The loss is not finite, or out of all proportion to the data; no step was taken on it."""


@dataclass
class LossCurves(Curves):
    """Curves of a loss, and of that on the samples that are looked at, from before the start."""

    validation: list = field(default_factory=list)


class EncoderLearner:
    """An encoder, its optimiser, and the best of its parameters so far.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Stays as it is.
    encoder : encoder factor
        Trained in place.
    """

    def __init__(self, dictionary, encoder):
        self.dictionary = dictionary
        self.replace_encoder(encoder)
        self.curves = LossCurves()
        self.tapes = Tapes()
        self.damping = 1.0
        self.best = None
        self.first_loss = 0.0

    def replace_encoder(self, encoder):
        """Go on with another encoder; its optimiser begins anew."""
        self.encoder = encoder
        self.adam = Adam(encoder.parameters, 0.0, units=encoder.units)

    def follow(self, loss, learning_rate, backend):
        """Learn by these from now on: users may change them before they go on with a fit.

        Parameters
        ----------
        loss : loss factor
            What the codes are judged by.
        learning_rate : float or "auto"
            Of Adam, before the schedule; "auto" is lowered whenever training diverges.
        backend : str
            Name of the backend; a module could not be pickled.

        Returns
        -------
        learner : EncoderLearner
            Itself.
        """
        self.loss = loss
        self.backend = backend
        self.backs_off = learning_rate == "auto"
        self.damping = self.damping if self.backs_off else 1.0
        first_rate = FIRST_RATE if self.backs_off else learning_rate
        self.adam.learning_rate = first_rate * self.damping
        return self

    def step(self, X, optimum=None, sample_weight=None, share=1.0):
        """Losses and codes of a batch before one step of the encoder against its mean loss.

        Raises
        ------
        Diverged
            If the losses are not finite or have exploded, and the learning rate is not to be
            lowered; the encoder is then as it was.
        """
        return self._or_back_off(self._step, X, optimum, sample_weight, share)

    def _or_back_off(self, work, *batch):
        """Do the work; where it diverges, once more from the best parameters, slower now."""
        try:
            return work(*batch)
        except Diverged:
            if not self.backs_off:
                raise
            self.back_off()
            return work(*batch)

    def back_off(self):
        """Go back to the best parameters, and on with smaller steps."""
        self.settle()
        self.damping /= BACK_OFF
        rate = self.adam.learning_rate / BACK_OFF
        self.adam = Adam(self.encoder.parameters, rate, units=self.encoder.units)

    def _step(self, X, optimum, sample_weight, share):
        backend, xp = resolve_backend(self.backend, X), array_namespace(X)
        optimum = _dense(optimum, backend)
        weight = xp.ones(X.shape[0], dtype=X.dtype) if sample_weight is None else sample_weight
        total = max(float(xp.sum(weight)), float(xp.finfo(X.dtype).smallest_normal))
        losses, codes, gradients = xp.empty(X.shape[0], dtype=X.dtype), {}, {}

        def work(first, last):
            rows = slice(first, last)
            with np.errstate(over="ignore", invalid="ignore"):  # seen below, and taken back
                codes[first], tape = self.encoder.forward(X[rows, ...], backend, self.tapes[first])
                losses[rows], slope = self.loss.value_and_gradient(
                    X[rows, ...], codes[first], part(optimum, rows)
                )
                slope *= (weight[rows] / total / self.encoder.scale.code**2)[:, None]
                gradients[first] = self.encoder.backward(tape, slope, input_gradient=False)[1]

        backend.map_pieces(work, X.shape[0], PIECE_ROWS)
        self._require_proportion(losses, X, optimum)
        self.adam.step(summed(gradients), backend, share)
        self.encoder.project()
        return losses, xp.concat([codes[first] for first in sorted(codes)])

    def _require_proportion(self, losses, X, optimum):
        xp = array_namespace(losses)
        size = xp.mean(half_norm(X)) + xp.mean(self.loss.of_zero(X, optimum))
        largest = EXPLODED * max(float(size), self.first_loss)
        if not float(xp.mean(losses)) <= largest:  # NaN is not either
            raise Diverged

    def mean_loss(self, X, optimum=None, sample_weight=None):
        """Loss of the encoder as it stands; `Diverged` as in `step`."""
        losses = self._losses(X, optimum)
        self._require_proportion(losses, X, optimum)
        return _mean(losses, sample_weight)

    def _losses(self, X, optimum):
        with np.errstate(over="ignore", invalid="ignore"):
            code = self.encoder.encode(X, resolve_backend(self.backend, X))
            return self.loss.value_and_gradient(X, code, optimum)[0]

    def begin(self, X, optimum=None, sample_weight=None):
        """Remember what learning begins with, and what the loss is there, however large."""
        self.adam.learning_rate /= self.damping
        self.damping = 1.0
        self.first_loss = _mean(self._losses(X, optimum), sample_weight)
        self.remember(self.first_loss)
        self.curves.validation.append(self.first_loss)

    def look(self, held_out):
        """Loss on the samples that are looked at; the parameters are kept if none were better."""
        loss = self._or_back_off(self.mean_loss, *held_out)
        if loss < self.best[0]:
            self.remember(loss)
        elif self.backs_off and loss > self._too_large():
            self.back_off()
        return loss

    def _too_large(self):
        """The loss at which steps have been too large; energies are mostly constant."""
        best = self.best[0]
        return min(WORSE * best, best + WORSE_SHARE * (self.first_loss - best))

    def remember(self, loss=math.inf):
        """Keep the parameters as they are, to come back to."""
        values = self.encoder.copy().parameters
        self.best = loss, values

    def settle(self):
        """Go back to the best parameters."""
        for name, value in self.best[1].items():
            self.encoder.parameters[name][...] = value


def _mean(losses, sample_weight):
    xp = array_namespace(losses)
    if sample_weight is None:
        return float(xp.mean(losses))
    total = max(float(xp.sum(sample_weight)), np.finfo(float).tiny)
    return float(xp.sum(losses * sample_weight)) / total


def _dense(code, backend):
    """Codes of a batch as an array, on the device."""
    return backend.to_device(code.toarray()) if sparse.issparse(code) else code


class WatchedPasses(Passes):
    """Passes that keep the parameters of least loss on held-out samples.

    Where it falls no more, the learning rate is lowered; where that brings nothing, learning ends.

    Parameters
    ----------
    learner : EncoderLearner
        Changed in place.
    held_out : tuple
        X, optimal codes and weights to look at.
    patience : int
        Passes without a fall of more than `tol` after which the learning rate is lowered.
    **options
        Those of `Passes`.
    """

    def __init__(self, learner, held_out, patience, **options):
        super().__init__(learner, **options)
        X, optimum, weight = held_out
        self.held_out = X, _dense(optimum, resolve_backend(learner.backend, X)), weight
        self.patience = patience
        self.has_diverged = False
        self.n_slowed = 0  # the pass in which the learning rate was lowered last

    def run(self, samples, estimator, context):
        """Make the passes; the best parameters seen at the end of any are left, however it ends."""
        self.learner.begin(*self.held_out)
        try:
            super().run(samples, estimator, context)
        except Diverged:
            self.has_diverged = True
        except KeyboardInterrupt:
            with contextlib.suppress(Diverged):
                self.learner.look(self.held_out)
            raise
        finally:
            self.learner.settle()
            self.learner.best = None  # they are the encoder's

    def loss_of_zero(self):
        """Mean loss of zero codes on the held-out samples."""
        X, optimum, _ = self.held_out
        return _mean(self.learner.loss.of_zero(X, optimum), None)

    def _record(self, tally, seconds):
        super()._record(tally, seconds)
        self.learner.curves.validation.append(self.learner.look(self.held_out))

    def _is_done(self):
        """Whether the last passes brought nothing, and smaller steps would not either."""
        curve = self.learner.curves.validation
        recent = curve[self.n_slowed + 1 :][-self.patience :]
        if self.tol == 0 or len(recent) < self.patience:
            return False
        if min(recent) < (1 - self.tol) * min(curve[: -self.patience]):
            return False
        self.n_slowed = len(curve) - 1
        self.learner.back_off()
        return self.learner.damping < SLOWEST

    def label(self):
        """Where learning stands, for progress bars and verbose output."""
        curves = self.learner.curves
        return (
            f"pass {len(curves.objective)}: loss {curves.objective[-1]:.4g}, "
            f"held out {curves.validation[-1]:.4g}, {100 * curves.sparsity[-1]:.1f} % active"
        )
