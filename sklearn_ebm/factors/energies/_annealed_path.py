"""The path from independent visible units to a bilinear energy, for annealed importance sampling.

    p_share(v) ~ exp(-(1 - share) E_base(v) - share E_v(v)) prod_j (1 + exp(share (c_j + s(v) W_j)))

(Salakhutdinov & Murray 2008, eq. 15, where E_base has the base rates of the data).
"""

import math

from sklearn_ebm.backends import array_namespace, new_matrix


class AnnealedPath:
    """The path from visible units without hidden units to an energy.

    Parameters
    ----------
    energy : BilinearEnergy
        End of the path. The path is computed by its backend, or by the backend of its weights.
    base : BernoulliUnits, CategoricalUnits or GaussianUnits
        Start of the path, in the coordinates of the energy's visible units.
    """

    def __init__(self, energy, base):
        self.backend = energy.backend_for(energy.weights)
        self.energy = energy.on(self.backend).inner()
        self.base = base.on(self.backend).inner()
        self._base_of_data = base.on(self.backend)

    def log_partition_of_base(self):
        """Return log Z of the base, whose hidden units are on with probability 1/2."""
        weights = self.energy.weights
        xp = array_namespace(weights)
        nothing = xp.zeros((1, weights.shape[0]), dtype=weights.dtype)
        own = float(self._base_of_data.log_partition(nothing)[0])
        return own + weights.shape[1] * math.log(2)

    def start(self, n_runs, key):
        """Return samples of the base, and memory for the hidden units."""
        n_visible, n_hidden = self.energy.weights.shape
        visible = new_matrix((n_runs, n_visible), self.energy.weights)
        visible[...] = 0
        self.base.sample(visible, key)
        return visible, new_matrix((n_runs, n_hidden), self.energy.weights)

    def advance(self, state, share, next_share, keys):
        """Return log p_next(v) / p(v) of each particle, then make a step at the next share."""
        energy, backend = self.energy, self.backend
        visible, hidden = state
        bias = energy.hidden_bias
        field = energy.hidden_field(visible, hidden)
        change = (next_share - share) * (self.base.value(visible) - energy.visible.value(visible))
        change += backend.softplus_sums(field, next_share * bias, next_share)
        change -= backend.softplus_sums(field, share * bias, share)
        backend.bernoulli_sample(field, next_share * bias, next_share, keys[0])
        units, scale = energy.visible.mixed(self.base, next_share)
        units.sample(energy.visible_field(hidden, visible), keys[1], scale)
        return change
