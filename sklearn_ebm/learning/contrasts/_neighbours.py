"""Losses that compare a binary sample with all samples that differ in one entry."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace
from sklearn_ebm.factors._flip_losses import FLIP_LOSSES
from sklearn_ebm.learning.contrasts._contrast import Contrast, weights_of


@stored
class Neighbours(Contrast):
    """sum_i phi(F(x) - F(x^i)), with x^i the sample x whose entry i is flipped.

    Parameters
    ----------
    loss : {"ratio_matching", "minimum_probability_flow", "pseudo_likelihood"}
        Name of phi in `FLIP_LOSSES`.
    """

    requires = ("flips",)
    takes_real = False

    def __init__(self, loss):
        self.loss = loss

    def compare(self, energy, shared, batch, backend, stream=None, shard=None):
        """Return the losses and their gradients; see `Contrast.compare`."""
        xp, phi = array_namespace(batch.X), FLIP_LOSSES[self.loss]
        flips = energy.flips(batch.X)
        differences = -flips.changes()
        losses = xp.sum(phi.value(differences), axis=1)
        share = -phi.slope(differences) * weights_of(batch)[:, None]
        return losses, flips.parameter_gradients(share), shard
