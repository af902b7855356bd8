"""Contrastive divergence: raise the energy of samples that Markov chains draw from the model."""

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, copied
from sklearn_ebm.learning.contrasts._contrast import Contrast, at, weights_of


@stored
class Chains(Contrast):
    """E(x) minus the mean energy of particles, whose gradient is that of the log-likelihood.

    The shard is the state of the sampler: particles, and the size of its steps.

    Parameters
    ----------
    sampler : sampler
        Moves particles (see `sklearn_ebm.solvers`).
    n_steps : int
        Number of steps of the chains for each step of learning.
    is_persistent : bool
        Whether chains continue from one step of learning to the next (Tieleman 2008). Otherwise,
        they start at the samples of each batch (Hinton 2002).
    """

    is_deterministic = False
    takes_densities = True
    has_chains = True

    def __init__(self, sampler, n_steps, is_persistent):
        self.sampler = sampler
        self.n_steps = n_steps
        self.is_persistent = is_persistent
        self.n_draws = n_steps * sampler.n_draws

    def compare(self, energy, shared, batch, backend, stream=None, shard=None):
        """Return the losses and their gradients; see `Contrast.compare`."""
        X = batch.X
        xp, weight = array_namespace(X), weights_of(batch)
        if not self.is_persistent:
            shard = shard.at(copied(X), batch.first)
        shard = self.sampler.move(energy, shard, stream, self.n_steps)
        particles = shard.particles
        if self.is_persistent:
            share = xp.full(particles.shape[0], 1 / particles.shape[0], dtype=X.dtype)
        else:
            share = weight / xp.clip(
                xp.sum(weight), xp.finfo(X.dtype).tiny, None
            )  # all may be zero
        both = xp.concat([X, particles])
        values = at(energy, both)
        found, n_rows, total = values.value(), X.shape[0], xp.sum(weight)
        losses = found[:n_rows] - share @ found[n_rows:]
        gradients = values.parameter_gradients(xp.concat([weight, -total * share]))
        return losses, gradients, shard if self.is_persistent else shard.at(particles[:0, :])
