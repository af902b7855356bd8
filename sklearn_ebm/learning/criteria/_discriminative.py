"""The energy of unrolled codes with labels, by back-propagation through all steps."""

import math

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import resolve_backend
from sklearn_ebm.backends._recurrence import Descent, Recurrence
from sklearn_ebm.factors import half_norm
from sklearn_ebm.learning._divergence import Diverged, Watch
from sklearn_ebm.learning._optimizers import Adam, GradientDescent
from sklearn_ebm.learning.criteria._base import plain_sum
from sklearn_ebm.learning.criteria._scored import ScoredCriterion
from sklearn_ebm.learning.criteria._scores import Accuracy

PIECE_ROWS = 128  # samples that a thread processes at a time
EXPLODED = 100.0  # multiple of the energy of zero codes above which training has diverged
CHUNK = 20  # number of batches in one compiled call, but not more than
MOST_ROWS = 2048  # samples, which are copied
PUBLISHED = 10  # size of the batches of Rolfe & LeCun (2013), appendix A
OF_DICTIONARY = 1.0  # factors of the rate: of D,
OF_ENCODER = 1.3  # of W, S and b, divided by a power of the number of codes,
POWER = 1.5  # with which rates up to 3e-2 are stable on MNIST for one step and for ten,
OF_CLASSES = 1.0  # and of C
STEPPED = ("weights", "dictionary", "coefficients")  # one of the arrays of each factor
SIZE = 0.01  # size of parameters for which steps of Adam equal the rate


@stored
class Discriminative(ScoredCriterion):
    """The mean energy of samples, with the term of the labels if batches have a `target`.

    Gradient descent makes the steps of batches of `PUBLISHED` samples, whose gradients are added.

    Parameters
    ----------
    coder : RecurrentCoder
        Trained in place.
    """

    chunk = CHUNK

    def __init__(self, coder):
        super().__init__(Accuracy(), Watch(EXPLODED))
        self.coder = coder
        self.alpha = self.label_weight = 0.0

    def __setstate__(self, state):
        vars(self).update(state)
        if self.optimizer is not None:
            self.optimizer.parameters = self.parameters  # unpickled arrays are new

    def replace_coder(self, coder):
        """Continue with another model; the optimizer is reset."""
        self.coder = coder
        self.optimizer = None

    def follow(self, alpha, label_weight, rate, backend, optimizer="sgd", keeps_damping=False):
        """Set the parameters that users may change before they continue a fit.

        Parameters
        ----------
        alpha, label_weight : float
            Weights of the terms of the energy.
        rate : callable
            Maps the completed share of training to the learning rate.
        backend : str
            Name of the backend.
        optimizer : {"sgd", "adam"}, default="sgd"
            The optimizer is reset if it differs from the previous one.
        keeps_damping : bool, default=False
            Whether to keep a learning rate that was lowered.

        Returns
        -------
        Discriminative
            The criterion itself.
        """
        self.alpha = alpha
        self.label_weight = label_weight
        self.rate = rate
        self.backend = backend
        self.damping = self.damping if keeps_damping else 1.0
        kind, make = OPTIMIZERS[optimizer]
        if type(self.optimizer) is not kind:
            self.optimizer = make(self.coder)
        self.project()
        return self

    @property
    def dtype(self):
        """Dtype of the parameters."""
        return self.coder.parameters["dictionary"].dtype

    @property
    def parameters(self):
        """Parameters of the model, by name."""
        return self.coder.parameters

    def piece_rows(self, model):
        """Return the number of samples that a thread processes at a time."""
        return PIECE_ROWS

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Return energies, sums of the score, and the gradients of all parameters."""
        tapes = memory.tape, memory.part("head").tape
        with np.errstate(over="ignore", invalid="ignore"):  # `require` detects them
            losses, scores, gradients = self.coder.losses_and_gradients(
                batch.X, batch.target, batch.weight, self.alpha, self.label_weight, tapes,
                self.backend_of(batch),
            )  # fmt: skip
            return {**self._sums(batch, losses, scores), "gradients": gradients}, None

    def measure(self, model, batch, memory):
        """Return energies and sums of the score."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self.coder.losses(
                batch.X, batch.target, self.alpha, self.label_weight, self.backend_of(batch)
            )
            return self._sums(batch, *outputs)

    def _sums(self, batch, losses, scores):
        report = {
            "loss": batch.weighted_sum(losses),
            "weight": batch.total_weight(),
            "n_samples": batch.n_samples,
        }
        if scores is not None:
            report |= self.score.sums(batch, scores)
        usual = plain_sum(half_norm(batch.X)) + batch.n_samples * self._usual_entropy
        return {"report": report, "losses": plain_sum(losses), "usual": usual}

    @property
    def _usual_entropy(self):
        """The term of the labels if all classes are equally likely."""
        return self.label_weight * math.log(self.parameters["coefficients"].shape[0])

    def require(self, sums, batch):
        """Raise `Diverged` if the mean energy is far above that of zero codes."""
        n_samples = sums["report"]["n_samples"]
        self.watch.require(sums["losses"] / n_samples, sums["usual"] / n_samples)

    def gradients(self, sums):
        """Return the gradients of the mean energy, times the size of the published batches."""
        share = PUBLISHED / sums["report"]["n_samples"]
        return {name: share * value for name, value in sums["gradients"].items()}

    def project(self):
        """Project the parameters onto their allowed range."""
        self.coder.project()

    # ------------------------------------------------------------------------- steps in one kernel
    def can_advance(self, backend):
        """Return whether a backend can make several steps in one call."""
        return backend.discriminative_steps is not None and type(self.optimizer) is GradientDescent

    def advance(self, samples, index, done, stream, shard):
        """Make one step for each row of `index`, in one compiled call; return their reports."""
        n_together = max(1, MOST_ROWS // index.shape[1])
        reports = []
        for first in range(0, len(index), n_together):
            batches = slice(first, first + n_together)
            reports += self._advance(samples, index[batches], done[batches])
        return reports

    def _advance(self, samples, index, done):
        n_batches, batch_size = index.shape
        batch = samples.take(index.ravel())
        X = np.ascontiguousarray(batch.X)
        rates = PUBLISHED / batch_size * np.array([self.rate_at(share) for share in done])
        scale = self.optimizer.scales
        usual = plain_sum(half_norm(X)) / len(X) + self._usual_entropy
        how = Descent(
            batch_size=batch_size,
            n_steps=self.coder.n_steps,
            alpha=self.alpha,
            label_weight=self.label_weight,
            rates=np.stack([rates * scale[name] for name in STEPPED]),
            longest=(self.coder.longest_filter, 1.0, self.coder.head.longest),
            limit=self.watch.limit(usual),
        )
        kernels = resolve_backend(self.backend, X)
        losses, right, n_made = kernels.discriminative_steps(
            Recurrence(**self.parameters), X, batch.target, how
        )
        self.n_steps += n_made
        if n_made < n_batches:
            raise Diverged
        each = {"weight": float(batch_size), "n_samples": batch_size}
        if batch.target is None:
            return [{"loss": loss, **each} for loss in losses]
        return [{"loss": loss, "right": n, **each} for loss, n in zip(losses, right, strict=True)]


def _gradient_descent(coder):
    of_encoder = OF_ENCODER / (coder.n_steps + 1) ** POWER
    scales = {name: of_encoder for name in coder.encoder.parameters}
    scales |= {"dictionary": OF_DICTIONARY, "coefficients": OF_CLASSES}
    return GradientDescent(coder.parameters, scales, momentum=0.0)


def _adam(coder):
    """Return Adam with steps in proportion to the initial sizes of the arrays."""
    parameters = coder.parameters
    n_components, n_features = parameters["dictionary"].shape
    atoms = n_features**-0.5
    sizes = {
        "weights": coder.longest_filter * atoms,
        "lateral": coder.longest_filter * atoms,
        "threshold": coder.longest_filter * atoms,
        "dictionary": atoms,
        "coefficients": n_components**-0.5,
    }
    return Adam(parameters, units={name: size / SIZE for name, size in sizes.items()})


OPTIMIZERS = {"sgd": (GradientDescent, _gradient_descent), "adam": (Adam, _adam)}
