"""Contrastive learning as plain data, for the kernels of any backend."""

from typing import Any, NamedTuple


class Ascent(NamedTuple):
    """Pairs of states whose products move the weights, each by its share; shares may be negative.

    The positive phase of contrastive learning has shares above zero, the negative phase below.
    """

    left: Any  # (n_rows, n_visible)
    right: Any  # (n_rows, n_hidden)
    share: Any  # (n_rows,)
    rate: float
    momentum: float = 0.0
    decay: float = 0.0


class Layers(NamedTuple):
    """Two layers of units that are on or off: what is learned, how fast it moves, and around what.

    `hidden_center` may be the same array as `activity`.
    """

    weights: Any  # (n_visible, n_hidden)
    visible_bias: Any
    hidden_bias: Any
    weights_velocity: Any
    visible_velocity: Any
    hidden_velocity: Any
    visible_center: Any
    hidden_center: Any
    activity: Any  # running mean of the hidden units on data
    particles: Any  # (n_chains, n_hidden)


class Contrast(NamedTuple):
    """How some steps of contrastive learning are made."""

    rates: Any  # (n_batches,)
    momentum: float
    decay: float
    sparsity_target: float
    sparsity_cost: float
    activity_shares: Any  # (n_batches,), of each in the running mean
    limit: float  # magnitude of a weight after which no step follows
    n_gibbs_steps: int
    is_persistent: bool  # whether chains go on from where they were, or start at the data
    draws: bool  # whether data between zero and one are drawn as zeros and ones
    seed: tuple
    first_draw: int
