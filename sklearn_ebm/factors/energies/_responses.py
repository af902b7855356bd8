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

from sklearn_ebm.backends import array_namespace, diagonal, new_array


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
        self._results = None

    def value(self):
        """Return f of each sample."""
        values = self._values()
        if self._strength is None:
            return array_namespace(values).sum(values, axis=1)
        return values @ self._strength

    def _values(self):
        """Return psi or phi of each response, computed once."""
        if self._results is None:
            self._results = self._value(self._argument)
        return self._results

    def by_strength(self, weight):
        """Return the gradient of sum_n weight_n f_n by a."""
        return weight @ self._values()

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
    backend : module
        Module of kernels.
    """

    def __init__(self, expert, strength, weights, response, pools, backend):
        self.shares = pools.like(response)
        square = (response * response) @ self.shares.T
        super().__init__(expert.pooled_value, expert.pooled_derivatives, square, strength)
        self.weights = weights
        self.response = response
        self._pools = pools
        self._backend = backend
        self._products = None

    def slope(self):
        """Return the gradient of f by s."""
        return 2 * self._spread_slope() * self.response

    def laplacian(self):
        """Return the sum of the second derivatives of f by x, for each sample."""
        first, second = self._derivatives(2)[:2]
        _, norms, lengths = self._filter_products()
        bends = first * (2 * norms)
        bends += 4 * second * lengths
        return array_namespace(bends).sum(self._scaled(bends), axis=1)

    def differentiate(self, signal, weight):
        """Return gradients of T; see `SingleResponses.differentiate`."""
        xp = array_namespace(signal)
        first, second = self._derivatives(2)[:2]
        inner = (self.response * signal) @ self.shares.T
        by_strength = xp.sum(2 * first * inner, axis=0)
        by_square = 2 * self._scaled(second * inner)
        by_response = 2 * self._spread_slope() * signal
        by_weights = None
        if weight is not None:
            weight, third = weight[:, None], self._derivatives(3)[2]
            _, norms, lengths = self._filter_products()
            by_strength += xp.sum(weight * (2 * first * norms + 4 * second * lengths), axis=0)
            by_square += self._scaled(weight * (2 * second * norms + 4 * third * lengths))
            moved, by_weights = self._through_lengths(4 * self._scaled(weight * second), weight)
            by_response += moved
        by_response += 2 * self.response * (by_square @ self.shares)
        return by_response, by_weights, by_strength

    def _through_lengths(self, factor, weight):
        """Return the gradients by s and by W through the products of the filters.

        The sums are those of factor_ng lengths_ng and of weight_n 2 c_nj ||w_j||^2.
        """
        gram, response = self._filter_products()[0], self.response
        slopes, gram_slopes = new_array(response.shape, response), new_array(gram.shape, gram)
        arguments = response, self._pools, gram, factor, slopes, gram_slopes
        self._backend.pool_length_slopes(*arguments)
        bends = 2 * array_namespace(weight).sum(weight * self._spread_slope(), axis=0)
        return slopes, 2 * (self.weights @ gram_slopes + self.weights * bends)

    def _filter_products(self):
        """Return W' W, sum_j p_gj ||w_j||^2 of each pool, and the squared lengths of pools."""
        if self._products is None:
            gram = self.weights.T @ self.weights
            lengths = new_array(self._argument.shape, self._argument)
            self._backend.pool_lengths(self.response, self._pools, gram, lengths)
            self._products = gram, self.shares @ diagonal(gram), lengths
        return self._products

    def _spread_slope(self):
        """Return c, half the factor of s in the gradient."""
        return self._scaled(self._derivatives(1)[0]) @ self.shares
