"""Sums of expert functions of the responses s of filters, and their derivatives.

    f(s) = sum_j a_j psi(s_j), or sum_g a_g phi(u_g) with u_g = sum_j p_gj s_j^2

With s = x W, the derivatives by x require the gradient of f, its Hessian H, and the sum

    laplacian f = sum_jk H_jk <w_j, w_k>.

Without pools, H is diagonal: it is a psi''(s). With c_j = sum_g a_g phi'(u_g) p_gj and r_g = p_g s,

    df/ds = 2 c s,    H = 2 diag(c) + 4 sum_g a_g phi''(u_g) r_g' r_g,
    laplacian f = sum_j 2 c_j ||w_j||^2 + sum_g 4 a_g phi''(u_g) ||sum_j r_gj w_j||^2.

The last norms are products of the filters of one pool with each other, so that they cost
O(n_samples n_pools size^2) for pools of a given size.
"""

from typing import Any, NamedTuple

import numpy as np

from sklearn_ebm.backends import array_namespace


class Responses:
    """Base class of f at given responses. A subclass passes s or u as the argument of the experts.

    Parameters
    ----------
    value : callable
        psi or phi.
    derivatives : callable
        Returns the first n derivatives of psi or phi.
    argument : array of shape (n_samples, n_experts)
        s or u.
    strength : array of shape (n_experts,) or None
        a. None is for factors of one.
    """

    def __init__(self, value, derivatives, argument, strength):
        self._value = value
        self._differentiate = derivatives
        self._argument = argument
        self._strength = strength
        self._known = ()

    def value(self):
        """Return f of each sample."""
        values = self._value(self._argument)
        if self._strength is None:
            return array_namespace(values).sum(values, axis=1)
        return values @ self._strength

    def by_strength(self, weight):
        """Return the gradient of sum_n weight_n f_n by a."""
        return weight @ self._value(self._argument)

    def _scaled(self, values):
        return values if self._strength is None else values * self._strength

    def _derivatives(self, n):
        """Return at least n derivatives of psi or phi, without their factors a."""
        if len(self._known) < n:
            self._known = self._differentiate(self._argument, n)
        return self._known


class SingleResponses(Responses):
    """f(s) = sum_j a_j psi(s_j) and its derivatives at given responses.

    Parameters
    ----------
    expert : ExpertFunction
        psi.
    strength : array of shape (n_components,) or None
        a. None is for factors of one.
    weights : array of shape (n_features, n_components)
        W.
    response : array of shape (n_samples, n_components)
        s.
    """

    def __init__(self, expert, strength, weights, response):
        super().__init__(expert.value, expert.derivatives, response, strength)
        self.weights = weights
        self._norms = None

    def slope(self):
        """Return the gradient of f by s."""
        return self._scaled(self._derivatives(1)[0])

    def laplacian(self):
        """Return the sum of the second derivatives of f by x, for each sample."""
        return self._scaled(self._derivatives(2)[1]) @ self._squared_norms()

    def differentiate(self, signal, weight):
        """Return gradients of T = sum_n <signal_n, df/ds_n> + weight_n laplacian f_n.

        Parameters
        ----------
        signal : array of shape (n_samples, n_components)
            Held constant.
        weight : array of shape (n_samples,) or None
            Held constant. None leaves out the second term.

        Returns
        -------
        by_response : array of shape (n_samples, n_components)
            Gradient of T by s.
        by_weights : array of shape (n_features, n_components) or None
            Gradient of T by W for given responses.
        by_strength : array of shape (n_components,)
            Gradient of T by a.
        """
        xp = array_namespace(signal)
        if weight is None:
            first, second = self._derivatives(2)[:2]
            return self._scaled(second * signal), None, xp.sum(first * signal, axis=0)
        first, second, third = self._derivatives(3)
        norms = self._squared_norms()
        by_response = third * norms
        by_response *= weight[:, None]
        by_response += second * signal
        bends = weight @ second
        by_strength = xp.sum(first * signal, axis=0) + bends * norms
        by_weights = 2 * self.weights * self._scaled(bends)
        return self._scaled(by_response), by_weights, by_strength

    def _squared_norms(self):
        if self._norms is None:
            self._norms = array_namespace(self.weights).sum(self.weights * self.weights, axis=0)
        return self._norms


class Blocks(NamedTuple):
    """Members of all pools as arrays of one size, for products of the members of each pool.

    Pools with fewer members than the largest are filled with members of the share zero, components
    in fewer pools than others with places of the factor zero.
    """

    members: Any  # (n_pools * size,) components
    shares: Any  # (n_pools, size), p of the members
    places: Any  # (n_components * n_times,) positions of a component in `members`
    factors: Any  # (n_components, n_times), 1 or 0

    @classmethod
    def of(cls, pools):
        """Return the blocks of pools."""
        rows = [np.flatnonzero(row) for row in pools.weights]
        members = _padded(rows)
        shares = np.take_along_axis(pools.weights, members, axis=1)
        is_member = np.arange(members.shape[1]) < np.array([len(row) for row in rows])[:, None]
        shares = shares * is_member
        flat = np.where(is_member, members, -1).ravel()
        columns = [np.flatnonzero(flat == j) for j in range(pools.n_components)]
        places = _padded(columns)
        counts = np.array([len(column) for column in columns])
        factors = (np.arange(places.shape[1]) < counts[:, None]).astype(float)
        return cls(members.ravel(), shares, places.ravel(), factors)

    def like(self, array):
        """Return the blocks on the device of an array, with shares in its dtype."""
        xp = array_namespace(array)
        return Blocks(
            xp.asarray(self.members),
            xp.asarray(self.shares, dtype=array.dtype),
            xp.asarray(self.places),
            xp.asarray(self.factors, dtype=array.dtype),
        )

    @property
    def size(self):
        """Number of pools, and of members of the largest pool."""
        return self.shares.shape

    def gather(self, rows):
        """Return rows of components as rows of members, shape (n_pools, size, n_columns)."""
        xp = array_namespace(rows)
        taken = xp.take(rows, self.members, axis=0)
        return xp.reshape(taken, (*self.size, rows.shape[1]))

    def scatter(self, blocks):
        """Return the sums of the rows of members for each component, the transpose of `gather`."""
        xp = array_namespace(blocks)
        n_columns = blocks.shape[2]
        flat = xp.reshape(blocks, (-1, n_columns))
        taken = xp.reshape(xp.take(flat, self.places, axis=0), (*self.factors.shape, n_columns))
        return xp.sum(taken * self.factors[:, :, None], axis=1)


def _padded(rows):
    """Return lists of indices as a matrix, filled with zeros."""
    result = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for number, row in enumerate(rows):
        result[number, : len(row)] = row
    return result


class PooledResponses(Responses):
    """f(s) = sum_g a_g phi(sum_j p_gj s_j^2) and its derivatives at given responses.

    Parameters
    ----------
    expert : ExpertFunction
        phi.
    strength : array of shape (n_pools,) or None
        a. None is for factors of one.
    weights : array of shape (n_features, n_components)
        W.
    response : array of shape (n_samples, n_components)
        s.
    pools : Pools
        p.
    """

    def __init__(self, expert, strength, weights, response, pools):
        self.shares = pools.like(response)
        square = (response * response) @ self.shares.T
        super().__init__(expert.pooled_value, expert.pooled_derivatives, square, strength)
        self.weights = weights
        self.response = response
        self._pools = pools
        self._products = None

    def slope(self):
        """Return the gradient of f by s."""
        return 2 * self._spread_slope() * self.response

    def laplacian(self):
        """Return the sum of the second derivatives of f by x, for each sample."""
        xp = array_namespace(self.response)
        first, second = self._derivatives(2)[:2]
        bends = first * (2 * self._squared_norms())
        bends += 4 * second * self._pool_products()[2]
        return xp.sum(self._scaled(bends), axis=1)

    def differentiate(self, signal, weight):
        """Return gradients of T; see `SingleResponses.differentiate`."""
        xp = array_namespace(signal)
        first, second = self._derivatives(2)[:2]
        inner = (self.response * signal) @ self.shares.T
        by_strength = xp.sum(2 * first * inner, axis=0)
        by_square = 2 * self._scaled(second * inner)
        by_weights = None
        if weight is None:
            by_response = 2 * self.response * (by_square @ self.shares)
        else:
            weight, third = weight[:, None], self._derivatives(3)[2]
            pulls, moved, lengths = self._pool_products()
            norms = self._squared_norms()
            by_strength += xp.sum(weight * (2 * first * norms + 4 * second * lengths), axis=0)
            by_square += self._scaled(weight * (2 * second * norms + 4 * third * lengths))
            bends = 4 * self._scaled(weight * second)
            by_response = 2 * self.response * (by_square @ self.shares)
            by_response += 2 * self._of_components(bends, moved)
            by_weights = self._by_weights(bends, pulls, weight)
        by_response += 2 * self._spread_slope() * signal
        return by_response, by_weights, by_strength

    def _of_components(self, bends, moved):
        """Return sum_g bends_g p_gj moved_gj for each sample and each component j."""
        blocks = self._blocks()
        rows = bends.T[:, None, :] * moved
        rows *= blocks.shares[:, :, None]
        return blocks.scatter(rows).T

    def _by_weights(self, bends, pulls, weight):
        """Return the gradient of sum_n weight_n laplacian f_n by W for given responses."""
        xp, blocks = array_namespace(pulls), self._blocks()
        scaled = bends.T[:, None, :] * pulls
        products = scaled @ xp.permute_dims(pulls, (0, 2, 1))  # of the members of each pool
        own = blocks.gather(self.weights.T)
        total = blocks.scatter(products @ own).T
        bends = xp.sum(weight * self._spread_slope(), axis=0)
        return 2 * (total + 2 * self.weights * bends)

    def _pool_products(self):
        """Return r and <w_j, sum_k r_gk w_k> for the members of each pool, and their products."""
        if self._products is None:
            xp, blocks = array_namespace(self.response), self._blocks()
            own = blocks.gather(self.weights.T)
            grams = own @ xp.permute_dims(own, (0, 2, 1))
            pulls = blocks.gather(self.response.T)
            pulls *= blocks.shares[:, :, None]
            moved = grams @ pulls
            lengths = xp.sum(pulls * moved, axis=1).T
            self._products = pulls, moved, lengths
        return self._products

    def _blocks(self):
        xp = array_namespace(self.response)
        host = self._pools.remember("blocks", lambda: Blocks.of(self._pools))
        key = "blocks", xp.__name__, str(self.response.dtype)
        return self._pools.remember(key, lambda: host.like(self.response))

    def _spread_slope(self):
        """Return c, half the factor of s in the gradient."""
        return self._scaled(self._derivatives(1)[0]) @ self.shares

    def _squared_norms(self):
        """Return sum_j p_gj ||w_j||^2 of each pool."""
        xp = array_namespace(self.weights)
        return self.shares @ xp.sum(self.weights * self.weights, axis=0)
