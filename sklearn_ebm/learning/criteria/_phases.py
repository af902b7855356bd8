"""The two phases of contrastive learning: states of the data and of the chains, or their moments.

Both classes merge by `+`, and give the same direction of learning. States are smaller for few
samples, and a step computes the product of the phases in the same pass over the weights. Moments
have the size of the weights for any number of samples, so that they can be sent.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_ebm.backends import array_namespace, new_matrix


@dataclass(eq=False)
class States:
    """Pairs of states whose products move the weights, with room for those of the two centres.

    The first `n_rows` pairs are data, the last two are the centres, and the pairs between them are
    the final states of chains. Sums of products are merged by concatenating the pairs.

    Attributes
    ----------
    visible, hidden : array of shape (n_pairs, n_visible), (n_pairs, n_hidden)
        States of both layers.
    n_rows : int
        Number of samples.
    data_weight, chain_weight : array of shape (n_rows,), (n_chains,) or None, default=None
        Weights of the data and of the chains. None if they are equal.
    """

    visible: Any
    hidden: Any
    n_rows: int
    data_weight: Any = None
    chain_weight: Any = None

    def __add__(self, other):
        pairs = (self.visible, other.visible), (self.hidden, other.hidden)
        states = [_joined(*pair, self.n_rows, other.n_rows) for pair in pairs]
        pairs = (self.data_weight, other.data_weight), (self.chain_weight, other.chain_weight)
        weights = [None if own is None else np.concatenate([own, more]) for own, more in pairs]
        return States(*states, self.n_rows + other.n_rows, *weights)

    @functools.cached_property
    def share(self):
        """Weight of each pair in the difference of the two phases."""
        n_chains = self.hidden.shape[0] - self.n_rows - 2
        data = _normalized(self.data_weight, self.n_rows)
        share = np.concatenate([data, -_normalized(self.chain_weight, n_chains), [-1.0, -1.0]])
        return array_namespace(self.hidden).asarray(share, dtype=self.hidden.dtype)

    @property
    def mean_weight(self):
        """Mean weight of the data."""
        return 1.0 if self.data_weight is None else float(self.data_weight.mean())

    def largest(self):
        """Return the largest magnitude of the visible units."""
        visible = self.visible[:-2, :]
        xp = array_namespace(visible)
        return float(xp.max(xp.abs(visible)))

    def activity(self):
        """Return the mean states of the hidden units on the data."""
        xp, data = array_namespace(self.hidden), self.hidden[: self.n_rows, :]
        if self.data_weight is None:
            return xp.mean(data, axis=0)
        return self.share[: self.n_rows] @ data

    def slopes(self, energy, push):
        """Add the push of the sparsity term to the data, in place; return directions by name.

        Parameters
        ----------
        energy : BilinearEnergy
            Energy.
        push : array of shape (n_hidden,) or None
            Added to the hidden units.

        Returns
        -------
        dict
            Directions of all parameters that are vectors.
        """
        if push is not None:
            self.hidden[: self.n_rows, :] += push
        rows = energy.slopes(self.visible[:-2, :], self.hidden[:-2, :])
        return {name: self.share[:-2] @ each for name, each in rows.items()}

    def moves(self):
        """Return whether each feature of the data differs from zero in any sample."""
        return array_namespace(self.visible).any(self.visible[: self.n_rows, :] != 0, axis=0)

    def hold(self, moving):
        """Multiply the visible units of the chains by zeros or ones, in place."""
        self.visible[self.n_rows : -2, :] *= moving

    def visible_slope(self):
        """Return the difference of the means of the visible units."""
        return self.share[:-2] @ self.visible[:-2, :]

    def pairs(self):
        """Return pairs of states with their shares; the last two pairs are those of the centres."""
        return self.visible, self.hidden, self.share

    def moments(self, energy, push):
        """Return the moments of these states, to whose hidden units the push is added."""
        xp, data = array_namespace(self.hidden), slice(self.n_rows)
        hidden = self.hidden[data, :]
        if self.data_weight is None:
            activity = xp.sum(hidden, axis=0)
        else:
            activity = xp.asarray(self.data_weight, dtype=hidden.dtype) @ hidden
        if push is not None:
            hidden += push
        phases = (data, self.data_weight), (slice(self.n_rows, -2), self.chain_weight)
        phases = [self._phase(energy, *phase) for phase in phases]
        moves = xp.astype(self.moves(), xp.int64)
        return Moments(*phases, activity, moves, self.n_rows, self.largest())

    def _phase(self, energy, rows, weight):
        """Return the sums over some pairs, whose hidden units are multiplied by the weights."""
        visible, hidden = self.visible[rows, :], self.hidden[rows, :]
        xp, slopes = array_namespace(hidden), energy.slopes(visible, hidden)
        if weight is None:
            total, ones = hidden.shape[0], xp.ones(hidden.shape[0], dtype=hidden.dtype)
        else:
            total, ones = float(weight.sum()), xp.asarray(weight, dtype=hidden.dtype)
        slopes = {name: ones @ each for name, each in slopes.items()}
        if weight is not None:
            hidden *= ones[:, None]
        return Phase(visible.T @ hidden, slopes, ones @ visible, total)


@dataclass
class Phase:
    """Weighted sums over the samples of one phase.

    Attributes
    ----------
    product : array of shape (n_visible, n_hidden)
        Sum of v h'.
    slopes : dict
        Sums of the directions of the parameters that are vectors, by name.
    visible : array of shape (n_visible,)
        Sum of the visible units.
    weight : float
        Sum of the weights.
    """

    product: Any
    slopes: dict
    visible: Any
    weight: float

    def __add__(self, other):
        slopes = {name: value + other.slopes[name] for name, value in self.slopes.items()}
        product, visible = self.product + other.product, self.visible + other.visible
        return Phase(product, slopes, visible, self.weight + other.weight)


@dataclass
class Moments:
    """Sums over the samples of both phases, with the methods of `States` that a step needs.

    Attributes
    ----------
    data, chains : Phase
        Sums of each phase.
    hidden : array of shape (n_hidden,)
        Sum of the hidden units on the data, without the push of the sparsity term.
    n_moves : array of int of shape (n_visible,)
        Number of pieces in which each feature of the data differs from zero.
    n_rows : int
        Number of samples.
    magnitude : float
        Largest magnitude of the visible units.
    """

    data: Phase
    chains: Phase
    hidden: Any
    n_moves: Any
    n_rows: int
    magnitude: float

    def __add__(self, other):
        return Moments(
            self.data + other.data,
            self.chains + other.chains,
            self.hidden + other.hidden,
            self.n_moves + other.n_moves,
            self.n_rows + other.n_rows,
            max(self.magnitude, other.magnitude),
        )

    @property
    def mean_weight(self):
        """Mean weight of the data."""
        return self.data.weight / self.n_rows

    def largest(self):
        """Return the largest magnitude of the visible units."""
        return self.magnitude

    def activity(self):
        """Return the mean states of the hidden units on the data."""
        return self.hidden / self.data.weight

    def slopes(self, energy, push):
        """Return the directions of all parameters that are vectors; the push is in the sums."""
        data, chains = self.data, self.chains
        return {
            name: value / data.weight - chains.slopes[name] / chains.weight
            for name, value in data.slopes.items()
        }

    def moves(self):
        """Return whether each feature of the data differs from zero in any sample."""
        return self.n_moves > 0

    def hold(self, moving):
        """Multiply the visible units of the chains by zeros or ones, in place."""
        self.chains.visible *= moving
        self.chains.product *= moving[:, None]

    def visible_slope(self):
        """Return the difference of the means of the visible units."""
        return self.data.visible / self.data.weight - self.chains.visible / self.chains.weight

    def pairs(self):
        """Return pairs whose products sum to the moments, with room for those of the centres."""
        product = self.data.product / self.data.weight
        product -= self.chains.product / self.chains.weight
        n_visible, n_hidden = product.shape
        visible = new_matrix((n_visible + 2, n_visible), product)
        hidden = new_matrix((n_visible + 2, n_hidden), product)
        xp = array_namespace(product)
        visible[:-2, :], hidden[:-2, :] = xp.eye(n_visible, dtype=product.dtype), product
        share = xp.ones(n_visible + 2, dtype=product.dtype)
        share[-2:] = -1.0
        return visible, hidden, share


def _normalized(weight, size):
    """Return the weights of a phase, normalised to sum to one."""
    return np.full(size, 1 / size) if weight is None else weight / weight.sum()


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
