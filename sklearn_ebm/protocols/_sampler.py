"""The sampler contract: Markov chains of samples of an energy."""

from typing import Any, Protocol


class Sampler(Protocol):
    """Markov chains whose stationary distribution is exp(-E(x)) / Z.

    A sampler has no state. The state of the chains is a tuple that can be pickled, with the array
    `particles` of shape (n_chains, n_features) and a method `at(particles)`, which returns the
    state with other particles.

    Attributes
    ----------
    requires : tuple of str
        Capabilities that the energy must offer (see `sklearn_ebm.protocols.Energy`).
    n_draws : int
        Number of keys that each step takes from the stream.
    """

    requires: tuple[str, ...]
    n_draws: int

    def start(self, particles: Any, spread: float = 1.0) -> Any:
        """Return the initial state of chains.

        Parameters
        ----------
        particles : array of shape (n_chains, n_features)
            Initial particles, possibly none.
        spread : float, default=1.0
            Standard deviation of the data.
        """

    def move(self, energy: Any, state: Any, stream: Any, n_steps: int) -> Any:
        """Return the state of the chains after several steps.

        The given state is not changed. The random numbers of a chain depend only on its row and on
        the keys of the stream. Particles are finite if the given particles are.

        Parameters
        ----------
        energy : Energy
            An energy of x alone.
        state : tuple
            State of the chains.
        stream : Stream
            Provides the keys.
        n_steps : int
            Number of steps.
        """
