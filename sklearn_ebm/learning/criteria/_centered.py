"""Base class of criteria that move the parameters of two layers of units along centred gradients.

With G the direction of each parameter, and mu and lambda the means of both layers on data, the
weights move by G_W - mu G_c' - G_b lambda', and the biases such that the mean fields do not change.
"""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, new_matrix, to_host
from sklearn_ebm.inputs._rows import dense_rows
from sklearn_ebm.learning._divergence import Diverged
from sklearn_ebm.learning._samples import Batch, Samples
from sklearn_ebm.learning.criteria._base import BaseCriterion

CHUNK = 20  # batches between two calls of callbacks
ACTIVITY_SHARE = 0.01  # share of a batch in the running mean of the hidden units


@stored
@dataclass(frozen=True)
class Ascending:
    """Settings of a step.

    Attributes
    ----------
    n_gibbs_steps : int, default=1
        Steps of the chains for each step of learning.
    momentum : float, default=0
        Share of the previous step that is added to the next.
    decay : float, default=0
        Share by which weights shrink in each step, times the learning rate.
    fast_rate : float, default=0
        Learning rate of the fast weights, if there are any.
    sparsity_target : float, default=0
        Target of the mean activity of the hidden units.
    sparsity_cost : float, default=0
        Weight of the sparsity term.
    draws : bool, default=False
        Whether values between 0 and 1 are replaced by random zeros and ones, anew in each pass.
    largest_state : float, default=1
        Largest magnitude of the data of binary units. Greater than 1 if X is not in [0, 1].
    """

    n_gibbs_steps: int = 1
    momentum: float = 0.0
    decay: float = 0.0
    fast_rate: float = 0.0
    sparsity_target: float = 0.0
    sparsity_cost: float = 0.0
    draws: bool = False
    largest_state: float = 1.0


class DenseSamples(Samples):
    """Samples whose batches are dense, even if X is sparse or has an integer dtype."""

    def take(self, rows):
        """Return the batch of some rows. Their weights remain on the host."""
        weight = None if self.weight is None else self.weight[rows]
        X, mask = (
            None if array is None else dense_rows(array, np.r_[rows], self.dtype)
            for array in (self.X, self.mask)
        )
        return Batch(X, mask=mask, weight=weight)


class CenteredCriterion(BaseCriterion):
    """Parameters, means and velocities of an energy whose gradients are centred.

    Parameters
    ----------
    energy : BilinearEnergy
        Its parameters are changed in place.
    activity : array of shape (n_hidden,)
        Initial mean activity of the hidden units.
    visible_center : array of shape (n_visible,) or None, default=None
        Mean of the data, standardized for real-valued units. With None, gradients are not centred.
    base : units or None, default=None
        Units with the moments of the data, from which estimators derive others.
    """

    chunk = CHUNK
    has_fast_weights = False
    flip_loss = None  # name of the loss if there are no chains
    sent = MappingProxyType({**BaseCriterion.sent, "velocity": lambda velocity: None})

    def __init__(self, energy, activity, visible_center=None, base=None):
        super().__init__()
        xp = array_namespace(energy.weights)
        self.activity = activity
        self.is_centered = visible_center is not None
        if not self.is_centered:
            visible_center = xp.zeros(energy.weights.shape[0], dtype=energy.weights.dtype)
        self.visible_center = visible_center
        self.base = base
        self.how = Ascending()
        self.restart_with(energy)

    def restart_with(self, energy):
        """Continue with another energy, which replaces the learned one.

        The means of the data are kept. Velocities are reset to zero.
        """
        self.energy = energy
        self.restart()

    def restart(self):
        """Reset velocities to zero."""
        energy, xp = self.energy, array_namespace(self.energy.weights)
        self.velocity = {name: xp.zeros_like(value) for name, value in energy.parameters.items()}
        self.velocity["weights"] = zero_matrix(energy.weights)
        self.largest = float(xp.max(xp.abs(energy.weights)))

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
        CenteredCriterion
            The criterion itself.
        """
        self.how = how
        self.rate = rate
        self.backend = backend
        return self

    @property
    def dtype(self):
        """Dtype of the parameters, to which batches are cast."""
        return np.dtype(self.energy.weights.dtype)

    @property
    def parameters(self):
        """Parameters of the energy, by name."""
        return self.energy.parameters

    @property
    def hidden_center(self):
        """Running means of the hidden units, for centring."""
        return self.activity if self.is_centered else 0 * self.activity

    def _move(self, name, step):
        """Update a parameter that is a vector."""
        velocity, parameter = self.velocity[name], self.energy.parameters[name]
        velocity *= self.how.momentum
        velocity += step
        parameter += velocity

    def label(self, curves):
        """Return the last entries of the curves as text."""
        activity = float(np.mean(to_host(self.activity)))
        gap = f" gap {curves.last('gap'):.4g}," if curves["gap"] else ""
        return (
            f"objective {curves.last('objective'):.4g}, "
            f"error {curves.last('reconstruction'):.4g},{gap} {100 * activity:.1f} % active"
        )


def activity_share(n_steps):
    """Return the share of a batch in the running mean of the hidden units; 1 / n at first."""
    return max(ACTIVITY_SHARE, 1 / (1 + n_steps))


def diverged(largest, rate):
    """Return the error for weights that could overflow."""
    return Diverged(
        f"Training diverged: the largest weight is {largest:.1e} with a learning rate of "
        f"{rate:.1e}, so the next step could overflow. The last finite model is kept. Lower "
        "learning_rate."
    )


def draw_states(visible, key, backend, observed):
    """Replace each observed entry by 1 with that probability, and by 0 otherwise, in place."""
    xp = array_namespace(visible)
    drawn = backend.uniform(new_matrix(visible.shape, visible), key)
    drawn = xp.astype(drawn < visible, visible.dtype)
    visible[...] = drawn if observed is None else xp.where(observed != 0, drawn, visible)


def zero_matrix(like):
    """Return a matrix of zeros in the shape and type of another."""
    matrix = new_matrix(like.shape, like)
    matrix[...] = 0
    return matrix
