"""The conditional distributions of the two layers of a bilinear energy."""

from sklearn_ebm.backends import array_namespace, copied


class Conditionals:
    """Samples and means of each layer given the other.

    Parameters
    ----------
    energy : BilinearEnergy
        The energy. Its backend, or the backend of its weights, is used in all calls.
    """

    def __init__(self, energy):
        self.energy = energy.on(energy.backend_for(energy.weights))
        self._backend = self.energy.visible.backend

    def hidden_mean(self, visible, result=None):
        """Return the probability that each hidden unit is on, given the visible units."""
        field = self.energy.hidden_field(visible, result)
        return self._backend.bernoulli_mean(field, self.energy.hidden_bias)

    def visible_mean(self, hidden):
        """Return the mean of each visible unit given the hidden units."""
        return self.energy.visible.mean(self.energy.visible_field(hidden))

    def sample_hidden(self, visible, key, result=None, mean=None):
        """Sample the hidden units given the visible ones; `mean` receives their probabilities."""
        field = self.energy.hidden_field(visible, result)
        return self._backend.bernoulli_sample(field, self.energy.hidden_bias, 1.0, key, mean)

    def sample_visible(self, hidden, key, result=None):
        """Sample the visible units given the hidden ones."""
        return self.energy.visible.sample(self.energy.visible_field(hidden, result), key)

    def gibbs_step(self, hidden, visible, keys, mean=None):
        """Sample the visible units given the hidden ones, then the hidden units, in place."""
        energy = self.energy
        if energy.visible.is_binary:
            biases = energy.visible.bias, energy.hidden_bias
            self._backend.gibbs_step(hidden, visible, energy.weights, biases, keys, mean)
            return
        self.sample_visible(hidden, keys[0], visible)
        self.sample_hidden(visible, keys[1], hidden, mean)


class ClampedConditionals:
    """Gibbs sampling of some of the visible units, while the others keep their values.

    Parameters
    ----------
    conditionals : Conditionals
        Samples all units.
    visible : array of shape (n_rows, n_visible)
        Values of the visible units. They are copied.
    is_free : array of shape (n_rows, n_visible)
        1 for units that are sampled, 0 for units that keep their values.
    """

    def __init__(self, conditionals, visible, is_free):
        self.conditionals = conditionals
        self._visible = copied(visible)
        self._is_free = is_free

    def gibbs_step(self, hidden, visible, keys, mean=None):
        """Sample the free visible units given the hidden units, then the hidden units, in place."""
        drawn = self.conditionals.sample_visible(hidden, keys[0], visible)
        xp = array_namespace(visible)
        visible[...] = xp.where(self._is_free != 0, drawn, self._visible)
        self.conditionals.sample_hidden(visible, keys[1], hidden, mean)
