"""The dictionary and the encoder of a model, learned together, one batch at a time."""

import copy
import functools
import math
import operator

import numpy as np

from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.factors import Energy, LinearDecoder, Tapes
from sklearn_ebm.learning._curves import Curves
from sklearn_ebm.learning._divergence import Watch, mean_of
from sklearn_ebm.learning._online_dictionary import OnlineDictionary
from sklearn_ebm.learning._optimizers import Adam
from sklearn_ebm.learning._samples import part, summed
from sklearn_ebm.solvers import solve_lasso

PIECE_ROWS = 256  # what one thread takes of a batch
LEARNING_TOL = 1e-3  # gap of codes in learning; tighter ones do not make a better dictionary
HOPELESS = 10.0  # times the energy of zero codes, above which steps have spoilt the encoder
OVERSHOT = 100.0  # times the squared size of the data, in units of codes: the same for predictions


def half_square(rows):
    """1/2 ||rows||^2 of all rows together, as a number."""
    entries = array_namespace(rows).reshape(rows, (-1,))
    return float(entries @ entries) / 2


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
        is_late = solution.is_late(self.settings["tol"])
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
