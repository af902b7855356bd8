"""Chains of binary samples: sweeps of Gibbs sampling, or single flips.

An energy with `gibbs_sweep` samples all of its entries at each step. For other energies, a flip is
chosen by all changes of the energy, c_i = F(x^i) - F(x). The proposal flips the entry i with the
probability exp(-c_i / 2) / Z(x), and nothing with the probability 1 / Z(x). The ratio of both
directions cancels all but the normalisers, so that it is accepted with the probability

    min(1, Z(x) / Z(x')),    Z(x) = 1 + sum_i exp(-c_i / 2)

(Zanella 2020, with the balancing function sqrt). The proposal without a flip makes chains aperiodic
where the energy is constant. One evaluation of all changes thus makes a likely flip, whereas a
uniformly chosen entry mostly does not flip.
"""

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, copied, cumulated
from sklearn_ebm.protocols import offers
from sklearn_ebm.solvers._chain_state import ChainState, backend_of


@stored
class FlipSampler:
    """Chains of samples of zeros and ones.

    Parameters
    ----------
    n_flips : int, default=10
        Number of flips that a step proposes for each chain, if the energy has no sweeps.
    """

    requires = ("flips",)
    n_draws = 2

    def __init__(self, n_flips=10):
        self.n_flips = n_flips

    def start(self, particles, spread=1.0):
        """Return the initial state of chains; see `sklearn_ebm.protocols.Sampler`."""
        return ChainState(particles)

    def move(self, energy, state, stream, n_steps):
        """Return the state after several steps; see `sklearn_ebm.protocols.Sampler`."""
        x, accepted = copied(state.particles), 1.0
        for _ in range(n_steps):
            keys = state.keys(stream)
            if offers(energy, "gibbs_sweep"):
                energy.gibbs_sweep(x, keys)
            else:
                x, accepted = self._flip(energy, x, keys)
        return state._replace(particles=x, accepted=accepted)

    def _flip(self, energy, x, keys):
        """Return the samples after several flips, and the mean probability of acceptance."""
        xp, backend = array_namespace(x), backend_of(energy, x)
        shape, accepted = (x.shape[0], self.n_flips), 0.0
        choices, decisions = (backend.uniform(xp.empty(shape, dtype=x.dtype), k) for k in keys)
        with np.errstate(over="ignore", invalid="ignore"):
            weights = Weights.of(energy, x)
            for number in range(self.n_flips):
                proposed = weights.flipped(x, choices[:, number])
                new = Weights.of(energy, proposed)
                log_ratio = weights.log_total - new.log_total
                probability = xp.exp(xp.clip(log_ratio, None, 0.0))
                is_accepted = decisions[:, number] < probability  # false for NaN
                x = xp.where(is_accepted[:, None], proposed, x)
                weights = weights.moved(new, is_accepted)
                accepted += float(xp.mean(probability)) / self.n_flips if shape[0] else 0.0
        return x, accepted


class Weights:
    """Weights exp(-c_i / 2) of all flips, relative to the largest weight of each sample.

    Parameters
    ----------
    relative : array of shape (n_chains, n_features)
        Weights divided by the largest, which is at least the weight one of no flip.
    log_largest : array of shape (n_chains,)
        Logarithms of the largest weights.
    """

    def __init__(self, relative, log_largest):
        self.relative = relative
        self.log_largest = log_largest

    @classmethod
    def of(cls, energy, x):
        """Return the weights of all flips; those to states without a finite energy are zero."""
        xp, changes = array_namespace(x), energy.flips(x).changes()
        is_possible = xp.isfinite(changes)
        logs = xp.where(is_possible, -changes / 2, -xp.inf * xp.ones_like(changes))
        log_largest = xp.clip(xp.max(logs, axis=1), 0.0, None)
        return cls(xp.exp(logs - log_largest[:, None]), log_largest)

    @property
    def _total(self):
        xp = array_namespace(self.relative)
        return xp.sum(self.relative, axis=1) + xp.exp(-self.log_largest)

    @property
    def log_total(self):
        """Logarithm of the sum of all weights, shape (n_chains,)."""
        return array_namespace(self.relative).log(self._total) + self.log_largest

    def flipped(self, x, drawn):
        """Return samples with one entry flipped, or none, chosen by uniform numbers."""
        xp = array_namespace(x)
        ends = cumulated(self.relative)
        is_before = ends < (drawn * self._total)[:, None]
        chosen = xp.sum(xp.astype(is_before, x.dtype), axis=1)  # all entries are before "no flip"
        index = xp.arange(x.shape[1], dtype=x.dtype)
        is_flipped = xp.astype(index == chosen[:, None], x.dtype)
        return x + is_flipped * (1 - 2 * x)

    def moved(self, other, is_accepted):
        """Return the other weights for the chains that accept them."""
        xp = array_namespace(self.relative)
        return Weights(
            xp.where(is_accepted[:, None], other.relative, self.relative),
            xp.where(is_accepted, other.log_largest, self.log_largest),
        )
