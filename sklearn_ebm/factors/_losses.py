"""Losses for training an encoder; `LOSSES` names them.

`value_and_gradient` returns the loss of each sample and its gradient with respect to the code.
"""

from sklearn_ebm._storage import stored
from sklearn_ebm.factors.decoders._linear import half_norm
from sklearn_ebm.protocols import require


@stored
class CodeLoss:
    """1/2 ||z - z*||^2, the squared distance to optimal codes (Gregor & LeCun 2010, eq. 5)."""

    needs_optimum = True

    def __init__(self, energy):
        pass

    def value_and_gradient(self, X, code, optimum, mask=None):
        """Return the distances, shape (n_samples,), and z - z*."""
        error = code - optimum
        return half_norm(error), error

    def of_zero(self, X, optimum):
        """Return the loss of zero codes, shape (n_samples,)."""
        return half_norm(optimum)


@stored
class EnergyLoss:
    """E(x, z) without the prediction term. It requires no optimal codes."""

    needs_optimum = False

    def __init__(self, energy):
        require(energy.penalty, "gradient", "loss='energy' requires a penalty", "Use loss='codes'.")
        self.energy = energy

    def value_and_gradient(self, X, code, optimum=None, mask=None):
        """Return the energies, shape (n_samples,), and their gradient."""
        energy = self.energy
        return energy.value(X, code, mask=mask), energy.gradient(X, code, mask)

    def of_zero(self, X, optimum=None):
        """Return the energy of zero codes, shape (n_samples,)."""
        return half_norm(X)


LOSSES = {"codes": CodeLoss, "energy": EnergyLoss}
