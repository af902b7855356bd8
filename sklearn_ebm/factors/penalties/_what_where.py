"""Penalties on windows of frames whose non-negative codes share hidden units u, the "what".

A window is a group of consecutive samples z^t. Its penalty is the minimum over u >= 0 of

    gated:    alpha sum_i exp(-(u A)_i) s_i + gamma alpha^2 sum_g u_g
    product:  alpha sum_i s_i / ((u + epsilon) P)_i + alpha sum_g u_g

with the activity s = sum_t z^t. The minimum of functions that are linear in s is concave in s, so
that these penalties have tangents: L1 penalties with the weights 1 / h_i(u), where the gain h(u) is
exp(u A) or (u + epsilon) P. Minimising tangents is the same as alternating between z and u. The
rest of the code, c^t = z^t / h(u), is the "where".

If codes are multiplied by b, and alpha by b (gated) or by b^(3/2) (product), then the penalty is
multiplied by b^2, and nothing else changes.
"""

from __future__ import annotations

import numpy as np

from sklearn_ebm._storage import stored
from sklearn_ebm.backends import array_namespace, to_host
from sklearn_ebm.backends import numpy as reference
from sklearn_ebm.factors.penalties._l1 import L1, SampleWeightedL1
from sklearn_ebm.inputs._checks import require_magnitude

TOL = 1e-4  # violation of the first-order conditions of u, relative to the cost of a unit
EPSILON = 0.05  # smallest gain of a product, relative to that of codes of the usual size
RATE = 0.1  # change of the gates in a step, relative to their norm, of units with a mean use


class Coupled:
    """Base class; a subclass defines u, its gain and its cost.

    Parameters
    ----------
    alpha : float
        Weight of the sparsity.
    gates : ndarray of shape (n_what, n_components)
        A or P, non-negative.
    group_size : int
        Number of frames in a window.
    backend : module
        Kernels.
    """

    name = "the penalty on windows of frames"
    convex = False
    separable = False
    positive = True
    kept: tuple[str, ...] = ("alpha", "gates", "group_size")

    def __init__(self, alpha, gates, group_size, backend=reference):
        self.alpha = alpha
        self.gates = gates
        self.group_size = group_size
        self.backend = backend

    def __getstate__(self):
        """Drop the backend, a module that cannot be pickled."""
        return {name: vars(self)[name] for name in self.kept}

    def __setstate__(self, state):
        self.__init__(**state)

    def _with(self, **changes):
        return type(self)(**{**self.__getstate__(), "backend": self.backend, **changes})

    def on(self, backend):
        """Return the penalty with the kernels of a backend."""
        return self._with(backend=backend)

    def jointly(self, size):
        """Return the penalty on windows, which it is already."""
        return self

    @property
    def learned(self):
        """The weights of the components in each unit."""
        return self.gates

    def with_learned(self, gates):
        """Return the penalty with other weights, the fitted attribute `what_components_`."""
        return self._with(gates=_checked_gates(gates, self.gates.shape))

    def _gates_like(self, array):
        return array_namespace(array).asarray(self.gates, dtype=array.dtype)

    def activity(self, code):
        """Return s of each window, given the codes of windows or of their frames in rows."""
        xp, n_components = array_namespace(code), self.gates.shape[1]
        return xp.sum(xp.reshape(code, (-1, self.group_size, n_components)), axis=1)

    def value(self, code):
        """Return the penalty of each window, shape (n_windows,)."""
        xp, activity = array_namespace(code), self.activity(code)
        what = self.what(activity)
        own = xp.sum(activity / self.gain(what), axis=1)
        return self.alpha * own + self.cost * xp.sum(what, axis=1)

    def tangent(self, code):
        """Return the weighted L1 penalty on frames that touches this one at a code."""
        weights = 1 / self.gain(self.what(self.activity(code)))
        weights = array_namespace(code).repeat(weights, self.group_size, axis=0)
        return SampleWeightedL1(self.alpha, weights, True, self.name)


@stored
class Gated(Coupled):
    """The minimum of alpha sum_i exp(-(u A)_i) s_i + gamma alpha^2 sum_g u_g.

    Parameters
    ----------
    alpha, gates, group_size, backend
        As in `Coupled`; the rows of A have unit norm.
    gamma : float
        Cost of a unit, relative to alpha^2.
    """

    kept = (*Coupled.kept, "gamma")

    def __init__(self, alpha, gates, group_size, gamma, backend=reference):
        super().__init__(alpha, gates, group_size, backend)
        self.gamma = gamma

    @property
    def cost(self):
        """Weight of sum_g u_g."""
        return self.gamma * self.alpha**2

    @property
    def first(self):
        """The penalty with u = 0."""
        return L1(self.alpha, True, self.name)

    def what(self, activity):
        """Return u for each activity s, shape (n_windows, n_what)."""
        xp, gates = array_namespace(activity), self._gates_like(activity)
        units = xp.empty((activity.shape[0], gates.shape[0]), dtype=activity.dtype)
        self.backend.gate_units(activity / (self.gamma * self.alpha), gates, units, TOL)
        return units

    def gain(self, what):
        """Return exp(u A)."""
        return array_namespace(what).exp(what @ self._gates_like(what))

    def moment(self, code, weight):
        """Return sum_n weight_n u_n' (exp(-(u_n A)) s_n), the descent direction of A."""
        activity = self.activity(code)
        what = self.what(activity)
        return (what * weight[:: self.group_size, None]).T @ (activity / self.gain(what))

    def updated(self, moment):
        """Return the penalty after a step on A, whose rows keep their norm.

        The length of the step of a row is proportional to its use, and does not depend on the scale
        of the codes.
        """
        moment = np.asarray(to_host(moment), dtype=np.float64)
        size = np.linalg.norm(moment, axis=1).mean()
        if not size > 0:  # no unit is on
            return self
        gates = np.asarray(self.gates, dtype=np.float64) + RATE / size * moment
        return self._with(gates=unit_rows_of(gates).astype(self.gates.dtype))


@stored
class Product(Coupled):
    """The minimum of alpha sum_i s_i / ((u + epsilon) P)_i + alpha sum_g u_g, with pools P.

    With S = s P', u = max(sqrt(S) - epsilon, 0), and the penalty is 2 alpha sum_g sqrt(S_g) for
    pools with a large activity: it groups components, and it is sparse over time as well.
    """

    @property
    def cost(self):
        """Weight of sum_g u_g."""
        return self.alpha

    @property
    def _usual(self):
        """Gain of codes that alpha hardly shrinks, with the unit of square roots of codes."""
        return self.alpha ** (1 / 3)

    @property
    def first(self):
        """The penalty with usual gains, an L1 penalty."""
        return L1(self.alpha / self._usual, True, self.name)

    def what(self, activity):
        """Return u for each activity s, shape (n_windows, n_what)."""
        xp = array_namespace(activity)
        units = xp.sqrt(activity @ self._gates_like(activity).T) - EPSILON * self._usual
        return xp.maximum(units, xp.zeros_like(units))

    def gain(self, what):
        """Return (u + epsilon) P."""
        return (what + EPSILON * self._usual) @ self._gates_like(what)


def unit_rows_of(gates):
    """Return non-negative rows scaled to norm one."""
    return gates / np.linalg.norm(gates, axis=1, keepdims=True)


def _checked_gates(gates, shape):
    """Return a copy of gates, and refuse weights that are negative, or rows of zeros."""
    gates = np.array(to_host(gates))
    require_magnitude(gates, "what_components_")
    if gates.shape != shape or not (np.all(gates >= 0) and np.all(gates.any(axis=1))):
        raise ValueError(
            f"what_components_ must be non-negative weights of shape {shape}, with a positive "
            "weight in each row."
        )
    return gates


def number_of_units(n_what, n_components):
    """Return the number of units for the parameter `n_what`; None is a quarter of the atoms."""
    return max(1, n_components // 4) if n_what is None else int(n_what)


class WhatWherePenalty:
    """Penalty of `WhatWherePSD` as specified by its parameters.

    Parameters
    ----------
    coupling : {"gated", "product"}
        Kind of the penalty.
    n_what : int or None
        Number of units u. None is a quarter of the number of components.
    n_frames : int
        Number of frames in a window.
    gamma : float
        Cost of a gating unit.
    """

    separable = False

    def __init__(self, coupling, n_what, n_frames, gamma):
        self.coupling = coupling
        self.n_what = n_what
        self.n_frames = n_frames
        self.gamma = gamma

    @property
    def degree(self):
        """Degree of the penalty in the scale of the codes, for ``alpha="scale"``."""
        return 1 if self.coupling == "gated" else 0.5

    def resolve(self, n_components, alpha, positive=True):
        """Return the penalty factor for an alpha. Gates are equal before learning draws them."""
        n_what = number_of_units(self.n_what, n_components)
        if self.coupling == "gated":
            gates = unit_rows_of(np.ones((n_what, n_components)))
            return Gated(alpha, gates, self.n_frames, self.gamma)
        if n_what > n_components:
            raise ValueError(
                f"n_what must be at most n_components={n_components} with coupling='product', "
                f"whose pools are disjoint, got {n_what}."
            )
        pool = np.arange(n_components) * n_what // n_components
        gates = np.asarray(pool == np.arange(n_what)[:, None], dtype=float)
        return Product(alpha, gates, self.n_frames)
