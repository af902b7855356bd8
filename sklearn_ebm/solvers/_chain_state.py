"""The state of Markov chains, which samplers share."""

from typing import Any, NamedTuple

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import resolve_backend
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
    """

    particles: Any
    step_size: float = 0.0
    spread: float = 1.0
    accepted: float = 1.0

    def at(self, particles):
        """Return the state with other particles."""
        return self._replace(particles=particles)


def backend_of(energy, array):
    """Return the backend of an energy, or the backend of an array if the energy has none."""
    if offers(energy, "backend_for"):
        return energy.backend_for(array)
    return resolve_backend("auto", array)
