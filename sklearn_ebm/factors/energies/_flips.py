"""The free energies of all neighbours of a sample: samples with one binary visible unit flipped."""

from sklearn_ebm.backends import array_namespace, new_matrix


class BilinearFlips:
    """F(x^i) - F(x) of a bilinear energy, with x^i the sample x whose visible unit i is flipped.

    With d_i = 1 - 2 x_i and the fields f_j = c_j + (x W)_j,

        F(x^i) - F(x) = -b_i d_i - sum_j [log(1 + exp(f_j + d_i w_ij)) - log(1 + exp(f_j))],

    so that all neighbours of a sample cost O(n_visible n_hidden).

    Parameters
    ----------
    energy : BilinearEnergy
        The energy, with binary visible units.
    x : array of shape (n_samples, n_visible)
        Samples. Units that are not observed are constants, as in `BilinearEnergy.free_energy`, and
        have no neighbours.
    """

    def __init__(self, energy, x):
        self.energy = energy
        self.x = x
        self._backend = energy.backend_for(x)
        field = energy.hidden_field(x)
        self._factors = self._backend.flip_factors(field, energy.hidden_bias, energy.weights)

    def changes(self):
        """Return F(x^i) - F(x) of each sample for each visible unit i, of the shape of x."""
        sums = self._backend.flip_sums(self.x, self._factors)
        return (2 * self.x - 1) * self.energy.visible.bias - sums

    def parameter_gradients(self, weight):
        """Return the gradients of sum_ni weight_ni (F(x_n^i) - F(x_n)), by name.

        Parameters
        ----------
        weight : array of shape (n_samples, n_visible)
            Weight of each flip. They may be negative.

        Returns
        -------
        dict of str to array
            Gradients in the shapes of the parameters.
        """
        x, weights = self.x, self.energy.weights
        slopes = new_matrix(weights.shape, weights)
        field_slopes = new_matrix((x.shape[0], weights.shape[1]), weights)
        self._backend.flip_slopes(x, self._factors, weight, slopes, field_slopes)
        xp = array_namespace(x)
        slopes += x.T @ field_slopes
        return {
            "weights": -slopes,
            "hidden_bias": -xp.sum(field_slopes, axis=0),
            "visible_bias": xp.sum(weight * (2 * x - 1), axis=0),
        }
