"""First-order updates of a dictionary of named parameters, in place."""

FIRST_DECAY = 0.9  # Kingma & Ba 2015, algorithm 1, its defaults
SECOND_DECAY = 0.999
EPSILON = 1e-16  # theirs, 1e-8, is for losses of size one: ours have the size of X squared


class Adam:
    """Adam (Kingma & Ba 2015).

    Parameters
    ----------
    parameters : dict of str to array
        Updated in place by `step`.
    learning_rate : float
        Step of each entry while its gradient keeps its sign.
    scales : dict of str to float
        Factor of the learning rate for each parameter that is named.
    """

    def __init__(self, parameters, learning_rate, scales=None):
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.scales = {} if scales is None else scales
        self.n_steps = 0
        self._first = {name: 0 * value for name, value in parameters.items()}
        self._second = {name: 0 * value for name, value in parameters.items()}

    def step(self, gradients, backend, share=1.0):
        """One update; `share` scales the learning rate, for a schedule."""
        self.n_steps += 1
        correction = (1 - SECOND_DECAY**self.n_steps) ** 0.5 / (1 - FIRST_DECAY**self.n_steps)
        rate = self.learning_rate * share * correction
        for name, gradient in gradients.items():
            backend.adam_step(
                self.parameters[name],
                gradient,
                self._first[name],
                self._second[name],
                rate * self.scales.get(name, 1.0),
                (FIRST_DECAY, SECOND_DECAY, EPSILON),
            )
