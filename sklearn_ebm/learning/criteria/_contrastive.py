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
from sklearn_ebm.learning.criteria._phases import States
from sklearn_ebm.solvers import gibbs, gibbs_keys, map_bounds, piece_bounds

FAST_DECAY = 19 / 20  # share of the fast weights that an update keeps (Tieleman & Hinton 2009, 3.2)
LARGEST = {4: 1e15, 8: 1e100}  # largest magnitude of a weight, by bytes of the dtype


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
        list of dict
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
        return []

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
        n_moved = 0 if shard is None else n_chains
        pieces = [(True, *bounds) for bounds in piece_bounds(n_moved, backend) if n_moved]
        pieces += [(False, *bounds) for bounds in piece_bounds(n_rows, backend)]

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

    def is_condensed(self, n_samples):
        """Return whether two matrices are smaller than the states of a batch."""
        n_visible, n_hidden = self.energy.weights.shape
        return n_samples * (n_visible + n_hidden) > 2 * n_visible * n_hidden

    def condensed(self, model, sums):
        """Return the moments of the states, instead of the states."""
        return {**sums, "states": sums["states"].moments(model[0], self._push())}

    def _push(self):
        """Return what the sparsity term adds to the hidden units; None without the term."""
        how = self.how
        if not how.sparsity_cost:
            return None
        return how.sparsity_cost * (how.sparsity_target - self.activity)

    def apply(self, model, sums, batch, done):
        """Update the parameters, the centres and the fast weights."""
        states = sums["states"]
        rate = self.rate(done) * states.mean_weight
        is_discrete = self.energy.visible.is_discrete
        self._require_range(rate, 0.0 if is_discrete else states.largest())
        activity = states.activity()
        slopes = states.slopes(model[0], self._push())
        self._ascend(model[0], states, slopes, rate)
        self.activity += activity_share(self.n_steps) * (activity - self.activity)
        self.n_steps += 1

    def _ascend(self, energy, states, slopes, rate):
        how, backend = self.how, resolve_backend(self.backend, energy.weights)
        if self.moving is not None:
            self._hold_still(states)
            slopes["visible_bias"] = states.visible_slope()
        for name, slope in slopes.items():
            self._move(name, rate * slope)
        energy.visible.project()
        visible, hidden, share = states.pairs()
        visible[-2, :], hidden[-2, :] = self.visible_center, slopes["hidden_bias"]
        visible[-1, :], hidden[-1, :] = states.visible_slope(), self.hidden_center
        step = Ascent(visible, hidden, share, rate, how.momentum, how.decay)
        velocity = self.velocity["weights"]
        self.largest = backend.ascend(energy.weights, velocity, step)
        parameters = energy.parameters
        parameters["visible_bias"] -= velocity @ self.hidden_center
        parameters["hidden_bias"] -= energy.visible.signal(self.visible_center) @ velocity
        if self.fast_weights is not None:
            fast = Ascent(visible, hidden, share, how.fast_rate, FAST_DECAY)
            backend.ascend(energy.weights, self.fast_weights, fast, self.chain_weights)

    def _hold_still(self, states):
        """Set features to zero in the chains as long as they are constant in the data.

        Otherwise, the noise of the chains would add random weights for constant features.
        """
        xp = array_namespace(self.moving)
        self.moving = xp.maximum(self.moving, xp.astype(states.moves(), self.moving.dtype))
        states.hold(self.moving)
        if bool(xp.all(self.moving > 0)):
            self.moving = None


def _copied(matrix):
    copy = new_matrix(matrix.shape, matrix)
    copy[...] = matrix
    return copy
