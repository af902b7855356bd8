"""First-order optimizers of a dictionary of named parameters, in place; `OPTIMIZERS` names them."""

import numpy as np

from sklearn_ebm._storage import stored

FIRST_DECAY = 0.9  # Kingma & Ba 2015, algorithm 1, its defaults
SECOND_DECAY = 0.999
EPSILON = 1e-16  # the paper's 1e-8 would slow down weights of components that are rarely active
MOMENTUM = 0.9


class Optimizer:
    """Base class of optimizers: the parameters, the factors of their steps, and weight decay.

    Parameters
    ----------
    parameters : dict of str to array
        Updated in place by `step`.
    scales : dict of str to float
        Factors of the learning rate by name; 1 for other parameters.
    decay : float, default=0.0
        Weight decay, decoupled from the gradient (Loshchilov & Hutter 2019): in each step,
        parameters of two and more dimensions shrink by this share times the learning rate.
    units : dict of str to float
        Units of parameters by name. A parameter p takes the steps of p / unit, times unit, so that
        a parameter of ten times the size takes steps of ten times the size.
    """

    is_stochastic = True  # whether batches may have a part of the samples

    def __init__(self, parameters, scales=None, decay=0.0, units=None):
        self.parameters = parameters
        self.scales = {} if scales is None else scales
        self.decay = decay
        self.units = {} if units is None else units
        self.n_steps = 0

    def step(self, gradients, backend, learning_rate):
        """Update each parameter that has a gradient."""
        self.n_steps += 1
        with np.errstate(over="ignore", invalid="ignore"):  # trainers detect infinite values
            self._move_all(gradients, backend, learning_rate)

    def restart(self):
        """Reset all moments, as before the first step."""
        self.n_steps = 0
        for moment in self._moments():
            for value in moment.values():
                value[...] = 0

    def without_state(self):
        """Return an optimizer of the same kind, without parameters and moments."""
        return type(self)({}, self.scales, self.decay, self.units)

    def _moments(self):
        """Return the arrays of moments, each a dictionary with the names of the parameters."""
        return ()

    def _move_all(self, gradients, backend, learning_rate):
        for name, gradient in gradients.items():
            parameter = self.parameters[name]
            rate = learning_rate * self.scales.get(name, 1.0)
            if self.decay and parameter.ndim > 1:
                parameter *= 1 - rate * self.decay
            self._move(name, gradient, rate, self.units.get(name, 1.0), backend)


@stored
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015): steps as large as the learning rate if gradients keep their sign.

    Parameters
    ----------
    parameters, scales, decay, units
        As for `Optimizer`.
    epsilon : float, default=1e-16
        Added to the denominator. Parameters with gradients of this size and below move little.
    """

    def __init__(self, *args, epsilon=EPSILON, **options):
        super().__init__(*args, **options)
        self.epsilon = epsilon
        self._first = {name: 0 * value for name, value in self.parameters.items()}
        self._second = {name: 0 * value for name, value in self.parameters.items()}

    def _moments(self):
        return self._first, self._second

    def _move(self, name, gradient, rate, unit, backend):
        n_steps = self.n_steps
        correction = (1 - SECOND_DECAY**n_steps) ** 0.5 / (1 - FIRST_DECAY**n_steps)
        backend.adam_step(
            self.parameters[name],
            gradient,
            self._first[name],
            self._second[name],
            rate * unit * correction,
            (FIRST_DECAY, SECOND_DECAY, self.epsilon / unit),
        )


@stored
class GradientDescent(Optimizer):
    """Gradient descent with momentum (Polyak 1964): v = momentum v - rate g, then p += v.

    Parameters
    ----------
    parameters, scales, decay, units
        As for `Optimizer`.
    momentum : float, default=0.9
        Share of the previous step that is added to the next.
    """

    def __init__(self, *args, momentum=MOMENTUM, **options):
        super().__init__(*args, **options)
        self.momentum = momentum
        self._velocity = {name: 0 * value for name, value in self.parameters.items()}

    def _moments(self):
        return (self._velocity,)

    def _move(self, name, gradient, rate, unit, backend):
        velocity = self._velocity[name]
        velocity *= self.momentum
        velocity -= rate * unit**2 * gradient  # velocity is in units of p
        self.parameters[name] += velocity


OPTIMIZERS = {"adam": Adam, "sgd": GradientDescent}
