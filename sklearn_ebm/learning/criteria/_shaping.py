"""Learning of energies of x alone: a contrast lowers them on the data and raises them elsewhere."""

import math

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.learning._divergence import Diverged, Watch
from sklearn_ebm.learning._limited_memory import ALL_OPTIMIZERS
from sklearn_ebm.learning.criteria._base import BaseCriterion, copied, divided, mean_loss, put_back
from sklearn_ebm.protocols import offers

PIECE_ROWS = 128  # smallest number of samples that a thread processes at a time
PIECE_ENTRIES = 2**16  # likewise of responses; with fewer, threads wait for each other
EXPLODED = 1000.0  # multiple of the first mean size of losses above which training has diverged
LARGEST = {4: 1e9, 8: 1e60}  # by bytes of the dtype: fourth powers are finite


@stored
class Shaping(BaseCriterion):
    """The mean loss of a contrast.

    The shard is the state of the contrast's chains, if it has any.

    Parameters
    ----------
    energy : Energy
        Trained in place.
    base : object or None, default=None
        Moments of the data, at which chains of the fitted model start.
    """

    def __init__(self, energy, base=None):
        super().__init__()
        self.energy = energy
        self.base = base
        self.contrast = None
        self.watch = Watch(EXPLODED)

    def __setstate__(self, state):
        vars(self).update(state)
        if self.optimizer is not None:
            self.optimizer.parameters = self.parameters  # unpickled arrays are new

    def replace_energy(self, energy):
        """Continue with another energy; the optimizer is reset."""
        self.energy = energy
        self.optimizer = None

    def follow(self, contrast, rate, backend, optimizer="adam", weight_decay=0.0):
        """Set the parameters that users may change before they continue a fit.

        Parameters
        ----------
        contrast : Contrast
            The loss. If it trains other parameters than the previous one, the optimizer is reset.
        rate : callable
            Maps the completed share of training to the learning rate.
        backend : str
            Name of the backend.
        optimizer : {"adam", "sgd", "lbfgs"}, default="adam"
            The optimizer is reset if it differs from the previous one.
        weight_decay : float, default=0.0
            Share by which matrices shrink in a step, times the learning rate.

        Returns
        -------
        Shaping
            The criterion itself.
        """
        self.contrast = contrast
        self.has_objective = not contrast.has_chains  # chains only estimate its gradient
        self.watch = Watch(EXPLODED)
        self.n_draws = contrast.n_draws
        self.rate = rate
        self.backend = backend
        kind = ALL_OPTIMIZERS[optimizer]
        parameters = self.parameters
        is_kept = type(self.optimizer) is kind and parameters.keys() == {*self.optimizer.parameters}
        if is_kept:
            self.optimizer.parameters = parameters
        else:
            units = self.energy.scales if offers(self.energy, "scales") else {}
            self.optimizer = kind(parameters, units=units)
        self.optimizer.decay = weight_decay
        self.project()
        return self

    @property
    def dtype(self):
        """Dtype of the parameters."""
        return next(iter(self.energy.parameters.values())).dtype

    @property
    def parameters(self):
        """Parameters of the energy and of the contrast, by name."""
        own = {} if self.contrast is None else self.contrast.parameters
        return {**self.energy.parameters, **own}

    def prepare(self, batch):
        """Return the energy with the kernels of the backend, and what pieces of a step share."""
        backend = self.backend_of(batch)
        energy = self.energy.on(backend) if offers(self.energy, "on") else self.energy
        with np.errstate(all="ignore"):  # a step of a line search may be far too long
            return energy, self.contrast.prepare(energy)

    def piece_rows(self, model):
        """Return the number of samples that a thread processes at a time."""
        if self.contrast.has_chains:
            return None
        widest = max(value.shape[-1] for value in self.energy.parameters.values())
        return max(PIECE_ROWS, PIECE_ENTRIES // max(1, widest))

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Return losses and gradients of a piece, and the successor of the shard."""
        energy, shared = model
        with np.errstate(all="ignore"):  # `require` detects values that are not finite
            losses, gradients, shard = self.contrast.compare(
                energy, shared, batch, self.backend_of(batch), stream, shard
            )
        return {**_sums(batch, losses), "gradients": gradients}, shard

    def measure(self, model, batch, memory):
        """Return the losses of samples, without gradients.

        If there are chains, these are energies, which show whether the parameters are finite.
        """
        if self.has_objective:
            sums, _ = self.contribute(model, batch, memory)
            return {name: sums[name] for name in ("report", "size")}
        with np.errstate(all="ignore"):
            return {"report": _report(batch, model[0].value(batch.X, None))}

    def require(self, sums, batch):
        """Raise `Diverged` if the mean loss, a gradient or a parameter is too large."""
        loss, weight = mean_loss(sums["report"]), sums["report"]["weight"]
        if not (math.isfinite(loss) and self._is_moderate(sums.get("gradients", {}), weight)):
            raise Diverged
        if not sums.get("size"):  # energies, or samples without weight
            return
        floor = 0.0
        if not self.has_objective:  # in nats; the differences of energies have any sign
            loss, floor = abs(loss), float(batch.X.shape[1])
        if self.watch.first is None:
            self.watch.begin(sums["size"] / weight + floor)
        self.watch.require(loss, 0.0)

    def _is_moderate(self, gradients, weight):
        """Return whether parameters, and squares of gradients, are finite in their units.

        Without units, parameters for small data are large, and so are their losses.
        """
        units = {} if self.optimizer is None else self.optimizer.units
        most = LARGEST[np.dtype(self.dtype).itemsize]
        return all(
            _is_below(value, most * units.get(name, 1.0)) for name, value in self.parameters.items()
        ) and all(
            _is_below(value, most**2 * weight / units.get(name, 1.0))
            for name, value in gradients.items()
        )

    def gradients(self, sums):
        """Return the gradients of the mean loss."""
        return divided(sums["gradients"], sums["report"]["weight"])

    def project(self):
        """Project the parameters onto their allowed range."""
        if offers(self.energy, "project"):
            self.energy.project()
        self.contrast.project(self.energy)

    def label(self, curves):
        """Return the last entries of the curves as text."""
        return f"objective {curves.last('objective'):.4g}"

    # -------------------------------------------------------------------------- ways back and on
    def snapshot(self):
        """Return copies of the parameters."""
        return copied(self.parameters)

    def restore(self, kept):
        """Restore a snapshot."""
        put_back(self.parameters, kept)


def _sums(batch, losses):
    magnitudes = array_namespace(losses).abs(losses)
    return {"report": _report(batch, losses), "size": batch.weighted_sum(magnitudes)}


def _report(batch, losses):
    return {
        "loss": batch.weighted_sum(losses),
        "weight": batch.total_weight(),
        "n_samples": batch.n_samples,
    }


def _is_below(array, bound):
    xp = array_namespace(array)
    largest = min(bound, float(xp.finfo(array.dtype).max))
    return bool(xp.all(xp.abs(array) <= largest))  # not for NaN
