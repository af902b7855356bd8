"""The loop that every dictionary model shares: passes over shuffled batches of X.

A `Learner` is the whole state of learning. It is changed by `step` only, a batch at a time, so that
an interrupted fit keeps what the last whole batch left.
"""

import copy
import functools
import math
import operator
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.estimators._divergence import Diverged, Watch, has_diverged, mean_of
from sklearn_ebm.factors import Energy, LinearDecoder, Tapes
from sklearn_ebm.solvers import Adam, OnlineDictionary, solve_lasso

PIECE_ROWS = 256  # what one thread takes of a batch
LEARNING_TOL = 1e-3  # gap of codes in learning; tighter ones do not make a better dictionary
HOPELESS = 10.0  # times the energy of zero codes, above which steps have spoilt the encoder
OVERSHOT = 100.0  # times the squared size of the data, in units of codes: the same for predictions


@dataclass
class Curves:
    """What learning looked like, one entry a pass."""

    objective: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    sparsity: list = field(default_factory=list)
    usage: Any = None
    unconverged: float = 0.0  # share of the last pass's codes that inference left above its tol
    n_codes: int = 0
    n_late: int = 0

    def count(self, n_codes, n_late):
        """Take in how many codes were inferred, and how many of them are above their tol."""
        self.n_codes += n_codes
        self.n_late += n_late

    def end_pass(self, usage):
        """What is known at the end of a pass."""
        self.usage = usage
        self.unconverged = self.n_late / max(1, self.n_codes)
        self.n_codes = self.n_late = 0


@dataclass
class Samples:
    """The rows of X that take part, with what stands beside each: a mask or a target, a weight."""

    X: Any
    beside: Any = None
    weight: Any = None
    index: Any = None  # of the rows that take part; None means all
    dtype: Any = None  # of what is taken, the model's; None means that of X

    def batches(self, batch_size, random_state):
        """Index arrays of one pass, each sorted, so that a memory map is read forwards."""
        rows = np.arange(self.X.shape[0]) if self.index is None else self.index
        order = random_state.permutation(rows)
        return [np.sort(order[i : i + batch_size]) for i in range(0, len(order), batch_size)]

    def in_order(self, batch_size):
        """The same, in the order of the rows."""
        return [slice(i, i + batch_size) for i in range(0, self.X.shape[0], batch_size)]

    def take(self, rows):
        """X, what stands beside it, and the weights of some rows; None where there are none."""
        return tuple(part(array, rows, self.dtype) for array in (self.X, self.beside, self.weight))


def part(array, rows, dtype=None):
    """Some rows of an array that may be absent, in a type if one is given."""
    return None if array is None else as_type(array[rows, ...], dtype)


def as_type(array, dtype):
    """An array, dense or sparse, in a type; itself if it has the type, or if none is given."""
    return array if dtype is None or array.dtype == dtype else array.astype(dtype)


def half_square(rows):
    """1/2 ||rows||^2 of all rows together, as a number."""
    entries = array_namespace(rows).reshape(rows, (-1,))
    return float(entries @ entries) / 2


def summed(parts):
    """Gradients by name, summed over the pieces of a batch in the order of the rows.

    The first piece's arrays get the sum.
    """
    first, *others = (parts[row] for row in sorted(parts))
    for other in others:
        for name, gradient in other.items():
            first[name] += gradient
    return first


@dataclass
class Tally:
    """Sums over the batches of one pass."""

    objective: float = 0.0
    weight: float = 0.0
    n_samples: int = 0
    used: Any = 0

    def add(self, objective, code, sample_weight):
        """Count one batch."""
        xp = array_namespace(code)
        weights = xp.ones_like(objective) if sample_weight is None else sample_weight
        self.objective += float(xp.sum(objective * weights))
        self.weight += float(xp.sum(weights))
        self.n_samples += code.shape[0]
        used = xp.count_nonzero(code, axis=0)
        self.used = self.used + xp.asarray(used, dtype=xp.float64)  # exact up to 2**53 samples

    @property
    def mean_objective(self):
        """Mean objective of a sample."""
        return self.objective / max(self.weight, np.finfo(float).tiny)

    @property
    def usage(self):
        """Share of the samples that use each component."""
        return self.used / max(1, self.n_samples)


class _Batch:
    """One batch on its way through `Learner.step`, filled piece by piece by several threads."""

    def __init__(self, X, mask, sample_weight, code_size):
        xp = array_namespace(X)
        self.X = X
        self.mask = mask
        self.weight = xp.ones(X.shape[0], dtype=X.dtype) if sample_weight is None else sample_weight
        smallest = float(xp.finfo(X.dtype).smallest_normal)
        self.total_weight = max(float(xp.sum(self.weight)), smallest)
        self.code = xp.empty((X.shape[0], code_size), dtype=X.dtype)
        self.energy = xp.empty(X.shape[0], dtype=X.dtype)
        self.contributions = {}
        self.slopes = {}
        self.n_late = {}

    def moments(self):
        """Sums of z'z and z'x, in the order of the rows whatever the threads did."""
        parts = [self.contributions[first] for first in sorted(self.contributions)]
        return [functools.reduce(operator.add, column) for column in zip(*parts, strict=True)]


class Learner:
    """Dictionary, encoder and curves, learned together.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        First atoms, of unit norm; changed in place.
    fixed : bool
        Whether the dictionary stays as it is.
    encoder : encoder factor or None
        Trained on the codes of each batch.
    """

    def __init__(self, dictionary, fixed=False, encoder=None):
        self.online = self._first_online(dictionary)
        self.fixed = fixed
        self.encoder = encoder
        self.adam = None
        if encoder is not None:
            self.replace_encoder(encoder)
        self.watches = {"prediction": Watch(OVERSHOT), "energy": Watch(HOPELESS)}
        self.best = None
        self.tapes = Tapes()
        self.curves = Curves()
        self.n_steps = 0

    def replace_encoder(self, encoder):
        """Go on with another encoder; its optimiser begins anew."""
        self.encoder = encoder
        self.adam = Adam(encoder.parameters, 0.0, units=encoder.units)

    def remember(self, merit=-math.inf):
        """Keep a copy of the state if it has more merit than any before."""
        if self.encoder is not None and (self.best is None or merit > self.best[0]):
            self.best = merit, copy.deepcopy(self.online), self.encoder.copy()

    def go_back(self):
        """Return to the best state after a divergence."""
        if self.best is not None:
            _, self.online, encoder = self.best
            self.replace_encoder(encoder)
            self.best = None

    @property
    def dtype(self):
        """Type that it learns in."""
        return self.dictionary.dtype

    @property
    def dictionary(self):
        """The atoms as they stand."""
        return self.online.dictionary

    def _first_online(self, dictionary):
        """The dictionary with the moments that move it."""
        return OnlineDictionary(dictionary)

    def _decoder(self):
        """The decoder with the dictionary as it stands."""
        return LinearDecoder(self.online.dictionary)

    def follow(self, penalty, settings, backend, beta=0.0, learning_rate=0.0):
        """Learn by these from now on: users may change them before they go on with a fit.

        Parameters
        ----------
        penalty : penalty factor
            Of the codes.
        settings : dict
            solver, tol and max_iter of inference.
        backend : str
            Name of the backend; a module could not be pickled.
        beta : float
            Weight of the prediction.
        learning_rate : float
            Of the encoder.

        Returns
        -------
        learner : Learner
            Itself.
        """
        self.penalty = penalty
        self.settings = settings
        self.backend = backend
        self.beta = beta
        if self.adam is not None:
            self.adam.learning_rate = learning_rate
        return self

    def weigh(self, exponent):
        """Measure sample weights in units of 2**exponent from now on."""
        self.online.weigh(exponent)

    def energy(self):
        """The energy of the dictionary as it stands."""
        return Energy(self._decoder(), self.penalty, self.beta)

    def step(self, X, mask=None, sample_weight=None, share=1.0):
        """Infer the codes of a batch, then move dictionary and encoder; energies and codes.

        Raises
        ------
        Diverged
            If predictions or energies are out of all proportion; neither has moved then.
        """
        backend = resolve_backend(self.backend, X)
        energy = self.energy()
        batch = _Batch(X, mask, sample_weight, energy.decoder.code_size)
        piece_rows = energy.decoder.piece_rows or PIECE_ROWS
        if self.encoder is not None:
            self._begin_watch(X, backend)
        backend.map_pieces(
            lambda first, last: self._infer(batch, energy, backend, first, last),
            X.shape[0],
            piece_rows,
        )
        if self.encoder is not None:
            self.watches["energy"].require(mean_of(batch.energy), self._usual_energy(X))
        self.curves.count(X.shape[0], sum(batch.n_late.values()))
        self.n_steps += 1  # from here on it has changed
        if not self.fixed:
            self.online.absorb(*self._moments(batch, energy.decoder, backend))
            self.online.update(X, batch.code, backend, sample_weight, energy.decoder)
        if self.encoder is not None:
            self.adam.step(summed(batch.slopes), backend, share)
            self.encoder.project()
        return batch.energy, batch.code

    def _moments(self, batch, decoder, backend):
        """What the batch adds to those that move the dictionary."""
        return batch.moments()

    def _contribution(self, decoder, X, mask, code, weight, backend):
        """What some rows of it add."""
        return self.online.contribution(decoder, X, mask, code, weight, backend)

    def confirm(self, X, mask=None, sample_weight=None):
        """Raise `Diverged` if predictions are out of all proportion after the last step."""
        if self.encoder is not None:
            backend = resolve_backend(self.backend, X)
            backend.map_pieces(
                lambda first, last: self._predict(X[first:last, ...], backend, first),
                X.shape[0],
                self._decoder().piece_rows or PIECE_ROWS,
            )

    def _begin_watch(self, X, backend):
        """Learning may begin with predictions of any size, those of the first batch."""
        watch = self.watches["prediction"]
        if watch.first is None:
            watch.begin(half_square(self.encoder.encode(X, backend)) / X.shape[0])

    def _predict(self, X, backend, first):
        """Predicted codes of a piece of a batch and their tape; `Diverged` as in `step`."""
        with np.errstate(over="ignore", invalid="ignore"):
            predicted, tape = self.encoder.forward(X, backend, self.tapes[first])
            size = half_square(predicted) / X.shape[0]
        data, code = self.encoder.scale
        self.watches["prediction"].require(size, self._usual_energy(X) * (code / data) ** 2)
        return predicted, tape

    def _usual_energy(self, X):
        """Mean energy of zero codes: of these samples, or of usual ones if it is larger."""
        return max(half_square(X) / X.shape[0], X.shape[1] * self.encoder.scale.data**2 / 2)

    def _infer(self, batch, energy, backend, first, last):
        """Codes of some rows of the batch, and what dictionary and encoder learn from them."""
        rows = slice(first, last)
        X, mask, weight, code = (
            part(array, rows) for array in (batch.X, batch.mask, batch.weight, batch.code)
        )
        predicted, tape = None, None
        if self.encoder is not None:
            predicted, tape = self._predict(X, backend, first)
        problem = energy.problem(X, predicted, mask).on(backend)
        solution = solve_lasso(problem, **self.settings, code=code, backend=backend)
        is_late = ~(solution.gap <= self.settings["tol"])
        batch.n_late[first] = int(array_namespace(X).count_nonzero(is_late))
        batch.energy[rows] = problem.energy(code, backend)
        if not self.fixed:
            batch.contributions[first] = self._contribution(
                energy.decoder, X, mask, code, weight, backend
            )
        if self.encoder is not None:
            share = weight / batch.total_weight / self.encoder.scale.code**2
            error = (predicted - code) * share[:, None]
            batch.slopes[first] = self.encoder.backward(tape, error, input_gradient=False)[1]


class Passes:
    """Passes over X with a learner: curves, stopping, and what callbacks see.

    Parameters
    ----------
    learner : object
        Has `step(X, beside, weight, share)`, `confirm`, `remember`, `go_back` and `curves`; changed
        in place.
    max_iter : int
        Passes at the most.
    tol : float
        Relative change of the mean energy from one pass to the next at which learning stops.
    batch_size : int
        Samples a step.
    random_state : numpy.random.RandomState
        Shuffles the samples.
    """

    def __init__(self, learner, max_iter, tol, batch_size, random_state):
        self.learner = learner
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
            share = 1 - (n_pass * len(batches) + number) / total
            objective, code = self.learner.step(*batch, share)
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
