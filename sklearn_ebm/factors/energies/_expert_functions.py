"""Functions of the responses of experts, with three derivatives; `EXPERTS` names them.

An expert is a function psi(s) of the response of one filter. If it is a function phi(u) of the
square u = s^2, it is also defined for a pool of filters, with u = sum_j p_j s_j^2. The gradient of
an energy requires the first derivative, score matching the second, and its gradient the third.
"""

import math

from scipy.special import kve

from sklearn_ebm.backends import array_namespace

EPSILON = 1e-4  # added to squares under a root, which is then differentiable at zero


class ExpertFunction:
    """Base class of expert functions.

    Attributes
    ----------
    strength : {"positive", "real"} or None
        Range of the trained factor of each expert. None if the size of the filters determines it.
    takes_pools : bool
        Whether phi(u) is defined.
    """

    strength: str | None = None
    takes_pools = False

    def value(self, response):
        """Return psi(s)."""
        raise NotImplementedError

    def derivatives(self, response, n):
        """Return the first n derivatives of psi, at most three, as a list."""
        raise NotImplementedError

    def pooled_value(self, square):
        """Return phi(u)."""
        raise NotImplementedError

    def pooled_derivatives(self, square, n):
        """Return the first n derivatives of phi, at most three, as a list."""
        raise NotImplementedError

    def log_volume(self, size):
        """Return the logarithm of the integral of exp(-phi(||s||^2)) over R^size.

        It is infinite if the integral diverges. The size is one if phi is not defined.
        """
        return math.inf


class StudentT(ExpertFunction):
    """phi(u) = log(1 + u / 2) (Welling, Hinton & Osindero 2002)."""

    strength = "positive"
    takes_pools = True

    def value(self, response):
        return self.pooled_value(response * response)

    def derivatives(self, response, n):
        share = 1 / (1 + response * response / 2)
        first = response * share
        if n == 1:
            return [first]
        second = share * (2 * share - 1)
        return [first, second] if n == 2 else [first, second, first * share * (1 - 4 * share)]

    def pooled_value(self, square):
        return array_namespace(square).log1p(square / 2)

    def pooled_derivatives(self, square, n):
        first = 1 / (2 + square)
        return [first, -(first * first), 2 * first**3][:n]

    def log_volume(self, size):
        # (2 pi)^(m / 2) Gamma(1 - m / 2) / Gamma(1), which is finite only for m = 1
        return 0.5 * math.log(2 * math.pi) + math.lgamma(0.5) if size == 1 else math.inf


class Norm(ExpertFunction):
    """phi(u) = sqrt(u + eps), the smoothed norm of a pool (independent subspace analysis)."""

    takes_pools = True

    def value(self, response):
        return self.pooled_value(response * response)

    def derivatives(self, response, n):
        inverse = 1 / self.value(response)
        first = response * inverse
        second = EPSILON * inverse**3
        return [first, second, -3 * first * second * inverse][:n]

    def pooled_value(self, square):
        return array_namespace(square).sqrt(square + EPSILON)

    def pooled_derivatives(self, square, n):
        inverse = 1 / self.pooled_value(square)
        return [inverse / 2, -(inverse**3) / 4, 3 / 8 * inverse**5][:n]

    def log_volume(self, size):
        # 2 (2 pi)^(nu - 1) r^nu K_nu(r), with nu = (m + 1) / 2 and r = sqrt(eps)
        order, root = (size + 1) / 2, math.sqrt(EPSILON)
        powers = (order - 1) * math.log(2 * math.pi) + order * math.log(root)
        return math.log(2) + powers + math.log(kve(order, root)) - root


class LogCosh(ExpertFunction):
    """psi(s) = log cosh s, the negative logarithm of a density with tails of a Laplacian."""

    strength = "positive"

    def value(self, response):
        xp = array_namespace(response)
        size = xp.abs(response)
        return size + xp.log1p(xp.exp(-2 * size)) - math.log(2)

    def derivatives(self, response, n):
        first = array_namespace(response).tanh(response)
        if n == 1:
            return [first]
        second = 1 - first * first
        return [first, second, -2 * first * second][:n]

    def log_volume(self, size):
        return math.log(math.pi)


class Softplus(ExpertFunction):
    """psi(s) = log(1 + exp(s)). With strength -1, it sums out a binary hidden unit."""

    strength = "real"

    def value(self, response):
        xp = array_namespace(response)
        size = xp.abs(response)
        return (response + size) / 2 + xp.log1p(xp.exp(-size))

    def derivatives(self, response, n):
        # (1 + tanh(s / 2)) / 2 is the logistic function, and cannot overflow
        first = (1 + array_namespace(response).tanh(response / 2)) / 2
        if n == 1:
            return [first]
        second = first * (1 - first)
        return [first, second, second * (1 - 2 * first)][:n]


EXPERTS = {
    "student_t": StudentT(),
    "l2": Norm(),
    "logcosh": LogCosh(),
    "softplus": Softplus(),
}
