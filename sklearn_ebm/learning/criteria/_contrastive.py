"""Contrastive learning: lower the energy of data, raise the energy of the model's samples.

The gradient of the mean log-likelihood is the mean of -dE/dtheta over the data minus its mean over
the model. The second mean is estimated from a few particles. They start at the data and make k
steps of Gibbs sampling (CD-k, Hinton 2002), or persist from one learning step to the next (PCD,
Tieleman 2008), optionally with fast weights for faster mixing (FPCD, Tieleman & Hinton 2009).

States are centred. With mu and lambda the running means of both layers on data, the weights move by
<(v - mu)(h - lambda)'>, and the biases such that the mean fields do not change. This is the
enhanced gradient, which is the same if the roles of zero and one are exchanged (Montavon & Mueller
2012; Melchior, Fischer & Wiskott 2016, section 3). As sums over states,

    <(v - mu)(h - lambda)'> = sum share v h' - mu (sum share h)' - (sum share v) lambda',

so that centring adds two rows of states with the share -1. Without centring, both centres are zero.
Fast weights F are centred in the same way: the chains use the biases b - F lambda and c - F' mu.
Learning then commutes with flips: replacing v_i by 1 - v_i maps (b_i, W_i, c) to (-b_i, -W_i,
c + W_i), and the step of the mapped model is the mapped step. The same holds for hidden units.

Samples may have weights, with a mean of one over the data. Both phases of a batch are weighted
means, and the learning rate is multiplied by the mean weight of the batch. The expected step is
then linear in the weights, so that a sample of weight two equals two copies of it. Chains that
start at a sample have its weight; persistent chains have equal weights.

Real units are learned in standardized coordinates (`sklearn_ebm.factors.units`), so that learning
depends neither on the offset nor on the scale of a feature.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, new_matrix, resolve_backend
from sklearn_ebm.backends._ascent import Ascent, Contrast, Layers
from sklearn_ebm.factors.energies._conditionals import ClampedConditionals
from sklearn_ebm.learning._work import Particles
from sklearn_ebm.learning.criteria._centered import (
    CenteredCriterion,
    activity_share,
    diverged,
    draw_states,
    zero_matrix,
)
from sklearn_ebm.solvers import gibbs, gibbs_keys, map_bounds, piece_bounds

FAST_DECAY = 19 / 20  # share of the fast weights that an update keeps (Tieleman & Hinton 2009, 3.2)
LARGEST = {4: 1e15, 8: 1e100}  # largest magnitude of a weight, by bytes of the dtype


class States(NamedTuple):
    """Pairs of states whose products move the weights, with room for those of the two centres.

    The first `n_rows` pairs are data, the last two are the centres, and the pairs between them are
    the final states of chains. Sums of products are merged by concatenating the pairs. The weights
    of data and of chains are None if they are equal.
    """

    visible: Any
    hidden: Any
    n_rows: int
    data_weight: Any = None
    chain_weight: Any = None

    def __add__(self, other):
        pairs = zip(self[:2], other[:2], strict=True)
        states = [_joined(*pair, self.n_rows, other.n_rows) for pair in pairs]
        pairs = zip(self[3:], other[3:], strict=True)
        weights = [None if own is None else np.concatenate([own, more]) for own, more in pairs]
        return States(*states, self.n_rows + other.n_rows, *weights)

    @property
    def mean_weight(self):
        """Mean weight of the data."""
        return 1.0 if self.data_weight is None else float(self.data_weight.mean())

    def shares(self):
        """Return the weight of each pair in the difference of the two phases."""
        n_chains = self.hidden.shape[0] - self.n_rows - 2
        data = _normalized(self.data_weight, self.n_rows)
        return np.concatenate([data, -_normalized(self.chain_weight, n_chains), [-1.0, -1.0]])


@stored
class Contrastive(CenteredCriterion):
    """The log-likelihood of an energy, whose gradient is estimated by short chains.

    The shard is an array of particles (n_chains, n_hidden), the hidden states of persistent chains.
    With None, new chains start at each batch.

    Parameters
    ----------
    energy : BilinearEnergy
        Its parameters are changed in place.
    activity : array of shape (n_hidden,)
        Initial mean activity of the hidden units.
    visible_center : array of shape (n_visible,) or None, default=None
        Mean of the data, standardized for real-valued units. With None, gradients are not centred.
    has_fast_weights : bool, default=False
        Whether the chains use fast weights.
    base : units or None, default=None
        Units with the moments of the data, from which estimators derive others.
    """

    def __init__(self, energy, activity, visible_center=None, has_fast_weights=False, base=None):
        self.has_fast_weights = has_fast_weights
        super().__init__(energy, activity, visible_center, base)
        xp = array_namespace(energy.weights)
        self.moving = None
        if not energy.visible.is_discrete:
            self.moving = xp.zeros(energy.weights.shape[0], dtype=energy.weights.dtype)

    def restart(self):
        """Reset velocities and fast weights to zero."""
        super().restart()
        self.fast_weights = self.chain_weights = None
        if self.has_fast_weights:
            self.fast_weights, self.chain_weights = (
                zero_matrix(self.energy.weights) for _ in range(2)
            )
            self.chain_weights += self.energy.weights

    def follow(self, how, rate, backend):
        """Set the parameters that users may change before they continue a fit.

        Parameters
        ----------
        how : Ascending
            Settings of a step.
        rate : callable
            Maps the completed share of training to the learning rate.
        backend : str
            Name of the backend.

        Returns
        -------
        Contrastive
            The criterion itself.
        """
        self.n_draws = 2 + 2 * how.n_gibbs_steps
        return super().follow(how, rate, backend)

    def _require_range(self, rate, state=0.0):
        """Raise `Diverged` before a step that could overflow.

        A velocity is at most the difference of two weights. The gradient is at most 2 max |v|, plus
        the sparsity cost times max |v|. Fast weights are at most 20 times their largest step.

        Returns
        -------
        limit : float
            The step is safe if no weight exceeds this magnitude.
        """
        how = self.how
        bits = array_namespace(self.activity).finfo(self.activity.dtype).bits
        largest = LARGEST[bits // 8] ** (1 / self.energy.visible.degree)
        growth = 1 + 2 * how.momentum + rate * how.decay
        fast_rate = 0.0 if self.fast_weights is None else how.fast_rate / (1 - FAST_DECAY)
        slope = 8 * max(state, how.largest_state) * (1 + how.sparsity_cost)
        limit = (largest - max(rate, fast_rate) * slope) / growth
        if not (self.largest <= limit and growth <= largest):
            raise diverged(self.largest, rate)
        return limit

    # ------------------------------------------------------------------------- steps in one kernel
    def can_advance(self, backend):
        """Return whether a backend can make several steps in one call."""
        is_simple = self.energy.visible.is_binary and self.fast_weights is None
        return is_simple and backend.contrastive_steps is not None

    def advance(self, samples, index, done, stream, shard):
        """Make one step for each row of `index`, in one compiled call.

        Parameters
        ----------
        samples : Samples
            Data, an array or csr_array of shape (n_samples, n_visible).
        index : array of int of shape (n_steps, batch_size)
            Rows of each batch.
        done : list of float
            Completed share of training at each step.
        stream : Stream
            Random numbers.
        shard : array of shape (n_chains, n_hidden) or None
            Particles, updated in place.

        Returns
        -------
        dict
            Empty: the steps report nothing.

        Raises
        ------
        Diverged
            Before a step that could overflow.
        """
        X, how, rates = samples.X, self.how, [self.rate(share) for share in done]
        limit = self._require_range(max(rates))
        energy, velocity = self.energy, self.velocity
        layers = Layers(
            energy.weights, energy.visible.bias, energy.hidden_bias, velocity["weights"],
            velocity["visible_bias"], velocity["hidden_bias"], self.visible_center,
            self.hidden_center, self.activity, shard,
        )  # fmt: skip
        kernels = resolve_backend(self.backend, X)
        if sparse.issparse(X):
            X = X.data, X.indices, X.indptr
        contrast = Contrast(
            rates, how.momentum, how.decay, how.sparsity_target, how.sparsity_cost,
            [activity_share(self.n_steps + n) for n in range(len(index))], limit, how.n_gibbs_steps,
            shard is not None, how.draws, stream.seed, stream.n_draws + 1,
        )  # fmt: skip
        self.largest = kernels.contrastive_steps(layers, X, index, contrast)
        stream.n_draws += len(index) * self.n_draws
        self.n_steps += len(index)
        if not self.largest <= limit:
            raise diverged(self.largest, max(rates))
        return {}

    # --------------------------------------------------------------------------- one step at a time
    def prepare(self, batch):
        """Return the energy of the data and the energy of the chains."""
        energy = self.energy.inner().on(self.backend_of(batch))
        return energy, self._energy_of_chains(energy)

    def _energy_of_chains(self, energy):
        """Return the energy that the chains sample, including centred fast weights if any."""
        fast = self.fast_weights
        if fast is None:
            return energy
        hidden_field = energy.visible.signal(self.visible_center) @ fast
        chain = replace(energy, weights=self.chain_weights)
        return chain.shifted(-(fast @ self.hidden_center), -hidden_field)

    def contribute(self, model, batch, memory, stream=None, shard=None):
        """Sample both phases, with one piece of the rows per thread; chains take longest."""
        (data, chain), n_rows = (each.conditionals for each in model), batch.n_samples
        backend = model[0].backend_for(batch.X)
        particles, n_chains, first_chain, n_all = None, n_rows, 0, 0
        if shard is not None:
            states, first_chain, n_all = Particles.of(shard)
            particles, n_chains = _copied(states), states.shape[0]
        visible, hidden = (
            memory.matrix(name, (n_rows + n_chains + 2, size), self.energy.weights)
            for name, size in zip(("visible", "hidden"), self.energy.weights.shape, strict=True)
        )
        observed = batch.mask
        visible[:n_rows, :] = self.energy.visible.coordinates.states_of(batch.X)
        draw, start = (stream.key().from_row(batch.first) for _ in range(2))
        keys = gibbs_keys(stream, self.how.n_gibbs_steps)
        if self.how.draws:
            draw_states(visible[:n_rows, :], draw, backend, observed)
        pieces = [(True, *bounds) for bounds in (() if shard is None else piece_bounds(n_chains))]
        pieces += [(False, *bounds) for bounds in piece_bounds(n_rows)]

        def work(is_moved, first, last):
            rows, own = slice(first, last), slice(n_rows + first, n_rows + last)
            if is_moved:
                state = particles[rows, :]
                gibbs(chain, state, visible[own, :], keys, first_chain + first, hidden[own, :])
                return
            if shard is not None and observed is None:
                data.hidden_mean(visible[rows, :], hidden[rows, :])
                return
            state = new_matrix((last - first, hidden.shape[1]), hidden)
            key = start.from_row(first)
            data.sample_hidden(visible[rows, :], key, state, hidden[rows, :])
            first = batch.first + first
            if shard is None:
                free = chain
                if observed is not None:
                    free = ClampedConditionals(chain, visible[rows, :], observed[rows, :])
                gibbs(free, state, visible[own, :], keys, first, hidden[own, :])
                return
            free = ClampedConditionals(data, visible[rows, :], 1 - observed[rows, :])
            gibbs(free, state, visible[rows, :], keys, n_all + first, hidden[rows, :])

        map_bounds(work, pieces, backend)
        if observed is not None and self.moving is not None:
            visible[:n_rows, :] *= array_namespace(visible).maximum(observed, self.moving)
        chain_weight = batch.weight if shard is None else None
        states = States(visible, hidden, n_rows, batch.weight, chain_weight)
        return {"states": states, "report": {}}, particles

    def apply(self, model, sums, batch, done):
        """Update the parameters, the centres and the fast weights."""
        states = sums["states"]
        visible, hidden, n_rows, *_ = states
        rate, xp = self.rate(done) * states.mean_weight, array_namespace(hidden)
        share = xp.asarray(states.shares(), dtype=hidden.dtype)
        is_discrete = self.energy.visible.is_discrete
        state = 0.0 if is_discrete else float(xp.max(xp.abs(visible[:-2, :])))
        self._require_range(rate, state)
        if states.data_weight is None:
            activity = xp.mean(hidden[:n_rows, :], axis=0)
        else:
            activity = share[:n_rows] @ hidden[:n_rows, :]
        if self.how.sparsity_cost:
            hidden[:n_rows, :] += self.how.sparsity_cost * (
                self.how.sparsity_target - self.activity
            )
        self._ascend(model[0], states, share, rate)
        self.activity += activity_share(self.n_steps) * (activity - self.activity)
        self.n_steps += 1

    def _ascend(self, energy, states, share, rate):
        visible, hidden, n_rows, *_ = states
        how, backend = self.how, resolve_backend(self.backend, hidden)
        slopes = energy.slopes(visible[:-2, :], hidden[:-2, :])
        if self.moving is not None:
            self._hold_still(visible, n_rows)
            slopes["visible_bias"] = visible[:-2, :]
        for name, rows in slopes.items():
            slope = share[:-2] @ rows
            self._move(name, rate * slope)
        energy.visible.project()
        visible[-2, :], hidden[-2, :] = self.visible_center, share[:-2] @ hidden[:-2, :]
        visible[-1, :], hidden[-1, :] = share[:-2] @ visible[:-2, :], self.hidden_center
        step = Ascent(visible, hidden, share, rate, how.momentum, how.decay)
        velocity = self.velocity["weights"]
        self.largest = backend.ascend(energy.weights, velocity, step)
        parameters = energy.parameters
        parameters["visible_bias"] -= velocity @ self.hidden_center
        parameters["hidden_bias"] -= energy.visible.signal(self.visible_center) @ velocity
        if self.fast_weights is not None:
            fast = Ascent(visible, hidden, share, how.fast_rate, FAST_DECAY)
            backend.ascend(energy.weights, self.fast_weights, fast, self.chain_weights)

    def _hold_still(self, visible, n_rows):
        """Set features to zero in the chains as long as they are constant in the data.

        Otherwise, the noise of the chains would add random weights for constant features.
        """
        xp = array_namespace(visible)
        moves = xp.any(visible[:n_rows, :] != 0, axis=0)
        self.moving = xp.maximum(self.moving, xp.astype(moves, visible.dtype))
        visible[n_rows:-2, :] *= self.moving
        if bool(xp.all(self.moving > 0)):
            self.moving = None


def _normalized(weight, size):
    """Return the weights of a phase, normalised to sum to one."""
    return np.full(size, 1 / size) if weight is None else weight / weight.sum()


def _copied(matrix):
    copy = new_matrix(matrix.shape, matrix)
    copy[...] = matrix
    return copy


def _joined(first, second, n_first, n_second):
    """Return the states of two pieces: data, then chains, then space for the two centres."""
    ends = first.shape[0] - 2, second.shape[0] - 2
    joined = new_matrix((sum(ends) + 2, first.shape[1]), first)
    parts = first[:n_first, :], second[:n_second, :], first[n_first:-2, :], second[n_second:-2, :]
    begin = 0
    for part in parts:
        joined[begin : begin + part.shape[0], :] = part
        begin += part.shape[0]
    return joined
