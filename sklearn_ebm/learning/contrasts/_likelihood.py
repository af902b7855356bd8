"""The exact negative log-likelihood, for energies whose partition function is known."""

from sklearn_ebm._storage import stored
from sklearn_ebm.learning.contrasts._contrast import Contrast, at, weights_of


@stored
class Likelihood(Contrast):
    """F(x) + log Z, the negative log-density of a sample."""

    requires = ("log_partition",)

    def prepare(self, energy):
        """Return log Z and its gradients."""
        return energy.log_partition(), energy.log_partition_gradients()

    def compare(self, energy, shared, batch, backend, stream=None, shard=None):
        """Return the losses and their gradients; see `Contrast.compare`."""
        log_partition, of_partition = shared
        values = at(energy, batch.X)
        gradients = values.parameter_gradients(weights_of(batch))
        total = batch.total_weight()
        for name, gradient in of_partition.items():
            gradients[name] = gradients[name] + total * gradient
        return values.value() + log_partition, gradients, shard
