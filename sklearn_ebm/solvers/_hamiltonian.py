"""Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011): chains along the gradient of an energy.

A particle x has a momentum p with the energy H(x, p) = E(x) + 1/2 ||p||^2. A step draws p, follows
the dynamics of H by leapfrog integration, and accepts the end with the probability
min(1, exp(H(before) - H(after))). With one leapfrog step, this is the Langevin algorithm with a
Metropolis correction.
"""

import math

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, copied
from sklearn_ebm.solvers._chain_state import ChainState, backend_of

TARGET = 0.8  # share of accepted proposals (Neal 2011, section 5.4.4.3, recommends 0.65 and above)
RATE = 0.25  # change of log(step size) for a share that is off by one
FAILURE = 0.5  # factor of the step size if an energy is not finite
FIRST_STEP = 0.5  # times the spread of the data and n_features^(-1/4), as in Neal 2011, 5.4.4.1
RANGE = 1e-6, 10.0  # of step sizes that are adapted, times the spread


@stored
class HamiltonianSampler:
    """Chains that follow the gradient of the energy.

    Parameters
    ----------
    n_leapfrog : int, default=10
        Number of leapfrog steps of a proposal. One is the Langevin algorithm.
    step_size : float or None, default=None
        Initial size of leapfrog steps, the same for all chains. None starts with half the spread of
        the data, divided by the fourth root of the number of features.
    is_adaptive : bool, default=True
        Whether the size changes after each step, such that 80 percent of the proposals are
        accepted.
    """

    requires = ("input_gradient",)
    n_draws = 2

    def __init__(self, n_leapfrog=10, step_size=None, is_adaptive=True):
        self.n_leapfrog = n_leapfrog
        self.step_size = step_size
        self.is_adaptive = is_adaptive

    def start(self, particles, spread=1.0):
        """Return the initial state of chains; see `sklearn_ebm.protocols.Sampler`."""
        step_size = self.step_size
        if step_size is None:
            step_size = FIRST_STEP * spread * max(particles.shape[1], 1) ** -0.25
        return ChainState(particles, float(step_size), float(spread))

    def move(self, energy, state, stream, n_steps):
        """Return the state after several steps; see `sklearn_ebm.protocols.Sampler`."""
        x, step_size, accepted = state.particles, state.step_size, state.accepted
        # proposals far away overflow, and are rejected
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            point = Point(x, energy.value(x, None), energy.input_gradient(x, None))
            for _ in range(n_steps):
                keys = state.keys(stream)
                point, accepted, has_failed = self._step(energy, point, step_size, keys)
                if self.is_adaptive:
                    step_size = _adapted(step_size, accepted, has_failed, state.spread)
        return state._replace(particles=point.x, step_size=step_size, accepted=accepted)

    def _step(self, energy, point, step_size, keys):
        """Return the points after a step, the mean probability of acceptance, and any failure."""
        x, xp, backend = point.x, array_namespace(point.x), backend_of(energy, point.x)
        n_chains, n_features = x.shape
        momentum = xp.zeros(x.shape, dtype=x.dtype)
        backend.add_normal(momentum, xp.ones(n_features, dtype=x.dtype), keys[0])
        before = point.value + _kinetic(momentum)
        end = self._follow(energy, point, momentum, step_size)
        after = end.value + _kinetic(momentum)
        is_possible = xp.isfinite(after) & ~xp.isnan(before)
        log_ratio = xp.where(is_possible, before - after, -xp.inf * xp.ones_like(after))
        probability = xp.exp(xp.clip(log_ratio, None, 0.0))
        drawn = backend.uniform(xp.empty((n_chains, 1), dtype=x.dtype), keys[1])[:, 0]
        is_accepted = drawn < probability
        has_failed = not bool(xp.all(is_possible))
        accepted = float(xp.mean(probability)) if n_chains else TARGET
        return point.moved(end, is_accepted), accepted, has_failed

    def _follow(self, energy, point, momentum, step_size):
        """Return the end of a trajectory; the momentum changes in place."""
        x, gradient = copied(point.x), point.gradient
        momentum -= step_size / 2 * gradient
        for number in range(self.n_leapfrog):
            x += step_size * momentum
            gradient = energy.input_gradient(x, None)
            is_last = number == self.n_leapfrog - 1
            momentum -= (step_size / 2 if is_last else step_size) * gradient
        return Point(x, energy.value(x, None), gradient)


class Point:
    """Particles with their energies and gradients.

    Parameters
    ----------
    x, gradient : array of shape (n_chains, n_features)
        Particles, and the gradients of their energies.
    value : array of shape (n_chains,)
        Energies.
    """

    def __init__(self, x, value, gradient):
        self.x = x
        self.value = value
        self.gradient = gradient

    def moved(self, end, is_accepted):
        """Return the points at another end for the chains that accept it."""
        xp, rows = array_namespace(self.x), is_accepted[:, None]
        return Point(
            xp.where(rows, end.x, self.x),
            xp.where(is_accepted, end.value, self.value),
            xp.where(rows, end.gradient, self.gradient),
        )


def _kinetic(momentum):
    return array_namespace(momentum).sum(momentum * momentum, axis=1) / 2


def _adapted(step_size, accepted, has_failed, spread):
    """Return the step size of the next step."""
    step_size *= math.exp(RATE * (accepted - TARGET)) * (FAILURE if has_failed else 1.0)
    return min(max(step_size, RANGE[0] * spread), RANGE[1] * spread)
