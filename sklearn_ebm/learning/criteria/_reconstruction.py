"""The loss of samples that an auto-encoder reconstructs from corrupted ones."""

from dataclasses import dataclass

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.learning._divergence import Watch
from sklearn_ebm.learning._limited_memory import ALL_OPTIMIZERS
from sklearn_ebm.learning.criteria._base import BaseCriterion, divided, plain_sum

PIECE_ROWS = 128  # samples that a thread processes at a time
LARGE_PIECE_ROWS = 4096  # likewise if a batch has all samples
EXPLODED = 100.0  # multiple of the loss of a constant output above which training has diverged


@stored
@dataclass(frozen=True)
class Noise:
    """Corruption of samples (Vincent et al. 2010, section 3.3).

    Attributes
    ----------
    kind : {"masking", "salt_and_pepper", "gaussian"}
        Whether values become zero or one of two extremes, or normal noise is added to them.
    level : float
        Share of the values, or standard deviation of the normal noise.
    extremes : tuple of float, default=(0.0, 1.0)
        Smallest and largest value of the data.
    """

    kind: str
    level: float
    extremes: tuple = (0.0, 1.0)

    def applied(self, x, key, backend, memory):
        """Return corrupted samples. Each row has its own random numbers."""
        return NOISES[self.kind](self, x, key, backend, memory.matrix("noise", x.shape, x))


def _masked(noise, x, key, backend, room):
    seen = array_namespace(x).asarray(backend.uniform(room, key) >= noise.level, dtype=x.dtype)
    seen *= x
    return seen


def _salt_and_pepper(noise, x, key, backend, room):
    xp = array_namespace(x)
    draw = backend.uniform(room, key)
    low, high = (xp.asarray(value, dtype=x.dtype) for value in noise.extremes)
    extreme = xp.where(draw < noise.level / 2, low, high)
    return xp.where(draw < noise.level, extreme, x)


def _with_normal_noise(noise, x, key, backend, room):
    room[...] = x
    deviation = array_namespace(x).full(x.shape[1], noise.level, dtype=x.dtype)
    return backend.add_normal(room, deviation, key)


NOISES = {
    "masking": _masked,
    "salt_and_pepper": _salt_and_pepper,
    "gaussian": _with_normal_noise,
}


@stored
class Reconstruction(BaseCriterion):
    """The mean loss of samples that are reconstructed from corrupted ones.

    Parameters
    ----------
    energy : ReconstructionEnergy
        Trained in place.
    """

    n_draws = 1

    def __init__(self, energy):
        super().__init__()
        self.energy = energy
        self.noise = None
        self.regularizer = None
        self.watch = Watch(EXPLODED)

    def __setstate__(self, state):
        vars(self).update(state)
        if self.optimizer is not None:
            self.optimizer.parameters = self.parameters  # an unpickled encoder has new arrays

    def replace_energy(self, energy):
        """Continue with another energy; the optimizer is reset."""
        self.energy = energy
        self.optimizer = None

    def follow(
        self, rate, backend, noise=None, optimizer="adam", weight_decay=0.0, regularizer=None
    ):
        """Set the parameters that users may change before they continue a fit.

        Parameters
        ----------
        rate : callable
            Maps the completed share of training to the learning rate.
        backend : str
            Name of the backend.
        noise : Noise or None, default=None
            Corruption of the samples.
        optimizer : {"adam", "sgd", "lbfgs"}, default="adam"
            The optimizer is reset if it differs from the previous one.
        weight_decay : float, default=0.0
            Share by which weights shrink in a step, times the learning rate.
        regularizer : Regularizer or None, default=None
            Term of the codes that is added to the loss.

        Returns
        -------
        Reconstruction
            The criterion itself.
        """
        self.rate = rate
        self.backend = backend
        self.noise = noise
        self.regularizer = regularizer
        kind = ALL_OPTIMIZERS[optimizer]
        if type(self.optimizer) is not kind:
            self.optimizer = kind(self.parameters, units=self.energy.scales)
        self.optimizer.decay = weight_decay
        self.project()
        return self

    @property
    def dtype(self):
        """Dtype of the parameters."""
        return self.energy.output.bias.dtype

    @property
    def parameters(self):
        """Parameters of the energy, by name."""
        return self.energy.parameters

    def prepare(self, batch):
        """Return the energy with the kernels of the backend."""
        return self.energy.on(self.backend_of(batch))

    def piece_rows(self, model):
        """Return the number of samples that a thread processes at a time."""
        return PIECE_ROWS if self.optimizer.is_stochastic else LARGE_PIECE_ROWS

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Return losses and gradients of corrupted samples, or of clean ones without a stream."""
        seen, tapes = batch.X, (memory.tape, memory.part("decoder").tape)
        if stream is not None and self.noise is not None:
            key = stream.key().from_row(batch.first)
            seen = self.noise.applied(batch.X, key, self.backend_of(batch), memory)
        with np.errstate(over="ignore", invalid="ignore"):  # `require` detects them
            losses, terms, gradients = model.value_and_gradients(
                batch.X, seen, batch.weight, tapes, self.regularizer
            )
            sums = self._losses(model, batch, losses)
            if terms is not None:
                sums["report"]["loss"] += batch.weighted_sum(terms)
        return {**sums, "gradients": gradients}, None

    def measure(self, model, batch, memory):
        """Return the losses of clean samples."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._losses(model, batch, model.value(batch.X))

    @staticmethod
    def _losses(model, batch, losses):
        report = {
            "loss": batch.weighted_sum(losses),
            "weight": batch.total_weight(),
            "n_samples": batch.n_samples,
        }
        usual = model.output.usual_loss(batch.X)
        return {"report": report, "losses": plain_sum(losses), "usual": usual}

    def require(self, sums, batch):
        """Raise `Diverged` if the mean loss is far above the loss of a constant output."""
        n_samples = sums["report"]["n_samples"]
        self.watch.require(sums["losses"] / n_samples, sums["usual"] / n_samples)

    def gradients(self, sums):
        """Return the gradients of the mean loss."""
        gradients = divided(sums["gradients"], sums["report"]["weight"])
        if self.regularizer is None:
            return gradients
        return self.regularizer.tangent(self.energy, gradients)

    def project(self):
        """Project the parameters onto their allowed range."""
        self.energy.project()
        if self.regularizer is not None:
            self.regularizer.project(self.energy)

    # -------------------------------------------------------------------------- ways back and on
    def begin(self, entries):
        """Start a new fit; the initial loss may have any size."""
        self.watch.begin(entries["validation"])

    def snapshot(self):
        """Return a copy of the energy."""
        return self.energy.copy()

    def restore(self, kept):
        """Restore a snapshot."""
        for name, value in self.parameters.items():
            value[...] = kept.parameters[name]
