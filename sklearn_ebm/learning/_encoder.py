"""The training of an encoder on a finished dictionary, which can only lower its loss.

The loss is looked at before the first pass and after each, on samples that take no part. The
parameters that were best there are the result, so it is never worse than what it began with.
"""

import contextlib
import math
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace, new_array, resolve_backend
from sklearn_ebm.factors import Tapes, half_norm
from sklearn_ebm.learning._curves import Curves
from sklearn_ebm.learning._divergence import Diverged, Watch, mean_of
from sklearn_ebm.learning._optimizers import Adam
from sklearn_ebm.learning._passes import Passes
from sklearn_ebm.learning._samples import part, summed

PIECE_ROWS = 128  # what a thread takes of a batch, which is smaller here than that of a dictionary
FIRST_RATE = 3e-3
BACK_OFF = 3.0  # what the learning rate is divided by when it turns out too large
WORSE = 1.2  # times the best loss at the end of a pass say so
WORSE_SHARE = 0.2  # so does a loss this far above it, in units of what has been gained so far
EXPLODED = 1e4  # times the size of data and codes, at which a loss has no way back
SLOWEST = 0.02  # share of the first learning rate at which passes without progress end training


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
        self.watch = Watch(EXPLODED)
        self.n_steps = 0

    def replace_encoder(self, encoder, learning_rate=0.0):
        """Go on with another encoder; its optimiser begins anew."""
        self.encoder = encoder
        self.adam = Adam(encoder.parameters, learning_rate, units=encoder.scales)

    @property
    def dtype(self):
        """Type that it learns in."""
        return self.dictionary.dtype

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

    def weigh(self, exponent):
        """Ignore the unit of sample weights: each step follows a mean over its batch."""

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
        self.damping /= BACK_OFF
        self.adam.learning_rate /= BACK_OFF
        self.go_back()

    def _step(self, X, optimum, sample_weight, share):
        backend, xp = resolve_backend(self.backend, X), array_namespace(X)
        optimum = _dense(optimum, backend)
        weight = xp.ones(X.shape[0], dtype=X.dtype) if sample_weight is None else sample_weight
        total = max(float(xp.sum(weight)), float(xp.finfo(X.dtype).smallest_normal))
        losses, codes, gradients = xp.empty(X.shape[0], dtype=X.dtype), {}, {}
        encoder = self.encoder.on(backend)

        def work(first, last):
            rows = slice(first, last)
            with np.errstate(over="ignore", invalid="ignore"):  # seen below, and taken back
                tape = self.tapes[first]
                codes[first] = encoder.forward(X[rows, ...], tape)
                losses[rows], slope = self.loss.value_and_gradient(
                    X[rows, ...], codes[first], part(optimum, rows)
                )
                slope *= (weight[rows] / total / encoder.scale.code**2)[:, None]
                gradients[first] = encoder.backward(tape, slope, input_gradient=False)[1]

        backend.map_pieces(work, X.shape[0], PIECE_ROWS)
        self._require_proportion(losses, X, optimum)
        self.n_steps += 1  # from here on it has changed
        self.adam.step(summed(gradients), backend, share)
        self.encoder.project()
        return losses, xp.concat([codes[first] for first in sorted(codes)])

    def _require_proportion(self, losses, X, optimum):
        xp = array_namespace(losses)
        usual = xp.mean(half_norm(X)) + xp.mean(self.loss.of_zero(X, optimum))
        self.watch.require(mean_of(losses), float(usual))

    def confirm(self, X, optimum=None, sample_weight=None):
        """Raise `Diverged` if the loss is out of all proportion after the last step."""
        optimum = _dense(optimum, resolve_backend(self.backend, X))
        self._or_back_off(self.mean_loss, X, optimum)

    def mean_loss(self, X, optimum=None, sample_weight=None):
        """Loss of the encoder as it stands; `Diverged` as in `step`."""
        losses = self._losses(X, optimum)
        self._require_proportion(losses, X, optimum)
        return _mean(losses, sample_weight)

    def _losses(self, X, optimum):
        backend, losses = resolve_backend(self.backend, X), new_array((X.shape[0],), X)
        encoder = self.encoder.on(backend)

        def work(first, last):
            rows = slice(first, last)
            with np.errstate(over="ignore", invalid="ignore"):  # each thread has its own
                code = encoder.forward(X[rows, ...])
                loss, _ = self.loss.value_and_gradient(X[rows, ...], code, part(optimum, rows))
                losses[rows] = loss

        backend.map_pieces(work, X.shape[0], PIECE_ROWS)
        return losses

    def begin(self, X, optimum=None, sample_weight=None):
        """Remember what learning begins with, and what the loss is there, however large."""
        self.adam.learning_rate /= self.damping
        self.damping = 1.0
        loss = _mean(self._losses(X, optimum), sample_weight)
        self.watch.begin(loss)
        self.remember(loss)
        self.curves.validation.append(loss)

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
        return min(WORSE * best, best + WORSE_SHARE * (self.watch.first - best))

    def remember(self, loss=math.inf):
        """Keep the parameters as they are, to come back to."""
        values = self.encoder.copy().parameters
        self.best = loss, values

    def settle(self):
        """Go back to the best parameters."""
        for name, value in self.best[1].items():
            self.encoder.parameters[name][...] = value

    def go_back(self):
        """The same after a divergence, with an optimiser that begins anew."""
        self.settle()
        self.replace_encoder(self.encoder, self.adam.learning_rate)


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
        self.n_slowed = 0  # the pass in which the learning rate was lowered last

    def _begin(self, samples):
        self.learner.begin(*self.held_out)

    def _look(self):
        self.learner.curves.validation.append(self.learner.look(self.held_out))

    def _look_once_more(self):
        with contextlib.suppress(Diverged):
            self.learner.look(self.held_out)

    def _confirm(self):
        """The held-out samples are looked at after each pass."""

    def _end(self):
        """The best parameters seen at the end of any pass are left."""
        self.learner.settle()
        super()._end()

    def loss_of_zero(self):
        """Mean loss of zero codes on the held-out samples."""
        X, optimum, _ = self.held_out
        return _mean(self.learner.loss.of_zero(X, optimum), None)

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
