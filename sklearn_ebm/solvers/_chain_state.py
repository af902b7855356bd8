"""The state of Markov chains, which samplers share."""

import math
from typing import Any, NamedTuple

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, resolve_backend
from sklearn_ebm.protocols import offers


@stored
class ChainState(NamedTuple):
    """Particles, and what a sampler has learned about its steps.

    Attributes
    ----------
    particles : array of shape (n_chains, n_features)
        Current samples, one per chain.
    step_size : float, default=0.0
        Size of the steps along gradients. Zero for flips.
    spread : float, default=1.0
        Standard deviation of the data, to which step sizes are relative.
    accepted : float, default=1.0
        Mean probability of acceptance in the last step.
    first : int, default=0
        Number of the first of these chains among all chains, on which random numbers depend.
    """

    particles: Any
    step_size: float = 0.0
    spread: float = 1.0
    accepted: float = 1.0
    first: int = 0

    def at(self, particles, first=0):
        """Return the state with other particles."""
        return self._replace(particles=particles, first=first)

    def keys(self, stream):
        """Return a pair of keys for the next step of these chains."""
        return stream.key().from_row(self.first), stream.key().from_row(self.first)

    def divided(self, place, n_parts):
        """Return one of several parts of the chains, which are of about equal size."""
        n_all = self.particles.shape[0]
        first, last = (n_all * each // n_parts for each in (place, place + 1))
        return self.at(self.particles[first:last, :], self.first + first)

    def joined(self, parts):
        """Return the chains of all parts, with the mean of their step sizes."""
        if len(parts) == 1:  # no rounding errors
            return parts[0]
        xp = array_namespace(self.particles)
        log_sizes = [math.log(part.step_size) for part in parts if part.step_size]
        return self._replace(
            particles=xp.concat([part.particles for part in parts]),
            step_size=math.exp(sum(log_sizes) / len(log_sizes)) if log_sizes else 0.0,
            accepted=sum(part.accepted for part in parts) / len(parts),
        )


def backend_of(energy, array):
    """Return the backend of an energy, or the backend of an array if the energy has none."""
    if offers(energy, "backend_for"):
        return energy.backend_for(array)
    return resolve_backend("auto", array)
