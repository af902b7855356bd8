"""The energy of optimal codes, for learning a dictionary and an encoder.

The codes of a batch minimise the energy. The dictionary is updated in closed form from the moments
of all codes so far, and the encoder by the gradient of 1/2 ||f(x) - z||^2.
"""

import copy
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, copied, take_rows
from sklearn_ebm.factors import LinearDecoder, SparseEnergy
from sklearn_ebm.inputs._image_checks import flat
from sklearn_ebm.learning._divergence import Watch
from sklearn_ebm.learning._online_dictionary import OnlineDictionary
from sklearn_ebm.learning._optimizers import Adam
from sklearn_ebm.learning._rates import LinearDecay
from sklearn_ebm.learning._samples import Rows
from sklearn_ebm.learning.criteria._base import (
    BaseCriterion,
    count_used,
    divided,
    half_square,
    plain_sum,
)
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers import solve_lasso

PIECE_ROWS = 256  # samples that a thread processes at a time
LEARNING_TOL = 1e-3  # gap of codes during learning; smaller gaps do not improve the dictionary
NO_RATE = LinearDecay(0.0)
HOPELESS = 10.0  # multiple of the energy of zero codes above which the encoder has diverged
MOST_CANDIDATES = 4096  # samples that may replace atoms; atoms without use are fewer
OVERSHOT = 100.0  # the same for predictions, as a multiple of the squared size of codes


class Model(NamedTuple):
    """The current model, shared by all pieces of a batch in one step.

    Attributes
    ----------
    energy : SparseEnergy
        Holds the dictionary and its cached products.
    encoder : encoder factor or None
        Predicts codes.
    settings : dict
        solver, tol and max_iter of inference.
    backend : module
        Kernels.
    watch : Watch
        Detects predictions that explode.
    keeps_candidates : bool
        Whether an atom may be replaced by one of the samples.
    """

    energy: Any
    encoder: Any
    settings: Any
    backend: Any
    watch: Any
    keeps_candidates: bool

    def infer(self, batch, memory, code):
        """Write the codes of some rows to `code`; return losses, counts and encoder gradients."""
        X, backend = batch.X, self.backend
        predicted, tape = self.predict(batch, memory)
        problem = self.energy.problem(X, predicted, batch.mask, tape=memory.part("problem").tape)
        problem = problem.on(backend)
        xp, decoder = array_namespace(X), self.energy.decoder
        rows = xp.reshape(code, (-1, problem.size * code.shape[1]))  # a view
        solution = solve_lasso(problem, **self.settings, code=rows, backend=backend)
        energy = problem.energy(rows, backend)
        is_late = xp.repeat(solution.is_late(self.settings["tol"]), problem.size)
        used, n_codes = usage_of(code, decoder)
        sums = {
            "report": {
                "loss": batch.weighted_sum(xp.repeat(energy, problem.size)),
                "weight": batch.total_weight(),
                "used": used,
                "n_codes": n_codes,
                "n_samples": batch.n_samples,
                "n_late": int(xp.count_nonzero(is_late)),
            }
        }
        if self.encoder is not None:
            scale = self.encoder.scale.code**2
            share = 1 / scale if batch.weight is None else (batch.weight / scale)[:, None]
            error = memory.array("error", code.shape, code)
            error[...] = predicted
            error -= code
            error *= share
            _, gradients = self.encoder.backward(tape, error, input_gradient=False)
            sums |= {"gradients": gradients, "energy": plain_sum(energy), "usual": half_square(X)}
        return sums

    def predict(self, batch, memory):
        """Return predicted codes of a piece and their tape. Raise `Diverged` if they explode."""
        if self.encoder is None:
            return None, None
        with np.errstate(over="ignore", invalid="ignore"):
            predicted = self.encoder.forward(batch.X, memory.tape)
            size = half_square(predicted) / batch.n_samples
        data, code = self.encoder.scale
        usual = usual_energy(half_square(batch.X) / batch.n_samples, batch.X.shape[1], data)
        self.watch.require(size, usual * (code / data) ** 2)
        return predicted, memory.tape


def usage_of(code, decoder):
    """Return how often each atom is used, and how often it might be."""
    if offers(decoder, "usage"):  # not all atoms occur equally often
        return decoder.usage(code)
    n_components = decoder.dictionary.shape[0]
    codes = array_namespace(code).reshape(code, (-1, n_components))  # one for each position
    return count_used(codes), codes.shape[0]


class Candidates(Rows):
    """Samples that may replace atoms. If there are many, those with the largest errors are kept.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
        Samples.
    code : array of shape (n_samples, n_components)
        Their codes.
    weight : array of shape (n_samples,) or None
        Their weights.
    misfit : array of shape (n_samples,)
        Squared errors of their reconstructions.
    """

    def __init__(self, X, code, weight, misfit):
        misfit = misfit if weight is None else misfit * weight
        super().__init__(X, code, weight, misfit)

    def __iadd__(self, other):
        super().__iadd__(other)
        if self.n_rows > 2 * MOST_CANDIDATES:  # not in each call, so that rows are rarely copied
            *arrays, misfit = self.arrays
            worst = array_namespace(misfit).argsort(-misfit)[:MOST_CANDIDATES]
            kept = (None if each is None else take_rows(each, worst) for each in arrays)
            self._pieces = [(*kept, take_rows(misfit, worst))]
        return self


def usual_energy(mean, n_features, scale):
    """Return the mean energy of zero codes, of some samples or of usual ones if that is larger."""
    return max(mean, n_features * scale**2 / 2)


@stored
class Dictionary(BaseCriterion):
    """The mean energy of optimal codes, with an encoder that is trained on the codes.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Initial atoms, of unit norm; changed in place.
    fixed : bool, default=False
        Whether the dictionary is fixed.
    encoder : encoder factor or None, default=None
        Trained on the codes of each batch.
    online : OnlineDictionary or None, default=None
        The dictionary with its moments. None starts with moments of zero.
    """

    sent = MappingProxyType({**BaseCriterion.sent, "online": lambda online: online.contributor()})

    def __init__(self, dictionary, fixed=False, encoder=None, online=None):
        super().__init__()
        self.online = OnlineDictionary(dictionary) if online is None else online
        self.fixed = fixed
        self.encoder = None
        if encoder is not None:
            self.replace_encoder(encoder)
        self.watches = {"prediction": Watch(OVERSHOT), "energy": Watch(HOPELESS)}

    def replace_encoder(self, encoder):
        """Continue with another encoder; its optimizer is reset."""
        self.encoder = encoder
        self.optimizer = Adam(encoder.parameters, units=encoder.scales)

    def follow(self, penalty, settings, backend, beta=0.0, rate=NO_RATE, fixed=None):
        """Set the parameters that users may change before they continue a fit.

        Parameters
        ----------
        penalty : penalty factor
            Penalty of the codes.
        settings : dict
            solver, tol and max_iter of inference.
        backend : str
            Name of the backend.
        beta : float, default=0.0
            Weight of the prediction.
        rate : callable
            Maps the completed share of training to the learning rate of the encoder.
        fixed : bool or None, default=None
            Whether the dictionary is fixed. None changes nothing.

        Returns
        -------
        Dictionary
            The criterion itself.
        """
        self.penalty = penalty
        self.settings = settings
        self.backend = backend
        self.beta = beta
        self.rate = rate
        self.fixed = self.fixed if fixed is None else fixed
        return self

    def weigh(self, exponent):
        """Measure the sample weights of later batches in units of 2**exponent."""
        self.online.weigh(exponent)

    @property
    def dtype(self):
        """Dtype of the parameters."""
        return self.dictionary.dtype

    @property
    def dictionary(self):
        """The current atoms."""
        return self.online.dictionary

    @property
    def learned(self):
        """Learned parameters of the penalty; None if it has none."""
        return getattr(self.penalty, "learned", None)

    @property
    def parameters(self):
        """Parameters of the encoder, by name."""
        return {} if self.encoder is None else self.encoder.parameters

    # ------------------------------------------------------------------------------------- one step
    def prepare(self, batch):
        """Return the current energy and encoder; the first batch initialises the watch."""
        backend, watch = self.backend_of(batch), self.watches["prediction"]
        decoder, encoder = self._factors_for(batch)
        encoder = None if encoder is None else encoder.on(backend)
        if encoder is not None and watch.first is None:
            watch.begin(half_square(encoder.forward(flat(batch.X))) / batch.n_samples)
        energy = SparseEnergy.of(decoder, self.penalty, self.beta)
        keeps_candidates = not self.fixed and self.online.is_due()
        return Model(energy, encoder, self.settings, backend, watch, keeps_candidates)

    def _factors_for(self, batch):
        """Return decoder and encoder for a batch."""
        return LinearDecoder(self.online.dictionary), self.encoder

    def piece_rows(self, model):
        """Return the number of samples that a thread processes at a time."""
        size = model.energy.group_size or 1
        return max(1, PIECE_ROWS // size) * size

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Infer codes; return their moments and the gradients of the encoder."""
        shape = batch.n_samples, model.energy.decoder.code_size
        code = memory.array("code", shape, batch.X)
        sums = model.infer(batch, memory, code)
        self._add_moments(model, batch, memory, code, sums)
        return sums, None

    def _add_moments(self, model, batch, memory, code, sums):
        """Add the moments of codes, and samples that may replace atoms, to the sums."""
        weight = batch.weight
        if weight is None:
            weight = array_namespace(batch.X).ones(batch.n_samples, dtype=batch.X.dtype)
        if offers(self.penalty, "moment"):
            penalty = self.penalty
            penalty = penalty.on(model.backend) if offers(penalty, "on") else penalty
            sums["penalty"] = penalty.moment(code, weight)
        if self.fixed:
            return
        sums["moments"] = self.online.contribution(
            model.energy.decoder, batch.X, batch.mask, code, weight, model.backend,
            memory.part("moments").tape,
        )  # fmt: skip
        if model.keeps_candidates:
            misfit = model.energy.decoder.squared_errors(batch.X, code)
            sums["candidates"] = Candidates(batch.X, copied(code), batch.weight, misfit)

    def measure(self, model, batch, memory):
        """Return no losses. Raise `Diverged` if predictions are far too large."""
        model.predict(batch, memory)
        return {}

    def require(self, sums, batch):
        """Raise `Diverged` if energies are far above their usual size."""
        if "energy" in sums:
            n_samples, n_features = batch.n_samples, int(np.prod(batch.X.shape[1:]))
            scale = self.encoder.scale.data
            usual = usual_energy(sums["usual"] / n_samples, n_features, scale)
            self.watches["energy"].require(sums["energy"] / n_samples, usual)

    def absorb(self, model, sums, batch):
        """Update the dictionary, and the penalty if it is learned."""
        if "penalty" in sums:
            self.penalty = self.penalty.updated(sums["penalty"])
        if self.fixed:
            return
        self.online.absorb(**sums["moments"])
        candidates = sums["candidates"].arrays[:3] if "candidates" in sums else None
        used, decoder = sums["report"]["used"], model.energy.decoder
        self.online.update(used, candidates, model.backend, decoder)

    def gradients(self, sums):
        """Return the gradients of 1/2 ||f(x) - z||^2, in units of the codes."""
        return divided(sums["gradients"], sums["report"]["weight"])

    def project(self):
        """Project the parameters of the encoder onto their allowed range."""
        self.encoder.project()

    # ------------------------------------------------------------------------------------ snapshots
    def snapshot(self):
        """Return a copy of dictionary, moments, encoder and penalty; None without an encoder."""
        if self.encoder is None:
            return None
        return copy.deepcopy(self.online), self.encoder.copy(), self.penalty

    def restore(self, kept):
        """Restore a snapshot."""
        online, encoder, self.penalty = kept
        self.online = copy.deepcopy(online)
        for name, value in self.encoder.parameters.items():
            value[...] = encoder.parameters[name]
