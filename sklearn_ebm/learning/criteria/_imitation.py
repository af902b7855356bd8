"""The loss of an encoder's codes: their distance from optimal codes, or their energy."""

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors import half_norm
from sklearn_ebm.learning._divergence import Watch
from sklearn_ebm.learning._optimizers import Adam
from sklearn_ebm.learning.criteria._base import (
    BaseCriterion,
    active,
    count_used,
    divided,
    plain_sum,
)

PIECE_ROWS = 128  # samples that a thread processes at a time
EXPLODED = 1e4  # multiple of the size of data and codes above which training has diverged


@stored
class Imitation(BaseCriterion):
    """The mean loss of an encoder's codes.

    Batches have optimal codes as `target` if the loss needs them.

    Parameters
    ----------
    dictionary : array of shape (n_components, n_features)
        Atoms. They are not changed.
    encoder : encoder factor
        Trained in place.
    """

    learned = None  # parameters of a penalty

    def __init__(self, dictionary, encoder):
        super().__init__()
        self.dictionary = dictionary
        self.replace_encoder(encoder)
        self.watch = Watch(EXPLODED)

    def replace_encoder(self, encoder):
        """Continue with another encoder; its optimizer is reset."""
        self.encoder = encoder
        self.optimizer = Adam(encoder.parameters, units=encoder.scales)

    def follow(self, loss, rate, backend, keeps_damping=False):
        """Set the parameters that users may change before they continue a fit.

        Parameters
        ----------
        loss : loss factor
            Loss of the codes.
        rate : callable
            Maps the completed share of training to the learning rate.
        backend : str
            Name of the backend.
        keeps_damping : bool, default=False
            Whether to keep a learning rate that was lowered.

        Returns
        -------
        Imitation
            The criterion itself.
        """
        self.loss = loss
        self.backend = backend
        self.rate = rate
        self.damping = self.damping if keeps_damping else 1.0
        return self

    def weigh(self, exponent):
        """Ignore the unit of sample weights: each step follows a mean over its batch."""

    @property
    def dtype(self):
        """Dtype of the parameters."""
        return self.dictionary.dtype

    @property
    def parameters(self):
        """Parameters of the encoder, by name."""
        return self.encoder.parameters

    def prepare(self, batch):
        """Return the current encoder."""
        return self.encoder.on(self.backend_of(batch))

    def piece_rows(self, model):
        """Return the number of samples that a thread processes at a time."""
        return PIECE_ROWS

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Return losses of the codes and the gradients of the encoder's parameters."""
        encoder = model
        with np.errstate(over="ignore", invalid="ignore"):  # `require` detects them
            code = encoder.forward(batch.X, memory.tape)
            losses, slope = self.loss.value_and_gradient(batch.X, code, batch.target, batch.mask)
            scale = encoder.scale.code**2
            slope *= 1 / scale if batch.weight is None else (batch.weight / scale)[:, None]
            _, gradients = encoder.backward(memory.tape, slope, input_gradient=False)
        sums = self._losses(batch, losses)
        sums["report"] |= {"used": count_used(code), "n_codes": batch.n_samples}
        return {**sums, "gradients": gradients}, None

    def _losses(self, batch, losses):
        xp = array_namespace(losses)
        of_zero = self.loss.of_zero(batch.X, batch.target)
        report = {
            "loss": batch.weighted_sum(losses),
            "weight": batch.total_weight(),
            "n_samples": batch.n_samples,
        }
        usual = float(xp.sum(half_norm(batch.X))) + float(xp.sum(of_zero))
        return {"report": report, "losses": plain_sum(losses), "usual": usual}

    def measure(self, model, batch, memory):
        """Return losses of the codes."""
        with np.errstate(over="ignore", invalid="ignore"):
            code = model.forward(batch.X)
            losses, _ = self.loss.value_and_gradient(batch.X, code, batch.target, batch.mask)
        return self._losses(batch, losses)

    def require(self, sums, batch):
        """Raise `Diverged` if the mean loss is far above its usual size."""
        n_samples = sums["report"]["n_samples"]
        self.watch.require(sums["losses"] / n_samples, sums["usual"] / n_samples)

    def gradients(self, sums):
        """Return the gradients of the mean loss, in units of the codes."""
        return divided(sums["gradients"], sums["report"]["weight"])

    def project(self):
        """Project the parameters of the encoder onto their allowed range."""
        self.encoder.project()

    def label(self, curves):
        """Return the last entries of the curves as text."""
        objective, validation = curves.last("objective"), curves.last("validation")
        return f"loss {objective:.4g}, held out {validation:.4g}, {active(curves)}"

    # ----------------------------------------------------------------------------- ways back and on
    def begin(self, entries):
        """Start a new fit at the initial learning rate; the initial loss may have any size."""
        self.damping = 1.0
        self.watch.begin(entries["validation"])

    def snapshot(self):
        """Return a copy of the encoder."""
        return self.encoder.copy()

    def restore(self, kept):
        """Restore a snapshot."""
        for name, value in self.encoder.parameters.items():
            value[...] = kept.parameters[name]


def loss_of_zero(loss, batch):
    """Return the mean loss of zero codes."""
    losses = loss.of_zero(batch.X, batch.target)
    return float(array_namespace(losses).mean(losses))
