"""Contrastive learning of an energy: down where the data are, up where the model's own samples are.

The gradient of the mean log-likelihood is the mean of -dE/dtheta over the data minus its mean over
the model. The second comes from a few particles: started at the data and moved by k steps of Gibbs
sampling (CD-k, Hinton 2002), or kept from one step of learning to the next (PCD, Tieleman 2008),
also with fast weights that drive them on (FPCD, Tieleman & Hinton 2009).

States are centred: with mu and lambda the running means of both layers on data, the weights move by
<(v - mu)(h - lambda)'>, and the biases by what keeps the mean fields the same. It is the enhanced
gradient, the same for a model and for one with the roles of zero and one exchanged (Montavon &
Mueller 2012; Melchior, Fischer & Wiskott 2016, section 3). As sums over states,

    <(v - mu)(h - lambda)'> = sum share v h' - mu (sum share h)' - (sum share v) lambda',

so that centring is two more rows of states with the share -1. Without it both centres are zero.
Fast weights F are centred in the same way: the chains use the biases b - F lambda and c - F' mu.
Learning then commutes with flips: replacing v_i by 1 - v_i maps (b_i, W_i, c) to (-b_i, -W_i,
c + W_i), and the step of the mapped model is the mapped step. The same holds for hidden units.

Real units are learned in standardized coordinates (`sklearn_ebm.factors.units`), so that learning
depends neither on the offset nor on the scale of a feature.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sklearn_ebm.backends import array_namespace, new_matrix
from sklearn_ebm.backends._ascent import Ascent, Contrast, Layers
from sklearn_ebm.inputs._rows import dense_rows
from sklearn_ebm.solvers import gibbs, gibbs_keys, map_bounds, piece_bounds

FAST_DECAY = 19 / 20  # what an update leaves of the fast weights (Tieleman & Hinton 2009, 3.2)
LARGEST = {4: 1e15, 8: 1e100}  # magnitude of a weight, by bytes; squares stay finite
ACTIVITY_SHARE = 0.01  # of a batch in the running mean of the hidden units


class DivergedError(ValueError):
    """The next step would leave the range of numbers; the parameters are as they were before it."""


@dataclass(frozen=True)
class Ascending:
    """How the parameters move.

    Attributes
    ----------
    n_gibbs_steps : int, default=1
        Steps of the chains for each step of learning.
    momentum : float, default=0
        Share of the last step that is added to the next.
    decay : float, default=0
        What the weights lose in each step, times the rate.
    fast_rate : float, default=0
        Learning rate of the fast weights, where there are any.
    sparsity_target : float, default=0
        Mean activity that hidden units are drawn to.
    sparsity_cost : float, default=0
        How strongly they are.
    draws : bool, default=False
        Whether data between zero and one are drawn as zeros and ones, anew at each visit.
    largest_state : float, default=1
        Largest magnitude of the data of binary units. Greater than 1 if X is not between 0 and 1.
    """

    n_gibbs_steps: int = 1
    momentum: float = 0.0
    decay: float = 0.0
    fast_rate: float = 0.0
    sparsity_target: float = 0.0
    sparsity_cost: float = 0.0
    draws: bool = False
    largest_state: float = 1.0


class ContrastiveLearner:
    """The whole state of learning: energy, velocities, centres, particles.

    Parameters
    ----------
    energy : BilinearEnergy
        Its parameters are changed in place.
    stream : Stream
        Random numbers.
    activity : array of shape (n_hidden,)
        Mean activity of the hidden units to begin with.
    visible_center : array of shape (n_visible,) or None, default=None
        Mean of the data, standardized if the units are real. If None, gradients are not centred.
    particles : array of shape (n_chains, n_hidden) or None, default=None
        Hidden states of chains that are kept; None starts new ones at each batch.
    has_fast_weights : bool, default=False
        Whether the chains see weights that learn and forget fast.
    """

    def __init__(
        self, energy, stream, activity, visible_center=None, particles=None, has_fast_weights=False
    ):
        xp = array_namespace(energy.weights)
        self.energy = energy
        self.stream = stream
        self.activity = activity
        self.is_centered = visible_center is not None
        if not self.is_centered:
            visible_center = xp.zeros(energy.weights.shape[0], dtype=energy.weights.dtype)
        self.visible_center = visible_center
        self.particles = particles
        self.velocity = {name: xp.zeros_like(value) for name, value in energy.parameters.items()}
        self.velocity["weights"] = _zero_matrix(energy.weights)
        self.fast_weights = self.chain_weights = None
        if has_fast_weights:
            self.fast_weights = _zero_matrix(energy.weights)
            self.chain_weights = _zero_matrix(energy.weights)
            self.chain_weights += energy.weights
        self.moving = None
        if not energy.visible.is_binary:
            self.moving = xp.zeros(energy.weights.shape[0], dtype=energy.weights.dtype)
        self.largest = float(xp.max(xp.abs(energy.weights)))
        self.n_steps = 0
        self._room = {}

    def __getstate__(self):
        return {**self.__dict__, "_room": {}}  # nothing in it outlives a step

    @property
    def dtype(self):
        """Return the dtype of the parameters, to which batches are converted."""
        return np.dtype(self.energy.weights.dtype)

    def restart(self, energy):
        """Continue with another energy, which replaces what was learned before.

        The chains and the means of the data are kept. Velocities and fast weights restart at zero.
        """
        xp = array_namespace(energy.weights)
        self.energy = energy
        self.velocity = {name: xp.zeros_like(value) for name, value in energy.parameters.items()}
        self.velocity["weights"] = _zero_matrix(energy.weights)
        if self.fast_weights is not None:
            self.fast_weights = _zero_matrix(energy.weights)
            self.chain_weights = _zero_matrix(energy.weights)
            self.chain_weights += energy.weights
        self.largest = float(xp.max(xp.abs(energy.weights)))

    @property
    def hidden_center(self):
        """What the hidden units are centred by."""
        return self.activity if self.is_centered else 0 * self.activity

    def learn(self, X, batches, rates, how, backend):
        """One step for each batch.

        Parameters
        ----------
        X : array or csr_array of shape (n_samples, n_visible)
            Data.
        batches : list of int arrays
            Rows of X.
        rates : list of float
            Learning rate of each step.
        how : Ascending
            The rest of it.
        backend : module
            Kernels.

        Raises
        ------
        DivergedError
            Before a step that could leave the range of numbers.
        """
        fused = backend.contrastive_steps is not None and self._suits_fused_steps()
        for first, last in _equal_sizes(batches) if fused else ():
            self._fused_steps(X, np.stack(batches[first:last]), rates[first:last], how, backend)
        for rows, rate in zip(batches, rates, strict=True) if not fused else ():
            self._step(X, rows, rate, how, backend)

    def _activity_share(self, n_ahead=0):
        """Of the batch that comes so many steps from now; the first ones make a plain mean."""
        return max(ACTIVITY_SHARE, 1 / (1 + self.n_steps + n_ahead))

    def _require_range(self, rate, how, state=0.0):
        """Refuse a step that could leave the range of numbers, before anything has moved.

        A velocity is at most the difference of two weights. The gradient is at most 2 max |v|, and
        the sparsity cost times max |v| more. Fast weights are at most 20 of their steps.

        Returns
        -------
        limit : float
            The step is safe if no weight exceeds this magnitude.
        """
        bits = array_namespace(self.activity).finfo(self.activity.dtype).bits
        largest = LARGEST[bits // 8] ** (1 / self.energy.visible.degree)
        growth = 1 + 2 * how.momentum + rate * how.decay
        fast_rate = 0.0 if self.fast_weights is None else how.fast_rate / (1 - FAST_DECAY)
        slope = 8 * max(state, how.largest_state) * (1 + how.sparsity_cost)
        limit = (largest - max(rate, fast_rate) * slope) / growth
        if not (self.largest <= limit and growth <= largest):
            raise self._diverged(rate)
        return limit

    def _diverged(self, rate):
        return DivergedError(
            f"The weights leave the range of numbers: the largest is {self.largest:.1e} and the "
            f"learning rate {rate:.1e}. The last finite model is kept. Lower learning_rate."
        )

    # ------------------------------------------------------------------------- steps in one kernel
    def _suits_fused_steps(self):
        return self.energy.visible.is_binary and self.fast_weights is None

    def _fused_steps(self, X, index, rates, how, backend):
        limit = self._require_range(max(rates), how)
        energy, velocity = self.energy, self.velocity
        layers = Layers(
            energy.weights, energy.visible.bias, energy.hidden_bias, velocity["weights"],
            velocity["visible_bias"], velocity["hidden_bias"], self.visible_center,
            self.hidden_center, self.activity, self.particles,
        )  # fmt: skip
        if sparse.issparse(X):
            X = X.data, X.indices, X.indptr
        contrast = Contrast(
            rates, how.momentum, how.decay, how.sparsity_target, how.sparsity_cost,
            [self._activity_share(n) for n in range(len(index))], limit, how.n_gibbs_steps,
            self.particles is not None, how.draws, self.stream.seed, self.stream.n_draws + 1,
        )  # fmt: skip
        self.largest = backend.contrastive_steps(layers, X, index, contrast)
        self.stream.n_draws += len(index) * (2 + 2 * how.n_gibbs_steps)
        self.n_steps += len(index)
        if not self.largest <= limit:
            raise self._diverged(max(rates))

    # --------------------------------------------------------------------------- one step at a time
    def _step(self, X, rows, rate, how, backend):
        self._require_range(rate, how)
        n_rows = len(rows)
        visible, hidden = self._states(n_rows)
        data = dense_rows(X, rows, visible.dtype)
        visible[:n_rows, :] = self.energy.visible.coordinates.states_of(data)
        draw, start = self.stream.key(), self.stream.key()
        if how.draws:
            _draw(visible[:n_rows, :], draw, backend)
        energy = self.energy.inner()
        self._fill(energy, visible, hidden, n_rows, start, how, backend)
        xp = array_namespace(hidden)
        activity = xp.mean(hidden[:n_rows, :], axis=0)
        if how.sparsity_cost:
            hidden[:n_rows, :] += how.sparsity_cost * (how.sparsity_target - self.activity)
        self._ascend(energy, visible, hidden, n_rows, rate, how, backend)
        self.activity += self._activity_share() * (activity - self.activity)
        self.n_steps += 1

    def _states(self, n_rows):
        """Where a batch, the particles and the two centres stand, for both layers."""
        n_chains = n_rows if self.particles is None else self.particles.shape[0]
        if n_rows not in self._room:
            self._room.clear()
            shapes = ((n_rows + n_chains + 2, size) for size in self.energy.weights.shape)
            self._room[n_rows] = [new_matrix(shape, self.energy.weights) for shape in shapes]
        return self._room[n_rows]

    def _fill(self, energy, visible, hidden, n_rows, start, how, backend):
        """Both phases, a piece of the rows after another; those of the particles take longest."""
        keys = gibbs_keys(self.stream, how.n_gibbs_steps)
        is_persistent = self.particles is not None
        chain = self._energy_of_chains(energy)
        moved = piece_bounds(self.particles.shape[0]) if is_persistent else []
        pieces = [(True, *bounds) for bounds in moved]
        pieces += [(False, *bounds) for bounds in piece_bounds(n_rows)]

        def work(is_moved, first, last):
            rows, own = slice(first, last), slice(n_rows + first, n_rows + last)
            if is_moved:
                state = self.particles[rows, :]
                gibbs(chain, state, visible[own, :], keys, backend, first, hidden[own, :])
            elif is_persistent:
                energy.hidden_mean(visible[rows, :], backend, hidden[rows, :])
            else:
                state = new_matrix((last - first, hidden.shape[1]), hidden)
                key = start.from_row(first)
                energy.sample_hidden(visible[rows, :], key, backend, state, hidden[rows, :])
                gibbs(chain, state, visible[own, :], keys, backend, first, hidden[own, :])

        map_bounds(work, pieces, backend)

    def _energy_of_chains(self, energy):
        """Return the energy that the chains sample: with centred fast weights if there are any."""
        fast = self.fast_weights
        if fast is None:
            return energy
        hidden_field = energy.visible.signal(self.visible_center) @ fast
        chain = energy.with_weights(self.chain_weights)
        return chain.shifted(-(fast @ self.hidden_center), -hidden_field)

    def _ascend(self, energy, visible, hidden, n_rows, rate, how, backend):
        xp = array_namespace(hidden)
        if not energy.visible.is_binary:
            self._require_range(rate, how, float(xp.max(xp.abs(visible[:-2, :]))))
        n_chains = hidden.shape[0] - n_rows - 2
        share = np.repeat([1 / n_rows, -1 / n_chains, -1], [n_rows, n_chains, 2])
        share = xp.asarray(share, dtype=hidden.dtype)
        slopes = energy.slopes(visible[:-2, :], hidden[:-2, :])
        if self.moving is not None:
            self._hold_still(visible, n_rows)
            slopes["visible_bias"] = visible[:-2, :]
        for name, rows in slopes.items():
            slope = share[:-2] @ rows
            self._move(name, rate * slope, how)
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

        The noise of the chains would otherwise add random weights for constant features.
        """
        xp = array_namespace(visible)
        moves = xp.any(visible[:n_rows, :] != 0, axis=0)
        self.moving = xp.maximum(self.moving, xp.astype(moves, visible.dtype))
        visible[n_rows:-2, :] *= self.moving
        if bool(xp.all(self.moving > 0)):
            self.moving = None

    def _move(self, name, step, how):
        """One step of a parameter that is a vector."""
        velocity, parameter = self.velocity[name], self.energy.parameters[name]
        velocity *= how.momentum
        velocity += step
        parameter += velocity


def _draw(visible, key, backend):
    """Each entry becomes one with the probability that it was, in place."""
    xp = array_namespace(visible)
    drawn = backend.uniform(new_matrix(visible.shape, visible), key)
    visible[...] = xp.astype(drawn < visible, visible.dtype)


def _equal_sizes(batches):
    """(first, last) of runs of batches of equal size."""
    sizes = [len(rows) for rows in batches]
    ends = [i for i in range(1, len(sizes)) if sizes[i] != sizes[i - 1]]
    return list(zip([0, *ends], [*ends, len(sizes)], strict=True)) if sizes else []


def _zero_matrix(like):
    matrix = new_matrix(like.shape, like)
    matrix[...] = 0
    return matrix
