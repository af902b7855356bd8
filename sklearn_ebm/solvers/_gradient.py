"""First-order updates of a dictionary of named parameters, in place."""

from sklearn_ebm.backends import array_namespace

FIRST_DECAY = 0.9  # Kingma & Ba 2015, algorithm 1, its defaults
SECOND_DECAY = 0.999
EPSILON = 1e-8


class Adam:
    """Adam (Kingma & Ba 2015).

    Parameters
    ----------
    parameters : dict of str to array
        Updated in place by `step`.
    learning_rate : float
        Step of each entry while its gradient keeps its sign.
    """

    def __init__(self, parameters, learning_rate):
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.n_steps = 0
        self._first = {name: 0 * value for name, value in parameters.items()}
        self._second = {name: 0 * value for name, value in parameters.items()}

    def step(self, gradients, share=1.0):
        """One update; `share` scales the learning rate, for a schedule."""
        self.n_steps += 1
        correction = (1 - SECOND_DECAY**self.n_steps) ** 0.5 / (1 - FIRST_DECAY**self.n_steps)
        rate = self.learning_rate * share * correction
        for name, gradient in gradients.items():
            first, second = self._first[name], self._second[name]
            first *= FIRST_DECAY
            first += (1 - FIRST_DECAY) * gradient
            second *= SECOND_DECAY
            second += (1 - SECOND_DECAY) * gradient * gradient
            root = array_namespace(second).sqrt(second)
            self.parameters[name] -= rate * first / (root + EPSILON)
