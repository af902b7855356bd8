"""Contrastive learning as plain data, for the kernels of any backend."""

from typing import Any, NamedTuple


class Ascent(NamedTuple):
    """Pairs of states whose products move the weights, multiplied by their shares.

    In contrastive learning, shares are positive in the positive phase and negative in the negative
    one.
    """

    left: Any  # (n_rows, n_visible)
    right: Any  # (n_rows, n_hidden)
    share: Any  # (n_rows,)
    rate: float
    momentum: float = 0.0
    decay: float = 0.0


class Layers(NamedTuple):
    """Two layers of binary units: parameters, velocities and centres.

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
    activity: Any  # running mean of the hidden units over the data
    particles: Any  # (n_chains, n_hidden)


class Contrast(NamedTuple):
    """Settings of several steps of contrastive learning."""

    rates: Any  # (n_batches,)
    momentum: float
    decay: float
    sparsity_target: float
    sparsity_cost: float
    activity_shares: Any  # (n_batches,), share of each batch in the running mean
    limit: float  # no further step is made if a weight exceeds this magnitude
    n_gibbs_steps: int
    is_persistent: bool  # whether chains persist between steps; otherwise they start at the data
    draws: bool  # whether data between 0 and 1 are replaced by random zeros and ones
    seed: tuple
    first_draw: int
